//! Invariants of the protocol, checked while a run goes on: one per file, each with its source.
//!
//! A checker hears every [`Fact`] and says at the end whether the invariant held, was broken, or was never put to the
//! test. It must not trust what it judges: what it needs to know about nodes it keeps from the facts itself.

mod incarnation;

use serde::Serialize;

use crate::fact::{Fact, Moment, Scene};
use crate::scenario::{Nanos, Scenario};

/// Whether an invariant held in one run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It was put to the test and held.
    Pass,
    /// It was broken.
    Fail,
    /// Nothing in the run put it to the test.
    Unknown,
}

/// One break of an invariant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Violation {
    /// When.
    pub at: Nanos,
    /// What happened, in words with the names of the nodes.
    pub text: String,
}

/// What became of one invariant in one run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Invariant {
    /// Its name: `incarnation`.
    pub name: &'static str,
    /// Whether it held.
    pub standing: Standing,
    /// How often it was put to the test.
    pub exercised: u64,
    /// How often it was broken.
    pub violations: u64,
    /// The first break.
    pub first: Option<Violation>,
}

/// What a checker has found so far.
#[derive(Debug, Default)]
pub struct Finding {
    exercised: u64,
    violations: u64,
    first: Option<Violation>,
}

impl Finding {
    /// The invariant was put to the test.
    pub const fn exercise(&mut self) {
        self.exercised += 1;
    }

    /// It was broken; `text` is asked for the first time only.
    pub fn violate(&mut self, at: Nanos, text: impl FnOnce() -> String) {
        self.violations += 1;
        if self.first.is_none() {
            self.first = Some(Violation { at, text: text() });
        }
    }
}

/// One invariant.
pub trait Checker: std::fmt::Debug + Send {
    /// Its name, as scenarios and reports call it.
    fn name(&self) -> &'static str;

    /// Something happened.
    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, scene: Scene<'_>, finding: &mut Finding);

    /// The run is over, at this time.
    fn finish(&mut self, _at: Nanos, _scene: Scene<'_>, _finding: &mut Finding) {}
}

/// All checkers of one run.
#[derive(Debug)]
pub struct Invariants(Vec<(Box<dyn Checker>, Finding)>);

impl Invariants {
    /// Every checker, ready for a run of `scenario`.
    #[must_use]
    pub fn all(scenario: &Scenario) -> Self {
        let checkers: Vec<Box<dyn Checker>> = vec![Box::new(incarnation::Checker::new(scenario))];
        Self(checkers.into_iter().map(|checker| (checker, Finding::default())).collect())
    }

    /// Tells every checker.
    pub fn hear(&mut self, moment: Moment, fact: &Fact<'_>, scene: Scene<'_>) {
        for (checker, finding) in &mut self.0 {
            checker.hear(moment, fact, scene, finding);
        }
    }

    /// The verdicts, in the order of the checkers.
    #[must_use]
    pub fn finish(self, at: Nanos, scene: Scene<'_>) -> Vec<Invariant> {
        let judge = |(mut checker, mut finding): (Box<dyn Checker>, Finding)| {
            checker.finish(at, scene, &mut finding);
            let standing = match (finding.violations, finding.exercised) {
                (0, 0) => Standing::Unknown,
                (0, _) => Standing::Pass,
                _ => Standing::Fail,
            };
            let Finding { exercised, violations, first } = finding;
            Invariant { name: checker.name(), standing, exercised, violations, first }
        };
        self.0.into_iter().map(judge).collect()
    }
}
