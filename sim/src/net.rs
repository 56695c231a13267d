//! The network below UDP and TCP: what happens to a datagram, and the state both transports share.
//!
//! Every draw is an integer draw from the sender's own stream, so the fate of one node's packets never depends on how
//! many packets another one sends.

use std::collections::VecDeque;
use std::net::SocketAddr;

use uwasa_core::rng::Rng;

use crate::metrics::Totals;
use crate::queue::EventQueue;
use crate::scenario::{Latency, Link, Nanos, NodeIndex, Scenario};
use crate::streams::{Delivery, Step};
use crate::topology::Topology;

/// Delay of a packet that never leaves its host.
pub const LOOPBACK_DELAY: Nanos = 20_000;
/// Number of the first link stream; one per sender follows. Node streams lie below.
const LINK_STREAMS: u64 = 2 << 32;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// One engine event. It carries indexes only; what they stand for lives in slabs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Happening {
    /// A node's deadline may have come.
    Wake(NodeIndex),
    /// A datagram arrives: index into [`Packets`].
    Packet(u32),
    /// Something happens on a connection.
    Stream {
        /// Which connection.
        connection: u32,
        /// What.
        step: Step,
    },
    /// A node's process starts.
    Boot(NodeIndex),
    /// A node in this life joins.
    Join {
        /// Who.
        node: NodeIndex,
        /// The life that asked; a later life ignores it.
        life: u32,
    },
    /// A node that was to rejoin by itself is looked after.
    Lonely {
        /// Who.
        node: NodeIndex,
        /// The life that was to rejoin.
        life: u32,
    },
    /// A node that left ends its process.
    Exit {
        /// Who.
        node: NodeIndex,
        /// The life that left.
        life: u32,
    },
    /// A fault of the scenario begins.
    Fault(u32),
    /// A fault of the scenario ends.
    FaultEnd(u32),
    /// One phase of a fault that comes and goes is over.
    Phase {
        /// Which fault.
        fault: u32,
        /// Whether the next phase is one of trouble.
        on: bool,
    },
    /// A piece of workload is due.
    Work(u32),
}

/// Whether a host and the process on it run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Power {
    /// The machine is off, or not booted yet: silence.
    Off,
    /// The machine runs, the process does not: connections are refused.
    Down,
    /// Running.
    Up,
    /// The process is stopped; the machine still answers for it where the kernel does.
    Paused,
}

/// State of one host as the network sees it.
#[derive(Clone, Copy, Debug)]
pub struct Presence {
    /// What runs.
    pub power: Power,
    /// How often the process was started; 0: never.
    pub life: u32,
    /// What the process sends and what reaches it waits, while its timers fire on time.
    pub blocked: bool,
}

impl Presence {
    /// A machine that is off and has never run a process.
    pub const OFF: Self = Self { power: Power::Off, life: 0, blocked: false };

    /// A process in its `life`th life, in good health.
    #[must_use]
    pub const fn running(life: u32) -> Self {
        Self { power: Power::Up, life, blocked: false }
    }

    /// Whether the process exists, paused or not.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self.power, Power::Up | Power::Paused)
    }

    /// Whether the process takes what reaches it at once, and what it sends leaves at once.
    #[must_use]
    pub const fn is_responsive(self) -> bool {
        matches!(self.power, Power::Up) && !self.blocked
    }
}

/// What the network does with one datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Nobody has the address.
    Nowhere,
    /// A partition stops it.
    Blocked,
    /// It is lost on the way.
    Lost,
    /// It arrives after this delay.
    Once(Nanos),
    /// It arrives twice.
    Twice(Nanos, Nanos),
}

/// Draws the fate of one datagram on `link`.
pub fn draw_fate(link: &Link, rng: &mut Rng) -> Fate {
    if rng.chance(link.loss_ppm) {
        return Fate::Lost;
    }
    let mut first = draw_delay(link, rng);
    if rng.chance(link.reorder_ppm) {
        first = first.saturating_add(link.reorder_delay);
    }
    if rng.chance(link.duplicate_ppm) {
        return Fate::Twice(first, draw_delay(link, rng));
    }
    Fate::Once(first)
}

/// Draws a one-way delay on `link`: latency plus jitter.
pub fn draw_delay(link: &Link, rng: &mut Rng) -> Nanos {
    let jitter = if link.jitter == 0 { 0 } else { rng.below(link.jitter.saturating_add(1)) };
    draw_latency(&link.latency, rng).saturating_add(jitter)
}

/// Draws from a latency distribution, with integers only.
pub fn draw_latency(latency: &Latency, rng: &mut Rng) -> Nanos {
    match latency {
        Latency::Constant(nanos) => *nanos,
        Latency::Uniform { low, high } => low + rng.below((high - low).saturating_add(1)),
        Latency::LogNormal { median, table, .. } => {
            if table.is_empty() {
                *median
            } else {
                table[rng.index(table.len())]
            }
        }
    }
}

