//! The probe ring: every known member once, in random order.
//!
//! Of a cluster that starts warm and large, the ring is not written down: all nodes share one list of members, and each
//! goes through it in an order that it computes from a key of its own. A ring that loses or gains members becomes a
//! list.

use std::sync::Arc;

use super::permutation::Permutation;
use crate::pool::NodeId;
use crate::rng::Rng;

/// Members from which on an order is computed instead of written down: below, a list takes less than 16 KiB.
const COMPUTED_MIN: usize = 4_096;

/// The ring and a place in it.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    order: Order,
    /// The next place to be visited.
    cursor: usize,
}

#[derive(Clone, Debug)]
enum Order {
    Listed(Vec<NodeId>),
    Computed { members: Arc<[NodeId]>, permutation: Permutation },
}

impl Default for Ring {
    fn default() -> Self {
        Self { order: Order::Listed(Vec::new()), cursor: 0 }
    }
}

impl Ring {
    /// Members in the ring.
    pub(super) fn len(&self) -> usize {
        match &self.order {
            Order::Listed(list) => list.len(),
            Order::Computed { members, .. } => members.len(),
        }
    }

    /// The member at a place of the ring. Places are in no particular order.
    pub(super) fn at(&self, place: usize) -> NodeId {
        match &self.order {
            Order::Listed(list) => list[place],
            Order::Computed { members, .. } => members[place],
        }
    }

    /// Every member, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = NodeId> {
        let members = match &self.order {
            Order::Listed(list) => &list[..],
            Order::Computed { members, .. } => &members[..],
        };
        members.iter().copied()
    }

    /// The next member to be visited; `None` at the end of the ring.
    pub(super) fn next(&mut self) -> Option<NodeId> {
        let id = match &self.order {
            Order::Listed(list) => list.get(self.cursor).copied()?,
            Order::Computed { members, permutation } => {
                *members.get(permutation.apply(self.cursor)?)?
            }
        };
        self.cursor += 1;
        Some(id)
    }

    /// Adds a member at a random place.
    pub(super) fn insert(&mut self, id: NodeId, rng: &mut Rng) {
        let list = self.list();
        let place = if list.is_empty() { None } else { Some(rng.index(list.len())) };
        list.push(id);
        if let Some(place) = place {
            let last = list.len() - 1;
            list.swap(place, last);
        }
    }

    /// Keeps only the members that `stays` names.
    pub(super) fn retain(&mut self, stays: impl Fn(NodeId) -> bool) {
        self.list().retain(|&id| stays(id));
    }

    /// Puts all members in a new random order and starts at its beginning.
    pub(super) fn shuffle(&mut self, rng: &mut Rng) {
        self.cursor = 0;
        match &mut self.order {
            Order::Listed(list) => rng.shuffle(list),
            Order::Computed { members, permutation } => {
                *permutation = Permutation::new(members.len(), rng);
            }
        }
    }

    /// Lets clones of a large ring share its members, each in an order of its own from its next shuffle on.
    pub(super) fn share(&mut self) {
        if let Order::Listed(list) = &mut self.order
            && list.len() >= COMPUTED_MIN
        {
            let members: Arc<[NodeId]> = core::mem::take(list).into();
            let permutation = Permutation::identity(members.len());
            self.order = Order::Computed { members, permutation };
        }
    }

    fn list(&mut self) -> &mut Vec<NodeId> {
        if let Order::Computed { members, permutation } = &self.order {
            let places = (0..members.len()).filter_map(|place| permutation.apply(place));
            self.order = Order::Listed(places.map(|place| members[place]).collect());
        }
        match &mut self.order {
            Order::Listed(list) => list,
            Order::Computed { .. } => unreachable!("it was written down just now"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: u32 = 5_000;

    fn large() -> (Ring, Rng) {
        let (mut ring, mut rng) = (Ring::default(), Rng::from_seed([3; 32]));
        for id in (0..MEMBERS).map(NodeId) {
            ring.insert(id, &mut rng);
        }
        ring.share();
        assert!(matches!(ring.order, Order::Computed { .. }));
        (ring, rng)
    }

    fn visit(ring: &mut Ring) -> Vec<NodeId> {
        core::iter::from_fn(|| ring.next()).collect()
    }

    #[test]
    fn a_computed_ring_visits_everybody_once_in_an_order_of_its_own() {
        let (ring, mut rng) = large();
        let mut rounds = Vec::new();
        for _ in 0..3 {
            let mut own = ring.clone();
            own.shuffle(&mut rng);
            let round = visit(&mut own);
            let mut sorted = round.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq((0..MEMBERS).map(NodeId)));
            rounds.push(round);
        }
        assert!(rounds[0] != rounds[1] && rounds[1] != rounds[2]);
    }

    #[test]
    fn a_ring_that_is_written_down_goes_on_where_it_was() {
        let (mut ring, mut rng) = large();
        ring.shuffle(&mut rng);
        let order = visit(&mut ring.clone());
        for expected in &order[..100] {
            assert_eq!(ring.next(), Some(*expected));
        }
        ring.retain(|id| id != order[200]);
        let rest = visit(&mut ring);
        assert_eq!(rest[..100], order[100..200]);
        assert_eq!(rest[100..], order[201..]);
        ring.insert(order[200], &mut rng);
        ring.shuffle(&mut rng);
        assert_eq!(visit(&mut ring).len(), order.len());
    }
}
