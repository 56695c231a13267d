//! Real agents over the simulated band: the same quantity measured both ways, in one chart and in one table.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

use super::axis::{Axis, round_up};
use super::chart::{BLUE, Chart, Curve, Stroke, VERMILLION};
use super::facts::{Facts, counted};
use super::figures::{POINTS, fan_curves};
use super::stats::{Fan, fan, grid, number, quantile, seconds};
use super::{ReportError, canvas, put};
use crate::metrics::SeedResult;
use crate::scenario::Scenario;

/// Shares of the audience whose times are in the table, in permille.
const SHARES: [(u32, &str); 4] = [(500, "50 %"), (950, "95 %"), (990, "99 %"), (1_000, "all")];

/// Why measurements cannot be used.
#[derive(Debug, Error)]
pub enum MeasuredError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A line is no measurement.
    #[error("{}:{line}: {source}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line of it.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// There is nothing to compare.
    #[error("{}: no event or departure that the scenario has too", path.display())]
    Nothing {
        /// Which file.
        path: PathBuf,
    },
}

/// A line of a swarm's report; what is not compared here is skipped.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Line {
    Event {
        audience: u32,
        delays_s: Vec<f64>,
    },
    Departure {
        how: String,
        observers: u32,
        delays_s: Vec<f64>,
    },
    #[serde(other)]
    Other,
}

/// One run's answer to "who had it when".
#[derive(Clone, Debug)]
struct Course {
    audience: u32,
    /// Ascending, in seconds.
    delays: Vec<f64>,
}

impl Course {
    fn share(&self, t: f64) -> f64 {
        let have = self.delays.partition_point(|&delay| delay <= t);
        (100.0 * number(have) / f64::from(self.audience.max(1))).min(100.0)
    }

    fn reached(&self, permille: u32) -> Option<f64> {
        let needed = (u64::from(self.audience) * u64::from(permille)).div_ceil(1_000).max(1);
        self.delays.get(usize::try_from(needed).ok()? - 1).copied()
    }
}

/// One quantity, simulated and measured.
#[derive(Clone, Debug)]
struct Pair {
    stem: &'static str,
    title: &'static str,
    across: &'static str,
    up: &'static str,
    simulated: Vec<Course>,
    measured: Vec<Course>,
}

/// What [`write()`] made.
#[derive(Debug)]
pub struct Overlay {
    /// The pictures.
    pub files: Vec<PathBuf>,
    /// The figures as a table in Markdown.
    pub table: String,
}

/// Draws what agents measured, in the lines of a swarm's report, over what `results` say, into `out`.
///
/// # Errors
///
/// [`MeasuredError`] if the measurements cannot be used, [`ReportError`] if a picture cannot be made.
pub fn write(
    scenario: &Scenario,
    results: &[SeedResult],
    measured: &Path,
    out: &Path,
) -> Result<Overlay, OverlayError> {
    let facts = Facts::new(scenario);
    let mut pairs = pairs(results, &read(measured)?);
    pairs.retain(|pair| !pair.simulated.is_empty() && !pair.measured.is_empty());
    if pairs.is_empty() {
        return Err(MeasuredError::Nothing { path: measured.to_path_buf() }.into());
    }
    fs::create_dir_all(out)
        .map_err(|source| ReportError::Write { path: out.to_path_buf(), source })?;
    let mut files = Vec::new();
    for pair in &pairs {
        let chart = chart(&facts, pair);
        let svg = canvas::svg(&chart, pair.title)?;
        files.push(put(out, &format!("{}.svg", pair.stem), svg.as_bytes())?);
        files.push(put(out, &format!("{}.png", pair.stem), &canvas::png(&chart)?)?);
    }
    Ok(Overlay { files, table: table(&pairs) })
}

