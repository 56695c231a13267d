use core::net::SocketAddr;
use core::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::answer::OPEN_MAX;
use super::ask::OWN_MAX;
use super::*;
use crate::command::{KeyOp, OpError, QueryParams, Reply, TagFilter};
use crate::config::{Config, Identity, Options};
use crate::event::Event;
use crate::ids::OpId;
use crate::keyring::{Key, Keyring};
use crate::math::query_timeout;
use crate::msg::serf::{
    QUERY_FLAG_ACK, QUERY_FLAG_NO_BROADCAST, QueryMessage, QueryResponse, RESPONSE_FLAG_ACK,
    RelayHeader, SerfMessageType,
};
use crate::pool::{Pool, Profile, Vsn};
use crate::rng::Rng;
use crate::serf::Serf;
use crate::snapshot::Clocks;
use crate::swim::{Action, Send, Swim, SwimCx, UserSend, WarmView};
use crate::testing::serf_vectors;
use crate::time::{Instant, MILLISECOND, SECOND};
use crate::timers::{TimerKind, Timers};
use crate::trace::{MemberStatus, QueueKind};
use crate::wire::serf::{
    decode_conflict_response, decode_query_response, encode_query_response, encode_relay,
};

/// One node's layers without bytes around them; it is `n1` in a warm cluster.
struct World {
    now: Instant,
    config: Config,
    pool: Pool,
    rng: Rng,
    stats: Stats,
    timers: Timers,
    actions: Vec<Action>,
    swim: Swim,
    serf: Serf,
}

fn addr(member: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, member], 7946))
}

impl World {
    fn new(options: Options, members: u8) -> Self {
        let config = options.validate().expect("valid options");
        let identity = |member| Identity::new(&format!("n{member}"), addr(member)).expect("valid");
        let members: Vec<_> = (1..=members).map(identity).collect();
        let (mut pool, mut rng) = (Pool::new(1), Rng::from_seed([1; 32]));
        let (mut stats, mut timers) = (Stats::default(), Timers::default());
        let mut actions = Vec::new();
        let view = WarmView::new(&config, &members, &mut pool);
        let serf = Serf::new(&config, Clocks::default(), &mut rng);
        let mut cx = SwimCx {
            now: Instant::ZERO,
            config: &config,
            pool: &mut pool,
            rng: &mut rng,
            stats: &mut stats,
            timers: &mut timers,
            actions: &mut actions,
        };
        let swim = Swim::warm(&members[0], &view, &mut cx);
        actions.clear();
        let now = Instant::ZERO;
        Self { now, config, pool, rng, stats, timers, actions, swim, serf }
    }

    fn lan(members: u8) -> Self {
        Self::new(Options::lan(), members)
    }

    /// Lets the layer work; what it wants done is returned.
    fn with(&mut self, work: impl FnOnce(&mut Serf, &mut Swim, &mut SwimCx<'_>)) -> Vec<Action> {
        let mut cx = SwimCx {
            now: self.now,
            config: &self.config,
            pool: &mut self.pool,
            rng: &mut self.rng,
            stats: &mut self.stats,
            timers: &mut self.timers,
            actions: &mut self.actions,
        };
        work(&mut self.serf, &mut self.swim, &mut cx);
        core::mem::take(&mut self.actions)
    }

    fn receive(&mut self, query: &QueryMessage<'_>) -> Vec<Action> {
        self.with(|serf, swim, cx| serf.on_query_message(query, b"message", swim, cx))
    }

    fn reply(&mut self, query: QueryId, from: &str, flags: u32) -> Vec<Action> {
        let QueryId { ltime, id } = query;
        let response = QueryResponse { ltime, id, from, flags, payload: Some(b"yes") };
        self.with(|serf, swim, cx| serf.on_response_message(&response, swim, cx))
    }

    fn respond(&mut self, query: QueryId, bytes: usize) -> (Result<Reply, OpError>, Vec<Action>) {
        let payload = vec![b'x'; bytes];
        let mut actions =
            self.with(|serf, swim, cx| serf.respond(OpId(1), query, &payload, swim, cx));
        let Some(Action::Done { op: OpId(1), result }) = actions.pop() else {
            panic!("a command ends with its result: {actions:?}");
        };
        (result, actions)
    }

    fn ask(&mut self, params: QueryParams) -> Result<QueryId, OpError> {
        let mut asked = None;
        self.with(|serf, swim, cx| {
            asked = Some(serf.ask(&params, Purpose::Command(OpId(1)), swim, cx));
        });
        asked.expect("it was asked")
    }

    /// Handles every Serf timer that is due until `end`.
    fn run_to(&mut self, end: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        let is_query = |kind| matches!(kind, TimerKind::QueryEnd(_) | TimerKind::QueryExpiry(_));
        while let Some((at, kind)) = self.next_query_timer(is_query).filter(|(at, _)| *at <= end) {
            self.now = self.now.max(at);
            self.timers.cancel(at, kind);
            actions.extend(self.with(|serf, swim, cx| serf.on_timer(kind, swim, cx)));
        }
        self.now = self.now.max(end);
        actions
    }

    /// The fixed timers of SWIM are of no interest here.
    fn next_query_timer(
        &mut self,
        is_query: impl Fn(TimerKind) -> bool,
    ) -> Option<(Instant, TimerKind)> {
        while let Some((at, kind)) = self.timers.next() {
            if is_query(kind) {
                return Some((at, kind));
            }
            self.timers.clear(kind);
        }
        None
    }
}

fn query(ltime: u64, id: u32) -> QueryMessage<'static> {
    QueryMessage {
        ltime,
        id,
        addr: &[10, 0, 0, 2],
        port: 7946,
        source_node: "n2",
        timeout: 1_000_000_000,
        name: "q",
        ..QueryMessage::default()
    }
}

