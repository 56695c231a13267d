use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::config::Options;

struct World {
    config: Config,
    stats: Stats,
    events: UserEvents,
}

impl World {
    fn new(slots: u32) -> Self {
        let config = Options::lan().validate().expect("a preset");
        Self { config, stats: Stats::default(), events: UserEvents::new(slots) }
    }

    fn send(&mut self, name: &str, bytes: usize) -> Result<UserEvent, OpError> {
        let payload = Bytes::from(vec![b'x'; bytes]);
        let sent = self.events.send(name.into(), payload, false, &self.config, &mut self.stats);
        sent.map(|(event, _message)| event)
    }

    fn receive(&mut self, ltime: u64, name: &str, payload: &[u8]) -> bool {
        let payload = Some(payload);
        let message = UserEventMessage { ltime, name, payload, coalesce: false };
        self.events.receive(&message, &mut self.stats).is_some()
    }
}

#[test]
fn the_first_event_of_a_fresh_node_has_lamport_time_one() {
    let mut world = World::new(512);
    assert_eq!(world.send("deploy", 3).expect("small").ltime, 1);
    assert_eq!(world.events.time(), 2);
    assert!(!world.receive(1, "deploy", b"xxx"), "the own event comes back");
    assert_eq!(world.stats.event_duplicates, 1);
}

#[test]
fn name_and_payload_are_part_of_the_identity() {
    let mut world = World::new(512);
    assert!(world.receive(9, "a", b""));
    assert!(world.receive(9, "b", b""));
    assert!(world.receive(9, "a", b"x"));
    assert!(!world.receive(9, "a", b"x"));
}

#[test]
fn absent_and_empty_payloads_are_the_same() {
    let mut world = World::new(512);
    assert!(world.receive(9, "a", b""));
    let message = UserEventMessage { ltime: 9, name: "a", payload: None, coalesce: false };
    assert!(world.events.receive(&message, &mut world.stats).is_none());
}

#[test]
fn events_older_than_the_ring_are_dropped() {
    let mut world = World::new(8);
    assert!(world.receive(100, "new", b""));
    // The clock shows 101 now: 93 is the oldest time that still has a slot.
    assert!(world.receive(93, "edge", b""));
    assert!(!world.receive(92, "old", b""));
    assert_eq!(world.stats.dropped(DropReason::EventTooOld), 1);
}

#[test]
fn a_join_may_ignore_what_happened_before() {
    let mut world = World::new(512);
    world.events.ignore_before(50);
    assert!(!world.receive(49, "old", b""));
    assert!(world.receive(50, "new", b""));
}

#[test]
fn absurd_lamport_times_are_dropped_and_do_not_move_the_clock() {
    let mut world = World::new(512);
    assert!(!world.receive(u64::MAX, "evil", b""));
    assert_eq!(world.events.time(), 1);
    assert_eq!(world.stats.dropped(DropReason::LamportTime), 1);
}

#[test]
fn an_oversized_event_says_size_and_limit_and_uses_no_time() {
    let mut world = World::new(512);
    let error = world.send("e", 512).expect_err("513 bytes of name and payload");
    assert_eq!(error, OpError::EventTooLarge { size: 513, limit: 512 });
    // Encoded size counts too: 25 bytes of frame, Lamport time, name and payload headers.
    let error = world.send("e", 482).expect_err("one byte too many when encoded");
    assert_eq!(error, OpError::EventTooLarge { size: 513, limit: 512 });
    assert_eq!(world.send("e", 481).expect("exactly the limit").ltime, 1);
}

proptest! {
    /// Against the plainest model: everything ever seen, and a clock.
    #[test]
    fn the_ring_equals_a_list_of_everything(
        slots in 1..9_u32,
        steps in prop::collection::vec((1..40_u64, 0..2_u8, 0..2_u8), 0..80),
        ignored in prop::option::of(0..20_u64),
    ) {
        let mut world = World::new(slots);
        if let Some(before) = ignored {
            world.events.ignore_before(before);
        }
        let (mut seen, mut clock) = (BTreeSet::new(), 1);
        for (ltime, name, payload) in steps {
            clock = clock.max(ltime + 1);
            let wanted = ltime >= ignored.unwrap_or(0) && ltime + u64::from(slots) >= clock;
            let new = wanted && seen.insert((ltime, name, payload));
            let found = world.receive(ltime, &name.to_string(), &[payload]);
            prop_assert_eq!(found, new, "{} {} {}", ltime, name, payload);
            prop_assert_eq!(world.events.time(), clock);
        }
        let mut kept: Vec<(u64, u8, u8)> = Vec::new();
        for slot in world.events.slots().flatten() {
            for (name, payload) in &slot.events {
                kept.push((slot.ltime, name.parse().expect("a digit"), payload[0]));
            }
        }
        // Everything within reach is there; what is out of reach is kept until its slot is needed.
        kept.retain(|(ltime, ..)| ltime + u64::from(slots) >= clock);
        kept.sort_unstable();
        let within = seen.into_iter().filter(|(ltime, ..)| ltime + u64::from(slots) >= clock);
        prop_assert_eq!(kept, within.collect::<Vec<_>>());
    }
}
