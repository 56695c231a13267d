//! Timers of one node: a table for the fixed ones, an ordered set for the keyed ones.

use std::collections::BTreeSet;

use crate::ids::{NodeId, OpId, QueryId, StreamId};
use crate::time::Instant;

/// Which timer asks for the next wake-up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TimerKind {
    /// The running probe's direct wait or its window ends.
    ProbeWindow,
    /// The next probe is due.
    ProbeTick,
    /// The next gossip is due.
    Gossip,
    /// The next full state exchange is due.
    PushPull,
    /// The next search for records to erase is due.
    Reap,
    /// The next attempt to reach a failed member is due.
    Reconnect,
    /// The next look at members that the snapshot remembers is due.
    Rejoin,
    /// The next look at the depth of the queues is due.
    QueueCheck,
    /// Collected member events are due.
    Coalesce,
    /// Collected user events are due.
    UserCoalesce,
    /// The member clock is to be recorded in the snapshot.
    SnapshotClock,
    /// The next step of a leave is due: it gives up waiting for a broadcast, or its last wait is over.
    Leave,
    /// A command gives up waiting for its broadcast.
    Broadcast(OpId),
    /// A pruned member is to be erased.
    Prune(NodeId),
    /// An own query ends.
    QueryEnd(QueryId),
    /// A delivered query can no longer be answered.
    QueryExpiry(QueryId),
    /// A suspicion expires.
    Suspicion(NodeId),
    /// A relayed probe was not answered in time; the number is the relay's own.
    Relay(u32),
    /// A stream's deadline.
    Stream(StreamId),
}

const FIXED: [TimerKind; 12] = [
    TimerKind::ProbeWindow,
    TimerKind::ProbeTick,
    TimerKind::Gossip,
    TimerKind::PushPull,
    TimerKind::Reap,
    TimerKind::Reconnect,
    TimerKind::Rejoin,
    TimerKind::QueueCheck,
    TimerKind::Coalesce,
    TimerKind::UserCoalesce,
    TimerKind::SnapshotClock,
    TimerKind::Leave,
];

/// All timers of one node.
#[derive(Debug)]
pub(crate) struct Timers {
    fixed: [Instant; FIXED.len()],
    /// A bit for each fixed timer that is set: mostly two or three are.
    set: u16,
    /// Sends block: whichever loop sends next gets stuck in it.
    sends_block: bool,
    /// A bit for each fixed timer whose loop is stuck.
    stuck: u16,
    keyed: BTreeSet<(Instant, TimerKind)>,
    /// The first of them, at hand: it is asked for after every input.
    first: Option<(Instant, TimerKind)>,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            fixed: [Instant::MAX; FIXED.len()],
            set: 0,
            sends_block: false,
            stuck: 0,
            keyed: BTreeSet::new(),
            first: None,
        }
    }
}

impl Timers {
    /// The earliest timer; equal times go by the order of [`TimerKind`].
    pub(crate) fn next(&self) -> Option<(Instant, TimerKind)> {
        let mut best = self.first;
        let mut left = self.set & !self.stuck;
        while left != 0 {
            let slot = left.trailing_zeros() as usize;
            left &= left - 1;
            let timer = (self.fixed[slot], FIXED[slot]);
            if best.is_none_or(|earliest| timer < earliest) {
                best = Some(timer);
            }
        }
        best
    }

    /// When a fixed timer is due.
    #[cfg(test)]
    pub(crate) fn next_of(&self, kind: TimerKind) -> Option<(Instant, TimerKind)> {
        self.is_set(kind).then(|| (self.fixed[Self::slot(kind)], kind))
    }

    /// How many keyed timers are set.
    #[cfg(test)]
    pub(crate) fn keyed_len(&self) -> usize {
        self.keyed.len()
    }

    /// Sets a fixed timer, replacing its earlier setting.
    pub(crate) fn set(&mut self, kind: TimerKind, at: Instant) {
        let slot = Self::slot(kind);
        self.fixed[slot] = at;
        self.set |= 1 << slot;
    }

    /// Switches a fixed timer off.
    pub(crate) fn clear(&mut self, kind: TimerKind) {
        self.set &= !(1 << Self::slot(kind));
    }

    /// Whether a fixed timer is set.
    pub(crate) fn is_set(&self, kind: TimerKind) -> bool {
        self.set & (1 << Self::slot(kind)) != 0
    }

    /// Adds a keyed timer. The owner remembers `at`, it is needed to cancel.
    pub(crate) fn add(&mut self, at: Instant, kind: TimerKind) {
        self.keyed.insert((at, kind));
        if self.first.is_none_or(|first| (at, kind) < first) {
            self.first = Some((at, kind));
        }
    }

    /// Removes a keyed timer; no effect if it already fired, or for a fixed one.
    pub(crate) fn cancel(&mut self, at: Instant, kind: TimerKind) {
        self.keyed.remove(&(at, kind));
        if self.first == Some((at, kind)) {
            self.first = self.keyed.first().copied();
        }
    }

