//! One connection: reads requests, carries them out one after the other, and answers as Serf's agent does.

use core::future::poll_fn;
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::task::ready;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use subtle::ConstantTimeEq as _;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::oneshot;
use uwasa_core::command::QueryParams;

use super::backend::Backend;
use super::errors::{self, shown};
use super::inbox::{FrameError, Inbox};
use super::request::{Command, Header, Request};
use super::streams::{self, Connection, Stream, Task};
use super::wording::Refusal;
use super::{filter, records};
use crate::agent::KeyRequest;
use crate::filter::Filter;

/// The version of the protocol.
const VERSION: i32 = 1;
/// Longest object of a client that was let in, in bytes.
const OBJECT_MAX: usize = 1 << 20;
/// Longest object before that.
const STRANGER_OBJECT_MAX: usize = 16 * 1_024;
/// Bytes asked of the system at once.
const READ_BYTES: usize = 8 * 1_024;
/// Streams of one connection.
const STREAMS_MAX: usize = 1_024;

/// The reading half of a connection.
pub(super) type ReadHalf = Box<dyn AsyncRead + Send + Sync + Unpin>;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
enum End {
    /// The client has closed it between two requests.
    #[error("EOF")]
    Closed,
    /// The client has closed it within an object.
    #[error("unexpected EOF")]
    CutOff,
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// The client has sent an object that is no request.
    #[error("{0}")]
    Undecodable(#[from] Refusal),
    /// Anything else, in words for the log.
    #[error("{0}")]
    Refused(String),
}

pub(super) struct Session<B> {
    backend: B,
    token: Arc<str>,
    connection: Arc<Connection>,
    reader: ReadHalf,
    inbox: Inbox,
    header: Header,
    greeted: bool,
    authorized: bool,
    streams: BTreeMap<u64, Stream>,
    monitor: Option<(u64, Stream)>,
    /// Queries, and streams that are about to end.
    others: Vec<Task>,
}

impl<B: Backend> Session<B> {
    /// `token`: what the client must show; empty: nothing.
    pub(super) fn new(
        backend: B,
        token: Arc<str>,
        connection: Arc<Connection>,
        reader: ReadHalf,
    ) -> Self {
        Self {
            backend,
            token,
            connection,
            reader,
            inbox: Inbox::new(),
            header: Header::default(),
            greeted: false,
            authorized: false,
            streams: BTreeMap::new(),
            monitor: None,
            others: Vec::new(),
        }
    }

