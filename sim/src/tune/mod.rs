//! `sim tune`: settings that meet wishes, found by formulas first and by simulation then.
//!
//! The formulas look at every point of a lattice and leave out what cannot meet the wishes. What remains is simulated:
//! all with one seed, the better half with more, and so on, until one is left that is run until its wishes are proven or
//! the budget is used up. Nothing that is reported comes from a formula unless it says so.

mod bounds;
mod output;
mod space;
mod trial;
mod wish;

use std::path::Path;

use rayon::prelude::*;
use serde::Serialize;
use thiserror::Error;

use crate::runner::{self, Progress, RunError};
use crate::scenario::{Nanos, ScenarioErrors, parse};
use crate::sweep::Figures;

pub use bounds::{binomial_upper, poisson_upper};
pub use output::{WriteError, agent_words, fresh_seeds, write};
pub use space::{Guess, Setting};
pub use trial::{Answer, Standing, Trial, WEEK, scenario};
pub use wish::{Pauses, Want, latency, loss};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Members.
    pub nodes: u32,
    /// Share of lost datagrams and segments of streams, 0 to below 1.
    pub loss: f64,
    /// Median and 99th percentile of the one-way delay.
    pub latency: (Nanos, Nanos),
    /// Nodes that stop for moments.
    pub pauses: Option<Pauses>,
    /// The wishes, at least one.
    pub wants: Vec<Want>,
    /// Seeds to search with; no setting runs with a seed twice.
    pub seeds: Vec<u64>,
    /// Most runs.
    pub budget: usize,
}

/// One setting that was simulated.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// The setting.
    pub setting: Setting,
    /// What the formulas said.
    pub guess: Guess,
    /// What its runs showed.
    pub trial: Trial,
    /// Whether no other setting was better in every respect: detection, false failures, bytes.
    pub pareto: bool,
}

/// What the search found.
#[derive(Clone, Debug)]
pub struct Tuned {
    /// Every setting that was simulated, best first.
    pub tried: Vec<Tried>,
    /// Settings that the formulas looked at.
    pub looked_at: f64,
    /// Runs.
    pub runs: usize,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum TuneError {
    /// The conditions make no scenario.
    #[error("the conditions make no valid scenario: {0}")]
    Scenario(#[from] ScenarioErrors),
    /// A run failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The worker threads could not be started.
    #[error("the worker threads could not be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
}

/// Settings in the first round, and how the rounds go on: seeds more for each, how many stay.
const FIRST_ROUND: usize = 28;
const ROUNDS: [(usize, usize); 4] = [(1, 10), (2, 6), (4, 3), (8, 3)];
/// Settings of which variants are tried after the first round.
const VARIED: usize = 2;
/// Seeds at a time for the one that is to be proven.
const PROOF_STEP: usize = 8;

/// Searches, at most `jobs` runs at once. The answer does not depend on `jobs`.
///
/// # Errors
/// [`TuneError`].
pub fn tune(ask: &Ask, jobs: usize, progress: &Progress) -> Result<Tuned, TuneError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.max(1)).build()?;
    let chosen = space::candidates(ask, FIRST_ROUND);
    let mut search = Search { ask, pool, progress, tried: Vec::new(), runs: 0 };
    search.tried.extend(chosen.into_iter().map(untried));
    let mut alive: Vec<usize> = (0..search.tried.len()).collect();
    for (round, (seeds, keep)) in ROUNDS.into_iter().enumerate() {
        search.run(&alive, seeds)?;
        if round == 0 {
            alive = search.ranked(alive);
            let best: Vec<Setting> =
                alive.iter().take(VARIED).map(|at| search.tried[*at].setting.clone()).collect();
            let first = search.tried.len();
            let variants = best.iter().flat_map(|setting| space::variants(ask, setting));
            search.tried.extend(variants.map(untried));
            let added: Vec<usize> = (first..search.tried.len()).collect();
            search.run(&added, seeds)?;
            alive.extend(added);
        }
        alive = search.ranked(alive);
        alive.truncate(keep);
    }
    loop {
        alive = search.ranked(alive);
        let Some(&best) = alive.first() else { break };
        let answers = search.tried[best].trial.answers(ask);
        let proven = answers.iter().all(|answer| answer.standing == Standing::Met);
        if proven || search.run(&[best], PROOF_STEP)? == 0 {
            break;
        }
    }
    let order = search.ranked((0..search.tried.len()).collect());
    // What ran with many seeds stands before what was dropped after one lucky one.
    let (last, dropped): (Vec<usize>, Vec<usize>) =
        order.into_iter().partition(|at| alive.contains(at));
    let Search { mut tried, runs, .. } = search;
    let objectives: Vec<[f64; 3]> = tried.iter().map(|it| objectives(&it.trial)).collect();
    for (it, undominated) in tried.iter_mut().zip(pareto(&objectives)) {
        it.pareto = undominated;
    }
    let tried = last.into_iter().chain(dropped).map(|at| tried[at].clone()).collect();
    Ok(Tuned { tried, looked_at: space::looked_at(ask), runs })
}

