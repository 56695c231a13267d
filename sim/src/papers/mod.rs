//! Published experiments, run again: scenario files under `scenarios/papers/`, tables beside the published ones, gates.

mod detection;
mod lab;
mod lifeguard;
pub mod rules;
mod serf;
mod sheet;
mod swim;
mod tally;
mod words;

use std::path::Path;

use thiserror::Error;

pub use self::sheet::{Gate, Reproduced};
pub use self::tally::{FalseEvent, Histogram, Tally};
use crate::report::ReportError;
use crate::scenario::ScenarioErrors;

/// What can be reproduced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Paper {
    /// Das, Gupta, Motivala 2002.
    Swim,
    /// Dadgar, Phillips, Currey 2018.
    Lifeguard,
    /// Serf's convergence calculator.
    Serf,
    /// memberlist's detection time.
    Detection,
}

impl Paper {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Swim, Self::Lifeguard, Self::Serf, Self::Detection];

    /// Its name on the command line and in the reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Swim => "swim",
            Self::Lifeguard => "lifeguard",
            Self::Serf => "serf",
            Self::Detection => "detection",
        }
    }
}

/// How much of an experiment is run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Effort {
    /// Hardly anything: that it runs is all it shows.
    Tiny,
    /// Fewer seeds and smaller clusters.
    Quick,
    /// Everything.
    Full,
}

/// Why a paper could not be reproduced.
#[derive(Debug, Error)]
pub enum PapersError {
    /// A scenario of the library is refused.
    #[error(transparent)]
    Scenario(#[from] ScenarioErrors),
    /// The threads could not be started.
    #[error("the worker threads could not be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The report could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// Runs the experiments of a paper and writes its report into a folder of its name in `out`.
///
/// `jobs` worlds run at once; the figures do not depend on it. `log`
/// hears what is being done.
///
/// # Errors
/// If a scenario is refused, threads are missing or a file cannot be written. A missed gate is no error.
pub fn reproduce(
    paper: Paper,
    effort: Effort,
    jobs: usize,
    out: &Path,
    log: &(dyn Fn(&str) + Sync),
) -> Result<Reproduced, PapersError> {
    let lab = lab::Lab::new(effort, jobs, log)?;
    let sheet = match paper {
        Paper::Swim => swim::reproduce(&lab)?,
        Paper::Lifeguard => lifeguard::reproduce(&lab)?,
        Paper::Serf => serf::reproduce(&lab)?,
        Paper::Detection => detection::reproduce(&lab)?,
    };
    Ok(sheet.write(out, effort)?)
}
