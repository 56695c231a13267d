//! The own network coordinate and those of the peers that this node has probed.
//!
//! Source: Serf, network coordinates. Acks carry the coordinate of their sender; nothing else spreads them.

use crate::coordinate::{Coordinate, Latencies, Rejected, Vivaldi};
use crate::idmap::IdMap;
use crate::ids::NodeId;
use crate::rng::Rng;
use crate::stats::{DropReason, Stats, bump};
use crate::wire::coordinate::decode_ping_payload;

/// What is known of a peer. One of these per pair of members that met: it must stay small.
#[derive(Debug)]
struct Peer {
    coordinate: Coordinate,
    latencies: Latencies,
}

/// Coordinates of one node.
#[derive(Debug)]
pub(crate) struct Coordinates {
    vivaldi: Vivaldi,
    peers: IdMap<Peer>,
}

impl Coordinates {
    pub(crate) fn new() -> Self {
        Self { vivaldi: Vivaldi::default(), peers: IdMap::default() }
    }

    /// The own coordinate.
    pub(crate) fn own(&self) -> Coordinate {
        *self.vivaldi.own()
    }

    /// The last coordinate of a peer that this node has probed.
    pub(crate) fn of(&self, node: NodeId) -> Option<Coordinate> {
        self.peers.get(&node).map(|peer| peer.coordinate)
    }

    /// How often the own coordinate has started anew.
    pub(crate) fn resets(&self) -> u64 {
        self.vivaldi.resets()
    }

    /// A member was erased.
    pub(crate) fn forget(&mut self, node: NodeId) {
        self.peers.remove(&node);
    }

    /// A direct ping was answered after `rtt_nanos`, with `payload` in the ack. Without one the peer has coordinates
    /// turned off.
    pub(crate) fn on_ping_complete(
        &mut self,
        node: NodeId,
        rtt_nanos: u64,
        payload: &[u8],
        rng: &mut Rng,
        stats: &mut Stats,
    ) {
        if payload.is_empty() {
            return;
        }
        let Ok(coordinate) = decode_ping_payload(payload) else {
            stats.drop(DropReason::Coordinate);
            return;
        };
        match self.learn(node, rtt_nanos, coordinate, rng) {
            Ok(()) => bump(&mut stats.coordinate_updates),
            Err(Rejected::NotFinite | Rejected::RoundTripTime) => {
                stats.drop(DropReason::Coordinate);
            }
        }
        stats.coordinate_resets = self.vivaldi.resets();
    }

    fn learn(
        &mut self,
        node: NodeId,
        rtt_nanos: u64,
        coordinate: Coordinate,
        rng: &mut Rng,
    ) -> Result<(), Rejected> {
        let rtt = i64::try_from(rtt_nanos).map_err(|_| Rejected::RoundTripTime)?;
        let mut latencies = self.peers.get(&node).map(|peer| peer.latencies).unwrap_or_default();
        self.vivaldi.update(&mut latencies, &coordinate, rtt, rng)?;
        self.peers.insert(node, Peer { coordinate, latencies });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
