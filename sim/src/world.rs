//! The world: one loop that moves virtual time from event to event and hands every node its inputs.
//!
//! A run depends on the scenario and the seed and on nothing else. The world owns one [`Pool`] and one [`Outbox`] for
//! all nodes; after each input it drains the outbox, hashes every effect and reads the node's next deadline.

use std::collections::BTreeMap;

use uwasa_core::command::{Command, OpError, Reply};
use uwasa_core::event::{Event, ShutDownReason};
use uwasa_core::io::{Cx, Input, OpId, Outbox, Output, StreamInput};
use uwasa_core::node::Node;
use uwasa_core::pool::Pool;
use uwasa_core::rng::Rng;
use uwasa_core::time::Instant;

use crate::anomaly::Held;
use crate::check::Invariants;
use crate::clock::Clock;
use crate::digest::Digest;
use crate::expect::{Checks, Scene};
use crate::fact::{self, Arrived, Fact, Moment, Refusal, Watchers};
use crate::history::{Document, History};
use crate::host::{Alarm, Host, clocks};
use crate::metrics::{SeedResult, Totals};
use crate::net::{Fabric, Happening, Power, Sending};
use crate::oracle::Oracle;
use crate::papers::Tally;
use crate::process::add_stats;
use crate::scenario::{Nanos, NodeIndex, Scenario, Start};
use crate::streams::{Delivered, Delivery, Step, Streams};
use crate::workload::{Operation, OperationKind};

/// Streams of the world generator by purpose; node and link streams lie above.
const FAULT_STREAM: u64 = 1;
const WORKLOAD_STREAM: u64 = 2;
const SAMPLE_STREAM: u64 = 3;
/// How often `run` reports progress.
const PROGRESS_STEPS: u64 = 200;

/// Runs `scenario` with `seed` to its end. `progress` hears the virtual time now and then.
pub fn run(scenario: &Scenario, seed: u64, progress: &mut dyn FnMut(Nanos)) -> SeedResult {
    run_recorded(scenario, seed, None, progress).0
}

/// The same; `history` listens too and is handed back as a document.
pub fn run_recorded(
    scenario: &Scenario,
    seed: u64,
    history: Option<History>,
    progress: &mut dyn FnMut(Nanos),
) -> (SeedResult, Option<Document>) {
    let invariants = Some(Invariants::all(scenario));
    let watchers = Watchers { invariants, history, tally: None };
    let mut world = World::watched(scenario, seed, watchers);
    let step = (scenario.duration / PROGRESS_STEPS).max(1);
    let mut until = 0;
    while until < scenario.duration {
        until = until.saturating_add(step).min(scenario.duration);
        world.run_until(until);
        progress(until);
    }
    let history = world.watchers.history.take();
    let result = world.finish();
    let document = history.map(|it| it.document(scenario, seed, result.trace_hash));
    (result, document)
}

/// The world as those who listen may see it, while the rest of it is borrowed.
macro_rules! scene {
    ($world:expr) => {
        fact::Scene {
            scenario: $world.scenario,
            nodes: &$world.nodes,
            pool: &$world.pool,
            fabric: &$world.fabric,
        }
    };
}

/// One seed of a scenario, in motion.
#[derive(Debug)]
pub struct World<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) seed: u64,
    pub(crate) key: [u8; 32],
    pub(crate) pool: Pool,
    pub(crate) outbox: Outbox,
    pub(crate) nodes: Vec<Option<Node>>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) alarms: Vec<Alarm>,
    /// The clock of each host; empty if all of them show virtual time for the whole run.
    pub(crate) clocks: Vec<Clock>,
    pub(crate) fabric: Fabric,
    pub(crate) streams: Streams,
    pub(crate) oracle: Oracle,
    pub(crate) checks: Checks,
    pub(crate) fault_rng: Rng,
    pub(crate) workload_rng: Rng,
    /// Commands under way, by their number.
    pub(crate) operations: BTreeMap<u64, Operation>,
    pub(crate) next_operation: u64,
    /// Commands that were answered in the current input.
    answers: Vec<(OpId, Result<Reply, OpError>)>,
    /// What the application of the current node asks for in return.
    pub(crate) requests: Vec<(OperationKind, Command)>,
    /// Why the current node has shut itself down.
    shut_down: Option<ShutDownReason>,
    /// Answers that nodes refused to send.
    pub(crate) refused_answers: u32,
    pub(crate) notes: Vec<String>,
    digest: Digest,
    watchers: Watchers,
}

