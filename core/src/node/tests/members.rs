//! Members of whole clusters as applications see them: leaves, forced leaves, reaping, reconnecting, snapshots.

use super::*;
use crate::snapshot::Restored;

fn force_leave(wire: &mut Wire, from: usize, subject: usize, prune: bool) {
    let name = format!("n{subject}").into();
    wire.command(from, Command::ForceLeave { name, prune });
}

fn failed_member(options: Options) -> Wire {
    let mut wire = cluster(options, 5);
    wire.crash(4);
    wire.run(seconds(30));
    assert!(wire.everybody_shows(4, Some(MemberStatus::Failed)));
    wire
}

#[test]
fn a_leave_is_announced_before_it_happens() {
    let mut wire = cluster(Options::lan(), 5);
    wire.command(4, Command::Leave);
    wire.run(seconds(5));
    assert_eq!(wire.last_result(), Ok(Reply::Left));
    assert!(wire.everybody_shows(4, Some(MemberStatus::Left)));
    assert_eq!(wire.status(4, 4), Some(MemberStatus::Left));
    for node in 0..5 {
        assert_eq!(wire.times_heard(node, MemberEventKind::Leave, 4), 1, "n{node}");
        assert!(!wire.heard(node, MemberEventKind::Failed, 4), "n{node}");
    }
}

#[test]
fn who_left_may_come_back_and_refutes_the_old_leave() {
    let mut wire = cluster(Options::lan(), 5);
    wire.command(4, Command::Leave);
    wire.run(seconds(5));
    wire.start(4, 2);
    wire.join(4, &[0]);
    wire.run(seconds(40));
    assert!(wire.everybody_shows(4, Some(MemberStatus::Alive)));
    // Its own clock started at 1 again: the push/pull told it of its leave.
    assert!(wire.node(4).stats().intents_refuted > 0);
    assert_eq!(wire.times_heard(0, MemberEventKind::Join, 4), 2);
}

#[test]
fn a_forced_leave_turns_failed_into_left_everywhere() {
    let mut wire = failed_member(Options::lan());
    force_leave(&mut wire, 1, 4, false);
    wire.run(seconds(5));
    assert_eq!(wire.last_result(), Ok(Reply::LeaveForced));
    assert!(wire.everybody_shows(4, Some(MemberStatus::Left)));
    for node in 0..4 {
        assert_eq!(wire.times_heard(node, MemberEventKind::Leave, 4), 1, "n{node}");
    }
}

#[test]
fn a_prune_erases_the_record_everywhere() {
    let mut wire = failed_member(Options::lan());
    force_leave(&mut wire, 1, 4, true);
    wire.run(seconds(5));
    assert!(wire.everybody_shows(4, None));
    for node in 0..4 {
        assert_eq!(wire.times_heard(node, MemberEventKind::Reap, 4), 1, "n{node}");
    }
}

#[test]
fn who_is_alive_refutes_a_forced_leave() {
    let mut wire = cluster(Options::lan(), 5);
    force_leave(&mut wire, 1, 4, false);
    assert_eq!(wire.status(1, 4), Some(MemberStatus::Leaving));
    wire.run(seconds(5));
    assert!(wire.everybody_shows(4, Some(MemberStatus::Alive)));
    assert!(wire.node(4).stats().intents_refuted > 0);
    assert!((0..5).all(|node| !wire.heard(node, MemberEventKind::Leave, 4)));
}

#[test]
fn forcing_out_a_stranger_is_no_error() {
    let mut wire = cluster(Options::lan(), 3);
    wire.command(0, Command::ForceLeave { name: "nobody".into(), prune: false });
    wire.run(seconds(5));
    assert_eq!(wire.last_result(), Ok(Reply::LeaveForced));
}

#[test]
fn failed_and_left_members_are_erased_at_their_age() {
    let options = Options {
        reconnect_timeout: seconds(60),
        tombstone_timeout: seconds(120),
        reconnect_interval: Duration::ZERO,
        ..Options::lan()
    };
    let mut wire = cluster(options, 5);
    wire.command(3, Command::Leave);
    wire.run(seconds(5));
    wire.crash(3);
    wire.crash(4);
    wire.run(seconds(40));
    assert!(wire.everybody_shows(4, Some(MemberStatus::Failed)));
    // SWIM has forgotten both by then; the record goes on until its own time.
    wire.run(seconds(60));
    assert!(wire.everybody_shows(4, None), "failed for more than 60 s");
    assert!(wire.everybody_shows(3, Some(MemberStatus::Left)), "left for less than 120 s");
    wire.run(seconds(60));
    assert!(wire.everybody_shows(3, None));
    let info = wire.node(0).info();
    assert_eq!((info.failed, info.left), (0, 0));
    assert_eq!(wire.times_heard(0, MemberEventKind::Reap, 3), 1);
    assert_eq!(wire.times_heard(0, MemberEventKind::Reap, 4), 1);
}

#[test]
fn a_failed_member_that_runs_again_is_found() {
    let mut wire = failed_member(Options::lan());
    // It knows nobody and joins nobody.
    wire.start(4, 2);
    wire.run(seconds(180));
    assert!(wire.everybody_shows(4, Some(MemberStatus::Alive)));
    let tries: u64 = wire.nodes.iter().flatten().map(|node| node.stats().reconnects).sum();
    assert!(tries > 0);
}

