//! What the world does to nodes on purpose: boots, joins, leaves and user events.

use std::net::SocketAddr;

use bytes::Bytes;
use uwasa_core::command::{Command, KeyOp, OpError, Reply};
use uwasa_core::trace::MemberState;

use crate::expect::seconds;
use crate::fact::{End, Fact};
use crate::net::{Happening, Power, Waiting};
use crate::scenario::{Claim, Claimed, JoinPlan, KeyVerb, Nanos, NodeIndex, Start, WorkKind};
use crate::world::World;

/// A node that restarts in a world without a start plan joins this many nodes of those that are up.
const REJOIN_LIMIT: u32 = 3;
/// And tries again after this long if nobody answered.
const REJOIN_RETRY: Nanos = 5_000_000_000;
/// Notes about refused answers to queries before they are only counted.
const ANSWERS_TOLD: u32 = 4;

/// A command under way.
#[derive(Debug)]
pub(crate) struct Operation {
    node: NodeIndex,
    life: u32,
    kind: OperationKind,
    /// Taken when the node is given it.
    command: Option<Command>,
}

/// What a command is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OperationKind {
    /// A join by the start plan.
    Join,
    /// A join the workload asked for.
    WorkJoin,
    Leave {
        exit_after: Nanos,
    },
    Event {
        event: u32,
    },
    Query {
        query: u32,
    },
    /// An answer to a query.
    Answer,
    /// A keyring that was stored.
    Stored,
    Keys {
        verb: KeyVerb,
    },
    /// Anything else that the workload asks of a node.
    Other,
}

