//! Queries, key operations and name conflicts with real agents.

use std::thread;

use bytes::Bytes;
use uwasa_core::command::{Command, KeyOp, KeyReport, OpError, QueryParams, Reply, TagFilter};
use uwasa_core::event::{Event, QueryEvent, ShutDownReason};
use uwasa_core::trace::Trace;

use super::*;

/// Who acked and who answered our queries, in order of their names.
fn replies(view: &View) -> (Vec<String>, Vec<(String, Bytes)>) {
    let (mut acks, mut answers) = (Vec::new(), Vec::new());
    for told in &view.told {
        if let Told::Other(Event::QueryAck { from, .. }) = told {
            acks.push(from.to_string());
        } else if let Told::Other(Event::QueryResponse { from, payload, .. }) = told {
            answers.push((from.to_string(), payload.clone()));
        }
    }
    acks.sort();
    answers.sort();
    (acks, answers)
}

/// The query `name` that was delivered to us.
fn heard(view: &View, name: &str) -> Option<QueryEvent> {
    view.told.iter().find_map(|told| {
        let Told::Other(Event::Query(query)) = told else { return None };
        (&*query.name == name).then(|| (**query).clone())
    })
}

fn load(payload: &'static str) -> QueryParams {
    QueryParams {
        name: "load".into(),
        payload: Bytes::from_static(payload.as_bytes()),
        ..QueryParams::default()
    }
}

/// Agents ack and answer our query, by relays too, and our filters choose among them.
#[test]
fn agents_answer_our_queries() {
    thrice(agents_answer_our_queries_once);
}

