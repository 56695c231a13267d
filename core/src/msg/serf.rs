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

/// Type 0: somebody leaves, or is forced out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeaveIntent<'a> {
    /// Member-clock Lamport time.
    pub ltime: u64,
    /// Who.
    pub node: &'a str,
    /// Whether the record is to be erased too; absent from old peers.
    pub prune: bool,
}

/// Type 1: somebody joined.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct JoinIntent<'a> {
    /// Member-clock Lamport time.
    pub ltime: u64,
    /// Who.
    pub node: &'a str,
}

/// Bit of [`QueryMessage::flags`]: acks are wanted.
pub const QUERY_FLAG_ACK: u32 = 1;
/// Bit of [`QueryMessage::flags`]: not to be passed on by gossip.
pub const QUERY_FLAG_NO_BROADCAST: u32 = 2;
/// Bit of [`QueryResponse::flags`]: an ack.
pub const RESPONSE_FLAG_ACK: u32 = 1;

/// Type 4: a query.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct QueryMessage<'a> {
    /// Query-clock Lamport time.
    pub ltime: u64,
    /// Random number of the asker.
    pub id: u32,
    /// Address to answer to, 4 or 16 bytes if sane.
    pub addr: &'a [u8],
    /// Port to answer to.
    pub port: u16,
    /// Who asks; empty from very old peers.
    pub source_node: &'a str,
    /// Encoded filters, each as [`Filter`] reads; empty: everybody.
    pub filters: Vec<&'a [u8]>,
    /// [`QUERY_FLAG_ACK`], [`QUERY_FLAG_NO_BROADCAST`]; other bits are ignored.
    pub flags: u32,
    /// Members that pass on each ack and answer.
    pub relay_factor: u8,
    /// How long answers are wanted, in nanoseconds from receipt; may be negative from hostile peers.
    pub timeout: i64,
    /// Name.
    pub name: &'a str,
    /// Payload; `None` is the wire's nil.
    pub payload: Option<&'a [u8]>,
}

/// Type 5: an ack or answer to a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueryResponse<'a> {
    /// Lamport time of the query.
    pub ltime: u64,
    /// Number of the query.
    pub id: u32,
    /// Who answers; not authenticated.
    pub from: &'a str,
    /// [`RESPONSE_FLAG_ACK`]; other bits are ignored.
    pub flags: u32,
    /// Payload; nil in acks.
    pub payload: Option<&'a [u8]>,
}

/// Type 9: the header in front of a message that is to be passed on byte for byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RelayHeader<'a> {
    /// Destination address, 4 or 16 bytes if sane.
    pub addr: &'a [u8],
    /// Destination port (signed on the wire).
    pub port: u16,
    /// Name of the destination.
    pub node: &'a str,
}

/// A condition on the members that a query is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Filter<'a> {
    /// Members with these names (first byte 0).
    Nodes(Vec<&'a str>),
    /// Members whose tag matches an expression (first byte 1).
    Tag {
        /// Name of the tag.
        tag: &'a str,
        /// Regular expression in Go's dialect.
        expr: &'a str,
    },
}

/// Type 6: how a member knows a name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConflictResponse<'a> {
    /// The name.
    pub name: &'a str,
    /// Address, 4 or 16 bytes if sane; empty if the name is unknown.
    pub addr: &'a [u8],
    /// Port.
    pub port: u16,
    /// Tags in wire order.
    pub tags: Vec<(&'a str, &'a str)>,
    /// Status number; 0 is "none".
    pub status: i64,
    /// Version bytes: protocol min, max, current; delegate min, max, current.
    pub vsn: [u8; 6],
}

/// Type 8: the answer to a key query.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyResponse<'a> {
    /// Whether it was carried out.
    pub result: bool,
    /// What the member has to say; empty: nothing.
    pub message: &'a str,
    /// Keys in base64, primary first; `None` is the wire's nil.
    pub keys: Option<Vec<&'a str>>,
    /// Primary key in base64; empty except in a listing.
    pub primary_key: &'a str,
}
