//! The world: one loop that moves virtual time from event to event and hands every node its inputs.
//!
//! A run depends on the scenario and the seed and on nothing else. The world owns one [`Pool`] and one [`Outbox`] for
//! all nodes; after each input it drains the outbox, hashes every effect and reads the node's next deadline.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use uwasa_core::command::{Command, OpError, Reply};
use uwasa_core::config::Identity;
use uwasa_core::event::Event;
use uwasa_core::io::{Cx, Input, OpId, Outbox, Output, StreamInput};
use uwasa_core::node::{Node, WarmView};
use uwasa_core::pool::Pool;
use uwasa_core::rng::Rng;
use uwasa_core::time::Instant;

use crate::digest::Digest;
use crate::expect::{Checks, Scene, seconds};
use crate::metrics::{SeedResult, Totals};
use crate::net::{Backlog, Fabric, Happening, Power, Presence};
use crate::oracle::Oracle;
use crate::scenario::{Nanos, NodeIndex, Scenario, Start};
use crate::streams::{Delivered, Delivery, Step, Streams};
use crate::workload::Operation;

/// Streams of the world generator by purpose; node and link streams lie above.
const FAULT_STREAM: u64 = 1;
const WORKLOAD_STREAM: u64 = 2;
/// Number of the first node stream.
const NODE_STREAMS: u64 = 1 << 32;
/// How often `run` reports progress.
const PROGRESS_STEPS: u64 = 200;
/// Notes about one wrong address before the rest is summed up.
const ACCIDENTS_TOLD: usize = 4;

/// Runs `scenario` with `seed` to its end. `progress` hears the virtual time now and then.
pub fn run(scenario: &Scenario, seed: u64, progress: &mut dyn FnMut(Nanos)) -> SeedResult {
    let mut world = World::new(scenario, seed);
    let step = (scenario.duration / PROGRESS_STEPS).max(1);
    let mut until = 0;
    while until < scenario.duration {
        until = until.saturating_add(step).min(scenario.duration);
        world.run_until(until);
        progress(until);
    }
    world.finish()
}

/// What the world keeps about a host besides its node.
#[derive(Debug, Default)]
pub(crate) struct Host {
    /// When the latest pause of this life ends.
    pub(crate) paused_until: Nanos,
    /// The process was to exit while it was paused.
    pub(crate) exit_overdue: bool,
    /// Input that waits for a paused process.
    pub(crate) backlog: Backlog,
    /// Addresses a restarted node remembers and has not tried yet.
    pub(crate) remembered: Vec<SocketAddr>,
}

/// When a host is to be woken. Apart from the node, so that a wake which came too early stays cheap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alarm {
    /// Time of the earliest wake in the queue; [`Nanos::MAX`]: none.
    pub(crate) wake: Nanos,
    /// The node's deadline after its last input; [`Nanos::MAX`]: none.
    pub(crate) due: Nanos,
}

impl Alarm {
    pub(crate) const OFF: Self = Self { wake: Nanos::MAX, due: Nanos::MAX };
}

/// One seed of a scenario, in motion.
#[derive(Debug)]
pub struct World<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) seed: u64,
    pub(crate) key: [u8; 32],
    pub(crate) pool: Pool,
    outbox: Outbox,
    pub(crate) nodes: Vec<Option<Node>>,
    pub(crate) hosts: Vec<Host>,
    pub(crate) alarms: Vec<Alarm>,
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
    pub(crate) notes: Vec<String>,
    digest: Digest,
}

