//! Byte streams: what the kernel and the network do below a TCP socket.
//!
//! Bytes are never lost and never change order; a lost segment or a partition only makes them late. A connection is one
//! record with two ends and two pipes; everything that happens to it is a [`Step`] in the event queue.

mod step;

use std::collections::VecDeque;
use std::net::SocketAddr;

use uwasa_core::io::{StreamAction, StreamFailure, StreamId};
use uwasa_core::rng::Rng;

use crate::net::{Fabric, Happening, LOOPBACK_DELAY, Power, draw_delay};
use crate::scenario::{Link, Nanos, NodeIndex};

pub use step::{Delivered, Delivery, Side, Step};

/// Largest chunk carried by one event.
const CHUNK_BYTES: usize = 64 * 1_024;
/// First wait for an answer to a connection request.
const CONNECT_RTO: Nanos = 1_000_000_000;
/// First wait for an acknowledgement of data.
const DATA_RTO: Nanos = 200_000_000;
/// Longest wait between two tries.
const RTO_MAX: Nanos = 120_000_000_000;
/// Tries before the kernel gives a connection request up, as Linux does (about two minutes).
const CONNECT_TRIES: u32 = 6;
/// Tries before the kernel gives data up, as Linux does (about a quarter of an hour).
const DATA_TRIES: u32 = 15;
/// Buffers kept for reuse.
const SPARE_BUFFERS: usize = 64;

#[derive(Debug)]
enum Chunk {
    Data(Vec<u8>),
    Finish,
    Reset,
}

#[derive(Clone, Copy, Debug, Default)]
struct End {
    node: NodeIndex,
    life: u32,
    id: u64,
    /// The process still holds it.
    open: bool,
    finish_sent: bool,
    finish_received: bool,
}

#[derive(Debug, Default)]
struct Pipe {
    /// Sent, in order; each has its arrival in the queue.
    in_flight: VecDeque<Chunk>,
    /// Not sent yet, or sent in vain.
    waiting: VecDeque<Chunk>,
    /// How many of `waiting`, at its front, were sent in vain.
    returned: usize,
    last_arrival: Nanos,
    tries: u32,
    again_planned: bool,
}

#[derive(Debug, Default)]
struct Connection {
    ends: [End; 2],
    pipes: [Pipe; 2],
    loopback: bool,
    /// The server accepted.
    accepted: bool,
    /// The client knows.
    established: bool,
    /// No host has the address that was dialed.
    nowhere: bool,
    request_tries: u32,
    /// Events in the queue that name this record; it is not reused before they are gone.
    planned: u32,
}

/// An open end as its node knows it.
#[derive(Clone, Copy, Debug)]
struct Handle {
    id: u64,
    connection: u32,
    side: Side,
}

/// Every connection of the world.
#[derive(Debug)]
pub struct Streams {
    connections: Vec<Connection>,
    free: Vec<u32>,
    /// Open ends of each node; few, so a linear search does.
    handles: Vec<Vec<Handle>>,
    next_accepted: Vec<u64>,
    spare: Vec<Vec<u8>>,
    spare_handles: Vec<Handle>,
}

