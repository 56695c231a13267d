//! `sim papers`: published experiments, run again and held against what was published.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Console, Exit};
use crate::papers::{self, Effort, Paper, PapersError};

const EXAMPLES: &str = "\
Examples:
  sim papers
      all four, in full, into reports/papers/
  sim papers lifeguard --jobs 8
      one of them
  sim papers --quick --out target/papers
      small clusters and few seeds, for machines that test every change

Exit codes:
  0  every gate was met
  1  one was missed
  2  the input is wrong
  3  the machine failed: a report could not be written, threads are missing";

/// Arguments of `sim papers`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct PapersArgs {
    /// Which; all of them unless given
    #[arg(value_name = "PAPER")]
    papers: Vec<Name>,
    /// Fewer seeds and smaller clusters: minutes instead of hours
    #[arg(long)]
    quick: bool,
    /// Worlds to run side by side; all cores unless given. The results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Where the reports go: DIR/<paper>/
    #[arg(long, value_name = "DIR", default_value = "reports/papers")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    /// SWIM (Das, Gupta, Motivala 2002)
    Swim,
    /// Lifeguard (Dadgar, Phillips, Currey 2018)
    Lifeguard,
    /// Serf's convergence calculator
    Serf,
    /// memberlist's detection time
    Detection,
}

impl Name {
    const fn paper(self) -> Paper {
        match self {
            Self::Swim => Paper::Swim,
            Self::Lifeguard => Paper::Lifeguard,
            Self::Serf => Paper::Serf,
            Self::Detection => Paper::Detection,
        }
    }
}

pub(super) fn papers(args: &PapersArgs, console: &mut Console) -> Exit {
    let jobs = args
        .jobs
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let mut chosen: Vec<Paper> = args.papers.iter().map(|name| name.paper()).collect();
    if chosen.is_empty() {
        chosen = Paper::ALL.to_vec();
    }
    let log = |text: &str| {
        use std::io::Write as _;
        // Nobody is left to hear that standard error is closed.
        let _closed = writeln!(std::io::stderr().lock(), "{text}");
    };
    let effort = if args.quick { Effort::Quick } else { Effort::Full };
    let mut exit = Exit::Met;
    for paper in chosen {
        let done = match papers::reproduce(paper, effort, jobs, &args.out, &log) {
            Ok(done) => done,
            Err(error) => {
                console.error(format!("{}: {error}", paper.name()));
                return match error {
                    PapersError::Scenario(_) => Exit::Input,
                    PapersError::Threads(_) | PapersError::Report(_) => Exit::Failed,
                };
            }
        };
        let missed: Vec<_> = done.gates.iter().filter(|gate| !gate.met).collect();
        let (all, met) = (done.gates.len(), done.gates.len() - missed.len());
        console.line(format!("{}: {met} of {all} gates met", done.name));
        for gate in missed {
            exit = exit.max(Exit::Missed);
            console.line(format!(
                "  missed: {}: {:.3}, not within {:.3} to {:.3}",
                gate.name, gate.value, gate.low, gate.high
            ));
        }
        let page = args.out.join(done.name).join("README.md");
        console.line(format!("  report: {}", page.display()));
        console.flush();
    }
    exit
}
