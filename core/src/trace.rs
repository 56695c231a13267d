//! Typed taps on state changes, for oracles, metrics and logs. Cheap enough to leave on.

use core::net::SocketAddr;

use crate::event::MemberEventKind;
use crate::ids::{NodeId, ProfileId, QueryId};
use crate::time::Instant;

/// A member's state as SWIM keeps it. The numbers are the wire's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum MemberState {
    /// Answers probes, as far as this observer knows.
    Alive = 0,
    /// Under suspicion; a timer runs.
    Suspect = 1,
    /// Declared dead.
    Dead = 2,
    /// Announced its departure.
    Left = 3,
}

impl MemberState {
    /// The state for a wire number, if it is one.
    #[must_use]
    pub const fn from_wire(number: i64) -> Option<Self> {
        Some(match number {
            0 => Self::Alive,
            1 => Self::Suspect,
            2 => Self::Dead,
            3 => Self::Left,
            _ => return None,
        })
    }
}

/// A member's status as Serf keeps it. The numbers are the wire's; 0 is "none".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum MemberStatus {
    /// A member of the cluster.
    Alive = 1,
    /// Announced its departure, still answers.
    Leaving = 2,
    /// Left, on its own announcement or forced out.
    Left = 3,
    /// Declared dead without an announcement.
    Failed = 4,
}

impl MemberStatus {
    /// The status for a wire number, if it is one.
    #[must_use]
    pub const fn from_wire(number: i64) -> Option<Self> {
        Some(match number {
            1 => Self::Alive,
            2 => Self::Leaving,
            3 => Self::Left,
            4 => Self::Failed,
            _ => return None,
        })
    }

    /// The word Serf shows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Leaving => "leaving",
            Self::Left => "left",
            Self::Failed => "failed",
        }
    }
}

/// What an intent announces.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum IntentKind {
    /// A member is here.
    Join,
    /// A member is about to leave, or is forced out.
    Leave,
}

/// Which input made a state change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    /// A gossiped message; `from` is the accuser it names, if it names one this process knows.
    Gossip {
        /// The accuser.
        from: Option<NodeId>,
    },
    /// An entry of a push/pull exchange.
    PushPull,
    /// The own failed probe with this sequence number.
    Probe {
        /// Sequence number.
        seq_no: u32,
    },
    /// A suspicion timer expired.
    SuspicionTimer,
    /// The own start, leave or metadata change.
    Local,
    /// The probe ring wrapped and the record was too old.
    Reap,
}

/// How a probe round ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ProbeOutcome {
    /// Acked on the direct path within the probe timeout.
    Direct {
        /// Round-trip time in nanoseconds.
        rtt: u64,
    },
    /// Acked later, directly or through a relay.
    Late,
    /// Only the stream ping was answered.
    Stream,
    /// Not answered at all.
    Failed {
        /// Nacks asked for.
        nacks_expected: u32,
        /// Nacks received.
        nacks_received: u32,
    },
}

/// How a user event, a query or an intent reached this node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EventPath {
    /// Sent here.
    Local,
    /// By gossip.
    Gossip,
    /// By a push/pull exchange.
    PushPull,
}

/// What a node was accused of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Accusation {
    /// A profile or incarnation that it did not announce: a former life of its own, mostly.
    Alive,
    /// Somebody suspects it.
    Suspect,
    /// Somebody declared it dead.
    Dead,
}

/// A query that is about keys.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum KeyQuery {
    /// Add a key.
    Install,
    /// Make a key primary.
    Use,
    /// Remove a key.
    Remove,
    /// Report all keys.
    List,
}

