//! Replay of what scripts of the real agent got: environment and standard input.

use std::collections::BTreeMap;

use serde_json::Value;
use uwasa_core::pool::Vsn;
use uwasa_core::tags::Tags;

use super::*;
use crate::event::{MemberEventKind, QueryId};

fn member(name: &str, addr: &str, tags: Tags) -> Member {
    let vsn = Vsn::default();
    Member { name: name.into(), addr: addr.parse().ok(), port: 7946, tags, status: None, vsn }
}

/// What the agent of the captures was told, one event per capture.
fn events() -> Vec<AgentEvent> {
    let n51 = |tags: &[(&str, &str)]| member("n51", "127.0.77.51", tags.iter().copied().collect());
    let n52 = || member("n 5\t2", "127.0.77.52", Tags::new());
    let own = member("n50", "127.0.77.50", own_tags());
    let members = |kind, members| AgentEvent::Members { kind, members };
    let user = |ltime, name: &str, payload: &'static str| AgentEvent::User {
        ltime,
        name: name.into(),
        payload: payload.into(),
        coalesce: false,
    };
    let query = |ltime, payload: &'static str| AgentEvent::Query {
        id: QueryId { ltime, id: 7 },
        name: "load".into(),
        payload: payload.into(),
    };
    let second = || n51(&[("role", "db"), ("v", "2")]);
    vec![
        members(MemberEventKind::Join, vec![own]),
        members(MemberEventKind::Join, vec![n51(&[("role", "db")]), n52()]),
        members(MemberEventKind::Update, vec![second()]),
        user(1, "deploy", ""),
        user(2, "deploy", "no newline"),
        user(3, "deploy", "with newline\n"),
        user(4, "deploy", "two\n\n"),
        user(5, "deploy", "tab\tand\nmiddle"),
        user(6, "deploy", "\n"),
        user(7, "we ird'näme", "p"),
        user(8, "own", "x"),
        user(11, "co", "p2"),
        query(1, ""),
        query(2, "pp"),
        members(MemberEventKind::Update, vec![second()]),
        members(MemberEventKind::Leave, vec![n52()]),
        members(MemberEventKind::Failed, vec![second()]),
        members(MemberEventKind::Leave, vec![second()]),
        members(MemberEventKind::Reap, vec![second()]),
    ]
}

fn own_tags() -> Tags {
    let note = captures()[0]["note"].as_str().unwrap().to_owned();
    let tags: BTreeMap<String, String> =
        serde_json::from_str(note.strip_prefix("tags: ").unwrap()).unwrap();
    tags.into_iter().collect()
}

fn captures() -> Vec<Value> {
    let text = include_str!("../../tests/data/handlers.json");
    let data: Value = serde_json::from_str(text).unwrap();
    data["captures"].as_array().unwrap().clone()
}

/// Tags of a line come in any order from Go, so words are compared.
fn words(stdin: &str) -> Vec<Vec<String>> {
    let sorted = |field: &str| {
        let mut words: Vec<_> = field.split(',').map(str::to_owned).collect();
        words.sort();
        words
    };
    stdin.split(['\t', '\n']).map(sorted).collect()
}

#[test]
fn scripts_get_what_serf_gives_them() {
    let captures = captures();
    let events = events();
    assert_eq!(captures.len(), events.len());
    let own = member("n50", "127.0.77.50", own_tags());
    for (capture, event) in captures.iter().zip(&events) {
        let case = capture["case"].as_str().unwrap();
        let inherited = [
            ("PARENT_VAR", "inherited"),
            ("SERF_EVENT", "stale-from-parent"),
            ("SERF_CUSTOM", "kept"),
            ("SERF_TAG_GONE", "stale"),
        ];
        let mut variables: BTreeMap<String, String> =
            inherited.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        variables.extend(environment(&own, event));
        let expected: BTreeMap<String, String> =
            serde_json::from_value(capture["env"].clone()).unwrap();
        assert_eq!(variables, expected, "{case}");

        let stdin = String::from_utf8(stdin(event).into_owned()).unwrap();
        let expected = capture["stdin_text"].as_str().unwrap();
        assert_eq!(words(&stdin), words(expected), "{case}");
    }
}

#[test]
fn letters_without_a_simple_upper_case_are_replaced() {
    assert_eq!(variable_name("x\u{df}y\u{131}"), "X_YI");
    assert_eq!(variable_name("a-b.c d_9"), "A_B_C_D_9");
}

#[test]
fn addresses_are_written_as_go_does() {
    let line = |addr| member_line(&member("n", addr, Tags::new()));
    assert_eq!(line("::ffff:10.0.0.1"), "n\t10.0.0.1\t\t\n");
    assert_eq!(line("fe80::1"), "n\tfe80::1\t\t\n");
    assert_eq!(line("none"), "n\t<nil>\t\t\n");
}
