//! The small tables of the reference for the Serf layer: clocks, limits, orders.

use serde_json::Value;

use super::super::*;
use crate::command::{Command, Reply};
use crate::config::{Options, USER_EVENT_BYTES_CEILING};
use crate::ids::OpId;
use crate::io::Output;
use crate::queue::Take;
use crate::serf::clock::{LTIME_LIMIT, LamportClock};
use crate::serf::outgoing::Outgoing;
use crate::tags::Tags;
use crate::testing::serf_vectors;
use crate::trace::QueueKind;

fn number<T: TryFrom<u64>>(value: &Value) -> T {
    // Numbers that may be large are strings.
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok()).expect("a number");
    T::try_from(number).ok().expect("in range")
}

fn list<'a>(vectors: &'a Value, key: &str) -> &'a [Value] {
    let list = vectors[key].as_array().expect("a list");
    assert!(!list.is_empty(), "{key} has cases");
    list
}

/// One node and what it needs.
struct Alone {
    pool: Pool,
    out: Outbox,
    node: Node,
}

impl Alone {
    fn new(options: Options, restored: Option<&Restored>) -> Self {
        let config = Arc::new(options.validate().expect("valid"));
        let me = Identity::new("n1", "127.0.0.1:7946".parse().expect("an address")).expect("valid");
        let (mut pool, mut out) = (Pool::new(1), Outbox::new());
        let mut cx = Cx { now: Instant::ZERO, pool: &mut pool, out: &mut out };
        let node = match restored {
            None => Node::new(config, me, [1; 32], &mut cx),
            Some(restored) => Node::restore(config, &me, [1; 32], restored, &mut cx),
        };
        while out.pop().is_some() {}
        Self { pool, out, node }
    }

    fn command(&mut self, command: Command) -> Option<Result<Reply, OpError>> {
        let now = Instant::ZERO;
        let mut cx = Cx { now, pool: &mut self.pool, out: &mut self.out };
        self.node.handle(Input::Command { op: OpId(1), command }, &mut cx);
        let mut answer = None;
        while let Some(output) = self.out.pop() {
            if let Output::Done { result, .. } = output {
                answer = Some(result);
            }
        }
        answer
    }

    /// Lets the node know `count` members in all, without any message.
    fn grow_to(&mut self, count: usize) {
        let own = self.node.swim.own();
        for index in self.node.swim.records_len()..count {
            let id = self.pool.intern(&format!("m{index}"));
            let profile = Profile { node: id, ..self.pool.profile(own.profile).clone() };
            let profile = self.pool.intern_profile(profile);
            self.node.swim.plant(id, profile);
            self.node.swim.set_record(id, MemberStatus::Left, 0);
        }
    }
}

#[test]
fn recorded_clock() {
    let mut clock = LamportClock::default();
    for step in list(&serf_vectors()["lamport"], "steps") {
        if step["op"] == "increment" {
            clock.increment();
        } else {
            let seen = number(&step["arg"]);
            let sane = clock.witness(seen);
            assert_eq!(sane, seen < LTIME_LIMIT, "{step}");
            if !sane {
                // The reference goes on to show how its clock wraps; ours does not move.
                return;
            }
        }
        assert_eq!(clock.time(), number::<u64>(&step["time_after"]), "{step}");
    }
}

#[test]
fn recorded_queue_limits() {
    for case in list(&serf_vectors(), "queue_limit") {
        let (queue_depth_max, queue_depth_min) =
            (number(&case["MaxQueueDepth"]), number(&case["MinQueueDepth"]));
        let options = Options { queue_depth_max, queue_depth_min, ..Options::lan() };
        let members = number(&case["members"]);
        assert_eq!(options.queue_limit(members), number::<usize>(&case["limit"]), "{case}");
    }
}

#[test]
fn recorded_transmit_limits() {
    let vectors = serf_vectors();
    let cases = vectors["transmits"].as_object().expect("an object");
    let retransmit_mult = number(&cases["RetransmitMult"]);
    for (key, limit) in cases {
        let Some(members) = key.strip_prefix("members_") else { continue };
        let mut alone = Alone::new(Options { retransmit_mult, ..Options::lan() }, None);
        alone.grow_to(members.parse().expect("a number"));
        let found = Outgoing::transmit_limit(&alone.node.swim, &alone.node.config);
        assert_eq!(found, number::<u32>(limit), "{key}");
    }
}

