//! `incarnation`: as long as an observer keeps a record of a subject, the incarnation in it never falls, and it never
//! exceeds what some life of the subject has issued.
//!
//! Source: SWIM 4.2, where only greater incarnations override and only the subject raises its own; memberlist ignores what
//! is older. Checks S1 and S2. Excused: a name taken over from another address after its owner left, or was dead for longer
//! than `dead_node_reclaim`; forged messages where bytes are corrupted.

use uwasa_core::pool::{NodeId, ProfileId, WireAddr};
use uwasa_core::trace::{MemberState, Trace};

use super::{Finding, Kind, Map, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::NodeIndex;

#[derive(Clone, Copy, Debug)]
struct Held {
    incarnation: u32,
    state: MemberState,
    /// Where it is; `None`: as a warm start has it.
    place: Option<(WireAddr, u16)>,
}

/// Incarnations as the observers' own traces tell them.
#[derive(Debug, Default)]
pub(super) struct Checker {
    /// By observer and subject; a warm pair is added with its first change.
    known: Map<(NodeIndex, NodeId), Held>,
    /// The greatest that any life of a subject has issued; 1 unless it is here.
    issued: Map<NodeId, u32>,
}

impl Checker {
    fn judge(
        &mut self,
        moment: Moment,
        (subject, incarnation): (NodeId, u32),
        change: (Option<MemberState>, Option<ProfileId>),
        stage: Stage<'_>,
        finding: &mut Finding,
    ) {
        let key = (moment.node, subject);
        let old = self.known.get(&key).copied();
        let place = change.1.map(|id| {
            let profile = stage.scene.pool.profile(id);
            (profile.addr, profile.port)
        });
        let place = place.or(old.and_then(|old| old.place));
        let taken_over = old.is_some_and(|old| {
            let reclaimed = !stage.scene.scenario.config.dead_node_reclaim.is_zero();
            let gone =
                old.state == MemberState::Left || old.state == MemberState::Dead && reclaimed;
            gone && old.place != place
        });
        finding.exercise();
        let state = change.0.or(old.map(|old| old.state)).unwrap_or(MemberState::Alive);
        self.known.insert(key, Held { incarnation, state, place });
        let (host, member) = (stage.host(moment.node), stage.member(subject));
        if let Some(old) = old.filter(|old| old.incarnation > incarnation && !taken_over) {
            finding.violate(moment.at, || {
                let before = old.incarnation;
                format!(
                    "{host} had {member} at incarnation {before} and went back to {incarnation}"
                )
            });
        }
        let issued = self.issued.get(&subject).copied().unwrap_or(1);
        if incarnation > issued && stage.phase.is_faithful() {
            finding.violate(moment.at, || {
                format!(
                    "{host} has {member} at incarnation {incarnation}, which has issued no more than {issued}"
                )
            });
        }
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "incarnation"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Process, Kind::Record]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        match *fact {
            Fact::Started { .. } => self.known.retain(|(observer, _), _| *observer != moment.node),
            Fact::Trace(&Trace::Record { subject, incarnation, profile }) => {
                if stage.own_id(moment.node) == Some(subject) {
                    let issued = self.issued.entry(subject).or_insert(1);
                    *issued = incarnation.max(*issued);
                }
                self.judge(moment, (subject, incarnation), (None, Some(profile)), stage, finding);
            }
            Fact::Trace(&Trace::Edge { subject, to, incarnation, .. }) => {
                if to.is_none() {
                    self.known.remove(&(moment.node, subject));
                } else {
                    self.judge(moment, (subject, incarnation), (to, None), stage, finding);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stand, alive, edge};
    use super::*;

    #[test]
    fn an_incarnation_that_falls_is_found() {
        let mut stand = Stand::new("incarnation", 3);
        stand.refuted(1, 5);
        stand.trace(0, alive(1, 5, &stand.profile_of(1)));
        assert!(stand.passes());
        stand.trace(0, edge(1, MemberState::Alive, Some(MemberState::Suspect), 4));
        assert!(stand.fails_with("went back to 4"));
    }

    #[test]
    fn an_incarnation_that_nobody_issued_is_found() {
        let mut stand = Stand::new("incarnation", 3);
        stand.trace(0, edge(1, MemberState::Alive, Some(MemberState::Suspect), 7));
        assert!(stand.fails_with("has issued no more than 1"));
    }

    #[test]
    fn a_record_that_was_erased_may_start_anew() {
        let mut stand = Stand::new("incarnation", 3);
        stand.refuted(1, 5);
        stand.trace(0, alive(1, 5, &stand.profile_of(1)));
        stand.trace(0, edge(1, MemberState::Alive, Some(MemberState::Dead), 5));
        stand.trace(0, edge(1, MemberState::Dead, None, 5));
        stand.trace(0, alive(1, 2, &stand.profile_of(1)));
        assert!(stand.passes());
    }
}
