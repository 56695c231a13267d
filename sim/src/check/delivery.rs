//! `delivery`: a user event reaches the application of a node at most once in a life, and only if somebody sent it, byte
//! for byte.
//!
//! Source: Serf, user events: the buffer remembers what was delivered, and what is older than the buffer is refused. Checks
//! S10 and S11. Over a restart from an intact snapshot (the process was killed and had not left) nothing is delivered again
//! either. Excused: snapshots that a fault tears, takes away or makes old; forged events where bytes are corrupted.

use bytes::Bytes;
use uwasa_core::command::Command;
use uwasa_core::event::{Event, UserEvent};
use uwasa_core::trace::{EventPath, Trace};

use super::{Finding, Kind, Map, Set, Stage};
use crate::fact::{End, Fact, Moment};
use crate::scenario::{NodeIndex, Scenario};

type Content = (u64, Box<str>, Bytes);

/// What was sent, and who had it.
#[derive(Debug)]
pub(super) struct Checker {
    keeps: bool,
    /// Numbers of the events that were sent.
    sent: Map<Content, u32>,
    /// The command that a node handles now.
    sending: Option<(NodeIndex, Box<str>, Bytes)>,
    delivered: Set<(NodeIndex, u32)>,
}

impl Checker {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self {
            keeps: scenario.config.snapshot,
            sent: Map::default(),
            sending: None,
            delivered: Set::default(),
        }
    }

    fn forget(&mut self, node: NodeIndex) {
        self.delivered.retain(|(who, _)| *who != node);
    }

    fn deliver(
        &mut self,
        moment: Moment,
        event: &UserEvent,
        stage: Stage<'_>,
        finding: &mut Finding,
    ) {
        finding.exercise();
        let UserEvent { ltime, name, payload, .. } = event;
        let Some(&number) = self.sent.get(&(*ltime, name.clone(), payload.clone())) else {
            if stage.phase.is_faithful() {
                finding.violate(moment.at, || {
                    let host = stage.host(moment.node);
                    format!(
                        "{host} was told of \"{name}\" at Lamport time {ltime}, which nobody sent"
                    )
                });
            }
            return;
        };
        if !self.delivered.insert((moment.node, number)) {
            finding.violate(moment.at, || {
                let host = stage.host(moment.node);
                format!("{host} was told twice of \"{name}\" at Lamport time {ltime}")
            });
        }
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "delivery"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Process, Kind::Command, Kind::Message, Kind::Event]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        match fact {
            Fact::Started { restored, .. } => {
                if !(*restored && self.keeps && stage.phase.process(moment.node).whole_disk) {
                    self.forget(moment.node);
                }
            }
            Fact::Ended(end) => {
                if *end != End::Killed || stage.phase.process(moment.node).leaving {
                    self.forget(moment.node);
                }
            }
            Fact::Asked { command: Command::UserEvent { name, payload, .. }, .. } => {
                self.sending = Some((moment.node, name.clone(), payload.clone()));
            }
            Fact::Trace(Trace::EventAccepted { ltime, path: EventPath::Local }) => {
                if let Some((node, name, payload)) = self.sending.take()
                    && node == moment.node
                {
                    let number = u32::try_from(self.sent.len()).unwrap_or(u32::MAX);
                    self.sent.entry((*ltime, name, payload)).or_insert(number);
                }
            }
            Fact::Event(Event::User(event)) => self.deliver(moment, event, stage, finding),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Stand, event_accepted};
    use super::*;

    fn sent(stand: &mut Stand) -> Event {
        let (name, payload) = (Box::from("deploy"), Bytes::from_static(b"7"));
        let command = Command::UserEvent { name, payload: payload.clone(), coalesce: false };
        stand.hear(0, &Fact::Asked { op: 1, command: &command });
        stand.trace(0, event_accepted(1, EventPath::Local));
        Event::User(UserEvent { ltime: 1, name: "deploy".into(), payload, coalesce: false })
    }

    #[test]
    fn an_event_that_comes_twice_is_found() {
        let mut stand = Stand::new("delivery", 3);
        let event = sent(&mut stand);
        stand.hear(1, &Fact::Event(&event));
        stand.hear(2, &Fact::Event(&event));
        assert!(stand.passes());
        stand.hear(1, &Fact::Event(&event));
        assert!(stand.fails_with("told twice of \"deploy\""));
    }

    #[test]
    fn an_event_that_nobody_sent_is_found() {
        let mut stand = Stand::new("delivery", 3);
        let Event::User(mut event) = sent(&mut stand) else { unreachable!("a user event") };
        event.payload = Bytes::from_static(b"8");
        stand.hear(1, &Fact::Event(&Event::User(event)));
        assert!(stand.fails_with("which nobody sent"));
    }

    #[test]
    fn a_new_life_without_a_snapshot_may_hear_it_again() {
        let mut stand = Stand::new("delivery", 3);
        let event = sent(&mut stand);
        stand.hear(1, &Fact::Event(&event));
        stand.hear(1, &Fact::Ended(End::Crashed));
        stand.hear(1, &Fact::Started { life: 2, restored: false });
        stand.hear(1, &Fact::Event(&event));
        assert!(stand.passes());
    }
}
