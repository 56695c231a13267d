//! The member table: one small row per member, the probe ring, and change times of those not quietly alive.

mod permutation;
mod ring;
mod rows;

use smallvec::SmallVec;

use crate::idmap::IdMap;
use crate::pool::{NodeId, Pool, ProfileId, Vsn};
use crate::rng::Rng;
use crate::time::Instant;
use crate::trace::{MemberState, MemberStatus};

use ring::Ring;
use rows::Rows;

/// One member as the observer sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    pub(crate) profile: ProfileId,
    pub(crate) incarnation: u32,
    pub(crate) state: MemberState,
}

/// One member as the Serf layer keeps it. It outlives the SWIM record: failed and left members are shown for a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Record {
    pub(crate) profile: ProfileId,
    pub(crate) status: MemberStatus,
    pub(crate) ltime: u64,
}

/// Members per version bytes, for the push/pull version check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct VsnCount {
    pub(crate) vsn: Vsn,
    pub(crate) alive: u32,
    pub(crate) total: u32,
}

/// All members one node knows, itself included.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemberTable {
    rows: Rows,
    ring: Ring,
    counts: [usize; 4],
    /// Grows with every change of a row.
    version: u64,
    /// Serf records per status; index 0 is unused.
    status_counts: [usize; 5],
    /// Time of the last state change; missing for members that are alive.
    changed: IdMap<Instant>,
    versions: SmallVec<[VsnCount; 2]>,
}

impl MemberTable {
    /// Known members in every state, self included: the `n` of every formula.
    pub(crate) fn len(&self) -> usize {
        self.ring.len()
    }

    /// Grows with every change of what is known about anybody.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Members in `state`.
    pub(crate) fn count(&self, state: MemberState) -> usize {
        self.counts[state as usize]
    }

    /// What is known about `id`.
    pub(crate) fn get(&self, id: NodeId) -> Option<Member> {
        self.rows.get(id).member()
    }

    /// What the Serf layer keeps about `id`.
    pub(crate) fn record(&self, id: NodeId) -> Option<Record> {
        self.rows.get(id).record()
    }

    /// Every Serf record, by id.
    pub(crate) fn records(&self) -> impl Iterator<Item = (NodeId, Record)> {
        self.rows.iter().filter_map(|(id, row)| Some((id, row.record()?)))
    }

    /// Serf records in every status.
    pub(crate) fn records_len(&self) -> usize {
        self.status_counts.iter().sum()
    }

    /// Serf records in `status`.
    pub(crate) fn status_count(&self, status: MemberStatus) -> usize {
        self.status_counts[status as usize]
    }

    /// Writes the Serf part of a row; the profile is that of the SWIM record, or stays what it was.
    pub(crate) fn set_record(&mut self, id: NodeId, status: MemberStatus, ltime: u64) {
        self.version += 1;
        let row = self.rows.get(id);
        if let Some(old) = row.record() {
            self.status_counts[old.status as usize] -= 1;
        }
        self.rows.set(id, row.with_record(status, ltime));
        self.status_counts[status as usize] += 1;
    }

    /// Erases the Serf part of a row.
    pub(crate) fn erase_record(&mut self, id: NodeId) {
        let row = self.rows.get(id);
        let Some(old) = row.record() else { return };
        self.status_counts[old.status as usize] -= 1;
        self.version += 1;
        self.rows.set(id, row.without_record());
    }

    /// The profile of everybody of whom anything is kept.
    pub(crate) fn profiles(&self) -> impl Iterator<Item = ProfileId> {
        self.rows.iter().filter_map(|(_, row)| row.profile())
    }

