//! The node's traces as log records and metrics, in Serf's words.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use metrics::{Counter, counter, gauge, histogram};
use uwasa_core::event::MemberEventKind;
use uwasa_core::node::Node;
use uwasa_core::pool::{NodeId, Pool, ProfileId};
use uwasa_core::stats::{DropReason, Stats};
use uwasa_core::trace::{
    Accusation, Cause, KeyQuery, MemberState, MemberStatus, ProbeOutcome, QueueKind, Trace,
};

use crate::event::AgentEvent;

/// Complaints about received packets and slow subscribers that are written per second; further ones are only counted.
const COMPLAINTS_PER_SECOND: u32 = 10;
/// The least time between two warnings that newcomers are refused.
const FULL_INTERVAL: Duration = Duration::from_secs(60);
/// Members with a suspicion under way whose confirmations are remembered.
const SUSPECTS: usize = 4_096;

/// Counters that every packet touches.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) udp_sent: Counter,
    pub(super) udp_received: Counter,
    pub(super) datagrams: Counter,
    pub(super) tcp_accept: Counter,
    pub(super) tcp_connect: Counter,
    pub(super) tcp_sent: Counter,
}

/// Tells what the node does.
#[derive(Debug)]
pub(super) struct Narrator {
    pub(super) counters: Counters,
    me: NodeId,
    own: SocketAddr,
    resolves_conflicts: bool,
    /// Confirmations of the suspicions under way.
    suspects: BTreeMap<NodeId, u32>,
    /// A member that just went from failed to left: somebody forced it out.
    forced: Option<NodeId>,
    /// Names behind the addresses that the snapshot remembers.
    remembered: BTreeMap<SocketAddr, String>,
    complaints: Complaints,
    /// What was counted of the node's drops, in the order of [`DropReason::ALL`], and the sum.
    counted: [u64; DropReason::COUNT],
    counted_total: u64,
    /// When it was last told that newcomers are refused.
    full_told: Option<Instant>,
}

impl Narrator {
    pub(super) fn new(
        node: &Node,
        own: SocketAddr,
        resolves_conflicts: bool,
        remembered: BTreeMap<SocketAddr, String>,
    ) -> Self {
        Self {
            counters: Counters {
                udp_sent: counter!("memberlist.udp.sent"),
                udp_received: counter!("memberlist.udp.received"),
                datagrams: counter!("uwasa.datagrams"),
                tcp_accept: counter!("memberlist.tcp.accept"),
                tcp_connect: counter!("memberlist.tcp.connect"),
                tcp_sent: counter!("memberlist.tcp.sent"),
            },
            me: node.id(),
            own,
            resolves_conflicts,
            suspects: BTreeMap::new(),
            forced: None,
            remembered,
            complaints: Complaints::new(),
            counted: [0; DropReason::COUNT],
            counted_total: 0,
            full_told: None,
        }
    }

    /// A datagram that the system did not take.
    pub(super) fn send_failed(&self, to: SocketAddr, error: &io::Error) {
        counter!("memberlist.udp.dropped").increment(1);
        if error.kind() != io::ErrorKind::WouldBlock {
            tracing::debug!(target: "memberlist", "Failed to send UDP packet to {to}: {error}");
        }
    }

    /// Compares the node's counters with those before a packet: what it dropped is worth a word.
    pub(super) fn packet_done(&mut self, from: SocketAddr, stats: &Stats) {
        let total = stats.dropped_total();
        if total == self.complaints.dropped {
            return;
        }
        self.complaints.dropped = total;
        let decrypt = stats.dropped(DropReason::Decrypt);
        let undecipherable = decrypt != self.complaints.undecipherable;
        self.complaints.undecipherable = decrypt;
        if !self.complaints.may_speak() {
            return;
        }
        if undecipherable {
            tracing::error!(
                target: "memberlist",
                "Decrypt packet failed: No installed keys could decrypt the message from={from}"
            );
        } else {
            tracing::debug!(target: "memberlist", "Packet or part of it dropped from={from}");
        }
    }

    /// Whether a complaint may be written now.
    pub(super) fn may_complain(&mut self) -> bool {
        self.complaints.may_speak()
    }

    /// Counts by reason what the node has dropped since the last call.
    pub(super) fn count_drops(&mut self, stats: &Stats) {
        let total = stats.dropped_total();
        if total == self.counted_total {
            return;
        }
        self.counted_total = total;
        for (counted, (reason, name)) in self.counted.iter_mut().zip(DropReason::ALL) {
            let dropped = stats.dropped(reason);
            if dropped != *counted {
                counter!(format!("uwasa.dropped.{name}")).increment(dropped - *counted);
                *counted = dropped;
                if reason == DropReason::MembersFull
                    && self.full_told.is_none_or(|at| at.elapsed() >= FULL_INTERVAL)
                {
                    self.full_told = Some(Instant::now());
                    tracing::error!(
                        target: "agent",
                        "No room for more members, or for more names of former ones: newcomers are ignored. \
                         A restart forgets former names"
                    );
                }
            }
        }
    }

