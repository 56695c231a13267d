//! Compares two agent programs as whole processes and says whether the first reaches its goals.

mod agent;
mod chart;
mod cluster;
mod failure;
mod figures;
mod own;
mod pace;
mod process;
mod progress;
mod report;
mod rpc;
mod sections;
mod watch;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, ValueEnum};

use crate::cluster::Place;
use crate::failure::Failure;
use crate::own::Own;
use crate::pace::Pace;
use crate::progress::Progress;
use crate::report::{Machine, Outcome, Program, Side, Trouble};
use crate::sections::{Bench, Section, Values};

/// Compares two agent programs as whole processes, in turns and in one run.
#[derive(Debug, Parser)]
#[command(name = "compare", version, after_help = EXIT_CODES)]
struct Cli {
    /// The program that has goals to reach
    a: PathBuf,
    /// The program it is compared with
    b: PathBuf,
    /// Agents of a cluster
    #[arg(long, default_value_t = 52, value_parser = clap::value_parser!(u8).range(3..=250))]
    agents: u8,
    /// Times each program is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..))]
    rounds: u8,
    /// Only see that everything runs: one round, 5 agents, less than a minute
    #[arg(long, conflicts_with_all = ["agents", "rounds"])]
    quick: bool,
    /// Measure this section only; may be repeated
    #[arg(long, value_name = "SECTION")]
    only: Vec<Section>,
    /// Directory for report.md, ratios.svg and results.json
    #[arg(long, value_name = "DIR", default_value = "reports/compare")]
    out: PathBuf,
}

const EXIT_CODES: &str = "\
Exit codes:
  0    measured, whatever the verdicts
  2    the command line is wrong
  3    a section could not be measured, or the machine failed
  130  interrupted";

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(3),
        Err(failure) => {
            // A closed standard error changes nothing.
            let _closed = writeln!(std::io::stderr().lock(), "compare: {failure}");
            ExitCode::from(3)
        }
    }
}

/// Whether every section was measured.
fn run(cli: &Cli) -> Result<bool, Failure> {
    let pace = match cli.quick {
        true => Pace::quick(),
        false => Pace::full(cli.agents.into(), cli.rounds.into()),
    };
    let programs = [program(&cli.a)?, program(&cli.b)?];
    let home = tempfile::Builder::new()
        .prefix("compare-")
        .tempdir()
        .map_err(Failure::system("a directory for the agents"))?;
    let own = Own::default();
    own.end_all_on_interrupt(home.path())?;

    let mut outcome = Outcome {
        command: command(cli),
        programs,
        machine: machine(),
        load: Vec::new(),
        pace,
        values: BTreeMap::new(),
        troubles: Vec::new(),
    };
    let sections = sections(&cli.only);
    let progress = Progress::new(pace.rounds * 2 * sections.len());
    let (a, b) = ((Side::A, &cli.a), (Side::B, &cli.b));
    for round in 0..pace.rounds {
        outcome.load.push(process::load());
        for (side, path) in if round % 2 == 0 { [a, b] } else { [b, a] } {
            let place = place(side, path, home.path(), round, &own)?;
            let mut bench = Bench::new(place, pace);
            let mut values = Values::default();
            for section in &sections {
                progress.step(&format!("round {}, {side:?}, {}", round + 1, section.name()));
                if let Err(failure) = section.measure(&mut bench, &mut values) {
                    let what = failure.to_string();
                    progress.say(&what);
                    let section = section.name();
                    outcome.troubles.push(Trouble { round: round + 1, side, section, what });
                }
            }
            outcome.add(side, values);
        }
    }
    progress.end();
    outcome.write(&cli.out)?;
    let (met, judged) = outcome.score();
    let text =
        format!("{}\n{met} of {judged} goals met; see {}\n", outcome.table(), cli.out.display());
    std::io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(Failure::system("standard output"))?;
    Ok(outcome.troubles.is_empty())
}

/// The chosen sections in their order; all without a choice.
fn sections(only: &[Section]) -> Vec<Section> {
    let all = Section::value_variants().iter().copied();
    all.filter(|section| only.is_empty() || only.contains(section)).collect()
}

/// The command that makes this report again.
fn command(cli: &Cli) -> String {
    let size = match cli.quick {
        true => "--quick".to_owned(),
        false => format!("--agents {} --rounds {}", cli.agents, cli.rounds),
    };
    let only: String =
        cli.only.iter().map(|section| format!(" --only {}", section.name())).collect();
    format!("cargo compare {} {} {size}{only}", cli.a.display(), cli.b.display())
}

fn place(side: Side, path: &Path, home: &Path, round: usize, own: &Own) -> Result<Place, Failure> {
    let program = path.canonicalize().map_err(Failure::system(path.display().to_string()))?;
    let home = home.join(format!("{side:?}{round}"));
    // Two ranges of 127.0.0.0/8 by process, so that runs at the same time rarely meet; free ports settle the rest.
    let range = u8::try_from(std::process::id() % 60).unwrap_or_default();
    let net = 100 + 2 * range + u8::from(side == Side::B);
    Ok(Place { program, home, net, clusters: 0, own: own.clone() })
}

fn program(path: &Path) -> Result<Program, Failure> {
    let what = || Failure::system(path.display().to_string());
    let bytes = std::fs::metadata(path).map_err(what())?.len();
    let output = Command::new(path).arg("version").output().map_err(what())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.lines().next().unwrap_or_default().to_owned();
    Ok(Program { path: path.display().to_string(), version, bytes })
}

fn machine() -> Machine {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        processor: model.map_or("unknown processor", |(_, name)| name).to_owned(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        kernel: kernel.trim().to_owned(),
    }
}
