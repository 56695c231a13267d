//! `calm`: in a calm world no probe of a live member fails, and nobody declares a live member dead.
//!
//! Source: SWIM 3 (accuracy) and the definition of calm: nothing is lost and every answer comes in time. Checks V2. Probes
//! are judged one longest round after the last disturbance, deaths once all views must agree: until then an old suspicion
//! may still run out, or go round by push/pull. A world that nothing has disturbed is judged from its first moment on.
//! Excused: probes to an address at which the member is not any more.

use uwasa_core::trace::{MemberState, ProbeOutcome, Trace};

use super::{Finding, Kind, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::Nanos;

/// Needs no memory.
#[derive(Debug, Default)]
pub(super) struct Checker;

/// Whether the world has been calm for a while before `at`; how long, is counted from `since`.
fn is_due(at: Nanos, since: Nanos, bound: Nanos, stage: Stage<'_>) -> bool {
    stage.phase.is_untouched() || at >= since.saturating_add(bound)
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "calm"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Record, Kind::Probe]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        let Some((since, limits)) = stage.phase.calm() else { return };
        match *fact {
            Fact::Trace(&Trace::ProbeEnded { target, outcome, .. }) => {
                if !is_due(moment.at, since, limits.window(), stage)
                    || !stage.phase.members().contains(&target.0)
                {
                    return;
                }
                finding.exercise();
                let ProbeOutcome::Failed { .. } = outcome else { return };
                let node = stage.scene.nodes[moment.node as usize].as_ref();
                let view = node.and_then(|node| node.member(target, stage.scene.pool));
                let place = stage.scene.fabric.topology.addr(target.0);
                let moved = view.is_none_or(|view| view.profile.socket_addr() != place);
                if stage.phase.is_live(target.0) && !moved {
                    finding.violate(moment.at, || {
                        let (host, member) = (stage.host(moment.node), stage.member(target));
                        format!(
                            "{host} probed {member} in vain, although it lives and nothing is lost"
                        )
                    });
                }
            }
            Fact::Trace(&Trace::Edge { subject, to: Some(MemberState::Dead), .. }) => {
                let bound = limits.convergence(stage.phase.dead_len());
                if !is_due(moment.at, since, bound, stage) {
                    return;
                }
                finding.exercise();
                if stage.phase.members().contains(&subject.0) && stage.phase.is_live(subject.0) {
                    finding.violate(moment.at, || {
                        let (host, member) = (stage.host(moment.node), stage.member(subject));
                        format!("{host} declared {member} dead, although it lives")
                    });
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stand, edge, probe_acked, probe_failed};
    use super::*;

    #[test]
    fn a_probe_that_fails_in_a_calm_world_is_found() {
        let mut stand = Stand::new("calm", 3);
        stand.trace(0, probe_acked(1));
        assert!(stand.passes());
        stand.trace(0, probe_failed(1, 1));
        assert!(stand.fails_with("probed host2 in vain"));
    }

    #[test]
    fn a_death_of_the_living_is_found() {
        let mut stand = Stand::new("calm", 3);
        stand.trace(0, edge(1, MemberState::Suspect, Some(MemberState::Dead), 1));
        assert!(stand.fails_with("declared host2 dead"));
    }
}