fn sends(actions: &[Action]) -> Vec<(SocketAddr, bool, u8)> {
    let send = |action: &Action| {
        let Action::Send(Send::User(send)) = action else { return None };
        let UserSend { to, member, message } = &**send;
        Some((*to, member.is_some(), message[0]))
    };
    actions.iter().filter_map(send).collect()
}

fn is_delivered(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Event(Event::Query(_))))
}

const REPLY: u8 = SerfMessageType::QueryResponse as u8;
const RELAY: u8 = SerfMessageType::Relay as u8;

#[test]
fn the_first_query_of_a_fresh_node_has_lamport_time_one() {
    let mut world = World::lan(1);
    let id = world.ask(QueryParams { name: "q".into(), ..QueryParams::default() }).expect("small");
    assert_eq!(id.ltime, 1);
    assert!(id.id < 1 << 31);
    assert_eq!(world.serf.queries.time(), 2);
    assert!(world.receive(&query(1, id.id)).is_empty(), "the own query comes back");
    assert_eq!(world.stats.query_duplicates, 1);
}

#[test]
fn refused_queries_use_no_lamport_time() {
    let mut world = World::lan(1);
    let named = |name: &str| QueryParams { name: name.into(), ..QueryParams::default() };
    let long = world.ask(named(&"x".repeat(1_024)));
    assert!(matches!(long, Err(OpError::QueryTooLarge { limit: 1_024, .. })), "{long:?}");
    let filter = TagFilter { tag: "role".into(), expr: "((".into() };
    let bad = world.ask(QueryParams { filter_tags: vec![filter], ..named("q") });
    assert!(matches!(bad, Err(OpError::BadFilter { .. })), "{bad:?}");
    let filter = TagFilter { tag: "".into(), expr: "".into() };
    let many = world.ask(QueryParams { filter_tags: vec![filter; 65], ..named("q") });
    assert!(matches!(many, Err(OpError::BadFilter { .. })), "{many:?}");
    assert_eq!(world.serf.queries.time(), 1);
    assert!(world.serf.outgoing.is_empty());

    let mut old = World::new(Options { serf_protocol_version: 3, ..Options::lan() }, 1);
    assert_eq!(old.ask(named("q")), Err(OpError::QueryUnsupported { version: 3 }));
    let mut gone = World::lan(1);
    gone.serf.life = crate::serf::Life::Left;
    assert_eq!(gone.ask(named("q")), Err(OpError::NotAlive));
}

#[test]
fn a_query_that_fits_no_packet_is_refused_whatever_the_limit() {
    let options = Options { query_bytes_max: 60_000, ..Options::lan() };
    let room = options.gossip_room() - 3;
    let mut world = World::new(options, 2);
    let params = |bytes: usize| QueryParams {
        payload: Bytes::from(vec![0; bytes]),
        ..QueryParams::default()
    };
    let Err(OpError::QueryTooLarge { size, limit }) = world.ask(params(room)) else {
        panic!("it is larger than a packet");
    };
    assert_eq!(limit, room);
    // Five bytes of slack: the random number has up to five.
    world.ask(params(room - (size - limit) - 5)).expect("it fits now");
    assert_eq!(world.serf.outgoing.len(QueueKind::Query), 1);
}

