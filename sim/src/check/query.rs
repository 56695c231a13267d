//! `query`: of each member at most one ack and one answer reach the application that asked, none after the deadline, and
//! none from members that the filters leave out, however many relays pass copies on.
//!
//! Source: Serf, queries. Checks S12. Whether the filters match is judged when a member accepts the query, by the tags it
//! has at that moment; several hosts under one name count as one. The default deadline is the formula of Serf, with the
//! members that the asker counts as alive. No excuses.

use regex::Regex;
use uwasa_core::command::{Command, QueryParams};
use uwasa_core::event::Event;
use uwasa_core::io::QueryId;
use uwasa_core::math::query_timeout;
use uwasa_core::trace::{EventPath, Trace};
use uwasa_core::wire::tags;

use super::{Finding, Kind, Map, Set, Stage};
use crate::fact::{Fact, Moment};
use crate::scenario::{Nanos, NodeIndex};

/// One query of an application.
#[derive(Debug)]
struct Asked {
    node: NodeIndex,
    names: Set<Box<str>>,
    /// Tag and expression.
    tags: Vec<(Box<str>, Option<Regex>)>,
    acked: bool,
    deadline: Nanos,
    ended: bool,
    /// Members that the query is meant for, as they accepted it.
    meant: Set<Box<str>>,
    acks: Set<Box<str>>,
    answers: Set<Box<str>>,
}

/// Every query of an application so far.
#[derive(Debug, Default)]
pub(super) struct Checker {
    /// By the number of the command that asked.
    asked: Map<u64, Asked>,
    by_id: Map<QueryId, u64>,
    /// The command that a node handles now.
    asking: Option<(NodeIndex, u64)>,
}

impl Checker {
    fn ask(&mut self, moment: Moment, op: u64, params: &QueryParams, stage: Stage<'_>) {
        let Some(node) = stage.scene.nodes[moment.node as usize].as_ref() else { return };
        let config = &stage.scene.scenario.config;
        let gossip = Nanos::try_from(config.gossip_interval.as_nanos()).unwrap_or(Nanos::MAX);
        let timeout = match Nanos::try_from(params.timeout.as_nanos()).unwrap_or(Nanos::MAX) {
            0 => query_timeout(gossip, config.query_timeout_mult, node.alive_len()),
            timeout => timeout,
        };
        let tag = |filter: &uwasa_core::command::TagFilter| {
            (filter.tag.clone(), Regex::new(&filter.expr).ok())
        };
        let asked = Asked {
            node: moment.node,
            names: params.filter_nodes.iter().cloned().collect(),
            tags: params.filter_tags.iter().map(tag).collect(),
            acked: params.ack,
            deadline: moment.at.saturating_add(timeout),
            ended: false,
            meant: Set::default(),
            acks: Set::default(),
            answers: Set::default(),
        };
        self.asked.insert(op, asked);
        self.asking = Some((moment.node, op));
    }

    /// A member accepts a query: is it meant for it?
    fn accepted(&mut self, moment: Moment, query: QueryId, stage: Stage<'_>) {
        let Some(asked) = self.by_id.get(&query).and_then(|op| self.asked.get_mut(op)) else {
            return;
        };
        let Some(node) = stage.scene.nodes[moment.node as usize].as_ref() else { return };
        let Some(own) = node.member(node.id(), stage.scene.pool) else { return };
        let named = asked.names.is_empty() || asked.names.contains(own.name);
        let own_tags = tags::decode(&own.profile.meta);
        let tagged = asked.tags.iter().all(|(tag, expr)| {
            expr.as_ref().is_none_or(|expr| expr.is_match(own_tags.get(tag).unwrap_or_default()))
        });
        if named && tagged {
            asked.meant.insert(own.name.into());
        }
    }

    fn replied(
        &mut self,
        moment: Moment,
        (op, from, ack): (u64, &str, bool),
        stage: Stage<'_>,
        finding: &mut Finding,
    ) {
        let Some(asked) = self.asked.get_mut(&op) else { return };
        finding.exercise();
        let known = if ack { &mut asked.acks } else { &mut asked.answers };
        let again = !known.insert(from.into());
        let late = asked.ended || moment.at > asked.deadline && stage.phase.is_faithful();
        let what = if again {
            "again"
        } else if !asked.meant.contains(from) {
            "although the filters leave it out or it never had the query"
        } else if late {
            "after the deadline"
        } else if ack && !asked.acked {
            "although no acks were wanted"
        } else {
            return;
        };
        let kind = if ack { "ack" } else { "answer" };
        finding.violate(moment.at, || {
            format!("{} heard the {kind} of {from} {what}", stage.host(asked.node))
        });
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "query"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Command, Kind::Message, Kind::Event]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        match fact {
            Fact::Asked { op, command: Command::Query(params) } => {
                self.ask(moment, *op, params, stage);
            }
            Fact::Asked { .. } => self.asking = None,
            Fact::Trace(Trace::QueryAccepted { query, path, .. }) => {
                if *path == EventPath::Local
                    && let Some((node, op)) = self.asking.take()
                    && node == moment.node
                {
                    self.by_id.insert(*query, op);
                }
                self.accepted(moment, *query, stage);
            }
            Fact::Event(Event::QueryAck { op, from }) => {
                self.replied(moment, (op.0, from, true), stage, finding);
            }
            Fact::Event(Event::QueryResponse { op, from, .. }) => {
                self.replied(moment, (op.0, from, false), stage, finding);
            }
            Fact::Done { op, .. } => {
                if let Some(asked) = self.asked.get_mut(op) {
                    asked.ended = true;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stand;
    use super::*;
    use uwasa_core::io::OpId;

    fn asked(filter: &str) -> Stand {
        let mut stand = Stand::new("query", 3);
        let params = QueryParams {
            name: "who".into(),
            filter_nodes: vec![filter.into()],
            ack: true,
            ..QueryParams::default()
        };
        let command = Command::Query(params);
        stand.hear(0, &Fact::Asked { op: 1, command: &command });
        let query = QueryId { ltime: 1, id: 7 };
        for (node, path) in [(0, EventPath::Local), (1, EventPath::Gossip), (2, EventPath::Gossip)]
        {
            stand.trace(node, Trace::QueryAccepted { query, matched: true, path });
        }
        stand
    }

    fn ack(from: &str) -> Event {
        Event::QueryAck { op: OpId(1), from: from.into() }
    }

    #[test]
    fn one_ack_of_a_member_that_was_meant_is_right() {
        let mut stand = asked("host2");
        stand.hear(0, &Fact::Event(&ack("host2")));
        assert!(stand.passes());
        stand.hear(0, &Fact::Event(&ack("host2")));
        assert!(stand.fails_with("host1 heard the ack of host2 again"));
    }

    #[test]
    fn an_ack_of_a_member_that_was_left_out_is_found() {
        let mut stand = asked("host2");
        stand.hear(0, &Fact::Event(&ack("host3")));
        assert!(stand.fails_with("although the filters leave it out"));
    }

    #[test]
    fn an_ack_after_the_deadline_is_found() {
        let mut stand = asked("host2");
        stand.wait(60_000_000_000);
        stand.hear(0, &Fact::Event(&ack("host2")));
        assert!(stand.fails_with("after the deadline"));
    }
}
