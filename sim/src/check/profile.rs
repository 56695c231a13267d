//! `profile`: a member says one thing about itself at each incarnation of a life, and no observer holds anything else.
//!
//! Source: memberlist, where tags and addresses change only with the incarnation; this is what push/pull compares. Excused:
//! lives that start again at incarnation 1 and hosts that contest a name (each life issues profiles of its own); forged
//! messages where bytes are corrupted.

use uwasa_core::pool::{NodeId, Profile};
use uwasa_core::trace::Trace;

use super::{Finding, Kind, Map, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::NodeIndex;

/// One profile, by the life that issued it.
#[derive(Debug)]
struct Issue {
    life: (NodeIndex, u32),
    profile: Profile,
}

/// Everything that was issued.
#[derive(Debug, Default)]
pub(super) struct Checker {
    issued: Map<(NodeId, u32), Vec<Issue>>,
}

impl Checker {
    fn issue(
        &mut self,
        moment: Moment,
        (subject, incarnation): (NodeId, u32),
        profile: &Profile,
        stage: Stage<'_>,
        finding: &mut Finding,
    ) {
        let life = (moment.node, stage.phase.process(moment.node).life);
        let issues = self.issued.entry((subject, incarnation)).or_default();
        match issues.iter().find(|issue| issue.life == life) {
            Some(issue) if issue.profile != *profile => finding.violate(moment.at, || {
                format!(
                    "{} issued two profiles at incarnation {incarnation}",
                    stage.host(moment.node)
                )
            }),
            Some(_) => {}
            None => issues.push(Issue { life, profile: profile.clone() }),
        }
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "profile"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Process, Kind::Record]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        let own = stage.own_id(moment.node);
        match *fact {
            // What a warm start has told everybody.
            Fact::Started { .. } => {
                let node = stage.scene.nodes[moment.node as usize].as_ref();
                if let Some(node) = node
                    && let Some(view) = node.member(node.id(), stage.scene.pool)
                    && view.incarnation == 1
                {
                    self.issue(moment, (view.id, 1), view.profile, stage, finding);
                }
            }
            Fact::Trace(&Trace::Record { subject, incarnation, profile }) => {
                let profile = stage.scene.pool.profile(profile);
                if own == Some(subject) {
                    self.issue(moment, (subject, incarnation), profile, stage, finding);
                    return;
                }
                finding.exercise();
                let issues = self.issued.get(&(subject, incarnation));
                let known = issues.is_some_and(|all| all.iter().any(|it| it.profile == *profile));
                if !known && stage.phase.is_faithful() {
                    finding.violate(moment.at, || {
                        let (host, member) = (stage.host(moment.node), stage.member(subject));
                        format!(
                            "{host} holds a profile of {member} at incarnation {incarnation} that it never issued"
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
    use super::super::testing::{Stand, alive};

    #[test]
    fn a_profile_that_its_owner_never_issued_is_found() {
        let mut stand = Stand::new("profile", 3);
        stand.refuted(1, 2);
        stand.trace(0, alive(1, 2, &stand.profile_of(1)));
        assert!(stand.passes());
        let foreign = stand.profile_of(2);
        stand.trace(0, alive(1, 2, &foreign));
        assert!(stand.fails_with("that it never issued"));
    }
}
