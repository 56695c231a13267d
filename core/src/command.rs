//! What the application may ask of a node, and the answers.

use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;
use thiserror::Error;

use crate::ids::{QueryId, StreamFailure};
use crate::tags::Tags;

/// A request of the application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Push/pull with every seed, one after the other. Reply: how many answered. Error: none did.
    Join {
        /// Where to try; tried in order.
        seeds: Vec<SocketAddr>,
        /// Deliver user events that happened before the join.
        replay_events: bool,
    },
    /// Leave the cluster: intent, departure, and a last wait. Bounded by `broadcast_timeout` twice plus
    /// `leave_propagate_delay`. Final: the node answers until it is dropped, but never joins again.
    Leave,
    /// Turn a failed member into one that left. Done when the request was transmitted to its limit, at once if nobody
    /// is there to be told. An unknown name is no error.
    ForceLeave {
        /// Whom.
        name: Box<str>,
        /// Erase its record too.
        prune: bool,
    },
    /// Replace the own tags. Done when the news was transmitted to its limit, at once if nobody is there to be told.
    SetTags(Tags),
    /// Reply: its Lamport time. Error: too large.
    UserEvent {
        /// Name.
        name: Box<str>,
        /// Payload.
        payload: Bytes,
        /// Whether receivers may coalesce it.
        coalesce: bool,
    },
    /// Ask every member that passes the filters. Acks and answers arrive as events; `Done` comes at the deadline.
    Query(QueryParams),
    /// Answer a query delivered to this node.
    Respond {
        /// Which query.
        query: QueryId,
        /// The answer.
        payload: Bytes,
    },
    /// Change or list the keys of every member. `Done` comes when all answered, or at the query's deadline.
    Keys {
        /// What to do.
        op: KeyOp,
        /// Members that pass on each answer besides the direct copy; 0: none.
        relay_factor: u8,
    },
    /// The keyring of an `Event::KeyringChanged` with `answers` was stored, or could not be.
    KeyringStored {
        /// The query whose answer waits.
        query: QueryId,
        /// Why it could not be stored; the change stays in effect.
        error: Option<Box<str>>,
    },
}

/// A query to send.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct QueryParams {
    /// Name. Names that start with `_serf_` are answered by the members themselves and never shown to applications.
    pub name: Box<str>,
    /// Payload.
    pub payload: Bytes,
    /// Only members with these names; empty: all.
    pub filter_nodes: Vec<Box<str>>,
    /// Only members whose tag matches an expression (Go's RE2 dialect, searched, not anchored); all must match.
    pub filter_tags: Vec<TagFilter>,
    /// Ask for acks.
    pub ack: bool,
    /// Members that pass on each ack and answer besides the direct copy; 0: none.
    pub relay_factor: u8,
    /// How long to wait; zero: the default for the cluster's size.
    pub timeout: Duration,
}

/// A condition on one tag. A missing tag is the empty string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagFilter {
    /// Name of the tag.
    pub tag: Box<str>,
    /// Regular expression.
    pub expr: Box<str>,
}

/// What to do with the cluster's keys.
#[derive(Clone, PartialEq, Eq)]
pub enum KeyOp {
    /// Add a key.
    Install(Bytes),
    /// Make an installed key primary.
    Use(Bytes),
    /// Remove a key that is not primary.
    Remove(Bytes),
    /// Report all keys.
    List,
}

impl fmt::Debug for KeyOp {
    /// Never prints a key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Install(_) => "Install(..)",
            Self::Use(_) => "Use(..)",
            Self::Remove(_) => "Remove(..)",
            Self::List => "List",
        })
    }
}

/// A successful answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// How many seeds answered the join.
    Joined {
        /// At least 1.
        contacted: u32,
    },
    /// The node has left.
    Left,
    /// The request to force a member out is spread.
    LeaveForced,
    /// The new tags are in effect and spread.
    TagsSet,
    /// The event was accepted and queued.
    EventSent {
        /// Its Lamport time.
        ltime: u64,
    },
    /// The query is over.
    QueryDone(QueryReport),
    /// The answer to a query is on its way.
    Responded,
    /// Every member did as asked.
    Keys(Box<KeyReport>),
    /// The waiting answer is on its way.
    KeyringStored,
}

/// How a query ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct QueryReport {
    /// Names the query on the wire.
    pub id: QueryId,
    /// Members that acked.
    pub acks: u32,
    /// Members that answered.
    pub responses: u32,
}

/// What the members answered to a key operation.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyReport {
    /// Members that were alive when it was sent.
    pub nodes: u32,
    /// Answers.
    pub responses: u32,
    /// Answers that reported a failure.
    pub errors: u32,
    /// What members had to say, by name.
    pub messages: BTreeMap<Box<str>, Box<str>>,
    /// Members that listed a key, by the key in base64.
    pub keys: BTreeMap<Box<str>, u32>,
    /// Members by primary key in base64. Only a listing names keys; other operations count under the empty text.
    pub primary_keys: BTreeMap<Box<str>, u32>,
}

