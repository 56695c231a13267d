//! Who sees whom as a member, with the counts that make convergence readable at once.

use super::sight::Sight;
use crate::scenario::NodeIndex;

/// A set of nodes as bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSet(Vec<u64>);

impl NodeSet {
    /// The empty set among `nodes` nodes.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self(vec![0; nodes.div_ceil(64)])
    }

    /// An empty set among as many nodes.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self(vec![0; self.0.len()])
    }

    /// Whether `node` is in it.
    #[must_use]
    pub fn contains(&self, node: NodeIndex) -> bool {
        self.0[node as usize / 64] >> (node % 64) & 1 == 1
    }

    /// Adds or removes `node`; whether that changed anything.
    pub fn set(&mut self, node: NodeIndex, member: bool) -> bool {
        let changed = self.contains(node) != member;
        if changed {
            self.0[node as usize / 64] ^= 1 << (node % 64);
        }
        changed
    }

    /// How many nodes are in it.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether it is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many nodes are in both.
    #[must_use]
    pub fn common(&self, other: &Self) -> u32 {
        self.0.iter().zip(&other.0).map(|(a, b)| (a & b).count_ones()).sum()
    }

    /// Keeps only the nodes that are in `other` too.
    fn intersect(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(&other.0) {
            *own &= other;
        }
    }
}

/// Observer by subject: "holds it for alive or suspect". The diagonal is never set.
#[derive(Debug)]
pub struct Matrix {
    nodes: u32,
    sights: Vec<Sight>,
    live: NodeSet,
    live_count: u64,
    seen: u64,
    stale: u64,
}

impl Matrix {
    /// Nobody lives, nobody is seen.
    #[must_use]
    pub fn new(nodes: u32) -> Self {
        Self {
            nodes,
            sights: (0..nodes).map(|_| Sight::nobody()).collect(),
            live: NodeSet::new(nodes as usize),
            live_count: 0,
            seen: 0,
            stale: 0,
        }
    }

    /// Live nodes.
    #[must_use]
    pub const fn live(&self) -> &NodeSet {
        &self.live
    }

    /// Number of live nodes.
    #[must_use]
    pub const fn live_count(&self) -> u64 {
        self.live_count
    }

    /// Ordered pairs of live nodes, and how many of them see each other.
    #[must_use]
    pub const fn pairs(&self) -> (u64, u64) {
        (self.live_count * self.live_count.saturating_sub(1), self.seen)
    }

    /// How often a live node takes one that does not live for a member.
    #[must_use]
    pub const fn stale(&self) -> u64 {
        self.stale
    }

    /// Whether every live node sees exactly the live nodes.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        let (pairs, seen) = self.pairs();
        self.live_count > 0 && seen == pairs && self.stale == 0
    }

    /// Whether `observer` sees `subject`.
    #[must_use]
    pub fn sees(&self, observer: NodeIndex, subject: NodeIndex) -> bool {
        self.sights[observer as usize].sees(subject)
    }

    /// Records what `observer` sees of `subject`; whether that changed anything.
    pub fn set(&mut self, observer: NodeIndex, subject: NodeIndex, sees: bool) -> bool {
        if observer == subject || self.sees(observer, subject) == sees {
            return false;
        }
        self.sights[observer as usize].toggle(subject, self.nodes);
        if self.live.contains(observer) {
            let count = if self.live.contains(subject) { &mut self.seen } else { &mut self.stale };
            *count = if sees { *count + 1 } else { *count - 1 };
        }
        true
    }

    /// Everybody lives and sees everybody else.
    pub fn fill(&mut self) {
        for node in 0..self.nodes {
            self.live.set(node, true);
            self.sights[node as usize] = Sight::everybody_else(node);
        }
        self.live_count = self.nodes.into();
        (self.seen, self.stale) = (self.pairs().0, 0);
    }

    /// `node` starts or stops to live.
    pub fn set_live(&mut self, node: NodeIndex, live: bool) {
        if self.live.contains(node) == live {
            return;
        }
        // As observer: its sight counts only while it lives. As subject: seen becomes stale, or the other way round.
        let own = &self.sights[node as usize];
        let (own_seen, own_stale) = own.counts(&self.live, self.live_count, self.nodes);
        let observers = (0..self.nodes)
            .filter(|&observer| observer != node && self.live.contains(observer))
            .filter(|&observer| self.sees(observer, node))
            .count() as u64;
        self.live.set(node, live);
        if live {
            self.live_count += 1;
            self.seen += own_seen + observers;
            self.stale = self.stale + own_stale - observers;
        } else {
            self.live_count -= 1;
            self.seen -= own_seen + observers;
            self.stale = self.stale + observers - own_stale;
        }
    }

    /// `observer` forgets everybody. It must not live.
    pub fn clear_row(&mut self, observer: NodeIndex) {
        assert!(!self.live.contains(observer), "a live node's view changes by its own traces");
        self.sights[observer as usize] = Sight::nobody();
    }

    /// Live nodes that `observer` sees, and itself if it lives.
    #[must_use]
    pub fn seen_by(&self, observer: NodeIndex) -> NodeSet {
        let mut set = self.sights[observer as usize].bits(self.nodes);
        set.intersect(&self.live);
        set.set(observer, self.live.contains(observer));
        set
    }

    /// Live nodes that see `subject`.
    #[must_use]
    pub fn observers_of(&self, subject: NodeIndex) -> NodeSet {
        let mut set = NodeSet::new(self.nodes as usize);
        for observer in 0..self.nodes {
            if self.live.contains(observer) && self.sees(observer, subject) {
                set.set(observer, true);
            }
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use uwasa_core::rng::Rng;

    use super::*;

    fn recount(matrix: &Matrix) -> (u64, u64) {
        let (mut seen, mut stale) = (0, 0);
        for observer in (0..matrix.nodes).filter(|&node| matrix.live.contains(node)) {
            for subject in (0..matrix.nodes).filter(|&node| matrix.sees(observer, node)) {
                if matrix.live.contains(subject) { seen += 1 } else { stale += 1 }
            }
        }
        (seen, stale)
    }

    #[test]
    fn the_running_counts_agree_with_a_recount() {
        let mut matrix = Matrix::new(70);
        let mut rng = Rng::from_seed([1; 32]);
        for step in 0..6_000 {
            if step == 3_000 {
                matrix.fill();
            }
            let node = u32::try_from(rng.below(70)).expect("below 70");
            let other = u32::try_from(rng.below(70)).expect("below 70");
            match rng.below(10) {
                0 => matrix.set_live(node, true),
                1 => {
                    matrix.set_live(node, false);
                    matrix.clear_row(node);
                }
                2 => matrix.set_live(node, false),
                _ => {
                    matrix.set(node, other, rng.chance(600_000));
                }
            }
            assert_eq!((matrix.seen, matrix.stale), recount(&matrix));
        }
    }

    #[test]
    fn a_full_world_is_exact_until_somebody_dies() {
        let mut matrix = Matrix::new(65);
        matrix.fill();
        assert!(matrix.is_exact());
        matrix.set_live(64, false);
        assert!(!matrix.is_exact());
        assert_eq!((matrix.seen_by(0).len(), matrix.seen_by(64).len()), (64, 64));
        assert_eq!(matrix.stale(), 64);
        for observer in 0..64 {
            matrix.set(observer, 64, false);
        }
        assert!(matrix.is_exact());
    }
}