#[test]
fn too_many_own_queries_are_refused() {
    let mut world = World::lan(2);
    for _ in 0..OWN_MAX {
        world.ask(QueryParams::default()).expect("not too many yet");
    }
    assert_eq!(world.ask(QueryParams::default()), Err(OpError::QueriesFull { limit: OWN_MAX }));
    world.run_to(Instant::from_nanos(10 * SECOND));
    assert!(world.serf.queries.own.is_empty());
    world.ask(QueryParams::default()).expect("there is room again");
}

#[test]
fn the_first_reply_of_a_member_counts_acks_and_answers_apart() {
    let mut world = World::lan(3);
    let id = world.ask(QueryParams { ack: true, ..QueryParams::default() }).expect("small");
    for _ in 0..2 {
        world.reply(id, "n2", RESPONSE_FLAG_ACK);
        world.reply(id, "n2", 0);
    }
    world.reply(id, "stranger", 0);
    let stats = &world.stats;
    assert_eq!((stats.query_acks, stats.query_responses), (1, 2));
    assert_eq!((stats.query_duplicate_acks, stats.query_duplicate_responses), (1, 1));
    world.reply(QueryId { id: id.id ^ 1, ..id }, "n3", 0);
    world.reply(QueryId { ltime: 9, ..id }, "n3", 0);
    assert_eq!(world.stats.dropped(DropReason::UnknownQuery), 2);

    let actions = world.run_to(Instant::from_nanos(10 * SECOND));
    let Some(Action::Done { result: Ok(Reply::QueryDone(report)), .. }) = actions.last() else {
        panic!("{actions:?}");
    };
    assert_eq!((report.id, report.acks, report.responses), (id, 1, 2));
    world.reply(id, "n3", 0);
    assert_eq!(world.stats.dropped(DropReason::UnknownQuery), 3, "late");
}

#[test]
fn acks_nobody_asked_for_are_dropped() {
    let mut world = World::lan(3);
    let id = world.ask(QueryParams::default()).expect("small");
    assert!(world.reply(id, "n2", RESPONSE_FLAG_ACK).is_empty());
    assert_eq!((world.stats.query_acks, world.stats.query_duplicate_acks), (0, 1));
}

#[test]
fn forged_names_cannot_fill_the_memory() {
    let mut world = World::lan(3);
    let id = world.ask(QueryParams { ack: true, ..QueryParams::default() }).expect("small");
    for number in 0..200 {
        world.reply(id, &format!("forged{number}"), RESPONSE_FLAG_ACK);
    }
    assert_eq!(world.stats.query_acks, 3 * 2 + 64);
    assert_eq!(world.stats.dropped(DropReason::QueriesFull), 200 - 70);
    world.reply(id, &"x".repeat(1_025), 0);
    assert_eq!(world.stats.dropped(DropReason::Invalid), 1);
}

#[test]
fn acks_go_to_the_address_in_the_query() {
    let mut world = World::lan(3);
    let wanted = QueryMessage { flags: QUERY_FLAG_ACK, ..query(5, 1) };
    assert_eq!(sends(&world.receive(&wanted)), [(addr(2), true, REPLY)]);
    // The name does not belong to that address, so nothing is known about who listens there.
    let elsewhere = QueryMessage { addr: &[10, 0, 0, 77], id: 2, ..wanted.clone() };
    assert_eq!(sends(&world.receive(&elsewhere)), [(addr(77), false, REPLY)]);
    let silent = QueryMessage { flags: 0, id: 3, ..wanted };
    let actions = world.receive(&silent);
    assert!(is_delivered(&actions) && sends(&actions).is_empty());
}

#[test]
fn queries_nobody_could_be_answered_are_passed_on_only() {
    let addresses: [&[u8]; 5] = [&[], &[10, 0, 2], &[0, 0, 0, 0], &[224, 0, 0, 1], &[10, 0, 0, 2]];
    for (index, addr) in addresses.into_iter().enumerate() {
        let mut world = World::lan(3);
        let port = if index == 4 { 0 } else { 7946 };
        let actions =
            world.receive(&QueryMessage { addr, port, flags: QUERY_FLAG_ACK, ..query(5, 1) });
        assert!(actions.is_empty(), "{addr:?} {actions:?}");
        assert_eq!(world.stats.dropped(DropReason::Invalid), 1);
        assert_eq!(world.serf.outgoing.len(QueueKind::Query), 1);
    }
}

