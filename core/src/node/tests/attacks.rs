//! Attacks that once worked: each test is named after what went wrong.

use super::hostile::{Victim, compressed};
use super::*;
use crate::command::QueryParams;
use crate::msg::serf::{Filter, JoinIntent, LeaveIntent, QueryMessage, UserEventMessage};
use crate::msg::swim::{Alive, Dead, PushPullHeader, Suspect};
use crate::trace::IntentKind;
use crate::wire::serf as serf_wire;
use crate::wire::swim as swim_wire;

/// Payload of a large event; the ring holds 8 MiB of them, so not quite 256 in each of four Lamport times.
const LARGE: usize = 9_000;

pub(super) fn encoded(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut message = Vec::new();
    encode(&mut message);
    message
}

/// A Serf message as it travels: behind the type byte of a user message.
pub(super) fn user(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    encoded(|out| {
        out.push(8);
        encode(out);
    })
}

fn event(ltime: u64, name: &str, bytes: usize) -> Vec<u8> {
    let payload = vec![b'x'; bytes];
    let event = UserEventMessage { ltime, name, payload: Some(&payload), coalesce: false };
    user(|out| serf_wire::encode_user_event(&event, out))
}

/// Asks this node by `10.0.0.9`.
fn query(ltime: u64, id: u32, filters: &[Vec<u8>]) -> Vec<u8> {
    let query = QueryMessage {
        ltime,
        id,
        addr: &[10, 0, 0, 9],
        port: 7946,
        source_node: "x",
        filters: filters.iter().map(Vec::as_slice).collect(),
        timeout: 1_000,
        name: "q",
        ..Default::default()
    };
    user(|out| serf_wire::encode_query(&query, out))
}

fn leave_intent(ltime: u64, node: &str, prune: bool) -> Vec<u8> {
    user(|out| serf_wire::encode_leave_intent(&LeaveIntent { ltime, node, prune }, out))
}

fn alive(node: &str, host: u8, incarnation: u32, meta: &[u8]) -> Vec<u8> {
    let alive = Alive {
        incarnation,
        node,
        addr: Some(&[10, 0, 0, host]),
        port: 7946,
        meta: Some(meta),
        vsn: Some(&[1, 5, 2, 2, 5, 5]),
    };
    encoded(|out| swim_wire::encode_alive(&alive, out))
}

fn attack(wire: &mut Wire, node: usize, bytes: &[u8]) {
    wire.input(node, Input::Datagram { from: addr(9), bytes });
}

/// Fills the intent queue of node 0, which is limited to 16 intents.
fn two_nodes_with_a_full_queue() -> Wire {
    let mut wire = cluster(Options { queue_depth_max: 16, ..Options::lan() }, 2);
    for number in 0..32 {
        // The queue prefers longer ones.
        let node = format!("a-longer-name-than-those-that-matter-{number}");
        let intent = JoinIntent { ltime: 5, node: &node };
        attack(&mut wire, 0, &user(|out| serf_wire::encode_join_intent(&intent, out)));
    }
    assert_eq!(wire.node(0).info().intent_queue, 16, "full");
    wire
}

#[test]
fn a_full_event_ring_takes_new_events_again() {
    let mut victim = Victim::with(Options::lan());
    for ltime in 1..=4 {
        for number in 0..256 {
            victim.datagram(&compressed(&event(ltime, &format!("{number}"), LARGE)));
        }
    }
    assert!(victim.node.stats().dropped(DropReason::EventsFull) > 0, "full");
    // The first one moves the clock past the window of the flood.
    for ltime in 5_000..5_010 {
        let reaction = victim.datagram(&compressed(&event(ltime, "deploy", LARGE)));
        assert_eq!(reaction.other, 1, "event {ltime} is delivered");
    }
}

#[test]
fn one_forged_time_does_not_use_up_all_times() {
    let deploy =
        Command::UserEvent { name: "deploy".into(), payload: Bytes::new(), coalesce: false };
    let ask = Command::Query(QueryParams { name: "q".into(), ..QueryParams::default() });
    for (forged, believed) in [((1 << 56) - 1, false), ((1 << 55) - 1, true)] {
        let mut wire = cluster(Options::lan(), 2);
        // Clocks that have seen others believe less than fresh ones.
        wire.command(1, deploy.clone());
        wire.command(1, ask.clone());
        wire.run(seconds(30));
        attack(&mut wire, 0, &event(forged, "x", 1));
        attack(&mut wire, 0, &query(forged, 1, &[]));
        let refused = if believed { 0 } else { 2 };
        assert_eq!(wire.node(0).stats().dropped(DropReason::LamportTime), refused);

        wire.command(0, deploy.clone());
        let ltime = if believed { forged + 1 } else { 2 };
        assert_eq!(wire.last_result(), Ok(Reply::EventSent { ltime }));
        wire.command(0, ask.clone());
        wire.run(seconds(60));
        assert!(matches!(wire.last_result(), Ok(Reply::QueryDone(_))));
        // Its own ones, those of the first node, and what was forged if that was believed.
        let seen = if believed { 3 } else { 2 };
        assert_eq!(wire.user_events(1), seen, "{forged}");
        assert_eq!(wire.node(1).stats().queries_delivered, seen as u64, "{forged}");
    }
}

