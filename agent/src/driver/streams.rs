//! Byte streams of the node: one task each, which ends by itself, with a reset, or when the peer is silent too long.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use uwasa_core::io::{StreamAction, StreamFailure, StreamId};

use super::narrate::Narrator;
use crate::go::address::canonical;
use crate::go::errors::os_text;
use crate::task;

/// Chunks that wait for the node over all streams; streams are not read further meanwhile.
const EVENTS: usize = 64;
/// What the node may ask of one stream in advance: a message and its end, twice.
const COMMANDS: usize = 4;
/// Most bytes of one chunk.
const CHUNK_BYTES: usize = 16 * 1_024;
/// How long one message may take to be written, and how long a peer may take to end a stream that we ended.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause after the system refused to accept (no descriptors left, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The least time between two log records about that.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);
/// Accepted streams beyond those that the node keeps: it resets them, and their tasks let go of them a moment later.
const SURPLUS: usize = 16;

/// What happened to a stream.
#[derive(Debug)]
pub(super) enum StreamEvent {
    /// A peer opened one.
    Accepted { stream: TcpStream, from: SocketAddr },
    /// A dial succeeded.
    Connected { id: StreamId, local: Option<SocketAddr> },
    /// Bytes came.
    Data { id: StreamId, bytes: Bytes },
    /// The peer sends no more.
    Finished { id: StreamId },
    /// It is over, by an error of the system.
    Failed { id: StreamId, error: io::Error },
    /// Its task has ended; the last of a stream.
    Gone { id: StreamId },
}

#[derive(Debug)]
enum StreamCommand {
    Send(Bytes),
    Finish,
}

/// A stream with a task.
#[derive(Debug)]
struct Open {
    commands: mpsc::Sender<StreamCommand>,
    /// Where it was dialed to.
    to: Option<SocketAddr>,
    /// Set when the dial has succeeded.
    local: Option<SocketAddr>,
}

/// All streams of one node. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Streams {
    listener: TcpListener,
    resume: Option<Instant>,
    /// When a failure to accept was last logged.
    complained: Option<Instant>,
    accepted: u64,
    /// Accepted streams whose tasks have not ended; they hold descriptors.
    held: usize,
    /// As many of them make it wait before it accepts another.
    held_max: usize,
    open: BTreeMap<StreamId, Open>,
    sender: mpsc::Sender<StreamEvent>,
    events: mpsc::Receiver<StreamEvent>,
    /// What went wrong with dialed streams, in Go's words, for the answer to a join.
    troubles: BTreeMap<SocketAddr, String>,
}

/// Troubles that are remembered.
const TROUBLES: usize = 256;

