//! Makes a capsule smaller by meaning: fewer actions, fewer nodes, less time, plainer settings. Every step must break the
//! same invariant.
//!
//! What is made smaller is the scenario, not the seed (Zeller and Hildebrandt's ddmin over its list of actions). The
//! result depends on the capsule and the limits only, not on the number of threads.

mod actions;
mod merge;
mod nodes;
mod plain;
mod time;

use rayon::prelude::*;
use thiserror::Error;

use crate::capsule::{Capsule, size};
use crate::scenario::Nanos;
use crate::swarm::document::Document;
use crate::swarm::trial::{Trial, run_text};

/// Candidates that are tried side by side. Fixed, so that the result does not depend on the machine.
const BATCH: usize = 8;
/// Seeds that are tried besides the capsule's own, once that one gets no further.
const OTHER_SEEDS: u64 = 6;
/// A scenario this small needs no other seeds: nodes and faults.
const SMALL: (usize, usize) = (5, 2);

/// Limits of the search.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most runs.
    pub runs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { runs: 1_500 }
    }
}

/// Why nothing was made smaller.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum ShrinkError {
    /// The capsule's run does not break its invariant here.
    #[error(
        "seed {seed} does not break `{invariant}` with this program: use the commit that the capsule names, or write a \
         new capsule"
    )]
    Holds {
        /// Seed of the capsule.
        seed: u64,
        /// Its invariant.
        invariant: String,
    },
    /// The scenario in the capsule is no TOML.
    #[error("the scenario in the capsule cannot be read: {0}")]
    Scenario(String),
}

/// How far the search is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// Runs so far.
    pub runs: usize,
    /// Nodes of the smallest scenario so far.
    pub nodes: usize,
    /// Faults in it.
    pub faults: usize,
    /// Its virtual time.
    pub duration: Nanos,
}

/// A scenario that breaks the invariant.
#[derive(Clone, Debug)]
struct Best {
    document: Document,
    seed: u64,
    trial: Trial,
}

/// The search.
struct Search<'a> {
    invariant: &'a str,
    best: Best,
    runs: usize,
    limits: Limits,
    /// Seeds to try each candidate with: the best one's own, then so many others.
    others: u64,
    heard: &'a mut dyn FnMut(Step),
}

/// Makes a capsule smaller. `heard` is told about each step forward.
///
/// # Errors
/// [`ShrinkError`] if there is nothing to start from.
pub fn shrink(
    capsule: &Capsule,
    limits: Limits,
    heard: &mut dyn FnMut(Step),
) -> Result<Capsule, ShrinkError> {
    let document = Document::parse(&capsule.scenario).map_err(ShrinkError::Scenario)?;
    let invariant = capsule.invariant.as_str();
    let broken = |text: &str| {
        run_text(text, capsule.seed, invariant).filter(|trial| trial.failure(invariant).is_some())
    };
    // The document's own text may differ from the capsule's in layout only.
    let holds = || ShrinkError::Holds { seed: capsule.seed, invariant: invariant.into() };
    let trial = broken(&document.render()).ok_or_else(holds)?;
    let best = Best { document, seed: capsule.seed, trial };
    let mut search = Search { invariant, best, runs: 1, limits, others: 0, heard };
    search.rounds();
    if search.is_large() {
        search.others = OTHER_SEEDS;
        search.rounds();
    }
    let Best { document, seed, trial } = search.best;
    let failure = trial.failure(invariant).ok_or_else(holds)?;
    Ok(Capsule::new(&document.render(), seed, trial.hash(), failure))
}

impl Search<'_> {
    /// All kinds of steps, until none of them gets further.
    fn rounds(&mut self) {
        loop {
            let before = (self.best.document.clone(), self.best.seed);
            time::cut_tail(self);
            // First, as it makes all other steps cheaper.
            time::shorter_run(self);
            actions::remove(self);
            if self.others > 0 {
                merge::remove(self);
            }
            nodes::remove(self);
            plain::remove(self);
            time::shorten(self);
            let same = before.0 == self.best.document && before.1 == self.best.seed;
            if same || self.runs >= self.limits.runs {
                return;
            }
        }
    }

    fn is_large(&self) -> bool {
        let (nodes, faults, _) = size(&self.best.document.render()).unwrap_or((0, 0, 0));
        nodes > SMALL.0 || faults > SMALL.1
    }

    /// When the invariant is broken in the best scenario so far.
    fn broken_at(&self) -> Nanos {
        self.best.trial.failure(self.invariant).map_or(0, |failure| failure.at)
    }

    /// Takes the first candidate that breaks the invariant; `None`: none does. Candidates that the parser refuses cost
    /// nothing.
    fn take_first(&mut self, candidates: Vec<Document>) -> Option<usize> {
        let seeds: Vec<u64> = std::iter::once(self.best.seed).chain(1..=self.others).collect();
        let pairs: Vec<(usize, u64)> = (0..candidates.len())
            .flat_map(|one| seeds.iter().map(move |seed| (one, *seed)))
            .collect();
        for batch in pairs.chunks(BATCH) {
            if self.runs >= self.limits.runs {
                return None;
            }
            let tried: Vec<Option<Trial>> = batch
                .par_iter()
                .with_max_len(1)
                .map(|(one, seed)| run_text(&candidates[*one].render(), *seed, self.invariant))
                .collect();
            for ((one, seed), trial) in batch.iter().zip(tried) {
                self.runs += usize::from(trial.is_some());
                let Some(trial) = trial.filter(|it| it.failure(self.invariant).is_some()) else {
                    continue;
                };
                self.best = Best { document: candidates[*one].clone(), seed: *seed, trial };
                let text = self.best.document.render();
                let (nodes, faults, duration) = size(&text).unwrap_or((0, 0, 0));
                (self.heard)(Step { runs: self.runs, nodes, faults, duration });
                return Some(*one);
            }
        }
        None
    }

    /// Takes one candidate, if it breaks the invariant.
    fn take(&mut self, candidate: Document) -> bool {
        candidate != self.best.document && self.take_first(vec![candidate]).is_some()
    }
}
