//! Typed taps on state changes, for oracles, metrics and logs. Cheap enough to leave on.

use crate::ids::NodeId;
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

/// How a user event reached this node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EventPath {
    /// Sent here.
    Local,
    /// By gossip.
    Gossip,
    /// By a push/pull exchange.
    PushPull,
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
    /// This node refuted an accusation.
    Refuted {
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
}
