//! What one agent can do, in Serf's words: the operations behind RPC, handlers, discovery and joins at start.
//!
//! Operations log as Serf's agent does, and their errors are the texts that clients know.

mod addresses;
mod errors;
mod joins;
mod keys;
mod shown;
mod stats;

use std::collections::BTreeMap;
use std::io;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::{Mutex as Turn, mpsc, watch};
use tokio::task::spawn_blocking;
use uwasa_core::command::{Command, KeyReport, OpError, QueryParams};
use uwasa_core::coordinate::Coordinate;
use uwasa_core::tags::Tags;

use self::shown::{EVENT_BYTES_MAX, QUERY_BYTES_MAX, shown};
use crate::driver::{self, Ended, Handle, Request, Subscriber};
use crate::event::{AgentEvent, Member, QueryId};
use crate::filter::Filter;
use crate::tags_file;

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

/// What comes of a query, in order. `Done` is the last, and always comes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum QueryRecord {
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
pub(crate) enum KeyRequest {
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
pub(crate) struct KeyOutcome {
    /// Answers; all zero after an early failure.
    pub report: KeyReport,
    /// What the client is told.
    pub error: Option<AgentError>,
}

/// Sections of figures, as `info` shows them.
pub(crate) type Stats = BTreeMap<&'static str, BTreeMap<String, String>>;

/// Events from the moment of the subscription on.
#[derive(Debug)]
pub(crate) struct Subscription(pub(crate) mpsc::Receiver<Arc<AgentEvent>>);

impl Subscription {
    /// The next event; `None` once the agent is shut down and nothing is left. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Option<Arc<AgentEvent>> {
        self.0.recv().await
    }
}

/// What an agent needs besides its node.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Settings {
    /// The file that keeps tags over restarts.
    pub tags_file: Option<PathBuf>,
    /// The section `event_handlers` of `info`: filter and script.
    pub event_handlers: BTreeMap<String, String>,
}

/// A running agent. Clones are handles to the same one; the driver's task is what runs.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    driver: Handle,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    /// Processors, as they were at the start: asking the system each time costs more than the rest of an answer.
    cpus: usize,
    /// The own member as it was last seen: scripts still run when the node has ended.
    own: Mutex<Member>,
    /// Held while tags change: two changes at once must not undo each other.
    tags: Turn<()>,
    /// Whether somebody asked for the end of the whole agent.
    shutdown: watch::Sender<bool>,
}

impl Agent {
    /// Starts a node and its driver.
    ///
    /// # Errors
    ///
    /// A socket or the snapshot cannot be used.
    pub(crate) fn start(start: driver::Start, settings: Settings) -> io::Result<Self> {
        let own = Mutex::new(driver::describe_self(&start));
        let driver = driver::start(start)?;
        let shutdown = watch::Sender::new(false);
        let cpus = std::thread::available_parallelism().map_or(1, NonZero::get);
        let tags = Turn::default();
        Ok(Self { driver, shared: Arc::new(Shared { settings, cpus, own, tags, shutdown }) })
    }

