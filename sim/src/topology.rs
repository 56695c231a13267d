//! Who is where: addresses, link classes between regions, and who can reach whom under partitions.

mod degraded;
mod masks;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use crate::scenario::{Degradation, Link, NodeIndex, Scenario, Transport};

use degraded::Degraded;
use masks::{Cut, Masks};

pub use degraded::Hazards;

/// No node.
const NONE: u32 = u32::MAX;
/// An address range is looked up by index if it has at most this many slots per node.
const FLAT_SLOTS_PER_NODE: u64 = 16;

/// Where a packet ends up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Destination {
    /// Which node.
    pub node: NodeIndex,
    /// Whether the packet never leaves its host.
    pub loopback: bool,
}

/// Addresses, links and partitions.
#[derive(Debug)]
pub struct Topology {
    addresses: Addresses,
    places: Vec<Place>,
    /// Whether the address of each node leads to it; not so for one that will take it over, or has lost it.
    holds: Vec<bool>,
    regions: usize,
    links: Vec<Link>,
    /// Mean delay of each of them, in nanoseconds.
    mean_delays: Vec<f64>,
    degraded: Degraded,
    masks: Masks,
}

#[derive(Debug)]
struct Place {
    addr: SocketAddr,
    advertise: SocketAddr,
    region: u16,
}

