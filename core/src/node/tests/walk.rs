//! Random walks of one node: whatever arrives in whatever order, what a node promises holds.

use std::collections::BTreeSet;

use super::attacks::{encoded, user};
use super::hostile::Victim;
use super::*;
use crate::command::{KeyOp, QueryParams};
use crate::msg::serf::{JoinIntent, LeaveIntent, QueryMessage, QueryResponse, UserEventMessage};
use crate::msg::swim::{Alive, Dead, PushPullHeader, Suspect};
use crate::wire::serf as serf_wire;
use crate::wire::swim as swim_wire;

const WALKS: u64 = 300;
const STEPS: u32 = 400;

/// The walking node is `n`.
const NAMES: [&str; 7] = ["n", "a", "b", "c", "d", "e", "f"];

const QUERIES: [&str; 7] = [
    "q",
    "_serf_conflict",
    "_serf_install-key",
    "_serf_use-key",
    "_serf_remove-key",
    "_serf_list-keys",
    "_serf_ping",
];

/// Lamport times at the edges of what is believed.
const EXTREME_LTIMES: [u64; 5] = [1 << 33, (1 << 55) - 1, (1 << 56) - 1, 1 << 56, u64::MAX];

struct Walk {
    rng: Rng,
    /// Number of the walk and of the step, for messages.
    at: (u64, u32),
    now: Instant,
    victim: Victim,
    asked: u64,
    unanswered: BTreeSet<OpId>,
    /// Queries the application may answer.
    queries: Vec<QueryId>,
    dialed: Vec<StreamId>,
    accepted: u64,
    /// Old profiles are forgotten after every input.
    forgets: bool,
    /// It lost a vote about its name.
    shut_down: bool,
    /// It was shut down or stopped.
    silent: bool,
}

impl Walk {
    fn new(number: u64) -> Self {
        let mut rng = Rng::from_seed_stream([7; 32], number);
        let victim = Victim::with(options(&mut rng));
        Self {
            rng,
            at: (number, 0),
            now: Instant::ZERO,
            victim,
            asked: 0,
            unanswered: BTreeSet::new(),
            queries: Vec::new(),
            dialed: Vec::new(),
            accepted: 0,
            forgets: number % 2 == 1,
            shut_down: false,
            silent: false,
        }
    }

    /// Walks until the application stops the node, and a little further.
    fn run(&mut self) {
        for step in 0..STEPS {
            self.at.1 = step;
            self.step();
        }
        let mut cx = Cx { now: self.now, pool: &mut self.victim.pool, out: &mut self.victim.out };
        self.victim.node.stop(&mut cx);
        self.drain();
        assert!(self.unanswered.is_empty(), "{:?}: {:?}", self.at, self.unanswered);
        self.silent = true;
        for _ in 0..20 {
            self.step();
        }
    }

    fn step(&mut self) {
        if self.rng.index(3) == 0 {
            self.now = self.now.plus_nanos(self.rng.below(2_000) * MILLISECOND);
        }
        match self.rng.index(26) {
            0..=7 => self.intent(),
            8..=10 => self.alive(),
            11..=13 => self.dead_or_suspect(),
            14 => self.user_event(),
            15 => self.query(),
            16 => self.query_response(),
            17..=20 => self.command(),
            21 => self.push_pull(),
            22 => self.dial_result(),
            _ => self.timeout(),
        }
        self.check_members();
    }

    fn input(&mut self, input: Input<'_>) {
        self.victim.input_at(self.now, input);
        self.drain();
        if self.forgets {
            self.victim.node.forget_old_profiles(&mut self.victim.pool);
        }
    }

    fn datagram(&mut self, bytes: &[u8]) {
        self.input(Input::Datagram { from: addr(2), bytes });
    }

