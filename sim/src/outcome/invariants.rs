//! How each invariant fared over all seeds.

use serde::Serialize;

use crate::check::{self, Standing};
use crate::metrics::SeedResult;
use crate::scenario::{Nanos, Scenario};

/// One invariant over all seeds.
#[derive(Clone, Debug, Serialize)]
pub struct InvariantOutcome {
    /// Its name: `incarnation`.
    pub name: &'static str,
    /// Seeds in which it held.
    pub pass: usize,
    /// Seeds in which it was broken.
    pub fail: usize,
    /// Seeds in which nothing put it to the test.
    pub unknown: usize,
    /// The scenario breaks it on purpose: it was not checked.
    pub unchecked: bool,
    /// The world is too large for it: it was not checked.
    pub too_large: bool,
    /// The first seed that broke it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Failure>,
}

/// How an invariant was first broken.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    /// In which seed.
    pub seed: u64,
    /// When, in virtual nanoseconds.
    pub at: Nanos,
    /// How often in this seed.
    pub violations: u64,
    /// What happened.
    pub text: String,
}

/// Counts the verdicts of all seeds.
pub(super) fn judge(scenario: &Scenario, results: &[SeedResult]) -> Vec<InvariantOutcome> {
    if results.iter().all(|result| result.invariants.is_empty()) {
        return Vec::new();
    }
    check::names().into_iter().map(|name| judge_one(name, scenario, results)).collect()
}

fn judge_one(name: &'static str, scenario: &Scenario, results: &[SeedResult]) -> InvariantOutcome {
    let unchecked = scenario.unchecked.iter().any(|it| it == name);
    let mut outcome = InvariantOutcome {
        name,
        pass: 0,
        fail: 0,
        unknown: 0,
        unchecked,
        too_large: false,
        first: None,
    };
    for result in results {
        let found = result.invariants.iter().find(|invariant| invariant.name == name);
        outcome.too_large |= found.is_none() && !unchecked;
        let standing = found.map_or(Standing::Unknown, |invariant| invariant.standing);
        match standing {
            Standing::Pass => outcome.pass += 1,
            Standing::Fail => outcome.fail += 1,
            Standing::Unknown => outcome.unknown += 1,
        }
        let first = found.and_then(|it| Some((it.violations, it.first.as_ref()?)));
        if let (None, Some((violations, first))) = (&outcome.first, first) {
            let text = first.text.clone();
            outcome.first = Some(Failure { seed: result.seed, at: first.at, violations, text });
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::check::Violation;
    use crate::scenario::parse;
    use crate::world::run;

    #[test]
    fn the_first_seed_that_breaks_an_invariant_is_named() {
        let text = "title = \"t\"\nnodes = 3\nduration = \"2s\"\nunchecked = [\"edges\"]\n";
        let scenario = parse(text, Path::new("t.toml"), &[]).expect("a valid scenario");
        let mut results: Vec<_> = (1..=3).map(|seed| run(&scenario, seed, &mut |_| ())).collect();
        let broken = &mut results[1].invariants[0];
        broken.standing = Standing::Fail;
        broken.first = Some(Violation { at: 7, text: "it fell".into() });
        let outcomes = judge(&scenario, &results);
        let first = outcomes[0].first.as_ref().expect("one failed");
        assert_eq!((outcomes[0].fail, first.seed, first.at, &*first.text), (1, 2, 7, "it fell"));
        let edges = outcomes.iter().find(|it| it.name == "edges").expect("listed");
        assert!(edges.unchecked && edges.unknown == 3);
    }
}