    pub(super) fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection)
    }

    /// Serves the client until one of the two sides has had enough.
    pub(super) async fn run(&mut self) {
        loop {
            match self.read_header().await {
                Ok(()) => {}
                Err(End::Closed) => return,
                Err(end) => {
                    count_undecodable(&end);
                    tracing::error!(target: "agent.ipc", "failed to decode request header: {end}");
                    return;
                }
            }
            if let Err(end) = self.serve().await {
                tracing::error!(target: "agent.ipc", "Failed to evaluate request: {end}");
                return;
            }
        }
    }

    async fn read_header(&mut self) -> Result<(), End> {
        let limit = self.object_max();
        let object = object(&mut self.inbox, &mut self.reader, &self.connection, limit).await?;
        Ok(self.header.update(object)?)
    }

    fn object_max(&self) -> usize {
        if self.connection.is_stranger() { STRANGER_OBJECT_MAX } else { OBJECT_MAX }
    }

    /// Deals with the request of the present header.
    async fn serve(&mut self) -> Result<(), End> {
        metrics::counter!("agent.ipc.command").increment(1);
        let command = self.header.command();
        if !self.greeted && command != Some(Command::Handshake) {
            self.answer(errors::HANDSHAKE_REQUIRED).await?;
            return Err(End::Refused(errors::HANDSHAKE_REQUIRED.to_owned()));
        }
        let open = matches!(command, Some(Command::Handshake | Command::Auth));
        if !self.token.is_empty() && !self.authorized && !open {
            // Its body stays where it is, and counts as the next header.
            tracing::warn!(target: "agent.ipc", "Client sending commands before auth");
            return self.answer(errors::AUTH_REQUIRED).await;
        }
        let Some(command) = command else {
            self.answer(errors::UNSUPPORTED_COMMAND).await?;
            let written = self.header.written();
            return Err(End::Refused(format!("command '{}' not recognized", shown(&written))));
        };
        let request = self.read_request(command).await.map_err(|end| {
            count_undecodable(&end);
            End::Refused(format!("decode failed: {end}"))
        })?;
        // In a box, so that a connection that waits for a request does not hold the room for carrying one out.
        Box::pin(self.execute(request)).await
    }

    async fn read_request(&mut self, command: Command) -> Result<Request, End> {
        let limit = self.object_max();
        let body = if command.has_body() {
            object(&mut self.inbox, &mut self.reader, &self.connection, limit).await?
        } else {
            &[]
        };
        Ok(Request::decode(command, body)?)
    }

    async fn execute(&mut self, request: Request) -> Result<(), End> {
        let seq = self.header.seq;
        match request {
            Request::Members => {
                let members = self.backend.members().await;
                self.send(&records::members(seq, &members)).await
            }
            Request::Stats => {
                let stats = self.backend.stats().await;
                self.send(&records::stats(seq, &stats)).await
            }
            Request::MembersFiltered(filter) => {
                let mut members = self.backend.members().await;
                filter::select(&filter, &mut members)
                    .await
                    .map_err(|error| End::Refused(format!("Failed to compile regex: {error}")))?;
                self.send(&records::members(seq, &members)).await
            }
            Request::Handshake { version } => self.handshake(version).await,
            Request::Auth { token } => self.auth(&token).await,
            Request::Event { name, payload, coalesce } => {
                let sent = self.backend.user_event(&name, payload, coalesce).await;
                self.answer_with(sent).await
            }
            Request::ForceLeave { node, prune } => {
                let left = self.backend.force_leave(&node, prune).await;
                self.answer_with(left).await
            }
            Request::Join { addresses, replay } => {
                let joined = self.backend.join(&addresses, replay).await;
                let error = joined.error.as_ref().map_or("", |error| &error.0);
                self.send(&records::joined(seq, error, joined.contacted)).await
            }
            Request::Tags { set, delete } => {
                let updated = self.backend.update_tags(&set, &delete).await;
                self.answer_with(updated).await
            }
            Request::Stream { filter } => self.stream(&filter).await,
            Request::Monitor { level } => self.monitor(&level).await,
            Request::Stop { seq } => self.stop(seq).await,
            Request::Leave => self.leave().await,
            Request::Query(query) => self.query(query).await,
            Request::Respond { id, payload } => self.respond(id, payload).await,
            Request::Keys(request) => {
                let listing = request == KeyRequest::List;
                let outcome = self.backend.keys(request).await;
                self.send(&records::keys(seq, &outcome, listing)).await
            }
            Request::Coordinate { node } => {
                let coordinate = self.backend.coordinate(&node).await;
                self.send(&records::coordinate(seq, coordinate.as_ref())).await
            }
        }
    }

    async fn send(&self, response: &[u8]) -> Result<(), End> {
        let sent = self.connection.outlet.send(response).await;
        sent.map_err(|error| End::Refused(self.connection.explain("write", &error)))
    }

    /// Answers without a body; the empty text means success.
    async fn answer(&self, error: &str) -> Result<(), End> {
        self.send(&records::response(self.header.seq, error)).await
    }

    async fn answer_with(&self, result: Result<(), crate::agent::AgentError>) -> Result<(), End> {
        self.answer(result.as_ref().map_or_else(|error| &*error.0, |()| "")).await
    }

    async fn handshake(&mut self, version: i32) -> Result<(), End> {
        if version != VERSION {
            return self.answer(errors::UNSUPPORTED_VERSION).await;
        }
        if core::mem::replace(&mut self.greeted, true) {
            return self.answer(errors::DUPLICATE_HANDSHAKE).await;
        }
        self.trust_if_known();
        self.answer("").await
    }

    fn trust_if_known(&self) {
        if self.greeted && (self.authorized || self.token.is_empty()) {
            self.connection.trust();
        }
    }

    async fn auth(&mut self, token: &[u8]) -> Result<(), End> {
        if bool::from(self.token.as_bytes().ct_eq(token)) {
            self.authorized = true;
            self.trust_if_known();
            self.answer("").await
        } else {
            self.answer(errors::INVALID_AUTH).await
        }
    }

    async fn stream(&mut self, filter: &str) -> Result<(), End> {
        let seq = self.header.seq;
        let Ok(filters) = Filter::parse_list(filter) else {
            return self.answer(errors::INVALID_FILTER).await;
        };
        if self.streams.contains_key(&seq) {
            return self.answer(errors::STREAM_EXISTS).await;
        }
        if self.streams.len() >= STREAMS_MAX {
            return self.answer(errors::TOO_MANY_STREAMS).await;
        }
        let label = format!("ipc.client: {}", self.connection.client);
        let subscription = self.backend.subscribe(filters, label).await;
        self.answer("").await?;
        let stream = streams::events(Arc::clone(&self.connection), seq, subscription);
        self.streams.insert(seq, stream);
        Ok(())
    }

    async fn monitor(&mut self, level: &str) -> Result<(), End> {
        let seq = self.header.seq;
        let Some(lines) = self.backend.monitor(level) else {
            let level = level.to_uppercase();
            return self.answer(&format!("Unknown log level: {level}")).await;
        };
        if self.monitor.is_some() {
            return self.answer(errors::MONITOR_EXISTS).await;
        }
        self.answer("").await?;
        self.monitor = Some((seq, streams::monitor(Arc::clone(&self.connection), seq, lines)));
        Ok(())
    }

    async fn stop(&mut self, seq: u64) -> Result<(), End> {
        if let Some(stream) = self.streams.remove(&seq) {
            self.keep(stream.stop());
        }
        if let Some((_, monitor)) = self.monitor.take_if(|(monitor, _)| *monitor == seq) {
            self.keep(monitor.stop());
        }
        self.answer("").await
    }

    async fn query(&mut self, query: QueryParams) -> Result<(), End> {
        let seq = self.header.seq;
        match self.backend.query(query).await {
            Ok(results) => {
                self.answer("").await?;
                self.keep(streams::query(Arc::clone(&self.connection), seq, results));
                Ok(())
            }
            Err(error) => self.answer(&error.0).await,
        }
    }

    /// Keeps a task until it is finished or the connection ends.
    fn keep(&mut self, task: Task) {
        self.others.retain(|task| !task.is_finished());
        self.others.push(task);
    }

    async fn respond(&mut self, id: u64, payload: Bytes) -> Result<(), End> {
        let pending = || self.connection.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(query) = pending().get(id) else {
            return self.answer(errors::NO_SUCH_QUERY).await;
        };
        let responded = self.backend.respond(query, payload).await;
        if responded.as_ref().is_err_and(|error| error.0.ends_with(errors::PAST_DEADLINE)) {
            pending().remove(id);
            return self.answer(errors::NO_SUCH_QUERY).await;
        }
        self.answer_with(responded).await
    }

    async fn leave(&mut self) -> Result<(), End> {
        tracing::info!(target: "agent.ipc", "Graceful leave triggered");
        let backend = self.backend.clone();
        let ((tell, told), (answered, over)) = (oneshot::channel(), oneshot::channel::<()>());
        // Apart from this connection: an agent that has left must end, even if its client did not wait for that.
        crate::task::spawn(async move {
            let left = backend.leave().await;
            if let Err(error) = &left {
                tracing::error!(target: "agent.ipc", "leave failed: {error}");
            }
            let _ = tell.send(left);
            // Answered, or there is nobody to be answered.
            let _ = over.await;
            backend.request_shutdown();
        });
        let sent = match told.await {
            Ok(left) => self.answer_with(left).await,
            Err(_) => Err(End::Refused("the leave was broken off".to_owned())),
        };
        drop(answered);
        sent
    }
}

