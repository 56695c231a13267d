//! Queries, key operations and votes among whole nodes.

use super::*;
use crate::command::{KeyOp, KeyReport, QueryParams, QueryReport, TagFilter};
use crate::event::ShutDownReason;
use crate::tags::Tags;

fn params(name: &str) -> QueryParams {
    QueryParams { name: name.into(), ..QueryParams::default() }
}

fn key(byte: u8) -> Key {
    Key::new(&[byte; 16]).expect("16 bytes")
}

fn bytes(key: &Key) -> Bytes {
    Bytes::copy_from_slice(key.as_bytes())
}

fn encrypted() -> Options {
    Options { keyring: Keyring::with_primary(key(1)), ..Options::lan() }
}

impl Wire {
    /// The queries that `node` delivered, in order.
    fn queries(&self, node: usize) -> Vec<QueryId> {
        let query = |(to, event): &(usize, Event)| {
            if let Event::Query(query) = event { (*to == node).then_some(query.id) } else { None }
        };
        self.events.iter().filter_map(query).collect()
    }

    /// Asks from node 0 and lets all nodes that hear of it answer with their number.
    fn ask(&mut self, params: QueryParams) -> QueryReport {
        self.command(0, Command::Query(params));
        let from = self.events.len();
        self.run(Duration::from_millis(1_500));
        for node in 0..self.nodes.len() {
            // The own query was delivered before the command returned.
            let heard = self.queries(node);
            if let Some(&query) = heard.last() {
                let payload = Bytes::from(node.to_string());
                self.command(node, Command::Respond { query, payload });
            }
        }
        self.run(seconds(10));
        assert!(self.events.len() > from);
        match self.last_result() {
            Ok(Reply::QueryDone(report)) => report,
            other => panic!("{other:?}"),
        }
    }

    /// Names of those that acked, and names with answers.
    fn replies(&self) -> (Vec<&str>, Vec<(&str, &[u8])>) {
        let (mut acks, mut answers) = (Vec::new(), Vec::new());
        for (to, event) in &self.events {
            if let Event::QueryAck { from, .. } = event {
                assert_eq!(*to, 0, "nobody else asks");
                acks.push(&**from);
            } else if let Event::QueryResponse { from, payload, .. } = event {
                assert_eq!(*to, 0, "nobody else asks");
                answers.push((&**from, &**payload));
            }
        }
        acks.sort_unstable();
        answers.sort_unstable();
        (acks, answers)
    }

    fn keys(&mut self, node: usize, op: KeyOp) -> Result<Reply, OpError> {
        self.command(node, Command::Keys { op, relay_factor: 0 });
        self.run(seconds(5));
        self.last_result()
    }

    fn shut_down(&self, node: usize) -> Option<ShutDownReason> {
        self.events.iter().find_map(|(to, event)| {
            if let Event::ShutDown(reason) = event {
                (*to == node).then_some(*reason)
            } else {
                None
            }
        })
    }

    /// Starts a node at the address of `index` under the name of another one.
    fn start_as(&mut self, index: usize, name: &str) {
        self.nodes.push(None);
        assert_eq!(self.nodes.len(), index + 1);
        let me = Identity::new(name, addr(index)).expect("valid");
        let mut cx = Cx { now: self.now, pool: &mut self.pool, out: &mut self.out };
        self.nodes[index] = Some(Node::new(Arc::clone(&self.config), me, [9; 32], &mut cx));
        self.drain(index);
    }
}

fn report(result: Result<Reply, OpError>) -> Box<KeyReport> {
    match result {
        Ok(Reply::Keys(report)) | Err(OpError::KeysFailed(report)) => report,
        other => panic!("{other:?}"),
    }
}

#[test]
fn everybody_acks_and_answers_a_query() {
    let mut wire = cluster(Options::lan(), 4);
    let report = wire.ask(QueryParams { ack: true, ..params("load") });
    assert_eq!((report.acks, report.responses), (4, 4));
    let (acks, answers) = wire.replies();
    assert_eq!(acks, ["n0", "n1", "n2", "n3"], "the asker acks its own query");
    let expected: [(&str, &[u8]); 4] = [("n0", b"0"), ("n1", b"1"), ("n2", b"2"), ("n3", b"3")];
    assert_eq!(answers, expected);
    assert!((0..4).all(|node| wire.queries(node).len() == 1), "delivered once");
    assert_eq!(wire.malformed(), 0);
    assert_eq!(wire.results().iter().filter(|r| **r == Ok(Reply::Responded)).count(), 4);
}

#[test]
fn the_asker_learns_of_its_query_before_it_is_sent() {
    let mut wire = cluster(Options::lan(), 2);
    wire.order.clear();
    wire.command(0, Command::Query(QueryParams { ack: true, ..params("load") }));
    assert!(matches!(wire.order[..], [Told::Event(0, Event::Query(_))]), "{:?}", wire.order);
    wire.run(seconds(4));
    assert_eq!(wire.order.last(), Some(&Told::Done(0)), "the result comes at the deadline");
}