/// Why there is no overlay.
#[derive(Debug, Error)]
pub enum OverlayError {
    /// The measurements are at fault.
    #[error(transparent)]
    Measured(#[from] MeasuredError),
    /// The pictures are.
    #[error(transparent)]
    Report(#[from] ReportError),
}

fn read(path: &Path) -> Result<Vec<Line>, MeasuredError> {
    let text = fs::read_to_string(path)
        .map_err(|source| MeasuredError::Read { path: path.to_path_buf(), source })?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|source| MeasuredError::Line {
                path: path.to_path_buf(),
                line: index + 1,
                source,
            })
        })
        .collect()
}

fn pairs(results: &[SeedResult], lines: &[Line]) -> Vec<Pair> {
    let simulated = |delays: &[u64], audience: u32| Course {
        audience,
        delays: delays.iter().map(|&delay| seconds(delay)).collect(),
    };
    let measured = |delays: &[f64], audience: u32| {
        let mut delays = delays.to_vec();
        delays.sort_by(f64::total_cmp);
        Course { audience, delays }
    };
    let departures = |kind: &str| {
        let simulated: Vec<Course> = results
            .iter()
            .flat_map(|result| &result.departures)
            .filter(|it| it.kind == kind)
            .map(|it| simulated(&it.delays, it.observers))
            .collect();
        let measured: Vec<Course> = lines
            .iter()
            .filter_map(|line| match line {
                Line::Departure { how, observers, delays_s } if how == kind => {
                    Some(measured(delays_s, *observers))
                }
                Line::Departure { .. } | Line::Event { .. } | Line::Other => None,
            })
            .collect();
        (simulated, measured)
    };
    let events = results.iter().flat_map(|result| &result.events);
    let spreads = lines.iter().filter_map(|line| match line {
        Line::Event { audience, delays_s } => Some(measured(delays_s, *audience)),
        Line::Departure { .. } | Line::Other => None,
    });
    let (crash, leave) = (departures("crash"), departures("leave"));
    vec![
        Pair {
            stem: "event",
            title: "An event reaches the cluster: simulated and measured",
            across: "seconds since the event was sent",
            up: "nodes that have the event",
            simulated: events.map(|it| simulated(&it.delays, it.audience)).collect(),
            measured: spreads.collect(),
        },
        Pair {
            stem: "crash",
            title: "A crash is noticed: simulated and measured",
            across: "seconds since the crash",
            up: "observers that have marked it failed",
            simulated: crash.0,
            measured: crash.1,
        },
        Pair {
            stem: "leave",
            title: "A goodbye is heard: simulated and measured",
            across: "seconds since the leave began",
            up: "observers that have marked it left",
            simulated: leave.0,
            measured: leave.1,
        },
    ]
}

fn chart(facts: &Facts, pair: &Pair) -> Chart {
    let latest = pair.simulated.iter().chain(&pair.measured).filter_map(|it| it.reached(990));
    let mut latest: Vec<f64> = latest.collect();
    latest.sort_by(f64::total_cmp);
    let end = round_up(1.1 * quantile(&latest, 980).unwrap_or(1.0));
    let (mut curves, bands) = fan_curves(&fans(&pair.simulated, end), pair.simulated.len(), BLUE);
    if let Some(curve) = curves.first_mut() {
        curve.label = format!("simulator, {}", curve.label);
    }
    curves.extend(measured_curves(&fans(&pair.measured, end), pair.measured.len()));
    Chart {
        title: pair.title.into(),
        subtitle: facts.setting(pair.simulated.len()),
        x: Axis::to(pair.across, end),
        y: Axis::percent(pair.up),
        curves,
        bands,
        ..Chart::default()
    }
}

fn fans(courses: &[Course], end: f64) -> Vec<(f64, Fan)> {
    grid(end, POINTS)
        .filter_map(|t| {
            let mut shares: Vec<f64> = courses.iter().map(|course| course.share(t)).collect();
            fan(&mut shares).map(|fan| (t, fan))
        })
        .collect()
}