#[test]
fn a_filter_miss_is_passed_on_and_the_flag_stops_it() {
    let filters: [&[u8]; 4] = [b"", b"\x02\x90", b"\x00\x90", b"\x00\xc1"];
    for (id, filter) in (0..).zip(filters) {
        let mut world = World::lan(3);
        let query = QueryMessage { filters: vec![filter], flags: QUERY_FLAG_ACK, ..query(5, id) };
        assert!(world.receive(&query).is_empty(), "{filter:?}");
        assert_eq!(world.serf.outgoing.len(QueueKind::Query), 1);
        let flags = QUERY_FLAG_NO_BROADCAST;
        world.receive(&QueryMessage { ltime: 6, flags, ..query });
        assert_eq!(world.serf.outgoing.len(QueueKind::Query), 1);
    }
}

#[test]
fn internal_names_never_reach_the_application() {
    let mut world = World::lan(3);
    for (id, name) in (0..).zip(["_serf_", "_serf_ping", "_serf_nonsense"]) {
        let flags = QUERY_FLAG_ACK;
        let actions = world.receive(&QueryMessage { name, flags, ..query(5, id) });
        assert!(!is_delivered(&actions));
        assert_eq!(sends(&actions), [(addr(2), true, REPLY)], "the ack of {name}");
    }
    assert_eq!(world.stats.queries_delivered, 0);
}

#[test]
fn one_answer_until_the_deadline() {
    let mut world = World::lan(3);
    assert!(is_delivered(&world.receive(&query(5, 1))));
    let id = QueryId { ltime: 5, id: 1 };
    assert!(matches!(world.respond(id, 2_000).0, Err(OpError::ResponseTooLarge { .. })));
    let (result, actions) = world.respond(id, 3);
    assert_eq!(result, Ok(Reply::Responded));
    assert_eq!(sends(&actions), [(addr(2), true, REPLY)]);
    assert_eq!(world.respond(id, 3).0, Err(OpError::AlreadyAnswered));
    assert_eq!(world.respond(QueryId { ltime: 5, id: 2 }, 3).0, Err(OpError::QueryOver));

    world.receive(&query(6, 1));
    let id = QueryId { ltime: 6, id: 1 };
    world.run_to(Instant::from_nanos(SECOND));
    assert_eq!(world.respond(id, 3).0, Ok(Reply::Responded), "at the deadline it is in time");
    world.run_to(Instant::from_nanos(SECOND + 1));
    assert_eq!(world.respond(id, 3).0, Err(OpError::QueryOver));
    assert!(world.serf.queries.open.is_empty());
}

#[test]
fn queries_that_are_over_are_delivered_and_passed_on_but_not_kept() {
    let mut world = World::lan(3);
    world.now = Instant::from_nanos(5 * SECOND);
    for (id, timeout) in [(1, -1), (2, i64::MIN)] {
        assert!(is_delivered(&world.receive(&QueryMessage { timeout, ..query(5, id) })));
        assert_eq!(world.respond(QueryId { ltime: 5, id }, 0).0, Err(OpError::QueryOver));
    }
    assert_eq!(world.serf.outgoing.len(QueueKind::Query), 2);
    assert!(world.serf.queries.open.is_empty());
    assert!(is_delivered(&world.receive(&QueryMessage { timeout: i64::MAX, ..query(5, 3) })));
    assert_eq!(world.respond(QueryId { ltime: 5, id: 3 }, 0).0, Ok(Reply::Responded));
}

#[test]
fn when_too_many_wait_the_longest_wait_is_given_up() {
    let mut world = World::lan(3);
    let count = u32::try_from(OPEN_MAX).expect("few");
    let long = |number: u32| QueryMessage {
        timeout: i64::MAX - i64::from(number),
        ..query(1 + u64::from(number / 200), number)
    };
    for number in 0..count {
        assert!(is_delivered(&world.receive(&long(number))));
    }
    assert!(!is_delivered(&world.receive(&QueryMessage { timeout: i64::MAX, ..query(30, count) })));
    assert!(is_delivered(&world.receive(&query(30, count + 1))), "an honest one finds room");
    assert_eq!(world.respond(QueryId { ltime: 1, id: 0 }, 0).0, Err(OpError::QueryOver));
    assert_eq!(world.respond(QueryId { ltime: 1, id: 1 }, 0).0, Ok(Reply::Responded));
    assert_eq!(world.serf.queries.open.len(), OPEN_MAX);
    assert_eq!(world.stats.dropped(DropReason::QueriesFull), 2);
}

