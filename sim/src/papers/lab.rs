//! Runs the cells of an experiment: one scenario file with other values, over some seeds.

use std::path::Path;

use rayon::prelude::*;

use super::{Effort, PapersError, Tally};
use crate::fact::Watchers;
use crate::metrics::SeedResult;
use crate::runner;
use crate::scenario::{Scenario, parse};
use crate::world::World;

/// A scenario of the library. The text is in the program, so that it runs anywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct File {
    /// Where a reader finds it.
    pub(super) path: &'static str,
    /// What it says.
    pub(super) text: &'static str,
}

/// Names a file under `scenarios/papers/`.
macro_rules! scenario_file {
    ($name:literal) => {
        $crate::papers::lab::File {
            path: concat!("scenarios/papers/", $name),
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/papers/", $name)),
        }
    };
}
pub(super) use scenario_file;

/// What one seed gave.
#[derive(Debug)]
pub(super) struct Run {
    /// As `sim run` has it.
    pub(super) result: SeedResult,
    /// What only papers count.
    pub(super) tally: Tally,
}

/// Where experiments run.
pub(super) struct Lab<'a> {
    /// How much is run.
    pub(super) effort: Effort,
    jobs: usize,
    pool: rayon::ThreadPool,
    log: &'a (dyn Fn(&str) + Sync),
}

impl<'a> Lab<'a> {
    /// A lab that runs up to `jobs` worlds at once and tells `log` what it does.
    pub(super) fn new(
        effort: Effort,
        jobs: usize,
        log: &'a (dyn Fn(&str) + Sync),
    ) -> Result<Self, PapersError> {
        let jobs = jobs.max(1);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build()?;
        Ok(Self { effort, jobs, pool, log })
    }

    /// One of two numbers: in full, or quick. A tiny experiment has at most two of anything.
    pub(super) const fn pick(&self, full: u64, quick: u64) -> u64 {
        match self.effort {
            Effort::Full => full,
            Effort::Quick => quick,
            Effort::Tiny => {
                if quick < 2 {
                    quick
                } else {
                    2
                }
            }
        }
    }

    /// Whether clusters of that size are run: all of them, up to `quick` members, or the smallest.
    pub(super) const fn fits(&self, nodes: u32, quick: u32) -> bool {
        match self.effort {
            Effort::Full => true,
            Effort::Quick => nodes <= quick,
            Effort::Tiny => nodes <= 55,
        }
    }

    /// Says what comes.
    pub(super) fn say(&self, text: impl AsRef<str>) {
        (self.log)(text.as_ref());
    }

    /// Seeds 1 to `seeds`, results only.
    pub(super) fn run(
        &self,
        file: File,
        sets: &[String],
        seeds: u64,
    ) -> Result<Vec<SeedResult>, PapersError> {
        let scenario = scenario(file, sets)?;
        Ok(self.each(&scenario, seeds, |seed| {
            let mut world = World::new(&scenario, seed);
            world.run_until(scenario.duration);
            world.finish()
        }))
    }

    /// Seeds 1 to `seeds`, with counts.
    pub(super) fn count(
        &self,
        file: File,
        sets: &[String],
        seeds: u64,
    ) -> Result<Vec<Run>, PapersError> {
        let scenario = scenario(file, sets)?;
        Ok(self.each(&scenario, seeds, |seed| counted(&scenario, seed)))
    }

    /// One seed of each of many cells; `keep` takes what is needed of a run.
    pub(super) fn cells<T: Send>(
        &self,
        file: File,
        cells: &[Vec<String>],
        seed: u64,
        keep: impl Fn(usize, Run) -> T + Sync,
    ) -> Result<Vec<T>, PapersError> {
        let scenarios: Vec<Scenario> =
            cells.iter().map(|sets| scenario(file, sets)).collect::<Result<_, _>>()?;
        Ok(self.pool.install(|| {
            let cells = scenarios.par_iter().enumerate().with_max_len(1);
            cells.map(|(index, scenario)| keep(index, counted(scenario, seed))).collect()
        }))
    }

    /// Does something on the lab's threads.
    pub(super) fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }

    fn each<T: Send>(
        &self,
        scenario: &Scenario,
        seeds: u64,
        one: impl Fn(u64) -> T + Sync,
    ) -> Vec<T> {
        let count = usize::try_from(seeds).unwrap_or(usize::MAX);
        let available = runner::memory_available();
        let jobs = runner::jobs_that_fit(scenario, count, self.jobs, available).count;
        let seeds: Vec<u64> = (1..=seeds).collect();
        self.pool.install(|| {
            // What does not fit into memory together runs one after the other.
            let batches = seeds.chunks(if jobs < self.jobs { jobs } else { seeds.len().max(1) });
            batches.flat_map(|batch| run_batch(batch, &one)).collect()
        })
    }
}

fn run_batch<T: Send>(seeds: &[u64], one: &(impl Fn(u64) -> T + Sync)) -> Vec<T> {
    seeds.par_iter().with_max_len(1).map(|&seed| one(seed)).collect()
}

fn counted(scenario: &Scenario, seed: u64) -> Run {
    let tally = Some(Tally::new(scenario));
    let mut world = World::watched(scenario, seed, Watchers { tally, ..Watchers::default() });
    world.run_until(scenario.duration);
    let tally = world.take_tally().expect("given at the start");
    Run { result: world.finish(), tally }
}

/// The scenario of a cell.
pub(super) fn scenario(file: File, sets: &[String]) -> Result<Scenario, PapersError> {
    Ok(parse(file.text, Path::new(file.path), sets)?)
}

/// `--set` values from pairs.
pub(super) fn sets<const N: usize>(pairs: [(&str, String); N]) -> Vec<String> {
    pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect()
}
