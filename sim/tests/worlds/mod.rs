//! Whole worlds from a few lines of scenario.

use std::path::Path;

use uwasa_sim::metrics::SeedResult;
use uwasa_sim::scenario::{Scenario, parse};
use uwasa_sim::world::run;

pub(crate) fn read(text: &str) -> Scenario {
    let text = format!("title = \"T\"\nnetwork = {{ latency = \"1ms\" }}\n{text}");
    parse(&text, Path::new("scenarios/x.toml"), &[]).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Runs seeds 1 to 3; every expectation must hold in each.
pub(crate) fn held(text: &str) -> Vec<SeedResult> {
    let scenario = read(text);
    let results: Vec<_> = (1..=3).map(|seed| run(&scenario, seed, &mut |_| {})).collect();
    for result in &results {
        for (index, verdict) in result.verdicts.iter().enumerate() {
            assert!(
                verdict.held,
                "seed {}, expectation {index}: {}; notes: {:?}",
                result.seed, verdict.measured, result.notes
            );
        }
    }
    results
}
