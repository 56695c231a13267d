//! What faults of processes and of identities do to nodes, and that they do the same each time.

mod worlds;

use uwasa_core::trace::MemberState;
use uwasa_sim::scenario::Scenario;
use uwasa_sim::world::{World, run};

use worlds::{held, read};

const S: u64 = 1_000_000_000;

/// Datagrams sent and probes started by node 0 between two moments.
fn between(scenario: &Scenario, from: u64, to: u64) -> (u64, u64) {
    let mut world = World::new(scenario, 1);
    let count = |world: &World<'_>| {
        let probes = world.node(0).expect("it runs").stats().probes;
        (world.totals().datagrams_sent, probes)
    };
    world.run_until(from);
    let before = count(&world);
    world.run_until(to);
    let after = count(&world);
    (after.0 - before.0, after.1 - before.1)
}

/// Four nodes: in a smaller ring a wrap and the own record use up the looks of a tick, which then probes nobody.
fn with_fault(fault: &str) -> Scenario {
    read(&format!("nodes = 4\nduration = \"60s\"\n[[fault]]\nat = \"10s\"\n{fault}\n"))
}

#[test]
fn the_timers_of_a_blocked_process_fire_and_what_it_sends_waits() {
    let blocked = with_fault("for = \"10s\"\nblock = [\"*\"]");
    let (sent, probes) = between(&blocked, 10 * S, 20 * S - 1);
    assert_eq!(sent, 0);
    assert!(probes >= 4, "{probes} probes; local health stretches the interval");
    let (sent, _) = between(&blocked, 20 * S - 1, 20 * S);
    assert!(sent >= probes, "{sent} datagrams leave at the end of the block");
    let paused = with_fault("for = \"10s\"\npause = [\"*\"]");
    assert_eq!(between(&paused, 10 * S, 20 * S - 1), (0, 0), "not so the timers of a paused one");
}

#[test]
fn an_anomaly_comes_and_goes_until_the_fault_ends() {
    let cycle = with_fault("for = \"9s\"\nblock = [\"*\"]\ncycle = { on = \"2s\", off = \"1s\" }");
    for start in [10, 13, 16] {
        let (blocked, _) = between(&cycle, start * S, (start + 2) * S - 1);
        let (quiet, _) = between(&cycle, (start + 2) * S - 1, (start + 3) * S - 1);
        assert!(blocked == 0 && quiet > 0, "from {start} s on: {blocked}, {quiet}");
    }
    assert!(between(&cycle, 19 * S, 21 * S).0 > 0);
}

/// The event gets the time of a push/pull: what waited is answered at once, and the answers carry the few copies of it back
/// to where it came from.
#[test]
fn a_block_inside_a_pause_and_a_pause_inside_a_block_end_in_any_order() {
    for (block, pause) in [("5s", "9s"), ("9s", "5s")] {
        held(&format!(
            "nodes = 5\nduration = \"60s\"\n\
             [[fault]]\nat = \"10s\"\nfor = \"{block}\"\nblock = [\"host1\"]\n\
             [[fault]]\nat = \"11s\"\nfor = \"{pause}\"\npause = [\"host1\"]\n\
             [[work]]\nat = \"12s\"\nevent = \"asked\"\nfrom = \"host1\"\n\
             [[expect]]\nevent_coverage = {{ event = \"asked\", within = \"45s\" }}\n\
             [[expect]]\nconverged_by = \"59s\"\n[[expect]]\nup = [\"*\"]\n"
        ));
    }
}

#[test]
fn a_slow_processor_answers_when_its_work_is_done() {
    let failed = |per_input: &str| {
        let scenario =
            with_fault(&format!("slow = {{ nodes = [\"host2\"], per_input = \"{per_input}\" }}"));
        run(&scenario, 1, &mut |_| {}).totals.probes_failed
    };
    assert_eq!(failed("20ms"), 0);
    assert!(failed("1500ms") > 5, "an ack that takes longer than a probe is none");
}

#[test]
fn inputs_of_a_slow_process_wait_within_the_receive_buffer() {
    let overflow = |buffer: u64| {
        let mut scenario = read(
            "nodes = 6\nduration = \"60s\"\n\
             [[fault]]\nat = \"10s\"\nfor = \"40s\"\nslow = { nodes = [\"host2\"], per_input = \"1s\" }\n",
        );
        scenario.network.receive_buffer = buffer;
        run(&scenario, 1, &mut |_| {}).totals.datagrams_overflowed
    };
    assert!(overflow(10_000) > 0);
    assert_eq!(overflow(1 << 20), 0);
}

#[test]
fn a_fast_clock_makes_its_node_probe_more_often_until_the_drift_ends() {
    let probes = |drift: &str| {
        let fault = format!("for = \"40s\"\nclock = {{ nodes = [\"host1\"], drift = {drift} }}");
        let scenario = with_fault(&fault);
        (between(&scenario, 10 * S, 50 * S).1, between(&scenario, 50 * S, 60 * S).1)
    };
    let close = |found: u64, wanted: u64| found.abs_diff(wanted) <= 1;
    for (drift, during) in [("1.0", 80), ("-0.5", 20), ("0.01", 40)] {
        let (found, after) = probes(drift);
        assert!(close(found, during) && close(after, 10), "{drift}: {found}, then {after}");
    }
}

