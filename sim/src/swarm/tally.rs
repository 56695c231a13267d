//! What a swarm has put to the test: how often each invariant was judged, and how many scenarios had what.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Generated;
use super::trial::{REPLAY, Trial};
use crate::check::Standing;
use crate::metrics::Totals;

/// Verdicts on one invariant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Verdicts {
    /// Scenarios in which it was put to the test and held.
    pub pass: u64,
    /// Scenarios in which it was broken.
    pub fail: u64,
    /// Scenarios that did not put it to the test.
    pub unknown: u64,
    /// How often it was put to the test, all scenarios together.
    pub exercised: u64,
}

/// Counters over the scenarios of a swarm.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Tally {
    /// Scenarios that ran.
    pub scenarios: u64,
    /// By invariant.
    pub invariants: BTreeMap<String, Verdicts>,
    /// By what a scenario has in it: how many had it.
    pub labels: BTreeMap<&'static str, u64>,
    /// Things that must happen now and then, or the swarm tests less than it seems: in how many scenarios they did.
    pub sometimes: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Adds a scenario and its run.
    pub fn add(&mut self, generated: &Generated, trial: &Trial, twice: bool) {
        self.scenarios += 1;
        for label in &generated.labels {
            *self.labels.entry(label).or_default() += 1;
        }
        for failure in &trial.failures {
            self.invariants.entry(failure.invariant.clone()).or_default().fail += 1;
        }
        let replay = self.invariants.entry(REPLAY.into()).or_default();
        match (trial.failure(REPLAY).is_none(), twice) {
            (true, true) => replay.pass += 1,
            (true, false) => replay.unknown += 1,
            (false, _) => {}
        }
        replay.exercised += u64::from(twice);
        let Some(result) = &trial.result else { return };
        for invariant in &result.invariants {
            let verdicts = self.invariants.entry(invariant.name.into()).or_default();
            verdicts.exercised += invariant.exercised;
            match invariant.standing {
                Standing::Pass => verdicts.pass += 1,
                Standing::Unknown => verdicts.unknown += 1,
                // Counted with the failures.
                Standing::Fail => {}
            }
        }
        let seen = sometimes(&result.totals).into_iter().chain([
            ("a live member was declared dead", u64::from(!result.false_failures.is_empty())),
            ("all agreed at the end", u64::from(result.converged_at.is_some())),
        ]);
        for (what, count) in seen {
            *self.sometimes.entry(what).or_default() += u64::from(count > 0);
        }
    }
}

fn sometimes(totals: &Totals) -> [(&'static str, u64); 17] {
    [
        ("a probe needed relays", totals.probes_indirect),
        ("a probe failed", totals.probes_failed),
        ("a suspicion started", totals.suspicions),
        ("a suspicion was refuted", totals.refutations),
        ("a leave was refuted", totals.intents_refuted),
        ("a failed member came back soon", totals.flaps),
        ("a record was erased", totals.member_reaps),
        ("a name was voted about", totals.conflict_votes),
        ("a snapshot was read", totals.snapshot_restarts),
        ("a keyring changed", totals.key_changes),
        ("a query was answered", totals.query_responses),
        ("an answer came again", totals.query_duplicates),
        ("an answer was relayed", totals.relayed),
        ("a datagram was lost", totals.datagrams_lost),
        ("a datagram came twice", totals.datagrams_duplicated),
        ("a receive buffer overflowed", totals.datagrams_overflowed),
        ("an input was refused", totals.dropped_input),
    ]
}
