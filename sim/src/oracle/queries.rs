//! Who was asked, who has acked and answered, and what came that should not have.

use std::collections::BTreeMap;

use uwasa_core::trace::{EventPath, Trace};

use super::matrix::NodeSet;
use super::reach::Reach;
use crate::metrics::{QuerySpread, Replies};
use crate::scenario::{Answer, Nanos, NodeIndex, Scenario, WorkKind};

/// One query that a node was told to send.
#[derive(Debug)]
pub struct Asked {
    /// Name.
    pub name: String,
    /// Who asks.
    pub from: NodeIndex,
    /// When.
    pub sent_at: Nanos,
    /// When the asking node was done with it.
    pub ended_at: Option<Nanos>,
    /// Whether the asking node refused to send it.
    pub refused: bool,
    /// Whose acks have come, of the live nodes that matched when it was sent.
    pub acks: Reach,
    /// Whose answers have come, of the same nodes.
    pub responses: Reach,
    /// Acks and answers that came again.
    pub duplicates: u32,
    /// Acks and answers that were reported after the end.
    pub late: u32,
    /// Acks and answers of nodes that were not asked.
    pub strangers: u32,
    /// The piece of workload it comes from.
    work: u32,
}

/// Every query of the workload.
#[derive(Debug, Default)]
pub struct Queries {
    asked: Vec<Asked>,
    /// By the number of the command that asked.
    by_command: BTreeMap<u64, u32>,
    /// By Lamport time and random number.
    by_id: BTreeMap<(u64, u32), u32>,
    /// Being sent right now: its id is not known yet.
    sending: Option<u32>,
}

impl Queries {
    /// Every query, in order of sending.
    #[must_use]
    pub fn asked(&self) -> &[Asked] {
        &self.asked
    }

    /// Node `from` is about to send the query of workload number `work` to `audience`; its number.
    pub fn begin(
        &mut self,
        now: Nanos,
        from: NodeIndex,
        (work, name): (u32, &str),
        audience: NodeSet,
    ) -> u32 {
        let query = u32::try_from(self.asked.len()).expect("fewer than 2^32 queries");
        self.asked.push(Asked {
            name: name.into(),
            from,
            sent_at: now,
            ended_at: None,
            refused: false,
            acks: Reach::new(audience.clone()),
            responses: Reach::new(audience),
            duplicates: 0,
            late: 0,
            strangers: 0,
            work,
        });
        query
    }

    /// The input that sends query `query` by command `op` is being handled until [`Queries::end_input`].
    pub fn sending(&mut self, query: u32, op: u64) {
        self.sending = Some(query);
        self.by_command.insert(op, query);
    }

    /// One input was handled completely.
    pub const fn end_input(&mut self) {
        self.sending = None;
    }

    /// A state change of the node that handles the input.
    pub fn trace(&mut self, trace: &Trace) {
        if let Trace::QueryAccepted { query, path: EventPath::Local, .. } = trace
            && let Some(sending) = self.sending.take()
        {
            self.by_id.insert((query.ltime, query.id), sending);
        } else if let Trace::QueryReplied { query, duplicate: true, .. } = trace
            && let Some(&index) = self.by_id.get(&(query.ltime, query.id))
        {
            self.asked[index as usize].duplicates += 1;
        }
    }

    /// The piece of workload that a delivered query comes from; `None`: it is none of the workload's.
    #[must_use]
    pub fn work_of(&self, ltime: u64, id: u32) -> Option<u32> {
        let index = *self.by_id.get(&(ltime, id))?;
        Some(self.asked[index as usize].work)
    }

    /// The node that sent the query of command `op` reports an ack (or an answer) of `who`; `None`: of a name that no
    /// node has.
    pub fn replied(&mut self, now: Nanos, op: u64, who: Option<NodeIndex>, ack: bool) {
        let Some(&index) = self.by_command.get(&op) else { return };
        let asked = &mut self.asked[index as usize];
        if asked.ended_at.is_some() {
            asked.late += 1;
            return;
        }
        let delay = now - asked.sent_at;
        let reach = if ack { &mut asked.acks } else { &mut asked.responses };
        match who {
            Some(node) if reach.is_for(node) => {
                if !reach.hear(node, delay) {
                    asked.duplicates += 1;
                }
            }
            Some(_) | None => asked.strangers += 1,
        }
    }