#[test]
fn flapping_is_counted_only_when_it_is_quick() {
    for (pause, flaps) in [(1, 1), (90, 0)] {
        let options = Options { reconnect_interval: Duration::ZERO, ..Options::lan() };
        let mut wire = failed_member(options);
        wire.run(seconds(pause));
        wire.start(4, 2);
        wire.join(4, &[0]);
        wire.run(seconds(5));
        assert_eq!(wire.node(0).stats().flaps, flaps, "after {pause} s");
    }
}

#[test]
fn coalescing_tells_of_many_joins_at_once() {
    let options =
        Options { coalesce_period: seconds(3), quiescent_period: seconds(1), ..Options::lan() };
    let mut wire = cluster(options, 6);
    wire.run(seconds(5));
    let joins: Vec<usize> = wire
        .events
        .iter()
        .filter(|(to, _)| *to == 0)
        .filter_map(|(_, event)| {
            if let Event::Members(event) = event { Some(event.members.len()) } else { None }
        })
        .collect();
    assert_eq!(joins.iter().sum::<usize>(), 6);
    assert!(joins.len() <= 2, "{joins:?}");
}

/// The lines a node wrote, as bytes of a file.
fn file(wire: &Wire, node: usize) -> Vec<u8> {
    let mut file = Vec::new();
    for (from, record) in &wire.records {
        if *from == node {
            record.write(&mut file);
        }
    }
    file
}

fn restore(wire: &mut Wire, index: usize, restored: &Restored) {
    let me = Identity::new(&format!("n{index}"), addr(index)).expect("valid");
    let mut cx = Cx { now: wire.now, pool: &mut wire.pool, out: &mut wire.out };
    let node = Node::restore(Arc::clone(&wire.config), &me, [99; 32], restored, &mut cx);
    wire.nodes[index] = Some(node);
    wire.drain(index);
}

#[test]
fn rejoins_that_form_islands_are_made_one_by_the_second_look() {
    let mut wire = Wire::new(Options { snapshot: true, ..Options::lan() }, 0);
    wire.nodes = vec![None, None, None, None];
    let remembers = |others: &[usize]| {
        let member = |&other: &usize| (format!("n{other}").into(), addr(other).to_string().into());
        Restored { members: others.iter().map(member).collect(), ..Restored::default() }
    };
    // The first one also remembers one that is not up yet; the others know of nobody beyond their island.
    restore(&mut wire, 0, &remembers(&[1, 2]));
    restore(&mut wire, 1, &remembers(&[0]));
    wire.run(seconds(1));
    restore(&mut wire, 2, &remembers(&[3]));
    restore(&mut wire, 3, &remembers(&[2]));
    wire.run(seconds(3));
    let sizes = |wire: &Wire| [0, 1, 2, 3].map(|node| wire.node(node).members_len());
    assert_eq!(sizes(&wire), [2, 2, 2, 2], "two islands, as with Serf for ever");
    wire.run(seconds(9));
    assert_eq!(sizes(&wire), [4, 4, 4, 4]);
}

#[test]
fn a_node_restored_from_its_snapshot_rejoins_and_hears_nothing_twice() {
    let mut wire = cluster(Options { snapshot: true, ..Options::lan() }, 5);
    let payload = Bytes::from_static(b"1");
    wire.command(0, Command::UserEvent { name: "deploy".into(), payload, coalesce: false });
    wire.run(seconds(3));
    assert_eq!(wire.user_events(4), 1);
    wire.crash(4);
    let restored = Restored::read(&file(&wire, 4), false);
    assert_eq!(restored.members.len(), 5);
    assert_eq!(restored.clocks.event, 1);

    restore(&mut wire, 4, &restored);
    wire.run(seconds(60));
    assert!(wire.everybody_shows(4, Some(MemberStatus::Alive)));
    assert_eq!(wire.node(4).members_len(), 5);
    assert_eq!(wire.user_events(4), 1, "the old event is not delivered again");
    assert!((0..4).all(|node| !wire.heard(node, MemberEventKind::Failed, 4)));
}

#[test]
fn a_leave_empties_the_snapshot() {
    let mut wire = cluster(Options { snapshot: true, ..Options::lan() }, 4);
    wire.command(3, Command::Leave);
    wire.run(seconds(5));
    assert!(Restored::read(&file(&wire, 3), false).members.is_empty());
    assert_eq!(Restored::read(&file(&wire, 3), true).members.len(), 4, "unless it is to rejoin");
}

#[test]
fn a_stopped_node_tells_what_it_held_back_and_then_nothing() {
    let options = Options {
        snapshot: true,
        user_coalesce_period: seconds(30),
        user_quiescent_period: seconds(30),
        ..Options::lan()
    };
    let mut wire = Wire::new(options, 1);
    let event = Command::UserEvent { name: "e".into(), payload: Bytes::new(), coalesce: true };
    wire.command(0, event.clone());
    assert_eq!(wire.user_events(0), 0);
    let mut cx = Cx { now: wire.now, pool: &mut wire.pool, out: &mut wire.out };
    wire.nodes[0].as_mut().expect("running").stop(&mut cx);
    wire.drain(0);
    assert_eq!(wire.user_events(0), 1);
    assert_eq!(wire.node(0).deadline(), None);
    wire.command(0, event);
    assert_eq!(wire.last_result(), Err(OpError::ShutDown));
}
