//! `incarnation`: as long as an observer keeps a record of a subject, the incarnation in it never falls.
//!
//! Source: SWIM 4.2, where only greater incarnations override; memberlist ignores what is older.

use std::collections::HashMap;

use uwasa_core::trace::Trace;

use super::Finding;
use crate::fact::{Fact, Moment, Scene};
use crate::scenario::{NodeIndex, Scenario};

/// Incarnations as the observers' own traces tell them.
#[derive(Debug)]
pub(super) struct Checker {
    /// By observer and subject; a warm pair is added with its first change.
    known: HashMap<(NodeIndex, u32), u32>,
}

impl Checker {
    pub(super) fn new(_scenario: &Scenario) -> Self {
        Self { known: HashMap::new() }
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "incarnation"
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, scene: Scene<'_>, finding: &mut Finding) {
        match *fact {
            Fact::Started { .. } => self.known.retain(|(observer, _), _| *observer != moment.node),
            Fact::Trace(&Trace::Edge { subject, to, incarnation, .. }) => {
                let key = (moment.node, subject.0);
                if to.is_none() {
                    self.known.remove(&key);
                    return;
                }
                finding.exercise();
                let before = self.known.insert(key, incarnation);
                if let Some(before) = before.filter(|before| *before > incarnation) {
                    finding.violate(moment.at, || {
                        format!(
                            "{} had {} at incarnation {before} and went back to {incarnation}",
                            scene.scenario.node_name(moment.node),
                            scene.scenario.node_name(subject.0)
                        )
                    });
                }
            }
            _ => {}
        }
    }
}