    /// Own name.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.driver.name
    }

    /// Advertised gossip address.
    #[must_use]
    pub(crate) fn addr(&self) -> std::net::SocketAddr {
        self.driver.addr
    }

    /// All members, this one included, in order of their names. Empty once the agent is shut down.
    pub(crate) async fn members(&self) -> Vec<Member> {
        let mut members = self.driver.ask(Request::Members).await.unwrap_or_default();
        members.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        members
    }

    /// This member, with its present tags; as it was last seen once the agent is shut down.
    pub(crate) async fn local(&self) -> Member {
        let present = self.driver.ask(Request::Local).await.flatten();
        self.seen(present)
    }

    /// The own member, as the driver has just told it or as it was last seen.
    fn seen(&self, present: Option<Member>) -> Member {
        let mut own = self.shared.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(present) = present {
            *own = present;
        }
        own.clone()
    }

    /// Sends a user event.
    ///
    /// # Errors
    ///
    /// Too large, or the agent is shut down.
    pub(crate) async fn user_event(
        &self,
        name: &str,
        payload: Bytes,
        coalesce: bool,
    ) -> Result<(), AgentError> {
        let (called, shown) = shown(name, &payload, EVENT_BYTES_MAX);
        tracing::debug!(
            target: "agent",
            "Requesting user event send: {called}. Coalesced: {coalesce}. Payload: {shown}"
        );
        let result = self.send_event(name, payload, coalesce).await;
        if let Err(error) = &result {
            tracing::warn!(target: "agent", "failed to send user event: {error}");
        }
        result
    }

    async fn send_event(
        &self,
        name: &str,
        payload: Bytes,
        coalesce: bool,
    ) -> Result<(), AgentError> {
        let (size, limit) = (name.len() + payload.len(), self.driver.config.user_event_bytes_max);
        if size > limit {
            let text =
                format!("user event exceeds configured limit of {limit} bytes before encoding");
            return Err(AgentError(text));
        }
        let command = Command::UserEvent { name: name.into(), payload, coalesce };
        self.driver.command(command).await.map_err(errors::general)?;
        Ok(())
    }

    /// Sends a query. The receiver holds up to 512 records; what it does not take in time is dropped, but never `Done`.
    ///
    /// # Errors
    ///
    /// Too large, a reserved name, unsupported by the protocol version, or the agent is shut down.
    pub(crate) async fn query(
        &self,
        query: QueryParams,
    ) -> Result<mpsc::Receiver<QueryRecord>, AgentError> {
        let (called, shown) = shown(&query.name, &query.payload, QUERY_BYTES_MAX);
        tracing::debug!(target: "agent", "Requesting query send: {called}. Payload: {shown}");
        let result = self.send_query(query).await;
        if let Err(error) = &result {
            tracing::warn!(target: "agent", "failed to start user query: {error}");
        }
        result
    }

    async fn send_query(
        &self,
        query: QueryParams,
    ) -> Result<mpsc::Receiver<QueryRecord>, AgentError> {
        let reserved = query.name.starts_with("_serf_");
        if reserved && (&*query.name != "_serf_ping" || !query.payload.is_empty()) {
            return Err(AgentError("Queries cannot contain the '_serf_' prefix".to_owned()));
        }
        let ask = async |params| {
            let answer = self.driver.ask(|reply| Request::Query { params, reply }).await;
            answer.unwrap_or(Err(OpError::ShutDown))
        };
        let answer = match ask(query.clone()).await {
            Err(OpError::BadFilter { filter, reason }) => {
                // Serf sends it, and no member matches: the same without the noise.
                tracing::warn!(
                    target: "agent",
                    "query filter on tag {:?} matches nobody: {reason}", filter.tag
                );
                ask(QueryParams { filter_nodes: vec!["".into()], filter_tags: Vec::new(), ..query })
                    .await
            }
            answer => answer,
        };
        answer.map_err(errors::general)
    }

    /// Answers a query that came as an event.
    ///
    /// # Errors
    ///
    /// Answered before, over, or too large.
    pub(crate) async fn respond(&self, query: QueryId, payload: Bytes) -> Result<(), AgentError> {
        let answer = self.driver.command(Command::Respond { query, payload }).await;
        answer.map_err(errors::response)?;
        Ok(())
    }

    /// Forces a failed member out; `prune` erases it.
    ///
    /// # Errors
    ///
    /// The news was not spread in time.
    pub(crate) async fn force_leave(&self, name: &str, prune: bool) -> Result<(), AgentError> {
        let how = if prune { " (prune)" } else { "" };
        tracing::info!(target: "agent", "Force leaving node{how}: {name}");
        let command = Command::ForceLeave { name: name.into(), prune };
        let answer = self.driver.command(command).await.map_err(errors::removal);
        if let Err(error) = &answer {
            tracing::warn!(target: "agent", "failed to remove node{how}: {error}");
        }
        answer.map(drop)
    }

    /// Removes the tags `delete`, then sets the tags `set`. The tags file is written first.
    ///
    /// # Errors
    ///
    /// Too large, or the file cannot be written.
    pub(crate) async fn update_tags(
        &self,
        set: &Tags,
        delete: &[String],
    ) -> Result<(), AgentError> {
        let _turn = self.shared.tags.lock().await;
        let mut tags = self.local().await.tags;
        for name in delete {
            tags.remove(name);
        }
        for (name, value) in set.iter() {
            tags.insert(name, value);
        }
        self.store_tags(tags).await
    }

    /// Replaces all tags. The tags file is written first.
    ///
    /// # Errors
    ///
    /// Too large, or the file cannot be written.
    pub(crate) async fn set_tags(&self, tags: Tags) -> Result<(), AgentError> {
        let _turn = self.shared.tags.lock().await;
        self.store_tags(tags).await
    }

    async fn store_tags(&self, tags: Tags) -> Result<(), AgentError> {
        if let Some(path) = self.shared.settings.tags_file.clone() {
            let kept = tags.clone();
            // A slow disk must not stop the node.
            let written = spawn_blocking(move || tags_file::write(&path, &kept)).await;
            let written = written.unwrap_or_else(|error| Err(error.to_string()));
            if let Err(error) = written {
                tracing::error!(target: "agent", "{error}");
                return Err(AgentError(error));
            }
        }
        self.driver.command(Command::SetTags(tags)).await.map_err(errors::update)?;
        Ok(())
    }

    /// The network coordinate of a member, if it is known.
    pub(crate) async fn coordinate(&self, name: &str) -> Option<Coordinate> {
        let name = name.to_owned();
        self.driver.ask(|reply| Request::Coordinate { name, reply }).await.flatten()
    }

    /// Leaves the cluster. The agent keeps answering until it is shut down.
    ///
    /// # Errors
    ///
    /// A leave is under way, or timed out.
    pub(crate) async fn leave(&self) -> Result<(), AgentError> {
        tracing::info!(target: "agent", "requesting graceful leave from Serf");
        self.driver.command(Command::Leave).await.map_err(errors::leave)?;
        Ok(())
    }

    /// Asks whoever runs the agent to shut it down and end with success: what the RPC command `leave` does at its end.
    pub(crate) fn request_shutdown(&self) {
        self.shared.shutdown.send_replace(true);
    }

    /// Waits until somebody asks for the end.
    pub(crate) async fn shutdown_requested(&self) {
        // The sender lives as long as this handle.
        let _ = self.shared.shutdown.subscribe().wait_for(|&asked| asked).await;
    }

    /// Waits until the node has stopped by itself: its name is taken.
    pub(crate) async fn gossip_stopped(&self) {
        if self.driver.ended().await != Ended::ByItself {
            std::future::pending::<()>().await;
        }
    }

    /// Ends the node and closes its files and sockets. Without a leave the others will see it fail.
    pub(crate) async fn shut_down(&self) {
        tracing::info!(target: "agent", "requesting serf shutdown");
        if !self.driver.has_left() && !self.driver.has_ended() {
            tracing::warn!(target: "serf", "Shutdown without a Leave");
        }
        // It has ended already if nobody takes the request.
        let _ = self.driver.ask(Request::Stop).await;
        self.driver.ended().await;
        tracing::info!(target: "agent", "shutdown complete");
    }

    /// Subscribes to the events that one of `filters` lets pass. When `capacity` events wait, the newest is dropped, and
    /// `agent.ipc: Dropping event to LABEL` is logged.
    pub(crate) async fn subscribe(
        &self,
        capacity: usize,
        filters: Vec<Filter>,
        label: String,
    ) -> Subscription {
        let (events, receiver) = mpsc::channel(capacity);
        let subscriber = Subscriber { filters, label, events };
        // Without a driver the receiver simply ends.
        let _ = self.driver.ask(|reply| Request::Subscribe { subscriber, reply }).await;
        Subscription(receiver)
    }
}
