//! Planted protocol bugs, each in a small world of its own: the checker that is named here finds it, and the same world
//! without the bug breaks no invariant.
//!
//! Run with `cargo test -p uwasa-sim --features mutants --test mutants`.

use std::path::Path;

use uwasa_core::config::Mutant;
use uwasa_sim::check::Standing;
use uwasa_sim::metrics::SeedResult;
use uwasa_sim::scenario::{Scenario, load};
use uwasa_sim::world;

/// Which checker must find it.
const fn checker(mutant: Mutant) -> &'static str {
    match mutant {
        Mutant::AcceptsOlderIncarnation => "incarnation",
        Mutant::AliveResurrectsDead => "resurrection",
        Mutant::NoRefutation | Mutant::RefutesWithSameIncarnation => "self_view",
        Mutant::EventDeliveredTwice
        | Mutant::EventForwardedChanged
        | Mutant::SnapshotForgetsClock => "delivery",
        Mutant::LamportNotWitnessed => "lamport",
        Mutant::QueryAnswerCountedTwice | Mutant::FilterIgnored => "query",
        Mutant::LeaveSeenAsFailure => "leave",
        Mutant::SuspicionNeverExpires | Mutant::ProbeSkipsLast => "detection",
        Mutant::DeadWithoutSuspicion => "causes",
        Mutant::PushPullIgnored | Mutant::IntentsIgnored | Mutant::ReconnectNever => "convergence",
        Mutant::TransmitLimitIgnored => "drained",
        Mutant::AckForAnyName => "ack_identity",
        Mutant::StaleProfileKept => "profile",
        Mutant::ReapsTooEarly => "tombstone",
        Mutant::PacketsTooLarge => "bounds",
    }
}

fn scenario(name: &str, mutated: bool) -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/mutants/{name}.toml"));
    let sets = if mutated { vec![format!("config.mutant={name}")] } else { Vec::new() };
    load(&file, &sets).unwrap_or_else(|errors| panic!("{}", errors.messages.join("\n")))
}

/// Name and first break of every invariant that is broken.
fn broken(result: &SeedResult) -> Vec<(&'static str, String)> {
    let failed = result.invariants.iter().filter(|it| it.standing == Standing::Fail);
    failed
        .map(|it| (it.name, it.first.as_ref().map_or_else(String::new, |it| it.text.clone())))
        .collect()
}

#[test]
fn every_mutant_is_found_by_its_checker() {
    let mut wrong = Vec::new();
    for (mutant, name) in Mutant::ALL {
        let scenario = scenario(name, true);
        assert!(scenario.nodes.len() <= 5 && scenario.faults.len() <= 2, "{name} is small");
        let found = broken(&world::run(&scenario, 1, &mut |_| ()));
        if !found.iter().any(|(checker_found, _)| *checker_found == checker(mutant)) {
            wrong.push(format!("{name}: {} is silent, found {found:?}", checker(mutant)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_same_worlds_without_the_bugs_break_nothing() {
    let mut wrong = Vec::new();
    for (_, name) in Mutant::ALL {
        let scenario = scenario(name, false);
        for seed in 1..=3 {
            let found = broken(&world::run(&scenario, seed, &mut |_| ()));
            if !found.is_empty() {
                wrong.push(format!("{name}, seed {seed}: {found:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
