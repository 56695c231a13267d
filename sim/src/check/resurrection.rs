//! `resurrection`: who was declared dead or left at an incarnation is not alive again at that or a lower one, until the
//! record was erased.
//!
//! Source: memberlist, on_alive: an alive message needs a greater incarnation. Checks S4. Excused: a name taken over from
//! another address, after its owner left or was dead for longer than `dead_node_reclaim`.

use uwasa_core::pool::{NodeId, WireAddr};
use uwasa_core::trace::{MemberState, Trace};

use super::{Finding, Kind, Map, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::NodeIndex;

#[derive(Clone, Copy, Debug)]
struct Death {
    incarnation: u32,
    state: MemberState,
    place: Option<(WireAddr, u16)>,
}

/// Deaths that stand.
#[derive(Debug, Default)]
pub(super) struct Checker {
    deaths: Map<(NodeIndex, NodeId), Death>,
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "resurrection"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Process, Kind::Record]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        match *fact {
            Fact::Started { .. } => self.deaths.retain(|(observer, _), _| *observer != moment.node),
            Fact::Trace(&Trace::Record { subject, incarnation, profile }) => {
                let Some(death) = self.deaths.remove(&(moment.node, subject)) else { return };
                finding.exercise();
                let now = stage.scene.pool.profile(profile);
                let moved = death.place.is_some_and(|place| place != (now.addr, now.port));
                let reclaim = !stage.scene.scenario.config.dead_node_reclaim.is_zero();
                let taken_over = moved && (death.state == MemberState::Left || reclaim);
                if incarnation <= death.incarnation && !taken_over {
                    finding.violate(moment.at, || {
                        let (host, member) = (stage.host(moment.node), stage.member(subject));
                        let (at, state) = (death.incarnation, death.state);
                        format!("{host} had {member} {state:?} at incarnation {at}, and alive at {incarnation}")
                    });
                }
            }
            Fact::Trace(&Trace::Edge { subject, to, incarnation, .. }) => match to {
                Some(state @ (MemberState::Dead | MemberState::Left)) => {
                    let node = stage.scene.nodes[moment.node as usize].as_ref();
                    let view = node.and_then(|node| node.member(subject, stage.scene.pool));
                    let place = view.map(|view| (view.profile.addr, view.profile.port));
                    self.deaths.insert((moment.node, subject), Death { incarnation, state, place });
                }
                None => {
                    self.deaths.remove(&(moment.node, subject));
                }
                Some(MemberState::Alive | MemberState::Suspect) => {}
            },
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stand, alive, edge};
    use super::*;

    #[test]
    fn the_dead_do_not_come_back_at_their_incarnation() {
        let mut stand = Stand::new("resurrection", 3);
        stand.trace(0, edge(1, MemberState::Suspect, Some(MemberState::Dead), 4));
        stand.trace(0, alive(1, 4, &stand.profile_of(1)));
        assert!(stand.fails_with("Dead at incarnation 4, and alive at 4"));
    }

    #[test]
    fn they_do_at_a_greater_one_or_after_the_record_was_erased() {
        let mut stand = Stand::new("resurrection", 3);
        stand.trace(0, edge(1, MemberState::Suspect, Some(MemberState::Dead), 4));
        stand.trace(0, alive(1, 5, &stand.profile_of(1)));
        stand.trace(0, edge(2, MemberState::Suspect, Some(MemberState::Dead), 4));
        stand.trace(0, edge(2, MemberState::Dead, None, 4));
        stand.trace(0, alive(2, 1, &stand.profile_of(2)));
        assert!(stand.passes());
    }
}
