//! `bounds`: datagrams are no larger than configured, no queue holds more than it may, and in a world that corrupts nothing
//! no node receives anything malformed.
//!
//! Source: memberlist, packet size (with five bytes of checksum in front) and queue limits; Serf, sizes of queries. Checks
//! S15 and half of S17. Memory and streams are bounded by the core's own tests. Excused: other keys on some nodes, corrupted
//! datagrams.

use uwasa_core::stats::DropReason;
use uwasa_core::trace::Trace;

use super::{Finding, Kind, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::{Fault, FaultKind, Nanos, Scenario};

/// The checksum header in front of a packet.
const CHECKSUM_BYTES: usize = 5;
/// Reasons that say: this was no message of a sane peer.
const MALFORMED: [DropReason; 8] = [
    DropReason::Empty,
    DropReason::Decrypt,
    DropReason::Checksum,
    DropReason::Decompress,
    DropReason::Compound,
    DropReason::MessageType,
    DropReason::Decode,
    DropReason::Invalid,
];
/// Datagrams from one look at the queues of their sender to the next.
const LOOK_EVERY: u64 = 16;

/// Sizes that hold in this scenario.
#[derive(Debug)]
pub(super) struct Checker {
    bytes_max: usize,
    looked: u64,
    /// Everybody has the same keys and label, from start to end.
    uniform: bool,
}

impl Checker {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let config = &scenario.config;
        // Label, nonce and tag come on top of a message of its own that is as large as it may be.
        let wrapping = 2 + config.packet_bytes_max - config.gossip_room();
        let largest = config.query_response_bytes_max.max(config.query_bytes_max) + wrapping;
        let rekeys = |fault: &Fault| matches!(fault.kind, FaultKind::Rekey { .. });
        let keyed = config.keyring.is_enabled() || scenario.faults.iter().any(rekeys);
        Self {
            bytes_max: config.packet_bytes_max.max(largest) + CHECKSUM_BYTES,
            looked: 0,
            uniform: !keyed,
        }
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "bounds"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Sent, Kind::Other]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        let Some(node) = stage.scene.nodes[moment.node as usize].as_ref() else { return };
        let config = &stage.scene.scenario.config;
        match *fact {
            Fact::Sent { bytes, .. } => {
                finding.exercise();
                if bytes.len() > self.bytes_max {
                    finding.violate(moment.at, || {
                        let (host, most) = (stage.host(moment.node), self.bytes_max);
                        format!(
                            "{host} sent a datagram of {} bytes, the limit is {most}",
                            bytes.len()
                        )
                    });
                }
                self.looked += 1;
                let names = stage.scene.pool.names_len();
                if self.looked.is_multiple_of(LOOK_EVERY) && node.facts_len() > names {
                    finding.violate(moment.at, || {
                        let (host, facts) = (stage.host(moment.node), node.facts_len());
                        format!("{host} queues {facts} facts about {names} members")
                    });
                }
            }
            Fact::Trace(&Trace::QueueDeep { queue, depth }) => {
                let most = config.queue_limit(node.members_len());
                if depth as usize > most {
                    finding.violate(moment.at, || {
                        let host = stage.host(moment.node);
                        format!("the {queue:?} queue of {host} holds {depth} messages, the limit is {most}")
                    });
                }
            }
            _ => {}
        }
    }

    fn finish(&mut self, at: Nanos, stage: Stage<'_>, finding: &mut Finding) {
        if !self.uniform || !stage.phase.is_faithful() {
            return;
        }
        for (host, node) in (0..).zip(stage.scene.nodes) {
            let Some(node) = node else { continue };
            let stats = node.stats();
            let found = MALFORMED.iter().find(|reason| stats.dropped(**reason) > 0);
            if let Some(reason) = found {
                finding.violate(at, || {
                    format!("{} dropped what it received as {reason:?}", stage.host(host))
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stand;
    use super::*;
    use crate::hazards::Damage;
    use crate::net::Fate;

    fn sent(bytes: &[u8]) -> Fact<'_> {
        Fact::Sent { serial: 1, to: Some(1), bytes, fate: Fate::Lost, damage: Damage::default() }
    }

    #[test]
    fn a_datagram_that_is_too_large_is_found() {
        let mut stand = Stand::new("bounds", 3);
        stand.hear(0, &sent(&[0; 1_405]));
        assert!(stand.passes());
        stand.hear(0, &sent(&[0; 1_406]));
        assert!(stand.fails_with("a datagram of 1406 bytes"));
    }
}