/// The sending side of every host: its link draws and its line.
#[derive(Debug)]
pub struct Uplinks {
    rngs: Vec<Rng>,
    busy_until: Vec<Nanos>,
    bandwidth: u64,
}

impl Uplinks {
    /// Uplinks of `nodes` hosts; `bandwidth` in bytes per second, 0: unlimited.
    #[must_use]
    pub fn new(key: [u8; 32], nodes: usize, bandwidth: u64) -> Self {
        Self {
            rngs: (0..nodes as u64)
                .map(|node| Rng::from_seed_stream(key, LINK_STREAMS + node))
                .collect(),
            busy_until: vec![0; nodes],
            bandwidth,
        }
    }

    /// The link draws of `from`.
    pub fn rng(&mut self, from: NodeIndex) -> &mut Rng {
        &mut self.rngs[from as usize]
    }

    /// When the last of `bytes` bytes has left `from`, behind everything it sent before.
    pub fn depart(&mut self, from: NodeIndex, now: Nanos, bytes: usize) -> Nanos {
        if self.bandwidth == 0 {
            return now;
        }
        let busy_until = &mut self.busy_until[from as usize];
        let nanos = bytes as u128 * NANOS_PER_SECOND / u128::from(self.bandwidth);
        let nanos = Nanos::try_from(nanos).unwrap_or(Nanos::MAX);
        *busy_until = now.max(*busy_until).saturating_add(nanos);
        *busy_until
    }

    /// The line of `from` has nothing to send any more; false: it had nothing at `now` anyway.
    fn clear(&mut self, from: NodeIndex, now: Nanos) -> bool {
        std::mem::take(&mut self.busy_until[from as usize]) > now
    }
}

/// One datagram in flight.
#[derive(Debug)]
pub struct Packet {
    /// Sender.
    pub from: NodeIndex,
    /// Receiver.
    pub to: NodeIndex,
    /// Payload.
    pub bytes: Vec<u8>,
    /// Unique in the run, in order of sending.
    pub serial: u64,
    /// When it was sent.
    pub sent_at: Nanos,
    /// When its last byte leaves the sender.
    departure: Nanos,
    /// The sender's machine was switched off before.
    cut: bool,
    /// Arrivals still to come.
    arrivals: u8,
}

impl Packet {
    /// Whether it has left its sender; false: the sender's machine was switched off first.
    #[must_use]
    pub const fn departed(&self) -> bool {
        !self.cut
    }
}

/// When a datagram sets out, and its number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Posted {
    /// Unique in the run, in order of sending.
    pub serial: u64,
    /// When its sender handed it over.
    pub sent_at: Nanos,
    /// When its last byte leaves the sender.
    pub departure: Nanos,
}

/// Datagrams in flight. Slots keep their buffers, so a steady state allocates nothing.
#[derive(Debug, Default)]
pub struct Packets {
    slots: Vec<Packet>,
    free: Vec<u32>,
}

impl Packets {
    /// Copies `bytes` in, which leave at `departure`; `arrivals` releases will free the slot.
    pub fn store(
        &mut self,
        (from, to): (NodeIndex, NodeIndex),
        bytes: &[u8],
        Posted { serial, sent_at, departure }: Posted,
        arrivals: u8,
    ) -> u32 {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.bytes.clear();
            slot.bytes.extend_from_slice(bytes);
            (slot.from, slot.to, slot.arrivals) = (from, to, arrivals);
            (slot.serial, slot.sent_at) = (serial, sent_at);
            (slot.departure, slot.cut) = (departure, false);
            return index;
        }
        let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 packets in flight");
        let bytes = bytes.to_vec();
        self.slots.push(Packet {
            from,
            to,
            bytes,
            serial,
            sent_at,
            departure,
            cut: false,
            arrivals,
        });
        index
    }

    /// The packet in slot `index`.
    #[must_use]
    pub fn get(&self, index: u32) -> &Packet {
        &self.slots[index as usize]
    }

    /// What `from` would have sent after `now` never leaves it.
    fn cut(&mut self, from: NodeIndex, now: Nanos) {
        let waiting = |slot: &&mut Packet| slot.from == from && slot.departure > now;
        for slot in self.slots.iter_mut().filter(waiting) {
            slot.cut = true;
        }
    }

    /// One arrival of slot `index` is dealt with.
    pub fn release(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.arrivals -= 1;
        if slot.arrivals == 0 {
            self.free.push(index);
        }
    }
}