impl Streams {
    /// For a node that keeps at most `kept_max` streams that peers opened.
    pub(super) fn new(listener: TcpListener, kept_max: usize) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        Self {
            listener,
            resume: None,
            complained: None,
            accepted: 0,
            held: 0,
            held_max: kept_max.saturating_add(SURPLUS),
            open: BTreeMap::new(),
            sender,
            events,
            troubles: BTreeMap::new(),
        }
    }

    /// The next thing that happens. Safe to cancel.
    pub(super) async fn next(&mut self) -> StreamEvent {
        loop {
            if let Some(resume) = self.resume {
                tokio::select! {
                    biased;
                    Some(event) = self.events.recv() => return event,
                    () = sleep_until(resume) => self.resume = None,
                }
            }
            tokio::select! {
                biased;
                Some(event) = self.events.recv() => return event,
                accepted = self.listener.accept(), if self.held < self.held_max => match accepted {
                    Ok((stream, from)) => return StreamEvent::Accepted { stream, from: canonical(from) },
                    Err(error) => self.accept_failed(&error),
                },
            }
        }
    }

    fn accept_failed(&mut self, error: &io::Error) {
        let now = Instant::now();
        metrics::counter!("memberlist.tcp.accept_failed").increment(1);
        self.resume = Some(now + ACCEPT_PAUSE);
        if self.complained.is_none_or(|at| now - at >= COMPLAINT_INTERVAL) {
            self.complained = Some(now);
            tracing::error!(target: "memberlist", "Error accepting TCP connection: {error}");
        }
    }

    /// What has happened already.
    pub(super) fn try_next(&mut self) -> Option<StreamEvent> {
        self.events.try_recv().ok()
    }

    /// Takes in a stream that a peer opened; its number.
    pub(super) fn accept(&mut self, stream: TcpStream) -> StreamId {
        let id = StreamId(2 * self.accepted + 1);
        self.accepted += 1;
        self.held += 1;
        let (commands, events) = self.enter(id, None);
        task::spawn(async move {
            carry(id, stream, commands, &events).await;
            let _ = events.send(StreamEvent::Gone { id }).await;
        });
        id
    }

    /// Carries out what the node wants of a stream.
    pub(super) fn act(&mut self, id: StreamId, action: &StreamAction<'_>, narrator: &Narrator) {
        let command = match *action {
            StreamAction::Dial { to } => return self.dial(id, to),
            StreamAction::Send(bytes) => {
                narrator.counters.tcp_sent.increment(bytes.len() as u64);
                StreamCommand::Send(Bytes::copy_from_slice(bytes))
            }
            StreamAction::Finish => StreamCommand::Finish,
            StreamAction::Reset => {
                self.note_timeout(id);
                self.open.remove(&id);
                return;
            }
        };
        let refused =
            self.open.get(&id).is_some_and(|open| open.commands.try_send(command).is_err());
        if refused {
            // The task has ended or hangs: the node hears of it, or has given it up.
            self.open.remove(&id);
        }
    }

    /// Whatever ends a dialed stream before its time, in Go's words.
    pub(super) fn take_trouble(&mut self, to: SocketAddr) -> Option<String> {
        self.troubles.remove(&to)
    }

    /// Notes that a dial has succeeded.
    pub(super) fn connected(&mut self, id: StreamId, local: Option<SocketAddr>) {
        if let Some(open) = self.open.get_mut(&id) {
            open.local = local;
        }
    }

    /// Notes an error of a dialed stream, and what the node is to be told.
    pub(super) fn failed(&mut self, id: StreamId, error: &io::Error) -> StreamFailure {
        if let Some(Open { to: Some(to), local, .. }) = self.open.get(&id) {
            let reason = os_text(error);
            let text = match local {
                None => format!("dial tcp {to}: connect: {reason}"),
                Some(local) => format!("read tcp {local}->{to}: read: {reason}"),
            };
            self.note(*to, text);
        }
        let kind = error.kind();
        if kind == io::ErrorKind::ConnectionRefused {
            StreamFailure::Refused
        } else if matches!(
            kind,
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        ) {
            StreamFailure::Reset
        } else {
            StreamFailure::Unreachable
        }
    }

    /// The task of a stream has ended.
    pub(super) fn gone(&mut self, id: StreamId) {
        self.open.remove(&id);
        if id.0 % 2 == 1 {
            self.held -= 1;
        }
    }

    fn note_timeout(&mut self, id: StreamId) {
        let Some(Open { to: Some(to), local, .. }) = self.open.get(&id) else { return };
        let text = match local {
            None => format!("dial tcp {to}: i/o timeout"),
            Some(local) => format!("read tcp {local}->{to}: i/o timeout"),
        };
        self.note(*to, text);
    }

    fn note(&mut self, to: SocketAddr, text: String) {
        if self.troubles.len() >= TROUBLES && !self.troubles.contains_key(&to) {
            self.troubles.pop_first();
        }
        self.troubles.insert(to, text);
    }

    fn enter(
        &mut self,
        id: StreamId,
        to: Option<SocketAddr>,
    ) -> (mpsc::Receiver<StreamCommand>, mpsc::Sender<StreamEvent>) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        self.open.insert(id, Open { commands: sender, to, local: None });
        (commands, self.sender.clone())
    }

    fn dial(&mut self, id: StreamId, to: SocketAddr) {
        let (commands, events) = self.enter(id, Some(to));
        task::spawn(async move {
            if let Some((stream, commands)) = connect(id, to, commands, &events).await {
                carry(id, stream, commands, &events).await;
            }
            let _ = events.send(StreamEvent::Gone { id }).await;
        });
    }
}