#[test]
fn the_response_limit_counts_the_encoded_message_and_the_relay_header() {
    let vector = &serf_vectors()["query_response_limit"];
    let number = |key: &str| vector[key].as_u64().expect("a number");
    let (ltime, id) = (number("ltime"), u32::try_from(number("id")).expect("an id"));
    let limit = usize::try_from(number("QueryResponseSizeLimit")).expect("small");
    let size = |key: &str| usize::try_from(number(key)).expect("small");
    assert_eq!(vector["from"], "n1");
    let options = Options { query_response_bytes_max: limit, ..Options::lan() };
    let largest = size("largest_payload_without_relay");
    let mut world = World::new(options.clone(), 3);
    let asked =
        QueryMessage { addr: &[127, 0, 0, 1], port: 9, source_node: "src", ..query(ltime, id) };
    world.receive(&asked);
    let id = QueryId { ltime, id };
    assert!(matches!(world.respond(id, largest + 1).0, Err(OpError::ResponseTooLarge { .. })));
    assert_eq!(world.respond(id, largest).0, Ok(Reply::Responded));

    let largest = size("largest_payload_with_relay_factor_2_to_src_at_127.0.0.1:9");
    let mut world = World::new(options, 3);
    world.receive(&QueryMessage { relay_factor: 2, ..asked });
    let (result, actions) = world.respond(id, largest + 1);
    assert!(matches!(result, Err(OpError::RelayTooLarge { .. })));
    assert_eq!(sends(&actions).len(), 1, "the direct copy is out");
    let (result, actions) = world.respond(id, largest);
    assert_eq!(result, Ok(Reply::Responded), "and does not count as the answer");
    let relays: Vec<_> = sends(&actions).into_iter().filter(|send| send.2 == RELAY).collect();
    assert_eq!(relays.len(), 2);
    assert_ne!(relays[0].0, relays[1].0);
    assert!(relays.iter().all(|(to, crc, _)| *crc && *to != addr(1)));
}

#[test]
fn small_clusters_do_not_relay() {
    let mut world = World::lan(3);
    world.receive(&QueryMessage { relay_factor: 3, ..query(5, 1) });
    let (result, actions) = world.respond(QueryId { ltime: 5, id: 1 }, 1);
    assert_eq!((result, sends(&actions).len()), (Ok(Reply::Responded), 1));
}

#[test]
fn relays_are_other_members_that_understand_it() {
    let mut world = World::lan(3);
    let wanted = QueryMessage { relay_factor: 2, flags: QUERY_FLAG_ACK, ..query(5, 0) };
    let relays = |world: &mut World, id| {
        let mut sends = sends(&world.receive(&QueryMessage { id, ..wanted.clone() }));
        sends.retain(|send| send.2 == RELAY);
        sends.sort_unstable();
        sends.iter().map(|send| send.0).collect::<Vec<_>>()
    };
    for id in 0..20 {
        assert_eq!(relays(&mut world, id), [addr(2), addr(3)], "never this node, never one twice");
    }
    let old = world.pool.find("n3").expect("known");
    let profile = world.swim.member(old).expect("known").profile;
    let vsn = Vsn([1, 4, 2, 2, 5, 5]);
    let profile = Profile { vsn, ..world.pool.profile(profile).clone() };
    let profile = world.pool.intern_profile(profile);
    world.swim.plant(old, profile);
    for id in 20..40 {
        assert_eq!(relays(&mut world, id), [addr(2)], "n3 is too old");
    }
    world.swim.set_record(old, MemberStatus::Leaving, 1);
    let young = world.pool.find("n2").expect("known");
    world.swim.set_record(young, MemberStatus::Failed, 1);
    assert!(relays(&mut world, 40).is_empty(), "nobody else is alive");
}

