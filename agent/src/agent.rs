//! What one agent can do, in Serf's words: the operations behind RPC, handlers, discovery and joins at start.
//!
//! Operations log as Serf's agent does, and their errors are the texts that clients know.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use uwasa_core::command::{KeyReport, TagFilter};
use uwasa_core::coordinate::Coordinate;
use uwasa_core::tags::Tags;

use crate::event::{AgentEvent, Member, QueryId};
use crate::filter::Filter;

/// Why an operation failed, as a client is told.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct AgentError(pub String);

/// How a join ended. One success among failures is a success.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Joined {
    /// Addresses that answered.
    pub contacted: u32,
    /// Set when none answered.
    pub error: Option<AgentError>,
}

/// A query to send.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Query {
    /// Name.
    pub name: Box<str>,
    /// Payload.
    pub payload: Bytes,
    /// Only members with these names; empty: all.
    pub filter_nodes: Vec<Box<str>>,
    /// Only members whose tags match.
    pub filter_tags: Vec<TagFilter>,
    /// Ask for acks.
    pub ack: bool,
    /// Members that pass on each answer besides the direct copy.
    pub relay_factor: u8,
    /// How long to wait, in nanoseconds; 0: the default for the cluster's size, negative: not at all.
    pub timeout: i64,
}

/// What comes of a query, in order. `Done` is the last, and always comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum QueryRecord {
    /// A member received it.
    Ack {
        /// Who.
        from: Box<str>,
    },
    /// A member answered.
    Response {
        /// Who.
        from: Box<str>,
        /// What.
        payload: Bytes,
    },
    /// Its time is over.
    Done,
}

/// What to do with the cluster's keys; a key is base64 text as the client sent it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyRequest {
    /// Add a key.
    Install(String),
    /// Make a key primary.
    Use(String),
    /// Remove a key.
    Remove(String),
    /// Count the keys.
    List,
}

/// How a key operation ended: the report, and an error if not all members did as asked.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyOutcome {
    /// Answers; all zero after an early failure.
    pub report: KeyReport,
    /// What the client is told.
    pub error: Option<AgentError>,
}

/// Sections of figures, as `info` shows them.
pub type Stats = BTreeMap<&'static str, BTreeMap<String, String>>;

/// Events from the moment of the subscription on.
#[derive(Debug)]
pub struct Subscription(pub(crate) mpsc::Receiver<Arc<AgentEvent>>);

impl Subscription {
    /// The next event; `None` once the agent is shut down and nothing is left. Safe to cancel.
    pub async fn next(&mut self) -> Option<Arc<AgentEvent>> {
        self.0.recv().await
    }
}

/// A running agent. Clones are handles to the same one; the driver's task is what runs.
#[derive(Clone, Debug)]
pub struct Agent {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    tags_file: Option<PathBuf>,
}

impl Agent {
    /// Own name.
    #[must_use]
    pub fn name(&self) -> &str {
        unimplemented!()
    }

    /// All members, this one included, in no particular order. Empty once the agent is shut down.
    pub async fn members(&self) -> Vec<Member> {
        unimplemented!()
    }

    /// This member, with its present tags.
    pub async fn local(&self) -> Member {
        unimplemented!()
    }

    /// The sections `agent`, `runtime`, `serf`, `tags` and `event_handlers`.
    pub async fn stats(&self) -> Stats {
        unimplemented!()
    }

    /// Joins by way of addresses as users write them (`ip`, `ip:port`, `host`, `name/addr`, …), one after the other.
    pub async fn join(&self, addresses: &[String], replay: bool) -> Joined {
        let _ = (addresses, replay);
        unimplemented!()
    }

    /// Sends a user event.
    ///
    /// # Errors
    ///
    /// Too large, or the agent is shut down.
    pub async fn user_event(
        &self,
        name: &str,
        payload: Bytes,
        coalesce: bool,
    ) -> Result<(), AgentError> {
        let _ = (name, payload, coalesce);
        unimplemented!()
    }

    /// Sends a query. The receiver holds up to 512 records; what it does not take in time is dropped, but never `Done`.
    ///
    /// # Errors
    ///
    /// Too large, a reserved name, unsupported by the protocol version, or the agent is shut down.
    pub async fn query(&self, query: Query) -> Result<mpsc::Receiver<QueryRecord>, AgentError> {
        let _ = query;
        unimplemented!()
    }

    /// Answers a query that came as an event.
    ///
    /// # Errors
    ///
    /// Answered before, over, or too large.
    pub async fn respond(&self, query: QueryId, payload: Bytes) -> Result<(), AgentError> {
        let _ = (query, payload);
        unimplemented!()
    }

    /// Forces a failed member out; `prune` erases it.
    ///
    /// # Errors
    ///
    /// The news was not spread in time.
    pub async fn force_leave(&self, name: &str, prune: bool) -> Result<(), AgentError> {
        let _ = (name, prune);
        unimplemented!()
    }

    /// Removes the tags `delete`, then sets the tags `set`. The tags file is written first.
    ///
    /// # Errors
    ///
    /// Too large, or the file cannot be written.
    pub async fn update_tags(&self, set: &Tags, delete: &[String]) -> Result<(), AgentError> {
        let _ = (set, delete);
        unimplemented!()
    }

    /// Replaces all tags. The tags file is written first.
    ///
    /// # Errors
    ///
    /// Too large, or the file cannot be written.
    pub async fn set_tags(&self, tags: Tags) -> Result<(), AgentError> {
        let _ = (tags, &self.shared.tags_file);
        unimplemented!()
    }

    /// Changes or lists the keys of all members.
    pub async fn keys(&self, request: KeyRequest) -> KeyOutcome {
        let _ = request;
        unimplemented!()
    }

    /// The network coordinate of a member, if it is known.
    pub async fn coordinate(&self, name: &str) -> Option<Coordinate> {
        let _ = name;
        unimplemented!()
    }

    /// Leaves the cluster. The agent keeps answering until it is shut down.
    ///
    /// # Errors
    ///
    /// A leave is under way, or timed out.
    pub async fn leave(&self) -> Result<(), AgentError> {
        unimplemented!()
    }

    /// Asks whoever runs the agent to shut it down and end with success: what the RPC command `leave` does at its end.
    pub fn request_shutdown(&self) {
        unimplemented!()
    }

    /// Subscribes to the events that one of `filters` lets pass. When `capacity` events wait, the newest is dropped, and
    /// `agent.ipc: Dropping event to LABEL` is logged.
    pub async fn subscribe(
        &self,
        capacity: usize,
        filters: Vec<Filter>,
        label: String,
    ) -> Subscription {
        let _ = (capacity, filters, label);
        unimplemented!()
    }
}
