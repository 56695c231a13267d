//! What the world does to nodes on purpose: boots, joins, leaves and user events.

use std::net::SocketAddr;

use bytes::Bytes;
use uwasa_core::command::{Command, OpError, Reply};
use uwasa_core::trace::MemberState;

use crate::expect::seconds;
use crate::net::{Happening, Power, Waiting};
use crate::scenario::{JoinPlan, Nanos, NodeIndex, Start, WorkKind};
use crate::world::World;

/// A node that restarts in a world without a start plan joins this many nodes of those that are up.
const REJOIN_LIMIT: u32 = 3;
/// And tries again after this long if nobody answered.
const REJOIN_RETRY: Nanos = 5_000_000_000;

/// A command under way.
#[derive(Debug)]
pub(crate) struct Operation {
    node: NodeIndex,
    life: u32,
    kind: OperationKind,
    /// Taken when the node is given it.
    command: Option<Command>,
}

#[derive(Clone, Copy, Debug)]
enum OperationKind {
    /// A join by the start plan.
    Join,
    /// A join with one remembered address.
    Rejoin,
    /// A join the workload asked for.
    WorkJoin,
    Leave {
        exit_after: Nanos,
    },
    Event {
        event: u32,
    },
}

impl World<'_> {
    /// A host boots: its process starts and will join when discovery answers.
    pub(crate) fn on_boot(&mut self, node: NodeIndex) {
        if self.fabric.presence(node).is_up() {
            return;
        }
        self.start_node(node);
        self.plan_join(node);
    }

    /// Plans the join of a node that was just started.
    pub(crate) fn plan_join(&mut self, node: NodeIndex) {
        let wait = match &self.scenario.start {
            Start::Warm => 0,
            Start::Cold { join_after, .. } => *join_after,
        };
        let life = self.fabric.presence(node).life;
        self.fabric.queue.push(self.fabric.now + wait, Happening::Join { node, life });
    }

    /// A node joins: first what it remembers, one address at a time, then by the start plan.
    pub(crate) fn on_join(&mut self, node: NodeIndex, life: u32) {
        let presence = self.fabric.presence(node);
        if presence.life != life || !presence.is_up() {
            return;
        }
        if let Some(addr) = self.hosts[node as usize].remembered.pop() {
            self.issue_join(node, vec![addr], OperationKind::Rejoin);
            return;
        }
        let seeds = self.planned_seeds(node);
        if seeds.is_empty() {
            self.retry_join(node, life);
        } else {
            self.issue_join(node, seeds, OperationKind::Join);
        }
    }

    fn planned_seeds(&mut self, node: NodeIndex) -> Vec<SocketAddr> {
        let scenario = self.scenario;
        let limit = match &scenario.start {
            Start::Cold { join: JoinPlan::Seeds(seeds), .. } => return self.addrs(node, seeds),
            Start::Cold { join: JoinPlan::Discovered { limit }, .. } => *limit,
            Start::Warm => REJOIN_LIMIT,
        };
        let mut found: Vec<_> = (0..self.node_count())
            .filter(|&other| other != node && self.fabric.presence(other).power == Power::Up)
            .filter(|&other| !self.fabric.topology.is_blocked(other, node))
            .collect();
        // The first `limit` of a shuffle, without shuffling the rest.
        let kept = found.len().min(limit as usize);
        for index in 0..kept {
            let other = index + self.workload_rng.index(found.len() - index);
            found.swap(index, other);
        }
        found.truncate(kept);
        self.addrs(node, &found)
    }

    /// The real addresses of `nodes`: a seed list names what works, whatever its members announce.
    fn addrs(&self, node: NodeIndex, nodes: &[NodeIndex]) -> Vec<SocketAddr> {
        let others = nodes.iter().filter(|&&other| other != node);
        others.map(|&other| self.scenario.nodes[other as usize].addr).collect()
    }

    fn issue_join(&mut self, node: NodeIndex, seeds: Vec<SocketAddr>, kind: OperationKind) {
        self.issue(node, kind, Command::Join { seeds, replay_events: false });
    }

    fn retry_join(&mut self, node: NodeIndex, life: u32) {
        let retry = match &self.scenario.start {
            Start::Warm => REJOIN_RETRY,
            Start::Cold { retry, .. } => *retry,
        };
        if retry > 0 {
            self.fabric.queue.push(self.fabric.now + retry, Happening::Join { node, life });
        }
    }

    fn issue(&mut self, node: NodeIndex, kind: OperationKind, command: Command) {
        let presence = self.fabric.presence(node);
        if !presence.is_up() {
            return;
        }
        let op = self.next_operation;
        self.next_operation += 1;
        let operation = Operation { node, life: presence.life, kind, command: Some(command) };
        self.operations.insert(op, operation);
        if presence.power == Power::Paused {
            self.hosts[node as usize].backlog.push(Waiting::Command(op));
        } else {
            self.give(op);
        }
    }

    /// Hands a command to its node, now that it can take it.
    pub(crate) fn give(&mut self, op: u64) {
        let Some(operation) = self.operations.get_mut(&op) else { return };
        let (node, kind) = (operation.node, operation.kind);
        let Some(command) = operation.command.take() else { return };
        if let OperationKind::Event { event } = kind {
            self.oracle.events.sending(event);
        }
        self.feed_command(node, op, command);
    }

    /// A command was answered.
    pub(crate) fn on_answer(&mut self, op: u64, result: Result<Reply, OpError>) {
        let Some(Operation { node, life, kind, .. }) = self.operations.remove(&op) else { return };
        if self.fabric.presence(node).life != life {
            return;
        }
        match kind {
            OperationKind::Join => {
                if result.is_err() {
                    self.retry_join(node, life);
                }
            }
            OperationKind::Rejoin => {
                if result.is_err() {
                    self.fabric.queue.push(self.fabric.now, Happening::Join { node, life });
                } else {
                    self.hosts[node as usize].remembered.clear();
                }
            }
            OperationKind::WorkJoin | OperationKind::Event { .. } => {
                if let Err(error) = result {
                    self.note_refusal(node, error);
                }
            }
            OperationKind::Leave { exit_after } => {
                if let Err(error) = result {
                    self.note_refusal(node, error);
                }
                let at = self.fabric.now.saturating_add(exit_after);
                self.fabric.queue.push(at, Happening::Exit { node, life });
            }
        }
    }

    fn note_refusal(&mut self, node: NodeIndex, error: OpError) {
        let name = &self.scenario.nodes[node as usize].name;
        self.notes.push(format!("at {} {name} refused: {error}.", seconds(self.fabric.now)));
    }

    /// A node that left ends its process; its host stays on.
    pub(crate) fn on_exit(&mut self, node: NodeIndex, life: u32) {
        let presence = self.fabric.presence(node);
        if presence.life != life {
            return;
        }
        if presence.power == Power::Paused {
            // A stopped process cannot exit; it will when it goes on.
            self.hosts[node as usize].exit_overdue = true;
        } else if presence.is_up() {
            self.streams.stop(node, &mut self.fabric);
            self.end_node(node, Power::Down);
        }
    }

    /// A piece of workload is due.
    pub(crate) fn on_work(&mut self, index: u32) {
        let work = &self.scenario.workload[index as usize];
        match &work.kind {
            WorkKind::Event { from, name, payload } => self.send_event(*from, name, payload),
            WorkKind::Leave { nodes, exit_after } => {
                self.oracle.disturbed(self.fabric.now);
                for &node in nodes {
                    self.leave(node, *exit_after);
                }
            }
            WorkKind::Join { nodes, seeds } => {
                for &node in nodes {
                    let seeds = self.addrs(node, seeds);
                    self.issue_join(node, seeds, OperationKind::WorkJoin);
                }
            }
        }
    }

    fn send_event(&mut self, from: Option<NodeIndex>, name: &str, payload: &[u8]) {
        let now = self.fabric.now;
        let Some(from) = from.or_else(|| self.draw_live_node()) else {
            self.notes
                .push(format!("event `{name}` at {} was not sent: no node lives.", seconds(now)));
            return;
        };
        if !self.fabric.presence(from).is_up() {
            let sender = &self.scenario.nodes[from as usize].name;
            self.notes.push(format!(
                "event `{name}` at {} was not sent: {sender} is not running.",
                seconds(now)
            ));
            return;
        }
        let audience = self.oracle.matrix().seen_by(from);
        let packets = self.fabric.totals.datagrams_sent;
        let event = self.oracle.events.begin(now, from, name, audience, packets);
        self.oracle.curve.disturb(now);
        let index = event as usize;
        self.checks.event_sent(self.scenario, index, &self.oracle.events.sent()[index]);
        let command = Command::UserEvent {
            name: name.into(),
            payload: Bytes::copy_from_slice(payload),
            coalesce: false,
        };
        self.issue(from, OperationKind::Event { event }, command);
    }

    fn draw_live_node(&mut self) -> Option<NodeIndex> {
        let live = self.oracle.matrix().live();
        let running: Vec<_> = (0..self.node_count())
            .filter(|&node| live.contains(node) && self.fabric.presence(node).power == Power::Up)
            .collect();
        if running.is_empty() {
            None
        } else {
            Some(running[self.workload_rng.index(running.len())])
        }
    }

    fn leave(&mut self, node: NodeIndex, exit_after: Nanos) {
        if self.fabric.presence(node).is_up() {
            self.depart(node, MemberState::Left);
            // Who left on purpose does not come back by itself.
            self.hosts[node as usize].remembered.clear();
            self.issue(node, OperationKind::Leave { exit_after }, Command::Leave);
        }
    }

    /// Records that a node goes away.
    pub(crate) fn depart(&mut self, node: NodeIndex, state: MemberState) {
        let before = self.oracle.gone().len();
        self.oracle.departed(self.fabric.now, node, state);
        if let Some(gone) = self.oracle.gone().get(before) {
            self.checks.departed(self.scenario, before, gone);
        }
        self.oracle.settle(self.fabric.now);
    }
}