    fn drain(&mut self) {
        while let Some(output) = self.victim.out.pop() {
            if let Output::Done { op, result } = output {
                assert!(self.unanswered.remove(&op), "{:?}: {op:?} is answered twice", self.at);
                assert!(!self.silent || result == Err(OpError::ShutDown), "{:?}", self.at);
                continue;
            }
            assert!(!self.silent, "{:?}: {output:?} after the end", self.at);
            match output {
                Output::Event(Event::ShutDown(_)) => {
                    assert!(self.unanswered.is_empty(), "{:?}: {:?}", self.at, self.unanswered);
                    (self.shut_down, self.silent) = (true, true);
                }
                Output::Event(Event::Query(query)) => self.queries.push(query.id),
                Output::Event(Event::Members(event)) => {
                    for member in event.members {
                        let owner = self.victim.pool.profile(member.profile).node;
                        assert_eq!(owner, member.node, "{:?}: somebody else's profile", self.at);
                    }
                }
                Output::Event(Event::KeyringChanged { answers: Some(query), .. }) => {
                    self.queries.push(query);
                }
                Output::Stream { id, action: StreamAction::Dial { .. } } => self.dialed.push(id),
                Output::Event(_)
                | Output::Stream { .. }
                | Output::Datagram { .. }
                | Output::Done { .. }
                | Output::Persist(_)
                | Output::Trace(_) => {}
            }
        }
    }

    /// What the lists and counters say is what the records say, and SWIM and Serf agree on who is up.
    fn check_members(&self) {
        let (node, at) = (&self.victim.node, self.at);
        let records: Vec<_> = node.swim.records().collect();
        let count = |status| records.iter().filter(|(_, record)| record.status == status).count();
        for status in
            [MemberStatus::Alive, MemberStatus::Leaving, MemberStatus::Left, MemberStatus::Failed]
        {
            assert_eq!(node.swim.status_count(status), count(status), "{at:?}: {status:?}");
        }
        let info = node.info();
        assert_eq!(info.members, records.len(), "{at:?}");
        assert_eq!(info.failed, count(MemberStatus::Failed), "{at:?}");
        assert_eq!(info.left, count(MemberStatus::Left), "{at:?}");
        let left = records.iter().filter(|(_, record)| record.status == MemberStatus::Left);
        assert!(node.serf.departed.left().eq(left.map(|(id, _)| *id)), "{at:?}");
        for (id, record) in &records {
            let owner = self.victim.pool.profile(record.profile).node;
            assert_eq!(owner, *id, "{at:?}: somebody else's profile");
            let state = node.member_state(*id);
            let up = state.is_some_and(|state| state <= MemberState::Suspect);
            let shown_up = matches!(record.status, MemberStatus::Alive | MemberStatus::Leaving);
            assert_eq!(up, shown_up, "{at:?}: {state:?} {record:?}");
        }
    }

