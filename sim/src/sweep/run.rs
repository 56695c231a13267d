//! Runs the units of a sweep that are not finished yet.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::SweepError;
use super::plan::Plan;
use super::row::{Figures, Row};
use super::store::{Lines, Store};
use crate::runner::{self, Progress, RunError};

/// What came of a sweep.
#[derive(Clone, Debug)]
pub struct Done {
    /// The summary table.
    pub table: String,
    /// Units of this part.
    pub units: usize,
    /// Units that an earlier start had finished.
    pub resumed: usize,
    /// Units that missed an expectation.
    pub missed: usize,
    /// Units that broke an invariant.
    pub broken: usize,
}

/// Where finished rows go, and what went wrong.
struct Sink {
    store: Store,
    lines: Lines,
    failed: Option<SweepError>,
    panics: Vec<(String, RunError)>,
}

/// A sweep and its folder.
#[derive(Debug)]
pub struct Sweep<'a> {
    plan: &'a Plan,
    store: Store,
    lines: Lines,
}

impl<'a> Sweep<'a> {
    /// Opens the folder, or makes it, and finds what is finished.
    ///
    /// # Errors
    /// [`SweepError`] if the folder holds another sweep, or cannot be used.
    pub fn open(plan: &'a Plan, dir: &Path) -> Result<Self, SweepError> {
        let (store, lines) = Store::open(dir, plan.manifest.clone())?;
        Ok(Self { plan, store, lines })
    }

    /// Units that are not finished, in order.
    #[must_use]
    pub fn pending(&self) -> Vec<usize> {
        self.plan.manifest.own_units().filter(|unit| !self.lines.contains_key(unit)).collect()
    }

    /// Runs what is pending, at most `jobs` units at once, and writes results and tables.
    ///
    /// # Errors
    /// [`SweepError`]; whatever is finished stays in the folder, and the next start goes on from there.
    pub fn run(self, jobs: usize, progress: &Progress) -> Result<Done, SweepError> {
        let (plan, pending, resumed) = (self.plan, self.pending(), self.lines.len());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build()?;
        let (store, lines) = (self.store, self.lines);
        let sink = Mutex::new(Sink { store, lines, failed: None, panics: Vec::new() });
        let stop = AtomicBool::new(false);
        pool.install(|| {
            pending.par_iter().with_max_len(1).for_each(|unit| {
                if !stop.load(Ordering::Relaxed) {
                    keep(&sink, &stop, *unit, run_unit(plan, *unit, progress));
                }
            });
        });
        let sink = sink.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = sink.failed {
            return Err(error);
        }
        if !sink.panics.is_empty() {
            return Err(SweepError::Runs(sink.panics));
        }
        let units = sink.lines.len();
        let finished = sink.store.finish(&sink.lines)?;
        let missed = finished.rows.iter().filter(|row| !row.figures.held).count();
        let broken = finished.rows.iter().filter(|row| row.figures.broken() > 0).count();
        Ok(Done { table: finished.table, units, resumed, missed, broken })
    }
}

fn run_unit(plan: &Plan, unit: usize, progress: &Progress) -> Result<String, SweepError> {
    let Some((point, seed)) = plan.manifest.unit(unit) else {
        return Err(SweepError::Input(vec![format!("unit {unit} is not in the sweep")]));
    };
    // Read anew for each unit: a thousand worlds of ten thousand nodes are not kept for later.
    let scenario = plan.scenario(&point).map_err(|errors| SweepError::Input(errors.messages))?;
    let (result, _) = runner::run_one(&scenario, seed, None, progress)
        .map_err(|error| SweepError::Runs(vec![(plan.manifest.unit_in_words(unit), error)]))?;
    let row = Row { unit, point: point.values(), seed, figures: Figures::of(&scenario, &result) };
    serde_json::to_string(&row)
        .map_err(|error| SweepError::Input(vec![format!("unit {unit} has no JSON form: {error}")]))
}

/// Puts a row away. A full disk stops the sweep; a unit that failed does not stop the others.
fn keep(sink: &Mutex<Sink>, stop: &AtomicBool, unit: usize, row: Result<String, SweepError>) {
    let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = row.and_then(|line| sink.store.append(&line).map(|()| line));
    match kept {
        Ok(line) => {
            sink.lines.insert(unit, line);
        }
        Err(SweepError::Runs(panics)) => sink.panics.extend(panics),
        Err(error @ (SweepError::Input(_) | SweepError::Disk { .. } | SweepError::Threads(_))) => {
            stop.store(true, Ordering::Relaxed);
            sink.failed.get_or_insert(error);
        }
    }
}
