//! Nodes on a virtual wire with one millisecond of delay and no loss.

mod attacks;
mod hostile;
mod members;
mod models;
mod probes;
mod queries;
mod serf;
mod tables;
mod traces;
mod walk;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::*;
use crate::command::{Command, JoinFailure, OpError, Reply};
use crate::config::Options;
use crate::event::MemberEventKind;
use crate::ids::OpId;
use crate::io::{Output, StreamAction, StreamFailure, StreamId, StreamInput};
use crate::keyring::{Key, Keyring};
use crate::snapshot::Record;
use crate::stats::DropReason;
use crate::time::{MILLISECOND, SECOND};
use crate::wire::tags;

const DELAY: u64 = MILLISECOND;

#[derive(Debug)]
enum Delivery {
    Datagram { from: SocketAddr, bytes: Vec<u8> },
    Accepted { id: StreamId },
    Connected { id: StreamId },
    Data { id: StreamId, bytes: Vec<u8> },
    Finished { id: StreamId },
    Failed { id: StreamId },
}

/// A few nodes and the wire between them; node `i` is `n{i}` at 10.0.0.`i`.
struct Wire {
    now: Instant,
    pool: Pool,
    out: Outbox,
    config: Arc<Config>,
    nodes: Vec<Option<Node>>,
    in_flight: BTreeMap<(Instant, u64), (usize, Delivery)>,
    sent: u64,
    /// The other end of each stream end.
    peers: BTreeMap<(usize, StreamId), (usize, StreamId)>,
    events: Vec<(usize, Event)>,
    done: Vec<(usize, OpId, Result<Reply, OpError>)>,
    traces: Vec<(usize, Trace)>,
    /// Events and answers in the order they came out.
    order: Vec<Told>,
    datagrams: u64,
    commands: u64,
    records: Vec<(usize, Record)>,
}

/// What an application was told, and by whom.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Event(usize, Event),
    Done(usize),
}

fn addr(node: usize) -> SocketAddr {
    let host = u8::try_from(node).expect("few nodes");
    SocketAddr::from(([10, 0, 0, host], 7946))
}

impl Wire {
    fn new(options: Options, nodes: usize) -> Self {
        let config = Options { trace: true, ..options }.validate().expect("valid options");
        let mut wire = Self {
            now: Instant::ZERO,
            pool: Pool::new(1),
            out: Outbox::new(),
            config: Arc::new(config),
            nodes: Vec::new(),
            in_flight: BTreeMap::new(),
            sent: 0,
            peers: BTreeMap::new(),
            events: Vec::new(),
            done: Vec::new(),
            traces: Vec::new(),
            order: Vec::new(),
            datagrams: 0,
            commands: 0,
            records: Vec::new(),
        };
        for index in 0..nodes {
            wire.nodes.push(None);
            wire.start(index, 1);
        }
        wire
    }

    fn start(&mut self, index: usize, life: u8) {
        let me = Identity::new(&format!("n{index}"), addr(index)).expect("valid");
        let seed = [u8::try_from(index).expect("few") ^ (life << 6); 32];
        let mut cx = Cx { now: self.now, pool: &mut self.pool, out: &mut self.out };
        self.nodes[index] = Some(Node::new(Arc::clone(&self.config), me, seed, &mut cx));
        self.drain(index);
    }

    fn crash(&mut self, index: usize) {
        self.nodes[index] = None;
    }

    fn node(&self, index: usize) -> &Node {
        self.nodes[index].as_ref().expect("running")
    }

    fn input(&mut self, index: usize, input: Input<'_>) {
        let Some(node) = &mut self.nodes[index] else { return };
        let mut cx = Cx { now: self.now, pool: &mut self.pool, out: &mut self.out };
        node.handle(input, &mut cx);
        self.drain(index);
    }

    fn command(&mut self, index: usize, command: Command) {
        self.commands += 1;
        let op = OpId(self.commands);
        self.input(index, Input::Command { op, command });
    }

