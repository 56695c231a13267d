//! The clock of a machine: a function from virtual time to the time that its processes read.
//!
//! Only the node sees local time. Whatever the world plans, measures and tells is in virtual time.

use crate::scenario::Nanos;

/// Parts of a rate, per million.
const PPM: i64 = 1_000_000;

/// A clock that never runs back. Integers only, so that every machine agrees.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Virtual time of the last change.
    since: Nanos,
    /// Local time then.
    base: Nanos,
    /// Local nanoseconds per million virtual ones; above 0.
    rate: u64,
    /// What each fault in force adds to the rate, in millionths.
    drifts: Vec<(u32, i32)>,
}

impl Default for Clock {
    fn default() -> Self {
        Self { since: 0, base: 0, rate: PPM.unsigned_abs(), drifts: Vec::new() }
    }
}

impl Clock {
    /// Local time at virtual time `now`, which must not be before the last change.
    pub(crate) fn local(&self, now: Nanos) -> Nanos {
        if self.rate == PPM.unsigned_abs() {
            return self.base.saturating_add(now - self.since);
        }
        let passed = u128::from(now - self.since) * u128::from(self.rate) / PPM as u128;
        self.base.saturating_add(Nanos::try_from(passed).unwrap_or(Nanos::MAX))
    }

    /// The first virtual time at which the clock shows `local` or more; not before the last change.
    pub(crate) fn virtual_time(&self, local: Nanos) -> Nanos {
        let ahead = local.saturating_sub(self.base);
        if self.rate == PPM.unsigned_abs() {
            return self.since.saturating_add(ahead);
        }
        let wait = (u128::from(ahead) * PPM as u128).div_ceil(u128::from(self.rate));
        self.since.saturating_add(Nanos::try_from(wait).unwrap_or(Nanos::MAX))
    }

    /// The clock is set forward.
    pub(crate) fn jump(&mut self, now: Nanos, by: Nanos) {
        self.rebase(now);
        self.base = self.base.saturating_add(by);
    }

    /// From now on the clock also runs fast by `ppm` millionths, or slow if it is negative, for the fault `key`.
    pub(crate) fn drift(&mut self, now: Nanos, key: u32, ppm: i32) {
        self.rebase(now);
        self.drifts.push((key, ppm));
        self.set_rate();
    }

    /// The drift of the fault `key` ends; the time that the clock shows stays as it is.
    pub(crate) fn steady(&mut self, now: Nanos, key: u32) {
        self.rebase(now);
        self.drifts.retain(|(fault, _)| *fault != key);
        self.set_rate();
    }

    fn rebase(&mut self, now: Nanos) {
        (self.base, self.since) = (self.local(now), now);
    }

    fn set_rate(&mut self) {
        let sum: i64 = self.drifts.iter().map(|(_, ppm)| i64::from(*ppm)).sum();
        self.rate = (PPM + sum).max(1).unsigned_abs();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const S: Nanos = 1_000_000_000;

    #[test]
    fn a_clock_without_faults_shows_virtual_time() {
        let clock = Clock::default();
        assert_eq!((clock.local(17), clock.virtual_time(17)), (17, 17));
        assert_eq!(clock.virtual_time(Nanos::MAX), Nanos::MAX);
    }

    #[test]
    fn what_a_drift_has_added_stays_when_it_ends() {
        let mut clock = Clock::default();
        clock.drift(10 * S, 0, 10_000);
        assert_eq!(clock.local(110 * S), 111 * S);
        clock.drift(110 * S, 1, -20_000);
        clock.steady(210 * S, 0);
        assert_eq!(clock.local(210 * S), 210 * S, "1 % up, then 1 % down");
        clock.steady(210 * S, 1);
        assert_eq!(clock.local(300 * S), 300 * S);
    }

    #[test]
    fn a_jump_makes_due_what_it_passes() {
        let mut clock = Clock::default();
        clock.jump(5 * S, 30 * S);
        assert_eq!(clock.local(5 * S), 35 * S);
        assert_eq!(clock.virtual_time(20 * S), 5 * S);
        assert_eq!(clock.virtual_time(36 * S), 6 * S);
    }

    proptest! {
        #[test]
        fn a_deadline_is_never_early_and_never_a_nanosecond_late(
            ppm in -900_000_i32..2_000_000,
            since in 0..1_000_000_000_000_u64,
            passed in 0..1_000_000_000_000_u64,
        ) {
            let mut clock = Clock::default();
            clock.drift(since, 0, ppm);
            let now = since + passed;
            prop_assert!(clock.local(now) <= clock.local(now + 1));
            let deadline = clock.local(now);
            let due = clock.virtual_time(deadline);
            prop_assert!(clock.local(due) >= deadline);
            prop_assert!(due == since || clock.local(due - 1) < deadline);
        }
    }
}
