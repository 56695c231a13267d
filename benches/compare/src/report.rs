//! The report of a run: `report.md` and `ratios.svg` for readers, `results.json` for programs.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use crate::chart::{self, Bar};
use crate::failure::Failure;
use crate::figures::{FIGURES, Figure, Summary};
use crate::pace::Pace;
use crate::sections::Values;

/// One of the two programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Side {
    /// The first: it has goals to reach.
    A,
    /// The second: it sets them.
    B,
}

/// Which program a side is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Program {
    /// As given on the command line.
    pub(crate) path: String,
    /// First line of its `version`.
    pub(crate) version: String,
    /// Size of the file.
    pub(crate) bytes: u64,
}

/// Where the run took place.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// Model name of the processor.
    pub(crate) processor: String,
    /// Processors this run may use.
    pub(crate) cores: usize,
    /// Release of the kernel.
    pub(crate) kernel: String,
}

/// A section that ended early.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trouble {
    /// From 1.
    pub(crate) round: usize,
    /// Which program was measured.
    pub(crate) side: Side,
    /// Name of the section.
    pub(crate) section: String,
    /// What happened.
    pub(crate) what: String,
}

/// Everything a report needs.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The command that makes this report.
    pub(crate) command: String,
    /// Programs A and B.
    pub(crate) programs: [Program; 2],
    /// Where.
    pub(crate) machine: Machine,
    /// One-minute load average before each round.
    pub(crate) load: Vec<f64>,
    /// Sizes and times.
    pub(crate) pace: Pace,
    /// Values of all rounds, by side and figure.
    pub(crate) values: BTreeMap<(Side, &'static str), Vec<f64>>,
    /// Sections that ended early.
    pub(crate) troubles: Vec<Trouble>,
}

impl Outcome {
    /// Takes over the values of one program in one round.
    pub(crate) fn add(&mut self, side: Side, values: Values) {
        for (key, value) in values.0 {
            self.values.entry((side, key)).or_default().push(value);
        }
    }

    fn line(&self, figure: &'static Figure) -> Option<Line> {
        let values = |side| self.values.get(&(side, figure.key)).cloned().unwrap_or_default();
        let (a, b) = (values(Side::A), values(Side::B));
        let (a, b) = (Measured::of(a), Measured::of(b));
        if a.is_none() && b.is_none() {
            return None;
        }
        let medians = a.as_ref().zip(b.as_ref()).map(|(a, b)| (a.summary.median, b.summary.median));
        let ratio = medians.filter(|(_, b)| *b != 0.0).map(|(a, b)| a / b);
        let met = medians.and_then(|(a, b)| figure.goal.met(a, b));
        Some(Line { figure, a, b, ratio, met })
    }

    fn lines(&self) -> Vec<Line> {
        FIGURES.iter().filter_map(|figure| self.line(figure)).collect()
    }

    /// The table, as Markdown.
    pub(crate) fn table(&self) -> String {
        let mut text = String::from(
            "| figure | unit | A | B | A / B | to reach | |\n|---|---|---:|---:|---:|---|---|\n",
        );
        for line in self.lines() {
            let Figure { name, unit, decimals, goal, .. } = *line.figure;
            let cell = |side: &Option<Measured>| match side {
                Some(Measured { summary: Summary { median, min, max }, .. }) => {
                    format!("{median:.decimals$} ({min:.decimals$}–{max:.decimals$})")
                }
                None => "–".to_owned(),
            };
            let ratio = line.ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
            let met = match line.met {
                Some(true) => "met",
                Some(false) => "**missed**",
                None => "",
            };
            let (a, b, goal) = (cell(&line.a), cell(&line.b), goal.words());
            // Writing to a string cannot fail.
            let _ok = writeln!(text, "| {name} | {unit} | {a} | {b} | {ratio} | {goal} | {met} |");
        }
        text
    }

    /// How many goals were reached, of how many.
    pub(crate) fn score(&self) -> (usize, usize) {
        let judged: Vec<bool> = self.lines().iter().filter_map(|line| line.met).collect();
        (judged.iter().filter(|met| **met).count(), judged.len())
    }

