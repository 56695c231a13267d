//! Who was to hear of something, who has heard, and when.

use super::matrix::NodeSet;
use crate::scenario::{Nanos, NodeIndex};

/// How far one piece of news has come.
///
/// Two sets of nodes matter. The audience is everybody who was to hear, less those that stopped before they had: their
/// silence says nothing about the protocol. The steady part of it has lived ever since; expectations are about these.
#[derive(Clone, Debug)]
pub struct Reach {
    audience: NodeSet,
    steady: NodeSet,
    heard: NodeSet,
    /// Delay of each first hearing, ascending.
    times: Vec<(Nanos, NodeIndex)>,
}

impl Reach {
    /// Nobody of `audience` has heard yet.
    #[must_use]
    pub fn new(audience: NodeSet) -> Self {
        Self { heard: audience.emptied(), steady: audience.clone(), audience, times: Vec::new() }
    }

    /// `node` hears it after `delay`, no earlier than anybody before; false: again, or it is not in the audience.
    pub fn hear(&mut self, node: NodeIndex, delay: Nanos) -> bool {
        let first = self.audience.contains(node) && self.heard.set(node, true);
        if first {
            self.times.push((delay, node));
        }
        first
    }

    /// `node` crashes, leaves or is restarted. Whatever it hears in a later life is another node's news.
    pub fn stopped(&mut self, node: NodeIndex) {
        self.steady.set(node, false);
        if !self.heard.contains(node) {
            self.audience.set(node, false);
        }
    }

    /// Whether `node` is in the audience.
    #[must_use]
    pub fn is_for(&self, node: NodeIndex) -> bool {
        self.audience.contains(node)
    }

    /// Size of the audience.
    #[must_use]
    pub fn audience(&self) -> u32 {
        self.audience.len()
    }

    /// The part of the audience that has lived ever since.
    #[must_use]
    pub const fn steady(&self) -> &NodeSet {
        &self.steady
    }

    /// How many of the steady nodes have heard.
    #[must_use]
    pub fn steady_heard(&self) -> u32 {
        self.steady.common(&self.heard)
    }

    /// First hearings as delay and node, ascending.
    #[must_use]
    pub fn times(&self) -> &[(Nanos, NodeIndex)] {
        &self.times
    }

    /// Delays of the first hearings, ascending.
    #[must_use]
    pub fn delays(&self) -> Vec<Nanos> {
        self.times.iter().map(|(delay, _)| *delay).collect()
    }

    /// Delay after which `needed` of `among` had heard; `None`: they have not.
    #[must_use]
    pub fn time_of(&self, among: &NodeSet, needed: u32) -> Option<Nanos> {
        let mut delays = self.delays_among(among);
        delays.nth((needed as usize).checked_sub(1)?)
    }

    /// Delays of the first hearings of `among`, ascending.
    pub fn delays_among(&self, among: &NodeSet) -> impl Iterator<Item = Nanos> {
        self.times.iter().filter(|(_, node)| among.contains(*node)).map(|(delay, _)| *delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everybody(nodes: u32) -> NodeSet {
        let mut set = NodeSet::new(nodes as usize);
        for node in 0..nodes {
            set.set(node, true);
        }
        set
    }

    #[test]
    fn who_stopped_counts_no_more_and_its_next_life_is_not_the_same() {
        let mut reach = Reach::new(everybody(4));
        assert!(reach.hear(0, 0) && reach.hear(1, 5));
        assert!(!reach.hear(1, 6), "only the first time counts");
        reach.stopped(1);
        reach.stopped(2);
        assert_eq!((reach.audience(), reach.steady().len(), reach.steady_heard()), (3, 2, 1));
        assert!(!reach.hear(2, 8), "it came back with an empty head");
        assert_eq!(reach.time_of(reach.steady(), 2), None);
        assert!(reach.hear(3, 9));
        assert_eq!(reach.time_of(reach.steady(), 2), Some(9));
        assert_eq!(reach.delays(), [0, 5, 9], "the one that heard it before it stopped stays");
    }
}