impl<'a> World<'a> {
    /// The world at time zero. A warm start builds every node here; a cold one plans their boots.
    #[must_use]
    pub fn new(scenario: &'a Scenario, seed: u64) -> Self {
        let key = world_key(seed);
        let mut pool = Pool::new(Rng::from_seed_stream(key, 0).next_u64());
        // Interned in order, so that a node's id is its index.
        for spec in &scenario.nodes {
            pool.intern(&spec.name);
        }
        let count = scenario.nodes.len();
        let boots = if matches!(scenario.start, Start::Cold { .. }) { count } else { 0 };
        let mut world = Self {
            scenario,
            seed,
            key,
            pool,
            outbox: Outbox::new(),
            nodes: std::iter::repeat_with(|| None).take(count).collect(),
            hosts: std::iter::repeat_with(Host::default).take(count).collect(),
            alarms: vec![Alarm::OFF; count],
            fabric: Fabric::new(scenario, key),
            streams: Streams::new(count),
            oracle: Oracle::new(scenario, boots),
            checks: Checks::new(scenario),
            fault_rng: Rng::from_seed_stream(key, FAULT_STREAM),
            workload_rng: Rng::from_seed_stream(key, WORKLOAD_STREAM),
            operations: BTreeMap::new(),
            next_operation: 0,
            answers: Vec::new(),
            notes: Vec::new(),
            digest: Digest::new(),
        };
        world.plan_scenario();
        world
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

    fn start_warm(&mut self) {
        let count = self.node_count();
        let identities: Vec<_> = (0..count).map(|node| self.identity(node)).collect();
        let view = WarmView::new(&self.scenario.config, &identities, &mut self.pool);
        self.oracle.start_warm();
        for node in 0..count {
            self.fabric.presence[node as usize] = Presence { power: Power::Up, life: 1 };
            let seed = self.node_seed(node, 1);
            let mut cx = Cx { now: Instant::ZERO, pool: &mut self.pool, out: &mut self.outbox };
            let config = self.scenario.config.clone();
            let built = Node::warm(config, &identities[node as usize], seed, &view, &mut cx);
            self.nodes[node as usize] = Some(built);
            self.after_input(node);
        }
    }

    /// Builds the node of a process that starts now with an empty view.
    pub(crate) fn start_node(&mut self, node: NodeIndex) {
        let presence = &mut self.fabric.presence[node as usize];
        *presence = Presence { power: Power::Up, life: presence.life + 1 };
        let life = presence.life;
        self.oracle.started(self.fabric.now, node, life);
        let (identity, seed) = (self.identity(node), self.node_seed(node, life));
        let now = Instant::from_nanos(self.fabric.now);
        let mut cx = Cx { now, pool: &mut self.pool, out: &mut self.outbox };
        self.nodes[node as usize] =
            Some(Node::new(self.scenario.config.clone(), identity, seed, &mut cx));
        self.after_input(node);
    }

    /// Ends a process: its node is dropped, its counters are kept.
    pub(crate) fn end_node(&mut self, node: NodeIndex, power: Power) {
        if let Some(old) = self.nodes[node as usize].take() {
            add_stats(&mut self.fabric.totals, &old);
        }
        self.fabric.presence[node as usize].power = power;
        let host = &mut self.hosts[node as usize];
        host.paused_until = 0;
        host.exit_overdue = false;
        self.alarms[node as usize] = Alarm::OFF;
        for waiting in host.backlog.take() {
            match waiting {
                crate::net::Waiting::Packet(packet) => {
                    self.fabric.totals.datagrams_unreachable += 1;
                    self.fabric.packets.release(packet);
                }
                crate::net::Waiting::Stream(delivery) => {
                    if let Delivered::Data(buffer) = delivery.what {
                        self.streams.recycle(buffer);
                    }
                }
                crate::net::Waiting::Command(operation) => {
                    self.operations.remove(&operation);
                }
            }
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
            Happening::Exit { node, life } => self.on_exit(node, life),
            Happening::Fault(index) => self.begin_fault(index),
            Happening::FaultEnd(index) => self.end_fault(index),
            Happening::Work(index) => self.on_work(index),
        }
        true
    }

    fn judge_before(&mut self, at: Nanos) {
        let scene = Scene { scenario: self.scenario, oracle: &self.oracle, nodes: &self.nodes };
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
            self.feed(node, Input::Timeout);
        }
    }

    fn on_packet(&mut self, packet: u32) {
        let (to, bytes, departed) = {
            let packet = self.fabric.packets.get(packet);
            (packet.to, packet.bytes.len(), packet.departed())
        };
        if !departed {
            self.fabric.totals.datagrams_unreachable += 1;
            self.fabric.packets.release(packet);
            return;
        }
        match self.fabric.presence[to as usize].power {
            Power::Up => self.feed_packet(packet),
            Power::Paused => {
                let limit = self.scenario.network.receive_buffer;
                if !self.hosts[to as usize].backlog.push_packet(packet, bytes, limit) {
                    self.fabric.totals.datagrams_overflowed += 1;
                    self.fabric.packets.release(packet);
                }
            }
            Power::Off | Power::Down => {
                self.fabric.totals.datagrams_unreachable += 1;
                self.fabric.packets.release(packet);
            }
        }
    }

