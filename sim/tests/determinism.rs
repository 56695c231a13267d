//! Whole worlds built in memory: the same seed does the same, and the protocol does what it should.

use std::net::SocketAddr;
use std::sync::Arc;

use uwasa_core::config::Options;
use uwasa_core::tags::Tags;
use uwasa_core::trace::MemberState;
use uwasa_sim::metrics::SeedResult;
use uwasa_sim::outcome::{Outcome, Timing};
use uwasa_sim::scenario::{
    Degradation, Expect, ExpectKind, Fault, FaultKind, JoinPlan, Latency, Link, Nanos, Network,
    NodeIndex, NodeSpec, OnDisk, Scenario, Start, Work, WorkKind,
};
use uwasa_sim::topology::Topology;
use uwasa_sim::world::{World, run};

const MS: Nanos = 1_000_000;
const S: Nanos = 1_000 * MS;

/// `nodes` hosts from 192.168.33.10 upwards, half a millisecond to one apart.
fn scenario(nodes: u16, duration: Nanos, start: Start) -> Scenario {
    let spec = |index: u16| {
        let [high, low] = (index + 10).to_be_bytes();
        let addr = SocketAddr::from(([192, 168, 33 + high, low], 7946));
        let name = format!("host{}", index + 1);
        NodeSpec { name, addr, advertise: addr, region: 0, tags: Tags::new(), claim: None }
    };
    let options = Options { trace: true, snapshot: true, ..Options::lan() };
    Scenario {
        name: "in-memory".into(),
        file: std::path::PathBuf::new(),
        title: String::new(),
        description: String::new(),
        text: String::new(),
        config_hash: 0,
        seeds: vec![1],
        duration,
        nodes: (0..nodes).map(spec).collect(),
        start,
        config: Arc::new(options.validate().expect("the preset is valid")),
        network: Network {
            regions: vec!["default".into()],
            links: vec![link(0)],
            bandwidth: 0,
            receive_buffer: 0,
        },
        faults: Vec::new(),
        workload: Vec::new(),
        expects: Vec::new(),
        unchecked: Vec::new(),
        series_bucket: S,
    }
}

fn link(loss_ppm: u32) -> Link {
    Link {
        latency: Latency::Uniform { low: MS / 2, high: MS },
        jitter: 0,
        loss_ppm,
        duplicate_ppm: 0,
        reorder_ppm: 0,
        reorder_delay: 0,
        stream_loss: true,
    }
}

fn cold(nodes: u16) -> Start {
    Start::Cold {
        boot: vec![0; nodes.into()],
        join_after: 100 * MS,
        join: JoinPlan::Discovered { limit: 100 },
        retry: 5 * S,
    }
}

fn fault(at: Nanos, until: Option<Nanos>, kind: FaultKind) -> Fault {
    Fault { at, until, kind }
}

fn restart(nodes: Vec<NodeIndex>, keep_state: bool) -> FaultKind {
    let snapshot = if keep_state { OnDisk::Kept } else { OnDisk::None };
    FaultKind::Restart { nodes, snapshot, running: false }
}

fn work(at: Nanos, kind: WorkKind) -> Work {
    Work { at, kind }
}

fn expect(kind: ExpectKind) -> Expect {
    Expect { line: 0, reason: String::new(), seeds_ppm: 1_000_000, kind }
}

fn go(scenario: &Scenario, seed: u64) -> SeedResult {
    run(scenario, seed, &mut |_| {})
}

fn assert_held(result: &SeedResult) {
    for (index, verdict) in result.verdicts.iter().enumerate() {
        assert!(
            verdict.held,
            "expectation {index}: {}; notes: {:?}",
            verdict.measured, result.notes
        );
    }
}

