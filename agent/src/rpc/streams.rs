//! What goes on after a request was answered: event streams, monitors and running queries of one connection.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::backend::Lines;
use super::outlet::{Outlet, WriteHalf};
use super::records;
use crate::agent::{QueryRecord, Subscription};
use crate::event::{AgentEvent, QueryId};
use crate::go::errors::os_text;

/// Queries that a client may still answer; of more, the oldest are forgotten.
const PENDING_MAX: usize = 4_096;
/// After how many lines a monitor that never catches up says that lines were dropped.
const LINES_PER_WARNING: usize = 512;

/// What the session of a connection and its streams share.
pub(super) struct Connection {
    pub(super) outlet: Outlet,
    /// The client's address, as the log shows it.
    pub(super) client: Box<str>,
    /// The own address; `None` for a Unix socket.
    pub(super) local: Option<SocketAddr>,
    pub(super) pending: Mutex<Pending>,
    /// Set once the client has done what it must before it is served.
    trusted: AtomicBool,
}

impl Connection {
    pub(super) fn new(writer: WriteHalf, client: Box<str>, local: Option<SocketAddr>) -> Self {
        let outlet = Outlet::new(writer);
        let trusted = AtomicBool::new(false);
        Self { outlet, client, local, pending: Mutex::default(), trusted }
    }

    pub(super) fn trust(&self) {
        self.trusted.store(true, Ordering::Relaxed);
    }

    /// Whether it may be sent away to make room for another.
    pub(super) fn is_stranger(&self) -> bool {
        !self.trusted.load(Ordering::Relaxed)
    }

    /// An error of the socket in Go's words; `action` is `read` or `write`.
    pub(super) fn explain(&self, action: &str, error: &io::Error) -> String {
        let (client, text) = (&self.client, os_text(error));
        match self.local {
            Some(local) => format!("{action} tcp {local}->{client}: {action}: {text}"),
            None => format!("{action} unix {client}: {action}: {text}"),
        }
    }

    /// Writes a record of a stream; false if that failed, which ends the connection.
    async fn stream(&self, what: &str, record: &[u8]) -> bool {
        let written = self.outlet.send(record).await;
        if let Err(error) = &written {
            let (client, error) = (&self.client, self.explain("write", error));
            tracing::error!(target: "agent.ipc", "Failed to stream {what} to ipc.client: {client}: {error}");
        }
        written.is_ok()
    }
}

/// Queries that were streamed to a client, by the numbers it knows them by: 1, 2, 3, …
#[derive(Debug, Default)]
pub(super) struct Pending {
    recent: VecDeque<Option<QueryId>>,
    /// Number of the last one.
    last: u64,
}

impl Pending {
    fn add(&mut self, query: QueryId) -> u64 {
        if self.recent.len() >= PENDING_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Some(query));
        self.last += 1;
        self.last
    }

    fn slot(&mut self, number: u64) -> Option<&mut Option<QueryId>> {
        let from_end = usize::try_from(self.last.checked_sub(number)?).ok()?;
        let at = self.recent.len().checked_sub(from_end + 1)?;
        self.recent.get_mut(at)
    }

    /// The query with this number, unless it was forgotten.
    pub(super) fn get(&mut self, number: u64) -> Option<QueryId> {
        *self.slot(number)?
    }

    /// Forgets one that is over.
    pub(super) fn remove(&mut self, number: u64) {
        if let Some(slot) = self.slot(number) {
            *slot = None;
        }
        while self.recent.front() == Some(&None) {
            self.recent.pop_front();
        }
    }
}

/// A task that ends with what holds this.
#[derive(Debug)]
pub(super) struct Task(JoinHandle<()>);

