//! How often a node probes.

use super::*;

/// Probes that a node begins in 20 s after its only peer, which was away for a minute, answers again.
fn probes_after_trouble(scaled_period: bool) -> usize {
    let mut options = Options { suspicion_mult: 1_000, ..Options::lan() };
    options.lifeguard.scaled_period = scaled_period;
    let mut wire = Wire::new(options, 2);
    wire.join(0, &[1]);
    wire.run(Duration::from_secs(5));
    wire.crash(1);
    wire.run(Duration::from_secs(60));
    assert_eq!(wire.node(0).swim.health(), 7, "each probe failed");
    wire.start(1, 2);
    // The probe that runs fails yet, or is answered.
    wire.run(Duration::from_secs(8));
    let begun = |wire: &Wire| {
        let probe = |it: &&(usize, Trace)| it.0 == 0 && matches!(it.1, Trace::ProbeStarted { .. });
        wire.traces.iter().filter(probe).count()
    };
    let before = begun(&wire);
    wire.run(Duration::from_secs(20));
    begun(&wire) - before
}

#[test]
fn a_bad_health_score_slows_probes_down_only_if_it_scales_the_period() {
    let (memberlist, paper) = (probes_after_trouble(false), probes_after_trouble(true));
    // With a single peer, every second tick is spent on going round.
    assert!((9..=12).contains(&memberlist), "{memberlist}");
    // After 8, 7, 6 s: the score falls with each answer.
    assert!((2..=4).contains(&paper), "{paper}");
}
