//! Who is where: addresses, link classes between regions, and who can reach whom under partitions.

use std::net::{IpAddr, SocketAddr};

use crate::scenario::{Latency, Link, NodeIndex, Scenario};

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
    base_links: Vec<Link>,
    /// Links with every active degradation applied.
    links: Vec<Link>,
    /// Mean delay of each of them, in nanoseconds.
    mean_delays: Vec<f64>,
    degradations: Vec<(u32, Option<u32>, Option<Latency>)>,
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
            base_links: scenario.network.links.clone(),
            links: scenario.network.links.clone(),
            mean_delays: scenario.network.links.iter().map(Link::mean_delay).collect(),
            degradations: Vec::new(),
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

    /// The link class from one node to another.
    #[must_use]
    pub fn link(&self, from: NodeIndex, to: NodeIndex) -> &Link {
        &self.links[self.class(from, to)]
    }

    /// The mean time that a datagram takes from one node to another unless it is lost, in nanoseconds; queueing behind
    /// other datagrams of the sender is not in it.
    #[must_use]
    pub fn mean_delay(&self, from: NodeIndex, to: NodeIndex) -> f64 {
        self.mean_delays[self.class(from, to)]
    }

    fn class(&self, from: NodeIndex, to: NodeIndex) -> usize {
        let from = usize::from(self.places[from as usize].region);
        let to = usize::from(self.places[to as usize].region);
        from * self.regions + to
    }

    /// Whether a partition stops packets from `from` to `to`.
    #[must_use]
    pub fn is_blocked(&self, from: NodeIndex, to: NodeIndex) -> bool {
        self.masks.is_blocked(from as usize, to as usize)
    }

    /// Whether each of the two reaches the other at the address it announces.
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
        self.masks.add(Cut::new(key, groups, one_way, self.places.len()));
    }

    /// Ends the partition `key`.
    pub fn heal(&mut self, key: u32) {
        self.masks.remove(key);
    }

    /// Makes every link worse; the degradation that started last wins.
    pub fn degrade(&mut self, key: u32, loss_ppm: Option<u32>, latency: Option<&Latency>) {
        self.degradations.push((key, loss_ppm, latency.cloned()));
        self.rebuild_links();
    }

    /// Ends the degradation `key`.
    pub fn restore(&mut self, key: u32) {
        self.degradations.retain(|(other, ..)| *other != key);
        self.rebuild_links();
    }

    fn rebuild_links(&mut self) {
        self.links.clone_from(&self.base_links);
        for (_, loss_ppm, latency) in &self.degradations {
            for link in &mut self.links {
                link.loss_ppm = loss_ppm.unwrap_or(link.loss_ppm);
                if let Some(latency) = latency {
                    link.latency = latency.clone();
                }
            }
        }
        self.mean_delays = self.links.iter().map(Link::mean_delay).collect();
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

/// One active partition.
#[derive(Debug)]
struct Cut {
    key: u32,
    /// Group of each node, counted from 1; 0: in no group.
    group: Vec<u32>,
    groups: u32,
    one_way: bool,
}

impl Cut {
    fn new(key: u32, groups: &[Vec<NodeIndex>], one_way: bool, nodes: usize) -> Self {
        let mut group = vec![0; nodes];
        let mut count = 0;
        for members in groups {
            count += 1;
            for &node in members {
                group[node as usize] = count;
            }
        }
        Self { key, group, groups: count, one_way }
    }

    fn blocks(&self, from: usize, to: usize) -> bool {
        let (from, to) = (self.group[from], self.group[to]);
        from != 0 && to != 0 && from != to && (!self.one_way || from == 1)
    }
}

/// Reachability in constant time: each group of each active partition owns one bit. A node carries the bits of its own
/// groups and those of the groups it cannot send to.
#[derive(Debug)]
struct Masks {
    cuts: Vec<Cut>,
    of_groups: Vec<u64>,
    unreachable: Vec<u64>,
    /// Active partitions whose groups found no free bit; asked one by one.
    wide: Vec<usize>,
}

impl Masks {
    fn new(nodes: usize) -> Self {
        Self {
            cuts: Vec::new(),
            of_groups: vec![0; nodes],
            unreachable: vec![0; nodes],
            wide: Vec::new(),
        }
    }

    fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.unreachable[from] & self.of_groups[to] != 0
            || self.wide.iter().any(|&cut| self.cuts[cut].blocks(from, to))
    }

    fn add(&mut self, cut: Cut) {
        self.cuts.push(cut);
        self.rebuild();
    }

    fn remove(&mut self, key: u32) {
        self.cuts.retain(|cut| cut.key != key);
        self.rebuild();
    }

    fn rebuild(&mut self) {
        self.of_groups.fill(0);
        self.unreachable.fill(0);
        self.wide.clear();
        let mut used = 0;
        for (index, cut) in self.cuts.iter().enumerate() {
            if used + cut.groups > u64::BITS {
                self.wide.push(index);
                continue;
            }
            let all = (0..cut.groups).fold(0_u64, |mask, bit| mask | (1 << (used + bit)));
            for (node, &group) in cut.group.iter().enumerate() {
                if group == 0 {
                    continue;
                }
                let own = 1_u64 << (used + group - 1);
                self.of_groups[node] |= own;
                if !cut.one_way || group == 1 {
                    self.unreachable[node] |= all & !own;
                }
            }
            used += cut.groups;
        }
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

    #[test]
    fn a_partition_cuts_both_ways_and_spares_nodes_in_no_group() {
        let mut masks = Masks::new(5);
        masks.add(Cut::new(0, &[vec![0, 1], vec![2, 3]], false, 5));
        assert!(masks.is_blocked(0, 2) && masks.is_blocked(3, 1));
        assert!(!masks.is_blocked(0, 1) && !masks.is_blocked(2, 3));
        assert!(!masks.is_blocked(4, 0) && !masks.is_blocked(2, 4));
        masks.remove(0);
        assert!(!masks.is_blocked(0, 2));
    }

    #[test]
    fn a_one_way_partition_blocks_only_the_first_group() {
        let mut masks = Masks::new(3);
        masks.add(Cut::new(7, &[vec![0], vec![1], vec![2]], true, 3));
        assert!(masks.is_blocked(0, 1) && masks.is_blocked(0, 2));
        assert!(!masks.is_blocked(1, 0) && !masks.is_blocked(1, 2));
    }

    #[test]
    fn overlapping_partitions_add_up_and_many_groups_need_no_bits() {
        let mut masks = Masks::new(100);
        masks.add(Cut::new(1, &[vec![0], vec![1]], false, 100));
        let loners: Vec<_> = (0..100).map(|node| vec![node]).collect();
        masks.add(Cut::new(2, &loners, false, 100));
        assert!(masks.is_blocked(0, 1) && masks.is_blocked(41, 99));
        masks.remove(2);
        assert!(masks.is_blocked(0, 1) && !masks.is_blocked(41, 99));
    }
}
