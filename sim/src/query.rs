//! Queries: who was meant, what applications answer, and what comes back.

use bytes::Bytes;
use uwasa_core::command::{Command, QueryParams, TagFilter};
use uwasa_core::event::QueryEvent;

use crate::expect::seconds;
use crate::oracle::NodeSet;
use crate::scenario::{Answer, NodeIndex, Query, WorkKind};
use crate::workload::OperationKind;
use crate::world::World;

impl World<'_> {
    /// Has a query sent, by a node that is drawn if the scenario names none.
    pub(crate) fn send_query(&mut self, work: u32, query: &Query) {
        let now = self.fabric.now;
        let what = format!("query `{}`", query.name);
        let Some(from) = self.acting_node(query.from, &what) else { return };
        let audience = self.matching_nodes(query);
        let number = self.oracle.queries.begin(now, from, (work, &query.name), audience);
        let asked = &self.oracle.queries.asked()[number as usize];
        self.checks.query_sent(self.scenario, number as usize, asked);
        let names = query.nodes.iter().map(|&node| self.scenario.node_name(node).into());
        let tags = query.tags.iter();
        let command = Command::Query(QueryParams {
            name: query.name.as_str().into(),
            payload: Bytes::copy_from_slice(&query.payload),
            filter_nodes: names.collect(),
            filter_tags: tags
                .map(|it| TagFilter { tag: it.tag.as_str().into(), expr: it.regex.as_str().into() })
                .collect(),
            ack: query.ack,
            relay_factor: query.relay_factor,
            timeout: std::time::Duration::from_nanos(query.timeout),
        });
        self.issue(from, OperationKind::Query { query: number }, command);
    }

    /// Ground truth: live nodes with the right names and tags.
    fn matching_nodes(&self, query: &Query) -> NodeSet {
        let live = self.oracle.matrix().live();
        let mut matching = live.emptied();
        for node in (0..self.scenario.members_len()).filter(|&node| live.contains(node)) {
            let tags = &self.hosts[node as usize].tags;
            let named = query.nodes.is_empty() || query.nodes.contains(&node);
            let tagged = query
                .tags
                .iter()
                .all(|it| it.regex.is_match(tags.get(&it.tag).unwrap_or_default().as_bytes()));
            matching.set(node, named && tagged);
        }
        matching
    }

    /// The application of `node` is given a query, and answers as the scenario says.
    pub(crate) fn on_query(&mut self, node: NodeIndex, event: &QueryEvent) {
        let Some(work) = self.oracle.queries.work_of(event.id.ltime, event.id.id) else { return };
        let WorkKind::Query(query) = &self.scenario.workload[work as usize].kind else { return };
        let answer = match &query.answer {
            Answer::Silence => return,
            Answer::Name => self.scenario.node_name(node),
            Answer::Text(text) => text,
        };
        let payload = Bytes::copy_from_slice(answer.as_bytes());
        self.requests.push((OperationKind::Answer, Command::Respond { query: event.id, payload }));
    }

    /// The application that asked by command `op` hears of an ack or an answer.
    pub(crate) fn on_reply(&mut self, op: u64, from: &str, ack: bool) {
        let who = self.pool.find(from).map(|id| id.0).filter(|&node| self.oracle.is_member(node));
        self.oracle.queries.replied(self.fabric.now, op, who, ack);
    }

    /// The command that asked is answered: the query is over, or was refused.
    pub(crate) fn query_done(&mut self, query: u32, refused: bool) {
        self.oracle.queries.ended(self.fabric.now, query, refused);
        let asked = &self.oracle.queries.asked()[query as usize];
        self.checks.query_ended(self.scenario, query as usize, asked);
    }

    /// Who carries out a piece of work: the node that is named, or a drawn one. A note says so if there is none.
    pub(crate) fn acting_node(&mut self, from: Option<NodeIndex>, what: &str) -> Option<NodeIndex> {
        let now = seconds(self.fabric.now);
        let Some(from) = from.or_else(|| self.draw_live_node()) else {
            self.notes.push(format!("{what} at {now} was not sent: no node lives."));
            return None;
        };
        if !self.fabric.presence(from).is_up() {
            let sender = self.scenario.node_name(from);
            self.notes.push(format!("{what} at {now} was not sent: {sender} is not running."));
            return None;
        }
        Some(from)
    }
}
