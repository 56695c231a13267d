//! What the rest of the agent asks of the driver, and the handle that asks.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use uwasa_core::command::{Command, JoinFailure, OpError, QueryParams, Reply};
use uwasa_core::config::{Config, Identity};
use uwasa_core::coordinate::Coordinate;
use uwasa_core::io::{Cx, Input, OpId, StreamInput};
use uwasa_core::node::Info;

use super::narrate::Narrator;
use super::streams::{StreamEvent, Streams};
use super::{Driver, Ended, Flow, describe};
use crate::agent::QueryRecord;
use crate::event::{AgentEvent, Member};
use crate::filter::Filter;
use crate::go::errors::os_text;

/// Records of one query that may wait for whoever asked; further ones are dropped and counted.
const RECORDS: usize = 512;

/// One request. Every one is answered, unless the driver ends first.
#[derive(Debug)]
pub(crate) enum Request {
    Command {
        command: Command,
        reply: oneshot::Sender<Result<Reply, OpError>>,
    },
    Join {
        seeds: Vec<SocketAddr>,
        replay: bool,
        reply: oneshot::Sender<JoinAnswer>,
    },
    Query {
        params: QueryParams,
        reply: oneshot::Sender<Result<Records, OpError>>,
    },
    Members(oneshot::Sender<Vec<Member>>),
    Local(oneshot::Sender<Option<Member>>),
    /// The node's figures, and the own record.
    Info(oneshot::Sender<(Info, Option<Member>)>),
    Coordinate {
        name: String,
        reply: oneshot::Sender<Option<Coordinate>>,
    },
    Subscribe {
        subscriber: Subscriber,
        reply: oneshot::Sender<()>,
    },
    Stop(oneshot::Sender<()>),
}

/// What comes of a query.
pub(crate) type Records = mpsc::Receiver<QueryRecord>;

/// How many seeds answered, and for each one that did not, why, in Go's words.
#[derive(Debug, Default)]
pub(crate) struct JoinAnswer {
    pub(crate) contacted: u32,
    pub(crate) failures: Vec<(SocketAddr, String)>,
    /// The join was refused as a whole.
    pub(crate) refused: Option<OpError>,
}

/// Somebody who hears events.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) filters: Vec<Filter>,
    pub(crate) label: String,
    pub(crate) events: mpsc::Sender<Arc<AgentEvent>>,
}

/// Who waits for a command.
#[derive(Debug)]
pub(super) enum Pending {
    Command(oneshot::Sender<Result<Reply, OpError>>),
    Join(oneshot::Sender<JoinAnswer>),
    Query(Asked),
}

/// A query under way.
#[derive(Debug)]
pub(super) struct Asked {
    records: mpsc::Sender<QueryRecord>,
    /// Room for the last record, which is never dropped.
    last: mpsc::OwnedPermit<QueryRecord>,
    /// Until the query is accepted: who waits for that, and what they get.
    waiting: Option<(oneshot::Sender<Result<Records, OpError>>, Records)>,
}

impl Asked {
    fn accept(&mut self) {
        if let Some((reply, records)) = self.waiting.take() {
            let _ = reply.send(Ok(records));
        }
    }
}

/// The way to the driver. Clones lead to the same one.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) name: Arc<str>,
    pub(crate) config: Arc<Config>,
    pub(crate) addr: SocketAddr,
    pub(crate) bind_port: u16,
    requests: mpsc::Sender<Request>,
    ended: watch::Receiver<Option<Ended>>,
    left: Arc<AtomicBool>,
}

impl Handle {
    pub(super) fn new(
        me: &Identity,
        config: Arc<Config>,
        requests: mpsc::Sender<Request>,
        ended: watch::Receiver<Option<Ended>>,
    ) -> Self {
        Self {
            name: (&*me.name).into(),
            config,
            addr: SocketAddr::new(me.addr, me.port),
            bind_port: me.bind_port,
            requests,
            ended,
            left: Arc::default(),
        }
    }

