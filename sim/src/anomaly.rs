//! Anomalies of a process that runs: it is stopped, cut off from its sockets, or slow.
//!
//! Whatever cannot be taken at once waits in the backlog of its host, in order of arrival.

use std::net::SocketAddr;

use uwasa_core::io::{Input, StreamAction, StreamId};
use uwasa_core::node::Node;

use crate::fact::Fact;
use crate::net::{Happening, Power, Presence, Sending, Waiting};
use crate::scenario::{FaultKind, Nanos, NodeIndex};
use crate::world::World;

/// Something that a blocked process believes to have sent.
#[derive(Debug)]
pub(crate) enum Held {
    Datagram { to: SocketAddr, bytes: Vec<u8> },
    Dial { id: StreamId, to: SocketAddr },
    Send { id: StreamId, bytes: Vec<u8> },
    Finish(StreamId),
    Reset(StreamId),
}

impl Held {
    pub(crate) fn datagram(to: SocketAddr, bytes: &[u8]) -> Self {
        Self::Datagram { to, bytes: bytes.to_vec() }
    }

    pub(crate) fn stream(id: StreamId, action: &StreamAction<'_>) -> Self {
        match *action {
            StreamAction::Dial { to } => Self::Dial { id, to },
            StreamAction::Send(bytes) => Self::Send { id, bytes: bytes.to_vec() },
            StreamAction::Finish => Self::Finish(id),
            StreamAction::Reset => Self::Reset(id),
        }
    }
}

/// The processor of a slow host: it does one thing after the other, and each takes its time.
#[derive(Debug, Default)]
pub(crate) struct Processor {
    /// What one input costs under each fault in force.
    costs: Vec<(u32, Nanos)>,
    /// It works on an input; the end of that is in the queue.
    working: bool,
    /// A deadline has come and waits for its turn.
    timer_waits: bool,
}

impl Processor {
    /// What one input costs now; 0: nothing.
    fn cost(&self) -> Nanos {
        self.costs.iter().map(|(_, cost)| *cost).max().unwrap_or(0)
    }

    /// The process is gone, and its work with it; the host stays slow.
    pub(crate) fn stop(&mut self) {
        (self.working, self.timer_waits) = (false, false);
    }
}