/// One state change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Trace {
    /// The record of `subject` changed state; `None` means "no record".
    Edge {
        /// Whose record.
        subject: NodeId,
        /// Before.
        from: Option<MemberState>,
        /// After.
        to: Option<MemberState>,
        /// Incarnation after the change.
        incarnation: u32,
        /// Why.
        cause: Cause,
    },
    /// A claim that `subject` is alive was accepted, an own one included: what its record holds now. For checkers only; not
    /// part of any trace hash.
    Record {
        /// Whose record.
        subject: NodeId,
        /// Its incarnation.
        incarnation: u32,
        /// What it says about itself.
        profile: ProfileId,
    },
    /// A probe round began.
    ProbeStarted {
        /// Whom.
        target: NodeId,
        /// Sequence number.
        seq_no: u32,
    },
    /// The direct ping was not answered in time; relays and stream were asked.
    ProbeIndirect {
        /// Whom.
        target: NodeId,
        /// Sequence number.
        seq_no: u32,
        /// Relays asked.
        relays: u32,
        /// Whether a stream ping was started.
        stream: bool,
    },
    /// A probe round ended.
    ProbeEnded {
        /// Whom.
        target: NodeId,
        /// Sequence number.
        seq_no: u32,
        /// How.
        outcome: ProbeOutcome,
    },
    /// A suspicion timer started or was shortened.
    Suspicion {
        /// The suspect.
        subject: NodeId,
        /// Independent confirmations so far.
        confirmations: u32,
        /// Confirmations that bring the timer to its minimum.
        confirmations_max: u32,
        /// When it will expire.
        deadline: Instant,
    },
    /// Somebody accuses this node, which must answer. For checkers only; not part of any trace hash.
    Accused {
        /// At this incarnation.
        accused: u32,
    },
    /// This node refuted an accusation.
    Refuted {
        /// Of what.
        accusation: Accusation,
        /// The accuser the message names, if it names one this process knows.
        from: Option<NodeId>,
        /// Incarnation that was accused.
        accused: u32,
        /// The new own incarnation.
        incarnation: u32,
    },
    /// The local health score changed.
    Health {
        /// New score; 0 is healthy.
        score: u32,
    },
    /// An alive for a known name came from another address.
    Conflict {
        /// The name.
        subject: NodeId,
        /// The address in our record.
        mine: SocketAddr,
        /// The other address.
        theirs: SocketAddr,
    },
    /// A join that nobody asked for began: of a member that the snapshot remembers.
    RejoinStarted {
        /// Where.
        to: SocketAddr,
    },
    /// It ended. The first success is the last attempt.
    RejoinEnded {
        /// Where.
        to: SocketAddr,
        /// Whether states were exchanged.
        joined: bool,
    },
    /// No member that the snapshot remembers was reached, or it remembers none.
    RejoinFailed,
    /// This node tries to reach a failed member.
    Reconnecting {
        /// Whom.
        subject: NodeId,
        /// Where.
        to: SocketAddr,
    },
    /// A query about keys reached this node.
    KeyQuery {
        /// Which.
        query: KeyQuery,
        /// Why it did not do as asked.
        refused: Option<&'static str>,
    },
    /// A push/pull exchange ended.
    PushPullEnded {
        /// Whether this node opened the stream.
        initiator: bool,
        /// Whether it was a join.
        join: bool,
        /// Whether the remote state was merged.
        merged: bool,
    },
    /// A user event was accepted for the first time.
    EventAccepted {
        /// Its Lamport time.
        ltime: u64,
        /// How it came.
        path: EventPath,
    },
    /// The Serf status of `subject` changed; `None` means "no record".
    Status {
        /// Whose record.
        subject: NodeId,
        /// Before.
        from: Option<MemberStatus>,
        /// After.
        to: Option<MemberStatus>,
        /// Status Lamport time after the change.
        ltime: u64,
    },
    /// Something happened to a member, as the application will hear it, before coalescing.
    Member {
        /// What.
        kind: MemberEventKind,
        /// To whom.
        subject: NodeId,
        /// What it says about itself.
        profile: ProfileId,
    },
    /// An intent was new here.
    IntentAccepted {
        /// About whom; `None` for a name without a record, which is buffered.
        subject: Option<NodeId>,
        /// What it announces.
        kind: IntentKind,
        /// Its Lamport time.
        ltime: u64,
        /// How it came.
        path: EventPath,
    },
    /// An own leave that is not meant was answered with a newer join.
    IntentRefuted {
        /// Lamport time of the join.
        ltime: u64,
    },
    /// A query was accepted for the first time.
    QueryAccepted {
        /// Which.
        query: QueryId,
        /// Whether its filters match this node.
        matched: bool,
        /// How it came.
        path: EventPath,
    },
    /// This node answered a query.
    QueryAnswered {
        /// Which.
        query: QueryId,
    },
    /// An own query was acked or answered.
    QueryReplied {
        /// Which.
        query: QueryId,
        /// By whom, if this process knows the name.
        from: Option<NodeId>,
        /// An ack; otherwise an answer.
        ack: bool,
        /// This member did so before.
        duplicate: bool,
    },
    /// An own query ended.
    QueryEnded {
        /// Which.
        query: QueryId,
        /// Members that acked.
        acks: u32,
        /// Members that answered.
        responses: u32,
    },
    /// A message was passed on for somebody.
    Relayed,
    /// The keyring changed.
    KeyringChanged {
        /// Keys in it.
        keys: u32,
    },
    /// A vote about the own name ended.
    ConflictVote {
        /// Members that answered.
        responses: u32,
        /// Those that know this node under the name.
        matching: u32,
        /// Whether this node stays.
        stays: bool,
    },
    /// A member that had failed came back within `flap_timeout`.
    Flapped {
        /// Who.
        subject: NodeId,
    },
    /// A queue is deeper than `queue_depth_warning`.
    QueueDeep {
        /// Which.
        queue: QueueKind,
        /// Messages in it.
        depth: u32,
    },
}

/// The broadcast queues of the Serf layer, in the order they are drained.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum QueueKind {
    /// Join and leave intents.
    Intent,
    /// Queries.
    Query,
    /// User events.
    Event,
}