    /// Hands a datagram to its receiver, borrowing the bytes where they lie.
    pub(crate) fn feed_packet(&mut self, index: u32) {
        self.fabric.totals.datagrams_delivered += 1;
        let packet = self.fabric.packets.get(index);
        let (to, from) = (packet.to, self.fabric.topology.addr(packet.from));
        if let Some(node) = self.nodes[to as usize].as_mut() {
            let now = Instant::from_nanos(self.fabric.now);
            let mut cx = Cx { now, pool: &mut self.pool, out: &mut self.outbox };
            node.handle(Input::Datagram { from, bytes: &packet.bytes }, &mut cx);
        }
        self.fabric.packets.release(index);
        self.after_input(to);
    }

    fn on_stream(&mut self, connection: u32, step: Step) {
        let Some(delivery) = self.streams.step(connection, step, &mut self.fabric) else { return };
        if self.fabric.presence[delivery.node as usize].power == Power::Paused {
            self.hosts[delivery.node as usize].backlog.push(crate::net::Waiting::Stream(delivery));
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
        if let Some(state) = self.nodes[node as usize].as_mut() {
            let now = Instant::from_nanos(self.fabric.now);
            state.handle(input, &mut Cx { now, pool: &mut self.pool, out: &mut self.outbox });
            self.after_input(node);
        }
    }

    fn after_input(&mut self, node: NodeIndex) {
        self.drain(node);
        self.oracle.settle(self.fabric.now);
        if !self.answers.is_empty() {
            for (op, result) in std::mem::take(&mut self.answers) {
                self.on_answer(op.0, result);
            }
        }
        self.plan_wake(node);
    }

    /// Hashes and carries out every effect in the outbox.
    fn drain(&mut self, node: NodeIndex) {
        let now = self.fabric.now;
        while let Some(effect) = self.outbox.pop() {
            self.digest.add(now, node, &effect);
            match effect {
                Output::Datagram { to, bytes } => {
                    self.oracle.bytes.add(now, bytes.len());
                    self.fabric.send_datagram(node, to, bytes);
                }
                Output::Stream { id, action } => {
                    if let uwasa_core::io::StreamAction::Send(bytes) = &action {
                        self.oracle.bytes.add(now, bytes.len());
                    }
                    self.streams.act(node, id, &action, &mut self.fabric);
                }
                Output::Event(Event::User(event)) => {
                    let packets = self.fabric.totals.datagrams_sent;
                    self.oracle.events.delivered(now, node, &event, packets);
                }
                Output::Event(
                    Event::MemberJoin(_)
                    | Event::MemberLeave(_)
                    | Event::MemberFailed(_)
                    | Event::MemberUpdate(_),
                ) => {}
                Output::Done { op, result } => self.answers.push((op, result)),
                Output::Trace(trace) => self.oracle.trace(node, &trace, &self.fabric),
            }
        }
        self.oracle.events.end_input();
    }

    /// Puts a wake into the queue unless an earlier one is there already.
    pub(crate) fn plan_wake(&mut self, node: NodeIndex) {
        let deadline = self.nodes[node as usize].as_ref().and_then(Node::deadline);
        let now = self.fabric.now;
        let due = deadline.map_or(Nanos::MAX, |(at, _)| at.as_nanos().max(now));
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
        self.note_wrong_addresses();
        self.note_twins();
        let scenario = self.scenario;
        let name_of = |node: NodeIndex| scenario.nodes[node as usize].name.clone();
        let scene = Scene { scenario, oracle: &self.oracle, nodes: &self.nodes };
        let verdicts = self.checks.finish(scene);
        SeedResult {
            seed: self.seed,
            trace_hash: self.digest.value(),
            totals: self.fabric.totals,
            events: self.oracle.events.spreads(name_of),
            departures: self.oracle.departures(name_of),
            converged_at: self.oracle.converged_at(),
            false_failures: self.oracle.false_failures(name_of),
            verdicts,
            notes: self.notes,
            convergence: self.oracle.curve.finish(),
            bytes_per_node: self.oracle.bytes.finish(self.fabric.now),
        }
    }

    /// Tells of events that were sent twice but are one for the protocol.
    fn note_twins(&mut self) {
        let name = |node: NodeIndex| &self.scenario.nodes[node as usize].name;
        for (first, second) in self.oracle.events.twins() {
            self.notes.push(format!(
                "event `{}` sent at {} by {} is the same event for the protocol as that sent at {} by {}: same Lamport \
                 time, name and payload. Who has the one has the other.",
                second.name,
                seconds(second.sent_at),
                name(second.from),
                seconds(first.sent_at),
                name(first.from)
            ));
        }
    }

    /// Explains what became of nodes that announce an address that is not theirs.
    fn note_wrong_addresses(&mut self) {
        let nodes = &self.scenario.nodes;
        let mut announced: BTreeMap<SocketAddr, Vec<NodeIndex>> = BTreeMap::new();
        for (node, spec) in (0..).zip(nodes) {
            if spec.addr != spec.advertise {
                announced.entry(spec.advertise).or_default().push(node);
            }
        }
        for (addr, who) in announced {
            let names: Vec<_> =
                who.iter().map(|&node| nodes[node as usize].name.as_str()).collect();
            let verb = match names.len() {
                1 => "announces",
                2 => "both announce",
                _ => "all announce",
            };
            let mut note = format!("{} {verb} {addr}", join_words(&names));
            let accidents = self.accidents(addr, &who);
            for accident in accidents.iter().take(ACCIDENTS_TOLD) {
                note += "; ";
                note += accident;
            }
            if let Some(more) = accidents.len().checked_sub(ACCIDENTS_TOLD).filter(|more| *more > 0)
            {
                note += &format!("; and {more} more of the same");
            }
            note += ". Give each host an address its peers can reach.";
            self.notes.push(note);
        }
    }

    fn accidents(&self, addr: SocketAddr, subjects: &[NodeIndex]) -> Vec<String> {
        let name = |node: NodeIndex| self.scenario.nodes[node as usize].name.as_str();
        let mut accidents = Vec::new();
        for &subject in subjects {
            for observer in (0..self.node_count()).filter(|&observer| observer != subject) {
                let Some(sighting) = self.oracle.sighting(observer, subject) else { continue };
                let Some(joined) = sighting.joined else { continue };
                let goes = match self.fabric.topology.resolve(observer, addr) {
                    Some(end) if end.node == observer => {
                        format!("which is {} itself", name(observer))
                    }
                    Some(end) => format!("which is {}", name(end.node)),
                    None => "which no host answers".into(),
                };
                let (who, whom) = (name(observer), name(subject));
                let mut accident = format!("{who}'s probes of {whom} go to {}, {goes}", addr.ip());
                accident += &match sighting.failed {
                    Some(failed) => format!(
                        ": {who} declared {whom} failed at {}, {} after it joined",
                        seconds(failed),
                        seconds(failed - joined)
                    ),
                    None => format!(": {who} saw {whom} join at {}", seconds(joined)),
                };
                accidents.push(accident);
            }
        }
        accidents
    }

    pub(crate) fn node_count(&self) -> u32 {
        u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes")
    }

    fn identity(&self, node: NodeIndex) -> Identity {
        let spec = &self.scenario.nodes[node as usize];
        Identity::new(&spec.name, spec.advertise)
            .expect("the scenario was validated: names and addresses are usable")
    }

    /// The seed of one life of a node: draw number `life` of the node's own stream.
    fn node_seed(&self, node: NodeIndex, life: u32) -> [u8; 32] {
        let mut rng = Rng::from_seed_stream(self.key, NODE_STREAMS + u64::from(node));
        let mut seed = [0; 32];
        for _ in 0..life {
            rng.fill(&mut seed);
        }
        seed
    }
}

/// The key of every stream of one world.
fn world_key(seed: u64) -> [u8; 32] {
    let mut key = *b"........ uwasa simulated world 1";
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key
}

fn add_stats(totals: &mut Totals, node: &Node) {
    let stats = node.stats();
    totals.probes += stats.probes;
    totals.probes_indirect += stats.probes_indirect;
    totals.probes_failed += stats.probes_failed;
    totals.suspicions += stats.suspicions;
    totals.refutations += stats.refutations;
    totals.push_pulls += stats.push_pulls;
    totals.dropped_input += stats.dropped_total();
    totals.events_delivered += stats.events_delivered;
}

fn join_words(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_string(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}