/// The next object of at most `limit` bytes.
async fn object<'i>(
    inbox: &'i mut Inbox,
    reader: &mut ReadHalf,
    connection: &Connection,
    limit: usize,
) -> Result<&'i [u8], End> {
    loop {
        if let Some(found) = inbox.find(limit)? {
            return Ok(inbox.object(found));
        }
        inbox.forget();
        let received = receive(inbox, reader).await;
        if received.map_err(|error| End::Refused(connection.explain("read", &error)))? == 0 {
            return Err(if inbox.is_inside() { End::CutOff } else { End::Closed });
        }
    }
}

/// Waits for the client and takes what it sends. The buffer is on the stack, so that a silent client has none.
async fn receive(inbox: &mut Inbox, reader: &mut ReadHalf) -> io::Result<usize> {
    poll_fn(|cx| {
        let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *reader).poll_read(cx, &mut buffer))?;
        let received = buffer.filled();
        inbox.push(received);
        Ok(received.len()).into()
    })
    .await
}

fn count_undecodable(end: &End) {
    match end {
        End::Frame(FrameError::TooLong { .. }) => {
            metrics::counter!("agent.ipc.oversized").increment(1);
        }
        End::Frame(FrameError::Malformed(_)) | End::Undecodable(_) => {
            metrics::counter!("agent.ipc.undecodable").increment(1);
        }
        End::Closed | End::CutOff | End::Refused(_) => {}
    }
}