    fn name(&mut self) -> &'static str {
        self.pick(&NAMES)
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.index(from.len())]
    }

    fn flip(&mut self) -> bool {
        self.rng.index(2) == 0
    }

    fn small<T: TryFrom<u64>>(&mut self, bound: u64) -> T {
        T::try_from(self.rng.below(bound)).ok().expect("a small bound")
    }

    fn ltime(&mut self) -> u64 {
        if self.rng.index(20) == 0 { self.pick(&EXTREME_LTIMES) } else { self.rng.below(60) }
    }

    fn intent(&mut self) {
        let (ltime, node, prune) = (self.ltime(), self.name(), self.flip());
        let message = if self.flip() {
            user(|out| serf_wire::encode_join_intent(&JoinIntent { ltime, node }, out))
        } else {
            user(|out| serf_wire::encode_leave_intent(&LeaveIntent { ltime, node, prune }, out))
        };
        self.datagram(&message);
    }

    fn alive(&mut self) {
        let node = self.name();
        let own = if node == "n" { 1 } else { 2 + node.as_bytes()[0] % 7 };
        // Now and then somebody else claims the name.
        let host = if self.rng.index(10) == 0 { 9 } else { own };
        let meta = [self.small(3)];
        let alive = Alive {
            incarnation: self.small(30),
            node,
            addr: Some(&[10, 0, 0, host]),
            port: 7946,
            meta: Some(&meta),
            vsn: Some(&[1, 5, 2, 2, 5, 5]),
        };
        self.datagram(&encoded(|out| swim_wire::encode_alive(&alive, out)));
    }

    fn dead_or_suspect(&mut self) {
        let (node, accuser, incarnation) = (self.name(), self.name(), self.small(30));
        let message = match self.rng.index(3) {
            0 => encoded(|out| {
                swim_wire::encode_suspect(&Suspect { incarnation, node, from: accuser }, out);
            }),
            other => {
                // Who says so of itself has left.
                let from = if other == 1 { node } else { accuser };
                encoded(|out| swim_wire::encode_dead(&Dead { incarnation, node, from }, out))
            }
        };
        self.datagram(&message);
    }

    fn user_event(&mut self) {
        let (ltime, name, coalesce) = (self.ltime(), self.name(), self.flip());
        let event = UserEventMessage { ltime, name, payload: None, coalesce };
        self.datagram(&user(|out| serf_wire::encode_user_event(&event, out)));
    }

    fn query(&mut self) {
        let key = [self.small::<u8>(3) + 6; 32];
        let payload = encoded(|out| serf_wire::encode_key_request(&key, out));
        let query = QueryMessage {
            ltime: self.ltime(),
            id: self.small(9),
            addr: &[10, 0, 0, 3],
            port: 7946,
            source_node: "a",
            filters: Vec::new(),
            flags: self.small(4),
            relay_factor: self.small(5),
            timeout: self.pick(&[i64::MIN, -1, 0, 1_000_000_000, i64::MAX]),
            name: self.pick(&QUERIES),
            payload: Some(&payload),
        };
        self.datagram(&user(|out| serf_wire::encode_query(&query, out)));
    }

    /// An ack or answer to one of the last own queries, or nearly so: its number is guessed.
    fn query_response(&mut self) {
        let time = self.victim.node.info().query_time;
        let ltime = time.saturating_sub(1 + self.rng.below(2));
        let (from, flags) = (self.name(), self.small(2));
        let response = QueryResponse { ltime, id: 0, from, flags, payload: None };
        self.datagram(&user(|out| serf_wire::encode_query_response(&response, out)));
    }

    fn command(&mut self) {
        let command = self.any_command();
        self.asked += 1;
        let op = OpId(self.asked);
        self.unanswered.insert(op);
        self.input(Input::Command { op, command });
    }

    fn any_command(&mut self) -> Command {
        let (name, flip) = (self.name(), self.flip());
        match self.rng.index(12) {
            0..=2 => Command::ForceLeave { name: name.into(), prune: flip },
            3..=5 => Command::Join { seeds: vec![addr(2), addr(3)], replay_events: flip },
            6 => Command::SetTags([("role", name)].into_iter().collect()),
            7 => Command::UserEvent { name: name.into(), payload: Bytes::new(), coalesce: flip },
            8 => Command::Query(QueryParams {
                name: "q".into(),
                ack: flip,
                relay_factor: 2,
                ..QueryParams::default()
            }),
            9 => {
                let install = KeyOp::Install(Bytes::from_static(&[6; 32]));
                Command::Keys { op: if flip { KeyOp::List } else { install }, relay_factor: 1 }
            }
            10 => {
                let query = self.queries.last().copied().unwrap_or(QueryId { ltime: 1, id: 1 });
                if flip {
                    Command::Respond { query, payload: Bytes::new() }
                } else {
                    Command::KeyringStored { query, error: None }
                }
            }
            // Late, for a node that left does little.
            _ if self.at.1 > STEPS / 2 => Command::Leave,
            _ => Command::Respond { query: QueryId { ltime: 1, id: 1 }, payload: Bytes::new() },
        }
    }

    fn push_pull(&mut self) {
        if self.flip() {
            let state = self.forged_state();
            self.accept(&state);
            return;
        }
        // The own state comes back: the peer knows the same.
        let join = self.flip();
        let (mut scratch, mut state) = (Vec::new(), Vec::new());
        let Victim { node, pool, .. } = &mut self.victim;
        node.encode_state(join, pool, &mut scratch, &mut state);
        let before: Vec<_> = node.swim.records().collect();
        self.accept(&state);
        // Who is named as left is told so once more, with a later time.
        let node = &self.victim.node;
        if node.info().left == 0 {
            assert!(node.swim.records().eq(before), "{:?}: an echo changes nothing", self.at);
        }
    }

    fn forged_state(&mut self) -> Vec<u8> {
        let (slot, left) = (self.rng.below(9), self.name());
        let (event_clock, member_clock, query_clock) = (self.ltime(), self.ltime(), self.ltime());
        let statuses = [(self.name(), self.ltime()), (self.name(), self.ltime())];
        let state = encoded(|out| {
            let mut encoder = serf_wire::StateEncoder::start(out, event_clock, 1);
            encoder.slot(slot, 1, [("e", None)]);
            encoder.member_clock(member_clock);
            encoder.left_members(1, [left]);
            encoder.query_clock(query_clock);
            encoder.status_ltimes(2, statuses);
        });
        let user_state_bytes = u32::try_from(state.len()).expect("short");
        let header = PushPullHeader { nodes: 0, user_state_bytes, join: self.flip() };
        let mut message = encoded(|out| swim_wire::encode_push_pull_header(&header, out));
        message.extend(state);
        message
    }

    /// A peer opens a stream, sends `bytes` and no more.
    fn accept(&mut self, bytes: &[u8]) {
        let id = StreamId(self.accepted * 2 + 1);
        self.accepted += 1;
        let opened = StreamInput::Accepted { from: addr(2) };
        for event in [opened, StreamInput::Data(bytes), StreamInput::Finished] {
            self.input(Input::Stream { id, event });
        }
    }

    fn dial_result(&mut self) {
        let Some(id) = self.dialed.pop() else { return };
        let event = if self.flip() {
            StreamInput::Connected
        } else {
            StreamInput::Failed(StreamFailure::Refused)
        };
        self.input(Input::Stream { id, event });
    }

    /// Too early, in time, or late. Nothing that was due stays due.
    fn timeout(&mut self) {
        if let Some((due, _)) = self.victim.node.deadline()
            && self.rng.index(4) > 0
        {
            self.now = self.now.max(due);
        }
        self.input(Input::Timeout);
        if let Some((due, kind)) = self.victim.node.deadline() {
            assert!(due > self.now, "{:?}: {kind:?} stays due", self.at);
        }
    }
}

