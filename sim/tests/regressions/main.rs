//! Scenarios pinned by summary and trace hash, each named after the cause it guards.
//!
//! A changed hash means that some node did something else, or in another order. If that was intended, review the new
//! snapshot line by line; if not, `sim replay` the scenario before and after and find the first difference.

use std::fmt::Write as _;
use std::path::Path;

use uwasa_sim::metrics::{EventSpread, SeedResult};
use uwasa_sim::scenario::load;
use uwasa_sim::world;

fn summary(name: &str, seeds: &[u64]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/regressions/{name}.toml"));
    let scenario = load(&file, &[]).unwrap_or_else(|problems| panic!("{problems}"));
    let mut text = format!("config {:016x}\n", scenario.config_hash);
    for &seed in seeds {
        let result = world::run(&scenario, seed, &mut |_| ());
        describe(&result, &mut text).expect("writing to a string never fails");
    }
    text
}

fn describe(result: &SeedResult, text: &mut String) -> std::fmt::Result {
    writeln!(text, "seed {} trace {:016x}", result.seed, result.trace_hash)?;
    for verdict in &result.verdicts {
        writeln!(text, "  {} {}", if verdict.held { "pass" } else { "miss" }, verdict.measured)?;
    }
    for broken in result.invariants.iter().filter_map(|it| it.first.as_ref().map(|it| &it.text)) {
        writeln!(text, "  broken: {broken}")?;
    }
    for event in &result.events {
        writeln!(text, "  event {} {}", event.name, spread(event))?;
    }
    for departure in &result.departures {
        let seen = departure.delays.len();
        let last = departure.delays.last().copied().unwrap_or(0);
        writeln!(
            text,
            "  {} of {}: {seen} of {} observers, last after {last} ns",
            departure.kind, departure.node, departure.observers
        )?;
    }
    writeln!(text, "  false failures {}", result.false_failures.len())?;
    let totals = &result.totals;
    writeln!(
        text,
        "  datagrams {} sent {} delivered {} lost, {} bytes; streams {} with {} bytes",
        totals.datagrams_sent,
        totals.datagrams_delivered,
        totals.datagrams_lost,
        totals.datagram_bytes,
        totals.streams,
        totals.stream_bytes
    )?;
    writeln!(
        text,
        "  probes {} indirect {} failed {}; suspicions {} refutations {} push/pulls {} dropped {}",
        totals.probes,
        totals.probes_indirect,
        totals.probes_failed,
        totals.suspicions,
        totals.refutations,
        totals.push_pulls,
        totals.dropped_input
    )
}

fn spread(event: &EventSpread) -> String {
    let last = event.delays.last().copied().unwrap_or(0);
    format!(
        "{} of {}, last after {last} ns, {} by push/pull",
        event.delays.len(),
        event.audience,
        event.by_push_pull
    )
}

macro_rules! regressions {
    ($($name:ident: $seeds:expr;)*) => {$(
        #[test]
        fn $name() {
            insta::assert_snapshot!(summary(stringify!($name), &$seeds));
        }
    )*};
}

regressions! {
    everything_wrapped: [1, 2];
    forged_record_of_the_same_incarnation: [1];
    half_deaf_node_accuses_in_vain: [1, 2];
    late_timer_after_a_pause: [1, 2];
    leave_taken_for_a_join: [1, 2];
    leave_that_nobody_could_hear: [1, 2];
    lockstep_boot_halves_the_speed: [1, 2];
    lost_syn_defeats_the_stream_ping: [1, 8];
    member_known_at_its_old_address_only: [301_448];
    straggler_is_told_by_push_pull: [2, 23];
    the_one_that_stayed_calls_the_others: [3, 4];
    the_second_look_finds_the_one_that_stayed: [3, 4];
}
