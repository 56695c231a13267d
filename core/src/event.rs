//! What a node tells the application.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::ids::{NodeId, OpId, ProfileId, QueryId};
use crate::keyring::Keyring;
use crate::time::Instant;
use crate::trace::MemberStatus;

/// One application event, in causal order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Members changed.
    Members(MemberEvent),
    /// A user event.
    User(UserEvent),
    /// A query of somebody, or an own one, that this node may answer with `Command::Respond`.
    Query(Box<QueryEvent>),
    /// A member received an own query.
    QueryAck {
        /// Number of the command that asked.
        op: OpId,
        /// Who; not authenticated.
        from: Box<str>,
    },
    /// A member answered an own query.
    QueryResponse {
        /// Number of the command that asked.
        op: OpId,
        /// Who; not authenticated.
        from: Box<str>,
        /// The answer.
        payload: Bytes,
    },
    /// A key query changed the keyring; whoever keeps it in a file writes it now.
    KeyringChanged {
        /// The new ring.
        keyring: Keyring,
        /// Set with `Options::keyring_file`: the answer to this query waits for `Command::KeyringStored`.
        answers: Option<QueryId>,
    },
    /// This node stopped itself. It ignores all further input; peers will see it fail.
    ShutDown(ShutDownReason),
}

/// What happened to members.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum MemberEventKind {
    /// Joined, came back, or was seen to join again.
    Join = 0,
    /// Left on its own announcement, or was forced out while failed.
    Leave = 1,
    /// Was declared dead without having announced to leave.
    Failed = 2,
    /// Changed tags or address.
    Update = 3,
    /// Its record was erased: pruned, or failed or left for too long.
    Reap = 4,
}

/// A change of one member, or of several after coalescing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MemberEvent {
    /// What happened.
    pub kind: MemberEventKind,
    /// To whom, never empty; more than one only after coalescing.
    pub members: SmallVec<[EventMember; 1]>,
}

/// A member as it was when the event happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventMember {
    /// Who.
    pub node: NodeId,
    /// What it said about itself.
    pub profile: ProfileId,
    /// Its status after the event; a join may show `Leaving`.
    pub status: MemberStatus,
}

/// A delivered user event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UserEvent {
    /// Event-clock Lamport time.
    pub ltime: u64,
    /// Name.
    pub name: Box<str>,
    /// Payload, possibly empty.
    pub payload: Bytes,
    /// Whether it may be coalesced.
    pub coalesce: bool,
}

/// A delivered query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueryEvent {
    /// Names the query in `Command::Respond`.
    pub id: QueryId,
    /// Name.
    pub name: Box<str>,
    /// Payload, possibly empty.
    pub payload: Bytes,
    /// Who asks; empty from very old peers.
    pub source: Box<str>,
    /// Answers after this time are refused.
    pub deadline: Instant,
}

/// Why a node stopped itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShutDownReason {
    /// Another node carries the same name, and the vote went to it.
    NameConflict {
        /// Members that answered the vote.
        responses: u32,
        /// Those that know this node under the name.
        matching: u32,
    },
}
