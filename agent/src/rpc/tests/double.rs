//! An agent that answers what it was told to answer.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc};
use uwasa_core::command::QueryParams;
use uwasa_core::coordinate::Coordinate;
use uwasa_core::pool::Vsn;
use uwasa_core::tags::Tags;

use crate::agent::{AgentError, Joined, KeyOutcome, KeyRequest, QueryRecord, Stats, Subscription};
use crate::event::{AgentEvent, Member, QueryId};
use crate::filter::Filter;
use crate::rpc::backend::{Backend, Lines};

pub(super) type Done = Result<(), AgentError>;

/// What the double answers, call by call, and what it was asked.
#[derive(Default)]
pub(super) struct State {
    pub(super) members: Vec<Member>,
    pub(super) stats: VecDeque<Stats>,
    pub(super) joins: VecDeque<Joined>,
    /// Of user events, forced leaves, tags, answers, and the leave.
    pub(super) results: VecDeque<Done>,
    pub(super) queries: VecDeque<Result<Vec<QueryRecord>, AgentError>>,
    pub(super) keys: VecDeque<KeyOutcome>,
    pub(super) coordinates: VecDeque<Option<Coordinate>>,
    pub(super) events: VecDeque<Vec<AgentEvent>>,
    pub(super) logs: VecDeque<Vec<Arc<str>>>,
    /// Keeps subscriptions open.
    pub(super) senders: Vec<mpsc::Sender<Arc<AgentEvent>>>,
    pub(super) calls: Vec<String>,
    pub(super) is_shut_down: bool,
}

#[derive(Clone, Default)]
pub(super) struct Double {
    state: Arc<Mutex<State>>,
    /// Joins of the address `slow` end when this is notified.
    pub(super) slow_join: Arc<Notify>,
    /// If it is set, a leave ends when this is notified.
    slow_leave: Option<Arc<Notify>>,
}

impl Double {
    pub(super) fn new(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)), ..Self::default() }
    }

    /// One whose leave ends when `slow` is notified.
    pub(super) fn that_leaves_slowly(slow: &Arc<Notify>) -> Self {
        Self { slow_leave: Some(Arc::clone(slow)), ..Self::default() }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn call(&self, call: String) -> MutexGuard<'_, State> {
        let mut state = self.state();
        state.calls.push(call);
        state
    }
}

pub(super) fn member(name: &str, addr: [u8; 4], tags: &[(&str, &str)]) -> Member {
    Member {
        name: name.into(),
        addr: Some(addr.into()),
        port: 7946,
        tags: tags.iter().copied().collect(),
        status: Some(crate::event::MemberStatus::Alive),
        vsn: Vsn([1, 5, 2, 2, 5, 5]),
    }
}

impl Backend for Double {
    type Lines = Recorded;

    async fn members(&self) -> Vec<Member> {
        self.state().members.clone()
    }

    async fn stats(&self) -> Stats {
        self.state().stats.pop_front().unwrap_or_default()
    }

    async fn join(&self, addresses: &[String], replay: bool) -> Joined {
        if addresses == ["slow"] {
            self.slow_join.notified().await;
        }
        let call = format!("join {addresses:?} {replay}");
        self.call(call).joins.pop_front().unwrap_or_default()
    }

    async fn user_event(&self, name: &str, payload: Bytes, coalesce: bool) -> Done {
        let call = format!("event {name} {payload:?} {coalesce}");
        self.call(call).results.pop_front().unwrap_or(Ok(()))
    }

    async fn query(&self, query: QueryParams) -> Result<mpsc::Receiver<QueryRecord>, AgentError> {
        let records = self.call(format!("{query:?}")).queries.pop_front().unwrap_or(Ok(vec![]))?;
        let (sender, receiver) = mpsc::channel(512);
        for record in records {
            sender.try_send(record).unwrap();
        }
        Ok(receiver)
    }

    async fn respond(&self, query: QueryId, payload: Bytes) -> Done {
        let call = format!("respond {} {payload:?}", query.ltime);
        self.call(call).results.pop_front().unwrap_or(Ok(()))
    }

    async fn force_leave(&self, name: &str, prune: bool) -> Done {
        self.call(format!("force-leave {name} {prune}")).results.pop_front().unwrap_or(Ok(()))
    }

    async fn update_tags(&self, set: &Tags, delete: &[String]) -> Done {
        self.call(format!("tags {set:?} {delete:?}")).results.pop_front().unwrap_or(Ok(()))
    }

    async fn keys(&self, request: KeyRequest) -> KeyOutcome {
        self.call(format!("{request:?}")).keys.pop_front().unwrap_or_default()
    }

    async fn coordinate(&self, name: &str) -> Option<Coordinate> {
        self.call(format!("coordinate {name}")).coordinates.pop_front().unwrap_or_default()
    }

    async fn leave(&self) -> Done {
        let result = self.call("leave".into()).results.pop_front().unwrap_or(Ok(()));
        if let Some(slow) = &self.slow_leave {
            slow.notified().await;
        }
        result
    }

    fn request_shutdown(&self) {
        self.state().is_shut_down = true;
    }

    async fn subscribe(&self, filters: Vec<Filter>, label: String) -> Subscription {
        let mut state = self.call(format!("subscribe {label}"));
        let events = state.events.pop_front().unwrap_or_default();
        let (sender, receiver) = mpsc::channel(events.len().max(1));
        for event in events {
            if filters.iter().any(|filter| filter.matches(&event)) {
                sender.try_send(Arc::new(event)).unwrap();
            }
        }
        state.senders.push(sender);
        Subscription(receiver)
    }

    fn monitor(&self, level: &str) -> Option<Recorded> {
        let known = ["TRACE", "DEBUG", "INFO", "WARN", "ERR"];
        if !known.contains(&&*level.to_uppercase()) {
            return None;
        }
        Some(Recorded(self.state().logs.pop_front().unwrap_or_default()))
    }
}

/// A log with a backlog to which nothing is added.
pub(super) struct Recorded(Vec<Arc<str>>);

impl Lines for Recorded {
    fn backlog(&mut self) -> Vec<Arc<str>> {
        core::mem::take(&mut self.0)
    }

    async fn next(&mut self) -> Option<Arc<str>> {
        pending().await
    }

    fn is_empty(&self) -> bool {
        true
    }

    fn take_dropped(&self) -> u64 {
        0
    }
}
