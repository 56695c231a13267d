//! What an agent tells its clients and handlers: the core's events with names and addresses in place of numbers.

use core::net::{IpAddr, SocketAddr};

use bytes::Bytes;
pub(crate) use uwasa_core::event::MemberEventKind;
pub(crate) use uwasa_core::io::QueryId;
use uwasa_core::pool::Vsn;
use uwasa_core::tags::Tags;
pub(crate) use uwasa_core::trace::MemberStatus;

/// A member as it was at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    /// Name.
    pub name: Box<str>,
    /// Advertised gossip address; `None` if what it advertises is no address.
    pub addr: Option<IpAddr>,
    /// Advertised gossip port.
    pub port: u16,
    /// Tags.
    pub tags: Tags,
    /// Status; `None` is Serf's "none".
    pub status: Option<MemberStatus>,
    /// Version bytes: memberlist's and Serf's minimum, maximum and current protocol.
    pub vsn: Vsn,
}

impl Member {
    /// The word that Serf shows for the status.
    #[must_use]
    pub(crate) fn status_word(&self) -> &'static str {
        self.status.map_or("none", MemberStatus::as_str)
    }

    /// Where it is reached.
    #[must_use]
    pub(crate) fn socket_addr(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.addr?, self.port))
    }
}

/// One event, shared by everyone who hears it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum AgentEvent {
    /// Members changed.
    Members {
        /// How.
        kind: MemberEventKind,
        /// Never empty.
        members: Vec<Member>,
    },
    /// A user event.
    User {
        /// Lamport time.
        ltime: u64,
        /// Name.
        name: Box<str>,
        /// Payload; absent and empty are the same on the wire.
        payload: Bytes,
        /// Whether it may be coalesced.
        coalesce: bool,
    },
    /// A query that may be answered once with [`Agent::respond`](crate::agent::Agent::respond).
    Query {
        /// Names it in `respond`; it carries the Lamport time.
        id: QueryId,
        /// Name.
        name: Box<str>,
        /// Payload.
        payload: Bytes,
    },
}

impl AgentEvent {
    /// The type as clients and handlers know it: `member-join`, `user`, `query`, ….
    #[must_use]
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Members { kind, .. } => match kind {
                MemberEventKind::Join => "member-join",
                MemberEventKind::Leave => "member-leave",
                MemberEventKind::Failed => "member-failed",
                MemberEventKind::Update => "member-update",
                MemberEventKind::Reap => "member-reap",
            },
            Self::User { .. } => "user",
            Self::Query { .. } => "query",
        }
    }

    /// How the log names it: `member-join`, `user-event: NAME`, `query: NAME`.
    #[must_use]
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Members { .. } => self.kind().to_owned(),
            Self::User { name, .. } => format!("user-event: {name}"),
            Self::Query { name, .. } => format!("query: {name}"),
        }
    }
}
