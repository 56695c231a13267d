//! Who can send to whom, in constant time and without a record per pair.
//!
//! Each set of nodes that a cut speaks of owns one bit. A node carries the bits of the sets it is in, and for datagrams
//! and for streams those of the sets that it cannot send to.

use crate::scenario::{NodeIndex, Transport};

/// One active cut.
#[derive(Debug)]
pub(super) struct Cut {
    key: u32,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Sides {
        /// Side of each node, counted from 1; 0: on no side.
        side: Vec<u32>,
        sides: u32,
        one_way: bool,
    },
    /// The first so many nodes stand in a ring, and each reaches only some on either side of it.
    Ring { nodes: u32, reach: u32 },
    /// What these send to those is stopped.
    Between { from: Vec<bool>, to: Vec<bool>, transport: Transport },
}

impl Cut {
    pub(super) fn sides(key: u32, groups: &[Vec<NodeIndex>], one_way: bool, nodes: usize) -> Self {
        let mut side = vec![0; nodes];
        let mut sides = 0;
        for members in groups {
            sides += 1;
            for &node in members {
                side[node as usize] = sides;
            }
        }
        Self { key, shape: Shape::Sides { side, sides, one_way } }
    }

    pub(super) const fn ring(key: u32, nodes: u32, reach: u32) -> Self {
        Self { key, shape: Shape::Ring { nodes, reach } }
    }

    pub(super) fn between(
        key: u32,
        [from, to]: [Option<&[NodeIndex]>; 2],
        transport: Transport,
        nodes: usize,
    ) -> Self {
        let flags = |chosen: Option<&[NodeIndex]>| {
            let mut flags = vec![chosen.is_none(); nodes];
            for &node in chosen.unwrap_or_default() {
                flags[node as usize] = true;
            }
            flags
        };
        Self { key, shape: Shape::Between { from: flags(from), to: flags(to), transport } }
    }

    /// Bits it takes to tell its sets apart; `None`: no number of bits does.
    const fn bits(&self) -> Option<u32> {
        match &self.shape {
            Shape::Sides { sides, .. } => Some(*sides),
            Shape::Ring { .. } => None,
            Shape::Between { .. } => Some(1),
        }
    }

    fn blocks(&self, from: usize, to: usize, streams: bool) -> bool {
        match &self.shape {
            Shape::Sides { side, one_way, .. } => {
                let (from, to) = (side[from], side[to]);
                from != 0 && to != 0 && from != to && (!one_way || from == 1)
            }
            Shape::Ring { nodes, reach } => {
                let (nodes, reach) = (*nodes as usize, *reach as usize);
                let apart = from.abs_diff(to);
                from < nodes && to < nodes && apart.min(nodes - apart) > reach
            }
            Shape::Between { from: senders, to: receivers, transport } => {
                let covered = if streams { transport.streams() } else { transport.datagrams() };
                covered && senders[from] && receivers[to]
            }
        }
    }
}

/// The bits of one node.
#[derive(Clone, Copy, Debug, Default)]
struct Bits {
    /// Sets it is in.
    own: u64,
    /// Sets that its datagrams do not reach.
    datagrams: u64,
    /// Sets that its streams do not reach.
    streams: u64,
}

/// Every active cut.
#[derive(Debug)]
pub(super) struct Masks {
    cuts: Vec<Cut>,
    nodes: Vec<Bits>,
    /// Active cuts that have no bits; asked one by one.
    wide: Vec<usize>,
}

impl Masks {
    pub(super) fn new(nodes: usize) -> Self {
        Self { cuts: Vec::new(), nodes: vec![Bits::default(); nodes], wide: Vec::new() }
    }

    /// Whether datagrams from `from` to `to` are stopped.
    pub(super) fn is_blocked(&self, from: usize, to: usize) -> bool {
        self.nodes[from].datagrams & self.nodes[to].own != 0
            || self.wide.iter().any(|&cut| self.cuts[cut].blocks(from, to, false))
    }

    /// Whether segments of streams from `from` to `to` are stopped.
    pub(super) fn is_stream_blocked(&self, from: usize, to: usize) -> bool {
        self.nodes[from].streams & self.nodes[to].own != 0
            || self.wide.iter().any(|&cut| self.cuts[cut].blocks(from, to, true))
    }

    pub(super) fn add(&mut self, cut: Cut) {
        self.cuts.push(cut);
        self.rebuild();
    }

    pub(super) fn remove(&mut self, key: u32) {
        self.cuts.retain(|cut| cut.key != key);
        self.rebuild();
    }

    fn rebuild(&mut self) {
        self.nodes.fill(Bits::default());
        self.wide.clear();
        let mut used = 0;
        for (index, cut) in self.cuts.iter().enumerate() {
            let Some(bits) = cut.bits().filter(|bits| used + bits <= u64::BITS) else {
                self.wide.push(index);
                continue;
            };
            mark(&mut self.nodes, &cut.shape, used);
            used += bits;
        }
    }
}

