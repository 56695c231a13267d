//! A map from member ids for the hot paths. For lookup only: its order is chance and must not become behaviour.

use core::hash::{BuildHasher, Hasher};

use crate::ids::NodeId;

/// A hash map keyed by member id.
pub(crate) type IdMap<V> = hashbrown::HashMap<NodeId, V, IdHashing>;

/// Ids are dense numbers the process chose itself, so one multiplication spreads them; nobody can choose collisions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdHashing;

impl BuildHasher for IdHashing {
    type Hasher = IdHasher;
    fn build_hasher(&self) -> IdHasher {
        IdHasher(0)
    }
}

/// Hashes the one `u32` of a [`NodeId`].
#[derive(Debug)]
pub(crate) struct IdHasher(u64);

/// The golden ratio in 64 bits: neighbouring ids end up far apart.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        let mixed = (self.0 ^ u64::from(value)).wrapping_mul(SPREAD);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_ids_spread_over_the_whole_hash() {
        let hash = |id| IdHashing.hash_one(NodeId(id));
        let top = |id| hash(id) >> 57;
        let distinct: std::collections::BTreeSet<u64> = (0..1_000).map(top).collect();
        assert!(distinct.len() > 100, "{} of 128 control bytes used", distinct.len());
        let low: std::collections::BTreeSet<u64> = (0..1_000).map(|id| hash(id) % 1_024).collect();
        assert!(low.len() > 500, "{} of 1,024 buckets used", low.len());
    }
}