#[test]
fn filters_choose_who_is_asked() {
    let mut wire = cluster(Options::lan(), 4);
    for (node, role) in [(1, "web-7"), (2, "db")] {
        let tags: Tags = [("role", role)].into_iter().collect();
        wire.command(node, Command::SetTags(tags));
    }
    wire.run(seconds(3));
    let by_tag = |expr: &str| {
        let filter = TagFilter { tag: "role".into(), expr: expr.into() };
        QueryParams { filter_tags: vec![filter], ..params("load") }
    };
    let names = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
    let mut asked = |params: QueryParams| {
        wire.events.clear();
        wire.ask(params);
        let (_, answers) = wire.replies();
        answers.iter().map(|(from, _)| (*from).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(asked(by_tag("^web-[0-9]$")), ["n1"]);
    assert_eq!(asked(by_tag("b")), ["n1", "n2"], "searched, not anchored");
    assert_eq!(asked(by_tag("^$")), ["n0", "n3"], "a missing tag is empty");
    let both = QueryParams { filter_nodes: names(&["n0", "n2"]), ..by_tag("^$") };
    assert_eq!(asked(both), ["n0"], "all filters must match");
}

#[test]
fn relays_bring_copies_that_count_once() {
    let mut wire = cluster(Options::lan(), 5);
    let report = wire.ask(QueryParams { ack: true, relay_factor: 2, ..params("load") });
    assert_eq!((report.acks, report.responses), (5, 5));
    let relayed: u64 = (0..5).map(|node| wire.node(node).stats().relayed).sum();
    assert_eq!(relayed, 5 * 2 * 2, "two relays for each ack and each answer");
    let stats = wire.node(0).stats();
    assert_eq!((stats.query_duplicate_acks, stats.query_duplicate_responses), (10, 10));
    assert_eq!(wire.malformed(), 0);
}

#[test]
fn keys_are_rotated_under_traffic() {
    let mut wire = cluster(encrypted(), 3);
    let list = report(wire.keys(1, KeyOp::List));
    assert_eq!((list.nodes, list.responses, list.errors), (3, 3, 0));
    let first = "AQEBAQEBAQEBAQEBAQEBAQ==";
    assert_eq!(list.keys.get(first), Some(&3));
    assert_eq!(list.primary_keys.get(first), Some(&3));

    let install = || KeyOp::Install(bytes(&key(2)));
    // What changes nothing succeeds without an event.
    for op in [install(), install(), KeyOp::Use(bytes(&key(2)))] {
        let done = wire.keys(0, op);
        assert!(matches!(done, Ok(Reply::Keys(_))), "{done:?}");
        assert_eq!(report(done).primary_keys.get(""), Some(&3));
    }
    let done = wire.keys(2, KeyOp::Remove(bytes(&key(1))));
    assert!(matches!(done, Ok(Reply::Keys(_))), "{done:?}");
    for node in 0..3 {
        assert_eq!(wire.node(node).keyring().keys(), [key(2)]);
    }
    wire.run(seconds(30));
    assert!(wire.everybody_sees(0, MemberState::Alive));
    let changes = |(_, event): &&(usize, Event)| matches!(event, Event::KeyringChanged { .. });
    assert_eq!(wire.events.iter().filter(changes).count(), 9);
    assert!((0..3).all(|node| wire.queries(node).is_empty()));
}

#[test]
fn refused_key_operations_say_why() {
    let mut wire = cluster(encrypted(), 2);
    let failed = wire.keys(0, KeyOp::Remove(bytes(&key(1))));
    assert!(matches!(failed, Err(OpError::KeysFailed(_))), "{failed:?}");
    let failed = report(failed);
    assert_eq!(failed.to_string(), "2/2 nodes reported failure");
    let text = "Removing the primary key is not allowed";
    let messages: Vec<_> = failed.messages.iter().map(|(from, text)| (&**from, &**text)).collect();
    assert_eq!(messages, [("n0", text), ("n1", text)]);

    let mut wire = cluster(Options::lan(), 2);
    let failed = report(wire.keys(0, KeyOp::List));
    let text = "Keyring is empty (encryption not enabled)";
    assert!(failed.messages.values().all(|message| **message == *text), "{failed:?}");
    assert_eq!(failed.errors, 2);
}

#[test]
fn a_silent_member_makes_a_key_operation_wait() {
    let mut wire = cluster(encrypted(), 3);
    wire.crash(2);
    wire.command(0, Command::Keys { op: KeyOp::List, relay_factor: 0 });
    let before = wire.done.len();
    wire.run(Duration::from_millis(3_199));
    assert_eq!(wire.done.len(), before);
    wire.run(Duration::from_millis(2));
    assert_eq!(report(wire.last_result()).to_string(), "2/3 nodes reported success");
}

#[test]
fn key_changes_wait_for_each_other() {
    let mut wire = cluster(encrypted(), 2);
    let mut ops = Vec::new();
    for op in [KeyOp::Install(bytes(&key(2))), KeyOp::Use(bytes(&key(2))), KeyOp::List, KeyOp::List]
    {
        wire.command(0, Command::Keys { op, relay_factor: 0 });
        ops.push(OpId(wire.commands));
    }
    assert_eq!(wire.node(0).info().query_time, 2, "one query is under way, the others wait");
    wire.run(seconds(10));
    let done: Vec<OpId> =
        wire.done.iter().map(|(_, op, _)| *op).filter(|op| ops.contains(op)).collect();
    assert_eq!(done[..2], ops[..2]);
    assert_eq!(done.len(), 4, "listings run beside each other, so either may end first");
    assert_eq!(report(wire.last_result()).primary_keys.len(), 1);
    assert_eq!(wire.node(1).keyring().primary(), Some(&key(2)));
    for _ in 0..66 {
        wire.command(0, Command::Keys { op: KeyOp::Use(bytes(&key(1))), relay_factor: 0 });
    }
    let refused = Err(OpError::QueriesFull { limit: 64 });
    assert_eq!(wire.last_result(), refused);
    let refusals = wire.results().iter().filter(|result| **result == refused).count();
    assert_eq!(refusals, 1, "one runs and 64 wait");
}

#[test]
fn with_a_keyring_file_the_answer_waits_for_the_disk() {
    let mut wire = cluster(Options { keyring_file: true, ..encrypted() }, 2);
    wire.command(0, Command::Keys { op: KeyOp::Install(bytes(&key(2))), relay_factor: 0 });
    let before = wire.done.len();
    wire.run(seconds(1));
    assert_eq!(wire.done.len(), before, "nobody has answered yet");
    let answers: Vec<(usize, QueryId)> = wire
        .events
        .iter()
        .filter_map(|(node, event)| {
            let Event::KeyringChanged { keyring, answers } = event else { return None };
            assert_eq!(keyring.keys(), [key(1), key(2)]);
            Some((*node, answers.expect("it waits")))
        })
        .collect();
    assert_eq!(answers.len(), 2);
    for (node, query) in answers {
        // An application cannot answer in its place.
        wire.command(node, Command::Respond { query, payload: Bytes::new() });
        assert_eq!(wire.last_result(), Err(OpError::QueryOver));
        let error = (node == 1).then(|| "disk full".into());
        wire.command(node, Command::KeyringStored { query, error: error.clone() });
        assert_eq!(wire.last_result(), Ok(Reply::KeyringStored));
        wire.command(node, Command::KeyringStored { query, error });
        assert_eq!(wire.last_result(), Err(OpError::AlreadyAnswered));
    }
    wire.run(seconds(1));
    let failed = report(wire.last_result());
    assert_eq!(failed.messages.get("n1").map(|text| &**text), Some("disk full"));
    assert_eq!((failed.responses, failed.errors), (2, 1));
    assert_eq!(wire.node(1).keyring().keys().len(), 2, "the change stays");
}

#[test]
fn the_newcomer_loses_the_vote_about_a_name() {
    let mut wire = cluster(Options::lan(), 3);
    wire.start_as(3, "n1");
    // It joins by the very node whose name it took: both hear of each other.
    wire.join(3, &[1]);
    wire.run(seconds(20));
    let Some(ShutDownReason::NameConflict { responses, matching }) = wire.shut_down(3) else {
        panic!("the impostor stops");
    };
    assert_eq!((responses, matching), (2, 0));
    assert_eq!((0..3).find_map(|node| wire.shut_down(node)), None);
    let votes = |wire: &Wire| [0, 1, 2].map(|node| wire.node(node).stats().conflict_votes);
    let before = votes(&wire);
    assert!(before[0] == 0 && before[1] >= 1 && before[2] == 0, "{before:?}");
    let won = Trace::ConflictVote { responses: 2, matching: 2, stays: true };
    assert!(wire.traces.contains(&(1, won)));
    wire.run(seconds(20));
    assert_eq!(votes(&wire), before, "it is over");
    assert!(wire.everybody_sees(1, MemberState::Alive));
}

#[test]
fn without_a_third_node_both_contenders_stop() {
    let mut wire = Wire::new(Options::lan(), 1);
    wire.start_as(1, "n0");
    wire.join(1, &[0]);
    wire.run(seconds(10));
    let nobody = ShutDownReason::NameConflict { responses: 0, matching: 0 };
    assert_eq!([wire.shut_down(0), wire.shut_down(1)], [Some(nobody); 2]);
}

#[test]
fn name_conflicts_can_be_left_alone() {
    let options = Options { name_conflict_resolution: false, ..Options::lan() };
    let mut wire = Wire::new(options, 1);
    wire.start_as(1, "n0");
    wire.join(1, &[0]);
    wire.run(seconds(10));
    assert_eq!([wire.shut_down(0), wire.shut_down(1)], [None; 2]);
    assert!(wire.node(0).stats().conflicts > 0);
}