/// What waits for a process that is paused or blocked.
#[derive(Debug)]
pub enum Waiting {
    /// A datagram: index into [`Packets`].
    Packet(u32),
    /// Progress on a stream. The sender's window holds it back, so it does not count against the receive buffer.
    Stream(Delivery),
    /// A command of the application: index of the operation.
    Command(u64),
}

/// Input of a paused or blocked process in order of arrival, with a limit on datagram bytes.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: VecDeque<Waiting>,
    datagram_bytes: u64,
}

impl Backlog {
    /// Adds a datagram of `bytes` bytes; false if the buffer of `limit` bytes (0: unlimited) has no room for it.
    pub fn push_packet(&mut self, packet: u32, bytes: usize, limit: u64) -> bool {
        let total = self.datagram_bytes + bytes as u64;
        if limit != 0 && total > limit {
            return false;
        }
        self.datagram_bytes = total;
        self.waiting.push_back(Waiting::Packet(packet));
        true
    }

    /// Adds anything that the limit does not cover.
    pub fn push(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    /// Takes everything out; the limit starts afresh.
    pub fn take(&mut self) -> VecDeque<Waiting> {
        self.datagram_bytes = 0;
        std::mem::take(&mut self.waiting)
    }

    /// Takes out what needs no socket.
    pub fn take_commands(&mut self) -> VecDeque<Waiting> {
        let (commands, rest) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|waiting| matches!(waiting, Waiting::Command(_)));
        self.waiting = rest;
        commands
    }
}

/// What datagrams and streams share: the clock, the queue, the topology and the state of every host.
#[derive(Debug)]
pub struct Fabric {
    /// Virtual time.
    pub now: Nanos,
    /// Pending events.
    pub queue: EventQueue<Happening>,
    /// Addresses, links, partitions.
    pub topology: Topology,
    /// Sending sides.
    pub uplinks: Uplinks,
    /// Datagrams in flight.
    pub packets: Packets,
    /// State of each host.
    pub presence: Vec<Presence>,
    /// Counters; the protocol's own are added at the end.
    pub totals: Totals,
}

impl Fabric {
    /// A silent network: every host is off.
    #[must_use]
    pub fn new(scenario: &Scenario, key: [u8; 32]) -> Self {
        let nodes = scenario.nodes.len();
        Self {
            now: 0,
            queue: EventQueue::new(),
            topology: Topology::new(scenario),
            uplinks: Uplinks::new(key, nodes, scenario.network.bandwidth),
            packets: Packets::default(),
            presence: vec![Presence::OFF; nodes],
            totals: Totals::default(),
        }
    }

    /// State of one host.
    #[must_use]
    pub fn presence(&self, node: NodeIndex) -> Presence {
        self.presence[node as usize]
    }

    /// The machine of `from` is switched off: what waits for its line is lost.
    pub fn cut_line(&mut self, from: NodeIndex) {
        if self.uplinks.clear(from, self.now) {
            self.packets.cut(from, self.now);
        }
    }

    /// Sends one datagram. Partitions are judged now; what is on its way already arrives. Says where it goes and what
    /// becomes of it; its number is that of datagrams sent so far.
    pub fn send_datagram(
        &mut self,
        from: NodeIndex,
        to: SocketAddr,
        bytes: &[u8],
    ) -> (Option<NodeIndex>, Fate) {
        self.totals.datagrams_sent += 1;
        self.totals.datagram_bytes += bytes.len() as u64;
        let Some(destination) = self.topology.resolve(from, to) else {
            self.totals.datagrams_unreachable += 1;
            return (None, Fate::Nowhere);
        };
        let to = destination.node;
        let (serial, sent_at) = (self.totals.datagrams_sent, self.now);
        let (departure, fate) = if destination.loopback {
            (sent_at, Fate::Once(LOOPBACK_DELAY))
        } else {
            let departure = self.uplinks.depart(from, self.now, bytes.len());
            let fate = if self.topology.is_blocked(from, to) {
                Fate::Blocked
            } else {
                draw_fate(self.topology.link(from, to), self.uplinks.rng(from))
            };
            (departure, fate)
        };
        self.post((from, to), bytes, Posted { serial, sent_at, departure }, fate);
        (Some(to), fate)
    }