    fn join(&mut self, index: usize, seeds: &[usize]) {
        let seeds = seeds.iter().map(|&seed| addr(seed)).collect();
        self.command(index, Command::Join { seeds, replay_events: true });
    }

    fn deliver(&mut self, to: usize, delivery: Delivery) {
        self.sent += 1;
        self.in_flight.insert((self.now.plus_nanos(DELAY), self.sent), (to, delivery));
    }

    fn drain(&mut self, from: usize) {
        let mut out = core::mem::take(&mut self.out);
        while let Some(output) = out.pop() {
            match output {
                Output::Datagram { to, bytes } => {
                    self.datagrams += 1;
                    let bytes = bytes.to_vec();
                    if let Some(to) = (0..self.nodes.len()).find(|&node| addr(node) == to) {
                        self.deliver(to, Delivery::Datagram { from: addr(from), bytes });
                    }
                }
                Output::Stream { id, action } => self.stream(from, id, &action),
                Output::Event(event) => {
                    self.order.push(Told::Event(from, event.clone()));
                    self.events.push((from, event));
                }
                Output::Done { op, result } => {
                    self.order.push(Told::Done(from));
                    self.done.push((from, op, result));
                }
                Output::Persist(record) => self.records.push((from, record)),
                Output::Trace(trace) => self.traces.push((from, trace)),
            }
        }
        self.out = out;
    }

    fn stream(&mut self, from: usize, id: StreamId, action: &StreamAction<'_>) {
        if let StreamAction::Dial { to } = action {
            let target = (0..self.nodes.len()).find(|&node| addr(node) == *to);
            match target.filter(|&node| self.nodes[node].is_some()) {
                Some(to) => {
                    let theirs = StreamId(self.sent * 2 + 1);
                    self.peers.insert((from, id), (to, theirs));
                    self.peers.insert((to, theirs), (from, id));
                    self.deliver(to, Delivery::Accepted { id: theirs });
                    self.deliver(from, Delivery::Connected { id });
                }
                None => self.deliver(from, Delivery::Failed { id }),
            }
            return;
        }
        let Some(&(to, theirs)) = self.peers.get(&(from, id)) else { return };
        let delivery = match action {
            StreamAction::Send(bytes) => Delivery::Data { id: theirs, bytes: bytes.to_vec() },
            StreamAction::Finish => Delivery::Finished { id: theirs },
            StreamAction::Reset | StreamAction::Dial { .. } => Delivery::Failed { id: theirs },
        };
        self.deliver(to, delivery);
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let packet = self.in_flight.first_key_value().map(|(&(at, _), _)| at);
            let timer = self.nodes.iter().flatten().filter_map(|n| Some(n.deadline()?.0)).min();
            let Some(next) = packet.into_iter().chain(timer).min().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = self.now.max(next);
            if packet == Some(next) {
                let (_, (to, delivery)) = self.in_flight.pop_first().expect("looked at it");
                self.hand_over(to, delivery);
            } else {
                let due: Vec<usize> = (0..self.nodes.len())
                    .filter(|&i| {
                        let node = self.nodes[i].as_ref();
                        node.and_then(Node::deadline).is_some_and(|(at, _)| at <= next)
                    })
                    .collect();
                for index in due {
                    self.input(index, Input::Timeout);
                }
            }
        }
    }

    fn hand_over(&mut self, to: usize, delivery: Delivery) {
        match delivery {
            Delivery::Datagram { from, bytes } => {
                self.input(to, Input::Datagram { from, bytes: &bytes });
            }
            Delivery::Accepted { id } => {
                let event = StreamInput::Accepted { from: addr(9) };
                self.input(to, Input::Stream { id, event });
            }
            Delivery::Connected { id } => {
                self.input(to, Input::Stream { id, event: StreamInput::Connected });
            }
            Delivery::Data { id, bytes } => {
                self.input(to, Input::Stream { id, event: StreamInput::Data(&bytes) });
            }
            Delivery::Finished { id } => {
                self.input(to, Input::Stream { id, event: StreamInput::Finished });
            }
            Delivery::Failed { id } => {
                let event = StreamInput::Failed(StreamFailure::Refused);
                self.input(to, Input::Stream { id, event });
            }
        }
    }

    /// What `observer` holds for `subject`.
    fn sees(&self, observer: usize, subject: usize) -> Option<MemberState> {
        let id = self.pool.find(&format!("n{subject}"))?;
        self.node(observer).member_state(id)
    }

    /// What `observer` shows for `subject`.
    fn status(&self, observer: usize, subject: usize) -> Option<MemberStatus> {
        let id = self.pool.find(&format!("n{subject}"))?;
        self.node(observer).member_status(id)
    }

    fn everybody_shows(&self, subject: usize, status: Option<MemberStatus>) -> bool {
        (0..self.nodes.len())
            .filter(|&i| i != subject && self.nodes[i].is_some())
            .all(|observer| self.status(observer, subject) == status)
    }

    /// How often `node` told its application that this happened to `subject`.
    fn times_heard(&self, node: usize, kind: MemberEventKind, subject: usize) -> usize {
        let subject = self.pool.find(&format!("n{subject}")).expect("known");
        let told = |(to, event): &&(usize, Event)| *to == node && is_about(event, kind, subject);
        self.events.iter().filter(told).count()
    }

    fn everybody_sees(&self, subject: usize, state: MemberState) -> bool {
        (0..self.nodes.len())
            .filter(|&i| i != subject && self.nodes[i].is_some())
            .all(|observer| self.sees(observer, subject) == Some(state))
    }

    fn user_events(&self, node: usize) -> usize {
        let user = |(to, event): &&(usize, Event)| *to == node && matches!(event, Event::User(_));
        self.events.iter().filter(user).count()
    }

    /// Whether `node` told its application that this happened to `subject`.
    fn heard(&self, node: usize, kind: MemberEventKind, subject: usize) -> bool {
        self.times_heard(node, kind, subject) > 0
    }

    fn last_result(&self) -> Result<Reply, OpError> {
        self.done.last().expect("an answer").2.clone()
    }

    fn results(&self) -> Vec<Result<Reply, OpError>> {
        self.done.iter().map(|(_, _, result)| result.clone()).collect()
    }

    fn malformed(&self) -> u64 {
        self.nodes.iter().flatten().map(|node| node.stats().dropped_total()).sum()
    }
}