/// Gives the sets of a cut the bits from `first` on.
fn mark(nodes: &mut [Bits], shape: &Shape, first: u32) {
    match shape {
        Shape::Sides { side, sides, one_way } => {
            let all = (0..*sides).fold(0_u64, |mask, bit| mask | (1 << (first + bit)));
            for (bits, &side) in nodes.iter_mut().zip(side).filter(|(_, side)| **side != 0) {
                let own = 1_u64 << (first + side - 1);
                bits.own |= own;
                if !one_way || side == 1 {
                    bits.datagrams |= all & !own;
                    bits.streams |= all & !own;
                }
            }
        }
        Shape::Ring { .. } => {}
        Shape::Between { from, to, transport } => {
            let bit = |on: bool| u64::from(on) << first;
            for (bits, (&sends, &receives)) in nodes.iter_mut().zip(from.iter().zip(to)) {
                bits.own |= bit(receives);
                bits.datagrams |= bit(sends && transport.datagrams());
                bits.streams |= bit(sends && transport.streams());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_cuts_both_ways_and_spares_nodes_in_no_group() {
        let mut masks = Masks::new(5);
        masks.add(Cut::sides(0, &[vec![0, 1], vec![2, 3]], false, 5));
        assert!(masks.is_blocked(0, 2) && masks.is_blocked(3, 1));
        assert!(!masks.is_blocked(0, 1) && !masks.is_blocked(2, 3));
        assert!(!masks.is_blocked(4, 0) && !masks.is_blocked(2, 4));
        masks.remove(0);
        assert!(!masks.is_blocked(0, 2));
    }

    #[test]
    fn a_one_way_partition_blocks_only_the_first_group() {
        let mut masks = Masks::new(3);
        masks.add(Cut::sides(7, &[vec![0], vec![1], vec![2]], true, 3));
        assert!(masks.is_blocked(0, 1) && masks.is_blocked(0, 2));
        assert!(!masks.is_blocked(1, 0) && !masks.is_blocked(1, 2));
    }

    #[test]
    fn overlapping_partitions_add_up_and_many_groups_need_no_bits() {
        let mut masks = Masks::new(100);
        masks.add(Cut::sides(1, &[vec![0], vec![1]], false, 100));
        let loners: Vec<_> = (0..100).map(|node| vec![node]).collect();
        masks.add(Cut::sides(2, &loners, false, 100));
        assert!(masks.is_blocked(0, 1) && masks.is_blocked(41, 99));
        masks.remove(2);
        assert!(masks.is_blocked(0, 1) && !masks.is_blocked(41, 99));
    }

    #[test]
    fn in_a_ring_each_node_reaches_so_many_on_either_side() {
        let mut masks = Masks::new(8);
        masks.add(Cut::ring(1, 7, 2));
        let reached =
            |from: usize| (0..7).filter(|&to| !masks.is_blocked(from, to)).collect::<Vec<_>>();
        assert_eq!(reached(0), [0, 1, 2, 5, 6]);
        assert_eq!(reached(4), [2, 3, 4, 5, 6]);
        assert!(masks.is_stream_blocked(0, 3));
        assert!(!masks.is_blocked(7, 3) && !masks.is_blocked(3, 7), "it stands outside the ring");
    }

    #[test]
    fn a_cut_covers_its_transport_only() {
        for (transport, datagrams, streams) in [
            (Transport::Udp, true, false),
            (Transport::Tcp, false, true),
            (Transport::Both, true, true),
        ] {
            let mut masks = Masks::new(4);
            masks.add(Cut::between(1, [Some(&[0, 1]), Some(&[1, 2])], transport, 4));
            assert_eq!(masks.is_blocked(0, 2), datagrams, "{transport:?}");
            assert_eq!(masks.is_stream_blocked(1, 2), streams, "{transport:?}");
            for (from, to) in [(2, 0), (0, 3), (3, 1)] {
                assert!(!masks.is_blocked(from, to) && !masks.is_stream_blocked(from, to));
            }
            masks.remove(1);
            assert!(!masks.is_blocked(0, 2) && !masks.is_stream_blocked(0, 2));
        }
    }

    #[test]
    fn a_cut_that_names_one_end_covers_everybody_at_the_other() {
        let mut masks = Masks::new(4);
        masks.add(Cut::between(1, [Some(&[2]), None], Transport::Both, 4));
        assert!((0..4).filter(|&to| to != 2).all(|to| masks.is_blocked(2, to)));
        assert!((0..4).filter(|&from| from != 2).all(|from| !masks.is_blocked(from, 2)));
    }

    #[test]
    fn bits_and_their_absence_judge_alike() {
        let cuts = || {
            [
                Cut::sides(1, &[vec![0, 1], vec![2, 3, 4]], false, 6),
                Cut::sides(2, &[vec![5], vec![1, 2]], true, 6),
                Cut::between(3, [None, Some(&[3])], Transport::Tcp, 6),
                Cut::between(4, [Some(&[0, 4]), Some(&[0, 5])], Transport::Udp, 6),
            ]
        };
        let mut masks = Masks::new(6);
        cuts().into_iter().for_each(|cut| masks.add(cut));
        assert!(masks.wide.is_empty());
        for (from, to) in (0..36).map(|pair| (pair / 6, pair % 6)) {
            let one_by_one = |streams| cuts().iter().any(|cut| cut.blocks(from, to, streams));
            assert_eq!(masks.is_blocked(from, to), one_by_one(false), "{from} to {to}");
            assert_eq!(masks.is_stream_blocked(from, to), one_by_one(true), "{from} to {to}");
        }
    }
}
