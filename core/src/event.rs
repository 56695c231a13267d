//! What a node tells the application.

use bytes::Bytes;

use crate::ids::NodeId;

/// One application event, in causal order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A member joined or came back.
    MemberJoin(NodeId),
    /// A member left on its own announcement.
    MemberLeave(NodeId),
    /// A member was declared dead.
    MemberFailed(NodeId),
    /// A member's metadata changed.
    MemberUpdate(NodeId),
    /// A user event.
    User(UserEvent),
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