impl World<'_> {
    /// A host boots: its process starts and will join when discovery answers.
    pub(crate) fn on_boot(&mut self, node: NodeIndex) {
        if self.fabric.presence(node).is_up() {
            return;
        }
        let claim = self.scenario.nodes[node as usize].claim;
        if let Some(Claim { owner, what: Claimed::Address, .. }) = claim {
            self.fabric.topology.take_over(node, owner);
        }
        self.bring_up(node);
    }

    /// Starts a process. It rejoins whom it remembers, which is looked after; or it joins by the start plan.
    pub(crate) fn bring_up(&mut self, node: NodeIndex) {
        let rejoins = self.start_node(node);
        if self.scenario.is_stranger(node) {
            return;
        }
        if !rejoins {
            self.plan_join(node);
            return;
        }
        let (retry, life) = (self.retry_pause(), self.fabric.presence(node).life);
        if retry > 0 {
            self.fabric.queue.push(self.fabric.now + retry, Happening::Lonely { node, life });
        }
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

    /// A node joins by the start plan.
    pub(crate) fn on_join(&mut self, node: NodeIndex, life: u32) {
        let presence = self.fabric.presence(node);
        if presence.life != life || !presence.is_up() {
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
            .filter(|&other| other != node && !self.scenario.is_stranger(other))
            .filter(|&other| self.fabric.presence(other).power == Power::Up)
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
        others.map(|&other| self.fabric.topology.addr(other)).collect()
    }

    fn issue_join(&mut self, node: NodeIndex, seeds: Vec<SocketAddr>, kind: OperationKind) {
        self.issue(node, kind, Command::Join { seeds, replay_events: false });
    }

    fn retry_join(&mut self, node: NodeIndex, life: u32) {
        let retry = self.retry_pause();
        if retry > 0 {
            self.fabric.queue.push(self.fabric.now + retry, Happening::Join { node, life });
        }
    }

    fn retry_pause(&self) -> Nanos {
        match &self.scenario.start {
            Start::Warm => REJOIN_RETRY,
            Start::Cold { retry, .. } => *retry,
        }
    }

    /// Asks a node for something, at once or when it goes on.
    pub(crate) fn issue(&mut self, node: NodeIndex, kind: OperationKind, command: Command) {
        let presence = self.fabric.presence(node);
        if !presence.is_up() {
            return;
        }
        let op = self.next_operation;
        self.next_operation += 1;
        let operation = Operation { node, life: presence.life, kind, command: Some(command) };
        self.operations.insert(op, operation);
        if presence.power == Power::Paused || presence.slow {
            self.hosts[node as usize].backlog.push(Waiting::Command(op));
            self.work(node);
        } else {
            self.give(op);
        }
    }

    /// Hands a command to its node, now that it can take it.
    pub(crate) fn give(&mut self, op: u64) {
        let Some(operation) = self.operations.get_mut(&op) else { return };
        let (node, kind) = (operation.node, operation.kind);
        if self.nodes[node as usize].is_none() {
            // It shut itself down over the input before.
            self.operations.remove(&op);
            return;
        }
        let Some(command) = operation.command.take() else { return };
        if let OperationKind::Event { event } = kind {
            self.oracle.events.sending(event);
        }
        if let OperationKind::Query { query } = kind {
            self.oracle.queries.sending(query, op);
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
            OperationKind::Query { query } => {
                self.query_done(query, result.is_err());
                self.note_refusal(node, result);
            }
            OperationKind::Answer => {
                if result.is_err() {
                    self.refused_answers += 1;
                    if self.refused_answers <= ANSWERS_TOLD {
                        self.note_refusal(node, result);
                    }
                }
            }
            OperationKind::Keys { verb } => self.note_keys(node, verb, result),
            OperationKind::WorkJoin
            | OperationKind::Event { .. }
            | OperationKind::Stored
            | OperationKind::Other => self.note_refusal(node, result),
            OperationKind::Leave { exit_after } => {
                self.note_refusal(node, result);
                let at = self.fabric.now.saturating_add(exit_after);
                self.fabric.queue.push(at, Happening::Exit { node, life });
            }
        }
    }

    fn note_refusal(&mut self, node: NodeIndex, result: Result<Reply, OpError>) {
        let (at, name) = (seconds(self.fabric.now), self.scenario.node_name(node));
        match result {
            Ok(_) => {}
            Err(error @ OpError::BroadcastTimeout) => {
                self.notes.push(format!("at {at} {name} gave up waiting: {error}."));
            }
            Err(error) => self.notes.push(format!("at {at} {name} refused: {error}.")),
        }
    }

    /// Tells what came of a key operation, if it failed or was a listing.
    fn note_keys(&mut self, node: NodeIndex, verb: KeyVerb, result: Result<Reply, OpError>) {
        let (at, name) = (seconds(self.fabric.now), self.scenario.node_name(node));
        let word = match verb {
            KeyVerb::Install => "install",
            KeyVerb::Use => "use",
            KeyVerb::Remove => "remove",
            KeyVerb::List => "list",
        };
        match result {
            Ok(Reply::Keys(report)) if verb == KeyVerb::List => {
                let everywhere = report.keys.values().filter(|on| **on == report.nodes).count();
                self.notes.push(format!(
                    "at {at} {name} listed {} keys, {everywhere} of them on every member: {report}.",
                    report.keys.len()
                ));
            }
            Err(OpError::KeysFailed(report)) => {
                let first = report.messages.iter().find(|(_, message)| !message.is_empty());
                let detail =
                    first.map_or_else(String::new, |(who, what)| format!("; {who}: {what}"));
                self.notes
                    .push(format!("at {at} keys = \"{word}\" of {name} failed: {report}{detail}."));
            }
            result => self.note_refusal(node, result),
        }
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
            self.quit(node, End::Quit);
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
            WorkKind::Query(query) => self.send_query(index, query),
            WorkKind::SetTags { nodes, tags } => {
                for &node in nodes.iter().filter(|&&node| self.fabric.presence(node).is_up()) {
                    self.hosts[node as usize].tags = tags.clone();
                }
                for &node in nodes {
                    self.issue(node, OperationKind::Other, Command::SetTags(tags.clone()));
                }
            }
            WorkKind::Keys { from, verb, key, relay_factor } => {
                self.change_keys(*from, *verb, key, *relay_factor);
            }
            WorkKind::ForceLeave { from, node, prune } => {
                let name = self.scenario.node_name(*node);
                let what = format!("force_leave of {name}");
                let Some(from) = self.acting_node(*from, &what) else { return };
                self.oracle.disturbed(self.fabric.now);
                let command = Command::ForceLeave { name: name.into(), prune: *prune };
                self.issue(from, OperationKind::Other, command);
            }
        }
    }

    fn change_keys(&mut self, from: Option<NodeIndex>, verb: KeyVerb, key: &[u8], relays: u8) {
        let Some(from) = self.acting_node(from, "a key operation") else { return };
        let key = Bytes::copy_from_slice(key);
        let op = match verb {
            KeyVerb::Install => KeyOp::Install(key),
            KeyVerb::Use => KeyOp::Use(key),
            KeyVerb::Remove => KeyOp::Remove(key),
            KeyVerb::List => KeyOp::List,
        };
        let command = Command::Keys { op, relay_factor: relays };
        self.issue(from, OperationKind::Keys { verb }, command);
    }

    fn send_event(&mut self, from: Option<NodeIndex>, name: &str, payload: &[u8]) {
        let now = self.fabric.now;
        let Some(from) = self.acting_node(from, &format!("event `{name}`")) else { return };
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

    /// A live node, drawn from the workload stream.
    pub(crate) fn draw_live_node(&mut self) -> Option<NodeIndex> {
        let live = self.oracle.matrix().live();
        let running: Vec<_> = (0..self.scenario.members_len())
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
            self.tell(node, &Fact::LeaveAsked);
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
