//! Runs the seeds of a scenario side by side. Results come in the order of the seeds and do not depend on how many run
//! at once: every world is a value of its own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use rayon::prelude::*;
use thiserror::Error;

use crate::history::{Document, History};
use crate::metrics::SeedResult;
use crate::scenario::{FaultKind, Nanos, Scenario, Start};
use crate::world;

/// Memory of one observer's own row about one subject, with probe ring and slack; see ARCHITECTURE.md.
const BYTES_PER_PAIR: u64 = 24;
/// Pairs of which one byte of ground truth says who sees whom, once views differ much.
const PAIRS_PER_BYTE: u64 = 8;
/// Memory of a node apart from its table and coordinates: timers, generators, queues, what the world keeps about it.
const BYTES_PER_NODE: u64 = 10 << 10;
/// Memory of a peer's coordinate, in a hash table that is at most seven eighths full.
const BYTES_PER_PEER: u64 = 128;
/// Loss from which on members are suspected so often that in the end every row of a table differs from the start.
const LOSS_THAT_DIFFERS: u32 = 50_000;

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
    let recorded = run_recorded(scenario, seeds, jobs, None, progress)?;
    Ok(recorded.0)
}

/// The same, and the history of the first seed; `limit`: its most records, `None` for no history.
///
/// # Errors
/// As [`run`].
pub fn run_recorded(
    scenario: &Scenario,
    seeds: &[u64],
    jobs: usize,
    limit: Option<usize>,
    progress: &Progress,
) -> Result<(Vec<SeedResult>, Option<Document>), RunError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build()?;
    let results: Vec<Result<(SeedResult, Option<Document>), RunError>> = pool.install(|| {
        // One seed at a time per thread: the default would hand out long stretches, and one slow stretch would leave the
        // other threads idle.
        let one = |(index, seed): (usize, &u64)| {
            let limit = limit.filter(|_| index == 0);
            run_one(scenario, *seed, limit, progress)
        };
        seeds.par_iter().enumerate().with_max_len(1).map(one).collect()
    });
    let (mut all, mut first) = (Vec::with_capacity(seeds.len()), None);
    for result in results {
        let (result, document) = result?;
        all.push(result);
        first = first.or(document);
    }
    Ok((all, first))
}

