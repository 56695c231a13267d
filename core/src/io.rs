//! The boundary vocabulary: what goes into a node and what comes out.

use core::net::SocketAddr;
use core::ops::Range;
use std::collections::VecDeque;

use crate::command::{Command, OpError, Reply};
use crate::event::Event;
pub use crate::ids::{OpId, QueryId, StreamFailure, StreamId};
use crate::pool::Pool;
use crate::snapshot::Record;
use crate::swim::Action;
use crate::time::Instant;
use crate::trace::Trace;
use crate::wire::packet::{Packer, Unpacked};

/// What one call may touch besides the node itself.
#[derive(Debug)]
pub struct Cx<'a> {
    /// Now; for a datagram, when it was received. The node clamps: its time never runs back.
    pub now: Instant,
    /// Interned names and profiles: one per process, shared by every node in it.
    pub pool: &'a mut Pool,
    /// Effects, in the order they must happen. The caller drains it after every call.
    pub out: &'a mut Outbox,
}

/// One input of a node.
#[derive(Debug)]
pub enum Input<'a> {
    /// The deadline has come. Early or repeated calls change nothing.
    Timeout,
    /// One UDP payload, at most 65,507 bytes. A bad one is counted in `Stats`, never an error.
    Datagram {
        /// Source address as the socket reports it.
        from: SocketAddr,
        /// The payload.
        bytes: &'a [u8],
    },
    /// Progress on a byte stream; chunk boundaries carry no meaning.
    Stream {
        /// Which stream.
        id: StreamId,
        /// What happened.
        event: StreamInput<'a>,
    },
    /// The application asks. Exactly one `Output::Done` with the same `op` follows, now or later.
    Command {
        /// Chosen by the caller.
        op: OpId,
        /// What to do.
        command: Command,
    },
}

/// Progress on one stream.
#[derive(Debug)]
pub enum StreamInput<'a> {
    /// A peer opened this stream (odd id, numbered by the driver).
    Accepted {
        /// Remote address; tells nothing about the member behind it.
        from: SocketAddr,
    },
    /// A dial succeeded.
    Connected,
    /// Bytes arrived.
    Data(&'a [u8]),
    /// The peer sends no more; we still may.
    Finished,
    /// Both directions ended; a refused dial too.
    Failed(StreamFailure),
}

/// One effect of a node.
#[derive(Debug)]
pub enum Output<'a> {
    /// Send now, best effort.
    Datagram {
        /// Destination.
        to: SocketAddr,
        /// Payload.
        bytes: &'a [u8],
    },
    /// Act on a stream.
    Stream {
        /// Which stream.
        id: StreamId,
        /// What to do.
        action: StreamAction<'a>,
    },
    /// For the application, in causal order.
    Event(Event),
    /// The answer to one command.
    Done {
        /// The caller's number.
        op: OpId,
        /// How it ended.
        result: Result<Reply, OpError>,
    },
    /// One line of the snapshot to append; losing the last ones is harmless by protocol. Only when `Options::snapshot`
    /// is set.
    Persist(Record),
    /// A state change, for oracles, metrics and logs. Only when `Options::trace` is set.
    Trace(Trace),
}

/// An effect on one stream.
#[derive(Debug, PartialEq, Eq)]
pub enum StreamAction<'a> {
    /// Open it.
    Dial {
        /// Destination.
        to: SocketAddr,
    },
    /// Append bytes.
    Send(&'a [u8]),
    /// We send no more; the peer still may. The driver closes the stream once the peer finished too. If it does not, a
    /// `Reset` follows for a stream that the peer opened; for a dialed one the driver gives up after a while.
    Finish,
    /// End both directions and forget the id. No further input for it is expected; late ones are ignored.
    Reset,
}