fn is_about(event: &Event, kind: MemberEventKind, subject: NodeId) -> bool {
    matches!(event, Event::Members(event)
        if event.kind == kind && event.members.iter().any(|member| member.node == subject))
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn cluster(options: Options, nodes: usize) -> Wire {
    let mut wire = Wire::new(options, nodes);
    for index in 1..nodes {
        wire.join(index, &[0]);
    }
    wire.run(seconds(5));
    wire
}

#[test]
fn nodes_that_join_one_seed_learn_of_each_other() {
    let mut wire = cluster(Options::lan(), 8);
    // The transmit budget of 4 leaves a straggler now and then; push/pull tells it within its period.
    wire.run(seconds(70));
    for subject in 0..8 {
        assert!(wire.everybody_sees(subject, MemberState::Alive), "n{subject}");
    }
    assert!(wire.done.iter().all(|(_, _, result)| *result == Ok(Reply::Joined { contacted: 1 })));
    assert_eq!(wire.malformed(), 0, "an intact wire carries nothing malformed");
}

#[test]
fn every_wrapping_interoperates_with_itself() {
    let key = Key::new(&[7; 32]).expect("32 bytes");
    for version in [1, 2] {
        for compression in [false, true] {
            for label in ["", "blue"] {
                for keyring in [Keyring::default(), Keyring::with_primary(key.clone())] {
                    let options = Options {
                        protocol_version: version,
                        compression,
                        label: label.into(),
                        keyring,
                        ..Options::lan()
                    };
                    let mut wire = cluster(options, 3);
                    wire.run(seconds(60));
                    assert!(wire.everybody_sees(1, MemberState::Alive), "{label} {compression}");
                    assert_eq!(wire.malformed(), 0);
                }
            }
        }
    }
}

#[test]
fn a_crash_is_detected_and_a_restart_is_seen_as_a_join() {
    let mut wire = cluster(Options::lan(), 6);
    wire.crash(3);
    wire.run(seconds(30));
    assert!(wire.everybody_sees(3, MemberState::Dead));
    wire.start(3, 2);
    wire.join(3, &[0]);
    wire.run(seconds(5));
    assert!(
        wire.everybody_sees(3, MemberState::Alive),
        "the restarted node raised its incarnation"
    );
    let rejoined = wire.node(3).swim.own().incarnation;
    assert!(rejoined > 1, "it had to overtake its own dead record");
}

#[test]
fn a_leave_is_not_a_failure() {
    let mut wire = cluster(Options::lan(), 6);
    wire.command(5, Command::Leave);
    wire.run(seconds(3));
    assert_eq!(wire.last_result(), Ok(Reply::Left));
    assert!(wire.everybody_sees(5, MemberState::Left));
    wire.crash(5);
    wire.run(seconds(10));
    assert!(wire.everybody_sees(5, MemberState::Left));
    assert!((0..5).all(|node| wire.heard(node, MemberEventKind::Leave, 5)));
    assert!((0..5).all(|node| !wire.heard(node, MemberEventKind::Failed, 5)));
}

#[test]
fn a_node_that_left_goes_on_answering() {
    let mut wire = cluster(Options::lan(), 4);
    wire.command(3, Command::Leave);
    // Longer than dead and left records are kept.
    wire.run(seconds(180));
    assert_eq!(wire.sees(3, 3), Some(MemberState::Left), "it still knows itself");
    assert!(wire.sees(0, 3).is_none(), "the others have forgotten it");
    let before = wire.datagrams;
    let mut bytes = Vec::new();
    let ping = crate::msg::swim::Ping { seq_no: 1, node: "n3", ..Default::default() };
    crate::wire::swim::encode_ping(&ping, &mut bytes);
    wire.input(3, Input::Datagram { from: addr(0), bytes: &bytes });
    assert_eq!(wire.datagrams, before + 1);
}

#[test]
fn joins_under_way_end_with_a_leave() {
    let mut wire = Wire::new(Options::lan(), 1);
    let nobody = SocketAddr::from(([10, 0, 0, 77], 7946));
    wire.command(0, Command::Join { seeds: vec![nobody, nobody], replay_events: true });
    wire.command(0, Command::Leave);
    wire.run(seconds(30));
    assert_eq!(wire.results(), [Err(OpError::NotAlive), Ok(Reply::Left)]);
}

#[test]
fn members_are_reported_before_the_join_that_found_them() {
    let mut wire = Wire::new(Options::lan(), 2);
    wire.join(1, &[0]);
    while wire.done.is_empty() {
        let next = wire.in_flight.first_key_value().map(|(&(at, _), _)| at);
        wire.now = next.expect("the join is under way");
        let (_, (to, delivery)) = wire.in_flight.pop_first().expect("looked at it");
        wire.hand_over(to, delivery);
    }
    let other = wire.pool.find("n0").expect("known");
    let told = |what: &Told| matches!(what, Told::Event(1, event) if is_about(event, MemberEventKind::Join, other));
    assert!(
        wire.order.iter().position(told)
            < wire.order.iter().position(|what| *what == Told::Done(1))
    );
}

#[test]
fn a_full_pool_still_lets_known_members_refute() {
    let mut wire = Wire::new(Options { members_max: 3, ..Options::lan() }, 3);
    for index in 1..3 {
        wire.join(index, &[0]);
    }
    wire.run(seconds(5));
    for name in 0..20 {
        wire.pool.intern(&format!("gone{name}"));
    }
    let mut bytes = Vec::new();
    let from = "n0";
    let suspect = crate::msg::swim::Suspect { incarnation: 1, node: "n2", from };
    crate::wire::swim::encode_suspect(&suspect, &mut bytes);
    wire.input(1, Input::Datagram { from: addr(0), bytes: &bytes });
    assert_eq!(wire.sees(1, 2), Some(MemberState::Suspect));
    wire.run(seconds(3));
    assert_eq!(wire.sees(1, 2), Some(MemberState::Alive), "the refutation was accepted");
}

#[test]
fn the_first_push_pull_waits_for_a_period_of_the_grown_table() {
    let mut wire = Wire::new(Options::lan(), 1);
    let filler = |index: usize| format!("filler{index}");
    for index in 0..40 {
        let addr = [10, 0, 1, u8::try_from(index).expect("few")];
        let name = filler(index);
        let alive = crate::msg::swim::Alive {
            incarnation: 1,
            node: &name,
            addr: Some(&addr),
            port: 7946,
            meta: None,
            vsn: Some(&[1, 5, 2, 2, 5, 5]),
        };
        let mut bytes = Vec::new();
        crate::wire::swim::encode_alive(&alive, &mut bytes);
        wire.input(
            0,
            Input::Datagram { from: SocketAddr::from(([10, 0, 0, 9], 7946)), bytes: &bytes },
        );
    }
    wire.run(seconds(31));
    let (at, _) = wire.node(0).timers.next_of(TimerKind::PushPull).expect("armed");
    // Up to 30 s of stagger, then the period of 30 s doubled by 41 members.
    assert!((60 * SECOND..=90 * SECOND).contains(&at.as_nanos()), "{at:?}");
}

#[test]
fn leaving_alone_takes_only_the_last_wait() {
    let mut wire = Wire::new(Options::lan(), 1);
    wire.command(0, Command::Leave);
    wire.command(0, Command::Leave);
    wire.command(0, Command::Join { seeds: vec![addr(0)], replay_events: true });
    let refused = [Err(OpError::LeaveInProgress), Err(OpError::NotAlive)];
    assert_eq!(wire.results(), refused);
    // Only the last wait is left.
    wire.run(Options::lan().leave_propagate_delay);
    wire.command(0, Command::Leave);
    assert_eq!(wire.results()[2..], [Ok(Reply::Left), Ok(Reply::Left)]);
}

#[test]
fn a_user_event_reaches_everybody_once() {
    let mut wire = cluster(Options::lan(), 8);
    let payload = Bytes::from_static(b"v1.2.3");
    wire.command(2, Command::UserEvent { name: "deploy".into(), payload, coalesce: false });
    wire.run(seconds(5));
    assert!((0..8).all(|node| wire.user_events(node) == 1));
    assert_eq!(wire.last_result(), Ok(Reply::EventSent { ltime: 1 }));
}

#[test]
fn a_late_joiner_gets_old_events_only_if_it_wants_them() {
    for (replay_events, expected) in [(true, 1), (false, 0)] {
        let mut wire = cluster(Options::lan(), 3);
        wire.command(
            0,
            Command::UserEvent { name: "old".into(), payload: Bytes::new(), coalesce: false },
        );
        wire.run(seconds(60));
        wire.nodes.push(None);
        wire.start(3, 1);
        wire.command(3, Command::Join { seeds: vec![addr(0)], replay_events });
        wire.run(seconds(1));
        assert_eq!(wire.user_events(3), expected, "replay_events = {replay_events}");
    }
}

#[test]
fn a_join_without_an_answer_says_what_went_wrong_with_each_seed() {
    let mut wire = Wire::new(Options::lan(), 1);
    let nobody = SocketAddr::from(([10, 0, 0, 77], 7946));
    let seeds = vec![nobody, nobody];
    wire.command(0, Command::Join { seeds, replay_events: true });
    wire.command(0, Command::Join { seeds: Vec::new(), replay_events: true });
    wire.run(seconds(30));
    let refused = JoinFailure::Stream(StreamFailure::Refused);
    let failures = vec![(nobody, refused.clone()), (nobody, refused)];
    let failed = [Err(OpError::NoSeeds), Err(OpError::JoinFailed { failures })];
    assert_eq!(wire.results(), failed);
}

#[test]
fn new_tags_spread_as_an_update() {
    let mut wire = cluster(Options::lan(), 4);
    wire.command(1, Command::SetTags([("role", "web")].into_iter().collect()));
    let waiting = wire.done.len();
    wire.run(seconds(3));
    assert_eq!(wire.done[waiting..], [(1, OpId(wire.commands), Ok(Reply::TagsSet))]);
    for observer in 0..4 {
        assert!(wire.heard(observer, MemberEventKind::Update, 1), "n{observer} hears of it");
        let view = wire.node(observer).members(&wire.pool).nth(1).expect("n1");
        assert_eq!(tags::decode(&view.profile.meta).get("role"), Some("web"));
    }
    let long = "x".repeat(506);
    wire.command(1, Command::SetTags([("k", &long)].into_iter().collect()));
    let error = OpError::TagsTooLarge { size: 513, limit: 512 };
    assert_eq!(wire.last_result(), Err(error));
    let view = wire.node(1).members(&wire.pool).nth(1).expect("n1");
    assert_eq!(tags::decode(&view.profile.meta).get("role"), Some("web"), "unchanged");
}

#[test]
fn an_idle_pair_only_probes() {
    let mut wire = cluster(Options::lan(), 2);
    wire.run(seconds(20));
    let before = wire.datagrams;
    wire.run(seconds(10));
    // In a ring of two a wrap and the own record use up two looks, so at most one ping and ack per second and node.
    let sent = wire.datagrams - before;
    assert!((10..=40).contains(&sent), "{sent} datagrams in ten seconds");
}

#[test]
fn a_long_sleep_is_survived() {
    let mut wire = cluster(Options::lan(), 4);
    wire.now = wire.now + Duration::from_secs(3_600);
    wire.run(seconds(60));
    for subject in 0..4 {
        assert!(wire.everybody_sees(subject, MemberState::Alive), "n{subject}");
    }
}

#[test]
fn early_and_repeated_timeouts_change_nothing() {
    let mut wire = cluster(Options::lan(), 2);
    let deadline = wire.node(0).deadline();
    let sent = wire.datagrams;
    wire.input(0, Input::Timeout);
    wire.input(0, Input::Timeout);
    assert_eq!((wire.node(0).deadline(), wire.datagrams), (deadline, sent));
}

#[test]
fn a_ping_for_another_name_is_counted_and_not_answered() {
    let mut wire = Wire::new(Options::lan(), 1);
    let mut bytes = Vec::new();
    let ping = crate::msg::swim::Ping { seq_no: 1, node: "zz", ..Default::default() };
    crate::wire::swim::encode_ping(&ping, &mut bytes);
    wire.input(0, Input::Datagram { from: addr(1), bytes: &bytes });
    assert_eq!(wire.datagrams, 0);
    assert_eq!(wire.node(0).stats().dropped(DropReason::WrongName), 1);
}

#[test]
fn the_same_seed_gives_the_same_life() {
    let life = || {
        let mut wire = cluster(Options::lan(), 5);
        wire.crash(2);
        wire.run(Duration::from_nanos(40 * SECOND));
        (wire.datagrams, wire.traces, wire.events)
    };
    assert_eq!(life(), life());
}

#[test]
fn probes_teach_distances() {
    let mut wire = cluster(Options::lan(), 3);
    wire.run(seconds(60));
    let id = |wire: &Wire, index: usize| wire.pool.find(&format!("n{index}")).expect("known");
    let (own, one, other) = (id(&wire, 0), id(&wire, 1), id(&wire, 2));
    let node = wire.node(0);
    for (from, to) in [(own, one), (one, other)] {
        let rtt = node.rtt(from, to).expect("both were probed");
        assert!((1_000_000..3_000_000).contains(&rtt), "{rtt} ns on a wire of 2 ms there and back");
    }
    assert!(node.stats().coordinate_updates > 10);
    let mut silent = cluster(Options { coordinates: false, ..Options::lan() }, 2);
    silent.run(seconds(20));
    assert_eq!(silent.node(0).rtt(id(&silent, 0), id(&silent, 1)), None);
}