#[test]
fn recorded_drain_order() {
    const SIZES: [(QueueKind, &str, usize); 3] =
        [(QueueKind::Event, "E", 14), (QueueKind::Query, "Q", 19), (QueueKind::Intent, "I", 9)];
    for case in list(&serf_vectors()["broadcast_order"], "cases") {
        let mut alone = Alone::new(Options::lan(), None);
        let mut scratch = alone.out.take_scratch();
        let turn = &mut Turn { pool: &mut alone.pool, out: &mut alone.out, scratch: &mut scratch };
        for (kind, name, size) in SIZES {
            for number in 0..3 {
                let mut message = format!("{name}{number}").into_bytes();
                message.resize(size, b' ');
                let (serf, swim, mut cx) = alone.node.serf(turn);
                serf.outgoing.push(kind, message.into(), swim, &mut cx);
            }
        }
        // Our queue counts one byte of the reference's overhead as part of the message.
        let overhead = number::<usize>(&case["overhead"]) - 1;
        let take = Take { overhead, room: number(&case["limit"]), parts_max: 100, limit: 4 };
        let mut got = Vec::new();
        alone.node.serf.outgoing.take(take, |message| {
            got.push(String::from_utf8_lossy(&message[..2]).into_owned());
        });
        assert_eq!(Value::from(got), case["got"], "{case}");
    }
}

#[test]
fn recorded_event_sizes() {
    for case in list(&serf_vectors(), "user_event_size_limit") {
        let limit: usize = number(&case["UserEventSizeLimit"]);
        let largest: usize = number(&case["largest_payload_accepted"]);
        let name: Box<str> = "n".repeat(number(&case["name_length"])).into();
        for (payload, fits) in [(largest, true), (largest + 1, false)] {
            let options = Options { user_event_bytes_max: limit, ..Options::lan() };
            let mut alone = Alone::new(options, None);
            let before = alone.node.info().event_time;
            assert_eq!(before, number::<u64>(&case["ltime"]));
            let payload = vec![b'x'; payload].into();
            let event = Command::UserEvent { name: name.clone(), payload, coalesce: false };
            match alone.command(event).expect("an answer") {
                Ok(_) => assert!(fits, "{case}"),
                Err(OpError::EventTooLarge { size, limit: stated }) => {
                    assert!(!fits && size > stated && stated == limit, "{case}");
                    assert_eq!(alone.node.info().event_time, before, "unchanged");
                }
                Err(other) => panic!("{case}: {other}"),
            }
        }
    }
    let options = Options { user_event_bytes_max: USER_EVENT_BYTES_CEILING + 1, ..Options::lan() };
    assert!(options.validate().is_err());
}

#[test]
fn recorded_tag_sizes() {
    for case in list(&serf_vectors(), "tags_limit") {
        let tags = case["tags"].as_str().expect("text");
        let bytes = tags.trim_start_matches("k = ").trim_end_matches(" bytes");
        let value = "x".repeat(bytes.parse().expect("a number"));
        let tags: Tags = [("k", &value)].into_iter().collect();
        let mut alone = Alone::new(Options::lan(), None);
        let answer = alone.command(Command::SetTags(tags)).expect("nobody is there to be told");
        let size: usize = number(&case["encoded_length"]);
        if case["set_tags_ok"] == true {
            assert_eq!(answer, Ok(Reply::TagsSet), "{case}");
        } else {
            assert_eq!(answer, Err(OpError::TagsTooLarge { size, limit: 512 }), "{case}");
            let own = alone.pool.profile(alone.node.swim.own().profile);
            assert_eq!(*own.meta, *b"\xff\x80", "unchanged");
        }
    }
}

#[test]
fn recorded_clocks_after_a_restart() {
    for case in list(&serf_vectors(), "snapshot_create") {
        let snapshot = case["snapshot"] == true;
        let content = case["content"].as_str().expect("text");
        let restored = Restored::read(content.as_bytes(), false);
        let alone = Alone::new(Options { snapshot, ..Options::lan() }, Some(&restored));
        let info = alone.node.info();
        let mins = (alone.node.serf.events.ltime_min(), alone.node.serf.queries.ltime_min());
        let expected = &case["clocks_after_create"];
        let name = &case["name"];
        if restored.clocks.member >= LTIME_LIMIT {
            // The reference wraps to 0 here; absurd times are not believed.
            assert_eq!((info.member_time, info.event_time, info.query_time), (1, 1, 1), "{name}");
            assert_eq!(mins, (1, 1), "{name}");
            continue;
        }
        assert_eq!(info.member_time, number::<u64>(&expected["member"]), "{name}");
        assert_eq!(info.event_time, number::<u64>(&expected["event"]), "{name}");
        assert_eq!(info.query_time, number::<u64>(&expected["query"]), "{name}");
        let expected = (number(&case["event_min_time"]), number(&case["query_min_time"]));
        assert_eq!(mins, expected, "{name}");
    }
}
