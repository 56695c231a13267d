//! `edges`: the SWIM state and the Serf status of a record change only as the protocols allow, and only for a reason that
//! can bring that change.
//!
//! Source: memberlist, on_alive, on_suspect, on_dead (nobody is suspected who is dead or left, the dead do not become left
//! without being alive in between); Serf, members (a member fails or leaves, and leaves only after it announced it or was
//! forced out). Checks S3. No excuses: corrupted messages go through the same rules.

use uwasa_core::pool::NodeId;
use uwasa_core::trace::{Cause, MemberState, MemberStatus, Trace};

use super::{Finding, Kind, Map, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::NodeIndex;

/// What the observers' traces said last; pairs of a warm start are added with their first change.
#[derive(Debug, Default)]
pub(super) struct Checker {
    states: Map<(NodeIndex, NodeId), Option<MemberState>>,
    statuses: Map<(NodeIndex, NodeId), Option<MemberStatus>>,
}

/// Whether memberlist knows this change.
const fn is_legal_state(from: Option<MemberState>, to: Option<MemberState>, cause: Cause) -> bool {
    use MemberState::{Alive, Dead, Left, Suspect};
    match (from, to) {
        (None | Some(Dead | Left), Some(Alive)) | (Some(Suspect), Some(Alive | Left)) => {
            matches!(cause, Cause::Gossip { .. } | Cause::PushPull | Cause::Local)
        }
        (Some(Alive), Some(Suspect)) => {
            matches!(cause, Cause::Gossip { .. } | Cause::PushPull | Cause::Probe { .. })
        }
        (Some(Alive), Some(Dead)) => matches!(cause, Cause::Gossip { .. }),
        (Some(Suspect), Some(Dead)) => {
            matches!(cause, Cause::Gossip { .. } | Cause::SuspicionTimer)
        }
        (Some(Alive), Some(Left)) => {
            matches!(cause, Cause::Gossip { .. } | Cause::PushPull | Cause::Local)
        }
        (Some(Dead | Left), None) => matches!(cause, Cause::Reap),
        _ => false,
    }
}

/// Whether Serf knows this change.
const fn is_legal_status(from: Option<MemberStatus>, to: Option<MemberStatus>) -> bool {
    use MemberStatus::{Alive, Failed, Leaving, Left};
    matches!(
        (from, to),
        (None, Some(Alive | Leaving))
            | (Some(Alive), Some(Leaving | Failed))
            | (Some(Leaving), Some(Alive | Left) | None)
            | (Some(Failed), Some(Alive | Left) | None)
            | (Some(Left), Some(Alive) | None)
    )
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "edges"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Process, Kind::Record, Kind::Status]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        match *fact {
            Fact::Started { .. } => {
                self.states.retain(|(observer, _), _| *observer != moment.node);
                self.statuses.retain(|(observer, _), _| *observer != moment.node);
            }
            Fact::Trace(&Trace::Edge { subject, from, to, cause, .. }) => {
                finding.exercise();
                let before = self.states.insert((moment.node, subject), to);
                if before.is_some_and(|before| before != from) || !is_legal_state(from, to, cause) {
                    finding.violate(moment.at, || {
                        let (host, member) = (stage.host(moment.node), stage.member(subject));
                        format!("{host} moved {member} from {from:?} to {to:?} by {cause:?}")
                    });
                }
            }
            Fact::Trace(&Trace::Status { subject, from, to, .. }) => {
                finding.exercise();
                let before = self.statuses.insert((moment.node, subject), to);
                if before.is_some_and(|before| before != from) || !is_legal_status(from, to) {
                    finding.violate(moment.at, || {
                        let (host, member) = (stage.host(moment.node), stage.member(subject));
                        format!("{host} changed the status of {member} from {from:?} to {to:?}")
                    });
                }
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
    fn the_dead_are_not_suspected() {
        let mut stand = Stand::new("edges", 3);
        stand.trace(0, edge(1, MemberState::Alive, Some(MemberState::Dead), 1));
        assert!(stand.passes());
        stand.trace(0, edge(1, MemberState::Dead, Some(MemberState::Suspect), 1));
        assert!(stand.fails_with("from Some(Dead) to Some(Suspect)"));
    }

    #[test]
    fn who_announced_its_leave_does_not_fail() {
        let mut stand = Stand::new("edges", 3);
        stand.trace(0, status(1, Some(MemberStatus::Alive), Some(MemberStatus::Leaving)));
        assert!(stand.passes());
        stand.trace(0, status(1, Some(MemberStatus::Leaving), Some(MemberStatus::Failed)));
        assert!(stand.fails_with("Leaving"));
    }

    #[test]
    fn a_failed_probe_brings_a_suspicion_and_no_death() {
        let cause = Cause::Probe { seq_no: 1 };
        let (alive, dead) = (Some(MemberState::Alive), Some(MemberState::Dead));
        assert!(is_legal_state(alive, Some(MemberState::Suspect), cause));
        assert!(!is_legal_state(alive, dead, cause));
        assert!(!is_legal_state(alive, dead, Cause::PushPull));
    }
}
