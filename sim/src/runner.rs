//! Runs the seeds of a scenario side by side. Results come in the order of the seeds and do not depend on how many run
//! at once: every world is a value of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;
use thiserror::Error;

use crate::metrics::SeedResult;
use crate::scenario::{Nanos, Scenario};
use crate::world;

/// Memory of one observer's view of one subject, with probe ring and slack; see ARCHITECTURE.md.
const BYTES_PER_PAIR: u64 = 24;
/// Memory of a node apart from its table: timers, generator, queues, packets in flight.
const BYTES_PER_NODE: u64 = 16 << 10;

/// How far a run has come; readable while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    seeds_done: AtomicUsize,
    virtual_nanos: AtomicU64,
}

impl Progress {
    /// Seeds that are finished.
    #[must_use]
    pub fn seeds_done(&self) -> usize {
        self.seeds_done.load(Ordering::Relaxed)
    }

    /// Virtual time simulated so far, all seeds together.
    #[must_use]
    pub fn virtual_nanos(&self) -> Nanos {
        self.virtual_nanos.load(Ordering::Relaxed)
    }
}

/// Why a run could not be done.
#[derive(Debug, Error)]
pub enum RunError {
    /// The threads could not be started.
    #[error("the worker threads could not be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The simulator itself is at fault.
    #[error("seed {seed} stopped by a bug in the simulator: {message}")]
    Panic {
        /// The seed that shows it.
        seed: u64,
        /// What it said.
        message: String,
    },
}

/// Runs `seeds`, at most `jobs` at once.
///
/// # Errors
/// [`RunError`] if threads are missing or a world panics; the first such seed in order.
pub fn run(
    scenario: &Scenario,
    seeds: &[u64],
    jobs: usize,
    progress: &Progress,
) -> Result<Vec<SeedResult>, RunError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build()?;
    let results: Vec<Result<SeedResult, RunError>> = pool.install(|| {
        // One seed at a time per thread: the default would hand out long stretches, and one slow stretch would leave the
        // other threads idle.
        seeds.par_iter().with_max_len(1).map(|seed| run_one(scenario, *seed, progress)).collect()
    });
    results.into_iter().collect()
}

pub(crate) fn run_one(
    scenario: &Scenario,
    seed: u64,
    progress: &Progress,
) -> Result<SeedResult, RunError> {
    let mut reached: Nanos = 0;
    let mut advance = |now: Nanos| {
        progress.virtual_nanos.fetch_add(now.saturating_sub(reached), Ordering::Relaxed);
        reached = reached.max(now);
    };
    let result = catch_unwind(AssertUnwindSafe(|| world::run(scenario, seed, &mut advance)))
        .map_err(|panic| RunError::Panic { seed, message: panic_message(panic.as_ref()) })?;
    advance(scenario.duration);
    progress.seeds_done.fetch_add(1, Ordering::Relaxed);
    Ok(result)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// How many worlds to run at once, and why not more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jobs {
    /// Worlds at once; at least one.
    pub count: usize,
    /// A sentence for the user when memory is the limit.
    pub limited: Option<String>,
}

/// Limits `wanted` jobs to what fits into half of the `available` memory.
#[must_use]
pub fn jobs_that_fit(nodes: usize, seeds: usize, wanted: usize, available: Option<u64>) -> Jobs {
    let wanted = wanted.min(seeds).max(1);
    let Some(available) = available else { return Jobs { count: wanted, limited: None } };
    let world = world_bytes(nodes);
    let fitting = usize::try_from(available / 2 / world.max(1)).unwrap_or(usize::MAX);
    if fitting >= wanted {
        return Jobs { count: wanted, limited: None };
    }
    let about = format!("a world of {nodes} nodes needs about {}", gibibytes(world));
    let free = gibibytes(available);
    let limited = if world > available {
        format!("{about} of memory and only {free} are free: it may not fit")
    } else if wanted == 1 {
        return Jobs { count: 1, limited: None };
    } else {
        let count = fitting.max(1);
        let seeds = if count == 1 { "seed runs".into() } else { format!("{count} seeds run") };
        let only = if count == 1 { "one " } else { "" };
        format!("{about} and {free} are free: only {only}{seeds} at a time instead of {wanted}")
    };
    Jobs { count: fitting.clamp(1, wanted), limited: Some(limited) }
}

/// Memory that one world of this many nodes will take, roughly.
#[must_use]
pub fn world_bytes(nodes: usize) -> u64 {
    let nodes = u64::try_from(nodes).unwrap_or(u64::MAX);
    let pairs = nodes.saturating_mul(nodes).saturating_mul(BYTES_PER_PAIR);
    pairs.saturating_add(nodes.saturating_mul(BYTES_PER_NODE))
}

/// Memory that programs can still get, if the system says (Linux does).
#[must_use]
pub fn memory_available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1_024)
}

fn gibibytes(bytes: u64) -> String {
    let tenths = bytes / ((1 << 30) / 10);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn small_worlds_are_not_limited() {
        let jobs = jobs_that_fit(52, 100, 8, Some(16 * GIB));
        assert_eq!(jobs, Jobs { count: 8, limited: None });
        assert_eq!(jobs_that_fit(52, 3, 8, None).count, 3);
    }

    #[test]
    fn huge_worlds_run_one_after_the_other_and_say_so() {
        let jobs = jobs_that_fit(10_000, 20, 8, Some(8 * GIB));
        assert_eq!(jobs.count, 1);
        let text = jobs.limited.expect("a reason");
        assert!(text.contains("only one seed runs at a time instead of 8"), "{text}");
    }

    #[test]
    fn a_world_beyond_the_memory_is_tried_with_a_warning() {
        let jobs = jobs_that_fit(100_000, 1, 1, Some(8 * GIB));
        assert_eq!(jobs.count, 1);
        assert!(jobs.limited.expect("a warning").contains("may not fit"));
    }
}
