use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::ids::ProfileId;
use crate::testing::serf_vectors;
use crate::time::SECOND;
use crate::trace::MemberStatus;

const QUANTUM: Duration = Duration::from_secs(3);
const QUIESCENT: Duration = Duration::from_secs(1);
const KINDS: [(MemberEventKind, &str); 5] = [
    (MemberEventKind::Join, "member-join"),
    (MemberEventKind::Leave, "member-leave"),
    (MemberEventKind::Failed, "member-failed"),
    (MemberEventKind::Update, "member-update"),
    (MemberEventKind::Reap, "member-reap"),
];

fn members() -> MemberCoalescer {
    MemberCoalescer::new(QUANTUM, QUIESCENT).expect("active")
}

fn users() -> UserCoalescer {
    UserCoalescer::new(QUANTUM, QUIESCENT).expect("active")
}

fn member_event(kind: MemberEventKind, node: u32) -> MemberEvent {
    let member =
        EventMember { node: NodeId(node), profile: ProfileId(node), status: MemberStatus::Alive };
    MemberEvent { kind, members: SmallVec::from_slice(&[member]) }
}

fn user_event(name: &str, ltime: u64) -> UserEvent {
    UserEvent { ltime, name: name.into(), payload: Bytes::new(), coalesce: true }
}

fn seconds(tenths: u64) -> Instant {
    Instant::from_nanos(tenths * SECOND / 10)
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().expect("a list")
}

fn cases<'v>(vectors: &'v Value, kind: &str) -> Vec<&'v Value> {
    let cases: Vec<_> =
        list(vectors, "coalesce").iter().filter(|case| case["kind"] == kind).collect();
    assert!(!cases.is_empty(), "no cases of {kind}");
    cases
}

/// Kind and names of each delivered member event, in order.
fn names_of(events: &[Event], names: &[&str]) -> Vec<(MemberEventKind, Vec<String>)> {
    let mut found = Vec::new();
    for event in events {
        let Event::Members(event) = event else { panic!("{event:?}") };
        let of = |member: &EventMember| names[member.node.index()].to_owned();
        found.push((event.kind, event.members.iter().map(of).collect()));
    }
    found
}

fn kind_of(text: &str) -> MemberEventKind {
    KINDS.iter().find(|(_, known)| *known == text).expect("a kind").0
}

/// Replays the recorded batches. The one difference: the library repeats an update at every later flush until another
/// event of that member comes. So a recorded update of a member without an event in that batch must not come here.
#[test]
fn recorded_member_events() {
    let vectors = serf_vectors();
    let mut repeated = 0;
    for case in cases(&vectors, "coalesce_member") {
        let batches = list(case, "batches");
        let inputs = |batch: &Value| -> Vec<(String, String)> {
            let texts = list(batch, "in").iter().map(|event| event.as_str().expect("a text"));
            let split = texts.map(|event| event.split_once(' ').expect("kind and name"));
            split.map(|(kind, name)| (kind.to_owned(), name.to_owned())).collect()
        };
        let all: Vec<_> = batches.iter().flat_map(inputs).collect();
        let mut names: Vec<&str> = all.iter().map(|(_, name)| &**name).collect();
        names.sort_unstable();
        names.dedup();

        let mut coalescer = members();
        for batch in batches {
            let inputs = inputs(batch);
            for (kind, name) in &inputs {
                let node = names.binary_search(&&**name).expect("a known name");
                let node = u32::try_from(node).expect("few");
                coalescer.push(&member_event(kind_of(kind), node), Instant::ZERO);
            }
            let mut expected = Vec::new();
            for event in list(batch, "flushed") {
                let kind = kind_of(event["type"].as_str().expect("a kind"));
                let recorded = list(event, "members").iter();
                let mut who: Vec<String> =
                    recorded.map(|name| name.as_str().expect("a name").to_owned()).collect();
                let before = who.len();
                who.retain(|name| inputs.iter().any(|(_, known)| known == name));
                if who.len() < before {
                    assert_eq!(kind, MemberEventKind::Update, "{}", case["name"]);
                    repeated += before - who.len();
                }
                who.sort_unstable();
                if !who.is_empty() {
                    expected.push((kind, who));
                }
            }
            expected.sort_unstable();
            assert_eq!(names_of(&coalescer.flush(), &names), expected, "{}", case["name"]);
        }
    }
    assert!(repeated > 0, "the recorded cases show the repetition");
}

fn user_of(recorded: &Value) -> UserEvent {
    let hex = recorded["payload_hex"].as_str().expect("hex");
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
    UserEvent {
        ltime: recorded["ltime"].as_u64().expect("a time"),
        name: recorded["name"].as_str().expect("a name").into(),
        payload: bytes.collect::<Result<Vec<u8>, _>>().expect("hex").into(),
        coalesce: recorded["coalesce"].as_bool().expect("a flag"),
    }
}

fn all_of(recorded: &[Value]) -> Vec<Event> {
    recorded.iter().map(|event| Event::User(user_of(event))).collect()
}

