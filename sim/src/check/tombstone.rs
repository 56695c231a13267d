//! `tombstone`: records of those who failed or left are kept as long as the settings say, and when one is erased nothing of
//! it stays.
//!
//! Source: memberlist, reset of nodes (dead for longer than `gossip_to_the_dead`); Serf, reap (`reconnect_timeout`,
//! `tombstone_timeout`). Checks S16. A forced leave keeps the time of the failure. Excused: members that somebody had pruned;
//! local clocks that a fault bends.

use uwasa_core::pool::NodeId;
use uwasa_core::trace::{MemberState, MemberStatus, Trace};

use super::{Finding, Kind, Map, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::{Nanos, NodeIndex, Scenario};

/// Since when members are gone, by observer.
#[derive(Debug)]
pub(super) struct Checker {
    dead: Map<(NodeIndex, NodeId), Nanos>,
    departed: Map<(NodeIndex, NodeId), Nanos>,
    /// Least ages of records that are erased: of SWIM, of failed and of left members.
    ages: [Nanos; 3],
}

impl Checker {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let config = &scenario.config;
        let ages = [config.gossip_to_the_dead, config.reconnect_timeout, config.tombstone_timeout];
        let nanos =
            |age: std::time::Duration| Nanos::try_from(age.as_nanos()).unwrap_or(Nanos::MAX);
        Self { dead: Map::default(), departed: Map::default(), ages: ages.map(nanos) }
    }

    fn erased(
        &self,
        moment: Moment,
        (subject, since, age): (NodeId, Option<Nanos>, Nanos),
        stage: Stage<'_>,
        finding: &mut Finding,
    ) {
        let Some(since) = since else { return };
        finding.exercise();
        let pruned =
            stage.phase.members().contains(&subject.0) && stage.phase.process(subject.0).pruned;
        let early = moment.at - since <= age && !pruned && stage.phase.is_faithful();
        if early {
            finding.violate(moment.at, || {
                let (host, member) = (stage.host(moment.node), stage.member(subject));
                let after = (moment.at - since) / 1_000_000;
                format!(
                    "{host} erased {member} {after} ms after it was gone, before {} ms",
                    age / 1_000_000
                )
            });
        }
    }

    fn status(
        &mut self,
        moment: Moment,
        (subject, from, to): (NodeId, Option<MemberStatus>, Option<MemberStatus>),
        stage: Stage<'_>,
        finding: &mut Finding,
    ) {
        let key = (moment.node, subject);
        match to {
            Some(MemberStatus::Failed | MemberStatus::Left) => {
                if from != Some(MemberStatus::Failed) {
                    self.departed.insert(key, moment.at);
                }
            }
            Some(MemberStatus::Alive | MemberStatus::Leaving) => {
                self.departed.remove(&key);
            }
            None => {
                let since = self.departed.remove(&key);
                let failed = from == Some(MemberStatus::Failed);
                let age = if failed { self.ages[1] } else { self.ages[2] };
                self.erased(moment, (subject, since, age), stage, finding);
            }
        }
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "tombstone"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Process, Kind::Record, Kind::Status]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        match *fact {
            Fact::Started { .. } => {
                self.dead.retain(|(observer, _), _| *observer != moment.node);
                self.departed.retain(|(observer, _), _| *observer != moment.node);
            }
            Fact::Trace(&Trace::Edge { subject, to, .. }) => match to {
                Some(MemberState::Dead | MemberState::Left) => {
                    self.dead.insert((moment.node, subject), moment.at);
                }
                Some(MemberState::Alive | MemberState::Suspect) => {
                    self.dead.remove(&(moment.node, subject));
                }
                None => {
                    let since = self.dead.remove(&(moment.node, subject));
                    self.erased(moment, (subject, since, self.ages[0]), stage, finding);
                }
            },
            Fact::Trace(&Trace::Status { subject, from, to, .. }) => {
                self.status(moment, (subject, from, to), stage, finding);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stand, edge, status};
    use super::*;

    #[test]
    fn a_record_that_is_erased_too_early_is_found() {
        let mut stand = Stand::new("tombstone", 3);
        stand.trace(0, edge(1, MemberState::Suspect, Some(MemberState::Dead), 1));
        stand.wait(29_000_000_000);
        stand.trace(0, edge(1, MemberState::Dead, None, 1));
        assert!(stand.fails_with("erased host2 29000 ms after it was gone, before 30000 ms"));
    }

    #[test]
    fn one_that_is_old_enough_may_go() {
        let mut stand = Stand::new("tombstone", 3);
        stand.trace(0, status(1, Some(MemberStatus::Alive), Some(MemberStatus::Failed)));
        stand.wait(86_401_000_000_000);
        stand.trace(0, status(1, Some(MemberStatus::Failed), None));
        assert!(stand.passes());
    }
}
