//! The report of one paper: text with tables, charts, gates, and everything as JSON.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::Effort;
use crate::report::plot::Plot;
use crate::report::{ReportError, put};

/// A figure that must lie within bounds.
#[derive(Clone, Debug, Serialize)]
pub struct Gate {
    /// What it is.
    pub name: String,
    /// What was measured; NaN (no figure) never passes.
    pub value: f64,
    /// Lowest value that passes.
    pub low: f64,
    /// Highest value that passes.
    pub high: f64,
    /// Whether it passes.
    pub met: bool,
}

impl Gate {
    /// Judges `value`.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64, low: f64, high: f64) -> Self {
        Self { name: name.into(), value, low, high, met: value >= low && value <= high }
    }

    /// Passes within `share` of `wanted`.
    #[must_use]
    pub fn within(name: impl Into<String>, value: f64, wanted: f64, share: f64) -> Self {
        Self::new(name, value, wanted * (1.0 - share), wanted * (1.0 + share))
    }
}

/// The report of one paper, growing.
#[derive(Debug)]
pub(super) struct Sheet {
    name: &'static str,
    text: String,
    plots: Vec<Plot>,
    gates: Vec<Gate>,
    results: Map<String, Value>,
}

/// The report of one paper, on disk.
#[derive(Debug)]
pub struct Reproduced {
    /// Which paper.
    pub name: &'static str,
    /// Its gates.
    pub gates: Vec<Gate>,
    /// The files.
    pub files: Vec<PathBuf>,
}

impl Sheet {
    pub(super) fn new(name: &'static str, title: &str) -> Self {
        let text = format!("# {title}\n");
        Self { name, text, plots: Vec::new(), gates: Vec::new(), results: Map::new() }
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.text.push_str(&format!("\n## {text}\n"));
    }

    /// A paragraph.
    pub(super) fn say(&mut self, text: impl AsRef<str>) {
        self.text.push_str(&format!("\n{}\n", text.as_ref().trim_end()));
    }

    /// Commands that a reader can run alone.
    pub(super) fn commands(&mut self, lines: &[&str]) {
        self.say(format!("```sh\n{}\n```", lines.join("\n")));
    }

    /// A table; every column but the first is aligned to the right.
    pub(super) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let rule = "--:|".repeat(head.len().saturating_sub(1));
        let mut text = format!("| {} |\n|---|{rule}\n", head.join(" | "));
        for row in rows {
            text.push_str(&format!("| {} |\n", row.join(" | ")));
        }
        self.say(text);
    }

    /// A chart, shown at this place.
    pub(super) fn plot(&mut self, plot: Plot) {
        self.say(format!("![{}]({}.svg)", plot.title, plot.stem));
        self.plots.push(plot);
    }

    pub(super) fn gate(&mut self, gate: Gate) {
        self.gates.push(gate);
    }

    /// Keeps figures for machines.
    pub(super) fn keep(&mut self, key: &str, value: impl Serialize) -> Result<(), ReportError> {
        self.results.insert(key.into(), serde_json::to_value(value)?);
        Ok(())
    }

    /// Writes everything into `out/<name>/`: `README.md`, charts, `results.json`.
    pub(super) fn write(mut self, out: &Path, effort: Effort) -> Result<Reproduced, ReportError> {
        let out = out.join(self.name);
        std::fs::create_dir_all(&out)
            .map_err(|source| ReportError::Write { path: out.clone(), source })?;
        self.heading("Gates");
        let figure = |value: f64| {
            if !value.is_finite() || value.abs() >= 1e6 {
                "–".into()
            } else {
                format!("{value:.3}")
            }
        };
        let rows: Vec<Vec<String>> = self
            .gates
            .iter()
            .map(|gate| {
                let met = if gate.met { "met" } else { "**missed**" };
                let bounds = [figure(gate.low), figure(gate.high)];
                let [low, high] = bounds;
                vec![gate.name.clone(), figure(gate.value), low, high, met.into()]
            })
            .collect();
        self.table(&["what", "measured", "at least", "at most", ""], &rows);
        let flag = if effort == Effort::Full { "" } else { " --quick" };
        self.say(format!("Made by `cargo sim papers {}{flag}`.", self.name));
        let mut files = Vec::new();
        for plot in &self.plots {
            files.extend(plot.write(&out)?);
        }
        self.results.insert("gates".into(), serde_json::to_value(&self.gates)?);
        self.results.insert("in_full".into(), (effort == Effort::Full).into());
        let json = serde_json::to_string_pretty(&self.results)?;
        files.push(put(&out, "results.json", format!("{json}\n").as_bytes())?);
        files.push(put(&out, "README.md", self.text.as_bytes())?);
        Ok(Reproduced { name: self.name, gates: self.gates, files })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_fails_outside_its_bounds_and_without_a_figure() {
        assert!(Gate::within("p50", 10.2, 10.0, 0.03).met);
        assert!(!Gate::within("p50", 10.4, 10.0, 0.03).met);
        assert!(!Gate::within("p50", 9.6, 10.0, 0.03).met);
        assert!(!Gate::new("ratio", f64::NAN, 0.0, 1.0).met);
    }

    #[test]
    fn a_report_shows_what_was_missed() {
        let out = std::env::temp_dir().join(format!("uwasa-sheet-{}", std::process::id()));
        let mut sheet = Sheet::new("sample", "A sample");
        sheet.table(&["N", "p50"], &[vec!["50".into(), "8.5".into()]]);
        sheet.gate(Gate::new("ratio", 2.0, 0.0, 1.0));
        let done = sheet.write(&out, Effort::Quick).expect("written");
        assert!(!done.gates[0].met);
        let text = std::fs::read_to_string(out.join("sample/README.md")).unwrap();
        assert!(text.contains("| N | p50 |\n|---|--:|\n| 50 | 8.5 |"), "{text}");
        assert!(text.contains("| ratio | 2.000 | 0.000 | 1.000 | **missed** |"), "{text}");
        assert!(text.contains("cargo sim papers sample --quick"), "{text}");
        std::fs::remove_dir_all(&out).unwrap();
    }
}
