//! `dissemination`: a user event that is sent in a calm and agreed world reaches every node that lives from then on, within
//! the bound of dissemination: what gossip misses comes with push/pull.
//!
//! Source: SWIM 4.1; Serf, push/pull of recent events. Checks V6. An event counts if the world was never disturbed, or has
//! been calm for the bound of convergence when it is sent, and stays calm until it is due. Excused: members that cannot find
//! each other, as for `convergence`; more later events than the buffer holds; events that fit no packet and are larger than
//! push/pull may carry are refused at once.

use uwasa_core::command::{Command, Reply};
use uwasa_core::event::Event;

use super::{Finding, Kind, Map, Set, Stage, views};
use crate::fact::{Fact, Moment};
use crate::scenario::{Nanos, NodeIndex};

/// One event that is to reach everybody.
#[derive(Debug)]
struct Sent {
    at: Nanos,
    ltime: u64,
    name: Box<str>,
    /// Host and life of everybody who lived when it was sent.
    audience: Vec<(NodeIndex, u32)>,
}

/// Events under way and who has had what.
#[derive(Debug, Default)]
pub(super) struct Checker {
    asked: Map<u64, Box<str>>,
    open: Vec<Sent>,
    had: Set<(NodeIndex, u64, Box<str>)>,
}

impl Checker {
    fn sent(&mut self, moment: Moment, name: Box<str>, ltime: u64, stage: Stage<'_>) {
        let Some((since, limits)) = stage.phase.calm() else { return };
        let agreed = since.saturating_add(limits.convergence(stage.phase.dead_len()));
        if !stage.phase.is_untouched() && moment.at < agreed {
            return;
        }
        let audience = views::live(stage)
            .filter(|&(host, _)| stage.phase.connected(moment.node, host))
            .map(|(host, _)| (host, stage.phase.process(host).life));
        self.open.push(Sent { at: moment.at, ltime, name, audience: audience.collect() });
    }

    fn judge(&mut self, at: Nanos, stage: Stage<'_>, finding: &mut Finding) {
        let buffer = u64::from(stage.scene.scenario.config.event_buffer);
        let newest = self.open.iter().map(|sent| sent.ltime).max().unwrap_or(0);
        let calm = stage.phase.calm();
        self.open.retain(|sent| {
            let Some((since, limits)) = calm else { return false };
            if (since > sent.at && !stage.phase.is_untouched()) || newest > sent.ltime + buffer {
                return false;
            }
            if at < sent.at.saturating_add(limits.dissemination()) {
                return true;
            }
            finding.exercise();
            let missed = sent.audience.iter().find(|(host, life)| {
                let same = stage.phase.is_live(*host) && stage.phase.process(*host).life == *life;
                same && !self.had.contains(&(*host, sent.ltime, sent.name.clone()))
            });
            if let Some((host, _)) = missed {
                finding.violate(at, || {
                    format!("{} never had event \"{}\"", stage.host(*host), sent.name)
                });
            }
            false
        });
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "dissemination"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Input, Kind::Command, Kind::Event]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        match fact {
            Fact::Input(_) if !self.open.is_empty() => self.judge(moment.at, stage, finding),
            Fact::Asked { op, command: Command::UserEvent { name, .. } } => {
                self.asked.insert(*op, name.clone());
            }
            Fact::Done { op, result } => {
                if let Some(name) = self.asked.remove(op)
                    && let Ok(Reply::EventSent { ltime }) = result
                {
                    self.sent(moment, name, *ltime, stage);
                }
            }
            Fact::Event(Event::User(event)) => {
                self.had.insert((moment.node, event.ltime, event.name.clone()));
            }
            _ => {}
        }
    }

    fn finish(&mut self, at: Nanos, stage: Stage<'_>, finding: &mut Finding) {
        self.judge(at, stage, finding);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stand;
    use crate::fact::Fact;
    use bytes::Bytes;
    use uwasa_core::command::{Command, Reply};

    #[test]
    fn an_event_that_stays_with_its_sender_is_found() {
        let mut stand = Stand::new("dissemination", 3);
        let command =
            Command::UserEvent { name: "deploy".into(), payload: Bytes::new(), coalesce: false };
        stand.hear(0, &Fact::Asked { op: 1, command: &command });
        stand.hear(0, &Fact::Done { op: 1, result: &Ok(Reply::EventSent { ltime: 1 }) });
        stand.wait(1_000_000_000_000);
        assert!(stand.fails_with("never had event \"deploy\""));
    }

    #[test]
    fn an_event_that_reaches_everybody_is_right() {
        let mut stand =
            Stand::run("dissemination", "[[work]]\nat = \"1s\"\nevent = \"deploy\"\n", 200);
        assert!(stand.passes());
    }
}
