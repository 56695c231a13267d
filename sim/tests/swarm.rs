//! Random scenarios: the parser takes each, the shipped core breaks none, and what breaks becomes small.

use std::path::Path;

use uwasa_sim::capsule::{Capsule, size};
use uwasa_sim::scenario::parse;
use uwasa_sim::shrink::{Limits, shrink};
use uwasa_sim::swarm::campaign::{Campaign, Limit};
use uwasa_sim::swarm::document::Document;
use uwasa_sim::swarm::trial::{Failure, run_text};
use uwasa_sim::swarm::{Bounds, generate};

#[test]
fn the_parser_takes_every_generated_scenario() {
    for (nodes, seeds) in [(3..=16, 0..1_500), (3..=3, 0..200), (64..=64, 0..50)] {
        let bounds = Bounds { nodes, ..Bounds::default() };
        for seed in seeds {
            let generated = generate(seed, &bounds);
            let text = generated.document.render();
            let read = parse(&text, Path::new("swarm.toml"), &[]);
            let problems = read.err().map(|errors| errors.to_string());
            assert_eq!(problems, None, "seed {seed}:\n{text}");
            assert_eq!(Document::parse(&text), Ok(generated.document), "seed {seed}");
        }
    }
}

#[test]
fn a_seed_gives_one_scenario_and_seeds_differ() {
    let bounds = Bounds::default();
    assert_eq!(generate(7, &bounds).document, generate(7, &bounds).document);
    assert_ne!(generate(7, &bounds).document, generate(8, &bounds).document);
}

#[test]
fn every_kind_of_action_comes_up() {
    let bounds = Bounds::default();
    let labels: std::collections::BTreeSet<_> =
        (0..300).flat_map(|seed| generate(seed, &bounds).labels).collect();
    let known =
        ["fault crash", "fault pause", "fault partition", "fault loss", "work query", "start cold"];
    for label in known {
        assert!(labels.contains(label), "{label} is not in {labels:?}");
    }
}

#[test]
fn the_shipped_core_breaks_nothing() {
    let campaign =
        Campaign { seed: 1, limit: Limit::Count(24), keep_going: true, bounds: Bounds::default() };
    let outcome = campaign.run(&mut |_| ()).expect("valid scenarios");
    let broken: Vec<_> =
        outcome.broken.iter().map(|it| (it.generated.seed, &it.trial.failures)).collect();
    assert!(broken.is_empty(), "{broken:?}");
    assert_eq!(outcome.tally.scenarios, 24);
}

#[test]
fn a_capsule_of_a_run_that_breaks_nothing_is_not_shrunk() {
    let text = "title = \"T\"\nduration = \"5s\"\nnodes = 3\n";
    let failure = Failure { invariant: "incarnation".into(), at: 0, text: String::new() };
    let capsule = Capsule::new(text, 1, None, &failure);
    assert!(shrink(&capsule, Limits::default(), &mut |_| ()).is_err());
}

#[test]
fn a_scenario_that_is_refused_has_no_run() {
    assert!(run_text("title = \"T\"\n", 1, "incarnation").is_none());
    assert_eq!(size("title = \"T\"\n"), None);
}

#[cfg(feature = "mutants")]
mod mutants {
    use super::*;

    /// Seeds within which a mutant must be found.
    const SEEDS: u64 = 96;

    /// Finds a mutant and makes its capsule small.
    fn caught(name: &str) -> Capsule {
        let bounds = Bounds { nodes: 3..=8, mutant: Some(name.into()) };
        let campaign = Campaign { seed: 1, limit: Limit::Count(SEEDS), keep_going: false, bounds };
        let outcome = campaign.run(&mut |_| ()).expect("valid scenarios");
        let broken = outcome.broken.first().unwrap_or_else(|| panic!("{name} is not found"));
        let failure = broken.trial.failures.first().expect("a failure");
        let (text, seed) = (broken.generated.document.render(), broken.generated.seed);
        let capsule = Capsule::new(&text, seed, broken.trial.hash(), failure);
        shrink(&capsule, Limits { runs: 300 }, &mut |_| ()).expect("it breaks again")
    }

    /// The whole list is for the release binary: `sim swarm --mutant NAME`. Here is one of each sort.
    #[test]
    fn mutants_are_found_and_become_small() {
        for name in
            ["event_delivered_twice", "dead_without_suspicion", "refutes_with_same_incarnation"]
        {
            let small = caught(name);
            let (nodes, faults, _) = size(&small.scenario).expect("a valid scenario");
            assert!(nodes <= 5 && faults <= 2, "{name}: {}", small.render());
            let again =
                run_text(&small.scenario, small.seed, &small.invariant).expect("it is valid");
            assert_eq!(again.hash(), small.hash);
        }
    }
}