impl Topology {
    /// The topology of `scenario` before any fault.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let places: Vec<_> = scenario
            .nodes
            .iter()
            .map(|spec| Place { addr: spec.addr, advertise: spec.advertise, region: spec.region })
            .collect();
        let holds: Vec<_> =
            (0..).zip(&places).map(|(node, _)| !scenario.is_stranger(node)).collect();
        Self {
            addresses: Addresses::of(&places, &holds),
            holds,
            masks: Masks::new(places.len()),
            places,
            regions: scenario.network.regions.len().max(1),
            links: scenario.network.links.clone(),
            mean_delays: scenario.network.links.iter().map(Link::mean_delay).collect(),
            degraded: Degraded::default(),
        }
    }

    /// The address that really reaches `node`, which is also the source address of its packets.
    #[must_use]
    pub fn addr(&self, node: NodeIndex) -> SocketAddr {
        self.places[node as usize].addr
    }

    /// The address that `node` announces.
    #[must_use]
    pub fn advertise(&self, node: NodeIndex) -> SocketAddr {
        self.places[node as usize].advertise
    }

    /// `node` is reached at `to` from now on, announces that, and is reached there only.
    pub fn relocate(&mut self, node: NodeIndex, to: SocketAddr) {
        let place = &mut self.places[node as usize];
        (place.addr, place.advertise) = (to, to);
        self.addresses = Addresses::of(&self.places, &self.holds);
    }

    /// The address of `owner` leads to `taker` from now on, which announces it.
    pub fn take_over(&mut self, taker: NodeIndex, owner: NodeIndex) {
        self.holds[owner as usize] = false;
        self.holds[taker as usize] = true;
        let addr = self.places[owner as usize].addr;
        self.relocate(taker, addr);
    }

    /// Where a packet from `from` to `to` goes; `None`: nowhere. It goes to the node that really has the address. One that
    /// nobody has is the sender's own if it announces it, whoever else announces it too: that is how two hosts behind NAT
    /// come to talk to themselves.
    #[must_use]
    pub fn resolve(&self, from: NodeIndex, to: SocketAddr) -> Option<Destination> {
        let sender = &self.places[from as usize];
        if to == sender.addr {
            return Some(Destination { node: from, loopback: true });
        }
        match self.addresses.find(to) {
            Some(node) => Some(Destination { node, loopback: false }),
            None if to == sender.advertise => Some(Destination { node: from, loopback: true }),
            None => None,
        }
    }

    /// The link from one node to another, with every degradation that covers it.
    #[must_use]
    pub fn link(&self, from: NodeIndex, to: NodeIndex) -> Cow<'_, Link> {
        let link = &self.links[self.class(from, to)];
        if self.degraded.is_empty() {
            return Cow::Borrowed(link);
        }
        self.degraded.link(link, from, to)
    }

    /// What else happens to packets from one node to another; `None`: nothing, as always without a degradation.
    #[must_use]
    pub fn hazards(&self, from: NodeIndex, to: NodeIndex) -> Option<Hazards> {
        if self.degraded.is_empty() { None } else { self.degraded.hazards(from, to) }
    }

    /// The mean time that a datagram takes from one node to another unless it is lost, in nanoseconds; queueing behind
    /// other datagrams of the sender is not in it.
    #[must_use]
    pub fn mean_delay(&self, from: NodeIndex, to: NodeIndex) -> f64 {
        match self.link(from, to) {
            Cow::Borrowed(_) => self.mean_delays[self.class(from, to)],
            Cow::Owned(link) => link.mean_delay(),
        }
    }

    fn class(&self, from: NodeIndex, to: NodeIndex) -> usize {
        let from = usize::from(self.places[from as usize].region);
        let to = usize::from(self.places[to as usize].region);
        from * self.regions + to
    }

    /// Whether a partition or a cut stops datagrams from `from` to `to`.
    #[must_use]
    pub fn is_blocked(&self, from: NodeIndex, to: NodeIndex) -> bool {
        self.masks.is_blocked(from as usize, to as usize)
    }

    /// Whether a partition or a cut stops segments of streams from `from` to `to`.
    #[must_use]
    pub fn is_stream_blocked(&self, from: NodeIndex, to: NodeIndex) -> bool {
        self.masks.is_stream_blocked(from as usize, to as usize)
    }

    /// Whether each of the two reaches the other with datagrams at the address it announces. Streams do not count, nor do
    /// relays: what probes and gossip use is what a death is judged by.
    #[must_use]
    pub fn is_mutually_reachable(&self, a: NodeIndex, b: NodeIndex) -> bool {
        let reaches = |from: NodeIndex, to: NodeIndex| {
            self.resolve(from, self.places[to as usize].advertise)
                .is_some_and(|destination| destination.node == to)
                && !self.is_blocked(from, to)
        };
        reaches(a, b) && reaches(b, a)
    }

    /// Starts the partition `key`.
    pub fn partition(&mut self, key: u32, groups: &[Vec<NodeIndex>], one_way: bool) {
        self.masks.add(Cut::sides(key, groups, one_way, self.places.len()));
    }

    /// Starts the cut `key`: the first `nodes` nodes stand in a ring and reach only `reach` on either side.
    pub fn ring(&mut self, key: u32, nodes: u32, reach: u32) {
        self.masks.add(Cut::ring(key, nodes, reach));
    }

    /// Starts the cut `key`: what the first send to the second is stopped; `None` is everybody.
    pub fn cut(&mut self, key: u32, ends: [Option<&[NodeIndex]>; 2], transport: Transport) {
        self.masks.add(Cut::between(key, ends, transport, self.places.len()));
    }

    /// Ends the partition or cut `key`.
    pub fn heal(&mut self, key: u32) {
        self.masks.remove(key);
    }

    /// Makes the links that it covers worse; of several degradations the one that started last wins.
    pub fn degrade(&mut self, key: u32, degradation: &Degradation) {
        self.degraded.add(key, degradation, self.places.len());
    }

    /// Ends the degradation `key`.
    pub fn restore(&mut self, key: u32) {
        self.degraded.remove(key);
    }
}

/// Address to node, one address for each node that has one. A test cluster's addresses are nearly always consecutive, so an index does instead of a hash.
#[derive(Debug)]
struct Addresses {
    /// Sorted, for everything the flat table does not cover.
    sorted: Vec<(SocketAddr, u32)>,
    /// IPv4 key (address and port in 48 bits) of each address; `u64::MAX` for IPv6.
    keys: Vec<u64>,
    /// Whose each of them is.
    nodes: Vec<u32>,
    base: u64,
    shift: u32,
    flat: Vec<u32>,
}

impl Addresses {
    fn of(places: &[Place], holds: &[bool]) -> Self {
        let held = places.iter().zip(0..).zip(holds).filter(|(_, holds)| **holds);
        Self::new(held.map(|((place, node), _)| (place.addr, node)))
    }