#[derive(Debug)]
enum Stored {
    Datagram { to: SocketAddr, bytes: Range<usize> },
    Dial { id: StreamId, to: SocketAddr },
    Send { id: StreamId, bytes: Range<usize> },
    Finish { id: StreamId },
    Reset { id: StreamId },
    Event(Event),
    Done { op: OpId, result: Result<Reply, OpError> },
    Persist(Record),
    Trace(Trace),
}

/// Buffers a node works with during one call. They live with the caller's outbox, so that thousands of nodes share one
/// warm set.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) actions: Vec<Action>,
    pub(crate) unpacked: Unpacked,
    pub(crate) packer: Packer,
    pub(crate) message: Vec<u8>,
    pub(crate) user_state: Vec<u8>,
}

/// Effects of one `handle` call, in order, with one arena for their bytes. Owned by the caller and reused.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Stored>,
    arena: Vec<u8>,
    scratch: Option<Box<Scratch>>,
}

impl Outbox {
    /// An empty outbox.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing is left to pop.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next effect, borrowing the arena; `None` means empty, and makes the arena reusable.
    pub fn pop(&mut self) -> Option<Output<'_>> {
        let Some(stored) = self.queue.pop_front() else {
            self.arena.clear();
            return None;
        };
        Some(match stored {
            Stored::Datagram { to, bytes } => Output::Datagram { to, bytes: &self.arena[bytes] },
            Stored::Dial { id, to } => Output::Stream { id, action: StreamAction::Dial { to } },
            Stored::Send { id, bytes } => {
                Output::Stream { id, action: StreamAction::Send(&self.arena[bytes]) }
            }
            Stored::Finish { id } => Output::Stream { id, action: StreamAction::Finish },
            Stored::Reset { id } => Output::Stream { id, action: StreamAction::Reset },
            Stored::Event(event) => Output::Event(event),
            Stored::Done { op, result } => Output::Done { op, result },
            Stored::Persist(record) => Output::Persist(record),
            Stored::Trace(trace) => Output::Trace(trace),
        })
    }

    pub(crate) fn take_scratch(&mut self) -> Box<Scratch> {
        self.scratch.take().unwrap_or_default()
    }

    pub(crate) fn return_scratch(&mut self, scratch: Box<Scratch>) {
        self.scratch = Some(scratch);
    }

    pub(crate) fn datagram(&mut self, to: SocketAddr, payload: &[u8]) {
        let bytes = self.store(payload);
        self.queue.push_back(Stored::Datagram { to, bytes });
    }

    pub(crate) fn stream(&mut self, id: StreamId, action: &StreamAction<'_>) {
        let stored = match action {
            StreamAction::Dial { to } => Stored::Dial { id, to: *to },
            StreamAction::Send(payload) => Stored::Send { id, bytes: self.store(payload) },
            StreamAction::Finish => Stored::Finish { id },
            StreamAction::Reset => Stored::Reset { id },
        };
        self.queue.push_back(stored);
    }

    /// Sends on a stream what `encode` appends, written where it is popped from: full states are large.
    pub(crate) fn stream_send(&mut self, id: StreamId, encode: impl FnOnce(&mut Vec<u8>)) -> usize {
        let start = self.arena.len();
        encode(&mut self.arena);
        let bytes = start..self.arena.len();
        let len = bytes.len();
        self.queue.push_back(Stored::Send { id, bytes });
        len
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.queue.push_back(Stored::Event(event));
    }

    pub(crate) fn done(&mut self, op: OpId, result: Result<Reply, OpError>) {
        self.queue.push_back(Stored::Done { op, result });
    }

    pub(crate) fn persist(&mut self, record: Record) {
        self.queue.push_back(Stored::Persist(record));
    }

    pub(crate) fn trace(&mut self, trace: Trace) {
        self.queue.push_back(Stored::Trace(trace));
    }

    fn store(&mut self, payload: &[u8]) -> Range<usize> {
        let start = self.arena.len();
        self.arena.extend_from_slice(payload);
        start..self.arena.len()
    }
}
