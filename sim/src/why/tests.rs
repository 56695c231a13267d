//! Answers on small scenarios.

use std::path::Path;

use super::Why;
use crate::history::{Document, History, LIMIT};
use crate::scenario::parse;
use crate::world;

const CLUSTER: &str =
    "nodes = { count = 8, name = \"host{n}\" }\nduration = \"60s\"\nstart = \"warm\"\n";

fn recorded(text: &str, limit: usize) -> Document {
    let text = format!("title = \"T\"\n{CLUSTER}{text}");
    let scenario = parse(&text, Path::new("test.toml"), &[]).expect("a scenario");
    let history = History::new(&scenario, limit);
    world::run_recorded(&scenario, 1, Some(history), &mut |_| {}).1.expect("a history")
}

fn told(text: &str, observer: &str, subject: &str) -> String {
    let document = recorded(text, LIMIT);
    let find = |name: &str| {
        let found = document.names.iter().position(|it| it == name).expect("a node");
        u32::try_from(found).expect("an index")
    };
    Why::new(&document).text(find(observer), find(subject), None)
}

#[test]
fn a_crash_is_told_from_the_first_probe_to_the_last_hop() {
    insta::assert_snapshot!(told(
        "[[fault]]\nat = \"5s\"\ncrash = [\"host3\"]\n",
        "host1",
        "host3"
    ));
}

#[test]
fn a_pause_makes_a_false_failure_and_is_named() {
    let text = "[[fault]]\nat = \"5s\"\nfor = \"20s\"\npause = [\"host3\"]\n";
    insta::assert_snapshot!(told(text, "host1", "host3"));
}

#[test]
fn loss_is_named_datagram_by_datagram() {
    let text = "[[fault]]\nat = \"5s\"\ndegrade = { loss = 0.85 }\n";
    let document = recorded(text, LIMIT);
    let why = Why::new(&document);
    let mut pairs = (0..8_u32).flat_map(|a| (0..8_u32).map(move |b| (a, b)));
    let doubted = |&(a, b): &(u32, u32)| a != b && why.changes(a, b).len() > 1;
    let (observer, subject) = pairs.find(doubted).expect("at this loss somebody is suspected");
    let text = why.text(observer, subject, None);
    assert!(text.contains("was lost"), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_leave_is_told_from_its_command() {
    insta::assert_snapshot!(told("[[work]]\nat = \"5s\"\nleave = [\"host3\"]\n", "host1", "host3"));
}

#[test]
fn a_forced_leave_is_told_from_the_one_who_forced_it() {
    let text = "[[fault]]\nat = \"5s\"\ncrash = [\"host3\"]\n[[work]]\nat = \"40s\"\nfrom = \"host2\"\n\
                force_leave = \"host3\"\n";
    insta::assert_snapshot!(told(text, "host1", "host3"));
}

#[test]
fn a_partition_is_named() {
    let text = "[[fault]]\nat = \"5s\"\npartition = [[\"host1..host4\"], [\"host5..host8\"]]\n";
    insta::assert_snapshot!(told(text, "host1", "host8"));
}

#[test]
fn nothing_to_tell_is_said() {
    let document = recorded("", LIMIT);
    let text = Why::new(&document).text(0, 1, None);
    assert!(text.contains("everybody knew everybody from the start"), "{text}");
}

#[test]
fn a_document_survives_its_file() {
    let document = recorded("[[fault]]\nat = \"5s\"\ncrash = [\"host3\"]\n", LIMIT);
    let bytes = document.to_bytes().expect("bytes");
    assert_eq!(bytes, document.to_bytes().expect("bytes"), "the same bytes every time");
    assert_eq!(Document::from_bytes(&bytes).expect("a document"), document);
    assert!(Document::from_bytes(&bytes[..bytes.len() / 2]).is_err());
    assert!(Document::from_bytes(b"{}").is_err());
}

#[test]
fn a_damaged_document_is_refused() {
    let mut document = recorded("[[fault]]\nat = \"5s\"\ncrash = [\"host3\"]\n", LIMIT);
    document.rows.cause[0] = 1;
    let bytes = document.to_bytes().expect("bytes");
    let error = Document::from_bytes(&bytes).expect_err("a cause before the first row");
    assert!(error.to_string().contains("before its cause"), "{error}");
}

#[test]
fn the_limit_is_kept_and_said() {
    let text = "title = \"T\"\nnodes = 40\nduration = \"10s\"\nstart = { kind = \"cold\", stagger = \"0s\", \
                join = \"discover\", discover_limit = 3, join_after = \"200ms\" }\n[[work]]\nat = \"5s\"\n\
                event = \"deploy\"\n";
    let scenario = parse(text, Path::new("test.toml"), &[]).expect("a scenario");
    let of = |limit: usize| {
        let history = Some(History::new(&scenario, limit));
        world::run_recorded(&scenario, 1, history, &mut |_| {}).1.expect("a history")
    };
    let (small, whole) = (of(1_000), of(LIMIT));
    assert!(whole.len() > 1_560, "every pair meets: {}", whole.len());
    assert!(small.len() <= 1_000, "{}", small.len());
    assert!(small.assumed && small.omitted.contains("left out"), "{}", small.omitted);
    assert!(small.messages.iter().any(|it| it.kind == "event"), "contacts leave room for the rest");
    assert_eq!(whole.omitted, "");
}

/// Whether somebody listens changes nothing.
#[test]
fn a_recorded_run_has_the_same_hash() {
    let text = format!("title = \"T\"\n{CLUSTER}[[fault]]\nat = \"5s\"\ncrash = [\"host3\"]\n");
    let scenario = parse(&text, Path::new("test.toml"), &[]).expect("a scenario");
    let alone = world::run(&scenario, 1, &mut |_| {});
    let history = Some(History::new(&scenario, LIMIT));
    let heard = world::run_recorded(&scenario, 1, history, &mut |_| {}).0;
    assert_eq!(alone.trace_hash, heard.trace_hash);
}