    fn post(&mut self, ends: (NodeIndex, NodeIndex), bytes: &[u8], posted: Posted, fate: Fate) {
        let mut plan = |delays: &[Nanos]| {
            let arrivals = u8::try_from(delays.len()).expect("a datagram arrives twice at most");
            let packet = self.packets.store(ends, bytes, posted, arrivals);
            for delay in delays {
                let at = posted.departure.saturating_add(*delay);
                self.queue.push(at, Happening::Packet(packet));
            }
        };
        match fate {
            Fate::Nowhere | Fate::Blocked => self.totals.datagrams_unreachable += 1,
            Fate::Lost => self.totals.datagrams_lost += 1,
            Fate::Once(delay) => plan(&[delay]),
            Fate::Twice(first, second) => {
                plan(&[first, second]);
                self.totals.datagrams_duplicated += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(latency: Latency) -> Link {
        Link {
            latency,
            jitter: 0,
            loss_ppm: 0,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            reorder_delay: 0,
            stream_loss: false,
        }
    }

    #[test]
    fn latencies_stay_in_range_and_repeat() {
        let table: std::sync::Arc<[Nanos]> = (1..=4_096).collect();
        for (latency, range) in [
            (Latency::Constant(7), 7..=7),
            (Latency::Uniform { low: 3, high: 9 }, 3..=9),
            (Latency::LogNormal { median: 2_048, p99: 4_055, table }, 1..=4_096),
        ] {
            let draw = || {
                let mut rng = Rng::from_seed([5; 32]);
                (0..500).map(|_| draw_latency(&latency, &mut rng)).collect::<Vec<_>>()
            };
            assert!(draw().iter().all(|nanos| range.contains(nanos)), "{latency:?}");
            assert_eq!(draw(), draw());
        }
    }

    #[test]
    fn loss_and_duplication_come_at_their_rates() {
        let lossy =
            Link { loss_ppm: 250_000, duplicate_ppm: 100_000, ..link(Latency::Constant(1)) };
        let mut rng = Rng::from_seed([1; 32]);
        let (mut lost, mut twice) = (0, 0);
        for _ in 0..10_000 {
            match draw_fate(&lossy, &mut rng) {
                Fate::Lost => lost += 1,
                Fate::Twice(..) => twice += 1,
                Fate::Once(_) | Fate::Nowhere | Fate::Blocked => {}
            }
        }
        assert!((2_300..2_700).contains(&lost), "{lost} of 10,000 lost at 25 %");
        assert!((600..900).contains(&twice), "{twice} of 7,500 duplicated at 10 %");
    }

    #[test]
    fn reordering_holds_a_datagram_back() {
        let slow = Link { reorder_ppm: 1_000_000, reorder_delay: 50, ..link(Latency::Constant(7)) };
        assert_eq!(draw_fate(&slow, &mut Rng::from_seed([1; 32])), Fate::Once(57));
    }

    #[test]
    fn a_line_sends_one_thing_after_the_other() {
        let mut uplinks = Uplinks::new([0; 32], 2, 1_000);
        assert_eq!(uplinks.depart(0, 0, 500), 500_000_000);
        assert_eq!(uplinks.depart(0, 0, 500), 1_000_000_000);
        assert_eq!(uplinks.depart(1, 0, 1), 1_000_000);
        assert_eq!(uplinks.depart(0, 5_000_000_000, 0), 5_000_000_000);
    }

    #[test]
    fn what_waits_for_a_line_dies_with_its_machine() {
        let mut uplinks = Uplinks::new([0; 32], 2, 1_000);
        let mut packets = Packets::default();
        let sent: Vec<_> = [(0, 1), (0, 1), (1, 0)]
            .into_iter()
            .map(|ends| {
                let departure = uplinks.depart(ends.0, 0, 500);
                packets.store(ends, &[0; 500], Posted { departure, ..Posted::default() }, 1)
            })
            .collect();
        assert!(uplinks.clear(0, 600_000_000));
        packets.cut(0, 600_000_000);
        let departed: Vec<_> = sent.iter().map(|&it| packets.get(it).departed()).collect();
        assert_eq!(departed, [true, false, true]);
        assert_eq!(uplinks.depart(0, 700_000_000, 100), 800_000_000, "the line is free again");
        packets.release(sent[1]);
        let reused = packets.store((0, 1), b"x", Posted::default(), 1);
        assert!(reused == sent[1] && packets.get(reused).departed());
        assert!(!uplinks.clear(1, 600_000_000));
    }

    #[test]
    fn a_full_receive_buffer_refuses_the_newest() {
        let mut backlog = Backlog::default();
        assert!(backlog.push_packet(1, 600, 1_000));
        assert!(!backlog.push_packet(2, 600, 1_000));
        backlog.push(Waiting::Command(0));
        assert!(backlog.push_packet(3, 400, 1_000));
        assert_eq!(backlog.take().len(), 3);
        assert!(backlog.push_packet(4, 1_000, 1_000));
    }

    #[test]
    fn a_slot_is_reused_after_its_last_arrival() {
        let mut packets = Packets::default();
        let first = packets.store((0, 1), b"abc", Posted::default(), 2);
        packets.release(first);
        assert_ne!(packets.store((0, 1), b"x", Posted::default(), 1), first);
        packets.release(first);
        assert_eq!(packets.store((2, 3), b"de", Posted::default(), 1), first);
        assert_eq!(packets.get(first).bytes, b"de");
    }
}
