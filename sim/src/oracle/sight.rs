//! Whom one observer sees: a short list of exceptions while it sees nearly everybody or nearly nobody, bits otherwise.

use super::matrix::NodeSet;
use crate::scenario::NodeIndex;

/// Exceptions beyond which bits take their place.
const LISTED_MAX: usize = 32;

/// Whom one observer sees, in a cluster whose size the caller knows.
#[derive(Debug)]
pub(super) enum Sight {
    /// Everybody but these.
    AllBut(Vec<NodeIndex>),
    /// Only these.
    Only(Vec<NodeIndex>),
    /// One bit for each.
    Bits(NodeSet),
}

impl Sight {
    /// Sees nobody.
    pub(super) fn nobody() -> Self {
        Self::Only(Vec::new())
    }

    /// Sees everybody but itself.
    pub(super) fn everybody_else(observer: NodeIndex) -> Self {
        Self::AllBut(vec![observer])
    }

    /// Whether it sees `subject`.
    pub(super) fn sees(&self, subject: NodeIndex) -> bool {
        match self {
            Self::AllBut(list) => !list.contains(&subject),
            Self::Only(list) => list.contains(&subject),
            Self::Bits(set) => set.contains(subject),
        }
    }

    /// Changes whether it sees `subject`, one of `nodes`.
    pub(super) fn toggle(&mut self, subject: NodeIndex, nodes: u32) {
        let list = match self {
            Self::AllBut(list) | Self::Only(list) => list,
            Self::Bits(set) => {
                let sees = set.contains(subject);
                set.set(subject, !sees);
                return;
            }
        };
        match list.iter().position(|other| *other == subject) {
            Some(place) => {
                list.swap_remove(place);
            }
            None => list.push(subject),
        }
        if list.len() > LISTED_MAX {
            *self = Self::Bits(self.bits(nodes));
        }
    }

    /// How many of the `live` it sees, and how many of the others.
    pub(super) fn counts(&self, live: &NodeSet, live_count: u64, nodes: u32) -> (u64, u64) {
        let split = |list: &[NodeIndex]| {
            let living = list.iter().filter(|node| live.contains(**node)).count() as u64;
            (living, list.len() as u64 - living)
        };
        match self {
            Self::AllBut(list) => {
                let (living, others) = split(list);
                (live_count - living, u64::from(nodes) - live_count - others)
            }
            Self::Only(list) => split(list),
            Self::Bits(set) => {
                let living = u64::from(set.common(live));
                (living, u64::from(set.len()) - living)
            }
        }
    }

    /// The same as a set among `nodes` nodes.
    pub(super) fn bits(&self, nodes: u32) -> NodeSet {
        let (list, all) = match self {
            Self::AllBut(list) => (list, true),
            Self::Only(list) => (list, false),
            Self::Bits(set) => return set.clone(),
        };
        let mut set = NodeSet::new(nodes as usize);
        if all {
            for node in 0..nodes {
                set.set(node, true);
            }
        }
        for node in list {
            set.set(*node, !all);
        }
        set
    }
}
