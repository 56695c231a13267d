//! The network below UDP and TCP: what happens to a datagram, and the state both transports share.
//!
//! Every draw is an integer draw from the sender's own stream, so the fate of one node's packets never depends on how
//! many packets another one sends.

mod packets;

use std::collections::VecDeque;
use std::net::SocketAddr;

use uwasa_core::rng::Rng;

use crate::hazards::{Damage, Old, Senders};
use crate::metrics::Totals;
use crate::queue::EventQueue;
use crate::scenario::{Latency, Link, Nanos, NodeIndex, Scenario};
use crate::streams::{Delivery, Step};
use crate::topology::{Hazards, Topology};

pub use packets::{Packet, Packets, Posted};

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
    /// A slow processor has done the work that one input makes.
    Ready {
        /// Whose.
        node: NodeIndex,
        /// The life that works; a later life ignores it.
        life: u32,
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
    /// Its processor takes its time for every input.
    pub slow: bool,
}

impl Presence {
    /// A machine that is off and has never run a process.
    pub const OFF: Self = Self { power: Power::Off, life: 0, blocked: false, slow: false };

    /// A process in its `life`th life, in good health.
    #[must_use]
    pub const fn running(life: u32) -> Self {
        Self { power: Power::Up, life, blocked: false, slow: false }
    }

    /// Whether the process exists, paused or not.
    #[must_use]
    pub const fn is_up(self) -> bool {
        matches!(self.power, Power::Up | Power::Paused)
    }

    /// Whether the process takes what reaches it at once.
    #[must_use]
    pub const fn takes_input(self) -> bool {
        self.is_responsive() && !self.slow
    }

    /// Whether the process runs and its sockets work, at whatever speed.
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
    /// A partition or a cut stops it.
    Blocked,
    /// It is lost by itself.
    Lost,
    /// It is lost in a burst.
    Burst,
    /// It is too long for the way.
    TooLong,
    /// It arrives after this delay.
    Once(Nanos),
    /// It arrives twice.
    Twice(Nanos, Nanos),
}

/// What became of a datagram when it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sending {
    /// The host that has the address; `None`: nobody.
    pub to: Option<NodeIndex>,
    /// What the network will do with it.
    pub fate: Fate,
    /// How it differs when it arrives.
    pub damage: Damage,
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

/// What waits for a process that is paused, blocked or slow.
#[derive(Debug)]
pub enum Waiting {
    /// A datagram.
    Packet {
        /// Index into [`Packets`].
        packet: u32,
        /// What it takes of the receive buffer, in bytes.
        charge: u64,
    },
    /// Progress on a stream. The sender's window holds it back, so it does not count against the receive buffer.
    Stream(Delivery),
    /// A command of the application: index of the operation.
    Command(u64),
}

/// What Linux charges to a socket's receive buffer for a frame in a buffer of 2 KiB, as most network cards fill, and for
/// its description. Over loopback it was seen to charge 832, 1,280 or 2,304 bytes, by the length of the datagram.
const FRAME_CHARGE: u64 = 2_048 + 256;
/// Bytes of a datagram with its UDP header that fit one frame.
const FRAME_BYTES: u64 = 1_480;
const UDP_HEADER: u64 = 8;

/// Input of a paused, blocked or slow process in order of arrival, with a limit on what datagrams take.
#[derive(Debug, Default)]
pub struct Backlog {
    waiting: VecDeque<Waiting>,
    charged: u64,
}

impl Backlog {
    /// Adds a datagram of `bytes` bytes; false if the buffer of `limit` bytes (0: unlimited) has no room for its frames.
    pub fn push_packet(&mut self, packet: u32, bytes: usize, limit: u64) -> bool {
        let charge = (bytes as u64 + UDP_HEADER).div_ceil(FRAME_BYTES) * FRAME_CHARGE;
        let total = self.charged + charge;
        if limit != 0 && total > limit {
            return false;
        }
        self.charged = total;
        self.waiting.push_back(Waiting::Packet { packet, charge });
        true
    }

