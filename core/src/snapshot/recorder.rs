//! Which happenings are worth a record.

use core::net::SocketAddr;
use core::time::Duration;

use super::{Clocks, Record};

/// How long a moved member clock may stay unrecorded: if [`Recorder::clock_is_due`] after any input, the node calls
/// [`Recorder::clock_tick`] this much later. 500 ms.
pub const CLOCK_INTERVAL: Duration = Duration::from_millis(500);

/// Turns what happens to a node into records, each clock value at most once. `clock` is always the member clock as it
/// is after the happening: the time the next own intent will carry. Each call emits its records in order.
#[derive(Clone, Debug)]
pub struct Recorder {
    last: Clocks,
    left: bool,
}

impl Recorder {
    /// A recorder whose file says `last`: the clocks of [`Restored`](super::Restored) as far as the node accepted
    /// them, or the default without a file.
    #[must_use]
    pub const fn new(last: Clocks) -> Self {
        Self { last, left: false }
    }

    /// A member joined; this node's own join counts too.
    pub fn joined(
        &mut self,
        name: &str,
        addr: SocketAddr,
        clock: u64,
        mut emit: impl FnMut(Record),
    ) {
        if !self.left {
            emit(Record::Alive { name: name.into(), addr });
            self.clock_tick(clock, emit);
        }
    }

    /// A member left or failed.
    pub fn gone(&mut self, name: &str, clock: u64, mut emit: impl FnMut(Record)) {
        if !self.left {
            emit(Record::NotAlive { name: name.into() });
            self.clock_tick(clock, emit);
        }
    }

    /// A member was updated or reaped: only the clock counts.
    pub fn other_member_event(&mut self, clock: u64, emit: impl FnMut(Record)) {
        if !self.left {
            self.clock_tick(clock, emit);
        }
    }

    /// A user event was delivered.
    pub fn user_event(&mut self, ltime: u64, mut emit: impl FnMut(Record)) {
        if !self.left && ltime > self.last.event {
            self.last.event = ltime;
            emit(Record::EventClock(ltime));
        }
    }

    /// A query was delivered, possibly an internal one.
    pub fn query(&mut self, ltime: u64, mut emit: impl FnMut(Record)) {
        if !self.left && ltime > self.last.query {
            self.last.query = ltime;
            emit(Record::QueryClock(ltime));
        }
    }

    /// This node leaves gracefully. From now on only its clock is recorded.
    pub fn leave(&mut self, mut emit: impl FnMut(Record)) {
        if !self.left {
            self.left = true;
            emit(Record::Leave);
        }
    }

    /// Records the member clock if it moved: every [`CLOCK_INTERVAL`], and before the node is shut down.
    pub fn clock_tick(&mut self, clock: u64, mut emit: impl FnMut(Record)) {
        if self.clock_is_due(clock) {
            self.last.member = clock - 1;
            emit(Record::Clock(clock - 1));
        }
    }

    /// Whether the next clock tick has something to record.
    #[must_use]
    pub const fn clock_is_due(&self, clock: u64) -> bool {
        clock.saturating_sub(1) > self.last.member
    }
}
