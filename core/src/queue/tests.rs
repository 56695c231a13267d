use proptest::prelude::*;

use super::*;
use crate::math::retransmit_limit;

fn take<T: Clone>(queue: &mut BroadcastQueue<T>, room: usize, limit: u32) -> (Vec<T>, Vec<T>) {
    let (mut sent, mut done) = (Vec::new(), Vec::new());
    let take = Take { overhead: 2, room, parts_max: usize::MAX, limit };
    queue.take(take, |item| sent.push(item.clone()), |item| done.push(item));
    (sent, done)
}

fn items(queue: &BroadcastQueue<String>) -> Vec<String> {
    let buckets = queue.tiers.iter().flatten();
    buckets.flat_map(|bucket| &bucket.entries).map(|entry| entry.item.clone()).collect()
}

#[test]
fn a_broadcast_about_the_same_subject_supersedes() {
    let mut queue = BroadcastQueue::default();
    let (first, none) = queue.push(Some(NodeId(1)), 10, "old");
    assert_eq!(none, None);
    let (second, superseded) = queue.push(Some(NodeId(1)), 12, "new");
    assert_eq!(superseded, Some("old"));
    assert_ne!(first, second);
    assert_eq!(queue.len(), 1);
}

#[test]
fn who_waits_is_told_when_a_broadcast_is_over() {
    let mut queue = BroadcastQueue::default();
    let (superseded, _) = queue.push(Some(NodeId(1)), 10, "old");
    queue.watch(superseded);
    assert_eq!(queue.next_released(), None);
    let (dropped, _) = queue.push(Some(NodeId(1)), 10, "new");
    assert_eq!(queue.next_released(), Some(superseded));
    queue.watch(dropped);
    queue.prune(0);
    assert_eq!((queue.next_released(), queue.next_released()), (Some(dropped), None));
    let (finished, _) = queue.push(None, 10, "last");
    queue.watch(finished);
    take(&mut queue, 100, 2);
    assert_eq!(queue.next_released(), None);
    take(&mut queue, 100, 2);
    assert_eq!(queue.next_released(), Some(finished));
}

#[test]
fn the_part_limit_stops_a_walk() {
    let mut queue = BroadcastQueue::default();
    for item in 0..10 {
        queue.push(None, 10, item);
    }
    let mut sent = 0;
    let taken = queue.take(
        Take { overhead: 2, room: 10_000, parts_max: 3, limit: 4 },
        |_| sent += 1,
        |_| (),
    );
    assert_eq!((sent, taken), (3, Taken { bytes: 36, parts: 3 }));
}

/// Replays the recorded operation sequences of the reference.
#[test]
fn recorded_sequences() {
    let vectors = crate::testing::vectors();
    for case in vectors["transmit_queue"].as_array().expect("a list") {
        let name = &case["name"];
        let mult =
            u32::try_from(case["retransmit_mult"].as_u64().expect("a number")).expect("small");
        let nodes = usize::try_from(case["num_nodes"].as_u64().expect("a number")).expect("small");
        let mut queue = BroadcastQueue::default();
        let mut subjects: Vec<String> = Vec::new();
        for step in case["steps"].as_array().expect("a list") {
            let op = &step["op"];
            let size =
                |key: &str| usize::try_from(op[key].as_u64().expect("a number")).expect("small");
            let (mut sent, mut finished) = (Vec::new(), Vec::new());
            match op["op"].as_str().expect("text") {
                "queue" => {
                    let label = op["name"].as_str().expect("text").to_owned();
                    let subject = op.get("key").and_then(|key| key.as_str()).unwrap_or(&label);
                    let id =
                        subjects.iter().position(|known| known == subject).unwrap_or_else(|| {
                            subjects.push(subject.to_owned());
                            subjects.len() - 1
                        });
                    let id = NodeId(u32::try_from(id).expect("small"));
                    let (_, superseded) = queue.push(Some(id), size("len"), label);
                    finished.extend(superseded);
                }
                "get" => {
                    let take = Take {
                        overhead: size("overhead"),
                        room: size("limit"),
                        parts_max: usize::MAX,
                        limit: retransmit_limit(mult, nodes),
                    };
                    queue.take(take, |item| sent.push(item.clone()), |item| finished.push(item));
                }
                "prune" => {
                    let keep = op.get("retain").or(op.get("keep")).or(op.get("max"));
                    let keep = keep.and_then(serde_json::Value::as_u64).expect("how many to keep");
                    let before = items(&queue);
                    queue.prune(usize::try_from(keep).expect("small"));
                    let after = items(&queue);
                    finished.extend(before.into_iter().filter(|item| !after.contains(item)));
                }
                other => panic!("{name}: unknown operation {other}"),
            }
            let texts = |key: &str| -> Vec<String> {
                step.get(key).and_then(|list| list.as_array()).map_or_else(Vec::new, |list| {
                    list.iter().map(|item| item.as_str().expect("text").to_owned()).collect()
                })
            };
            finished.sort();
            let mut expected = texts("finished");
            expected.sort();
            assert_eq!(sent, texts("sent"), "{name}: {step}");
            assert_eq!(finished, expected, "{name}: {step}");
            assert_eq!(
                queue.len() as u64,
                step["queued_after"].as_u64().expect("a number"),
                "{name}"
            );
        }
    }
}

/// The naive model: a list searched from the start for every message.
#[derive(Clone, Debug)]
struct Naive {
    entries: Vec<(u32, u32, u64)>,
}

impl Naive {
    fn take(&mut self, room: usize, limit: u32) -> Vec<u64> {
        let last = self.entries.iter().map(|entry| entry.0).max().unwrap_or(0);
        let (mut used, mut sent, mut again) = (0, Vec::new(), Vec::new());
        for tier in 0..=last {
            while let Some(free) = room.checked_sub(used + 3) {
                let best = (0..self.entries.len())
                    .filter(|&i| {
                        self.entries[i].0 == tier && self.entries[i].1 as usize <= free + 1
                    })
                    .max_by_key(|&i| (self.entries[i].1, self.entries[i].2));
                let Some(best) = best else { break };
                let (transmits, bytes, id) = self.entries.remove(best);
                used += 2 + bytes as usize;
                sent.push(id);
                if transmits + 1 < limit {
                    again.push((transmits + 1, bytes, id));
                }
            }
        }
        self.entries.extend(again);
        sent
    }
}

proptest! {
    #[test]
    fn equals_the_naive_model(ops in prop::collection::vec((0..3_u8, 1..60_u32, 0..150_usize), 1..60)) {
        let mut queue = BroadcastQueue::default();
        let mut naive = Naive { entries: Vec::new() };
        let mut id = 0;
        for (op, bytes, room) in ops {
            if op < 2 {
                id += 1;
                queue.push(None, bytes as usize, id);
                naive.entries.push((0, bytes, id));
            } else {
                let (sent, _) = take(&mut queue, room, 3);
                prop_assert_eq!(sent, naive.take(room, 3));
                prop_assert_eq!(queue.len(), naive.entries.len());
            }
        }
    }
}