    /// Every member, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (NodeId, Member)> {
        self.rows.iter().filter_map(|(id, row)| Some((id, row.member()?)))
    }

    /// When the state of `id` last changed; `None` for a member that is alive.
    pub(crate) fn changed_at(&self, id: NodeId) -> Option<Instant> {
        self.changed.get(&id).copied()
    }

    /// Version bytes of all members with their counts, in order of first appearance.
    pub(crate) fn versions(&self) -> &[VsnCount] {
        &self.versions
    }

    /// Adds an unknown member in `member.state` at a random place of the probe ring.
    pub(crate) fn insert(
        &mut self,
        id: NodeId,
        member: Member,
        now: Instant,
        pool: &Pool,
        rng: &mut Rng,
    ) {
        debug_assert!(self.get(id).is_none(), "{id:?} is known already");
        if self.rows.len() <= id.index() {
            // Ids are dense and known in advance by the pool: growing to its size avoids repeated copies.
            self.rows.grow(pool.names_len().max(id.index() + 1));
        }
        self.ring.insert(id, rng);
        self.write(id, member, now, pool);
    }

    /// Gives a member a profile without a SWIM record, as after a reap there.
    #[cfg(test)]
    pub(crate) fn plant(&mut self, id: NodeId, profile: ProfileId) {
        self.rows.grow(id.index() + 1);
        self.rows.set(id, self.rows.get(id).with_profile(profile));
    }

    /// Replaces what is known about a member.
    pub(crate) fn update(&mut self, id: NodeId, member: Member, now: Instant, pool: &Pool) {
        let old = self.get(id).expect("only known members are updated");
        self.count_version(pool.profile(old.profile).vsn, old.state, false);
        self.counts[old.state as usize] -= 1;
        if old.state == member.state {
            // The change time stays that of the last change of state.
            let at = self.changed_at(id).unwrap_or(now);
            self.write(id, member, at, pool);
        } else {
            self.write(id, member, now, pool);
        }
    }

    fn write(&mut self, id: NodeId, member: Member, now: Instant, pool: &Pool) {
        self.version += 1;
        self.rows.set(id, self.rows.get(id).with_member(member));
        self.counts[member.state as usize] += 1;
        self.count_version(pool.profile(member.profile).vsn, member.state, true);
        if member.state == MemberState::Alive {
            self.changed.remove(&id);
        } else {
            self.changed.insert(id, now);
        }
    }

    fn count_version(&mut self, vsn: Vsn, state: MemberState, add: bool) {
        let index = self.versions.iter().position(|count| count.vsn == vsn).unwrap_or_else(|| {
            self.versions.push(VsnCount { vsn, alive: 0, total: 0 });
            self.versions.len() - 1
        });
        let count = &mut self.versions[index];
        let alive = u32::from(state == MemberState::Alive);
        if add {
            count.alive += alive;
            count.total += 1;
        } else {
            count.alive -= alive;
            count.total -= 1;
            if count.total == 0 {
                self.versions.remove(index);
            }
        }
    }

    /// The next id of the probe ring; `None` when the ring is at its end.
    pub(crate) fn next_in_ring(&mut self) -> Option<NodeId> {
        self.ring.next()
    }

    /// The ring wrapped: forgets dead and left members older than `age_max`, shuffles the rest. Returns the forgotten.
    /// `me` stays, whatever its state: a node that has left goes on answering until it is stopped.
    pub(crate) fn wrap(
        &mut self,
        me: NodeId,
        now: Instant,
        age_max: u64,
        pool: &Pool,
        rng: &mut Rng,
    ) -> SmallVec<[(NodeId, Member); 4]> {
        let too_old = |&id: &NodeId| {
            let dead = self.get(id).is_some_and(|member| {
                matches!(member.state, MemberState::Dead | MemberState::Left)
            });
            dead && id != me && self.changed_at(id).is_some_and(|at| now.nanos_since(at) > age_max)
        };
        let mut reaped: SmallVec<[NodeId; 4]> = SmallVec::new();
        if self.count(MemberState::Dead) + self.count(MemberState::Left) > 0 {
            reaped.extend(self.ring.iter().filter(too_old));
            reaped.sort_unstable();
        }
        let gone = reaped.iter().filter_map(|&id| Some((id, self.get(id)?))).collect();
        for &id in &reaped {
            self.remove(id, pool);
        }
        if !reaped.is_empty() {
            let rows = &self.rows;
            self.ring.retain(|id| rows.get(id).member().is_some());
        }
        self.ring.shuffle(rng);
        gone
    }

    fn remove(&mut self, id: NodeId, pool: &Pool) {
        let Some(member) = self.get(id) else { return };
        self.count_version(pool.profile(member.profile).vsn, member.state, false);
        self.counts[member.state as usize] -= 1;
        self.changed.remove(&id);
        self.version += 1;
        self.rows.set(id, self.rows.get(id).without_member());
    }

    /// Up to `k` distinct random members that pass `filter`, uniformly.
    ///
    /// Small tables are searched exhaustively; in large ones at most `3n` draws are made.
    pub(crate) fn random(
        &self,
        k: usize,
        rng: &mut Rng,
        mut filter: impl FnMut(&Self, NodeId) -> bool,
    ) -> SmallVec<[NodeId; 4]> {
        let mut chosen: SmallVec<[NodeId; 4]> = SmallVec::new();
        let n = self.ring.len();
        if n < k.saturating_mul(3) {
            let mut order: SmallVec<[NodeId; 16]> = self.ring.iter().collect();
            rng.shuffle(&mut order);
            chosen.extend(order.into_iter().filter(|&id| filter(self, id)).take(k));
            return chosen;
        }
        for _ in 0..n.saturating_mul(3) {
            if chosen.len() >= k {
                break;
            }
            let id = self.ring.at(rng.index(n));
            if !chosen.contains(&id) && filter(self, id) {
                chosen.push(id);
            }
        }
        chosen
    }

    /// Puts the whole ring in random order; used once by a warm start.
    pub(crate) fn shuffle(&mut self, rng: &mut Rng) {
        self.ring.shuffle(rng);
    }

    /// Lets clones keep in common what they do not change.
    pub(crate) fn share(&mut self) {
        self.rows.share();
        self.ring.share();
    }
}

#[cfg(test)]
mod tests;