impl Task {
    pub(super) fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(crate::task::spawn(future))
    }

    pub(super) fn is_finished(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A stream or a monitor. It is stopped between two records.
#[derive(Debug)]
pub(super) struct Stream {
    task: Task,
    stop: oneshot::Sender<()>,
}

impl Stream {
    /// Lets it end after the record that it may be writing; the task is to be kept until then.
    pub(super) fn stop(self) -> Task {
        let Self { task, stop } = self;
        drop(stop);
        task
    }
}

/// Sends the events of `subscription` as records with the number `seq`.
pub(super) fn events(
    connection: Arc<Connection>,
    seq: u64,
    mut subscription: Subscription,
) -> Stream {
    let (stop, mut stopped) = oneshot::channel();
    let task = Task::spawn(async move {
        loop {
            let event = tokio::select! {
                biased;
                _ = &mut stopped => break,
                event = subscription.next() => event,
            };
            let Some(event) = event else { break };
            let number = match &*event {
                AgentEvent::Query { id, .. } => {
                    connection.pending.lock().unwrap_or_else(PoisonError::into_inner).add(*id)
                }
                AgentEvent::Members { .. } | AgentEvent::User { .. } => 0,
            };
            if !connection.stream("event", &records::event(seq, &event, number)).await {
                break;
            }
        }
    });
    Stream { task, stop }
}

/// Sends the backlog of the log and what follows as records with the number `seq`.
pub(super) fn monitor(connection: Arc<Connection>, seq: u64, mut lines: impl Lines) -> Stream {
    let (stop, mut stopped) = oneshot::channel();
    let task = Task::spawn(async move {
        for line in lines.backlog() {
            if stopped.try_recv() != Err(oneshot::error::TryRecvError::Empty)
                || !connection.stream("log", &records::line(seq, &line)).await
            {
                return;
            }
        }
        let mut unwarned = 0;
        loop {
            let line = tokio::select! {
                biased;
                _ = &mut stopped => break,
                line = lines.next() => line,
            };
            let Some(line) = line else { break };
            if !connection.stream("log", &records::line(seq, &line)).await {
                break;
            }
            unwarned += 1;
            // Not for each: the warning is itself a line, and might be dropped too.
            if lines.is_empty() || unwarned >= LINES_PER_WARNING {
                unwarned = 0;
                warn_of_dropped(lines.take_dropped(), &connection.client);
            }
        }
    });
    Stream { task, stop }
}

fn warn_of_dropped(dropped: u64, client: &str) {
    if dropped > 0 {
        metrics::counter!("agent.ipc.dropped_logs").increment(dropped);
        tracing::warn!(target: "agent.ipc", "Dropping logs to ipc.client: {client}");
    }
}

/// Sends what comes of a query as records with the number `seq`; the last one says that it is done.
pub(super) fn query(
    connection: Arc<Connection>,
    seq: u64,
    mut results: mpsc::Receiver<QueryRecord>,
) -> Task {
    Task::spawn(async move {
        loop {
            // An agent that is shut down says nothing more, but clients wait for the end.
            let record = results.recv().await.unwrap_or(QueryRecord::Done);
            let (what, last) = match record {
                QueryRecord::Ack { .. } => ("ack", false),
                QueryRecord::Response { .. } => ("response", false),
                QueryRecord::Done => ("query end", true),
            };
            if !connection.stream(what, &records::query(seq, &record)).await || last {
                break;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_forgotten_when_over_and_when_there_are_too_many() {
        let id = |ltime| QueryId { ltime, id: 0 };
        let mut pending = Pending::default();
        assert_eq!(pending.get(0), None);
        assert_eq!((pending.add(id(7)), pending.add(id(8)), pending.add(id(9))), (1, 2, 3));
        assert_eq!(pending.get(2), Some(id(8)));
        pending.remove(2);
        assert_eq!(
            (pending.get(1), pending.get(2), pending.get(3)),
            (Some(id(7)), None, Some(id(9)))
        );
        pending.remove(1);
        assert_eq!(pending.recent.len(), 1);
        for ltime in 0..5_000 {
            pending.add(id(ltime));
        }
        assert_eq!(pending.recent.len(), PENDING_MAX);
        assert_eq!((pending.get(5_003), pending.get(5_004)), (Some(id(4_999)), None));
        assert_eq!(pending.get(3), None);
        assert_eq!(pending.get(u64::MAX), None);
    }
}