    /// Whether sends block from now on. When they do no longer, stuck loops go on at once: first the probe, which has
    /// been judged by the clock meanwhile, then the tick of gossip that was missed.
    pub(crate) fn set_sends_block(&mut self, on: bool, now: Instant) {
        self.sends_block = on;
        if !on {
            self.stuck = 0;
            let gossip = &mut self.fixed[Self::slot(TimerKind::Gossip)];
            *gossip = (*gossip).max(now);
        }
    }

    /// The loop of this timer has sent something.
    pub(crate) fn sent(&mut self, kind: TimerKind) {
        if self.sends_block {
            self.stuck |= match kind {
                // One loop begins a probe, asks others and judges.
                TimerKind::ProbeTick | TimerKind::ProbeWindow => {
                    1 << Self::slot(TimerKind::ProbeTick) | 1 << Self::slot(TimerKind::ProbeWindow)
                }
                TimerKind::Gossip | TimerKind::PushPull => 1 << Self::slot(kind),
                TimerKind::Reap
                | TimerKind::Reconnect
                | TimerKind::Rejoin
                | TimerKind::QueueCheck
                | TimerKind::Coalesce
                | TimerKind::UserCoalesce
                | TimerKind::SnapshotClock
                | TimerKind::Leave
                | TimerKind::Broadcast(_)
                | TimerKind::Prune(_)
                | TimerKind::QueryEnd(_)
                | TimerKind::QueryExpiry(_)
                | TimerKind::Suspicion(_)
                | TimerKind::Relay(_)
                | TimerKind::Stream(_) => 0,
            };
        }
    }

    fn slot(kind: TimerKind) -> usize {
        match kind {
            TimerKind::ProbeWindow => 0,
            TimerKind::ProbeTick => 1,
            TimerKind::Gossip => 2,
            TimerKind::PushPull => 3,
            TimerKind::Reap => 4,
            TimerKind::Reconnect => 5,
            TimerKind::Rejoin => 6,
            TimerKind::QueueCheck => 7,
            TimerKind::Coalesce => 8,
            TimerKind::UserCoalesce => 9,
            TimerKind::SnapshotClock => 10,
            TimerKind::Leave => 11,
            TimerKind::Broadcast(_)
            | TimerKind::Prune(_)
            | TimerKind::QueryEnd(_)
            | TimerKind::QueryExpiry(_)
            | TimerKind::Suspicion(_)
            | TimerKind::Relay(_)
            | TimerKind::Stream(_) => unreachable!("keyed timers have no slot in the table"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn the_earliest_timer_is_next_whatever_its_kind() {
        let mut timers = Timers::default();
        assert_eq!(timers.next(), None);
        timers.set(TimerKind::Gossip, at(9));
        timers.add(at(5), TimerKind::Suspicion(NodeId(1)));
        assert_eq!(timers.next(), Some((at(5), TimerKind::Suspicion(NodeId(1)))));
        timers.cancel(at(5), TimerKind::Suspicion(NodeId(1)));
        assert_eq!(timers.next(), Some((at(9), TimerKind::Gossip)));
        timers.clear(TimerKind::Gossip);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn a_loop_that_is_stuck_in_a_send_misses_its_ticks_and_goes_on_later() {
        let mut timers = Timers::default();
        timers.set(TimerKind::ProbeTick, at(5));
        timers.set(TimerKind::ProbeWindow, at(7));
        timers.set(TimerKind::Gossip, at(6));
        timers.add(at(9), TimerKind::Suspicion(NodeId(1)));
        timers.sent(TimerKind::Gossip);
        assert_eq!(timers.next(), Some((at(5), TimerKind::ProbeTick)), "sends do not block");
        timers.set_sends_block(true, at(1));
        timers.sent(TimerKind::ProbeTick);
        timers.sent(TimerKind::Gossip);
        assert_eq!(timers.next(), Some((at(9), TimerKind::Suspicion(NodeId(1)))));
        timers.set_sends_block(false, at(20));
        assert_eq!(timers.next(), Some((at(5), TimerKind::ProbeTick)));
        timers.clear(TimerKind::ProbeTick);
        assert_eq!(timers.next(), Some((at(7), TimerKind::ProbeWindow)));
        timers.clear(TimerKind::ProbeWindow);
        timers.cancel(at(9), TimerKind::Suspicion(NodeId(1)));
        assert_eq!(timers.next(), Some((at(20), TimerKind::Gossip)), "now, and once");
    }

    #[test]
    fn a_probe_window_ends_before_the_next_probe_starts() {
        let mut timers = Timers::default();
        timers.set(TimerKind::ProbeTick, at(5));
        timers.set(TimerKind::ProbeWindow, at(5));
        assert_eq!(timers.next(), Some((at(5), TimerKind::ProbeWindow)));
    }
}
