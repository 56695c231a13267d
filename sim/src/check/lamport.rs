//! `lamport`: the three clocks of a node never fall, and after it accepted a message of time v its clock shows more than v;
//! so what it sends later has a later time.
//!
//! Source: Lamport 1978; Serf, Lamport clocks. Checks S8 and S9. Over a restart the clocks of events and queries go on
//! from what the snapshot remembers; the member clock is recorded only now and then, and starts anew. Excused: what was
//! accepted later than that, as what waits to be written is lost when the process is killed.

use uwasa_core::trace::{EventPath, Trace};

use super::{Finding, Kind, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::Scenario;

/// Which clock.
#[derive(Clone, Copy, Debug)]
enum Clock {
    Member,
    Event,
    Query,
}

const NAMES: [&str; 3] = ["member", "event", "query"];

/// Of each host, the greatest time that was accepted, by clock.
#[derive(Debug)]
pub(super) struct Checker {
    seen: Vec<[u64; 3]>,
}

impl Checker {
    pub(super) fn new(scenario: &Scenario) -> Self {
        Self { seen: vec![[0; 3]; scenario.nodes.len()] }
    }

    fn accepted(
        &mut self,
        moment: Moment,
        (clock, ltime, path): (Clock, u64, EventPath),
        stage: Stage<'_>,
        finding: &mut Finding,
    ) {
        let index = clock as usize;
        let seen = &mut self.seen[moment.node as usize][index];
        finding.exercise();
        if path == EventPath::Local && ltime <= *seen {
            let before = *seen;
            finding.violate(moment.at, || {
                let (host, name) = (stage.host(moment.node), NAMES[index]);
                format!("{host} had accepted {before} on its {name} clock, and sent {ltime}")
            });
        }
        *seen = ltime.max(*seen);
        let Some(node) = stage.scene.nodes[moment.node as usize].as_ref() else { return };
        let info = node.info();
        let shown = [info.member_time, info.event_time, info.query_time][index];
        if shown <= ltime {
            finding.violate(moment.at, || {
                let (host, name) = (stage.host(moment.node), NAMES[index]);
                format!("{host} accepted {ltime}, and its {name} clock shows {shown}")
            });
        }
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "lamport"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Process, Kind::Status, Kind::Message]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        match *fact {
            Fact::Started { restored, .. } => {
                let kept = restored.unwrap_or_default();
                self.seen[moment.node as usize] = [0, kept.event, kept.query];
            }
            Fact::Trace(&Trace::EventAccepted { ltime, path }) => {
                self.accepted(moment, (Clock::Event, ltime, path), stage, finding);
            }
            Fact::Trace(&Trace::QueryAccepted { query, path, .. }) => {
                self.accepted(moment, (Clock::Query, query.ltime, path), stage, finding);
            }
            Fact::Trace(&Trace::IntentAccepted { ltime, path, .. }) => {
                self.accepted(moment, (Clock::Member, ltime, path), stage, finding);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use uwasa_core::snapshot::Clocks;

    use super::super::testing::{Stand, event_accepted};
    use super::*;

    #[test]
    fn an_event_that_is_sent_with_a_time_already_seen_is_found() {
        let mut stand = Stand::new("lamport", 3);
        stand.trace(0, event_accepted(9, EventPath::Gossip));
        stand.trace(0, event_accepted(9, EventPath::Local));
        assert!(stand.fails_with("its event clock shows 1"));
        assert_eq!(stand.violations(), 3, "both times the clock, and the event sent");
    }

    #[test]
    fn a_new_life_goes_on_from_its_snapshot_and_from_no_later() {
        let mut stand = Stand::new("lamport", 3);
        stand.trace(0, event_accepted(0, EventPath::Gossip));
        stand.hear(0, &Fact::Started { life: 2, restored: Some(Clocks::default()) });
        stand.trace(0, event_accepted(0, EventPath::Gossip));
        assert!(stand.passes());
        let clocks = Clocks { event: 8, ..Clocks::default() };
        stand.hear(0, &Fact::Started { life: 3, restored: Some(clocks) });
        stand.trace(0, event_accepted(8, EventPath::Local));
        assert!(stand.fails_with("had accepted 8"));
    }

    #[test]
    fn a_clock_that_shows_more_than_was_accepted_is_right() {
        let mut stand = Stand::new("lamport", 3);
        stand.trace(0, event_accepted(0, EventPath::Gossip));
        assert!(stand.passes());
    }
}