impl Streams {
    /// No connections between `nodes` nodes.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self {
            connections: Vec::new(),
            free: Vec::new(),
            handles: vec![Vec::new(); nodes],
            next_accepted: vec![1; nodes],
            spare: Vec::new(),
            spare_handles: Vec::new(),
        }
    }

    /// Connection records in use.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.connections.len() - self.free.len()
    }

    /// The host at the other end of a stream of `node`; `None`: nobody has the address that was dialed, or the node does
    /// not hold the stream any more.
    #[must_use]
    pub fn peer(&self, node: NodeIndex, id: StreamId) -> Option<NodeIndex> {
        let handle = self.find(node, id)?;
        let record = &self.connections[handle.connection as usize];
        (!record.nowhere).then(|| record.ends[handle.side.other().index()].node)
    }

    /// A node acts on one of its streams. Actions on ids it no longer holds do nothing.
    pub fn act(
        &mut self,
        node: NodeIndex,
        id: StreamId,
        action: &StreamAction<'_>,
        fabric: &mut Fabric,
    ) {
        if let StreamAction::Dial { to } = *action {
            self.dial(node, id, to, fabric);
            return;
        }
        let Some(handle) = self.find(node, id) else { return };
        let (connection, side) = (handle.connection, handle.side);
        match action {
            StreamAction::Dial { .. } => {}
            StreamAction::Send(bytes) => {
                fabric.totals.stream_bytes += bytes.len() as u64;
                for piece in bytes.chunks(CHUNK_BYTES) {
                    let mut buffer = self.spare.pop().unwrap_or_default();
                    buffer.extend_from_slice(piece);
                    self.push(connection, side, Chunk::Data(buffer), fabric);
                }
            }
            StreamAction::Finish => {
                let end = &mut self.connections[connection as usize].ends[side.index()];
                if !end.finish_sent {
                    end.finish_sent = true;
                    self.push(connection, side, Chunk::Finish, fabric);
                    self.close_if_finished(connection, side);
                }
            }
            StreamAction::Reset => self.reset(connection, side, fabric),
        }
        self.free_if_done(connection);
    }

    /// Something planned for a connection happens; what a node must hear of it is returned.
    pub fn step(&mut self, connection: u32, step: Step, fabric: &mut Fabric) -> Option<Delivery> {
        self.connections[connection as usize].planned -= 1;
        let delivery = match step {
            Step::Request => self.on_request(connection, fabric),
            Step::RequestAgain => {
                self.request(connection, fabric);
                None
            }
            Step::Established => self.on_established(connection, fabric),
            Step::Refused => self.fail(connection, Side::Client, StreamFailure::Refused),
            Step::Segment(side) => self.on_segment(connection, side, fabric),
            Step::Again(side) => self.on_again(connection, side, fabric),
            Step::Abort(side) => self.fail(connection, side, StreamFailure::Reset),
        };
        self.free_if_done(connection);
        delivery
    }

    /// Gives a delivered buffer back.
    pub fn recycle(&mut self, mut buffer: Vec<u8>) {
        if self.spare.len() < SPARE_BUFFERS {
            buffer.clear();
            self.spare.push(buffer);
        }
    }

    /// The host of `node` is switched off: its ends vanish without a word.
    pub fn crash(&mut self, node: NodeIndex) {
        self.take_handles(node);
        for index in 0..self.spare_handles.len() {
            let handle = self.spare_handles[index];
            self.connections[handle.connection as usize].ends[handle.side.index()].open = false;
            self.drop_waiting(handle.connection, handle.side);
            self.free_if_done(handle.connection);
        }
    }

    /// The process of `node` ends on a running host: the kernel resets its streams.
    pub fn stop(&mut self, node: NodeIndex, fabric: &mut Fabric) {
        self.take_handles(node);
        for index in 0..self.spare_handles.len() {
            let handle = self.spare_handles[index];
            self.reset(handle.connection, handle.side, fabric);
            self.free_if_done(handle.connection);
        }
    }

    fn take_handles(&mut self, node: NodeIndex) {
        self.spare_handles.clear();
        self.spare_handles.append(&mut self.handles[node as usize]);
    }

    fn find(&self, node: NodeIndex, id: StreamId) -> Option<Handle> {
        self.handles[node as usize].iter().find(|handle| handle.id == id.0).copied()
    }

    fn dial(&mut self, node: NodeIndex, id: StreamId, to: SocketAddr, fabric: &mut Fabric) {
        fabric.totals.streams += 1;
        let connection = self.allocate();
        let record = &mut self.connections[connection as usize];
        let life = fabric.presence(node).life;
        record.ends[0] = End { node, life, id: id.0, open: true, ..End::default() };
        match fabric.topology.resolve(node, to) {
            Some(destination) => {
                record.ends[1].node = destination.node;
                record.loopback = destination.loopback;
            }
            None => record.nowhere = true,
        }
        self.handles[node as usize].push(Handle { id: id.0, connection, side: Side::Client });
        self.request(connection, fabric);
    }

    /// The client's kernel sends a connection request, or plans to ask again if it cannot get through.
    fn request(&mut self, connection: u32, fabric: &mut Fabric) {
        let record = &self.connections[connection as usize];
        if !record.ends[0].open {
            return;
        }
        if record.nowhere || self.is_cut(connection, fabric) {
            self.request_later(connection, fabric);
        } else {
            let arrival = self.arrival(connection, Side::Client, 0, CONNECT_RTO, fabric);
            self.plan(connection, arrival, Step::Request, fabric);
        }
    }

    fn request_later(&mut self, connection: u32, fabric: &mut Fabric) {
        let record = &mut self.connections[connection as usize];
        if record.request_tries >= CONNECT_TRIES {
            // The core's own deadline is far shorter; nothing is left to do.
            return;
        }
        let wait = backoff(CONNECT_RTO, record.request_tries);
        record.request_tries += 1;
        self.plan(connection, fabric.now + wait, Step::RequestAgain, fabric);
    }

    fn on_request(&mut self, connection: u32, fabric: &mut Fabric) -> Option<Delivery> {
        let record = &self.connections[connection as usize];
        if !record.ends[0].open {
            return None;
        }
        let target = fabric.presence(record.ends[1].node);
        if target.power == Power::Off || self.is_cut(connection, fabric) {
            self.request_later(connection, fabric);
            return None;
        }
        let answered = self.arrival(connection, Side::Server, 0, CONNECT_RTO, fabric);
        if target.power == Power::Down {
            self.plan(connection, answered, Step::Refused, fabric);
            return None;
        }
        self.plan(connection, answered, Step::Established, fabric);
        let record = &mut self.connections[connection as usize];
        record.accepted = true;
        record.pipes[1].last_arrival = answered;
        let node = record.ends[1].node;
        let next = &mut self.next_accepted[node as usize];
        let id = *next;
        *next += 2;
        record.ends[1] = End { node, life: target.life, id, open: true, ..End::default() };
        let from = fabric.topology.addr(record.ends[0].node);
        self.handles[node as usize].push(Handle { id, connection, side: Side::Server });
        Some(Delivery { node, id: StreamId(id), what: Delivered::Accepted(from) })
    }

    fn on_established(&mut self, connection: u32, fabric: &mut Fabric) -> Option<Delivery> {
        let record = &mut self.connections[connection as usize];
        if !record.ends[0].open {
            return None;
        }
        record.established = true;
        self.flush(connection, Side::Client, fabric);
        Some(self.delivery(connection, Side::Client, Delivered::Connected))
    }

    fn on_segment(&mut self, connection: u32, side: Side, fabric: &mut Fabric) -> Option<Delivery> {
        let record = &mut self.connections[connection as usize];
        let pipe = &mut record.pipes[side.index()];
        let chunk = pipe.in_flight.pop_front()?;
        let receiver = record.ends[side.other().index()];
        let host = fabric.presence(receiver.node);
        if host.power == Power::Off {
            if !record.ends[side.index()].open && matches!(chunk, Chunk::Reset) {
                // A reset is sent once.
                self.drop_waiting(connection, side);
                return None;
            }
            // Nobody acknowledges it, so it is sent again, before anything younger.
            pipe.waiting.insert(pipe.returned, chunk);
            pipe.returned += 1;
            self.again_later(connection, side, fabric);
            return None;
        }
        if host.life != receiver.life || host.power == Power::Down {
            self.drop_chunk(chunk);
            let arrival = self.arrival(connection, side.other(), 0, DATA_RTO, fabric);
            self.plan(connection, arrival, Step::Abort(side), fabric);
            return None;
        }
        if !receiver.open {
            self.drop_chunk(chunk);
            return None;
        }
        match chunk {
            Chunk::Data(buffer) => {
                Some(self.delivery(connection, side.other(), Delivered::Data(buffer)))
            }
            Chunk::Finish => {
                let delivery = self.delivery(connection, side.other(), Delivered::Finished);
                let record = &mut self.connections[connection as usize];
                record.ends[side.other().index()].finish_received = true;
                self.close_if_finished(connection, side.other());
                Some(delivery)
            }
            Chunk::Reset => self.fail(connection, side.other(), StreamFailure::Reset),
        }
    }

    fn on_again(&mut self, connection: u32, side: Side, fabric: &mut Fabric) -> Option<Delivery> {
        let record = &mut self.connections[connection as usize];
        let sender = record.ends[side.index()];
        record.pipes[side.index()].again_planned = false;
        if fabric.presence(sender.node).life != sender.life {
            self.drop_waiting(connection, side);
            return None;
        }
        if !self.is_stopped(connection, side, fabric) {
            self.flush(connection, side, fabric);
            return None;
        }
        if self.connections[connection as usize].pipes[side.index()].tries >= DATA_TRIES {
            self.drop_waiting(connection, side);
            return self.fail(connection, side, StreamFailure::Unreachable);
        }
        self.again_later(connection, side, fabric);
        None
    }

    /// Appends to a pipe.
    fn push(&mut self, connection: u32, side: Side, chunk: Chunk, fabric: &mut Fabric) {
        let record = &mut self.connections[connection as usize];
        let pipe = &mut record.pipes[side.index()];
        let dialing = side == Side::Client && !record.established;
        if dialing || !pipe.waiting.is_empty() {
            pipe.waiting.push_back(chunk);
            return;
        }
        if self.is_stopped(connection, side, fabric) {
            self.connections[connection as usize].pipes[side.index()].waiting.push_back(chunk);
            self.again_later(connection, side, fabric);
            return;
        }
        self.transmit(connection, side, chunk, fabric);
    }

    fn transmit(&mut self, connection: u32, side: Side, chunk: Chunk, fabric: &mut Fabric) {
        let bytes = match &chunk {
            Chunk::Data(buffer) => buffer.len(),
            Chunk::Finish | Chunk::Reset => 0,
        };
        let arrival = self.arrival(connection, side, bytes, DATA_RTO, fabric);
        let pipe = &mut self.connections[connection as usize].pipes[side.index()];
        let arrival = arrival.max(pipe.last_arrival);
        pipe.last_arrival = arrival;
        pipe.in_flight.push_back(chunk);
        self.plan(connection, arrival, Step::Segment(side), fabric);
    }

    fn flush(&mut self, connection: u32, side: Side, fabric: &mut Fabric) {
        let pipe = &mut self.connections[connection as usize].pipes[side.index()];
        pipe.tries = 0;
        pipe.returned = 0;
        let mut waiting = std::mem::take(&mut pipe.waiting);
        for chunk in waiting.drain(..) {
            self.transmit(connection, side, chunk, fabric);
        }
        // The emptied queue keeps its memory for the next stall.
        self.connections[connection as usize].pipes[side.index()].waiting = waiting;
    }

    fn again_later(&mut self, connection: u32, side: Side, fabric: &mut Fabric) {
        let pipe = &mut self.connections[connection as usize].pipes[side.index()];
        if pipe.again_planned {
            return;
        }
        pipe.again_planned = true;
        let wait = backoff(DATA_RTO, pipe.tries);
        pipe.tries += 1;
        self.plan(connection, fabric.now + wait, Step::Again(side), fabric);
    }

    /// Ends both directions from one side. What a stalled pipe still holds is thrown away, and the reset with it: the
    /// peer finds out by itself, as with a real cable cut.
    fn reset(&mut self, connection: u32, side: Side, fabric: &mut Fabric) {
        self.close(connection, side);
        let stalled = !self.connections[connection as usize].pipes[side.index()].waiting.is_empty();
        self.drop_waiting(connection, side);
        let record = &self.connections[connection as usize];
        let peer_knows = record.accepted && record.ends[side.other().index()].open;
        // Data sent before `Established` only waits for the handshake; that is no stall.
        let stalled = stalled && (side == Side::Server || record.established);
        if peer_knows && !stalled && !self.is_stopped(connection, side, fabric) {
            self.transmit(connection, side, Chunk::Reset, fabric);
        }
    }

    fn fail(&mut self, connection: u32, side: Side, failure: StreamFailure) -> Option<Delivery> {
        if !self.connections[connection as usize].ends[side.index()].open {
            return None;
        }
        self.drop_waiting(connection, side);
        let delivery = self.delivery(connection, side, Delivered::Failed(failure));
        self.close(connection, side);
        Some(delivery)
    }

    fn delivery(&self, connection: u32, side: Side, what: Delivered) -> Delivery {
        let end = self.connections[connection as usize].ends[side.index()];
        Delivery { node: end.node, id: StreamId(end.id), what }
    }

    fn close_if_finished(&mut self, connection: u32, side: Side) {
        let end = self.connections[connection as usize].ends[side.index()];
        if end.finish_sent && end.finish_received {
            self.close(connection, side);
        }
    }

    fn close(&mut self, connection: u32, side: Side) {
        let end = &mut self.connections[connection as usize].ends[side.index()];
        end.open = false;
        let (node, id) = (end.node, end.id);
        self.handles[node as usize].retain(|handle| handle.id != id);
    }

    /// Whether the two hosts cannot complete a handshake now.
    fn is_cut(&self, connection: u32, fabric: &Fabric) -> bool {
        let record = &self.connections[connection as usize];
        let (client, server) = (record.ends[0].node, record.ends[1].node);
        !record.loopback
            && (fabric.topology.is_stream_blocked(client, server)
                || fabric.topology.is_stream_blocked(server, client)
                || fabric.presence(server).power == Power::Off)
    }

    /// Whether data from `side` cannot arrive now.
    fn is_stopped(&self, connection: u32, side: Side, fabric: &Fabric) -> bool {
        let record = &self.connections[connection as usize];
        let (from, to) = (record.ends[side.index()].node, record.ends[side.other().index()].node);
        !record.loopback
            && (fabric.topology.is_stream_blocked(from, to)
                || fabric.presence(to).power == Power::Off)
    }

    /// When something sent now from `side` arrives.
    fn arrival(
        &self,
        connection: u32,
        side: Side,
        bytes: usize,
        rto: Nanos,
        fabric: &mut Fabric,
    ) -> Nanos {
        let record = &self.connections[connection as usize];
        if record.loopback {
            return fabric.now + LOOPBACK_DELAY;
        }
        let (from, to) = (record.ends[side.index()].node, record.ends[side.other().index()].node);
        let departure = fabric.uplinks.depart(from, fabric.now, bytes);
        let link = fabric.topology.link(from, to);
        let burst = fabric.topology.hazards(from, to).and_then(|hazards| hazards.burst);
        let in_burst = || burst.is_some_and(|burst| fabric.hazards.is_lost(from, burst));
        departure.saturating_add(segment_delay(&link, rto, fabric.uplinks.rng(from), in_burst))
    }

    fn plan(&mut self, connection: u32, at: Nanos, step: Step, fabric: &mut Fabric) {
        self.connections[connection as usize].planned += 1;
        fabric.queue.push(at, Happening::Stream { connection, step });
    }

    fn allocate(&mut self) -> u32 {
        if let Some(connection) = self.free.pop() {
            return connection;
        }
        let connection = u32::try_from(self.connections.len()).expect("fewer than 2^32 streams");
        self.connections.push(Connection::default());
        connection
    }

    /// Frees the record once nobody holds an end and no event names it.
    fn free_if_done(&mut self, connection: u32) {
        let record = &self.connections[connection as usize];
        if record.planned > 0 || record.ends.iter().any(|end| end.open) {
            return;
        }
        self.drop_waiting(connection, Side::Client);
        self.drop_waiting(connection, Side::Server);
        let record = &mut self.connections[connection as usize];
        let [first, second] = &mut record.pipes;
        for pipe in [&mut *first, &mut *second] {
            (pipe.last_arrival, pipe.tries, pipe.returned) = (0, 0, 0);
            pipe.again_planned = false;
        }
        let pipes = [std::mem::take(first), std::mem::take(second)];
        *record = Connection { pipes, ..Connection::default() };
        self.free.push(connection);
    }

    fn drop_waiting(&mut self, connection: u32, side: Side) {
        let pipe = &mut self.connections[connection as usize].pipes[side.index()];
        pipe.returned = 0;
        while let Some(chunk) =
            self.connections[connection as usize].pipes[side.index()].waiting.pop_front()
        {
            self.drop_chunk(chunk);
        }
    }

    fn drop_chunk(&mut self, chunk: Chunk) {
        if let Chunk::Data(buffer) = chunk {
            self.recycle(buffer);
        }
    }
}

/// The delay of one segment: each loss costs one more timeout, doubling. Faster recovery by duplicate acknowledgements
/// is left out, because a push/pull message is mostly one chunk and its loss is a loss at the tail.
fn segment_delay(
    link: &Link,
    rto: Nanos,
    rng: &mut Rng,
    mut in_burst: impl FnMut() -> bool,
) -> Nanos {
    let mut delay = draw_delay(link, rng);
    if link.stream_loss {
        let mut tries = 0;
        while tries < DATA_TRIES && (rng.chance(link.loss_ppm) || in_burst()) {
            delay = delay.saturating_add(backoff(rto, tries));
            tries += 1;
        }
    }
    delay
}

fn backoff(rto: Nanos, tries: u32) -> Nanos {
    (rto << tries.min(16)).min(RTO_MAX)
}

#[cfg(test)]
mod tests;
