//! The `sim` command: verbs, exit codes, and the one writer to standard output.

mod compare;
mod list;
mod merge;
mod overlay;
mod papers;
mod progress;
mod replay;
mod run;
mod shrink;
mod summary;
mod swarm;
mod sweep;
mod tune;
mod validate;
mod why;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::scenario::{Scenario, ScenarioErrors, load};

/// How a verb ended. Ordered from best to worst; several files give the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Exit {
    /// Done, and every expectation met.
    Met = 0,
    /// An expectation was missed.
    Missed = 1,
    /// The input was wrong.
    Input = 2,
    /// The machine would not: a report that could not be written, memory or threads missing.
    Failed = 3,
}

/// Deterministic cluster simulator: a scenario and a seed always give the same run.
#[derive(Debug, Parser)]
#[command(name = "sim", version, after_help = EXIT_CODES, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  everything as expected
  1  an expectation was missed
  2  the input is wrong
  3  the machine failed: disk full, threads missing";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run scenarios over their seeds and write a report for each
    Run(run::RunArgs),
    /// Check scenario files without running them
    Validate(validate::ValidateArgs),
    /// List the scenarios of a directory
    List(list::ListArgs),
    /// Run one seed or one capsule again and look at it closely
    Replay(replay::ReplayArgs),
    /// Tell why a node thought of another what it thought
    Why(why::WhyArgs),
    /// Run random scenarios until one breaks an invariant
    Swarm(swarm::SwarmArgs),
    /// Make a capsule smaller
    Shrink(shrink::ShrinkArgs),
    /// Draw what real agents measured over what the simulator says
    Overlay(overlay::OverlayArgs),
    /// Run a scenario at every point of a grid; resumable, divisible among machines
    Sweep(sweep::SweepArgs),
    /// Join the parts of a sweep
    Merge(merge::MergeArgs),
    /// Run two scenarios over the same seeds and say how they differ
    Compare(compare::CompareArgs),
    /// Find settings that meet wishes: detection, false failures, bytes
    Tune(tune::TuneArgs),
    /// Run published experiments again and hold them against what was published
    Papers(papers::PapersArgs),
}

/// `--set`, shared by the verbs that read scenarios.
#[derive(Clone, Debug, Args)]
struct Sets {
    /// Change a value of the scenario: network.loss=0.25, nodes=100, fault[0].at=20s
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors: clap knows the code. A closed pipe changes nothing.
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            let _closed = error.print();
            return ExitCode::from(code);
        }
    };
    let mut console = Console::new();
    let exit = match cli.verb {
        Verb::Run(args) => run::run(&args, &mut console),
        Verb::Validate(args) => validate::validate(&args, &mut console),
        Verb::List(args) => list::list(&args, &mut console),
        Verb::Replay(args) => replay::replay(&args, &mut console),
        Verb::Why(args) => why::why(&args, &mut console),
        Verb::Swarm(args) => swarm::swarm(&args, &mut console),
        Verb::Shrink(args) => shrink::shrink(&args, &mut console),
        Verb::Overlay(args) => overlay::overlay(&args, &mut console),
        Verb::Sweep(args) => sweep::sweep(&args, &mut console),
        Verb::Merge(args) => merge::merge(&args, &mut console),
        Verb::Compare(args) => compare::compare(&args, &mut console),
        Verb::Tune(args) => tune::tune(&args, &mut console),
        Verb::Papers(args) => papers::papers(&args, &mut console),
    };
    let exit = exit.max(console.finish());
    ExitCode::from(exit as u8)
}

/// Standard output and standard error. A reader that goes away (`sim list | head -1`) ends the output, not the run.
struct Console {
    out: BufWriter<io::StdoutLock<'static>>,
    state: Output,
}

enum Output {
    Open,
    Closed,
    Broken(io::Error),
}

impl Console {
    fn new() -> Self {
        Self { out: BufWriter::new(io::stdout().lock()), state: Output::Open }
    }

    /// One line on standard output.
    fn line(&mut self, text: impl AsRef<str>) {
        if let Output::Open = self.state {
            let written = writeln!(self.out, "{}", text.as_ref().trim_end());
            self.note(written);
        }
    }

    /// Shows what was written so far.
    fn flush(&mut self) {
        if let Output::Open = self.state {
            let flushed = self.out.flush();
            self.note(flushed);
        }
    }

    /// One line on standard error, after everything on standard output.
    fn error(&mut self, text: impl AsRef<str>) {
        self.flush();
        // Nobody is left to hear that standard error is closed.
        let _closed = writeln!(io::stderr().lock(), "{}", text.as_ref());
    }

    fn note(&mut self, result: io::Result<()>) {
        match result {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.state = Output::Closed,
            Err(error) => self.state = Output::Broken(error),
        }
    }

    fn finish(mut self) -> Exit {
        self.flush();
        let state = std::mem::replace(&mut self.state, Output::Closed);
        // What a broken pipe left in the buffer must not be written again on drop.
        let (_out, _unwritten) = self.out.into_parts();
        match state {
            Output::Open | Output::Closed => Exit::Met,
            Output::Broken(error) => {
                let _closed = writeln!(io::stderr().lock(), "standard output failed: {error}");
                Exit::Failed
            }
        }
    }
}

/// Starts the threads of this process: so many, or one per core.
fn start_threads(jobs: Option<u16>) -> Result<(), rayon::ThreadPoolBuildError> {
    let jobs = jobs.map_or(0, usize::from);
    rayon::ThreadPoolBuilder::new().num_threads(jobs).build_global()
}

/// Loads every file and reports all problems of all of them; `None` if there are any.
fn load_all(files: &[PathBuf], sets: &[String], console: &mut Console) -> Option<Vec<Scenario>> {
    let loaded: Vec<Result<Scenario, ScenarioErrors>> =
        files.iter().map(|file| load(file, sets)).collect();
    for errors in loaded.iter().filter_map(|result| result.as_ref().err()) {
        console.error(errors.to_string());
    }
    loaded.into_iter().collect::<Result<Vec<_>, _>>().ok()
}

/// `1 seed`, `3 seeds`.
fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped(count as u64)) }
}

/// `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(counted(1, "seed"), "1 seed");
        assert_eq!(counted(1_000, "seed"), "1,000 seeds");
    }

    #[test]
    fn the_worst_exit_wins() {
        assert_eq!(Exit::Met.max(Exit::Missed).max(Exit::Input), Exit::Input);
    }
}
