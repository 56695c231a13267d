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
fn the_shipped_core_breaks_nothing_and_everything_is_put_to_the_test() {
    let campaign =
        Campaign { seed: 1, limit: Limit::Count(64), keep_going: true, bounds: Bounds::default() };
    let outcome = campaign.run(&mut |_| ()).expect("valid scenarios");
    let broken: Vec<_> =
        outcome.broken.iter().map(|it| (it.generated.seed, &it.trial.failures)).collect();
    assert!(broken.is_empty(), "{broken:?}");
    assert_eq!(outcome.tally.scenarios, 64);
    let never = outcome.tally.invariants.iter().filter(|(_, verdicts)| verdicts.exercised == 0);
    let never: Vec<_> = never.map(|(name, _)| name).collect();
    assert!(never.is_empty(), "no scenario puts these to the test: {never:?}");
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