impl<'a> World<'a> {
    /// The world at time zero. A warm start builds every node here; a cold one plans their boots.
    #[must_use]
    pub fn new(scenario: &'a Scenario, seed: u64) -> Self {
        Self::watched(scenario, seed, Watchers::default())
    }

    /// The same, with somebody who listens from the first moment on.
    #[must_use]
    pub fn watched(scenario: &'a Scenario, seed: u64, watchers: Watchers) -> Self {
        let key = world_key(seed);
        let mut pool = Pool::new(Rng::from_seed_stream(key, 0).next_u64());
        // Interned in order, so that a node's id is its index.
        for spec in scenario.members() {
            pool.intern(&spec.name);
        }
        let count = scenario.nodes.len();
        let boots = match scenario.start {
            Start::Cold { .. } => scenario.members().len(),
            Start::Warm => 0,
        };
        let mut world = Self {
            scenario,
            seed,
            key,
            pool,
            outbox: Outbox::new(),
            nodes: std::iter::repeat_with(|| None).take(count).collect(),
            hosts: Host::all(scenario),
            alarms: vec![Alarm::OFF; count],
            clocks: clocks(scenario),
            fabric: Fabric::new(scenario, key),
            streams: Streams::new(count),
            oracle: Oracle::new(scenario, boots, &mut Rng::from_seed_stream(key, SAMPLE_STREAM)),
            checks: Checks::new(scenario),
            fault_rng: Rng::from_seed_stream(key, FAULT_STREAM),
            workload_rng: Rng::from_seed_stream(key, WORKLOAD_STREAM),
            operations: BTreeMap::new(),
            next_operation: 0,
            answers: Vec::new(),
            requests: Vec::new(),
            shut_down: None,
            refused_answers: 0,
            notes: Vec::new(),
            digest: Digest::new(),
            watchers,
        };
        world.plan_scenario();
        world
    }

    /// The counts of this run, if somebody asked for them; they end here.
    pub(crate) const fn take_tally(&mut self) -> Option<Tally> {
        self.watchers.tally.take()
    }

    /// Tells those who watch.
    pub(crate) fn tell(&mut self, node: NodeIndex, fact: &Fact<'_>) {
        if self.watchers.any() {
            let scene = scene!(self);
            self.watchers.hear(Moment { at: self.fabric.now, node }, fact, scene);
        }
    }

    fn plan_scenario(&mut self) {
        let scenario = self.scenario;
        match &scenario.start {
            Start::Warm => self.start_warm(),
            Start::Cold { boot, .. } => {
                for (node, &at) in (0..).zip(boot) {
                    self.fabric.queue.push(at, Happening::Boot(node));
                }
            }
        }
        for (node, spec) in (0..).zip(&scenario.nodes) {
            if let Some(claim) = spec.claim {
                self.fabric.queue.push(claim.boot, Happening::Boot(node));
            }
        }
        for (index, fault) in (0..).zip(&scenario.faults) {
            self.fabric.queue.push(fault.at, Happening::Fault(index));
            if let Some(until) = fault.until {
                self.fabric.queue.push(until, Happening::FaultEnd(index));
            }
        }
        for (index, work) in (0..).zip(&scenario.workload) {
            self.fabric.queue.push(work.at, Happening::Work(index));
        }
    }

    /// Virtual time.
    #[must_use]
    pub const fn now(&self) -> Nanos {
        self.fabric.now
    }

    /// Engine counters so far; the protocol's own are added by [`World::finish`].
    #[must_use]
    pub const fn totals(&self) -> &Totals {
        &self.fabric.totals
    }

    /// Ground truth so far.
    #[must_use]
    pub const fn oracle(&self) -> &Oracle {
        &self.oracle
    }

    /// A node, if its process runs.
    #[must_use]
    pub fn node(&self, node: NodeIndex) -> Option<&Node> {
        self.nodes.get(node as usize)?.as_ref()
    }

    /// Processes every event up to and including `until`.
    pub fn run_until(&mut self, until: Nanos) {
        while self.step(until) {}
        self.fabric.now = self.fabric.now.max(until);
    }