    /// Sends a request and waits for its answer; `None` once the driver has ended.
    pub(crate) async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.ok()?;
        answer.await.ok()
    }

    /// Hands a command to the node and waits until it is done.
    pub(crate) async fn command(&self, command: Command) -> Result<Reply, OpError> {
        let leaves = command == Command::Leave;
        let answer = self.ask(|reply| Request::Command { command, reply }).await;
        let answer = answer.unwrap_or(Err(OpError::ShutDown));
        if leaves && answer.is_ok() {
            self.left.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Whether the driver has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Whether the node has left.
    pub(crate) fn has_left(&self) -> bool {
        self.left.load(Ordering::Relaxed)
    }

    /// Waits until the driver ends, and tells how.
    pub(crate) async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        // A driver that is gone without a word was dropped with its runtime.
        let how = ended.wait_for(Option::is_some).await.ok().and_then(|how| *how);
        how.unwrap_or(Ended::Stopped)
    }
}

/// Hands an event to all who want it. Whoever has too many waiting misses this one, which is counted, and logged as long
/// as there is not too much to complain about.
pub(super) fn publish(
    subscribers: &mut Vec<Subscriber>,
    event: AgentEvent,
    narrator: &mut Narrator,
) {
    let event = Arc::new(event);
    subscribers.retain(|subscriber| {
        if !subscriber.filters.iter().any(|filter| filter.matches(&event)) {
            return !subscriber.events.is_closed();
        }
        match subscriber.events.try_send(Arc::clone(&event)) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                metrics::counter!("agent.events.dropped").increment(1);
                if narrator.may_complain() {
                    tracing::warn!(target: "agent.ipc", "Dropping event to {}", subscriber.label);
                }
                true
            }
            Err(TrySendError::Closed(_)) => false,
        }
    });
}

/// Hands a record to whoever asked the query.
pub(super) fn record(pending: &BTreeMap<u64, Pending>, op: u64, record: QueryRecord) {
    if let Some(Pending::Query(asked)) = pending.get(&op)
        && let Err(TrySendError::Full(_)) = asked.records.try_send(record)
    {
        metrics::counter!("agent.query.dropped").increment(1);
    }
}

/// A command is done. Whoever asked may have gone away; it was carried out all the same.
pub(super) fn done(pending: Pending, result: Result<Reply, OpError>, streams: &mut Streams) {
    match pending {
        Pending::Command(reply) => drop(reply.send(result)),
        Pending::Join(reply) => drop(reply.send(join_answer(result, streams))),
        Pending::Query(mut asked) => match result {
            Ok(_) => {
                asked.accept();
                asked.last.send(QueryRecord::Done);
            }
            Err(error) => {
                if let Some((reply, _)) = asked.waiting {
                    let _ = reply.send(Err(error));
                }
            }
        },
    }
}

fn join_answer(result: Result<Reply, OpError>, streams: &mut Streams) -> JoinAnswer {
    match result {
        Ok(Reply::Joined { contacted }) => JoinAnswer { contacted, ..JoinAnswer::default() },
        Err(OpError::JoinFailed { failures }) => {
            let told = |(seed, failure)| (seed, failure_text(seed, failure, streams));
            JoinAnswer {
                failures: failures.into_iter().map(told).collect(),
                ..JoinAnswer::default()
            }
        }
        Ok(_) => JoinAnswer::default(),
        Err(error) => JoinAnswer { refused: Some(error), ..JoinAnswer::default() },
    }
}

/// Why a seed does not count, in Go's words; `streams` knows what the system said.
fn failure_text(seed: SocketAddr, failure: JoinFailure, streams: &mut Streams) -> String {
    let trouble = streams.take_trouble(seed);
    match failure {
        JoinFailure::Stream(_) | JoinFailure::TimedOut => {
            trouble.unwrap_or_else(|| format!("dial tcp {seed}: i/o timeout"))
        }
        JoinFailure::Closed => "EOF".to_owned(),
        JoinFailure::Unreadable(text) => text.to_owned(),
        JoinFailure::Refused(text) => format!("remote error: {text}"),
        JoinFailure::Incompatible => format!("remote state cannot be merged from={seed}"),
    }
}