impl World<'_> {
    /// A phase of fault number `index` begins: one of trouble, or one of quiet between two of them.
    pub(crate) fn begin_phase(&mut self, index: u32, on: bool) {
        let fault = &self.scenario.faults[index as usize];
        let (FaultKind::Pause { nodes, cycle } | FaultKind::Block { nodes, cycle, .. }) =
            &fault.kind
        else {
            return;
        };
        let end = fault.until.unwrap_or(Nanos::MAX);
        let mut until = end;
        if let Some(cycle) = cycle {
            let length = if on { cycle.on } else { cycle.off };
            until = self.fabric.now.saturating_add(length).min(end);
            if until < end {
                self.fabric.queue.push(until, Happening::Phase { fault: index, on: !on });
            }
        }
        let pauses = matches!(fault.kind, FaultKind::Pause { .. });
        let stuck = matches!(fault.kind, FaultKind::Block { stuck: true, .. });
        for &node in nodes {
            match (pauses, on) {
                (true, true) => self.pause(node, until),
                (true, false) => self.resume(node),
                (false, true) => self.block(node, until, stuck),
                (false, false) => self.unblock(node),
            }
        }
    }

    fn pause(&mut self, node: NodeIndex, until: Nanos) {
        let presence = &mut self.fabric.presence[node as usize];
        if presence.is_up() {
            presence.power = Power::Paused;
            let host = &mut self.hosts[node as usize];
            host.paused_until = host.paused_until.max(until);
        }
    }

    /// The process goes on: first the timer it missed, then its backlog in order of arrival.
    pub(crate) fn resume(&mut self, node: NodeIndex) {
        let now = self.fabric.now;
        let paused = self.fabric.presence(node).power == Power::Paused;
        if !paused || now < self.hosts[node as usize].paused_until {
            return;
        }
        self.fabric.presence[node as usize].power = Power::Up;
        self.alarms[node as usize].wake = Nanos::MAX;
        let deadline = self.nodes[node as usize].as_ref().and_then(Node::deadline);
        if deadline.is_some_and(|(at, _)| at <= self.local_now(node)) {
            self.on_deadline(node);
        } else {
            self.plan_wake(node);
        }
        self.catch_up(node);
        if std::mem::take(&mut self.hosts[node as usize].exit_overdue) {
            let life = self.fabric.presence(node).life;
            self.on_exit(node, life);
        }
    }

    fn block(&mut self, node: NodeIndex, until: Nanos, stuck: bool) {
        let local = self.local_now(node);
        let presence = &mut self.fabric.presence[node as usize];
        if presence.is_up() {
            presence.blocked = true;
            let host = &mut self.hosts[node as usize];
            host.blocked_until = host.blocked_until.max(until);
            host.stuck |= stuck;
            if let Some(state) = self.nodes[node as usize].as_mut().filter(|_| stuck) {
                state.set_sends_block(true, local);
            }
        }
    }

    /// The sockets work again: what waited to leave does, then what waited to be read is, each in its order.
    pub(crate) fn unblock(&mut self, node: NodeIndex) {
        let presence = &mut self.fabric.presence[node as usize];
        if presence.blocked && self.fabric.now >= self.hosts[node as usize].blocked_until {
            presence.blocked = false;
            self.catch_up(node);
        }
    }

    /// The machine becomes slow for the fault `key`; what is there waits from now on.
    pub(crate) fn slow_down(&mut self, node: NodeIndex, key: u32, per_input: Nanos) {
        self.hosts[node as usize].processor.costs.push((key, per_input));
        self.fabric.presence[node as usize].slow = true;
    }

    /// The fault `key` is over; unless another one goes on, the process does what waited at once.
    pub(crate) fn speed_up(&mut self, node: NodeIndex, key: u32) {
        let processor = &mut self.hosts[node as usize].processor;
        processor.costs.retain(|(fault, _)| *fault != key);
        if processor.costs.is_empty() {
            self.fabric.presence[node as usize].slow = false;
            self.catch_up(node);
        }
    }

    /// The deadline of a running process has come: it is handed over, or waits for the processor.
    pub(crate) fn on_deadline(&mut self, node: NodeIndex) {
        if self.fabric.presence(node).slow {
            self.hosts[node as usize].processor.timer_waits = true;
            self.work(node);
        } else {
            self.feed(node, Input::Timeout);
        }
    }

    /// Something waits in the backlog of a process that runs; a slow one turns to it when it can.
    pub(crate) fn work(&mut self, node: NodeIndex) {
        let Presence { power, life, blocked, slow } = self.fabric.presence(node);
        let host = &mut self.hosts[node as usize];
        let idle = slow && power == Power::Up && !host.processor.working;
        if idle && (host.processor.timer_waits || host.backlog.has(blocked)) {
            host.processor.working = true;
            let done = self.fabric.now.saturating_add(host.processor.cost());
            self.fabric.queue.push(done, Happening::Ready { node, life });
        }
    }

    /// A processor has done the work that one input makes: the node takes it. A deadline goes before what waits, as a
    /// timer does in a process whose reader is behind.
    pub(crate) fn on_ready(&mut self, node: NodeIndex, life: u32) {
        let presence = self.fabric.presence(node);
        if presence.life != life || !presence.is_up() {
            return;
        }
        let host = &mut self.hosts[node as usize];
        host.processor.working = false;
        if presence.power == Power::Paused || !presence.slow {
            return;
        }
        if std::mem::take(&mut host.processor.timer_waits) {
            self.feed(node, Input::Timeout);
        } else if let Some(waiting) = host.backlog.pop(presence.blocked) {
            self.take(waiting);
        }
        self.work(node);
    }

    /// Does what waited, as far as nothing holds it up any more.
    fn catch_up(&mut self, node: NodeIndex) {
        let presence = self.fabric.presence(node);
        if presence.power != Power::Up {
            return;
        }
        if !presence.blocked {
            for held in std::mem::take(&mut self.hosts[node as usize].held) {
                self.let_go(node, held);
            }
            self.free_loops(node);
        }
        if presence.slow {
            self.work(node);
            return;
        }
        if std::mem::take(&mut self.hosts[node as usize].processor.timer_waits) {
            self.feed(node, Input::Timeout);
        }
        for waiting in self.hosts[node as usize].backlog.take(presence.blocked) {
            self.take(waiting);
        }
    }

    /// A node takes what waited for it.
    fn take(&mut self, waiting: Waiting) {
        match waiting {
            Waiting::Packet { packet, .. } => self.feed_packet(packet),
            Waiting::Stream(delivery) => self.feed_stream(delivery),
            Waiting::Command(operation) => self.give(operation),
        }
    }

    /// Loops that were stuck in a send go on, before anything that waits is read.
    fn free_loops(&mut self, node: NodeIndex) {
        let local = self.local_now(node);
        if std::mem::take(&mut self.hosts[node as usize].stuck)
            && let Some(state) = self.nodes[node as usize].as_mut()
        {
            state.set_sends_block(false, local);
            self.feed(node, Input::Timeout);
        }
    }

    /// Something that was held back leaves now.
    fn let_go(&mut self, node: NodeIndex, held: Held) {
        let now = self.fabric.now;
        let (id, action) = match &held {
            Held::Datagram { to, bytes } => {
                self.oracle.bytes.add(now, bytes.len());
                let Sending { to, fate, damage } = self.fabric.send_datagram(node, *to, bytes);
                let serial = self.fabric.totals.datagrams_sent;
                self.tell(node, &Fact::Sent { serial, to, bytes, fate, damage });
                return;
            }
            Held::Dial { id, to } => (*id, StreamAction::Dial { to: *to }),
            Held::Send { id, bytes } => {
                self.oracle.bytes.add(now, bytes.len());
                (*id, StreamAction::Send(bytes))
            }
            Held::Finish(id) => (*id, StreamAction::Finish),
            Held::Reset(id) => (*id, StreamAction::Reset),
        };
        self.streams.act(node, id, &action, &mut self.fabric);
    }
}
