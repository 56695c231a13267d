//! `ack_identity`: only the named member answers a probe. An ack on the direct path came in a datagram of a host that
//! carries the target's name, and no probe that began while nobody carried it is answered at all.
//!
//! Source: memberlist, ping: a ping for another name is dropped. Checks S14. Excused: replayed and corrupted datagrams; acks
//! that go astray where a host announces an address that is not its own, or two hosts have had the same: an ack carries no
//! name, only a number, and may be taken for that of another probe with this number.

use uwasa_core::pool::NodeId;
use uwasa_core::trace::{ProbeOutcome, Trace};

use super::{Finding, Kind, Stage};
use crate::fact::{Arrived, Fact, Moment};
use crate::scenario::{Nanos, NodeIndex, Scenario};

/// What each node handles, and its probe round.
#[derive(Debug)]
pub(super) struct Checker {
    /// Who sent the datagram that a node handles now.
    senders: Vec<Option<NodeIndex>>,
    /// When the running round of each node began.
    began: Vec<Nanos>,
    /// When the last process of each host ended; [`Nanos::MAX`]: one runs, or none ever did.
    ended: Vec<Nanos>,
    /// Every address has always been that of one host, who announces it.
    distinct: bool,
    /// The id that each host had last.
    ids: Vec<Option<NodeId>>,
}

impl Checker {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let count = scenario.nodes.len();
        let mut addresses: Vec<_> = scenario.nodes.iter().map(|spec| spec.addr).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let honest = scenario.nodes.iter().all(|spec| spec.addr == spec.advertise);
        Self {
            distinct: honest && addresses.len() == count,
            senders: vec![None; count],
            began: vec![0; count],
            ended: vec![Nanos::MAX; count],
            ids: vec![None; count],
        }
    }

    /// Whether nobody has carried this name since `since`.
    fn is_vacant(&self, id: NodeId, since: Nanos) -> bool {
        let mut owners =
            self.ids.iter().zip(&self.ended).filter(|(it, _)| **it == Some(id)).peekable();
        owners.peek().is_some() && owners.all(|(_, ended)| *ended < since)
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "ack_identity"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Process, Kind::Input, Kind::Probe]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        let node = moment.node as usize;
        match *fact {
            Fact::Started { .. } => {
                self.ids[node] = stage.own_id(moment.node);
                self.ended[node] = Nanos::MAX;
            }
            Fact::Ended(_) => self.ended[node] = moment.at,
            Fact::Input(arrived) => {
                self.senders[node] = match arrived {
                    Arrived::Datagram { from, .. } => Some(from),
                    Arrived::Timeout | Arrived::Stream { .. } | Arrived::Command { .. } => None,
                };
            }
            Fact::Trace(&Trace::ProbeStarted { .. }) => self.began[node] = moment.at,
            Fact::Trace(&Trace::ProbeEnded { target, outcome, .. }) => {
                finding.exercise();
                let by_another = match outcome {
                    ProbeOutcome::Direct { .. } => {
                        let sender = self.senders[node].and_then(|from| self.ids[from as usize]);
                        self.distinct && sender.is_some_and(|sender| sender != target)
                    }
                    ProbeOutcome::Late | ProbeOutcome::Stream => false,
                    ProbeOutcome::Failed { .. } => return,
                };
                let vacant = self.is_vacant(target, self.began[node]);
                if (by_another || vacant) && stage.phase.is_faithful() {
                    finding.violate(moment.at, || {
                        let (host, member) = (stage.host(moment.node), stage.member(target));
                        format!("{host} took an answer for one of {member}, which did not give it")
                    });
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stand, probe_acked};
    use super::*;

    fn datagram(from: NodeIndex) -> Fact<'static> {
        let (damaged, replayed) = (false, false);
        Fact::Input(Arrived::Datagram { from, serial: 1, sent_at: 0, damaged, replayed })
    }

    #[test]
    fn an_ack_of_another_host_is_found() {
        let mut stand = Stand::new("ack_identity", 3);
        stand.hear(0, &datagram(1));
        stand.trace(0, probe_acked(1));
        assert!(stand.passes());
        stand.hear(0, &datagram(2));
        stand.trace(0, probe_acked(1));
        assert!(stand.fails_with("took an answer for one of host2"));
    }
}
