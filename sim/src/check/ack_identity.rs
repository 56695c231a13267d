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

/// What one node handles, and its probe round.
#[derive(Clone, Copy, Debug)]
struct Host {
    /// Who sent the datagram that it handles now.
    sender: Option<NodeIndex>,
    /// The id that it had last.
    id: Option<NodeId>,
    /// When its running round began.
    began: Nanos,
    /// When its last process ended; [`Nanos::MAX`]: one runs, or none ever did.
    ended: Nanos,
}

/// What all nodes do.
#[derive(Debug)]
pub(super) struct Checker {
    hosts: Vec<Host>,
    /// Every address has always been that of one host, who announces it.
    distinct: bool,
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
            hosts: vec![Host { sender: None, id: None, began: 0, ended: Nanos::MAX }; count],
        }
    }

    /// Whether nobody has carried this name since `since`.
    fn is_vacant(&self, id: NodeId, since: Nanos) -> bool {
        // Mostly a name is that of the host with this number, which spares a look at all of them.
        let usual = self.hosts.get(id.index());
        if usual.is_some_and(|host| host.id == Some(id) && host.ended >= since) {
            return false;
        }
        let mut owners = self.hosts.iter().filter(|host| host.id == Some(id)).peekable();
        owners.peek().is_some() && owners.all(|host| host.ended < since)
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
                let host = &mut self.hosts[node];
                host.id = stage.own_id(moment.node);
                host.ended = Nanos::MAX;
            }
            Fact::Ended(_) => self.hosts[node].ended = moment.at,
            Fact::Input(arrived) => {
                self.hosts[node].sender = match arrived {
                    Arrived::Datagram { from, .. } => Some(from),
                    Arrived::Timeout | Arrived::Stream { .. } | Arrived::Command { .. } => None,
                };
            }
            Fact::Trace(&Trace::ProbeStarted { .. }) => self.hosts[node].began = moment.at,
            Fact::Trace(&Trace::ProbeEnded { target, outcome, .. }) => {
                finding.exercise();
                let by_another = match outcome {
                    ProbeOutcome::Direct { .. } => {
                        let sender = self.hosts[node].sender;
                        let sender = sender.and_then(|from| self.hosts[from as usize].id);
                        self.distinct && sender.is_some_and(|sender| sender != target)
                    }
                    ProbeOutcome::Late | ProbeOutcome::Stream => false,
                    ProbeOutcome::Failed { .. } => return,
                };
                let vacant = self.is_vacant(target, self.hosts[node].began);
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