fn untried((setting, guess): (Setting, Guess)) -> Tried {
    Tried { setting, guess, trial: Trial::default(), pareto: false }
}

struct Search<'a> {
    ask: &'a Ask,
    pool: rayon::ThreadPool,
    progress: &'a Progress,
    tried: Vec<Tried>,
    runs: usize,
}

impl Search<'_> {
    /// Runs each of these settings with so many more seeds, as far as seeds and budget go; returns how many runs that
    /// were.
    fn run(&mut self, which: &[usize], seeds: usize) -> Result<usize, TuneError> {
        let mut units: Vec<(usize, u64)> = Vec::new();
        for step in 0..seeds {
            for at in which {
                let seed = self.ask.seeds.get(self.tried[*at].trial.runs + step);
                units.extend(seed.map(|seed| (*at, *seed)));
            }
        }
        units.truncate(self.ask.budget.saturating_sub(self.runs));
        let run = |(at, seed): &(usize, u64)| {
            let text = scenario(self.ask, &self.tried[*at].setting, "1");
            let scenario = parse(&text, Path::new("tuned.toml"), &[])?;
            let (result, _) = runner::run_one(&scenario, *seed, None, self.progress)?;
            Ok((*at, Figures::of(&scenario, &result)))
        };
        let done: Vec<Result<(usize, Figures), TuneError>> =
            self.pool.install(|| units.par_iter().with_max_len(1).map(run).collect());
        for one in done {
            let (at, figures) = one?;
            self.tried[at].trial.add(&figures);
            self.runs += 1;
        }
        Ok(units.len())
    }

    /// These settings, best first: nearest to the wishes, then the fewest false failures by the formulas, then the fewest
    /// bytes. Those without a run are last.
    fn ranked(&self, mut which: Vec<usize>) -> Vec<usize> {
        let key = |at: usize| {
            let it = &self.tried[at];
            let distance =
                if it.trial.runs == 0 { f64::INFINITY } else { it.trial.distance(self.ask) };
            (distance, it.guess.false_failure_rate, it.trial.bytes_mean())
        };
        which.sort_by(|left, right| {
            let (left, right) = (key(*left), key(*right));
            left.0
                .total_cmp(&right.0)
                .then(left.1.total_cmp(&right.1))
                .then(left.2.total_cmp(&right.2))
        });
        which
    }
}

/// What is to be small: seconds of detection, false failures, bytes.
fn objectives(trial: &Trial) -> [f64; 3] {
    if trial.runs == 0 {
        return [f64::INFINITY; 3];
    }
    let detect = trial.detect_p95().unwrap_or(f64::INFINITY);
    [detect, trial.false_failures_per_node_week(), trial.bytes_mean()]
}

/// Which points no other point beats: as good in every respect and better in one.
#[must_use]
pub fn pareto(points: &[[f64; 3]]) -> Vec<bool> {
    let beats = |a: &[f64; 3], b: &[f64; 3]| {
        a.iter().zip(b).all(|(a, b)| a <= b) && a.iter().zip(b).any(|(a, b)| a < b)
    };
    let possible = |point: &[f64; 3]| point.iter().all(|value| value.is_finite());
    points
        .iter()
        .map(|point| possible(point) && points.iter().all(|other| !beats(other, point)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_holds_what_nothing_beats() {
        let points = [
            [1.0, 0.0, 9.0],
            [2.0, 0.0, 5.0],
            [2.0, 1.0, 5.0],
            [3.0, 0.0, 5.0],
            [3.0, 0.0, 1.0],
            [f64::INFINITY, 0.0, 0.0],
            [1.0, 0.0, 9.0],
        ];
        assert_eq!(pareto(&points), [true, true, false, false, true, false, true]);
        assert!(pareto(&[]).is_empty());
    }

    #[test]
    fn a_search_stays_within_its_budget_and_does_not_depend_on_jobs() {
        let ask = Ask {
            nodes: 8,
            loss: 0.0,
            latency: (500_000, 3_000_000),
            pauses: None,
            wants: vec!["detect=8s".parse().unwrap(), "bytes=20kB/s".parse().unwrap()],
            seeds: (1..=40).collect(),
            budget: 45,
        };
        let progress = Progress::default();
        let tuned = tune(&ask, 1, &progress).unwrap();
        assert!(tuned.runs <= 45, "{}", tuned.runs);
        assert_eq!(progress.seeds_done(), tuned.runs);
        let again = tune(&ask, 3, &Progress::default()).unwrap();
        assert_eq!(tuned.tried[0].setting, again.tried[0].setting);
        assert!(tuned.tried[0].trial.distance(&ask) < 1e-9);
    }
}