/// Short times, small buffers: everything expires and overflows within a walk.
fn options(rng: &mut Rng) -> Options {
    let mut options = Options {
        snapshot: rng.index(2) == 0,
        trace: true,
        keyring_file: rng.index(2) == 0,
        reconnect_timeout: seconds(20),
        tombstone_timeout: seconds(10),
        recent_intent_timeout: seconds(20),
        members_max: 4,
        gossip_to_the_dead: seconds(rng.below(3)),
        queue_depth_max: 1 + rng.index(20),
        event_buffer: 4,
        query_buffer: 4,
        verify_incoming: false,
        ..Options::lan()
    };
    if rng.index(2) == 0 {
        options.keyring = Keyring::with_primary(Key::new(&[7; 32]).expect("32 bytes"));
    }
    if rng.index(2) == 0 {
        options.coalesce_period = seconds(3);
        options.quiescent_period = seconds(1);
        options.user_coalesce_period = seconds(3);
        options.user_quiescent_period = seconds(1);
    }
    options
}

#[test]
fn random_walks() {
    let mut reached = [0; 9];
    for number in 0..WALKS {
        let mut walk = Walk::new(number);
        walk.run();
        let stats = walk.victim.node.stats();
        let counts = [
            stats.member_joins,
            stats.member_leaves,
            stats.member_failures,
            stats.member_reaps,
            stats.intents_refuted,
            stats.queries_delivered,
            stats.conflict_votes,
            stats.push_pulls,
            u64::from(walk.shut_down),
        ];
        for (sum, count) in reached.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    assert!(reached.iter().all(|count| *count > 0), "every corner is visited: {reached:?}");
}