    /// Processes the next event, if it is due by `limit`; false: none is.
    pub fn step(&mut self, limit: Nanos) -> bool {
        let Some((at, happening)) = self.fabric.queue.pop_until(limit) else { return false };
        if at > self.oracle.coordinates.next() {
            self.oracle.sample_coordinates(at - 1, &self.nodes, &self.fabric);
        }
        if at > self.checks.next() {
            self.judge_before(at);
        }
        self.fabric.now = at;
        self.fabric.totals.engine_events += 1;
        match happening {
            Happening::Wake(node) => self.on_wake(node),
            Happening::Packet(packet) => self.on_packet(packet),
            Happening::Stream { connection, step } => self.on_stream(connection, step),
            Happening::Boot(node) => self.on_boot(node),
            Happening::Join { node, life } => self.on_join(node, life),
            Happening::Lonely { node, life } => self.on_lonely(node, life),
            Happening::Exit { node, life } => self.on_exit(node, life),
            Happening::Fault(index) => self.begin_fault(index),
            Happening::FaultEnd(index) => self.end_fault(index),
            Happening::Phase { fault, on } => self.begin_phase(fault, on),
            Happening::Ready { node, life } => self.on_ready(node, life),
            Happening::Work(index) => self.on_work(index),
        }
        true
    }

    fn judge_before(&mut self, at: Nanos) {
        let scene = Scene {
            scenario: self.scenario,
            oracle: &self.oracle,
            nodes: &self.nodes,
            pool: &self.pool,
        };
        self.checks.judge_until(at - 1, scene);
    }

    fn on_wake(&mut self, node: NodeIndex) {
        let now = self.fabric.now;
        let alarm = &mut self.alarms[node as usize];
        if alarm.wake != now {
            // A wake that was overtaken by an earlier one.
            return;
        }
        alarm.wake = Nanos::MAX;
        if alarm.due > now {
            // The deadline has moved since: an ack came, say.
            if alarm.due < Nanos::MAX {
                alarm.wake = alarm.due;
                self.fabric.queue.push(alarm.due, Happening::Wake(node));
            }
        } else if self.fabric.presence[node as usize].power == Power::Up {
            self.on_deadline(node);
        }
    }

    fn on_packet(&mut self, packet: u32) {
        let (to, bytes, departed) = {
            let packet = self.fabric.packets.get(packet);
            (packet.to, packet.bytes.len(), packet.departed())
        };
        if !departed {
            self.refuse(packet, Refusal::Cut);
            return;
        }
        let presence = self.fabric.presence[to as usize];
        match presence.power {
            Power::Up if presence.takes_input() => self.feed_packet(packet),
            Power::Up | Power::Paused => {
                let limit = self.scenario.network.receive_buffer;
                if !self.hosts[to as usize].backlog.push_packet(packet, bytes, limit) {
                    self.refuse(packet, Refusal::Full);
                } else if presence.slow {
                    self.work(to);
                }
            }
            Power::Off | Power::Down => self.refuse(packet, Refusal::Down),
        }
    }

    /// A datagram arrives and is not taken.
    pub(crate) fn refuse(&mut self, index: u32, why: Refusal) {
        let totals = &mut self.fabric.totals;
        match why {
            Refusal::Full => totals.datagrams_overflowed += 1,
            Refusal::Cut | Refusal::Down => totals.datagrams_unreachable += 1,
        }
        let packet = self.fabric.packets.get(index);
        let (serial, from, to) = (packet.serial, packet.from, packet.to);
        self.tell(to, &Fact::Dropped { serial, from, why });
        self.fabric.packets.release(index);
    }

    /// Hands a datagram to its receiver, borrowing the bytes where they lie.
    pub(crate) fn feed_packet(&mut self, index: u32) {
        self.fabric.totals.datagrams_delivered += 1;
        let packet = self.fabric.packets.get(index);
        let (to, from) = (packet.to, self.fabric.topology.addr(packet.from));
        let arrived = Arrived::Datagram {
            from: packet.from,
            serial: packet.serial,
            sent_at: packet.sent_at,
            damaged: packet.damaged,
            replayed: packet.replayed,
        };
        self.tell(to, &Fact::Input(arrived));
        let now = self.local_now(to);
        let packet = self.fabric.packets.get(index);
        if let Some(node) = self.nodes[to as usize].as_mut() {
            let mut cx = Cx { now, pool: &mut self.pool, out: &mut self.outbox };
            node.handle(Input::Datagram { from, bytes: &packet.bytes }, &mut cx);
        }
        self.fabric.packets.release(index);
        self.after_input(to);
    }

    fn on_stream(&mut self, connection: u32, step: Step) {
        let Some(delivery) = self.streams.step(connection, step, &mut self.fabric) else { return };
        let presence = self.fabric.presence[delivery.node as usize];
        if presence.is_up() && !presence.takes_input() {
            let node = delivery.node;
            self.hosts[node as usize].backlog.push(crate::net::Waiting::Stream(delivery));
            self.work(node);
        } else {
            self.feed_stream(delivery);
        }
    }

