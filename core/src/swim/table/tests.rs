use core::net::IpAddr;
use std::collections::BTreeMap as Model;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::pool::{Profile, WireAddr};
use crate::rng::Rng;

/// An id that no test member has.
const NOBODY: NodeId = NodeId(u32::MAX);

struct World {
    pool: Pool,
    rng: Rng,
    table: MemberTable,
}

impl World {
    fn new() -> Self {
        Self { pool: Pool::new(1), rng: Rng::from_seed([1; 32]), table: MemberTable::default() }
    }

    fn profile(&mut self, name: &str, protocol_max: u8) -> (NodeId, ProfileId) {
        let node = self.pool.intern(name);
        let profile = Profile {
            node,
            addr: WireAddr::from(IpAddr::from([10, 0, 0, 1])),
            port: 1,
            vsn: Vsn([1, protocol_max, 2, 2, 5, 5]),
            meta: Bytes::new(),
        };
        (node, self.pool.intern_profile(profile))
    }

    fn insert(&mut self, name: &str, state: MemberState, now: Instant) -> NodeId {
        let (node, profile) = self.profile(name, 5);
        let member = Member { profile, incarnation: 1, state };
        self.table.insert(node, member, now, &self.pool, &mut self.rng);
        node
    }
}

#[test]
fn only_old_dead_and_left_members_are_forgotten() {
    let mut world = World::new();
    let at = Instant::from_nanos;
    let dead = world.insert("dead", MemberState::Dead, at(0));
    let left = world.insert("left", MemberState::Left, at(0));
    let fresh = world.insert("fresh", MemberState::Dead, at(90));
    let suspect = world.insert("suspect", MemberState::Suspect, at(0));
    let gone = world.table.wrap(NOBODY, at(100), 50, &world.pool, &mut world.rng);
    assert_eq!(gone.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [dead, left]);
    assert!(world.table.get(fresh).is_some() && world.table.get(suspect).is_some());
    assert_eq!(world.table.len(), 2);
}

#[test]
fn the_change_time_is_that_of_the_last_change_of_state() {
    let mut world = World::new();
    let id = world.insert("a", MemberState::Dead, Instant::from_nanos(5));
    let member = world.table.get(id).expect("inserted");
    let newer = Member { incarnation: 2, ..member };
    world.table.update(id, newer, Instant::from_nanos(9), &world.pool);
    assert_eq!(world.table.changed_at(id), Some(Instant::from_nanos(5)));
    let alive = Member { state: MemberState::Alive, ..newer };
    world.table.update(id, alive, Instant::from_nanos(9), &world.pool);
    assert_eq!(world.table.changed_at(id), None);
}

#[test]
fn random_choice_is_exhaustive_in_small_tables() {
    let mut world = World::new();
    for name in ["a", "b", "c", "d"] {
        world.insert(name, MemberState::Alive, Instant::ZERO);
    }
    for _ in 0..50 {
        let chosen = world.table.random(3, &mut world.rng, |_, id| id != NodeId(0));
        assert_eq!(chosen.len(), 3, "three of three candidates are always found");
    }
}

fn any_state() -> impl Strategy<Value = MemberState> {
    (0..4_i64).prop_map(|number| MemberState::from_wire(number).expect("0 to 3 are states"))
}

proptest! {
    #[test]
    fn equals_a_naive_model(
        ops in prop::collection::vec((0..3_u8, 0..12_u32, any_state(), 4..6_u8), 1..80)
    ) {
        let mut world = World::new();
        let mut model: Model<NodeId, (Member, u8)> = Model::new();
        for (step, (op, name, state, protocol_max)) in ops.into_iter().enumerate() {
            let now = Instant::from_nanos(step as u64);
            let (id, profile) = world.profile(&format!("n{name}"), protocol_max);
            let member = Member { profile, incarnation: 1, state };
            if op == 0 {
                world.table.wrap(NOBODY, now, 10, &world.pool, &mut world.rng);
                model.retain(|&id, _| world.table.get(id).is_some());
            } else if model.insert(id, (member, protocol_max)).is_none() {
                world.table.insert(id, member, now, &world.pool, &mut world.rng);
            } else {
                world.table.update(id, member, now, &world.pool);
            }
            prop_assert_eq!(world.table.len(), model.len());
            let seen: Vec<_> = world.table.iter().collect();
            let expected: Vec<_> = model.iter().map(|(&id, &(member, _))| (id, member)).collect();
            prop_assert_eq!(seen, expected);
            for state in [MemberState::Alive, MemberState::Suspect, MemberState::Dead, MemberState::Left] {
                let count = model.values().filter(|(member, _)| member.state == state).count();
                prop_assert_eq!(world.table.count(state), count);
            }
            let total: u32 = world.table.versions().iter().map(|count| count.total).sum();
            prop_assert_eq!(total as usize, model.len());
        }
    }
}
