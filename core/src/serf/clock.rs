//! Lamport clocks.

/// Values from here on are refused: witnessing 2^64-1 would wrap the clock to zero and reset the cluster's order.
pub(crate) const LTIME_LIMIT: u64 = 1 << 56;

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

    /// Moves past a seen value. Returns false, unchanged, for a value beyond any sane clock.
    pub(crate) fn witness(&mut self, seen: u64) -> bool {
        if seen >= LTIME_LIMIT {
            return false;
        }
        self.0 = self.0.max(seen + 1);
        true
    }
}

#[cfg(test)]
mod tests {
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
    }
}
