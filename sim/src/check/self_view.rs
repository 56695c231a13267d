//! `self_view`: a running node that was not asked to leave never records itself suspect, dead or left, and answers an
//! accusation with a strictly greater incarnation.
//!
//! Source: SWIM 4.2 and memberlist, refute. Checks S5. Excused: an accusation at the top of the range, which nothing can
//! exceed.

use uwasa_core::trace::{MemberState, Trace};

use super::{Finding, Kind, Stage};
use crate::fact::{Fact, Moment};

/// Needs no memory.
#[derive(Debug, Default)]
pub(super) struct Checker;

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "self_view"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Record]
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
            Fact::Trace(&Trace::Refuted { accused, incarnation, .. }) => {
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
            _ => {}
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
    fn who_was_asked_to_leave_may_record_it() {
        let mut stand = Stand::new("self_view", 3);
        stand.hear(1, &Fact::LeaveAsked);
        stand.trace(1, edge(1, MemberState::Alive, Some(MemberState::Left), 1));
        assert!(stand.passes());
    }
}