/// Runs one seed; with a `limit` of records it keeps a history.
pub(crate) fn run_one(
    scenario: &Scenario,
    seed: u64,
    limit: Option<usize>,
    progress: &Progress,
) -> Result<(SeedResult, Option<Document>), RunError> {
    let mut reached: Nanos = 0;
    let mut advance = |now: Nanos| {
        progress.virtual_nanos.fetch_add(now.saturating_sub(reached), Ordering::Relaxed);
        reached = reached.max(now);
    };
    let work = || {
        let history = limit.map(|limit| History::new(scenario, limit));
        world::run_recorded(scenario, seed, history, &mut advance)
    };
    let result = catch_unwind(AssertUnwindSafe(work))
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
pub fn jobs_that_fit(
    scenario: &Scenario,
    seeds: usize,
    wanted: usize,
    available: Option<u64>,
) -> Jobs {
    jobs_of((scenario.nodes.len(), world_bytes(scenario)), seeds, wanted, available)
}

/// The same for worlds of so many nodes, each of which needs so many bytes.
#[must_use]
pub fn jobs_of(
    (nodes, world): (usize, u64),
    seeds: usize,
    wanted: usize,
    available: Option<u64>,
) -> Jobs {
    let wanted = wanted.min(seeds).max(1);
    let Some(available) = available else { return Jobs { count: wanted, limited: None } };
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

/// Memory that one world of this scenario will take, roughly.
#[must_use]
pub fn world_bytes(scenario: &Scenario) -> u64 {
    let nodes = scenario.nodes.len();
    bytes_of(nodes, shares_tables(scenario), peers_met(scenario).min(nodes))
}

/// How many peers a node probes in the whole run at most, if it keeps their coordinates.
fn peers_met(scenario: &Scenario) -> usize {
    let interval = scenario.config.probe_interval.as_nanos();
    if !scenario.config.coordinates || interval == 0 {
        return 0;
    }
    usize::try_from(u128::from(scenario.duration) / interval).unwrap_or(usize::MAX)
}

/// Memory of a world of so many nodes, whether their tables are `shared` or each has its own. Each keeps the coordinates
/// of so many `peers`.
#[must_use]
pub fn bytes_of(nodes: usize, shared: bool, peers: usize) -> u64 {
    let count = |it: usize| u64::try_from(it).unwrap_or(u64::MAX);
    let (nodes, peers) = (count(nodes), count(peers));
    let pairs = nodes.saturating_mul(nodes);
    let differing = pairs.saturating_mul(BYTES_PER_PAIR).saturating_add(pairs / PAIRS_PER_BYTE);
    let tables = if shared { 0 } else { differing };
    let room = (peers.saturating_mul(8) / 7).checked_next_power_of_two().unwrap_or(u64::MAX);
    let coordinates = if peers == 0 { 0 } else { room.saturating_mul(BYTES_PER_PEER) };
    let each = BYTES_PER_NODE.saturating_add(coordinates);
    tables.saturating_add(nodes.saturating_mul(each))
}

/// Whether the nodes will hold most of their tables in common to the end: they start with the same one, and nothing in
/// the scenario changes much of it.
fn shares_tables(scenario: &Scenario) -> bool {
    let links = &scenario.network.links;
    let lossy = |ppm: u32| ppm >= LOSS_THAT_DIFFERS;
    let changed = scenario.faults.iter().map(|fault| match &fault.kind {
        FaultKind::Crash { nodes }
        | FaultKind::Restart { nodes, .. }
        | FaultKind::Rekey { nodes, .. }
        | FaultKind::Pause { nodes, .. }
        | FaultKind::Block { nodes, .. }
        | FaultKind::Slow { nodes, .. }
        | FaultKind::Clock { nodes, .. } => nodes.len(),
        FaultKind::Move { .. } => 1,
        FaultKind::Degrade(how) if how.burst.is_none() && !how.loss_ppm.is_some_and(lossy) => 0,
        FaultKind::Partition { .. }
        | FaultKind::Ring { .. }
        | FaultKind::Cut { .. }
        | FaultKind::Degrade(_) => scenario.nodes.len(),
    });
    matches!(scenario.start, Start::Warm)
        && !links.iter().any(|link| lossy(link.loss_ppm))
        && changed.sum::<usize>() <= scenario.nodes.len() / 8
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
    use std::path::Path;

    use super::*;
    use crate::scenario::parse;

    const GIB: u64 = 1 << 30;

    fn scenario(nodes: u32, rest: &str) -> Scenario {
        let text = format!("title = \"t\"\nnodes = {nodes}\nduration = \"1s\"\n{rest}");
        parse(&text, Path::new("t.toml"), &[]).expect("a valid scenario")
    }

    #[test]
    fn small_worlds_are_not_limited() {
        let small = scenario(52, "start = \"cold\"");
        let jobs = jobs_that_fit(&small, 100, 8, Some(16 * GIB));
        assert_eq!(jobs, Jobs { count: 8, limited: None });
        assert_eq!(jobs_that_fit(&small, 3, 8, None).count, 3);
    }

    #[test]
    fn huge_worlds_run_one_after_the_other_and_say_so() {
        let jobs = jobs_that_fit(&scenario(10_000, "start = \"cold\""), 20, 8, Some(8 * GIB));
        assert_eq!(jobs.count, 1);
        let text = jobs.limited.expect("a reason");
        assert!(text.contains("only one seed runs at a time instead of 8"), "{text}");
    }

    #[test]
    fn a_world_beyond_the_memory_is_tried_with_a_warning() {
        let jobs = jobs_that_fit(&scenario(100_000, "start = \"cold\""), 1, 1, Some(8 * GIB));
        assert_eq!(jobs.count, 1);
        assert!(jobs.limited.expect("a warning").contains("may not fit"));
    }

    #[test]
    fn tables_in_common_are_not_counted_for_everybody() {
        let calm = "[[fault]]\nat = \"0s\"\ncrash = [\"host5\"]\n";
        let split = "[[fault]]\nat = \"0s\"\npartition = [0.5, 0.5]\n";
        let lossy = "network = { loss = 0.1 }\n";
        let bytes = |rest| world_bytes(&scenario(10_000, rest));
        let shared = bytes("");
        assert!(shared < GIB / 4, "{shared} bytes");
        assert_eq!(bytes(calm), shared);
        for rest in ["start = \"cold\"", split, lossy] {
            assert!(bytes(rest) > 2 * GIB, "{rest}");
        }
    }
}
