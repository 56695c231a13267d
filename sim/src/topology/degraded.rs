//! Active degradations and what they make of a link.

use std::borrow::Cow;

use crate::oracle::NodeSet;
use crate::scenario::{Burst, Degradation, Link, NodeIndex};

/// What a degradation does to packets beyond the properties of a link. Shares are millionths; 0: never.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hazards {
    /// Loss in bursts, and the number of the degradation that the chains belong to.
    pub burst: Option<(u32, Burst)>,
    /// Datagrams of which bits are flipped.
    pub corrupt_ppm: u32,
    /// Datagrams that lose their end.
    pub truncate_ppm: u32,
    /// Datagrams that an older one follows.
    pub replay_ppm: u32,
    /// Longest datagram that gets through, in bytes; `None`: any.
    pub mtu: Option<u32>,
}

/// Degradations in the order in which they started.
#[derive(Debug, Default)]
pub(super) struct Degraded(Vec<Active>);

#[derive(Debug)]
struct Active {
    key: u32,
    /// Whose packets; `None`: everybody's.
    from: Option<NodeSet>,
    /// To whom; `None`: to everybody.
    to: Option<NodeSet>,
    degradation: Degradation,
}

impl Active {
    fn covers(&self, from: NodeIndex, to: NodeIndex) -> bool {
        let within =
            |set: &Option<NodeSet>, node| set.as_ref().is_none_or(|set| set.contains(node));
        within(&self.from, from) && within(&self.to, to)
    }
}

impl Degraded {
    pub(super) fn add(&mut self, key: u32, degradation: &Degradation, nodes: usize) {
        let set = |chosen: &Vec<NodeIndex>| {
            let mut set = NodeSet::new(nodes);
            for &node in chosen {
                set.set(node, true);
            }
            set
        };
        let (from, to) = (degradation.from.as_ref().map(set), degradation.to.as_ref().map(set));
        self.0.push(Active { key, from, to, degradation: degradation.clone() });
    }

    pub(super) fn remove(&mut self, key: u32) {
        self.0.retain(|active| active.key != key);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn covering(&self, from: NodeIndex, to: NodeIndex) -> impl Iterator<Item = &Active> {
        self.0.iter().filter(move |active| active.covers(from, to))
    }

    /// What becomes of `link` between these two.
    pub(super) fn link<'a>(&self, link: &'a Link, from: NodeIndex, to: NodeIndex) -> Cow<'a, Link> {
        let mut link = Cow::Borrowed(link);
        for active in self.covering(from, to) {
            active.degradation.worsen(link.to_mut());
        }
        link
    }

    /// What else happens between these two; `None`: nothing.
    pub(super) fn hazards(&self, from: NodeIndex, to: NodeIndex) -> Option<Hazards> {
        let mut all = Hazards::default();
        for Active { key, degradation, .. } in self.covering(from, to) {
            all.burst = degradation.burst.map(|burst| (*key, burst)).or(all.burst);
            all.corrupt_ppm = degradation.corrupt_ppm.unwrap_or(all.corrupt_ppm);
            all.truncate_ppm = degradation.truncate_ppm.unwrap_or(all.truncate_ppm);
            all.replay_ppm = degradation.replay_ppm.unwrap_or(all.replay_ppm);
            all.mtu = degradation.mtu.or(all.mtu);
        }
        (all != Hazards::default()).then_some(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Latency;

    fn link() -> Link {
        Link {
            latency: Latency::Constant(1),
            jitter: 0,
            loss_ppm: 10,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            reorder_delay: 0,
            stream_loss: true,
        }
    }

    #[test]
    fn of_overlapping_degradations_the_last_wins_property_by_property() {
        let mut degraded = Degraded::default();
        let first = Degradation {
            loss_ppm: Some(20),
            mtu: Some(600),
            latency: Some(Latency::Constant(7)),
            ..Degradation::default()
        };
        let second =
            Degradation { loss_ppm: Some(0), corrupt_ppm: Some(5), ..Degradation::default() };
        degraded.add(0, &first, 4);
        degraded.add(1, &second, 4);
        let both = degraded.link(&link(), 0, 1).into_owned();
        assert_eq!(both, Link { loss_ppm: 0, latency: Latency::Constant(7), ..link() });
        let hazards = Hazards { mtu: Some(600), corrupt_ppm: 5, ..Hazards::default() };
        assert_eq!(degraded.hazards(0, 1), Some(hazards));
        degraded.remove(1);
        let one = degraded.link(&link(), 0, 1).into_owned();
        assert_eq!(one, Link { loss_ppm: 20, latency: Latency::Constant(7), ..link() });
        degraded.remove(0);
        assert!(degraded.is_empty() && degraded.hazards(0, 1).is_none());
    }

    #[test]
    fn a_degradation_covers_packets_from_its_senders_to_its_receivers_only() {
        let mut degraded = Degraded::default();
        let scoped = Degradation {
            from: Some(vec![0, 1]),
            to: Some(vec![2]),
            loss_ppm: Some(1_000_000),
            mtu: Some(1),
            ..Degradation::default()
        };
        degraded.add(3, &scoped, 70);
        for (from, to) in (0..9).map(|pair| (pair / 3, pair % 3)) {
            let covered = from < 2 && to == 2;
            assert_eq!(degraded.link(&link(), from, to).loss_ppm == 1_000_000, covered);
            assert_eq!(degraded.hazards(from, to).is_some(), covered, "{from} to {to}");
        }
        assert!(matches!(degraded.link(&link(), 69, 2), Cow::Borrowed(_)));
    }
}
