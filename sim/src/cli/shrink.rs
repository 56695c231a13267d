//! `sim shrink`: the same broken invariant in a smaller scenario.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use super::{Console, Exit, counted, grouped, swarm};
use crate::capsule::{Capsule, size};
use crate::scenario::format_duration;
use crate::shrink::{Limits, Step, shrink as make_smaller};

const LINE_PERIOD: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  sim shrink reports/swarm/incarnation-17.capsule.toml
      writes reports/swarm/incarnation-17.small.toml
  sim shrink old.toml --out new.toml --runs 200
      spends at most about 200 runs

Exit codes:
  0  a capsule was written
  1  the capsule's run does not break its invariant with this program
  2  the input is wrong
  3  the machine failed: the capsule could not be written, threads are missing";

/// Arguments of `sim shrink`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ShrinkArgs {
    /// The capsule
    #[arg(value_name = "CAPSULE")]
    file: PathBuf,
    /// Where the smaller one goes; beside the capsule unless given
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Most runs to spend
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Runs side by side; all cores unless given. The result does not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
}

pub(super) fn shrink(args: &ShrinkArgs, console: &mut Console) -> Exit {
    let capsule = match swarm::read_capsule(&args.file) {
        Some(Ok(capsule)) => capsule,
        Some(Err(error)) => {
            console.error(error);
            return Exit::Input;
        }
        None => {
            console.error(format!(
                "{}: is no capsule, or cannot be read: write one with sim swarm",
                args.file.display()
            ));
            return Exit::Input;
        }
    };
    if let Err(error) = super::start_threads(args.jobs) {
        console.error(format!("the worker threads could not be started: {error}"));
        return Exit::Failed;
    }
    let smaller = match smaller(&capsule, args.runs, false, console) {
        Ok(smaller) => smaller,
        Err(error) => {
            console.error(format!("{}: {error}", args.file.display()));
            return Exit::Missed;
        }
    };
    let out = args.out.clone().unwrap_or_else(|| beside(&args.file));
    if let Err(error) = write(&out, &smaller) {
        console.error(error);
        return Exit::Failed;
    }
    console.line(format!("capsule: {}", out.display()));
    console.line(format!("replay:  {}", Capsule::replay_command(&out)));
    Exit::Met
}

/// `x.capsule.toml` becomes `x.small.toml`.
fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.trim_end_matches(".toml").trim_end_matches(".capsule").to_owned();
    file.with_file_name(format!("{}.small.toml", stem.trim_end_matches(".small")))
}

/// Makes a capsule smaller, with progress on standard error.
pub(super) fn smaller(
    capsule: &Capsule,
    runs: Option<u32>,
    quiet: bool,
    console: &mut Console,
) -> Result<Capsule, String> {
    let limits = runs.map_or_else(Limits::default, |runs| Limits {
        runs: usize::try_from(runs).unwrap_or(usize::MAX),
    });
    let mut last = Instant::now();
    let mut latest = None;
    let result = make_smaller(capsule, limits, &mut |step| {
        latest = Some(step);
        if !quiet && last.elapsed() >= LINE_PERIOD {
            last = Instant::now();
            console.error(format!("      shrinking: {}", words(step)));
        }
    });
    let smaller = result.map_err(|error| error.to_string())?;
    if !quiet {
        let end = size(&smaller.scenario).map_or_else(String::new, |(nodes, faults, duration)| {
            let runs = latest.map_or(1, |step| step.runs);
            words(Step { runs, nodes, faults, duration })
        });
        console.line(format!("      smallest: {end}"));
        console.line(format!("      {}", smaller.text));
    }
    Ok(smaller)
}

fn words(step: Step) -> String {
    format!(
        "{}, {}, {} of virtual time, after {} runs",
        counted(step.nodes, "node"),
        counted(step.faults, "fault"),
        format_duration(step.duration),
        grouped(step.runs as u64)
    )
}

/// Writes a capsule, and its folder.
pub(super) fn write(file: &Path, capsule: &Capsule) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: cannot be written: {error}", file.display());
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(file, capsule.render()).map_err(failed)
}