    /// Hands progress on a stream to its node.
    pub(crate) fn feed_stream(&mut self, delivery: Delivery) {
        let Delivery { node, id, what } = delivery;
        let mut buffer = Vec::new();
        let event = match what {
            Delivered::Accepted(from) => StreamInput::Accepted { from },
            Delivered::Connected => StreamInput::Connected,
            Delivered::Data(bytes) => {
                buffer = bytes;
                StreamInput::Data(&buffer)
            }
            Delivered::Finished => StreamInput::Finished,
            Delivered::Failed(failure) => StreamInput::Failed(failure),
        };
        self.feed(node, Input::Stream { id, event });
        if buffer.capacity() > 0 {
            self.streams.recycle(buffer);
        }
    }

    /// Hands a command to its node.
    pub(crate) fn feed_command(&mut self, node: NodeIndex, op: u64, command: Command) {
        self.feed(node, Input::Command { op: OpId(op), command });
    }

    /// Hands any input to a node and carries out what it answers.
    pub(crate) fn feed(&mut self, node: NodeIndex, input: Input<'_>) {
        if self.watchers.any() && self.nodes[node as usize].is_some() {
            let arrived = match &input {
                Input::Timeout => Arrived::Timeout,
                Input::Stream { id, .. } => Arrived::Stream { peer: self.streams.peer(node, *id) },
                Input::Command { op, .. } => Arrived::Command { op: op.0 },
                Input::Datagram { .. } => unreachable!("datagrams are fed where they lie"),
            };
            self.tell(node, &Fact::Input(arrived));
            if let Input::Command { op, command } = &input {
                self.tell(node, &Fact::Asked { op: op.0, command });
            }
        }
        let now = self.local_now(node);
        if let Some(state) = self.nodes[node as usize].as_mut() {
            state.handle(input, &mut Cx { now, pool: &mut self.pool, out: &mut self.outbox });
            self.after_input(node);
        }
    }

    pub(crate) fn after_input(&mut self, node: NodeIndex) {
        self.drain(node);
        if let Some(reason) = self.shut_down.take() {
            self.on_shut_down(node, reason);
        }
        self.oracle.settle(self.fabric.now);
        if !self.answers.is_empty() {
            for (op, result) in std::mem::take(&mut self.answers) {
                self.on_answer(op.0, result);
            }
        }
        if !self.requests.is_empty() {
            for (kind, command) in std::mem::take(&mut self.requests) {
                self.issue(node, kind, command);
            }
        }
        self.plan_wake(node);
    }

    /// What the clock of a host shows.
    pub(crate) fn local_now(&self, node: NodeIndex) -> Instant {
        let now = self.fabric.now;
        let clock = self.clocks.get(node as usize);
        Instant::from_nanos(clock.map_or(now, |clock| clock.local(now)))
    }

    /// Hashes and carries out every effect in the outbox.
    pub(crate) fn drain(&mut self, node: NodeIndex) {
        let now = self.fabric.now;
        let blocked = self.fabric.presence[node as usize].blocked;
        let local = self.local_now(node);
        // The application acts once everything is drained; until then its events wait.
        let mut events = Vec::new();
        while let Some(effect) = self.outbox.pop() {
            self.digest.add(now, node, &effect);
            if self.watchers.any() {
                let fact = match &effect {
                    Output::Trace(trace) => Some(Fact::Trace(trace)),
                    Output::Event(event) => Some(Fact::Event(event)),
                    Output::Done { op, result } => Some(Fact::Done { op: op.0, result }),
                    Output::Datagram { .. } | Output::Stream { .. } | Output::Persist(_) => None,
                };
                if let Some(fact) = fact {
                    let scene = scene!(self);
                    self.watchers.hear(Moment { at: now, node }, &fact, scene);
                }
            }
            match effect {
                Output::Datagram { to, bytes } if blocked => {
                    self.hosts[node as usize].held.push(Held::datagram(to, bytes));
                }
                Output::Stream { id, action } if blocked => {
                    self.hosts[node as usize].held.push(Held::stream(id, &action));
                }
                Output::Datagram { to, bytes } => {
                    self.oracle.bytes.add(now, bytes.len());
                    let Sending { to, fate, damage } = self.fabric.send_datagram(node, to, bytes);
                    if self.watchers.any() {
                        let serial = self.fabric.totals.datagrams_sent;
                        let scene = scene!(self);
                        let fact = Fact::Sent { serial, to, bytes, fate, damage };
                        self.watchers.hear(Moment { at: now, node }, &fact, scene);
                    }
                }
                Output::Stream { id, action } => {
                    if let uwasa_core::io::StreamAction::Send(bytes) = &action {
                        self.oracle.bytes.add(now, bytes.len());
                    }
                    self.streams.act(node, id, &action, &mut self.fabric);
                }
                Output::Event(Event::User(event)) => {
                    if self.oracle.is_member(node) {
                        let packets = self.fabric.totals.datagrams_sent;
                        self.oracle.events.delivered(now, node, &event, packets);
                    }
                }
                Output::Event(Event::Members(_)) => {}
                Output::Event(event) => events.push(event),
                Output::Done { op, result } => self.answers.push((op, result)),
                Output::Trace(trace) => {
                    let scene = scene!(self);
                    self.oracle.trace(node, &trace, scene);
                }
                Output::Persist(record) => {
                    if let Some(disk) = &mut self.hosts[node as usize].disk {
                        disk.record(&record, local);
                    }
                }
            }
        }
        for event in events {
            self.on_event(node, event);
        }
        self.oracle.end_input();
    }