#[test]
fn a_reply_after_the_deadline_is_late_even_before_the_timer() {
    let mut world = World::lan(3);
    let timeout = Duration::from_secs(1);
    let id = world.ask(QueryParams { timeout, ..QueryParams::default() }).expect("small");
    world.now = Instant::from_nanos(SECOND);
    world.reply(id, "n2", 0);
    assert_eq!(world.stats.query_responses, 1, "at the deadline it is in time");
    world.now = Instant::from_nanos(SECOND + 1);
    world.reply(id, "n3", 0);
    assert_eq!(world.stats.query_responses, 1);
    assert_eq!(world.stats.dropped(DropReason::UnknownQuery), 1);
}

#[test]
fn a_query_with_absurdly_many_tag_filters_matches_nobody() {
    let filter: &[u8] = b"\x01\x82\xa4Expr\xa0\xa3Tag\xa0";
    let mut world = World::lan(3);
    let filters = |count: usize| vec![filter; count];
    assert!(is_delivered(&world.receive(&QueryMessage { filters: filters(64), ..query(5, 1) })));
    assert!(!is_delivered(&world.receive(&QueryMessage { filters: filters(65), ..query(5, 2) })));
}

#[test]
fn only_acks_and_answers_are_relayed() {
    let mut answer = Vec::new();
    encode_query_response(&QueryResponse::default(), &mut answer);
    let relay = |addr: &[u8], port, inner: &[u8]| {
        let mut message = Vec::new();
        encode_relay(&RelayHeader { addr, port, node: "n2" }, inner, &mut message);
        let mut world = World::lan(3);
        let actions = world.with(|serf, swim, cx| serf.on_relay_message(&message[1..], swim, cx));
        let Some((Action::Send(Send::User(send)), [])) = actions.split_first() else {
            assert!(actions.is_empty());
            assert_eq!(world.stats.dropped(DropReason::Relay), 1);
            return None;
        };
        assert_eq!(world.stats.relayed, 1);
        Some(send.message.clone())
    };
    // What follows the answer is passed on too, as it is.
    let trailing = [&answer[..], b"more"].concat();
    for inner in [&answer, &trailing] {
        assert_eq!(relay(&[10, 0, 0, 2], 7946, inner).as_deref(), Some(&inner[..]));
    }
    assert_eq!(relay(&[10, 0, 0, 2], 0, &answer), None, "port");
    assert_eq!(relay(&[10, 0, 0], 7946, &answer), None, "address");
    assert_eq!(relay(&[0; 4], 7946, &answer), None, "unspecified");
    assert_eq!(relay(&[10, 0, 0, 2], 7946, b""), None, "nothing");
    assert_eq!(relay(&[10, 0, 0, 2], 7946, &answer[..3]), None, "truncated");
    assert_eq!(relay(&[10, 0, 0, 2], 7946, b"\x03\x80"), None, "a user event");
    let large = [&answer[..], &[0; MESSAGE_BYTES_MAX]].concat();
    assert_eq!(relay(&[10, 0, 0, 2], 7946, &large), None, "too large");
}

#[test]
fn recorded_default_timeouts() {
    let vectors = serf_vectors();
    let cases = vectors["default_query_timeout"].as_array().expect("a list");
    assert!(cases.len() >= 42);
    for case in cases {
        let number = |key: &str| case[key].as_u64().expect("a number");
        let interval = number("gossip_interval_ms") * MILLISECOND;
        let mult = u32::try_from(number("mult")).expect("small");
        let members = usize::try_from(number("alive_members")).expect("small");
        let timeout = query_timeout(interval, mult, members);
        assert_eq!(timeout, number("timeout_ms") * MILLISECOND, "{case}");
    }
}

#[test]
fn a_query_without_a_timeout_waits_the_default() {
    let mut world = World::lan(10);
    let id = world.ask(QueryParams::default()).expect("small");
    let timeout = Duration::from_secs(1);
    world.ask(QueryParams { timeout, ..QueryParams::default() }).expect("small");
    let deadlines: Vec<u64> =
        world.serf.queries.own.values().map(|own| own.deadline.as_nanos() / MILLISECOND).collect();
    assert_eq!(deadlines, [6_400, 1_000]);
    assert_eq!(id.ltime, 1);
}

#[test]
fn a_restored_clock_refuses_what_was_seen_before() {
    let mut world = World::lan(3);
    assert_eq!(world.serf.queries.restore(41), 41);
    assert_eq!(world.serf.queries.time(), 42);
    assert!(world.receive(&query(41, 1)).is_empty());
    assert_eq!(world.stats.dropped(DropReason::QueryTooOld), 1);
    assert!(is_delivered(&world.receive(&query(42, 1))));
    assert_eq!(world.serf.queries.restore(u64::MAX), 0, "absurd");
}

