//! The rows of a member table: 16 bytes for each member, or next to nothing while they are those of everybody.
//!
//! Nodes that start warm know the same. They share one list of rows, and each keeps only the rows that differ from it;
//! once many do, it takes a list of its own. What a row is never depends on where it is kept.

use std::sync::Arc;

use super::{Member, Record};
use crate::idmap::IdMap;
use crate::pool::{NodeId, ProfileId};
use crate::trace::{MemberState, MemberStatus};

/// What one observer keeps about one subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Row {
    /// [`ABSENT`] while the observer does not know the subject.
    profile: u32,
    incarnation: u32,
    /// SWIM state in the low 4 bits ([`NO_STATE`]: no SWIM record), Serf status in the next 4 (0: no Serf record), then
    /// the status Lamport time.
    bits: u64,
}

const ABSENT: u32 = u32::MAX;
const NO_STATE: u64 = 0xf;
const STATE_MASK: u64 = 0xf;
const STATUS_SHIFT: u32 = 4;
const LTIME_SHIFT: u32 = 8;
const _: () = assert!(size_of::<Row>() == 16, "ten thousand nodes may hold a hundred million rows");

impl Row {
    /// Nothing is known.
    pub(super) const NONE: Self = Self { profile: ABSENT, incarnation: 0, bits: NO_STATE };

    /// The SWIM part.
    #[inline]
    pub(super) fn member(self) -> Option<Member> {
        let state = match self.bits & STATE_MASK {
            0 => MemberState::Alive,
            1 => MemberState::Suspect,
            2 => MemberState::Dead,
            3 => MemberState::Left,
            _ => return None,
        };
        Some(Member { profile: ProfileId(self.profile), incarnation: self.incarnation, state })
    }

    /// The Serf part.
    #[inline]
    pub(super) fn record(self) -> Option<Record> {
        let status = match (self.bits >> STATUS_SHIFT) & STATE_MASK {
            1 => MemberStatus::Alive,
            2 => MemberStatus::Leaving,
            3 => MemberStatus::Left,
            4 => MemberStatus::Failed,
            _ => return None,
        };
        Some(Record { profile: ProfileId(self.profile), status, ltime: self.bits >> LTIME_SHIFT })
    }

    /// The profile, if anything is kept at all.
    pub(super) fn profile(self) -> Option<ProfileId> {
        (self.profile != ABSENT).then_some(ProfileId(self.profile))
    }

    /// The same with another SWIM part.
    pub(super) fn with_member(self, member: Member) -> Self {
        Self {
            profile: member.profile.0,
            incarnation: member.incarnation,
            bits: (self.bits & !STATE_MASK) | member.state as u64,
        }
    }

    /// The same without a SWIM part.
    pub(super) fn without_member(self) -> Self {
        if self.record().is_none() {
            return Self::NONE;
        }
        Self { bits: self.bits | NO_STATE, ..self }
    }

    /// The same with another Serf part.
    pub(super) fn with_record(self, status: MemberStatus, ltime: u64) -> Self {
        debug_assert!(self.profile != ABSENT, "there is no profile to keep a record of");
        debug_assert!(ltime < 1 << (u64::BITS - LTIME_SHIFT), "Lamport time out of range");
        let bits =
            (self.bits & STATE_MASK) | ((status as u64) << STATUS_SHIFT) | (ltime << LTIME_SHIFT);
        Self { bits, ..self }
    }

    /// The same without a Serf part.
    pub(super) fn without_record(self) -> Self {
        let rest = Self { bits: self.bits & STATE_MASK, ..self };
        if rest.member().is_none() { Self::NONE } else { rest }
    }

    /// The same with another profile, as after a reap of the SWIM part.
    #[cfg(test)]
    pub(super) fn with_profile(self, profile: ProfileId) -> Self {
        Self { profile: profile.0, ..self }
    }
}

/// At most one row in so many may differ from the shared ones; an own list costs about what they do then.
const ONE_DIFFERS_IN: usize = 8;

