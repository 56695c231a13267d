//! Planted protocol bugs. Each has a small world of its own in which the checker that is named here finds it, and each is
//! found in a random world, which becomes small. The same small worlds without the bug break no invariant.

use std::path::Path;

use rayon::prelude::*;
use toml::Value;
use uwasa_core::config::Mutant;
use uwasa_sim::capsule::{Capsule, size};
use uwasa_sim::check::Standing;
use uwasa_sim::metrics::SeedResult;
use uwasa_sim::scenario::{Scenario, load};
use uwasa_sim::shrink::{Limits, shrink};
use uwasa_sim::swarm::document::Document;
use uwasa_sim::swarm::trial::run_text;
use uwasa_sim::swarm::{Bounds, generate};
use uwasa_sim::world;

/// Seeds of the swarm in which a mutant must be found.
const SEEDS: u64 = 200;
/// Runs within which its capsule must become small.
const RUNS: usize = 600;
/// How small: nodes and faults.
const SMALL: (usize, usize) = (5, 2);

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

/// The seed of the swarm from which on it is looked for. Any will do that finds it within [`SEEDS`]; one that finds it at
/// once, in a small world, takes less time. After a change of the generator `cargo test -p uwasa-sim --test mutants --
/// --nocapture` prints the seeds that find them now.
const fn first_seed(mutant: Mutant) -> u64 {
    match mutant {
        Mutant::DeadWithoutSuspicion
        | Mutant::AliveResurrectsDead
        | Mutant::PushPullIgnored
        | Mutant::NoRefutation
        | Mutant::RefutesWithSameIncarnation
        | Mutant::EventDeliveredTwice
        | Mutant::TransmitLimitIgnored
        | Mutant::EventForwardedChanged
        | Mutant::ReapsTooEarly => 1,
        Mutant::LamportNotWitnessed => 2,
        Mutant::AcceptsOlderIncarnation | Mutant::FilterIgnored | Mutant::StaleProfileKept => 3,
        Mutant::PacketsTooLarge => 4,
        Mutant::SnapshotForgetsClock => 7,
        Mutant::LeaveSeenAsFailure | Mutant::ReconnectNever => 8,
        Mutant::QueryAnswerCountedTwice => 10,
        Mutant::ProbeSkipsLast => 31,
        Mutant::AckForAnyName => 36,
        Mutant::SuspicionNeverExpires => 43,
        Mutant::IntentsIgnored => 187,
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

/// Finds a mutant by its checker in random worlds, and makes the world small.
fn caught(mutant: Mutant, name: &str) -> Result<(Capsule, u64), String> {
    let bounds = Bounds { mutant: Some(name.into()), ..Bounds::default() };
    let (checker, first) = (checker(mutant), first_seed(mutant));
    for seed in first..first + SEEDS {
        let text = generate(seed, &bounds).document.render();
        let Some(trial) = run_text(&text, seed, checker) else {
            return Err(format!("{name}: the parser refuses seed {seed}"));
        };
        if let Some(failure) = trial.failure(checker) {
            let capsule = Capsule::new(&text, seed, trial.hash(), failure);
            let small = shrink(&capsule, Limits { runs: RUNS }, &mut |_| ());
            return small.map(|it| (it, seed)).map_err(|error| format!("{name}: {error}"));
        }
    }
    Err(format!("{name}: `{checker}` is silent in {SEEDS} random worlds from seed {first} on"))
}

/// The scenario of a capsule without the planted bug.
fn repaired(capsule: &Capsule) -> String {
    let mut document = Document::parse(&capsule.scenario).expect("a capsule holds TOML");
    if let Some(config) = document.0.get_mut("config").and_then(Value::as_table_mut) {
        config.remove("mutant").expect("the bug is in it");
    }
    document.render()
}

/// What is wrong with a capsule that was made small.
fn objection(mutant: Mutant, small: &Capsule) -> Option<String> {
    let (nodes, faults, _) = size(&small.scenario)?;
    if nodes > SMALL.0 || faults > SMALL.1 {
        return Some(format!("{nodes} nodes and {faults} faults are left"));
    }
    let again = run_text(&small.scenario, small.seed, &small.invariant)?;
    if small.invariant != checker(mutant) || again.failure(checker(mutant)).is_none() {
        return Some(format!("`{}` is silent in the small world", checker(mutant)));
    }
    if again.hash() != small.hash {
        return Some("a second run has another trace hash".into());
    }
    let without = run_text(&repaired(small), small.seed, &small.invariant)?;
    let failure = without.failures.first();
    failure
        .map(|it| format!("without the bug the small world breaks `{}`: {}", it.invariant, it.text))
}

#[test]
fn the_swarm_finds_every_mutant_and_makes_it_small() {
    let of = |(mutant, name): &(Mutant, &str)| {
        let (small, seed) = caught(*mutant, name)?;
        let (nodes, faults, _) = size(&small.scenario).ok_or("the small scenario is refused")?;
        eprintln!("{name}: seed {seed}, {nodes} nodes, {faults} faults");
        match objection(*mutant, &small) {
            None => Ok(()),
            Some(why) => Err(format!("{name}, seed {seed}: {why}\n{}", small.render())),
        }
    };
    let wrong: Vec<String> =
        Mutant::ALL.par_iter().with_max_len(1).map(of).filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
