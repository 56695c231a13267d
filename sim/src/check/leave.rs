//! `leave`: leaving is not failing. An observer that accepted the leave intent of a member before its death shows it as
//! left, unless a newer join intent took the leave back.
//!
//! Source: Serf, members. Checks S7 as far as one observer can know it; that all others come to see the leave is part of
//! `convergence`. No excuses.

use uwasa_core::pool::NodeId;
use uwasa_core::trace::{IntentKind, MemberStatus, Trace};

use super::{Finding, Kind, Map, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::NodeIndex;

/// The newest intent of each pair, if it announces a leave.
#[derive(Debug, Default)]
pub(super) struct Checker {
    leaving: Map<(NodeIndex, NodeId), u64>,
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "leave"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Process, Kind::Status]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        match *fact {
            Fact::Started { .. } => {
                self.leaving.retain(|(observer, _), _| *observer != moment.node)
            }
            Fact::Trace(&Trace::IntentAccepted { subject: Some(subject), kind, ltime, .. }) => {
                match kind {
                    IntentKind::Leave => self.leaving.insert((moment.node, subject), ltime),
                    IntentKind::Join => self.leaving.remove(&(moment.node, subject)),
                };
            }
            Fact::Trace(&Trace::Status { subject, to, .. }) => {
                let key = (moment.node, subject);
                let Some(&ltime) = self.leaving.get(&key) else { return };
                match to {
                    Some(MemberStatus::Left) => finding.exercise(),
                    Some(MemberStatus::Failed) => {
                        finding.exercise();
                        finding.violate(moment.at, || {
                            let (host, member) = (stage.host(moment.node), stage.member(subject));
                            format!(
                                "{host} accepted the leave of {member} at Lamport time {ltime}, and shows it as failed"
                            )
                        });
                    }
                    // It came back: what it announced before is over.
                    Some(MemberStatus::Alive) | None => {
                        self.leaving.remove(&key);
                    }
                    Some(MemberStatus::Leaving) => {}
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stand, intent, status};
    use super::*;

    #[test]
    fn an_announced_leave_that_is_shown_as_a_failure_is_found() {
        let mut stand = Stand::new("leave", 3);
        stand.trace(0, intent(1, IntentKind::Leave, 4));
        stand.trace(0, status(1, Some(MemberStatus::Leaving), Some(MemberStatus::Failed)));
        assert!(stand.fails_with("shows it as failed"));
    }

    #[test]
    fn a_leave_that_was_taken_back_may_be_followed_by_a_failure() {
        let mut stand = Stand::new("leave", 3);
        stand.trace(0, intent(1, IntentKind::Leave, 4));
        stand.trace(0, intent(1, IntentKind::Join, 5));
        stand.trace(0, status(1, Some(MemberStatus::Alive), Some(MemberStatus::Failed)));
        stand.trace(0, intent(2, IntentKind::Leave, 4));
        stand.trace(0, status(2, Some(MemberStatus::Leaving), Some(MemberStatus::Left)));
        assert!(stand.passes());
    }
}