    /// The process is over: nobody is there to hear what its last commands came to, or to answer queries.
    pub(crate) fn forget_answers(&mut self) {
        for (op, _) in std::mem::take(&mut self.answers) {
            self.operations.remove(&op.0);
        }
        self.requests.clear();
    }

    /// An event that the application of a node acts on.
    fn on_event(&mut self, node: NodeIndex, event: Event) {
        match event {
            Event::Query(query) => self.on_query(node, &query),
            Event::QueryAck { op, from } => self.on_reply(op.0, &from, true),
            Event::QueryResponse { op, from, .. } => self.on_reply(op.0, &from, false),
            Event::KeyringChanged { keyring, answers } => {
                self.fabric.totals.key_changes += 1;
                self.hosts[node as usize].keyring = keyring;
                if let Some(query) = answers {
                    let command = Command::KeyringStored { query, error: None };
                    self.requests.push((OperationKind::Stored, command));
                }
            }
            Event::ShutDown(reason) => self.shut_down = Some(reason),
            Event::Members(_) | Event::User(_) => {}
        }
    }

    /// Puts a wake into the queue unless an earlier one is there already.
    pub(crate) fn plan_wake(&mut self, node: NodeIndex) {
        let deadline = self.nodes[node as usize].as_ref().and_then(Node::deadline);
        let now = self.fabric.now;
        let due = deadline.map_or(Nanos::MAX, |(at, _)| {
            let at = at.as_nanos();
            self.clocks.get(node as usize).map_or(at, |clock| clock.virtual_time(at)).max(now)
        });
        let alarm = &mut self.alarms[node as usize];
        alarm.due = due;
        if due < alarm.wake {
            alarm.wake = due;
            self.fabric.queue.push(due, Happening::Wake(node));
        }
    }

    /// Ends the run and measures.
    #[must_use]
    pub fn finish(mut self) -> SeedResult {
        for node in self.nodes.iter().flatten() {
            add_stats(&mut self.fabric.totals, node);
        }
        self.fabric.totals.queries = self.oracle.queries.asked().len() as u64;
        self.oracle.sample_coordinates(self.fabric.now, &self.nodes, &self.fabric);
        self.note_wrong_addresses();
        self.note_twins();
        self.note_queries();
        let scenario = self.scenario;
        let watched =
            fact::Scene { scenario, nodes: &self.nodes, pool: &self.pool, fabric: &self.fabric };
        let invariants = self.watchers.invariants.take();
        let invariants = invariants.map_or_else(Vec::new, |it| it.finish(self.fabric.now, watched));
        let name_of = |node: NodeIndex| scenario.nodes[node as usize].name.clone();
        let scene = Scene { scenario, oracle: &self.oracle, nodes: &self.nodes, pool: &self.pool };
        let verdicts = self.checks.finish(scene);
        SeedResult {
            seed: self.seed,
            trace_hash: self.digest.value(),
            totals: self.fabric.totals,
            events: self.oracle.events.spreads(name_of),
            queries: self.oracle.queries.spreads(scenario),
            departures: self.oracle.departures(name_of),
            converged_at: self.oracle.converged_at(),
            false_failures: self.oracle.false_failures(name_of),
            verdicts,
            invariants,
            notes: self.notes,
            convergence: self.oracle.curve.finish(),
            coordinates: self.oracle.coordinates.finish(),
            bytes_per_node: self.oracle.bytes.finish(self.fabric.now),
        }
    }

    pub(crate) fn node_count(&self) -> u32 {
        u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes")
    }
}

/// The key of every stream of one world.
fn world_key(seed: u64) -> [u8; 32] {
    let mut key = *b"........ uwasa simulated world 1";
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key
}
