//! Coordinates, round-trip times and Lamport clocks, as both sides show them.

use std::collections::BTreeSet;

use super::*;

/// The estimate of `serf rtt` in milliseconds, once the agent has one.
fn rtt(agent: &Agent, nodes: &[&str]) -> Option<f64> {
    let output = agent.serf("rtt", nodes);
    let text = String::from_utf8(output.stdout).expect("text");
    text.split_once(" rtt: ")?.1.split_once(" ms")?.0.parse().ok()
}

/// Each side takes the other's coordinates from its acks and estimates the time between them.
#[test]
fn coordinates_are_exchanged_with_acks() {
    thrice(coordinates_are_exchanged_with_acks_once);
}

fn coordinates_are_exchanged_with_acks_once() {
    let Some(lab) = Lab::open("coordinates_are_exchanged_with_acks", 41, PLAIN) else { return };
    let (us, [first, second]) = lab.trio();
    for agent in [&first, &second] {
        let millis = wait_for("an estimate of the agent", || rtt(agent, &[US]));
        assert!((0.0..1_000.0).contains(&millis), "{millis}");
        let other = if agent.name == first.name { &second } else { &first };
        wait_for("an estimate between us and the other agent", || rtt(agent, &[US, &other.name]));
    }
    let view = wait_for_us(&us, "coordinates of both agents", |view| {
        [&first, &second].iter().all(|agent| view.coordinates.contains_key(&agent.name))
    });
    for agent in [&first, &second] {
        let theirs = &view.coordinates[&agent.name];
        assert!(theirs.is_finite(), "{theirs:?}");
        let nanos = view.coordinates[US].distance(theirs);
        assert!((0..1_000_000_000).contains(&nanos), "{nanos}");
        assert_eq!(agent.info("coordinate_resets"), Some(0));
        assert_eq!(agent.logged("coordinate"), 0, "no complaint");
    }
    assert!(view.stats.coordinate_updates >= 2);
    assert_eq!(view.info.coordinate_resets, Some(0));
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// Without coordinates our acks carry none: an agent has no estimate, and complains about nothing.
#[test]
fn without_coordinates_there_is_no_estimate() {
    thrice(without_coordinates_there_is_no_estimate_once);
}

fn without_coordinates_there_is_no_estimate_once() {
    let test = "without_coordinates_there_is_no_estimate";
    let Some(lab) = Lab::open(test, 42, PLAIN) else { return };
    let (us, [first, second]) = lab.trio_with(Options { coordinates: false, ..lab.options() });
    wait_for("an estimate between the agents", || rtt(&first, &[&second.name]));
    let acked = |view: &View| {
        outcomes(view, &first.name).iter().any(|o| matches!(o, ProbeOutcome::Direct { .. }))
    };
    let view = wait_for_us(&us, "a probe of ours", acked);
    assert_eq!(rtt(&first, &[US]), None);
    assert!(view.coordinates.is_empty());
    assert_eq!(view.info.coordinate_resets, None);
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// A pruned member's coordinate is forgotten on both sides.
#[test]
fn a_pruned_members_coordinate_is_forgotten() {
    thrice(a_pruned_members_coordinate_is_forgotten_once);
}

fn a_pruned_members_coordinate_is_forgotten_once() {
    let test = "a_pruned_members_coordinate_is_forgotten";
    let Some(lab) = Lab::open(test, 43, PLAIN) else { return };
    let (us, [first, mut second]) = lab.trio();
    wait_for("an estimate of the agent", || rtt(&first, &[&second.name]));
    wait_for_us(&us, "its coordinate", |view| view.coordinates.contains_key(&second.name));
    second.kill();
    wait_for_status(&first, &second.name, "failed");
    wait_for_us(&us, "we see it fail", |view| {
        view.status(&second.name) == Some(MemberStatus::Failed)
    });
    prune_at(&first, &second.name, &us);
    assert!(!us.look().coordinates.contains_key(&second.name));
    assert_eq!(rtt(&first, &[&second.name]), None);
}

/// Member, event and query time of everybody.
fn clocks(us: &Driver, agents: &[&Agent]) -> BTreeSet<[Option<u64>; 3]> {
    let info = us.look().info;
    let ours = [info.member_time, info.event_time, info.query_time].map(Some);
    let theirs = agents
        .iter()
        .map(|agent| ["member_time", "event_time", "query_time"].map(|key| agent.info(key)));
    theirs.chain([ours]).collect()
}

/// Waits until all clocks agree, and returns event and query time.
fn wait_for_one_time(us: &Driver, agents: &[&Agent]) -> (u64, u64) {
    let times = wait_for("one time for all", || {
        Some(clocks(us, agents)).filter(|clocks| clocks.len() == 1)?.pop_first()
    });
    let [_, event, query] = times.map(|time| time.expect("everybody answers"));
    (event, query)
}

/// Waits until our figures are those of `serf info`: the same keys and, when all is quiet, the same numbers.
fn wait_for_same_figures(us: &Driver, agent: &Agent) {
    for (key, _) in us.look().info.pairs() {
        if key != "encrypted" {
            let mut last = (None, None);
            let what = format!("the same {key}");
            wait_for_with(&what, &mut last, |last| {
                let pairs = us.look().info.pairs();
                let ours = pairs.iter().find(|pair| pair.0 == key)?.1.parse::<u64>().ok();
                *last = (ours, agent.info(key));
                (ours.is_some() && last.0 == last.1).then_some(())
            });
        }
    }
}

/// Lamport clocks follow each other in both directions: our next event comes after the newest of the agents, and theirs
/// after ours.
#[test]
fn lamport_clocks_follow_each_other() {
    thrice(lamport_clocks_follow_each_other_once);
}

fn lamport_clocks_follow_each_other_once() {
    const EVENTS: u64 = 12;
    let Some(lab) = Lab::open("lamport_clocks_follow_each_other", 44, PLAIN) else { return };
    let (us, agents) = lab.trio();
    let [first, second] = [&agents[0], &agents[1]];
    wait_for_one_time(&us, &[first, second]);
    for _ in 0..EVENTS {
        first.must("event", &["-coalesce=false", "tick"]);
    }
    wait_for_us(&us, "all events", |view| view.user_events("tick").len() as u64 == EVENTS);
    assert_eq!(wait_for_one_time(&us, &[first, second]).0, EVENTS + 1);
    let line = send_ours(&us, &agents, "ours", "");
    assert_eq!(line, delivery("ours", EVENTS + 1, ""));
    second.must("event", &["-coalesce=false", "theirs"]);
    let view = wait_for_us(&us, "their answer", |view| !view.user_events("theirs").is_empty());
    assert_eq!(view.user_events("theirs")[0].ltime, EVENTS + 2);

    for _ in 0..3 {
        first.must("query", &["-timeout=100ms", "tick"]);
    }
    let query = Command::Query(uwasa_core::command::QueryParams {
        name: "tick".into(),
        ..Default::default()
    });
    let Ok(Reply::QueryDone(report)) = answer(&us, query) else { panic!("it ends with a report") };
    assert_eq!(report.id.ltime, 4);
    assert_eq!(wait_for_one_time(&us, &[first, second]), (EVENTS + 3, 5));
    wait_for_same_figures(&us, first);
    assert_mutual_understanding(&us, &[first, second]);
}

/// Clocks travel with exchanges, too: newcomers start from the cluster's time, ours and an agent alike.
#[test]
fn newcomers_take_over_the_clocks() {
    thrice(newcomers_take_over_the_clocks_once);
}

fn newcomers_take_over_the_clocks_once() {
    let Some(lab) = Lab::open("newcomers_take_over_the_clocks", 45, PLAIN) else { return };
    let first = lab.agent(1, None);
    for _ in 0..5 {
        first.must("event", &["-coalesce=false", "early"]);
        first.must("query", &["-timeout=50ms", "early"]);
    }
    let us = lab.us();
    join(&us, &first);
    let second = lab.agent_at(2, Some(us.addr));
    wait_for_full_house(&us, &[&first, &second]);
    assert_eq!(wait_for_one_time(&us, &[&first, &second]), (6, 6));
    assert_eq!(us.look().user_events("early").len(), 5, "we asked for a replay");
    assert_eq!(second.logged("script output: got early"), 0, "the agent did not");
    wait_for_same_figures(&us, &first);
    assert_mutual_understanding(&us, &[&first, &second]);
}