/// Replays the recorded batches; the order of names is unspecified in the library, here it is that of the names.
#[test]
fn recorded_user_events() {
    let vectors = serf_vectors();
    for case in cases(&vectors, "coalesce_user") {
        let mut coalescer = users();
        for batch in list(case, "batches") {
            let mut passed = Vec::new();
            for event in list(batch, "in") {
                passed.extend(coalescer.push(user_of(event), Instant::ZERO));
            }
            assert_eq!(passed, all_of(list(batch, "passed_through_at_once")), "{}", case["name"]);
            let mut expected: Vec<Value> = list(batch, "flushed").to_vec();
            expected.sort_by_key(|event| event["name"].as_str().expect("a name").to_owned());
            assert_eq!(coalescer.flush(), all_of(&expected), "{}", case["name"]);
        }
    }
}

#[test]
fn a_zero_period_switches_coalescing_off() {
    let zero = Duration::ZERO;
    for (quantum, quiescent) in [(zero, zero), (zero, QUIESCENT), (QUANTUM, zero)] {
        assert!(MemberCoalescer::new(quantum, quiescent).is_none());
        assert!(UserCoalescer::new(quantum, quiescent).is_none());
    }
}

#[test]
fn quiet_closes_a_window_early() {
    let mut coalescer = members();
    assert_eq!(coalescer.deadline(), None);
    coalescer.push(&member_event(MemberEventKind::Join, 1), seconds(0));
    assert_eq!(coalescer.deadline(), Some(seconds(10)));
    coalescer.push(&member_event(MemberEventKind::Join, 2), seconds(9));
    assert_eq!(coalescer.deadline(), Some(seconds(19)));
    assert_eq!(coalescer.flush().len(), 1);
    assert_eq!(coalescer.deadline(), None);
}

#[test]
fn a_window_lasts_no_longer_than_the_quantum() {
    let mut coalescer = users();
    for tenths in [0, 9, 18, 27] {
        assert_eq!(coalescer.push(user_event("x", tenths), seconds(tenths)), []);
    }
    assert_eq!(coalescer.deadline(), Some(seconds(30)));
    assert_eq!(coalescer.flush(), [Event::User(user_event("x", 27))]);
    assert_eq!(coalescer.push(user_event("x", 1), seconds(40)), []);
    assert_eq!(coalescer.deadline(), Some(seconds(50)), "a new window");
}

#[test]
fn what_is_no_news_still_keeps_the_window_open() {
    let mut coalescer = users();
    assert_eq!(coalescer.push(user_event("x", 9), seconds(0)), []);
    assert_eq!(coalescer.push(user_event("x", 3), seconds(5)), []);
    assert_eq!(coalescer.deadline(), Some(seconds(15)));
    let passing = UserEvent { coalesce: false, ..user_event("x", 10) };
    assert_eq!(coalescer.push(passing.clone(), seconds(9)), [Event::User(passing)]);
    assert_eq!(coalescer.deadline(), Some(seconds(15)), "what is not held back does not count");
}

#[test]
fn every_update_is_news() {
    let mut coalescer = members();
    for kind in [MemberEventKind::Update, MemberEventKind::Update] {
        coalescer.push(&member_event(kind, 1), seconds(0));
        assert_eq!(coalescer.flush(), [Event::Members(member_event(kind, 1))]);
    }
    assert_eq!(coalescer.flush(), [], "but is told once");
}

#[test]
fn a_member_reaped_twice_without_being_seen_is_no_news() {
    let mut coalescer = members();
    let reap = member_event(MemberEventKind::Reap, 1);
    coalescer.push(&reap, seconds(0));
    assert_eq!(coalescer.flush(), [Event::Members(reap.clone())]);
    coalescer.push(&member_event(MemberEventKind::Join, 1), seconds(40));
    coalescer.push(&reap, seconds(41));
    assert_eq!(coalescer.flush(), []);
}

#[test]
fn kinds_and_members_come_in_order() {
    let mut coalescer = members();
    for (node, (kind, _)) in (0..).zip(KINDS.iter().rev()) {
        coalescer.push(&member_event(*kind, 10 + node), seconds(0));
        coalescer.push(&member_event(*kind, 9 - node), seconds(0));
    }
    let found: Vec<_> = coalescer
        .flush()
        .into_iter()
        .map(|event| {
            let Event::Members(event) = event else { panic!("{event:?}") };
            (event.kind, event.members.iter().map(|member| member.node.0).collect::<Vec<_>>())
        })
        .collect();
    let expected: Vec<_> = (0..5).map(|at| (KINDS[at as usize].0, vec![5 + at, 14 - at])).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_flood_of_user_events_is_delivered_early() {
    let mut coalescer = users();
    let limit = u64::try_from(USER_EVENTS_MAX).expect("a small number");
    for number in 0..limit {
        assert_eq!(coalescer.push(user_event(&number.to_string(), 1), seconds(0)), []);
    }
    let early = coalescer.push(user_event("one more", 1), seconds(5));
    assert_eq!(early.len(), USER_EVENTS_MAX);
    assert_eq!(coalescer.deadline(), Some(seconds(15)));
    assert_eq!(coalescer.flush(), [Event::User(user_event("one more", 1))]);
}

#[test]
fn superseded_user_events_do_not_count_against_the_limit() {
    let mut coalescer = users();
    for ltime in 1..=3 * u64::try_from(USER_EVENTS_MAX).expect("a small number") {
        assert_eq!(coalescer.push(user_event("x", ltime), seconds(0)), []);
    }
    assert_eq!(coalescer.flush().len(), 1);
}
