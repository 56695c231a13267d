use super::*;
use crate::wire::serf::encode_key_response;

fn task(nodes: u32) -> KeyTask {
    let report = KeyReport { nodes, ..KeyReport::default() };
    KeyTask { op: OpId(1), listing: true, report }
}

fn answer(response: &KeyResponse<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    encode_key_response(response, &mut payload);
    payload
}

#[test]
fn malformed_answers_are_errors_with_a_reason() {
    let (mut task, mut stats) = (task(4), Stats::default());
    assert!(!task.count("a", b"", &mut stats));
    assert!(!task.count("b", b"\x07\x80", &mut stats));
    assert!(!task.count("c", b"\x08\xc1", &mut stats));
    assert!(task.count("d", &answer(&KeyResponse::default()), &mut stats), "all have answered");
    let report = task.report;
    assert_eq!((report.responses, report.errors), (4, 4));
    let message = |name: &str| &*report.messages[name];
    assert_eq!(message("a"), "Invalid key query response type: none");
    assert_eq!(message("b"), "Invalid key query response type: 7");
    assert!(message("c").starts_with("Failed to decode key query response: "));
    assert_eq!(message("d"), "", "a refusal without a word is one");
    assert_eq!(report.primary_keys.get(""), Some(&1), "only answers that can be read count");
}

#[test]
fn notes_of_members_that_did_as_asked_are_kept() {
    let (mut task, mut stats) = (task(2), Stats::default());
    let keys = Some(vec!["k1", "k2"]);
    let good = KeyResponse { result: true, message: "", keys, primary_key: "k1" };
    task.count("a", &answer(&good), &mut stats);
    task.count("b", &answer(&KeyResponse { message: "truncated", ..good }), &mut stats);
    let report = task.report;
    assert_eq!(report.errors, 0);
    assert_eq!(report.messages.len(), 1);
    assert_eq!(report.keys.values().copied().collect::<Vec<_>>(), [2, 2]);
    assert_eq!(report.primary_keys.get("k1"), Some(&2));
}

#[test]
fn hostile_answers_cannot_fill_the_report() {
    let (mut task, mut stats) = (task(9), Stats::default());
    let many: Vec<String> = (0..2_000).map(|number| format!("{number}")).collect();
    let keys = Some(many.iter().map(String::as_str).collect());
    let long = "ä".repeat(5_000);
    let hostile = KeyResponse { result: false, message: &long, keys, primary_key: &long };
    task.count("a", &answer(&hostile), &mut stats);
    assert_eq!(task.report.keys.len(), KEYS_MAX);
    assert!(task.report.primary_keys.is_empty());
    assert_eq!(task.report.messages["a"].len(), MESSAGE_BYTES_MAX);
    assert_eq!(stats.dropped(DropReason::Invalid), 2_000 - 1_024 + 1);
}

#[test]
fn changes_run_alone_and_listings_together() {
    let mut ops = KeyOps::default();
    let push = |ops: &mut KeyOps, number, key_op| {
        ops.waiting.push_back(Waiting { op: OpId(number), key_op, relay_factor: 0 });
    };
    let change = || KeyOp::Use(bytes::Bytes::from_static(&[1; 16]));
    push(&mut ops, 1, KeyOp::List);
    push(&mut ops, 2, KeyOp::List);
    push(&mut ops, 3, change());
    push(&mut ops, 4, KeyOp::List);
    let next = |ops: &mut KeyOps| ops.next().map(|waiting| waiting.op.0);
    assert_eq!([next(&mut ops), next(&mut ops)], [Some(1), Some(2)]);
    ops.listings = 2;
    assert_eq!(next(&mut ops), None, "the change waits for the listings");
    ops.listings = 0;
    assert_eq!(next(&mut ops), Some(3));
    ops.changing = true;
    assert_eq!(next(&mut ops), None, "a later listing does not overtake the change");
    ops.changing = false;
    assert_eq!([next(&mut ops), next(&mut ops)], [Some(4), None]);
}
