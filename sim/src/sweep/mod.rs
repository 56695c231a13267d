//! `sim sweep`: a scenario at every point of a grid, over seeds; parallel, resumable, divisible among machines.

mod grid;
mod merge;
mod plan;
mod row;
mod run;
mod store;
mod table;

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::runner::RunError;

pub use grid::{Axis, Grid, Point, Shard};
pub use merge::merge;
pub use plan::{Manifest, Order, Plan};
pub use row::{Event, Figures, Gone, Invariant, Row, Verdict};
pub use run::{Done, Sweep};
pub use store::{CSV, Finished, Lines, MARKDOWN, RESULTS, Store, read};

/// Why a sweep could not be done.
#[derive(Debug, Error)]
pub enum SweepError {
    /// What was asked for is wrong; every problem, ready to print.
    #[error("{}", .0.join("\n"))]
    Input(Vec<String>),
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Some runs failed; what is finished is kept.
    #[error("{}", lines(.0))]
    Runs(Vec<(String, RunError)>),
    /// The worker threads could not be started.
    #[error("the worker threads could not be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

impl SweepError {
    fn disk(path: &Path, source: io::Error) -> Self {
        Self::Disk { path: path.to_owned(), source }
    }
}

fn lines(failed: &[(String, RunError)]) -> String {
    let line = |(unit, error): &(String, RunError)| format!("{unit}: {error}");
    failed.iter().map(line).collect::<Vec<String>>().join("\n")
}
