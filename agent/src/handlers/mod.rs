//! Event handlers: scripts that run when events happen.
//!
//! # Order
//!
//! Serf runs every script of every event one after another, in the loop that also feeds RPC streams: one slow script
//! holds up everything. Scripts rely on that order more than they know. One script adds a member to a load balancer's
//! file and another one removes it; a deploy must be over before the restart that was sent after it; of two answers to a
//! query the first one counts. So order is kept where it can matter, and given up elsewhere.
//!
//! Two handlers are *related* if they run the same script, or if they hear the same: anything about members counts as
//! the same, so do all user events, and queries of the same name. `*` hears everything. Handlers that are related,
//! directly or through others, form a lane. Within a lane all is as in Serf: one script at a time, event after event,
//! and for one event the handlers in the order of the configuration. Different lanes do not wait for each other, and
//! nothing else waits for scripts.
//!
//! # Bounds
//!
//! [`Settings::queue`] events wait per lane; what comes then is dropped, counted and logged. [`PROCESSES`] scripts run
//! at once, one per lane; further ones wait in order. A lane costs nothing while no event waits for it.
//!
//! A script outlives the agent, as in Serf; its output then has no reader.

mod invoke;
mod lane;
mod process;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::agent::{Agent, AgentError};
use crate::event::{AgentEvent, Member, QueryId};
use crate::filter::Filter;
use crate::handlers::lane::{Lane, Lanes};
use crate::task;

/// Scripts of one agent that run at once.
pub(crate) const PROCESSES: usize = 64;

/// Events that wait between the agent and the runner: what Serf allows for.
const EVENTS: usize = 1024;

/// One script and the event that starts it. A specification with several filters makes several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Handler {
    /// When it runs.
    pub filter: Filter,
    /// What `/bin/sh -c` gets.
    pub script: Box<str>,
}

impl Handler {
    /// Reads `[FILTERS=]SCRIPT`.
    ///
    /// # Errors
    ///
    /// Serf's text: `Event 'member-foo' invoking 'x.sh'`.
    pub(crate) fn parse(spec: &str) -> Result<Vec<Self>, String> {
        let (filters, script) = spec.split_once('=').unwrap_or(("*", spec));
        let filters = Filter::parse_list(filters)
            .map_err(|kind| format!("Event '{kind}' invoking '{script}'"))?;
        Ok(filters.into_iter().map(|filter| Self { filter, script: script.into() }).collect())
    }
}

/// How handlers run. The default is as close to Serf as it can be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Settings {
    /// A script that runs longer is killed with its whole process group. `None`: never, and no group is made, so a
    /// Ctrl-C in the agent's terminal reaches scripts too.
    pub timeout: Option<Duration>,
    /// Events that may wait for the handlers of one lane; at least one.
    pub queue: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { timeout: None, queue: 4096 }
    }
}

/// What handlers need of an agent.
pub(crate) trait Backend: Send + Sync + 'static {
    /// The own member, with its present tags.
    fn local(&self) -> impl Future<Output = Member> + Send;

    /// Answers a query.
    fn respond(
        &self,
        query: QueryId,
        payload: Bytes,
    ) -> impl Future<Output = Result<(), AgentError>> + Send;
}

impl Backend for Agent {
    async fn local(&self) -> Member {
        Self::local(self).await
    }

    async fn respond(&self, query: QueryId, payload: Bytes) -> Result<(), AgentError> {
        Self::respond(self, query, payload).await
    }
}

/// Runs the handlers of one agent. Clones are handles to the same runner.
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    dispatcher: Arc<Dispatcher<Agent>>,
}

impl Runner {
    /// Starts the task that listens to `agent`'s events; it also logs `agent: Received event: …` for each. It ends with
    /// the agent, and with it whatever still waits to be run.
    pub(crate) async fn start(agent: &Agent, handlers: Vec<Handler>, settings: Settings) -> Self {
        let dispatcher = Arc::new(Dispatcher::new(agent.clone(), handlers, settings));
        let everything = Filter::parse_list("*").unwrap_or_default();
        let mut events = agent.subscribe(EVENTS, everything, "handlers".to_owned()).await;
        let worker = Arc::clone(&dispatcher);
        task::spawn(async move {
            while let Some(event) = events.next().await {
                worker.dispatch(event);
            }
            worker.close();
        });
        Self { dispatcher }
    }

    /// Exchanges the handlers; takes effect with the next event. What waits for handlers that stay (same filter, same
    /// script) is kept, what waits for others is not run any more.
    pub(crate) fn replace(&self, handlers: Vec<Handler>) {
        self.dispatcher.replace(handlers);
    }
}

/// Spreads events to lanes and lets them work.
#[derive(Debug)]
struct Dispatcher<B> {
    backend: B,
    timeout: Option<Duration>,
    lanes: Mutex<Lanes>,
    processes: Semaphore,
}

impl<B: Backend> Dispatcher<B> {
    fn new(backend: B, handlers: Vec<Handler>, settings: Settings) -> Self {
        let mut lanes = Lanes::new(settings.queue);
        lanes.replace(handlers);
        Self {
            backend,
            timeout: settings.timeout,
            lanes: Mutex::new(lanes),
            processes: Semaphore::new(PROCESSES),
        }
    }

    fn replace(self: &Arc<Self>, handlers: Vec<Handler>) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = lanes.replace(handlers);
        drop(lanes);
        self.start(ready);
    }

    fn dispatch(self: &Arc<Self>, event: Arc<AgentEvent>) {
        tracing::info!(target: "agent", "Received event: {}", event.label());
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = lanes.push(&event);
        drop(lanes);
        self.start(ready);
    }

    /// Starts no script any more.
    fn close(self: &Arc<Self>) {
        self.processes.close();
        self.replace(Vec::new());
    }

    /// Each lane of `ready` has work and nobody who does it.
    fn start(self: &Arc<Self>, ready: Vec<Arc<Lane>>) {
        for lane in ready {
            let dispatcher = Arc::clone(self);
            task::spawn(async move { dispatcher.work(&lane).await });
        }
    }

    /// Runs what waits for `lane` until nothing does.
    async fn work(&self, lane: &Lane) {
        lane.wait_for_earlier().await;
        while let Some(job) = lane.next() {
            for handler in lane.handlers_of(&job) {
                let Ok(_running) = self.processes.acquire().await else {
                    return;
                };
                invoke::invoke(&self.backend, handler, &job.event, self.timeout).await;
            }
        }
    }
}
