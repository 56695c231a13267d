//! Queries: questions to every member that passes the filters, and the way of the answers back.
//!
//! Source: Serf, queries. A query travels like a user event; acks and answers come back in datagrams of their own, to
//! the address that the query names. Names that start with `_serf_` are answered by the node itself, see `internal`.

mod answer;
mod ask;
mod relay;
mod ring;

use std::collections::BTreeMap;

use answer::Open;
pub(super) use answer::{Asked, Holder, response_fits, send_response};
use ask::Own;
pub(super) use ask::Purpose;
use ring::{Place, Ring};

use crate::ids::QueryId;
use crate::serf::clock::LamportClock;
use crate::serf::filter::Patterns;
use crate::stats::{DropReason, Stats, bump};

/// Start of the names that the application never sees.
pub(super) const INTERNAL_PREFIX: &str = "_serf_";
/// Largest message of this layer that is taken in or passed on, in bytes: more fits no datagram.
const MESSAGE_BYTES_MAX: usize = 65_000;

/// Query state of one node.
#[derive(Debug)]
pub(crate) struct Queries {
    clock: LamportClock,
    /// Queries before this time are not wanted (set by a snapshot).
    ltime_min: u64,
    ring: Ring,
    /// Own queries under way, by Lamport time: no two own ones share one.
    own: BTreeMap<u64, Own>,
    /// Delivered queries whose deadline has not passed.
    open: BTreeMap<QueryId, Open>,
    /// Tag expressions of received queries.
    patterns: Patterns,
}

impl Queries {
    pub(crate) fn new(slots: u32) -> Self {
        Self {
            clock: LamportClock::default(),
            ltime_min: 0,
            ring: Ring::new(slots),
            own: BTreeMap::new(),
            open: BTreeMap::new(),
            patterns: Patterns::default(),
        }
    }

    /// The query clock: the time the next own query will carry.
    pub(crate) fn time(&self) -> u64 {
        self.clock.time()
    }

    /// Queries before this time are not wanted.
    #[cfg(test)]
    pub(crate) fn ltime_min(&self) -> u64 {
        self.ltime_min
    }

    /// A peer's query clock showed `next`.
    pub(crate) fn witness_next(&mut self, next: u64) -> bool {
        self.clock.witness_next(next)
    }

    /// Goes on from `last`, the last time used before a restart; older queries were delivered then. Returns what was
    /// believed of it.
    pub(crate) fn restore(&mut self, last: u64) -> u64 {
        let last = self.clock.restore(last);
        self.ltime_min = last + 1;
        last
    }

    /// Looks at a query; true if it is new and wanted.
    fn accept(&mut self, query: QueryId, stats: &mut Stats) -> bool {
        // Witnessed before any other check: the clock moves even for queries that are refused.
        if !self.clock.witness(query.ltime) {
            stats.drop(DropReason::LamportTime);
            return false;
        }
        let oldest = self.clock.time().saturating_sub(u64::from(self.ring.slots()));
        if query.ltime < self.ltime_min || query.ltime < oldest {
            stats.drop(DropReason::QueryTooOld);
            return false;
        }
        match self.ring.insert(query) {
            Place::New => {
                bump(&mut stats.queries_accepted);
                true
            }
            Place::Known => {
                bump(&mut stats.query_duplicates);
                false
            }
            Place::Full => {
                stats.drop(DropReason::QueriesFull);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests;