    /// Tells one trace.
    pub(super) fn tell(&mut self, trace: &Trace, pool: &Pool) {
        match *trace {
            Trace::Member { kind, subject, profile } => self.member(kind, subject, profile, pool),
            Trace::Status { subject, from, to, .. } => {
                let forced = from == Some(MemberStatus::Failed) && to == Some(MemberStatus::Left);
                self.forced = (forced || to.is_none()).then_some(subject);
            }
            Trace::Edge { subject, to, cause, .. } => self.edge(subject, to, cause, pool),
            Trace::Suspicion { subject, confirmations, .. } => {
                if self.suspects.len() < SUSPECTS || self.suspects.contains_key(&subject) {
                    self.suspects.insert(subject, confirmations);
                }
            }
            Trace::ProbeEnded { target, outcome, .. } => probe_ended(target, outcome, pool),
            Trace::Refuted { accusation, from, .. } => self.refuted(accusation, from, pool),
            Trace::Health { score } => gauge!("memberlist.health.score").set(f64::from(score)),
            Trace::Conflict { subject, mine, theirs } => self.conflict(subject, theirs, mine, pool),
            Trace::ConflictVote { responses, matching, stays } => {
                vote(responses, matching, stays);
            }
            Trace::RejoinStarted { to } => {
                let name = self.remembered.get(&to).map_or("", String::as_str);
                tracing::info!(
                    target: "serf", "Attempting re-join to previously known node: {name}: {to}"
                );
            }
            Trace::RejoinEnded { to, joined: true } => {
                let name = self.remembered.get(&to).map_or("", String::as_str);
                tracing::info!(target: "serf", "Re-joined to previously known node: {name}: {to}");
            }
            // Serf is silent when there was nobody to join.
            Trace::RejoinFailed if self.remembered.is_empty() => {}
            Trace::RejoinFailed => {
                tracing::warn!(target: "serf", "Failed to re-join any previously known node");
            }
            Trace::Reconnecting { subject, to } => {
                tracing::info!(
                    target: "serf", "attempting reconnect to {} {to}", pool.name(subject)
                );
            }
            Trace::KeyQuery { query, refused } => key_query(query, refused),
            Trace::QueueDeep { queue, depth } => queue_deep(queue, depth),
            Trace::Flapped { .. } => counter!("serf.member.flap").increment(1),
            Trace::QueryReplied { ack, duplicate, .. } => replied(ack, duplicate),
            Trace::QueryAccepted { .. } => counter!("serf.queries").increment(1),
            Trace::EventAccepted { .. } => counter!("serf.events").increment(1),
            Trace::ProbeStarted { .. }
            | Trace::ProbeIndirect { .. }
            | Trace::PushPullEnded { .. }
            | Trace::IntentAccepted { .. }
            | Trace::IntentRefuted { .. }
            | Trace::QueryAnswered { .. }
            | Trace::QueryEnded { .. }
            | Trace::Relayed
            | Trace::KeyringChanged { .. }
            | Trace::Record { .. }
            | Trace::Accused { .. }
            | Trace::RejoinEnded { joined: false, .. } => {}
        }
    }

    fn member(&mut self, kind: MemberEventKind, subject: NodeId, profile: ProfileId, pool: &Pool) {
        let (name, ip) = (pool.name(subject), pool.profile(profile).addr.ip());
        let forced = if self.forced.take() == Some(subject) { " (forced)" } else { "" };
        match kind {
            MemberEventKind::Join => {
                counter!("serf.member.join").increment(1);
                tracing::info!(target: "serf", "EventMemberJoin: {name} {ip}");
            }
            MemberEventKind::Leave => {
                counter!("serf.member.left").increment(1);
                tracing::info!(target: "serf", "EventMemberLeave{forced}: {name} {ip}");
            }
            MemberEventKind::Failed => {
                counter!("serf.member.failed").increment(1);
                tracing::info!(target: "serf", "EventMemberFailed: {name} {ip}");
            }
            MemberEventKind::Update => {
                counter!("serf.member.update").increment(1);
                tracing::info!(target: "serf", "EventMemberUpdate: {name}");
            }
            MemberEventKind::Reap if forced.is_empty() => {
                tracing::info!(target: "serf", "EventMemberReap: {name}");
            }
            MemberEventKind::Reap => {
                tracing::info!(target: "serf", "EventMemberReap (forced): {name} {ip}");
            }
        }
    }

    fn edge(&mut self, subject: NodeId, to: Option<MemberState>, cause: Cause, pool: &Pool) {
        match to {
            Some(MemberState::Alive) => counter!("memberlist.msg.alive").increment(1),
            Some(MemberState::Suspect) => counter!("memberlist.msg.suspect").increment(1),
            Some(MemberState::Dead | MemberState::Left) => {
                counter!("memberlist.msg.dead").increment(1);
            }
            None => {}
        }
        if to == Some(MemberState::Suspect) {
            return;
        }
        let confirmations = self.suspects.remove(&subject).unwrap_or(0);
        if to == Some(MemberState::Dead) && cause == Cause::SuspicionTimer {
            let name = pool.name(subject);
            tracing::info!(
                target: "memberlist",
                "Marking {name} as failed, suspect timeout reached ({confirmations} peer confirmations)"
            );
        }
    }