/// Dials; `None` if it failed, or the node gave it up meanwhile.
async fn connect(
    id: StreamId,
    to: SocketAddr,
    mut commands: mpsc::Receiver<StreamCommand>,
    events: &mpsc::Sender<StreamEvent>,
) -> Option<(TcpStream, mpsc::Receiver<StreamCommand>)> {
    let dialed = tokio::select! {
        dialed = TcpStream::connect(to) => dialed,
        // The node asks nothing before it is connected: this is its reset.
        _ = commands.recv() => return None,
    };
    match dialed {
        Ok(stream) => {
            let local = stream.local_addr().ok();
            events.send(StreamEvent::Connected { id, local }).await.ok()?;
            Some((stream, commands))
        }
        Err(error) => {
            let _ = events.send(StreamEvent::Failed { id, error }).await;
            None
        }
    }
}

/// Moves bytes both ways until both directions ended, or one broke, or the node gave the stream up.
async fn carry(
    id: StreamId,
    stream: TcpStream,
    mut commands: mpsc::Receiver<StreamCommand>,
    events: &mpsc::Sender<StreamEvent>,
) {
    // Small messages in both directions: waiting to fill a segment only delays them. Not every system can.
    let _ = stream.set_nodelay(true);
    let (read, mut write) = stream.into_split();
    let (mut readable, mut give_up) = (true, None);
    while readable || give_up.is_none() {
        tokio::select! {
            biased;
            command = commands.recv(), if give_up.is_none() => {
                match act(&mut write, command).await {
                    Ok(Wrote::More) => {}
                    Ok(Wrote::All) => give_up = Some(Instant::now() + PATIENCE),
                    Ok(Wrote::Reset) => return,
                    Err(error) => {
                        let _ = events.send(StreamEvent::Failed { id, error }).await;
                        return;
                    }
                }
            }
            chunk = chunk(&read), if readable => {
                let (event, more) = match chunk {
                    Ok(bytes) if bytes.is_empty() => (StreamEvent::Finished { id }, true),
                    Ok(bytes) => (StreamEvent::Data { id, bytes }, true),
                    Err(error) => (StreamEvent::Failed { id, error }, false),
                };
                readable = matches!(event, StreamEvent::Data { .. });
                if events.send(event).await.is_err() || !more {
                    return;
                }
            }
            () = sleep_until(give_up.unwrap_or_else(Instant::now)), if give_up.is_some() => return,
        }
    }
}

enum Wrote {
    More,
    All,
    Reset,
}

async fn act(write: &mut OwnedWriteHalf, command: Option<StreamCommand>) -> io::Result<Wrote> {
    match command {
        Some(StreamCommand::Send(bytes)) => {
            timeout(PATIENCE, write.write_all(&bytes)).await??;
            Ok(Wrote::More)
        }
        Some(StreamCommand::Finish) => {
            write.shutdown().await?;
            Ok(Wrote::All)
        }
        None => Ok(Wrote::Reset),
    }
}

/// The next bytes; none at the end. No buffer is kept while nothing comes. Safe to cancel.
async fn chunk(read: &OwnedReadHalf) -> io::Result<Bytes> {
    loop {
        read.readable().await?;
        let mut buffer = BytesMut::with_capacity(CHUNK_BYTES);
        match read.try_read_buf(&mut buffer) {
            Ok(_) => return Ok(buffer.freeze()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