fn agents_answer_our_queries_once() {
    let Some(lab) = Lab::open("agents_answer_our_queries", 17, PLAIN) else { return };
    let (us, [first, second]) = lab.trio();
    let params = QueryParams { ack: true, relay_factor: 1, ..load("now?") };
    let Ok(Reply::QueryDone(report)) = answer(&us, Command::Query(params)) else {
        panic!("it ends with a report");
    };
    assert_eq!((report.acks, report.responses), (3, 2));
    let text =
        |agent: &Agent| (agent.name.clone(), Bytes::from(format!("{} got <now?>\n", agent.name)));
    let (acks, answers) = replies(&us.look());
    assert_eq!(acks, [&first.name, &second.name, US]);
    assert_eq!(answers, [text(&first), text(&second)]);
    let stats = us.look().stats;
    assert!(stats.query_duplicate_acks >= 2, "relays brought second copies: {stats:?}");

    second.must("tags", &["-set", "role=db"]);
    wait_for_us(&us, "we hear of the agent's new tag", |view| {
        count(view, &Told::Member(MemberEventKind::Update, second.name.clone())) == 1
    });
    let filter = TagFilter { tag: "role".into(), expr: "^d".into() };
    let params = QueryParams { filter_tags: vec![filter], ..load("") };
    let Ok(Reply::QueryDone(report)) = answer(&us, Command::Query(params)) else {
        panic!("it ends with a report");
    };
    assert_eq!(report.responses, 1);
    let last = us.look().told.last().cloned();
    assert!(
        matches!(&last, Some(Told::Other(Event::QueryResponse { from, .. })) if **from == *second.name),
        "{last:?}"
    );
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// We ack and answer an agent's query, and relay for others; pings reach us.
#[test]
fn we_answer_queries_of_agents() {
    thrice(we_answer_queries_of_agents_once);
}

fn we_answer_queries_of_agents_once() {
    let Some(lab) = Lab::open("we_answer_queries_of_agents", 18, PLAIN) else { return };
    let (us, [first, second]) = lab.trio();
    let args =
        ["-timeout=3s", "-relay-factor=2", "-tag=role=^$", "-tag=other=^$", "status", "short"];
    let output = thread::scope(|scope| {
        let query = scope.spawn(|| first.serf("query", &args));
        // Agents have a role, so the filters leave us.
        let query_event = wait_for("the agent's query", || heard(&us.look(), "status"));
        assert_eq!((&*query_event.payload, &*query_event.source), (&b"short"[..], &*first.name));
        let payload = Bytes::from_static(b"all is well");
        let answered = answer(&us, Command::Respond { query: query_event.id, payload });
        assert_eq!(answered, Ok(Reply::Responded));
        query.join().expect("it runs")
    });
    let output = String::from_utf8(output.stdout).expect("text");
    for line in [
        format!("Ack from '{US}'"),
        format!("Response from '{US}': all is well"),
        "Total Acks: 1".into(),
        "Total Responses: 1".into(),
    ] {
        assert!(output.contains(&line), "{line} in {output}");
    }
    second.must("query", &["-timeout=2s", "-relay-factor=2", "load", "x"]);
    wait_for_us(&us, "we relay for agents", |view| view.stats.relayed > 0);
    second.must("reachability", &[]);
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// What `serf query -format=json` prints: who acked and who answered.
fn asked(agent: &Agent, args: &[&str]) -> (Vec<String>, Vec<String>) {
    let mut args = args.to_vec();
    args.insert(0, "-format=json");
    let printed: serde_json::Value =
        serde_json::from_str(&agent.must("query", &args)).expect("JSON");
    let acks = printed["Acks"].as_array().into_iter().flatten();
    let mut acks: Vec<String> = acks.map(|ack| ack.as_str().expect("a name").into()).collect();
    acks.sort();
    let answers = printed["Responses"].as_object().expect("a map");
    (acks, answers.keys().cloned().collect())
}

/// The filters of an agent's query choose us, or not; without `-no-ack` whoever is chosen acks, each once although
/// relays bring copies.
#[test]
fn filters_of_agents_choose_among_us() {
    thrice(filters_of_agents_choose_among_us_once);
}

fn filters_of_agents_choose_among_us_once() {
    let Some(lab) = Lab::open("filters_of_agents_choose_among_us", 49, PLAIN) else { return };
    let (us, [first, second]) = lab.trio();
    assert_eq!(answer(&us, Command::SetTags(our_tags())), Ok(Reply::TagsSet));
    let all = [&*first.name, &*second.name, US];
    let timeout = "-timeout=1s";
    let cases: [(&[&str], &[&str]); 7] = [
        (&[], &all),
        (&["-relay-factor=2"], &all),
        (&["-no-ack"], &[]),
        (&["-node", US], &[US]),
        (&["-node", US, "-node", &first.name], &[&first.name, US]),
        (&["-tag", "role=w"], &all),
        (&["-tag", "role=^uw.*a$"], &[US]),
    ];
    for (index, (options, acks)) in cases.into_iter().enumerate() {
        let name = format!("case-{index}");
        let args = [&[timeout], options, &[&name]].concat();
        assert_eq!(
            asked(&first, &args),
            (acks.iter().map(|&n| n.to_owned()).collect(), vec![]),
            "{options:?}"
        );
        // A query that nobody acks was delivered here all the same.
        let expected = acks.contains(&US) || options == ["-no-ack"];
        assert_eq!(heard(&us.look(), &name).is_some(), expected, "{options:?}");
    }
    for (nodes, acks) in [(vec![&*first.name], 1), (vec![US, &second.name, "nobody"], 2)] {
        let filter_nodes = nodes.into_iter().map(Into::into).collect();
        let params = QueryParams { ack: true, filter_nodes, ..load("") };
        let Ok(Reply::QueryDone(report)) = answer(&us, Command::Query(params)) else {
            panic!("it ends with a report");
        };
        assert_eq!((report.acks, report.responses), (acks, 1));
    }
    let (acks, answers) = asked(&second, &[timeout, "-relay-factor=2", "load", "x"]);
    assert_eq!(
        (acks, answers),
        (all.map(str::to_owned).to_vec(), all[..2].iter().map(|&n| n.to_owned()).collect())
    );
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// `serf reachability` counts us among those that answer, and no longer once we have left.
#[test]
fn reachability_counts_us() {
    thrice(reachability_counts_us_once);
}

fn reachability_counts_us_once() {
    let Some(lab) = Lab::open("reachability_counts_us", 50, PLAIN) else { return };
    let (us, [first, second]) = lab.trio();
    let printed = first.must("reachability", &[]);
    assert!(printed.contains("Total members: 3, live members: 3"), "{printed}");
    assert!(printed.contains("Successfully contacted all live nodes"), "{printed}");
    assert!(heard(&us.look(), "_serf_ping").is_none(), "it is not for applications");
    assert_eq!(answer(&us, Command::Leave), Ok(Reply::Left));
    wait_for_status(&second, US, "left");
    let printed = second.must("reachability", &[]);
    assert!(printed.contains("Total members: 3, live members: 2"), "{printed}");
    assert_mutual_understanding(&us, &[&first, &second]);
}

/// With two relays for each answer the copies of everybody's ack and answer come back, and each counts once.
#[test]
fn agents_relay_answers_to_us() {
    thrice(agents_relay_answers_to_us_once);
}

fn agents_relay_answers_to_us_once() {
    let Some(lab) = Lab::open("agents_relay_answers_to_us", 51, PLAIN) else { return };
    let (us, [first, second]) = lab.trio_with(Options { retransmit_mult: 10, ..lab.options() });
    let third = lab.agent(3, Some(&first));
    wait_for_full_house(&us, &[&first, &second, &third]);
    let params =
        QueryParams { ack: true, relay_factor: 2, timeout: Duration::from_secs(3), ..load("x") };
    let Ok(Reply::QueryDone(report)) = answer(&us, Command::Query(params)) else {
        panic!("it ends with a report");
    };
    assert_eq!((report.acks, report.responses), (4, 3));
    let stats = us.look().stats;
    // Each of four relays its ack to two others, and each agent its answer; a draw of relays may find fewer.
    assert!((4..=8).contains(&stats.query_duplicate_acks), "{stats:?}");
    assert!((3..=6).contains(&stats.query_duplicate_responses), "{stats:?}");
    assert_mutual_understanding(&us, &[&first, &second, &third]);
}

fn report(result: Result<Reply, OpError>) -> Box<KeyReport> {
    match result {
        Ok(Reply::Keys(report)) | Err(OpError::KeysFailed(report)) => report,
        other => panic!("{other:?}"),
    }
}

/// Keys are rotated by us and by an agent, under way and back, and refusals read alike on both sides.
#[test]
fn keys_are_rotated_by_either_side() {
    thrice(keys_are_rotated_by_either_side_once);
}

fn keys_are_rotated_by_either_side_once() {
    let variant = Variant { key: Some(AES_128), ..PLAIN };
    let Some(lab) = Lab::open("keys_are_rotated_by_either_side", 19, variant) else { return };
    let (us, [first, second]) = lab.trio();
    let keys = |op: KeyOp| answer(&us, Command::Keys { op, relay_factor: 0 });
    let (old, new) = (Bytes::from_static(AES_128.bytes), Bytes::from_static(AES_256.bytes));

    let refused = report(keys(KeyOp::Use(new.clone())));
    assert_eq!(refused.to_string(), "3/3 nodes reported failure");
    let texts: Vec<&str> = refused.messages.values().map(|text| &**text).collect();
    assert_eq!(texts, ["Requested key is not in the keyring"; 3]);
    let refused = report(keys(KeyOp::Remove(old.clone())));
    let texts: Vec<&str> = refused.messages.values().map(|text| &**text).collect();
    assert_eq!(texts, ["Removing the primary key is not allowed"; 3]);
    let refused = report(keys(KeyOp::Install(Bytes::from_static(b"short"))));
    let texts: Vec<&str> = refused.messages.values().map(|text| &**text).collect();
    assert_eq!(texts, ["key size must be 16, 24 or 32 bytes"; 3]);

    assert!(matches!(keys(KeyOp::Install(new.clone())), Ok(Reply::Keys(_))));
    first.must("keys", &["-use", AES_256.base64]);
    assert!(matches!(keys(KeyOp::Remove(old)), Ok(Reply::Keys(_))));
    let list = report(keys(KeyOp::List));
    let counts: Vec<(&str, u32)> = list.keys.iter().map(|(key, n)| (&**key, *n)).collect();
    assert_eq!(counts, [(AES_256.base64, 3)]);
    assert_eq!(list.primary_keys, list.keys);
    let output = second.serf("keys", &["-list"]);
    let output = String::from_utf8(output.stdout).expect("text");
    assert!(output.contains(&format!("{}  [3/3]", AES_256.base64)), "{output}");
    wait_for_full_house(&us, &[&first, &second]);
}

/// A node of ours under an agent's name asks the others, who know the agent, and stops.
#[test]
fn we_lose_the_vote_about_an_agents_name() {
    thrice(we_lose_the_vote_about_an_agents_name_once);
}

fn we_lose_the_vote_about_an_agents_name_once() {
    let Some(lab) = Lab::open("we_lose_the_vote_about_an_agents_name", 20, PLAIN) else { return };
    let first = lab.agent(1, None);
    let second = lab.agent(2, Some(&first));
    let third = lab.agent(3, Some(&first));
    for agent in [&first, &second] {
        wait_for_status(agent, &third.name, "alive");
    }
    let (udp, tcp) = lab.network.bind(OUR_HOST);
    let us = Driver::start(&third.name, lab.options(), udp, tcp);
    us.command(Command::Join { seeds: vec![first.addr], replay_events: true });
    let reason = wait_for("we stop", || {
        us.look().told.iter().find_map(|told| {
            let Told::Other(Event::ShutDown(reason)) = told else { return None };
            Some(*reason)
        })
    });
    assert_eq!(reason, ShutDownReason::NameConflict { responses: 2, matching: 0 });
    let ended = |trace: &Trace| matches!(trace, Trace::ConflictVote { stays: false, .. });
    assert!(us.look().traces.iter().any(ended));
}
