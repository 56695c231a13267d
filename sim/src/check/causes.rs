//! `causes`: every suspicion traces back to a failed probe of somebody, and every death to a timer of somebody that ran
//! out, or to a leave.
//!
//! Source: SWIM 3 and 4.2; memberlist, failure detection. Checks S6. What is gossiped or exchanged is looked up among the
//! probes, timers and leaves of all nodes so far, by subject and incarnation. Excused: forged messages where bytes are
//! corrupted.

use uwasa_core::pool::NodeId;
use uwasa_core::trace::{Cause, MemberState, ProbeOutcome, Trace};

use super::{Finding, Kind, Map, Set, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::{Nanos, NodeIndex};

/// What gave reason for what, over all nodes.
#[derive(Debug, Default)]
pub(super) struct Checker {
    /// The last failed probe of each node: whom and which.
    failed: Map<NodeIndex, (NodeId, u32)>,
    accused: Set<(NodeId, u32)>,
    expired: Set<(NodeId, u32)>,
    left: Set<(NodeId, u32)>,
    /// When suspicions run out.
    timers: Map<(NodeIndex, NodeId), Nanos>,
}

impl Checker {
    /// Whether there is a reason for this change.
    fn is_justified(
        &mut self,
        moment: Moment,
        (subject, incarnation): (NodeId, u32),
        to: MemberState,
        cause: Cause,
        stage: Stage<'_>,
    ) -> bool {
        let what = (subject, incarnation);
        match (to, cause) {
            (MemberState::Suspect, Cause::Probe { seq_no }) => {
                self.accused.insert(what);
                self.failed.get(&moment.node) == Some(&(subject, seq_no))
            }
            (MemberState::Suspect, _) => self.accused.contains(&what),
            (MemberState::Dead, Cause::SuspicionTimer) => {
                self.expired.insert(what);
                let due = self.timers.remove(&(moment.node, subject));
                due.is_some_and(|due| due <= moment.at || !stage.phase.is_faithful())
            }
            (MemberState::Dead, _) => self.expired.contains(&what),
            (MemberState::Left, Cause::Local) => {
                self.left.insert(what);
                stage.phase.process(moment.node).leaving
            }
            (MemberState::Left, _) => self.left.contains(&what),
            (MemberState::Alive, _) => true,
        }
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "causes"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Record, Kind::Probe]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        match *fact {
            Fact::Trace(&Trace::ProbeEnded {
                target,
                seq_no,
                outcome: ProbeOutcome::Failed { .. },
            }) => {
                self.failed.insert(moment.node, (target, seq_no));
            }
            Fact::Trace(&Trace::Suspicion { subject, deadline, .. }) => {
                self.timers.insert((moment.node, subject), deadline.as_nanos());
            }
            Fact::Trace(&Trace::Edge { subject, to: Some(to), incarnation, cause, .. })
                if to != MemberState::Alive =>
            {
                finding.exercise();
                let justified = self.is_justified(moment, (subject, incarnation), to, cause, stage);
                if !justified && stage.phase.is_faithful() {
                    finding.violate(moment.at, || {
                        let (host, member) = (stage.host(moment.node), stage.member(subject));
                        format!(
                            "{host} marked {member} {to:?} at incarnation {incarnation} by {cause:?}, for which there \
                             is no reason"
                        )
                    });
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stand, edge_by, probe_failed};
    use super::*;

    const GOSSIP: Cause = Cause::Gossip { from: None };
    const SUSPECT: Option<MemberState> = Some(MemberState::Suspect);

    #[test]
    fn a_suspicion_that_nobody_raised_is_found() {
        let mut stand = Stand::new("causes", 3);
        stand.trace(0, edge_by(1, MemberState::Alive, SUSPECT, 1, GOSSIP));
        assert!(stand.fails_with("no reason"));
    }

    #[test]
    fn a_failed_probe_is_a_reason_for_everybody() {
        let mut stand = Stand::new("causes", 3);
        stand.trace(0, probe_failed(1, 4));
        stand.trace(0, edge_by(1, MemberState::Alive, SUSPECT, 1, Cause::Probe { seq_no: 4 }));
        stand.trace(2, edge_by(1, MemberState::Alive, SUSPECT, 1, GOSSIP));
        assert!(stand.passes());
        stand.trace(2, edge_by(1, MemberState::Suspect, Some(MemberState::Dead), 1, GOSSIP));
        assert!(stand.fails_with("host3 marked host2 Dead"));
    }
}