/// The median of the agents, and where nine out of ten of their runs lie.
fn measured_curves(fans: &[(f64, Fan)], runs: usize) -> [Curve; 3] {
    let curve = |label: String, share: fn(Fan) -> f64, stroke, width| Curve {
        label,
        points: fans.iter().map(|&(t, fan)| (t, share(fan))).collect(),
        color: VERMILLION,
        stroke,
        width,
    };
    [
        curve(
            format!("real agents, median of {}", counted(runs, "run")),
            |fan| fan.mid,
            Stroke::Solid,
            3.0,
        ),
        curve("their 5th and 95th percentile".into(), |fan| fan.low, Stroke::Dashed, 1.8),
        curve(String::new(), |fan| fan.high, Stroke::Dashed, 1.8),
    ]
}

/// Median times with 5th and 95th percentile over the runs.
fn table(pairs: &[Pair]) -> String {
    let mut text = String::from(
        "| seconds until | of the audience | simulator | real agents | difference of medians |\n|---|--:|--:|--:|--:|\n",
    );
    for pair in pairs {
        for (permille, share) in SHARES {
            let simulated = times(&pair.simulated, permille);
            let measured = times(&pair.measured, permille);
            let difference = match (quantile(&simulated, 500), quantile(&measured, 500)) {
                (Some(one), Some(other)) if one > 0.0 => {
                    format!("{:+.0} %", 100.0 * (other / one - 1.0))
                }
                _ => "–".into(),
            };
            text.push_str(&format!(
                "| {} | {share} | {} | {} | {difference} |\n",
                pair.stem,
                cell(&simulated, pair.simulated.len()),
                cell(&measured, pair.measured.len())
            ));
        }
    }
    text
}

fn times(courses: &[Course], permille: u32) -> Vec<f64> {
    let mut times: Vec<f64> = courses.iter().filter_map(|it| it.reached(permille)).collect();
    times.sort_by(f64::total_cmp);
    times
}

fn cell(times: &[f64], runs: usize) -> String {
    let at = |permille| quantile(times, permille).unwrap_or(f64::NAN);
    let never = runs - times.len();
    let rest = if never > 0 { format!(", {never} of {runs} never") } else { String::new() };
    if times.is_empty() {
        return format!("never in {runs}");
    }
    format!("{:.3} ({:.3}–{:.3}){rest}", at(500), at(50), at(950))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_swarm_are_read_and_others_skipped() {
        let dir = std::env::temp_dir().join(format!("uwasa-overlay-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let file = dir.join("measured.jsonl");
        let text = "{\"kind\":\"sample\",\"at_s\":1.0}\n\n\
                    {\"kind\":\"event\",\"name\":\"x\",\"audience\":2,\"delays_s\":[0.0,0.5]}\n\
                    {\"kind\":\"departure\",\"how\":\"crash\",\"observers\":1,\"delays_s\":[]}\n";
        fs::write(&file, text).unwrap();
        let lines = read(&file).unwrap();
        assert!(matches!(
            &lines[..],
            [Line::Other, Line::Event { audience: 2, .. }, Line::Departure { observers: 1, .. }]
        ));
        fs::write(&file, "{\"kind\":\"event\"}\n").unwrap();
        let error = read(&file).unwrap_err().to_string();
        assert!(error.contains("measured.jsonl:1: missing field `audience`"), "{error}");
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_table_says_what_never_happened() {
        let course = |delays: &[f64]| Course { audience: 2, delays: delays.to_vec() };
        let pair = Pair {
            stem: "event",
            title: "",
            across: "",
            up: "",
            simulated: vec![course(&[0.0, 1.0])],
            measured: vec![course(&[0.0, 1.5]), course(&[0.0])],
        };
        let table = table(&[pair]);
        let last = table.lines().last().unwrap();
        assert_eq!(
            last,
            "| event | all | 1.000 (1.000–1.000) | 1.500 (1.500–1.500), 1 of 2 never | +50 % |"
        );
    }
}
