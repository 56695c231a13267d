//! Serf messages carried inside memberlist user messages and push/pull user state.

/// Serf message number: the first byte inside a memberlist user message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum SerfMessageType {
    /// Leave intent.
    Leave = 0,
    /// Join intent.
    Join = 1,
    /// Push/pull user state.
    PushPull = 2,
    /// User event.
    UserEvent = 3,
    /// Query.
    Query = 4,
    /// Query response or ack.
    QueryResponse = 5,
    /// Payload of a name-conflict answer.
    ConflictResponse = 6,
    /// Payload of a key query.
    KeyRequest = 7,
    /// Payload of a key answer.
    KeyResponse = 8,
    /// Relayed message.
    Relay = 9,
}

impl SerfMessageType {
    /// The type for a first byte, if it is one.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Leave,
            1 => Self::Join,
            2 => Self::PushPull,
            3 => Self::UserEvent,
            4 => Self::Query,
            5 => Self::QueryResponse,
            6 => Self::ConflictResponse,
            7 => Self::KeyRequest,
            8 => Self::KeyResponse,
            9 => Self::Relay,
            _ => return None,
        })
    }
}

/// Type 3: a user event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UserEventMessage<'a> {
    /// Event-clock Lamport time.
    pub ltime: u64,
    /// Event name.
    pub name: &'a str,
    /// Payload; `None` is the wire's nil.
    pub payload: Option<&'a [u8]>,
    /// Whether receivers may coalesce it (wire key `CC`).
    pub coalesce: bool,
}

/// Scalar part of the push/pull user state (type 2): the three clocks, each the *next* value to be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct StateClocks {
    /// Member clock (wire key `LTime`).
    pub member: u64,
    /// Event clock (wire key `EventLTime`).
    pub event: u64,
    /// Query clock (wire key `QueryLTime`).
    pub query: u64,
}
