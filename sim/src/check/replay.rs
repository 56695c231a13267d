//! Replay: the same scenario and seed give the same trace hash, whoever listens. Checks S18.
//!
//! It takes a second run, so it is no [`super::Checker`]: `sim replay` and `sim swarm` call it for the seeds they doubt.

use crate::fact::Watchers;
use crate::scenario::Scenario;
use crate::world::World;

/// Runs the seed again, with nobody listening, and compares.
///
/// # Errors
/// Both hashes, if they differ: the simulator or the core has a source of chance that the seed does not fix.
pub fn check(scenario: &Scenario, seed: u64, expected: u64) -> Result<(), (u64, u64)> {
    let mut world = World::watched(scenario, seed, Watchers::default());
    world.run_until(scenario.duration);
    let found = world.finish().trace_hash;
    if found == expected { Ok(()) } else { Err((expected, found)) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::parse;
    use crate::world::run;

    #[test]
    fn a_run_with_checkers_is_the_run_without() {
        let text = "title = \"t\"\nnodes = 5\nduration = \"9s\"\n";
        let scenario = parse(text, Path::new("t.toml"), &[]).expect("a valid scenario");
        let hash = run(&scenario, 3, &mut |_| ()).trace_hash;
        assert_eq!(check(&scenario, 3, hash), Ok(()));
        assert_eq!(check(&scenario, 3, hash ^ 1), Err((hash ^ 1, hash)));
    }
}