    /// Adds anything that the limit does not cover.
    pub fn push(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    /// Whether there is something to take; of a process without sockets, a command.
    #[must_use]
    pub fn has(&self, no_sockets: bool) -> bool {
        self.first(no_sockets).is_some()
    }

    /// Takes the first thing out, or the first that needs no socket.
    pub fn pop(&mut self, no_sockets: bool) -> Option<Waiting> {
        let waiting = self.waiting.remove(self.first(no_sockets)?)?;
        if let Waiting::Packet { charge, .. } = &waiting {
            self.charged -= charge;
        }
        Some(waiting)
    }

    /// Takes everything out, or everything that needs no socket.
    pub fn take(&mut self, no_sockets: bool) -> Vec<Waiting> {
        std::iter::from_fn(|| self.pop(no_sockets)).collect()
    }

    fn first(&self, no_sockets: bool) -> Option<usize> {
        let fits = |waiting: &Waiting| !no_sockets || matches!(waiting, Waiting::Command(_));
        self.waiting.iter().position(fits)
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
    /// What degradations have done to them.
    pub hazards: Senders,
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
            hazards: Senders::new(key, nodes),
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
    pub fn send_datagram(&mut self, from: NodeIndex, to: SocketAddr, bytes: &[u8]) -> Sending {
        self.totals.datagrams_sent += 1;
        self.totals.datagram_bytes += bytes.len() as u64;
        let Some(destination) = self.topology.resolve(from, to) else {
            self.totals.datagrams_unreachable += 1;
            return Sending { to: None, fate: Fate::Nowhere, damage: Damage::default() };
        };
        let to = destination.node;
        let (serial, sent_at) = (self.totals.datagrams_sent, self.now);
        let mut hazards = None;
        let (departure, fate) = if destination.loopback {
            (sent_at, Fate::Once(LOOPBACK_DELAY))
        } else {
            let departure = self.uplinks.depart(from, self.now, bytes.len());
            let fate = if self.topology.is_blocked(from, to) {
                Fate::Blocked
            } else {
                hazards = self.topology.hazards(from, to);
                self.fate((from, to), bytes.len(), hazards)
            };
            (departure, fate)
        };
        let packet = self.post((from, to), bytes, Posted { serial, sent_at, departure }, fate);
        let mut damage = Damage::default();
        if let Some(hazards) = hazards {
            if let Some(packet) = packet {
                damage = self.damage(packet, &hazards);
            }
            if hazards.replay_ppm > 0 {
                let old = Old { to, bytes: bytes.to_vec(), serial, sent_at };
                self.replay(from, hazards.replay_ppm, old);
            }
        }
        Sending { to: Some(to), fate, damage }
    }

    /// What becomes of a datagram that nothing blocks.
    fn fate(
        &mut self,
        (from, to): (NodeIndex, NodeIndex),
        bytes: usize,
        hazards: Option<Hazards>,
    ) -> Fate {
        if let Some(hazards) = hazards {
            if hazards.mtu.is_some_and(|mtu| bytes > mtu as usize) {
                return Fate::TooLong;
            }
            if hazards.burst.is_some_and(|burst| self.hazards.is_lost(from, burst)) {
                return Fate::Burst;
            }
        }
        draw_fate(&self.topology.link(from, to), self.uplinks.rng(from))
    }

    fn damage(&mut self, packet: u32, hazards: &Hazards) -> Damage {
        let packet = self.packets.get_mut(packet);
        let damage = self.hazards.damage(packet.from, hazards, &mut packet.bytes);
        if !damage.is_none() {
            packet.damaged = true;
            self.totals.datagrams_damaged += 1;
        }
        damage
    }

    /// Keeps a datagram, and lets an older one of the same sender go again to whom it was for, if nothing blocks it now.
    fn replay(&mut self, from: NodeIndex, share_ppm: u32, new: Old) {
        let Some((old, rng)) = self.hazards.replay(from, share_ppm, new) else { return };
        let at = self.now.saturating_add(draw_delay(&self.topology.link(from, old.to), rng));
        if self.topology.is_blocked(from, old.to) {
            return;
        }
        let posted = Posted { serial: old.serial, sent_at: old.sent_at, departure: self.now };
        let packet = self.packets.store((from, old.to), &old.bytes, posted, 1);
        self.packets.get_mut(packet).replayed = true;
        self.queue.push(at, Happening::Packet(packet));
        self.totals.datagrams_replayed += 1;
    }

    fn post(
        &mut self,
        ends: (NodeIndex, NodeIndex),
        bytes: &[u8],
        posted: Posted,
        fate: Fate,
    ) -> Option<u32> {
        let mut plan = |delays: &[Nanos]| {
            let arrivals = u8::try_from(delays.len()).expect("a datagram arrives twice at most");
            let packet = self.packets.store(ends, bytes, posted, arrivals);
            for delay in delays {
                let at = posted.departure.saturating_add(*delay);
                self.queue.push(at, Happening::Packet(packet));
            }
            Some(packet)
        };
        match fate {
            Fate::Once(delay) => return plan(&[delay]),
            Fate::Twice(first, second) => {
                self.totals.datagrams_duplicated += 1;
                return plan(&[first, second]);
            }
            Fate::Nowhere | Fate::Blocked => self.totals.datagrams_unreachable += 1,
            Fate::Lost => self.totals.datagrams_lost += 1,
            Fate::Burst => self.totals.datagrams_burst += 1,
            Fate::TooLong => self.totals.datagrams_too_long += 1,
        }
        None
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
                Fate::Once(_) | Fate::Nowhere | Fate::Blocked | Fate::Burst | Fate::TooLong => {}
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
        let limit = 3 * FRAME_CHARGE;
        assert!(backlog.push_packet(1, 2_000, limit), "two frames");
        assert!(!backlog.push_packet(2, 1_473, limit), "two more");
        backlog.push(Waiting::Command(0));
        assert!(backlog.push_packet(3, 1_472, limit), "one");
        assert!(!backlog.push_packet(4, 0, limit));
        assert!(matches!(backlog.pop(true), Some(Waiting::Command(0))), "it needs no socket");
        assert!(backlog.pop(true).is_none() && !backlog.has(true));
        assert_eq!(backlog.take(false).len(), 2);
        assert!(backlog.push_packet(5, 3_000, limit), "the limit starts afresh");
        let mut default = Backlog::default();
        assert_eq!((0..500).filter(|&it| default.push_packet(it, 60, 212_992)).count(), 92);
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