impl Driver {
    pub(super) fn on_request(&mut self, request: Request) -> Flow {
        match request {
            Request::Command { command, reply } => self.command(command, Pending::Command(reply)).1,
            Request::Join { seeds, replay, reply } => {
                let command = Command::Join { seeds, replay_events: replay };
                self.command(command, Pending::Join(reply)).1
            }
            Request::Query { params, reply } => self.on_query(params, reply),
            Request::Members(reply) => answer(reply, self.members()),
            Request::Local(reply) => answer(reply, self.local()),
            Request::Info(reply) => answer(reply, (self.node.info(), self.local())),
            Request::Coordinate { name, reply } => {
                let id = self.pool.find(&name);
                answer(reply, id.and_then(|id| self.node.coordinate(id)))
            }
            Request::Subscribe { subscriber, reply } => {
                // Those who have gone are found by events otherwise, and it may be long until the next one.
                self.subscribers.retain(|known| !known.events.is_closed());
                self.subscribers.push(subscriber);
                answer(reply, ())
            }
            Request::Stop(reply) => {
                drop(reply);
                Flow::End(Ended::Stopped)
            }
        }
    }

    fn command(&mut self, command: Command, pending: Pending) -> (u64, Flow) {
        self.ops += 1;
        let op = self.ops;
        self.pending.insert(op, pending);
        (op, self.feed(Input::Command { op: OpId(op), command }))
    }

    fn on_query(
        &mut self,
        params: QueryParams,
        reply: oneshot::Sender<Result<Records, OpError>>,
    ) -> Flow {
        let (sender, records) = mpsc::channel(RECORDS + 1);
        let Ok(last) = sender.clone().try_reserve_owned() else {
            unreachable!("the queue is new and its other end is here")
        };
        let asked = Asked { records: sender, last, waiting: Some((reply, records)) };
        let (op, flow) = self.command(Command::Query(params), Pending::Query(asked));
        if let Some(Pending::Query(asked)) = self.pending.get_mut(&op) {
            asked.accept();
        }
        flow
    }

    pub(super) fn on_stream_event(&mut self, event: StreamEvent) -> Flow {
        match event {
            StreamEvent::Accepted { stream, from } => {
                tracing::debug!(target: "memberlist", "Stream connection from={from}");
                self.narrator.counters.tcp_accept.increment(1);
                let id = self.streams.accept(stream);
                self.feed(Input::Stream { id, event: StreamInput::Accepted { from } })
            }
            StreamEvent::Connected { id, local } => {
                self.narrator.counters.tcp_connect.increment(1);
                self.streams.connected(id, local);
                self.feed(Input::Stream { id, event: StreamInput::Connected })
            }
            StreamEvent::Data { id, bytes } => {
                self.feed(Input::Stream { id, event: StreamInput::Data(&bytes) })
            }
            StreamEvent::Finished { id } => {
                self.feed(Input::Stream { id, event: StreamInput::Finished })
            }
            StreamEvent::Failed { id, error } => {
                let failure = self.streams.failed(id, &error);
                self.feed(Input::Stream { id, event: StreamInput::Failed(failure) })
            }
            StreamEvent::Gone { id } => {
                self.streams.gone(id);
                Flow::On
            }
        }
    }

    pub(super) fn on_disk_failure(&mut self, error: &io::Error) {
        tracing::error!(target: "serf", "Failed to update snapshot: {}", os_text(error));
        if let Some(disk) = &mut self.disk {
            disk.write_failed();
        }
    }

    fn members(&self) -> Vec<Member> {
        self.node.members(&self.pool).map(|m| describe(m.name, m.profile, Some(m.status))).collect()
    }

    /// The own record; it exists as long as the node does.
    fn local(&self) -> Option<Member> {
        let own = self.node.member(self.node.id(), &self.pool)?;
        Some(describe(own.name, own.profile, Some(own.status)))
    }

    /// Ends node, snapshot and streams; requests that still wait are refused.
    pub(super) async fn shut_down(mut self, how: Ended) {
        // What still waits to be told is lost with the agent, as in Serf.
        self.subscribers.clear();
        let now = self.now();
        self.node.stop(&mut Cx { now, pool: &mut self.pool, out: &mut self.out });
        self.drain();
        if let Some(disk) = self.disk.take() {
            disk.close().await;
        }
        let ended = self.ended.clone();
        drop(self);
        ended.send_replace(Some(how));
    }
}

fn answer<T>(reply: oneshot::Sender<T>, value: T) -> Flow {
    // Whoever asked may have gone away.
    let _ = reply.send(value);
    Flow::On
}
