//! One record of a history.

use uwasa_core::trace::{Accusation, Cause, EventPath, MemberState, MemberStatus};

use crate::fact::End;
use crate::scenario::{Nanos, NodeIndex};

/// In place of a node: none.
pub(crate) const NOBODY: u32 = u32::MAX;

/// What a node was given when something happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// Its own clock.
    Timer,
    /// A datagram.
    Datagram { from: NodeIndex, serial: u64, sent_at: Nanos },
    /// Bytes on a stream with this host, or [`NOBODY`].
    Stream { peer: NodeIndex },
    /// A request of its application.
    Command,
    /// Nothing: the scenario acts on it.
    World,
}

impl Source {
    /// Who told.
    pub(crate) const fn teller(self) -> Option<NodeIndex> {
        match self {
            Self::Datagram { from: node, .. } | Self::Stream { peer: node } if node != NOBODY => {
                Some(node)
            }
            Self::Datagram { .. }
            | Self::Stream { .. }
            | Self::Timer
            | Self::Command
            | Self::World => None,
        }
    }
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum What {
    /// The state of the subject's record changed.
    Edge {
        from: Option<MemberState>,
        to: Option<MemberState>,
        incarnation: u32,
        cause: Cause,
        /// Whom the message names as its author.
        accuser: Option<u32>,
    },
    /// One more accuser: how many there are, how many count, when the suspicion ends now.
    Confirmed { count: (u32, u32), deadline: Nanos },
    /// The node answered an accusation.
    Refuted { accusation: Accusation, accuser: Option<u32>, incarnation: u32 },
    /// It accepted the announcement that the subject leaves, or is forced out.
    LeaveIntent,
    /// Serf's status changed for another reason.
    Status,
    /// A probe failed.
    ProbeFailed { nacks: (u32, u32), round: u64 },
    /// A user event or query was accepted.
    Told { topic: u32, path: EventPath },
    /// A process began.
    Started { life: u32 },
    /// It ended.
    Ended(End),
}

impl What {
    /// Whether a status change in the same input follows from this.
    pub(crate) const fn may_carry_status(&self) -> bool {
        matches!(self, Self::Edge { .. } | Self::LeaveIntent | Self::Status)
    }
}

/// One change, and what the node was given when it happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) at: Nanos,
    /// The newest datagram of the run before this: a datagram with a greater number was sent after it.
    pub(crate) after: u64,
    /// Number of the input.
    pub(crate) input: u64,
    pub(crate) node: NodeIndex,
    pub(crate) subject: u32,
    pub(crate) source: Source,
    pub(crate) what: What,
    /// Serf's status of the subject, where it changed with this.
    pub(crate) status: Option<Option<MemberStatus>>,
    /// Of a suspicion that begins: how many accusers shorten it, when it ends.
    pub(crate) timer: Option<(u32, Nanos)>,
}

impl Record {
    /// Whether it is about this subject, by this node, in this input.
    pub(crate) const fn is_of(&self, node: NodeIndex, subject: u32, input: u64) -> bool {
        self.node == node && self.subject == subject && self.input == input
    }
}
