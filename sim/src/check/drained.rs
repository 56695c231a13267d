//! `drained`: in a calm world every queue of broadcasts runs empty: nothing is sent more often than the transmit limit.
//!
//! Source: SWIM 4.1 and memberlist, transmit limit; checks the transmissions of S15, and V8. Judged once the world has been
//! calm, and no event or query was sent, for as long as the limit of transmissions takes in ticks of gossip. Excused: nodes
//! that have nobody to gossip to.

use uwasa_core::command::Command;

use super::{Finding, Kind, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::Nanos;

/// When the last message was put into the world.
#[derive(Debug, Default)]
pub(super) struct Checker {
    sent_at: Nanos,
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "drained"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Command, Kind::Record, Kind::Status]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, _: Stage<'_>, _: &mut Finding) {
        let news = match fact {
            Fact::Asked { command: Command::UserEvent { .. } | Command::Query(_), .. } => true,
            Fact::Asked { .. } | Fact::Done { .. } => false,
            // A change of a record, or an intent, is passed on.
            _ => true,
        };
        if news {
            self.sent_at = moment.at;
        }
    }

    fn finish(&mut self, at: Nanos, stage: Stage<'_>, finding: &mut Finding) {
        let Some((since, limits)) = stage.phase.calm() else { return };
        if at < since.max(self.sent_at).saturating_add(limits.drain()) {
            return;
        }
        for host in stage.phase.members().filter(|&host| stage.phase.is_live(host)) {
            let Some(node) = stage.scene.nodes[host as usize].as_ref() else { continue };
            if node.alive_len() < 2 {
                continue;
            }
            finding.exercise();
            let info = node.info();
            let waiting =
                node.facts_len() + info.intent_queue + info.event_queue + info.query_queue;
            if waiting > 0 {
                finding.violate(at, || {
                    format!("{} still has {waiting} messages to gossip", stage.host(host))
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stand;

    #[test]
    fn queues_that_do_not_run_empty_are_found() {
        let mut stand = Stand::new("drained", 3);
        stand.tell_tags(0);
        stand.wait(100_000_000_000);
        assert!(stand.fails_with("host1 still has 1 messages to gossip"));
    }

    #[test]
    fn empty_queues_are_right() {
        let mut stand = Stand::new("drained", 3);
        stand.wait(100_000_000_000);
        assert!(stand.passes());
    }
}
