//! Lamport clocks.

/// Values from here on are refused: witnessing 2^64-1 would wrap the clock to zero and reset the cluster's order. Rows
/// keep 56 bits for a Lamport time, and no cluster counts that far.
pub(crate) const LTIME_LIMIT: u64 = 1 << 56;
/// Values below are always believed. One forged time may bring everybody here; as many numbers are left above.
const SANE_MAX: u64 = 1 << 55;
/// What a fresh clock believes: it joins a cluster that may have been brought to [`SANE_MAX`] before.
const FRESH_MAX: u64 = SANE_MAX + (1 << 54);
/// How far one message may move a clock above [`SANE_MAX`]: forged times must not use up the numbers that are left.
const JUMP_MAX: u64 = 1 << 24;

/// A logical clock. A fresh node's clock shows 1, so its first message has Lamport time 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LamportClock(u64);

impl Default for LamportClock {
    fn default() -> Self {
        Self(1)
    }
}

impl LamportClock {
    /// The current value: what the next own message will carry.
    pub(crate) fn time(self) -> u64 {
        self.0
    }

    /// Moves on by one.
    pub(crate) fn increment(&mut self) {
        self.0 += 1;
    }

    /// Whether no own message can carry the time any more.
    pub(crate) fn is_exhausted(self) -> bool {
        self.0 >= LTIME_LIMIT
    }

    /// Goes on from `last`, the last time used before a restart. Returns it, or 0 if it is beyond any sane clock.
    pub(crate) fn restore(&mut self, last: u64) -> u64 {
        if self.witness(last) { last } else { 0 }
    }

    /// A peer's clock showed `next`, the value of its next own message; 0 says nothing.
    pub(crate) fn witness_next(&mut self, next: u64) -> bool {
        next == 0 || self.witness(next - 1)
    }

    /// Moves past a seen value. Returns false for a value beyond any sane clock. If its sender may only be ahead because
    /// of a forged time, the clock moves close enough to understand it from the next message on.
    pub(crate) fn witness(&mut self, seen: u64) -> bool {
        let believed = if self.0 <= 1 { FRESH_MAX } else { SANE_MAX.max(self.0 + JUMP_MAX) };
        if seen >= believed.min(LTIME_LIMIT) {
            if (SANE_MAX..FRESH_MAX).contains(&seen) {
                self.0 = self.0.max(SANE_MAX);
            }
            return false;
        }
        self.0 = self.0.max(seen + 1);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn witnessing_moves_past_what_was_seen_and_never_back() {
        let mut clock = LamportClock::default();
        assert!(clock.witness(41));
        assert_eq!(clock.time(), 42);
        assert!(clock.witness(7));
        assert_eq!(clock.time(), 42);
        clock.increment();
        assert_eq!(clock.time(), 43);
    }

    #[test]
    fn a_forged_time_cannot_reset_the_clock() {
        let mut clock = LamportClock::default();
        assert!(!clock.witness(u64::MAX));
        assert!(!clock.witness(LTIME_LIMIT));
        assert_eq!(clock.time(), 1);
        assert!(!clock.witness(FRESH_MAX));
        assert!(clock.witness(41));
        assert!(!clock.witness(SANE_MAX), "no cluster counts that far");
    }

    #[test]
    fn a_forged_time_does_not_use_up_the_numbers() {
        let (mut victim, mut newcomer) = (LamportClock::default(), LamportClock::default());
        assert!(victim.witness(SANE_MAX - 1));
        // The cluster goes on counting from there, and believes itself.
        victim.increment();
        assert!(victim.witness(victim.time() + 1));
        assert!(newcomer.witness(victim.time()));
        assert!(!victim.is_exhausted());
        assert!(!victim.witness(victim.time() + JUMP_MAX), "too far at once");
    }

    #[test]
    fn who_alone_believed_a_forged_time_is_understood_from_its_second_message_on() {
        let (mut victim, mut peer) = (LamportClock::default(), LamportClock::default());
        assert!(victim.witness(SANE_MAX - 1) && peer.witness(41));
        assert!(!peer.witness(victim.time()));
        victim.increment();
        assert!(peer.witness(victim.time()));
    }

    proptest! {
        /// Against the plainest model: the clock is one more than the greatest time it has seen or used.
        #[test]
        fn the_clock_is_one_more_than_the_greatest_time(
            steps in prop::collection::vec(prop::option::of(0..5_000_u64), 0..50),
        ) {
            let (mut clock, mut greatest) = (LamportClock::default(), 0);
            for step in steps {
                match step {
                    Some(seen) => {
                        prop_assert!(clock.witness(seen));
                        greatest = greatest.max(seen);
                    }
                    None => {
                        greatest = clock.time();
                        clock.increment();
                    }
                }
                prop_assert_eq!(clock.time(), greatest + 1);
            }
        }
    }
}