    /// Writes the three files into `dir`, which is created if need be.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), Failure> {
        let what = || Failure::system(dir.display().to_string());
        std::fs::create_dir_all(dir).map_err(what())?;
        std::fs::write(dir.join("report.md"), self.markdown()).map_err(what())?;
        std::fs::write(dir.join("ratios.svg"), self.chart()).map_err(what())?;
        let json = serde_json::to_string_pretty(&self.json())
            .map_err(|error| Failure::Cluster(error.to_string()))?;
        std::fs::write(dir.join("results.json"), json + "\n").map_err(what())
    }

    fn chart(&self) -> String {
        let bars = self.lines().into_iter().filter_map(|line| {
            let ratio = line.ratio.filter(|ratio| *ratio > 0.0)?;
            Some(Bar { name: line.figure.name, ratio, met: line.met })
        });
        chart::svg(&bars.collect::<Vec<_>>())
    }

    fn json(&self) -> Json<'_> {
        let Self { command, programs: [a, b], machine, load, pace, troubles, .. } = self;
        Json {
            command,
            a,
            b,
            machine,
            load,
            agents: pace.agents,
            rounds: pace.rounds,
            figures: self.lines(),
            troubles,
        }
    }

    fn markdown(&self) -> String {
        let Pace { agents, rounds, settle, window, .. } = self.pace;
        let [a, b] = &self.programs;
        let (met, judged) = self.score();
        let program = |side: &str, program: &Program| {
            let Program { path, version, bytes } = program;
            format!(
                "- {side}: `{path}`, version {version}, {:.1} MiB\n",
                *bytes as f64 / 1024.0 / 1024.0
            )
        };
        let load: Vec<String> = self.load.iter().map(|load| format!("{load:.2}")).collect();
        let mut text = format!(
            "# Two agents compared as whole processes\n\n```\n{}\n```\n\n{}{}- agents: {agents}; rounds: {rounds}; {} with \
             {} processors, Linux {}; load before the rounds: {}\n- {met} of {judged} goals met\n\n",
            self.command,
            program("A", a),
            program("B", b),
            self.machine.processor,
            self.machine.cores,
            self.machine.kernel,
            load.join(", "),
        );
        text.push_str(&self.table());
        text.push_str("\n![A divided by B, figure by figure](ratios.svg)\n");
        text.push_str(&format!("\n{HOW_TO_READ}\n## How it was measured\n\n"));
        text.push_str(&format!(
            "The programs take turns; every second round begins with B. Each agent runs as `PROGRAM agent -node=NAME \
             -bind=IP:PORT -rpc-addr=IP:PORT -snapshot=snapshot`: profile `lan`, log level INFO, no event handlers, output \
             to a file. Every agent has a loopback address of its own, every cluster a range of its own. Quiet time before \
             memory is read: {} s; idle window: {} s. The sections use one cluster one after the other, in the order of \
             the table. This tool runs on the same machine: what it takes for reading streams is lost to both programs.\n\n",
            settle.as_secs(),
            window.as_secs(),
        ));
        for line in self.lines() {
            text.push_str(&format!("- **{}**: {}.\n", line.figure.name, line.figure.meaning));
        }
        if !self.troubles.is_empty() {
            text.push_str("\n## Sections that ended early\n\n");
            for Trouble { round, side, section, what } in &self.troubles {
                text.push_str(&format!(
                    "- round {round}, {side:?}, {section}: {}\n",
                    what.replace('\n', " ")
                ));
            }
        }
        text
    }
}

const HOW_TO_READ: &str = "\
Each cell is the median of the rounds, with the smallest and the largest in brackets. Goals compare medians; \"A ≤ B\"
and \"A ≥ B\" leave 5 % for noise. A range of A that overlaps the range of B says that the difference may be chance.
";

/// All values of a figure and side.
#[derive(Debug, Serialize)]
struct Measured {
    #[serde(flatten)]
    summary: Summary,
    values: Vec<f64>,
}

impl Measured {
    fn of(values: Vec<f64>) -> Option<Self> {
        Some(Self { summary: Summary::of(&values)?, values })
    }
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Line {
    #[serde(flatten)]
    figure: &'static Figure,
    a: Option<Measured>,
    b: Option<Measured>,
    ratio: Option<f64>,
    met: Option<bool>,
}

/// `results.json`.
#[derive(Debug, Serialize)]
struct Json<'a> {
    command: &'a str,
    a: &'a Program,
    b: &'a Program,
    machine: &'a Machine,
    load: &'a [f64],
    agents: usize,
    rounds: usize,
    figures: Vec<Line>,
    troubles: &'a [Trouble],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(values: &[(Side, &'static str, &[f64])]) -> Outcome {
        let program = Program { path: "x".into(), version: "1".into(), bytes: 1 };
        Outcome {
            command: "cargo compare x x".into(),
            programs: [program.clone(), program],
            machine: Machine { processor: "p".into(), cores: 2, kernel: "k".into() },
            load: vec![0.5],
            pace: Pace::quick(),
            values: values.iter().map(|(side, key, list)| ((*side, *key), list.to_vec())).collect(),
            troubles: Vec::new(),
        }
    }

    #[test]
    fn a_line_shows_median_range_ratio_and_verdict() {
        let outcome = outcome(&[
            (Side::A, "idle.anonymous", &[1.0, 3.0, 2.0]),
            (Side::B, "idle.anonymous", &[4.0]),
            (Side::A, "form.missing5", &[0.0]),
            (Side::B, "form.missing5", &[0.0]),
            (Side::A, "rpc.stats", &[9.0]),
        ]);
        let table = outcome.table();
        assert!(
            table.contains(
                "| 2.00 (1.00–3.00) | 4.00 (4.00–4.00) | 0.50 | A ≤ 0.25 × B | **missed** |"
            ),
            "{table}"
        );
        assert!(table.contains("| 0 (0–0) | 0 (0–0) | – | A ≤ B | met |"), "{table}");
        assert!(table.contains("| 9 (9–9) | – | – | A ≥ 2 × B |  |"), "{table}");
        assert_eq!(outcome.score(), (1, 2));
    }
}
