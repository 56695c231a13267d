//! `self_view`: a running node that was not asked to leave never records itself suspect, dead or left, and answers an
//! accusation with a strictly greater incarnation.
//!
//! Source: SWIM 4.2 and memberlist, refute. Checks S5. Excused: an accusation at the top of the range, which nothing can
//! exceed.

use uwasa_core::trace::{MemberState, Trace};

use super::{Finding, Kind, Map, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::{Nanos, NodeIndex};

/// Accusations that are not answered yet: who was accused, when and at which incarnation.
#[derive(Debug, Default)]
pub(super) struct Checker {
    open: Map<NodeIndex, (Nanos, u32)>,
}

impl Checker {
    /// A node that was accused does something else, or nothing any more.
    fn unanswered(&mut self, node: NodeIndex, stage: Stage<'_>, finding: &mut Finding) {
        if let Some((at, accused)) = self.open.remove(&node) {
            finding.violate(at, || {
                format!(
                    "{} was accused at incarnation {accused} and did not refute",
                    stage.host(node)
                )
            });
        }
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "self_view"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Process, Kind::Record]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        match *fact {
            Fact::Trace(&Trace::Edge { subject, to, .. })
                if stage.own_id(moment.node) == Some(subject) =>
            {
                finding.exercise();
                let alive = to == Some(MemberState::Alive);
                if !alive && !stage.phase.process(moment.node).leaving {
                    finding.violate(moment.at, || {
                        format!("{} recorded itself as {to:?}", stage.host(moment.node))
                    });
                }
            }
            Fact::Trace(&Trace::Accused { accused }) => {
                self.unanswered(moment.node, stage, finding);
                self.open.insert(moment.node, (moment.at, accused));
            }
            // It comes between accusation and refutation.
            Fact::Trace(&Trace::Record { .. }) => {}
            Fact::Trace(&Trace::Refuted { accused, incarnation, .. }) => {
                self.open.remove(&moment.node);
                finding.exercise();
                if incarnation <= accused && accused < u32::MAX {
                    finding.violate(moment.at, || {
                        format!(
                            "{} was accused at incarnation {accused} and refuted with {incarnation}",
                            stage.host(moment.node)
                        )
                    });
                }
            }
            Fact::Ended(_) | Fact::Trace(_) => self.unanswered(moment.node, stage, finding),
            _ => {}
        }
    }

    fn finish(&mut self, _: Nanos, stage: Stage<'_>, finding: &mut Finding) {
        for node in stage.phase.members() {
            self.unanswered(node, stage, finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stand, edge, refutation};
    use super::*;

    #[test]
    fn a_node_that_takes_itself_for_dead_is_found() {
        let mut stand = Stand::new("self_view", 3);
        stand.trace(1, edge(1, MemberState::Alive, Some(MemberState::Dead), 1));
        assert!(stand.fails_with("recorded itself as Some(Dead)"));
    }

    #[test]
    fn a_refutation_that_does_not_exceed_the_accusation_is_found() {
        let mut stand = Stand::new("self_view", 3);
        stand.trace(1, refutation(3, 4));
        assert!(stand.passes());
        stand.trace(1, refutation(4, 4));
        assert!(stand.fails_with("refuted with 4"));
    }

    #[test]
    fn an_accusation_that_is_not_answered_is_found() {
        let mut stand = Stand::new("self_view", 3);
        stand.trace(1, Trace::Accused { accused: 3 });
        stand.trace(1, refutation(3, 4));
        assert!(stand.passes());
        stand.trace(1, Trace::Accused { accused: 4 });
        assert!(stand.fails_with("accused at incarnation 4 and did not refute"));
    }

    #[test]
    fn who_was_asked_to_leave_may_record_it() {
        let mut stand = Stand::new("self_view", 3);
        stand.hear(1, &Fact::LeaveAsked);
        stand.trace(1, edge(1, MemberState::Alive, Some(MemberState::Left), 1));
        assert!(stand.passes());
    }
}