impl fmt::Display for KeyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.errors > 0 {
            write!(f, "{}/{} nodes reported failure", self.errors, self.nodes)
        } else {
            write!(f, "{}/{} nodes reported success", self.responses, self.nodes)
        }
    }
}

/// Why one seed of a join does not count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JoinFailure {
    /// The stream could not be opened, or broke.
    Stream(StreamFailure),
    /// The seed ended the stream before its reply was complete.
    Closed,
    /// `tcp_timeout` passed.
    TimedOut,
    /// The reply cannot be read: another key, or no Serf at all.
    Unreadable(&'static str),
    /// The seed cannot read us, and says so.
    Refused(Box<str>),
    /// The seed's state does not decode, or it holds members that speak no common protocol version.
    Incompatible,
}

/// A refused or failed request. State is unchanged unless a variant says otherwise.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum OpError {
    /// No seed answered, or none agreed to exchange state. State unchanged.
    #[error("no seed answered the join (0 of {})", failures.len())]
    JoinFailed {
        /// Every seed that was tried, in order, and what went wrong.
        failures: Vec<(SocketAddr, JoinFailure)>,
    },
    /// The join named no seed. State unchanged.
    #[error("a join needs at least one seed address")]
    NoSeeds,
    /// The node has left or is leaving. State unchanged.
    #[error("the node has left the cluster")]
    NotAlive,
    /// A leave is under way. State unchanged.
    #[error("a leave is already in progress")]
    LeaveInProgress,
    /// Event too large. State unchanged, no Lamport time was used.
    #[error("user event is {size} bytes, the limit is {limit} bytes: shorten name or payload")]
    EventTooLarge {
        /// Size found: name plus payload, or the encoded message.
        size: usize,
        /// The limit that was broken.
        limit: usize,
    },
    /// A clock has run out of numbers: somebody forged absurd Lamport times. State unchanged.
    #[error("the Lamport clock has reached its limit; restart the cluster's nodes")]
    LamportTimeExhausted,
    /// Tags too large. State unchanged.
    #[error("encoded tags are {size} bytes, the limit is {limit} bytes: shorten or remove some")]
    TagsTooLarge {
        /// Size found.
        size: usize,
        /// 512.
        limit: usize,
    },
    /// The news was not transmitted to its limit within `broadcast_timeout`. It is in effect here, and goes on
    /// spreading by gossip and push/pull.
    #[error("timed out waiting for the broadcast; it goes on spreading")]
    BroadcastTimeout,
    /// Query too large. State unchanged, no Lamport time was used.
    #[error("query is {size} bytes, the limit is {limit} bytes: shorten name, payload or filters")]
    QueryTooLarge {
        /// Size of the encoded message, filters included.
        size: usize,
        /// `query_bytes_max`.
        limit: usize,
    },
    /// Queries need Serf protocol 4. State unchanged.
    #[error("queries need serf_protocol_version 4 or more, this node speaks {version}")]
    QueryUnsupported {
        /// What this node speaks.
        version: u8,
    },
    /// A filter's expression is not understood by every member. State unchanged.
    #[error("filter on tag \"{}\": expression \"{}\" is refused: {reason}", filter.tag, filter.expr)]
    BadFilter {
        /// The filter.
        filter: Box<TagFilter>,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// Too many own queries are under way. State unchanged.
    #[error("{limit} queries are under way already: wait for one to end")]
    QueriesFull {
        /// The limit.
        limit: usize,
    },
    /// Answer too large. State unchanged: a shorter one may follow.
    #[error("response is {size} bytes, the limit is {limit} bytes: shorten it")]
    ResponseTooLarge {
        /// Size of the encoded message.
        size: usize,
        /// `query_response_bytes_max`.
        limit: usize,
    },
    /// The direct copy is on its way, but the copy for relays is too large. A second answer is possible.
    #[error(
        "response is sent, but is {size} bytes with its relay header, the limit is {limit} bytes: \
         no member relays it"
    )]
    RelayTooLarge {
        /// Size of the encoded message with its header.
        size: usize,
        /// `query_response_bytes_max`.
        limit: usize,
    },
    /// This node answered the query before. State unchanged.
    #[error("response already sent")]
    AlreadyAnswered,
    /// The query was never delivered here, or its deadline has passed. State unchanged.
    #[error("the query is unknown or its deadline has passed")]
    QueryOver,
    /// Some member refused the key operation or did not answer. Others may have carried it out.
    #[error("{0}")]
    KeysFailed(Box<KeyReport>),
    /// The node has shut itself down. State unchanged.
    #[error("the node has shut down")]
    ShutDown,
}