    /// Query `query` is over, or was never sent.
    pub fn ended(&mut self, now: Nanos, query: u32, refused: bool) {
        let asked = &mut self.asked[query as usize];
        asked.ended_at = Some(now);
        asked.refused = refused;
    }

    /// A node crashes, leaves or is restarted.
    pub fn stopped(&mut self, node: NodeIndex) {
        for asked in &mut self.asked {
            asked.acks.stopped(node);
            asked.responses.stopped(node);
        }
    }

    /// Queries, for the result.
    #[must_use]
    pub fn spreads(&self, scenario: &Scenario) -> Vec<QuerySpread> {
        self.asked.iter().map(|asked| asked.spread(scenario)).collect()
    }
}

impl Asked {
    fn spread(&self, scenario: &Scenario) -> QuerySpread {
        let work = scenario.workload.get(self.work as usize).map(|work| &work.kind);
        let query = match work {
            Some(WorkKind::Query(query)) => Some(query),
            Some(
                WorkKind::Event { .. }
                | WorkKind::Leave { .. }
                | WorkKind::Join { .. }
                | WorkKind::SetTags { .. }
                | WorkKind::Keys { .. }
                | WorkKind::ForceLeave { .. },
            )
            | None => None,
        };
        let ack = query.is_some_and(|query| query.ack);
        let answered = query.is_some_and(|query| query.answer != Answer::Silence);
        let replies =
            |reach: &Reach| Replies { audience: reach.audience(), delays: reach.delays() };
        QuerySpread {
            name: self.name.clone(),
            from: scenario.node_name(self.from).into(),
            sent_at: self.sent_at,
            ended_after: self.ended_at.map(|at| at - self.sent_at),
            refused: self.refused,
            acks: ack.then(|| replies(&self.acks)),
            responses: answered.then(|| replies(&self.responses)),
            duplicates: self.duplicates,
        }
    }
}

#[cfg(test)]
mod tests {
    use uwasa_core::command::QueryReport;

    use super::*;

    fn everybody(nodes: u32) -> NodeSet {
        let mut set = NodeSet::new(nodes as usize);
        for node in 0..nodes {
            set.set(node, true);
        }
        set
    }

    #[test]
    fn acks_and_answers_are_counted_once_and_only_until_the_end() {
        let mut queries = Queries::default();
        let query = queries.begin(100, 0, (7, "uptime"), everybody(3));
        queries.sending(query, 40);
        let mut id = QueryReport::default().id;
        id.ltime = 5;
        let accepted =
            |path| Trace::QueryAccepted { query: QueryReport::default().id, matched: true, path };
        queries.trace(&accepted(EventPath::Gossip));
        queries.trace(&Trace::QueryAccepted { query: id, matched: true, path: EventPath::Local });
        queries.end_input();
        assert_eq!((queries.work_of(5, 0), queries.work_of(0, 0)), (Some(7), None));
        queries.replied(150, 40, Some(1), true);
        queries.replied(160, 40, Some(1), false);
        queries.replied(170, 40, None, false);
        queries.replied(170, 41, Some(2), false);
        queries.trace(&Trace::QueryReplied { query: id, from: None, ack: true, duplicate: true });
        queries.ended(200, query, false);
        queries.replied(210, 40, Some(2), true);
        let asked = &queries.asked()[0];
        assert_eq!((asked.acks.delays(), asked.responses.delays()), (vec![50], vec![60]));
        assert_eq!((asked.duplicates, asked.late, asked.strangers), (1, 1, 1));
        let text = "title = \"T\"\nnodes = 3\nduration = \"9s\"\n[[work]]\nat = \"1s\"\n\
                    query = \"uptime\"\nack = true\nanswer = false\n";
        let scenario = crate::scenario::parse(text, std::path::Path::new("x.toml"), &[]);
        queries.asked[0].work = 0;
        let spread = &queries.spreads(&scenario.expect("a scenario"))[0];
        assert_eq!((spread.ended_after, spread.responses.is_none()), (Some(100), true));
        let acks = spread.acks.as_ref().expect("acks were asked for");
        assert_eq!((acks.audience, acks.delays.as_slice()), (3, [50].as_slice()));
    }
}