#[test]
fn a_forged_lamport_time_changes_nothing() {
    let mut world = World::lan(3);
    assert!(world.receive(&query(u64::MAX, 1)).is_empty());
    assert_eq!(world.stats.dropped(DropReason::LamportTime), 1);
    assert_eq!(world.serf.queries.time(), 1);
    assert!(world.serf.outgoing.is_empty());
}

#[test]
fn a_crowded_lamport_time_is_bounded() {
    let mut world = World::lan(3);
    for id in 0..300 {
        world.receive(&query(5, id));
    }
    assert_eq!(world.stats.queries_accepted, 256);
    assert_eq!(world.stats.dropped(DropReason::QueriesFull), 44);
}

/// A query of somebody who keeps to no rule but the decoder's.
#[derive(Clone, Debug)]
struct Hostile {
    ltime: u64,
    id: u32,
    addr: Vec<u8>,
    port: u16,
    filters: Vec<Vec<u8>>,
    flags: u32,
    timeout: i64,
    name: usize,
    payload: Vec<u8>,
}

fn hostile() -> impl Strategy<Value = Hostile> {
    let bytes = |max| prop::collection::vec(any::<u8>(), 0..max);
    let addr = prop_oneof![Just(vec![10, 0, 0, 2]), bytes(18)];
    let tag = Just(b"\x01\x82\xa4Expr\xa2.*\xa3Tag\xa4role".to_vec());
    let node = Just(b"\x00\x91\xa2n1".to_vec());
    let filters = prop::collection::vec(prop_oneof![tag, node, bytes(12)], 0..3);
    let key = Just(b"\x07\x81\xa3Key\xb0aaaaaaaaaaaaaaaa".to_vec());
    let payload = prop_oneof![bytes(20), key, Just(b"n3".to_vec())];
    let ltime = prop_oneof![0..600_u64, any::<u64>()];
    let timeout = prop_oneof![any::<i64>(), 0..2_000_000_000_i64];
    (ltime, any::<u32>(), addr, any::<u16>(), filters, 0..4_u32, timeout, 0..9_usize, payload)
        .prop_map(|(ltime, id, addr, port, filters, flags, timeout, name, payload)| Hostile {
            ltime,
            id,
            addr,
            port,
            filters,
            flags,
            timeout,
            name,
            payload,
        })
}

const NAMES: [&str; 9] = [
    "q",
    "_serf_",
    "_serf_ping",
    "_serf_conflict",
    "_serf_install-key",
    "_serf_use-key",
    "_serf_remove-key",
    "_serf_list-keys",
    "",
];

proptest! {
    /// Against the plainest model: everything that was ever accepted, in a list.
    #[test]
    fn the_ring_equals_a_list_of_everything(
        steps in prop::collection::vec((0..40_u64, 0..3_u32), 0..120),
        slots in 1..12_u32,
        minimum in 0..10_u64,
    ) {
        let (mut queries, mut stats) = (Queries::new(slots), Stats::default());
        queries.restore(minimum);
        let (mut clock, mut all) = (minimum + 1, Vec::new());
        for (ltime, id) in steps {
            clock = clock.max(ltime + 1);
            let query = QueryId { ltime, id };
            let wanted = ltime > minimum && ltime + u64::from(slots) >= clock;
            let new = wanted && !all.contains(&query);
            prop_assert_eq!(queries.accept(query, &mut stats), new);
            prop_assert_eq!(queries.time(), clock);
            if new {
                all.push(query);
            }
        }
        prop_assert_eq!(stats.queries_accepted, all.len() as u64);
    }

    #[test]
    fn hostile_queries_neither_panic_nor_pile_up(
        queries in prop::collection::vec((hostile(), 0..3_000_000_000_u64), 0..60),
        encrypted: bool,
        keyring_file: bool,
    ) {
        let key = Key::new(&[7; 16]).expect("16 bytes");
        let keyring = if encrypted { Keyring::with_primary(key) } else { Keyring::default() };
        let mut world = World::new(Options { keyring, keyring_file, ..Options::lan() }, 4);
        let mut events = Vec::new();
        for (hostile, wait) in queries {
            let Hostile { ltime, id, addr, port, filters, flags, timeout, name, payload } = hostile;
            let query = QueryMessage {
                ltime,
                id,
                addr: &addr,
                port,
                source_node: "n2",
                filters: filters.iter().map(Vec::as_slice).collect(),
                flags,
                relay_factor: u8::try_from(id % 256).expect("a byte"),
                timeout,
                name: NAMES[name],
                payload: Some(&payload),
            };
            events.extend(world.receive(&query));
            let response =
                QueryResponse { ltime, id, from: "n3", flags, payload: Some(&payload) };
            world.with(|serf, swim, cx| serf.on_response_message(&response, swim, cx));
            world.with(|serf, swim, cx| serf.on_relay_message(&payload, swim, cx));
            world.with(|serf, swim, cx| {
                serf.keyring_stored(OpId(7), QueryId { ltime, id }, None, swim, cx);
            });
            let end = world.now.plus_nanos(wait);
            world.run_to(end);
            prop_assert!(world.serf.queries.open.len() <= OPEN_MAX);
            prop_assert!(world.serf.keyring.keys().len() <= 256);
        }
        let internal = |action: &Action| matches!(action, Action::Event(Event::Query(query))
            if query.name.starts_with(INTERNAL_PREFIX));
        prop_assert!(!events.iter().any(internal));
        world.run_to(Instant::MAX);
        prop_assert!(world.serf.queries.open.is_empty());
    }
}

