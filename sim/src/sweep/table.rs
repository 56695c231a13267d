//! A sweep as tables: every figure of every point as quantiles, and the few that people look at first.

use std::collections::BTreeMap;

use super::plan::Manifest;
use super::row::Row;
use crate::outcome::Quantiles;

/// Samples of one figure at one point.
type Samples = Vec<Option<f64>>;

/// All samples of one point, figures in the order in which they first came up.
#[derive(Default)]
struct PointFigures {
    runs: usize,
    figures: Vec<(String, Samples)>,
}

impl PointFigures {
    fn add(&mut self, row: &Row) {
        self.runs += 1;
        for (name, values) in row.figures.samples() {
            match self.figures.iter_mut().find(|(known, _)| *known == name) {
                Some((_, samples)) => samples.extend(values),
                None => self.figures.push((name, values)),
            }
        }
    }

    /// Samples of all figures whose name starts and ends so.
    fn like(&self, start: &str, end: &str) -> Samples {
        let matching =
            self.figures.iter().filter(|(name, _)| name.starts_with(start) && name.ends_with(end));
        matching.flat_map(|(_, samples)| samples.iter().copied()).collect()
    }
}

/// Rows by index of their point.
fn by_point(manifest: &Manifest, rows: &[Row]) -> BTreeMap<usize, PointFigures> {
    let mut points: BTreeMap<usize, PointFigures> = BTreeMap::new();
    for row in rows {
        let point = row.unit.checked_div(manifest.seeds.len()).unwrap_or(0);
        points.entry(point).or_default().add(row);
    }
    points
}

/// One line per point and figure: the axes, the figure, how many samples, in how many it never happened, quantiles.
pub(super) fn csv(manifest: &Manifest, rows: &[Row]) -> String {
    let mut text = String::new();
    for axis in &manifest.grid.0 {
        text.push_str(&quoted(&axis.key));
        text.push(',');
    }
    text.push_str("figure,samples,never,min,median,p90,p99,max\n");
    for (index, point) in by_point(manifest, rows) {
        let values: String = manifest
            .grid
            .point(index)
            .0
            .iter()
            .map(|(_, value)| format!("{},", quoted(value)))
            .collect();
        for (name, samples) in point.figures {
            let it = Quantiles::of(samples);
            let cells = [it.min, it.median, it.p90, it.p99, it.max]
                .map(|value| value.map_or_else(String::new, |value| value.to_string()))
                .join(",");
            text.push_str(&format!(
                "{values}{},{},{},{cells}\n",
                quoted(&name),
                it.seeds,
                it.never
            ));
        }
    }
    text
}

/// A field of a CSV file, quoted where it must be.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// A column of the summary: its head, the figures it takes, and how a cell is written.
struct Column {
    head: &'static str,
    start: &'static str,
    end: &'static str,
    cell: fn(&Samples) -> String,
}

const COLUMNS: [Column; 10] = [
    Column { head: "event t50", start: "event.", end: ".t50", cell: times },
    Column { head: "event t95", start: "event.", end: ".t95", cell: times },
    Column { head: "event t99", start: "event.", end: ".t99", cell: times },
    Column { head: "event t100", start: "event.", end: ".t100", cell: times },
    Column { head: "crash first", start: "crash.first", end: "first", cell: times },
    Column { head: "crash t100", start: "crash.", end: ".t100", cell: times },
    Column { head: "leave t100", start: "leave.", end: ".t100", cell: times },
    Column { head: "false failed", start: "false_failed", end: "", cell: sum },
    Column { head: "B/s per node", start: "bytes_per_node_second", end: "", cell: whole },
    Column { head: "broken", start: "invariants_broken", end: "", cell: sum },
];

/// One line per point as a table of Markdown that is readable as it is: median and, in brackets, 90th percentile.
pub(super) fn markdown(manifest: &Manifest, rows: &[Row]) -> String {
    let points = by_point(manifest, rows);
    let present = |column: &&Column| {
        points.values().any(|point| !point.like(column.start, column.end).is_empty())
    };
    let columns: Vec<&Column> = COLUMNS.iter().filter(present).collect();
    let mut head: Vec<String> = manifest.grid.0.iter().map(|axis| axis.key.clone()).collect();
    head.extend(["runs", "held"].map(str::to_owned));
    head.extend(columns.iter().map(|column| column.head.to_owned()));
    let mut table = vec![head];
    for (index, point) in &points {
        let mut line: Vec<String> =
            manifest.grid.point(*index).0.into_iter().map(|(_, value)| value).collect();
        line.push(point.runs.to_string());
        line.push(sum(&point.like("held", "")));
        line.extend(columns.iter().map(|it| (it.cell)(&point.like(it.start, it.end))));
        table.push(line);
    }
    let note = "Times in seconds: median (90th percentile) over all events, crashes or leaves of all seeds; `never` where \
                that share did not get there. `held`: runs that met every expectation. `false failed`: living members \
                declared failed, all runs together.\n";
    format!("{}\n{note}", aligned(&table))
}

fn aligned(table: &[Vec<String>]) -> String {
    let width = |column: usize| {
        table
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.first().map_or(0, Vec::len)).map(width).collect();
    let mut text = String::new();
    for (index, line) in table.iter().enumerate() {
        for (cell, width) in line.iter().zip(&widths) {
            text.push_str(&format!("| {:>width$} ", cell.replace('|', "\\|")));
        }
        text.push_str("|\n");
        if index == 0 {
            for width in &widths {
                text.push_str(&format!("|{}:", "-".repeat(width + 1)));
            }
            text.push_str("|\n");
        }
    }
    text
}

fn times(samples: &Samples) -> String {
    let it = Quantiles::of(samples.iter().copied());
    if it.seeds == 0 {
        return "-".into();
    }
    let time =
        |value: Option<f64>| value.map_or_else(|| "never".into(), |value| format!("{value:.2}"));
    format!("{} ({})", time(it.median), time(it.p90))
}

fn whole(samples: &Samples) -> String {
    let it = Quantiles::of(samples.iter().copied());
    it.median.map_or_else(|| "-".into(), |median| format!("{median:.0}"))
}

fn sum(samples: &Samples) -> String {
    format!("{:.0}", samples.iter().flatten().sum::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_and_quotes_are_quoted() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(
            quoted("{ low = \"1ms\", high = \"2ms\" }"),
            "\"{ low = \"\"1ms\"\", high = \"\"2ms\"\" }\""
        );
    }

    #[test]
    fn columns_line_up() {
        let table = [vec!["a".to_owned(), "long".into()], vec!["123".into(), "4".into()]];
        assert_eq!(aligned(&table), "|   a | long |\n|----:|-----:|\n| 123 |    4 |\n");
    }
}