#[test]
fn one_clock_far_ahead_does_not_stop_the_merge_of_statuses() {
    let mut victim = Victim::with(Options::lan());
    let state = encoded(|out| {
        let mut encoder = serf_wire::StateEncoder::start(out, 1 << 57, 0);
        encoder.member_clock(9);
        encoder.left_members(1, ["n"]);
        encoder.query_clock(1);
        encoder.status_ltimes(1, [("n", 7)]);
    });
    let user_state_bytes = u32::try_from(state.len()).expect("short");
    let header = PushPullHeader { nodes: 0, user_state_bytes, join: false };
    let mut exchange = encoded(|out| swim_wire::encode_push_pull_header(&header, out));
    exchange.extend(state);
    victim.stream(&exchange);
    assert_eq!(victim.node.stats().dropped(DropReason::LamportTime), 1);
    assert_eq!(victim.node.stats().intents_refuted, 1);
}

/// How many outputs came after the news of the shutdown; `None` if there was no such news.
fn outputs_after_shut_down(victim: &mut Victim) -> Option<usize> {
    let mut after = None;
    while let Some(output) = victim.out.pop() {
        match output {
            Output::Event(Event::ShutDown(_)) if after.is_none() => after = Some(0),
            Output::Datagram { .. }
            | Output::Stream { .. }
            | Output::Event(_)
            | Output::Done { .. }
            | Output::Persist(_)
            | Output::Trace(_) => after = after.map(|count: usize| count + 1),
        }
    }
    after
}

/// A node with a failed member and a vote about its own name that nobody will answer.
fn about_to_lose_a_vote(options: Options) -> Victim {
    let mut victim = Victim::with(options);
    victim.datagram(&alive("x", 2, 1, b""));
    let dead = Dead { incarnation: 1, node: "x", from: "y" };
    victim.datagram(&encoded(|out| swim_wire::encode_dead(&dead, out)));
    victim.datagram(&alive("n", 3, 9, b""));
    assert_eq!(victim.node.info().failed, 1);
    assert_eq!(victim.node.stats().conflict_votes, 1);
    victim
}

#[test]
fn nothing_comes_after_shut_down() {
    for coalesce_period in [Duration::ZERO, seconds(20)] {
        // After the vote the failed member is to be erased, or to be dialed.
        for reconnect_timeout in [seconds(1), seconds(3_600)] {
            let mut victim = about_to_lose_a_vote(Options {
                reconnect_timeout,
                coalesce_period,
                quiescent_period: coalesce_period,
                ..Options::lan()
            });
            // The process slept; all timers are late.
            let late = Instant::from_nanos(60 * SECOND);
            victim.input_at(late, Input::Timeout);
            let after = outputs_after_shut_down(&mut victim);
            assert_eq!(after, Some(0), "{coalesce_period:?}, {reconnect_timeout:?}");
            assert_eq!(victim.node.deadline(), None);
            victim.input_at(late, Input::Timeout);
            assert!(victim.out.pop().is_none());
        }
    }
}

#[test]
fn a_member_with_many_profiles_can_still_refute() {
    let mut victim = Victim::with(Options { members_max: 4, ..Options::lan() });
    for incarnation in 1..=30_u32 {
        victim.datagram(&alive("x", 2, incarnation, &incarnation.to_be_bytes()));
    }
    assert!(victim.node.stats().dropped(DropReason::MembersFull) > 0, "no more profiles");
    let id = victim.pool.find("x").expect("known");
    let suspect = Suspect { incarnation: 30, node: "x", from: "y" };
    victim.datagram(&encoded(|out| swim_wire::encode_suspect(&suspect, out)));
    assert_eq!(victim.node.member_state(id), Some(MemberState::Suspect));
    victim.datagram(&alive("x", 2, 31, b"new"));
    assert_eq!(victim.node.member_state(id), Some(MemberState::Alive));
}

