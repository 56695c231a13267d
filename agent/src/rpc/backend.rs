//! What a session needs of the rest of the agent, so that it can be tested against recorded conversations.

use core::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use uwasa_core::command::QueryParams;
use uwasa_core::coordinate::Coordinate;
use uwasa_core::tags::Tags;

use crate::agent::{
    Agent, AgentError, Joined, KeyOutcome, KeyRequest, QueryRecord, Stats, Subscription,
};
use crate::event::{Member, QueryId};
use crate::filter::Filter;
use crate::log::{self, Log, Monitor};

/// Events that may wait for one stream.
pub(super) const EVENTS_WAITING: usize = 512;

/// The agent as its RPC sessions see it; the methods are those of [`Agent`].
pub(super) trait Backend: Clone + Send + Sync + 'static {
    type Lines: Lines;

    fn members(&self) -> impl Future<Output = Vec<Member>> + Send;
    fn stats(&self) -> impl Future<Output = Stats> + Send;
    fn join(&self, addresses: &[String], replay: bool) -> impl Future<Output = Joined> + Send;
    fn user_event(
        &self,
        name: &str,
        payload: Bytes,
        coalesce: bool,
    ) -> impl Future<Output = Result<(), AgentError>> + Send;
    fn query(
        &self,
        query: QueryParams,
    ) -> impl Future<Output = Result<mpsc::Receiver<QueryRecord>, AgentError>> + Send;
    fn respond(
        &self,
        query: QueryId,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), AgentError>> + Send;
    fn force_leave(
        &self,
        name: &str,
        prune: bool,
    ) -> impl Future<Output = Result<(), AgentError>> + Send;
    fn update_tags(
        &self,
        set: &Tags,
        delete: &[String],
    ) -> impl Future<Output = Result<(), AgentError>> + Send;
    fn keys(&self, request: KeyRequest) -> impl Future<Output = KeyOutcome> + Send;
    fn coordinate(&self, name: &str) -> impl Future<Output = Option<Coordinate>> + Send;
    fn leave(&self) -> impl Future<Output = Result<(), AgentError>> + Send;
    fn request_shutdown(&self);
    fn subscribe(
        &self,
        filters: Vec<Filter>,
        label: String,
    ) -> impl Future<Output = Subscription> + Send;

    /// A monitor of the log; `None` if there is no such level.
    fn monitor(&self, level: &str) -> Option<Self::Lines>;
}

/// Lines of the log.
pub(super) trait Lines: Send + 'static {
    /// Those from before, once.
    fn backlog(&mut self) -> Vec<Arc<str>>;
    /// The next one; `None` if there is no more.
    fn next(&mut self) -> impl Future<Output = Option<Arc<str>>> + Send;
    /// Whether none waits.
    fn is_empty(&self) -> bool;
    /// How many were dropped since the last call.
    fn take_dropped(&self) -> u64;
}

impl Lines for Monitor {
    fn backlog(&mut self) -> Vec<Arc<str>> {
        core::mem::take(&mut self.backlog)
    }

    async fn next(&mut self) -> Option<Arc<str>> {
        self.lines.recv().await
    }

    fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    fn take_dropped(&self) -> u64 {
        Self::take_dropped(self)
    }
}

/// A running agent and its log.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) agent: Agent,
    pub(super) log: Log,
}

impl Backend for Running {
    type Lines = Monitor;

    async fn members(&self) -> Vec<Member> {
        self.agent.members().await
    }

    async fn stats(&self) -> Stats {
        self.agent.stats().await
    }

    async fn join(&self, addresses: &[String], replay: bool) -> Joined {
        self.agent.join(addresses, replay).await
    }

    async fn user_event(
        &self,
        name: &str,
        payload: Bytes,
        coalesce: bool,
    ) -> Result<(), AgentError> {
        self.agent.user_event(name, payload, coalesce).await
    }

    async fn query(&self, query: QueryParams) -> Result<mpsc::Receiver<QueryRecord>, AgentError> {
        self.agent.query(query).await
    }

    async fn respond(&self, query: QueryId, payload: Bytes) -> Result<(), AgentError> {
        self.agent.respond(query, payload).await
    }

    async fn force_leave(&self, name: &str, prune: bool) -> Result<(), AgentError> {
        self.agent.force_leave(name, prune).await
    }

    async fn update_tags(&self, set: &Tags, delete: &[String]) -> Result<(), AgentError> {
        self.agent.update_tags(set, delete).await
    }

    async fn keys(&self, request: KeyRequest) -> KeyOutcome {
        self.agent.keys(request).await
    }

    async fn coordinate(&self, name: &str) -> Option<Coordinate> {
        self.agent.coordinate(name).await
    }

    async fn leave(&self) -> Result<(), AgentError> {
        self.agent.leave().await
    }

    fn request_shutdown(&self) {
        self.agent.request_shutdown();
    }

    async fn subscribe(&self, filters: Vec<Filter>, label: String) -> Subscription {
        self.agent.subscribe(EVENTS_WAITING, filters, label).await
    }

    fn monitor(&self, level: &str) -> Option<Monitor> {
        Some(self.log.monitor(log::parse_level(level)?))
    }
}