/// Which ids may differ: a bit for every 64th. Mostly it says no, which spares a look at memory that is not at hand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traces(u64);

impl Traces {
    fn note(&mut self, id: NodeId) {
        self.0 |= 1 << (id.0 % u64::BITS);
    }

    fn may_have(self, id: NodeId) -> bool {
        self.0 & (1 << (id.0 % u64::BITS)) != 0
    }
}

/// The rows of one table, by id.
#[derive(Clone, Debug)]
pub(super) enum Rows {
    /// A list of its own.
    Own(Vec<Row>),
    /// Those of everybody, but for a few.
    Shared {
        base: Arc<[Row]>,
        differing: IdMap<Row>,
        /// Where to look in `differing` at all.
        traces: Traces,
        /// As long as an own list would be: ids beyond `base` are in `differing`, or unknown.
        len: usize,
    },
}

impl Default for Rows {
    fn default() -> Self {
        Self::Own(Vec::new())
    }
}

impl Rows {
    /// The row of `id`; [`Row::NONE`] beyond the end.
    #[inline]
    pub(super) fn get(&self, id: NodeId) -> Row {
        let row = match self {
            Self::Own(rows) => rows.get(id.index()),
            Self::Shared { base, traces, .. } if !traces.may_have(id) => base.get(id.index()),
            Self::Shared { base, differing, .. } => {
                differing.get(&id).or_else(|| base.get(id.index()))
            }
        };
        row.copied().unwrap_or(Row::NONE)
    }

    /// Replaces the row of `id`, which must lie below [`Rows::len`].
    pub(super) fn set(&mut self, id: NodeId, row: Row) {
        match self {
            Self::Own(rows) => rows[id.index()] = row,
            Self::Shared { base, differing, traces, len } => {
                debug_assert!(id.index() < *len, "{id:?} is beyond the end");
                if base.get(id.index()).copied().unwrap_or(Row::NONE) == row {
                    differing.remove(&id);
                } else {
                    differing.insert(id, row);
                    traces.note(id);
                }
                if differing.len() > *len / ONE_DIFFERS_IN {
                    let mut rows = base.to_vec();
                    rows.resize(*len, Row::NONE);
                    for (id, row) in differing.drain() {
                        rows[id.index()] = row;
                    }
                    *self = Self::Own(rows);
                }
            }
        }
    }

    /// One more than the greatest id that has room.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Own(rows) => rows.len(),
            Self::Shared { len, .. } => *len,
        }
    }

    /// Makes room for ids below `len`.
    pub(super) fn grow(&mut self, len: usize) {
        match self {
            Self::Own(rows) => {
                rows.reserve_exact(len.saturating_sub(rows.len()));
                rows.resize(len.max(rows.len()), Row::NONE);
            }
            Self::Shared { len: now, .. } => *now = len.max(*now),
        }
    }

    /// Every row of which anything is known, by id, and perhaps some that say nothing.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, Row)> {
        let (list, differing) = match self {
            Self::Own(rows) => (&rows[..], None),
            Self::Shared { base, differing, .. } => (&base[..], Some(differing)),
        };
        let mut own: Vec<(NodeId, Row)> =
            differing.into_iter().flatten().map(|(&id, &row)| (id, row)).collect();
        own.sort_unstable_by_key(|(id, _)| *id);
        let beyond = own.split_off(own.partition_point(|(id, _)| id.index() < list.len()));
        let mut own = own.into_iter();
        let mut next = own.next();
        let merged = (0..).map(NodeId).zip(list).map(move |(id, row)| match next {
            Some((differs, row)) if differs == id => {
                next = own.next();
                (id, row)
            }
            Some(_) | None => (id, *row),
        });
        merged.chain(beyond)
    }

    /// Turns an own list into one that clones share.
    pub(super) fn share(&mut self) {
        if let Self::Own(rows) = self {
            let (len, base) = (rows.len(), core::mem::take(rows).into());
            let (differing, traces) = (IdMap::default(), Traces::default());
            *self = Self::Shared { base, differing, traces, len };
        }
    }
}
