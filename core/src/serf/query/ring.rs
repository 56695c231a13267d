//! The ring that remembers which queries were seen.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::ids::QueryId;

/// Most different queries of one Lamport time that are kept. Honest members share a time only by chance.
const SLOT_IDS_MAX: usize = 256;

/// The queries of one Lamport time.
#[derive(Debug)]
struct Slot {
    ltime: u64,
    ids: SmallVec<[u32; 2]>,
}

/// Where a query was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// It was not there before.
    New,
    /// It was there.
    Known,
    /// Its Lamport time has too many already.
    Full,
}

/// Slots by Lamport time modulo their number; most nodes use few of them.
#[derive(Debug)]
pub(super) struct Ring {
    slots: u32,
    used: BTreeMap<u64, Slot>,
}

impl Ring {
    pub(super) fn new(slots: u32) -> Self {
        Self { slots, used: BTreeMap::new() }
    }

    pub(super) fn slots(&self) -> u32 {
        self.slots
    }

    /// Remembers a query that is not older than the ring reaches; it takes the place of older ones.
    pub(super) fn insert(&mut self, query: QueryId) -> Place {
        let QueryId { ltime, id } = query;
        let index = ltime % u64::from(self.slots);
        match self.used.get_mut(&index) {
            Some(slot) if slot.ltime == ltime => {
                if slot.ids.contains(&id) {
                    return Place::Known;
                }
                if slot.ids.len() >= SLOT_IDS_MAX {
                    return Place::Full;
                }
                slot.ids.push(id);
            }
            _ => {
                self.used.insert(index, Slot { ltime, ids: SmallVec::from_slice(&[id]) });
            }
        }
        Place::New
    }
}
