//! Runs many random scenarios side by side. Outcomes come in the order of the seeds, whatever the number of threads.

use std::path::Path;
use std::time::Instant;

use rayon::prelude::*;

use super::trial::{Trial, run, run_twice};
use super::{Bounds, Generated, Tally, generate};
use crate::scenario::{ScenarioErrors, parse};

/// Seeds between two looks at whether to go on. Fixed, so that it does not depend on the machine where a swarm stops.
const BATCH: u64 = 32;
/// Every so many seeds a scenario is run twice.
const TWICE_EVERY: u64 = 50;

/// When a swarm ends.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// After so many scenarios.
    Count(u64),
    /// At the first batch that would begin after this moment.
    Until(Instant),
}

/// What a swarm is to do.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The first seed; the others count up from it.
    pub seed: u64,
    /// When to end.
    pub limit: Limit,
    /// Goes on after a failure.
    pub keep_going: bool,
    /// What the scenarios have in common.
    pub bounds: Bounds,
}

/// A scenario that broke something.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The scenario.
    pub generated: Generated,
    /// Its run.
    pub trial: Trial,
}

/// What came of a swarm.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Counters.
    pub tally: Tally,
    /// What broke, in order of the seeds.
    pub broken: Vec<Broken>,
}

impl Campaign {
    /// Runs it on the current thread pool; `heard` is told after each batch how many scenarios are done.
    ///
    /// # Errors
    /// The parser refused a generated scenario: the generator is wrong.
    pub fn run(&self, heard: &mut dyn FnMut(&Outcome)) -> Result<Outcome, ScenarioErrors> {
        let mut outcome = Outcome::default();
        let mut next = self.seed;
        loop {
            let batch = match self.limit {
                Limit::Count(count) => BATCH.min(count - outcome.tally.scenarios),
                Limit::Until(end) if Instant::now() >= end => 0,
                Limit::Until(_) => BATCH,
            };
            let Some(last) = next.checked_add(batch).filter(|_| batch > 0) else { break };
            let seeds: Vec<u64> = (next..last).collect();
            let done: Vec<_> =
                seeds.par_iter().with_max_len(1).map(|seed| one(*seed, &self.bounds)).collect();
            for result in done {
                let (generated, trial) = result?;
                outcome.tally.add(&generated, &trial, is_twice(generated.seed));
                if !trial.failures.is_empty() {
                    outcome.broken.push(Broken { generated, trial });
                }
            }
            next = last;
            heard(&outcome);
            if !outcome.broken.is_empty() && !self.keep_going {
                outcome.broken.truncate(1);
                break;
            }
        }
        Ok(outcome)
    }
}

fn is_twice(seed: u64) -> bool {
    seed.is_multiple_of(TWICE_EVERY)
}

fn one(seed: u64, bounds: &Bounds) -> Result<(Generated, Trial), ScenarioErrors> {
    let generated = generate(seed, bounds);
    let name = format!("swarm-{seed}.toml");
    let scenario = parse(&generated.document.render(), Path::new(&name), &[])?;
    let trial = if is_twice(seed) { run_twice(&scenario, seed) } else { run(&scenario, seed) };
    Ok((generated, trial))
}
