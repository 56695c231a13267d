//! `delivery`: a user event reaches the application of a node at most once in a life, and only if somebody sent it, byte
//! for byte.
//!
//! Source: Serf, user events: the buffer remembers what was delivered, and what is older than the buffer is refused. Checks
//! S10 and S11. Over a restart nothing is delivered again either that is no later than the event clock of the snapshot.
//! Excused: events later than that (what waits to be written is lost when the process is killed; a leave resets the clock);
//! forged events where bytes are corrupted.

use bytes::Bytes;
use uwasa_core::command::Command;
use uwasa_core::event::{Event, UserEvent};
use uwasa_core::trace::{EventPath, Trace};

use super::{Finding, Kind, Map, Set, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::NodeIndex;

type Content = (u64, Box<str>, Bytes);

/// What was sent, and who had it.
#[derive(Debug, Default)]
pub(super) struct Checker {
    /// Numbers of the events that were sent.
    sent: Map<Content, u32>,
    /// The command that a node handles now.
    sending: Option<(NodeIndex, Box<str>, Bytes)>,
    /// To whom, at which Lamport time, and the number.
    delivered: Set<(NodeIndex, u64, u32)>,
}

impl Checker {
    /// A process starts, and its snapshot remembers events up to this time.
    fn start(&mut self, node: NodeIndex, kept: u64) {
        self.delivered.retain(|(who, ltime, _)| *who != node || *ltime <= kept);
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
        if !self.delivered.insert((moment.node, *ltime, number)) {
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
                self.start(moment.node, restored.map_or(0, |clocks| clocks.event));
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
    use uwasa_core::snapshot::Clocks;

    use super::super::testing::{Stand, event_accepted};
    use super::*;
    use crate::fact::End;

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

    fn heard_again(restored: Option<Clocks>) -> Stand {
        let mut stand = Stand::new("delivery", 3);
        let event = sent(&mut stand);
        stand.hear(1, &Fact::Event(&event));
        stand.hear(1, &Fact::Ended(End::Killed));
        stand.hear(1, &Fact::Started { life: 2, restored });
        stand.hear(1, &Fact::Event(&event));
        stand
    }

    #[test]
    fn a_new_life_without_a_snapshot_may_hear_it_again() {
        assert!(heard_again(None).passes());
    }

    #[test]
    fn what_had_not_reached_the_snapshot_may_come_again_and_what_had_must_not() {
        assert!(heard_again(Some(Clocks { event: 0, ..Clocks::default() })).passes());
        let mut known = heard_again(Some(Clocks { event: 1, ..Clocks::default() }));
        assert!(known.fails_with("told twice of \"deploy\""));
    }
}
