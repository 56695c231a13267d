//! Anomalies of a process that runs: it is stopped, or cut off from its sockets.

use std::net::SocketAddr;

use uwasa_core::io::{Input, StreamAction, StreamId};
use uwasa_core::node::Node;
use uwasa_core::time::Instant;

use crate::fact::Fact;
use crate::net::{Happening, Power, Waiting};
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
        if let Some((at, _)) = deadline
            && at.as_nanos() <= now
        {
            self.feed(node, Input::Timeout);
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
        let presence = &mut self.fabric.presence[node as usize];
        if presence.is_up() {
            presence.blocked = true;
            let host = &mut self.hosts[node as usize];
            host.blocked_until = host.blocked_until.max(until);
            host.stuck |= stuck;
            if let Some(state) = self.nodes[node as usize].as_mut().filter(|_| stuck) {
                state.set_sends_block(true, Instant::from_nanos(self.fabric.now));
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

    /// Does what waited, as far as nothing holds it up any more.
    fn catch_up(&mut self, node: NodeIndex) {
        let presence = self.fabric.presence(node);
        if presence.power == Power::Paused {
            return;
        }
        let waiting = if presence.blocked {
            self.hosts[node as usize].backlog.take_commands()
        } else {
            for held in std::mem::take(&mut self.hosts[node as usize].held) {
                self.let_go(node, held);
            }
            self.free_loops(node);
            self.hosts[node as usize].backlog.take()
        };
        for waiting in waiting {
            match waiting {
                Waiting::Packet(packet) => self.feed_packet(packet),
                Waiting::Stream(delivery) => self.feed_stream(delivery),
                Waiting::Command(operation) => self.give(operation),
            }
        }
    }

    /// Loops that were stuck in a send go on, before anything that waits is read.
    fn free_loops(&mut self, node: NodeIndex) {
        if std::mem::take(&mut self.hosts[node as usize].stuck)
            && let Some(state) = self.nodes[node as usize].as_mut()
        {
            state.set_sends_block(false, Instant::from_nanos(self.fabric.now));
            self.feed(node, Input::Timeout);
        }
    }

    /// Something that was held back leaves now.
    fn let_go(&mut self, node: NodeIndex, held: Held) {
        let now = self.fabric.now;
        let (id, action) = match &held {
            Held::Datagram { to, bytes } => {
                self.oracle.bytes.add(now, bytes.len());
                let (to, fate) = self.fabric.send_datagram(node, *to, bytes);
                let serial = self.fabric.totals.datagrams_sent;
                self.tell(node, &Fact::Sent { serial, to, bytes, fate });
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