    fn new(addresses: impl Iterator<Item = (SocketAddr, u32)>) -> Self {
        let mut sorted: Vec<_> = addresses.collect();
        let nodes = sorted.iter().map(|(_, node)| *node).collect();
        let keys: Vec<_> =
            sorted.iter().map(|(addr, _)| v4_key(*addr).unwrap_or(u64::MAX)).collect();
        sorted.sort_unstable();
        let mut this = Self { sorted, keys, nodes, base: 0, shift: 0, flat: Vec::new() };
        this.flatten();
        this
    }

    fn flatten(&mut self) {
        let (Some(&low), Some(&high)) = (self.keys.iter().min(), self.keys.iter().max()) else {
            return;
        };
        if high == u64::MAX {
            return;
        }
        // Hosts that differ in address only are indexed by address, hosts that differ in port only by port.
        let same_port = self.keys.iter().all(|key| key & 0xFFFF == low & 0xFFFF);
        let shift = if same_port { 16 } else { 0 };
        let slots = ((high - low) >> shift) + 1;
        if slots > FLAT_SLOTS_PER_NODE * self.keys.len() as u64 {
            return;
        }
        let Ok(slots) = usize::try_from(slots) else { return };
        (self.base, self.shift) = (low, shift);
        self.flat = vec![NONE; slots];
        for (key, index) in self.keys.iter().zip(0_u32..) {
            if let Some(slot) = slot_of(*key, low, shift, slots) {
                self.flat[slot] = index;
            }
        }
    }

    fn find(&self, addr: SocketAddr) -> Option<u32> {
        if let Some(key) = v4_key(addr)
            && let Some(slot) = slot_of(key, self.base, self.shift, self.flat.len())
        {
            let index = self.flat[slot];
            let found = index != NONE && self.keys[index as usize] == key;
            return found.then(|| self.nodes[index as usize]);
        }
        let index = self.sorted.binary_search_by_key(&addr, |(addr, _)| *addr).ok()?;
        Some(self.sorted[index].1)
    }
}

fn slot_of(key: u64, base: u64, shift: u32, slots: usize) -> Option<usize> {
    let slot = usize::try_from(key.checked_sub(base)? >> shift).ok()?;
    (slot < slots).then_some(slot)
}

fn v4_key(addr: SocketAddr) -> Option<u64> {
    match addr.ip() {
        IpAddr::V4(ip) => Some((u64::from(u32::from(ip)) << 16) | u64::from(addr.port())),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> SocketAddr {
        text.parse().expect("a socket address")
    }

    #[test]
    fn consecutive_addresses_are_found_by_index() {
        let list: Vec<_> = (10..20).map(|last| addr(&format!("192.168.33.{last}:7946"))).collect();
        let addresses = Addresses::new(list.iter().copied().zip(0..));
        assert_eq!(addresses.flat.len(), 10);
        for (index, addr) in list.iter().enumerate() {
            assert_eq!(addresses.find(*addr).map(|node| node as usize), Some(index));
        }
        assert_eq!(addresses.find(addr("192.168.33.20:7946")), None);
        assert_eq!(addresses.find(addr("192.168.33.12:7947")), None);
        assert_eq!(addresses.find(addr("10.0.2.15:7946")), None);
    }

    #[test]
    fn scattered_and_ipv6_addresses_are_found_by_search() {
        let list = [addr("10.0.0.1:1"), addr("203.0.113.9:2"), addr("[fd00::1]:3")];
        let addresses = Addresses::new(list.iter().copied().zip(0..));
        assert!(addresses.flat.is_empty());
        for (index, addr) in list.iter().enumerate() {
            assert_eq!(addresses.find(*addr).map(|node| node as usize), Some(index));
        }
        assert_eq!(addresses.find(addr("[fd00::2]:3")), None);
    }

    #[test]
    fn ports_on_one_host_are_found_by_index() {
        let list: Vec<_> = (7_000..7_005).map(|port| addr(&format!("127.0.0.1:{port}"))).collect();
        let addresses = Addresses::new(list.iter().copied().zip(0..));
        assert_eq!(addresses.flat.len(), 5);
        assert_eq!(addresses.find(addr("127.0.0.1:7003")), Some(3));
    }
}