#[test]
fn a_clock_that_jumps_makes_everything_due_and_convinces_nobody_of_a_death() {
    held(
        "nodes = 8\nduration = \"60s\"\n\
         [[fault]]\nat = \"10s\"\nclock = { nodes = [\"host1..host3\"], jump = \"1h\" }\n\
         [[expect]]\nno_false_failures = true\n[[expect]]\nconverged_by = \"59s\"\n",
    );
}

#[test]
fn a_torn_snapshot_may_be_empty_and_a_stale_one_never_is() {
    let restarts = |snapshot: &str| {
        let scenario = read(&format!(
            "nodes = 8\nduration = \"60s\"\n[[fault]]\nat = \"20s\"\nrestart = [\"*\"]\nevery = \"4s\"\nsnapshot = \"{snapshot}\"\n\
             [[expect]]\nconverged_by = \"59s\"\n"
        ));
        (1..=5)
            .map(|seed| {
                let result = run(&scenario, seed, &mut |_| {});
                assert!(result.verdicts[0].held, "seed {seed}: {:?}", result.verdicts[0].measured);
                result.totals.snapshot_restarts
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(restarts("stale"), [8; 5]);
    assert_eq!(restarts("none"), [0; 5]);
    assert!(restarts("torn").iter().all(|restarts| (5..=8).contains(restarts)));
}

#[test]
fn a_node_with_another_key_is_failed_and_that_is_no_mistake() {
    held(
        "nodes = 6\nduration = \"100s\"\nconfig = { encrypt = \"AAECAwQFBgcICQoLDA0ODw==\" }\n\
         [[fault]]\nat = \"10s\"\nrekey = { nodes = [\"host2\"], keys = [\"EBESExQVFhcYGRobHB0eHw==\"] }\n\
         [[fault]]\nat = \"50s\"\nrekey = { nodes = [\"host2\"], keys = [\"AAECAwQFBgcICQoLDA0ODw==\"] }\n\
         [[expect]]\nstatus = { subject = \"host2\", status = \"failed\", by = \"49s\" }\n\
         [[expect]]\nno_false_failures = true\n[[expect]]\nconverged_by = \"99s\"\n",
    );
}

#[test]
fn a_stranger_at_the_address_of_a_dead_host_acks_for_itself_only() {
    let scenario = read(
        "nodes = 6\nduration = \"40s\"\nconfig = { reconnect_interval = \"0s\" }\n\
         [[node]]\nname = \"stranger\"\ntakes = \"host2\"\nat = \"11s\"\n\
         [[fault]]\nat = \"10s\"\ncrash = [\"host2\"]\n\
         [[expect]]\ndetected = { node = \"host2\", state = \"failed\", within = \"20s\" }\n",
    );
    let mut world = World::new(&scenario, 1);
    world.run_until(40 * S);
    let stranger = world.node(6).expect("the stranger runs");
    assert_eq!(stranger.members_len(), 1, "it knows itself only");
    let observer = world.node(0).expect("host1 runs");
    let state = observer.member_state(uwasa_core::pool::NodeId(1));
    assert_eq!(state, Some(MemberState::Dead));
    assert!(world.finish().verdicts[0].held);
}

#[test]
fn every_fault_of_a_process_repeats_itself_and_differs_by_seed() {
    let scenario = read(
        "nodes = 12\nduration = \"90s\"\nconfig = { encrypt = \"AAECAwQFBgcICQoLDA0ODw==\" }\n\
         [[node]]\nname = \"stranger\"\ntakes = \"host12\"\nat = \"70s\"\n\
         [[fault]]\nat = \"5s\"\nuntil = \"30s\"\nblock = [\"host1..host2\"]\ncycle = { on = \"700ms\", off = \"300ms\" }\n\
         [[fault]]\nat = \"6s\"\nuntil = \"30s\"\npause = [\"host2..host3\"]\ncycle = { on = \"300ms\", off = \"500ms\" }\n\
         [[fault]]\nat = \"7s\"\nuntil = \"40s\"\nslow = { nodes = [\"host1..host4\"], per_input = \"30ms\" }\n\
         [[fault]]\nat = \"8s\"\nuntil = \"50s\"\nclock = { nodes = [\"host3..host6\"], drift = -0.02, jump = \"3s\" }\n\
         [[fault]]\nat = \"20s\"\nrestart = [\"host4..host7\"]\nevery = \"1s\"\nsnapshot = \"torn\"\n\
         [[fault]]\nat = \"30s\"\nrestart = [\"host7..host9\"]\nevery = \"1s\"\nsnapshot = \"stale\"\n\
         [[fault]]\nat = \"40s\"\nmove = { node = \"host10\", to = \"10.9.0.1\" }\n\
         [[fault]]\nat = \"45s\"\nrekey = { nodes = [\"host11\"], keys = [\"EBESExQVFhcYGRobHB0eHw==\"] }\n\
         [[fault]]\nat = \"60s\"\ncrash = [\"host12\"]\n",
    );
    let hash = |seed| run(&scenario, seed, &mut |_| {}).trace_hash;
    assert_eq!(hash(1), hash(1));
    assert_ne!(hash(1), hash(2));
}