#[test]
fn old_tags_do_not_fill_the_pool_for_ever() {
    let mut victim = Victim::with(Options { members_max: 4, ..Options::lan() });
    for incarnation in 1..=1_000_u32 {
        victim.datagram(&alive("x", 2, incarnation, &incarnation.to_be_bytes()));
        victim.node.forget_old_profiles(&mut victim.pool);
    }
    assert_eq!(victim.node.stats().dropped(DropReason::MembersFull), 0);
    assert_eq!(victim.pool.profiles_len(), 2);
    let id = victim.pool.find("x").expect("known");
    let shown = victim.node.members(&victim.pool).find(|member| member.id == id).expect("known");
    assert_eq!(shown.profile.meta[..], 1_000_u32.to_be_bytes());
}

#[test]
fn a_forced_leave_gets_through_a_full_queue() {
    let mut wire = two_nodes_with_a_full_queue();
    wire.command(0, Command::ForceLeave { name: "y".into(), prune: false });
    wire.run(seconds(4));
    assert_eq!(wire.last_result(), Ok(Reply::LeaveForced));
    let heard = wire.node(1).serf.intents.get("y").map(|intent| intent.kind);
    assert_eq!(heard, Some(IntentKind::Leave));
}

#[test]
fn a_refutation_gets_through_a_full_queue() {
    let mut wire = two_nodes_with_a_full_queue();
    attack(&mut wire, 0, &leave_intent(9, "n0", false));
    assert_eq!(wire.node(0).stats().intents_refuted, 1);
    let refuted = wire.node(0).info().member_time - 1;
    wire.run(seconds(4));
    let id = wire.pool.find("n0").expect("known");
    let known = wire.node(1).swim.record(id).expect("a member").ltime;
    assert!(known > 9 && known >= refuted, "{known}, refuted at {refuted}");
}

#[test]
fn prune_timers_do_not_pile_up() {
    let mut wire = cluster(Options::lan(), 2);
    let before = wire.node(0).timers.keyed_len();
    for ltime in 100..5_100 {
        wire.now = wire.now.plus_nanos(1);
        attack(&mut wire, 0, &leave_intent(ltime, "n1", true));
    }
    assert_eq!(wire.status(0, 1), Some(MemberStatus::Leaving));
    assert_eq!(wire.node(0).timers.keyed_len(), before + 1);
    wire.run(seconds(10));
    assert_eq!(wire.status(0, 1), Some(MemberStatus::Alive), "it refuted");
    assert_eq!(wire.times_heard(0, MemberEventKind::Reap, 1), 0);
}

#[test]
fn who_refuted_a_prune_and_left_later_is_shown_as_left() {
    let mut wire = cluster(Options::lan(), 3);
    wire.command(0, Command::ForceLeave { name: "n2".into(), prune: true });
    wire.run(seconds(2));
    assert!(wire.everybody_shows(2, Some(MemberStatus::Alive)), "it refuted");
    wire.command(2, Command::Leave);
    // The prune would be due in between.
    for _ in 0..2 {
        wire.run(seconds(3));
        assert!(wire.everybody_shows(2, Some(MemberStatus::Left)));
    }
    assert!((0..2).all(|node| !wire.heard(node, MemberEventKind::Reap, 2)));
}

/// One compressed datagram of many messages.
fn compound(messages: &[Vec<u8>]) -> Vec<u8> {
    let mut packet = vec![7, u8::try_from(messages.len()).expect("few")];
    for message in messages {
        packet.extend(u16::try_from(message.len()).expect("short").to_be_bytes());
    }
    compressed(&[packet, messages.concat()].concat())
}

#[test]
fn a_flood_of_tag_expressions_is_bounded() {
    // No more than 40 expressions are compiled: nobody is asked by queries of 64, and by only four of ten each.
    for (filters, delivered) in [(64, 0), (10, 4)] {
        let mut victim = Victim::with(Options::lan());
        let queries: Vec<Vec<u8>> = (0..36_u32)
            .map(|id| {
                let filters: Vec<Vec<u8>> = (0..filters)
                    .map(|number| {
                        let expr = format!("|{id}-{number}");
                        let filter = Filter::Tag { tag: "t", expr: &expr };
                        encoded(|out| serf_wire::encode_filter(&filter, out))
                    })
                    .collect();
                query(3, id, &filters)
            })
            .collect();
        victim.datagram(&compound(&queries));
        let stats = victim.node.stats();
        assert_eq!(stats.queries_accepted, 36);
        assert_eq!(stats.queries_delivered, delivered);
        assert_eq!(stats.dropped(DropReason::QueriesFull), 36 - delivered);
    }
}
