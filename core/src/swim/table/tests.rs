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

/// One change to a table, about the member with this number.
#[derive(Clone, Copy, Debug)]
enum Change {
    State(MemberState, u32),
    Record(MemberStatus, u64),
    EraseRecord,
    Wrap,
}

fn any_change() -> impl Strategy<Value = Change> {
    let status = prop::sample::select(vec![
        MemberStatus::Alive,
        MemberStatus::Leaving,
        MemberStatus::Left,
        MemberStatus::Failed,
    ]);
    prop_oneof![
        6 => (any_state(), 1..3_u32).prop_map(|(state, age)| Change::State(state, age)),
        3 => (status, 0..3_u64).prop_map(|(status, ltime)| Change::Record(status, ltime)),
        1 => Just(Change::EraseRecord),
        1 => Just(Change::Wrap),
    ]
}

/// Makes one change and returns everything that can be seen of the table afterwards.
fn change(world: &mut World, number: u32, change: Change, now: Instant) -> String {
    let (id, profile) = world.profile(&format!("n{number}"), 5);
    let World { pool, rng, table } = world;
    let gone = match change {
        Change::State(state, incarnation) => {
            let member = Member { profile, incarnation, state };
            match table.get(id) {
                Some(_) => table.update(id, member, now, pool),
                None => table.insert(id, member, now, pool, rng),
            }
            Default::default()
        }
        Change::Record(status, ltime) => {
            if table.get(id).is_some() || table.record(id).is_some() {
                table.set_record(id, status, ltime);
            }
            Default::default()
        }
        Change::EraseRecord => {
            table.erase_record(id);
            Default::default()
        }
        Change::Wrap => table.wrap(NOBODY, now, 3, pool, rng),
    };
    let ids = (0..50).map(NodeId);
    let looks: Vec<_> =
        ids.map(|id| (table.get(id), table.record(id), table.changed_at(id))).collect();
    let rows = (table.iter().collect::<Vec<_>>(), table.records().collect::<Vec<_>>());
    let profiles: Vec<_> = table.profiles().collect();
    let drawn = (table.random(2, rng, |_, _| true), table.next_in_ring());
    let counts = (table.len(), table.version(), table.counts, table.status_counts);
    format!("{gone:?} {looks:?} {rows:?} {profiles:?} {drawn:?} {counts:?} {:?}", table.versions())
}

proptest! {
    #[test]
    fn a_shared_table_shows_what_an_own_one_shows(
        changes in prop::collection::vec((0..45_u32, any_change()), 1..60)
    ) {
        let mut worlds = [World::new(), World::new()];
        for world in &mut worlds {
            for number in 0..40 {
                let id = world.insert(&format!("n{number}"), MemberState::Alive, Instant::ZERO);
                world.table.set_record(id, MemberStatus::Alive, 0);
            }
        }
        let [own, shared] = &mut worlds;
        shared.table.share();
        let untouched = shared.table.clone();
        for (step, (number, what)) in changes.into_iter().enumerate() {
            let now = Instant::from_nanos(step as u64);
            prop_assert_eq!(change(own, number, what, now), change(shared, number, what, now));
        }
        prop_assert!(untouched.iter().all(|(_, member)| member.incarnation == 1), "others see none of it");
    }
}