    fn refuted(&self, accusation: Accusation, from: Option<NodeId>, pool: &Pool) {
        let from = from.map_or("", |id| pool.name(id));
        match accusation {
            Accusation::Alive => {
                let me = pool.name(self.me);
                tracing::warn!(
                    target: "memberlist", "Refuting an alive message for '{me}' ({})", self.own
                );
            }
            Accusation::Suspect => {
                tracing::warn!(target: "memberlist", "Refuting a suspect message (from: {from})");
            }
            Accusation::Dead => {
                tracing::warn!(target: "memberlist", "Refuting a dead message (from: {from})");
            }
        }
    }

    fn conflict(&self, subject: NodeId, theirs: SocketAddr, mine: SocketAddr, pool: &Pool) {
        let name = pool.name(subject);
        tracing::error!(
            target: "memberlist",
            "Conflicting address for {name}. Mine: {mine} Theirs: {theirs} Old state: 0"
        );
        if subject == self.me {
            tracing::error!(
                target: "serf",
                "Node name conflicts with another node at {theirs}. Names must be unique! \
                 (Resolution enabled: {})",
                self.resolves_conflicts
            );
        } else {
            tracing::warn!(
                target: "serf", "Name conflict for '{name}' both {mine} and {theirs} are claiming"
            );
        }
    }
}

/// A duration as Serf's timers count it.
pub(super) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Counts a delivered event under its name.
pub(super) fn count(event: &AgentEvent) {
    match event {
        AgentEvent::Members { .. } => {}
        AgentEvent::User { name, .. } => counter!(format!("serf.events.{name}")).increment(1),
        AgentEvent::Query { name, .. } => counter!(format!("serf.queries.{name}")).increment(1),
    }
}

fn probe_ended(target: NodeId, outcome: ProbeOutcome, pool: &Pool) {
    let name = pool.name(target);
    match outcome {
        ProbeOutcome::Direct { rtt } => {
            let rtt = milliseconds(Duration::from_nanos(rtt));
            histogram!("memberlist.probeNode").record(rtt);
        }
        ProbeOutcome::Late => {}
        ProbeOutcome::Stream => {
            counter!("memberlist.degraded.probe").increment(1);
            tracing::warn!(
                target: "memberlist",
                "Was able to connect to {name} but other probes failed, network may be misconfigured"
            );
        }
        ProbeOutcome::Failed { .. } => {
            tracing::info!(
                target: "memberlist", "Suspect {name} has failed, no acks received"
            );
        }
    }
}

fn vote(responses: u32, matching: u32, stays: bool) {
    if stays {
        tracing::info!(
            target: "serf", "majority in name conflict resolution [{matching} / {responses}]"
        );
    } else {
        tracing::warn!(
            target: "serf", "minority in name conflict resolution, quitting [{matching} / {responses}]"
        );
        tracing::warn!(target: "serf", "Shutdown without a Leave");
    }
}

fn key_query(query: KeyQuery, refused: Option<&str>) {
    let (what, doing) = match query {
        KeyQuery::Install => ("install-key", "install key"),
        KeyQuery::Use => ("use-key", "change primary key"),
        KeyQuery::Remove => ("remove-key", "remove key"),
        KeyQuery::List => ("list-keys", "list keys"),
    };
    tracing::info!(target: "serf", "Received {what} query");
    if let Some(reason) = refused {
        tracing::error!(target: "serf", "Failed to {doing}: {reason}");
    }
}

fn queue_deep(queue: QueueKind, depth: u32) {
    let name = match queue {
        QueueKind::Intent => "Intent",
        QueueKind::Query => "Query",
        QueueKind::Event => "Event",
    };
    tracing::warn!(target: "serf", "{name} queue depth: {depth}");
}

fn replied(ack: bool, duplicate: bool) {
    match (ack, duplicate) {
        (true, false) => counter!("serf.query_acks").increment(1),
        (true, true) => counter!("serf.query_duplicate_acks").increment(1),
        (false, false) => counter!("serf.query_responses").increment(1),
        (false, true) => counter!("serf.query_duplicate_responses").increment(1),
    }
}

/// Complaints about what others send: counted always, written at a bounded rate.
#[derive(Debug)]
struct Complaints {
    dropped: u64,
    undecipherable: u64,
    second: Instant,
    spoken: u32,
}

impl Complaints {
    fn new() -> Self {
        Self { dropped: 0, undecipherable: 0, second: Instant::now(), spoken: 0 }
    }

    fn may_speak(&mut self) -> bool {
        let now = Instant::now();
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.spoken) = (now, 0);
        }
        self.spoken += 1;
        self.spoken <= COMPLAINTS_PER_SECOND
    }
}