/// Everything at once on 20 nodes: loss, duplication, crash, restart, pause, partition, event, leave.
fn storm() -> Scenario {
    let mut storm = scenario(20, 60 * S, cold(20));
    storm.network.links = vec![Link {
        duplicate_ppm: 20_000,
        reorder_ppm: 20_000,
        reorder_delay: 5 * MS,
        ..link(50_000)
    }];
    storm.network.bandwidth = 1_000_000;
    storm.network.receive_buffer = 230_400;
    let lossy = Degradation { loss_ppm: Some(300_000), ..Degradation::default() };
    storm.faults = vec![
        fault(5 * S, None, FaultKind::Crash { nodes: vec![3, 4] }),
        fault(10 * S, Some(14 * S), FaultKind::Pause { nodes: vec![7], cycle: None }),
        fault(
            15 * S,
            Some(25 * S),
            FaultKind::Partition {
                groups: vec![(0..8).collect(), (8..20).collect()],
                one_way: false,
            },
        ),
        fault(20 * S, None, restart(vec![3], true)),
        fault(21 * S, None, restart(vec![4], false)),
        fault(30 * S, Some(33 * S), FaultKind::Degrade(lossy)),
    ];
    storm.workload = vec![
        work(4 * S, WorkKind::Event { from: None, name: "deploy".into(), payload: b"v1".to_vec() }),
        work(40 * S, WorkKind::Leave { nodes: vec![5], exit_after: S }),
    ];
    storm
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another_one() {
    let storm = storm();
    let (first, second, other) = (go(&storm, 7), go(&storm, 7), go(&storm, 8));
    assert_eq!(first.trace_hash, second.trace_hash);
    assert_eq!(format!("{first:?}"), format!("{second:?}"));
    assert_ne!(first.trace_hash, other.trace_hash);
}

#[test]
fn fifty_two_cold_nodes_converge_an_event_spreads_a_crash_is_found_and_a_leave_is_seen() {
    let mut cluster = scenario(52, 60 * S, cold(52));
    cluster.workload = vec![
        work(10 * S, WorkKind::Event { from: Some(0), name: "deploy".into(), payload: vec![1] }),
        work(40 * S, WorkKind::Leave { nodes: vec![4], exit_after: S }),
    ];
    cluster.faults = vec![fault(15 * S, None, FaultKind::Crash { nodes: vec![2] })];
    let event = |coverage_ppm, within| ExpectKind::EventCoverage {
        event: "deploy".into(),
        coverage_ppm,
        events_ppm: 1_000_000,
        within,
    };
    let gone =
        |node, state, within| ExpectKind::Detected { node, state, coverage_ppm: 1_000_000, within };
    let seen = |at, subject, state| ExpectKind::StateAt { at, observer: None, subject, state };
    cluster.expects = [
        ExpectKind::ConvergedBy { by: 5 * S },
        event(950_000, S),
        gone(2, MemberState::Dead, 20 * S),
        gone(4, MemberState::Left, 5 * S),
        seen(39 * S, 2, Some(MemberState::Dead)),
        seen(50 * S, 4, Some(MemberState::Left)),
        ExpectKind::NoFalseFailures,
        ExpectKind::ConvergedBy { by: 50 * S },
    ]
    .map(expect)
    .to_vec();
    let result = go(&cluster, 1);
    assert_held(&result);
    assert_eq!(result.events[0].audience, 52);
    assert_eq!(result.departures.len(), 2);
    assert_eq!((result.departures[0].kind, result.departures[1].kind), ("crash", "leave"));
    assert!(result.departures[0].first_suspicion.is_some());
    assert!(result.converged_at.is_some_and(|at| at < 5 * S), "{:?}", result.converged_at);
    assert!(result.convergence.len() < 1_000, "{} points", result.convergence.len());
    assert_eq!(result.bytes_per_node.len(), 60);
}

#[test]
fn a_warm_cluster_is_quiet_and_agrees_from_the_start() {
    let mut cluster = scenario(100, 20 * S, Start::Warm);
    cluster.expects =
        [ExpectKind::ConvergedBy { by: 0 }, ExpectKind::NoFalseFailures].map(expect).to_vec();
    let result = go(&cluster, 3);
    assert_held(&result);
    assert_eq!(result.converged_at, Some(0));
    assert_eq!(result.totals.suspicions, 0);
    assert_eq!(result.totals.dropped_input, 0, "a calm network delivers nothing to refuse");
    assert!(result.totals.probes >= 1_900, "{} probes", result.totals.probes);
}

#[test]
fn a_crashed_node_comes_back_with_and_without_its_state() {
    for keep_state in [true, false] {
        let mut cluster = scenario(10, 60 * S, cold(10));
        cluster.faults = vec![
            fault(5 * S, None, FaultKind::Crash { nodes: vec![3] }),
            fault(30 * S, None, restart(vec![3], keep_state)),
        ];
        cluster.expects = [
            ExpectKind::StateAt {
                at: 29 * S,
                observer: None,
                subject: 3,
                state: Some(MemberState::Dead),
            },
            ExpectKind::ConvergedBy { by: 40 * S },
            ExpectKind::NoFalseFailures,
        ]
        .map(expect)
        .to_vec();
        assert_held(&go(&cluster, 5));
    }
}

#[test]
fn a_pause_longer_than_the_suspicion_looks_like_a_failure_and_ends_in_a_refutation() {
    let mut cluster = scenario(10, 90 * S, Start::Warm);
    cluster.network.receive_buffer = 460_800;
    cluster.faults =
        vec![fault(5 * S, Some(40 * S), FaultKind::Pause { nodes: vec![1], cycle: None })];
    let by = 85 * S;
    cluster.expects = [ExpectKind::ConvergedBy { by }].map(expect).to_vec();
    let result = go(&cluster, 2);
    assert_held(&result);
    assert!(result.totals.refutations > 0);
    assert!(result.departures.is_empty());
}

#[test]
fn a_healed_partition_of_unequal_sides_comes_together_while_one_side_still_knows_the_other() {
    let mut cluster = scenario(20, 60 * S, Start::Warm);
    let groups = vec![(0..6).collect::<Vec<NodeIndex>>(), (6..20).collect()];
    cluster.faults =
        vec![fault(5 * S, Some(9 * S), FaultKind::Partition { groups, one_way: false })];
    cluster.expects = [ExpectKind::ConvergedBy { by: 59 * S }].map(expect).to_vec();
    let result = go(&cluster, 4);
    assert_held(&result);
    assert!(result.totals.datagrams_unreachable > 0);
}

#[test]
fn two_hosts_that_announce_the_same_private_address_join_and_fail() {
    let mut pair = scenario(2, 60 * S, cold(2));
    let private: SocketAddr = "10.0.2.15:7946".parse().expect("an address");
    for spec in &mut pair.nodes {
        spec.advertise = private;
    }
    if let Start::Cold { boot, .. } = &mut pair.start {
        boot[1] = 2 * S;
    }
    pair.expects =
        vec![expect(ExpectKind::JoinedThenFailed { observer: 0, subject: 1, by: 50 * S })];
    let result = go(&pair, 1);
    assert_held(&result);
    assert!(
        result.notes[0].starts_with("host1 and host2 both announce 10.0.2.15:7946; "),
        "{:?}",
        result.notes
    );
    assert!(result.notes[0].contains("which is host1 itself"), "{:?}", result.notes);
    assert!(result.false_failures.is_empty(), "nobody can reach them where they say they are");
}

/// A warm cluster in which host1 sends `deploy` at 10 s; everybody that lives through the next 5 s must have it then.
fn warm_deploy(faults: Vec<Fault>) -> Scenario {
    let mut cluster = scenario(20, 20 * S, Start::Warm);
    let event = WorkKind::Event { from: Some(0), name: "deploy".into(), payload: vec![1] };
    cluster.workload = vec![work(10 * S, event)];
    cluster.faults = faults;
    cluster.expects = vec![expect(ExpectKind::EventCoverage {
        event: "deploy".into(),
        coverage_ppm: 1_000_000,
        events_ppm: 1_000_000,
        within: 5 * S,
    })];
    cluster
}

#[test]
fn a_node_that_crashes_while_an_event_spreads_spoils_no_figure() {
    let crash = fault(10 * S + MS, None, FaultKind::Crash { nodes: vec![7] });
    let cluster = warm_deploy(vec![crash]);
    let results = [go(&cluster, 1), go(&cluster, 2)];
    let outcome = Outcome::judge(&cluster, &results, Timing::default());
    let expect = &outcome.expects[0];
    assert!(expect.met, "{expect:?}");
    let figures = expect.figures.as_ref().expect("a time per seed");
    assert_eq!(figures.never, 0, "{}", expect.measured);
    assert!(figures.max.is_some_and(|max| max > 0.0 && max < 5.0), "{}", expect.measured);
    assert_eq!((results[0].events[0].audience, outcome.events[0].t100.never), (19, 0));
}

#[test]
fn a_node_that_comes_back_with_an_empty_head_owes_nothing() {
    let mut cluster = warm_deploy(vec![
        fault(10 * S + MS, None, FaultKind::Crash { nodes: vec![7] }),
        fault(11 * S, None, restart(vec![7], false)),
        fault(12 * S, None, restart(vec![8], false)),
    ]);
    cluster.faults.push(fault(9 * S, None, FaultKind::Crash { nodes: vec![3] }));
    cluster.duration = 40 * S;
    cluster.expects.push(expect(ExpectKind::Detected {
        node: 3,
        state: MemberState::Dead,
        coverage_ppm: 1_000_000,
        within: 30 * S,
    }));
    let result = go(&cluster, 1);
    assert_held(&result);
    assert!(result.verdicts[0].measured.starts_with("17 of 17"), "{:?}", result.verdicts);
    assert!(result.verdicts[1].measured.starts_with("17 of 17"), "{:?}", result.verdicts);
    assert!(result.verdicts[1].at.is_some_and(|at| at > S && at < 30 * S), "{:?}", result.verdicts);
}

#[test]
fn a_miss_tells_when_it_would_have_been_met() {
    let mut cluster = warm_deploy(Vec::new());
    if let ExpectKind::EventCoverage { within, .. } = &mut cluster.expects[0].kind {
        *within = 10 * MS;
    }
    let result = go(&cluster, 1);
    assert!(!result.verdicts[0].held);
    assert!(result.verdicts[0].at.is_some_and(|at| at > 10 * MS), "{:?}", result.verdicts);
}

#[test]
fn nobody_converges_before_the_last_boot() {
    let mut cluster = scenario(4, 30 * S, cold(4));
    if let Start::Cold { boot, .. } = &mut cluster.start {
        boot[3] = 20 * S;
    }
    cluster.faults = vec![fault(5 * S, None, restart(vec![1], true))];
    cluster.expects =
        [ExpectKind::ConvergedBy { by: 15 * S }, ExpectKind::ConvergedBy { by: 29 * S }]
            .map(expect)
            .to_vec();
    let result = go(&cluster, 1);
    let held: Vec<_> = result.verdicts.iter().map(|verdict| verdict.held).collect();
    assert_eq!(held, [false, true], "{:?}", result.verdicts);
}

#[test]
fn an_event_is_owed_to_those_its_sender_knows() {
    let mut cluster = scenario(4, 30 * S, cold(4));
    if let Start::Cold { boot, join_after, .. } = &mut cluster.start {
        boot[3] = 10 * S - MS;
        *join_after = 2 * S;
    }
    let event = WorkKind::Event { from: Some(0), name: "deploy".into(), payload: vec![1] };
    cluster.workload = vec![work(10 * S, event)];
    let result = go(&cluster, 1);
    assert_eq!((result.events[0].audience, result.events[0].delays.len()), (3, 3));
}

#[test]
fn a_stopped_process_leaves_only_when_it_goes_on() {
    let mut cluster = scenario(10, 60 * S, Start::Warm);
    cluster.network.receive_buffer = 460_800;
    cluster.workload = vec![work(5 * S, WorkKind::Leave { nodes: vec![1], exit_after: 10 * S })];
    cluster.faults =
        vec![fault(12 * S, Some(40 * S), FaultKind::Pause { nodes: vec![1], cycle: None })];
    let mut world = World::new(&cluster, 1);
    world.run_until(39 * S);
    assert!(world.node(1).is_some(), "it is stopped and cannot exit");
    world.run_until(40 * S);
    assert!(world.node(1).is_none(), "it goes on, and exits");
}

#[test]
fn an_announced_address_that_another_host_has_leads_to_that_host() {
    let mut pair = scenario(3, 10 * S, cold(3));
    pair.nodes[0].advertise = pair.nodes[1].addr;
    let private: SocketAddr = "10.0.2.15:7946".parse().expect("an address");
    pair.nodes[2].advertise = private;
    let topology = Topology::new(&pair);
    let at = |from, to| topology.resolve(from, to).map(|end| (end.node, end.loopback));
    assert_eq!(
        at(0, pair.nodes[1].addr),
        Some((1, false)),
        "the sender only believes it is its own"
    );
    assert_eq!(at(0, pair.nodes[0].addr), Some((0, true)));
    assert_eq!(at(2, private), Some((2, true)));
    assert_eq!(at(0, private), None);
}