#[test]
fn key_operations_of_this_node_count_as_own_queries() {
    let mut world = World::lan(3);
    world.with(|serf, swim, cx| serf.keys(OpId(5), &KeyOp::List, 0, swim, cx));
    assert_eq!(world.serf.queries.own.len(), 1);
    let actions = world.run_to(Instant::from_nanos(10 * SECOND));
    let Some(Action::Done { op: OpId(5), result: Err(OpError::KeysFailed(report)) }) =
        actions.last()
    else {
        panic!("{actions:?}");
    };
    assert_eq!(report.to_string(), "0/3 nodes reported success");
}

#[test]
fn one_vote_at_a_time_and_none_without_need() {
    let conflict = |world: &mut World, member: &str| {
        let id = world.pool.find(member).expect("known");
        world.with(|serf, swim, cx| serf.on_conflict(id, swim, cx));
        world.stats.conflict_votes
    };
    let mut world = World::lan(3);
    assert_eq!(conflict(&mut world, "n2"), 0, "somebody else's name");
    assert_eq!([conflict(&mut world, "n1"), conflict(&mut world, "n1")], [1, 1]);
    let end = Instant::from_nanos(3_200 * MILLISECOND);
    world.run_to(Instant::from_nanos(3_199 * MILLISECOND));
    assert_eq!(conflict(&mut world, "n1"), 1);
    let actions = world.run_to(end);
    assert!(matches!(actions[..], [Action::ShutDown(_)]), "no vote at all is a lost one");
    assert_eq!(conflict(&mut world, "n1"), 2, "the next one may begin");
    world.serf.life = crate::serf::Life::Leaving;
    assert!(world.run_to(Instant::from_nanos(20 * SECOND)).is_empty(), "a leave goes on");

    for options in [
        Options { name_conflict_resolution: false, ..Options::lan() },
        Options { gossip_interval: Duration::ZERO, ..Options::lan() },
        Options { serf_protocol_version: 3, ..Options::lan() },
    ] {
        assert_eq!(conflict(&mut World::new(options, 3), "n1"), 0);
    }
}

#[test]
fn a_conflict_query_tells_how_the_name_is_known() {
    let mut world = World::lan(3);
    let mut ask = |id, name: &str| {
        let payload = Some(name.as_bytes());
        let actions =
            world.receive(&QueryMessage { name: "_serf_conflict", payload, ..query(5, id) });
        let [Action::Send(Send::User(send))] = &actions[..] else { return None };
        let response = decode_query_response(&send.message[1..]).expect("our own");
        let payload = response.payload.expect("an answer").to_vec();
        let known = decode_conflict_response(&payload[1..]).expect("our own");
        Some((known.name.to_owned(), known.addr.to_vec(), known.port, known.status))
    };
    assert_eq!(ask(1, "n2"), Some(("n2".into(), vec![10, 0, 0, 2], 7946, 1)));
    assert_eq!(ask(2, "nobody"), Some((String::new(), Vec::new(), 0, 0)));
    assert_eq!(ask(3, "n1"), None, "it carries the name itself");
}
