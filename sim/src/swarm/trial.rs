//! One run of one scenario with one seed, and what was wrong with it.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Once;

use serde::Serialize;

use crate::check::{Standing, replay};
use crate::metrics::SeedResult;
use crate::scenario::{Nanos, Scenario, parse};
use crate::world;

/// Invariant that a world never panics.
pub const PANIC: &str = "panic";
/// Invariant that a run repeated gives the same trace hash.
pub const REPLAY: &str = "replay";

/// What was wrong with a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Failure {
    /// The broken invariant.
    pub invariant: String,
    /// When it was broken first.
    pub at: Nanos,
    /// How, in words.
    pub text: String,
}

/// A run.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What it measured; `None`: it panicked.
    pub result: Option<SeedResult>,
    /// Everything that was wrong, in order of time.
    pub failures: Vec<Failure>,
}

impl Trial {
    /// The trace hash; `None`: it panicked.
    #[must_use]
    pub fn hash(&self) -> Option<u64> {
        self.result.as_ref().map(|result| result.trace_hash)
    }

    /// What went wrong with this invariant.
    #[must_use]
    pub fn failure(&self, invariant: &str) -> Option<&Failure> {
        self.failures.iter().find(|failure| failure.invariant == invariant)
    }
}

/// Runs a scenario.
#[must_use]
pub fn run(scenario: &Scenario, seed: u64) -> Trial {
    let mut reached = 0;
    match caught(|| world::run(scenario, seed, &mut |now| reached = now)) {
        Ok(result) => Trial { failures: failures(&result), result: Some(result) },
        Err(text) => {
            let failure = Failure { invariant: PANIC.into(), at: reached, text };
            Trial { result: None, failures: vec![failure] }
        }
    }
}

/// Runs a scenario twice, the second time with nobody listening; two different hashes break `replay`.
#[must_use]
pub fn run_twice(scenario: &Scenario, seed: u64) -> Trial {
    let mut trial = run(scenario, seed);
    let Some(hash) = trial.hash() else { return trial };
    let text = match caught(|| replay::check(scenario, seed, hash)) {
        Ok(Ok(())) => return trial,
        Ok(Err((one, other))) => {
            format!("the first run has the trace hash {one:016x} and the second {other:016x}")
        }
        Err(panic) => format!("only the second run, with nobody listening, stops: {panic}"),
    };
    let at = scenario.duration;
    trial.failures.push(Failure { invariant: REPLAY.into(), at, text });
    trial
}

/// Runs a scenario text as often as its invariant asks for; `None`: the parser refuses it.
#[must_use]
pub fn run_text(text: &str, seed: u64, invariant: &str) -> Option<Trial> {
    let scenario = parse(text, Path::new("capsule.toml"), &[]).ok()?;
    Some(if invariant == REPLAY { run_twice(&scenario, seed) } else { run(&scenario, seed) })
}

fn failures(result: &SeedResult) -> Vec<Failure> {
    let broken = result.invariants.iter().filter(|it| it.standing == Standing::Fail);
    let mut failures: Vec<Failure> = broken
        .filter_map(|it| {
            let first = it.first.clone()?;
            Some(Failure { invariant: it.name.into(), at: first.at, text: first.text })
        })
        .collect();
    failures.sort_by_key(|failure| failure.at);
    failures
}

thread_local! {
    /// What the panic of the run on this thread said; `None`: no run is on this thread.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `work`; a panic becomes its message with the place, and is not printed.
fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let within = SAID.with_borrow_mut(|said| match said {
                Some(said) => {
                    *said = panic.to_string();
                    true
                }
                None => false,
            });
            if !within {
                before(panic);
            }
        }));
    });
    SAID.set(Some(String::new()));
    let result = catch_unwind(AssertUnwindSafe(work));
    let said = SAID.take().unwrap_or_default();
    result.map_err(|_| said.split_whitespace().collect::<Vec<_>>().join(" "))
}
