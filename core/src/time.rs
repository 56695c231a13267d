//! `Instant`, the only clock value the core knows.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

/// Nanoseconds in one second.
pub const SECOND: u64 = 1_000_000_000;
/// Nanoseconds in one millisecond.
pub const MILLISECOND: u64 = 1_000_000;

/// A point on a node's own monotonic clock: nanoseconds since an origin the driver picks.
///
/// Range: 0 to 2^64-1 ns (about 584 years). Arithmetic saturates.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The origin.
    pub const ZERO: Self = Self(0);
    /// The last representable point; used as "never".
    pub const MAX: Self = Self(u64::MAX);

    /// The point `nanos` nanoseconds after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Nanoseconds from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub const fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// `self` moved forward by `nanos` nanoseconds, saturating.
    #[must_use]
    pub const fn plus_nanos(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        self.plus_nanos(duration_nanos(rhs))
    }
}

impl Sub for Instant {
    type Output = Duration;
    fn sub(self, rhs: Self) -> Duration {
        Duration::from_nanos(self.nanos_since(rhs))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}s", self.0 / SECOND, self.0 % SECOND)
    }
}

/// A duration as whole nanoseconds, saturating at 2^64-1.
#[must_use]
pub fn duration_nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The first instant after `now` that is congruent to `phase` modulo `interval` nanoseconds.
pub(crate) fn next_tick(now: Instant, interval: u64, phase: u64) -> Instant {
    let (since, phase) = (now.as_nanos() % interval, phase % interval);
    let wait = if phase > since { phase - since } else { interval - (since - phase) };
    now.plus_nanos(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_keep_their_phase_and_are_never_now() {
        let next = |now, phase| next_tick(Instant::from_nanos(now), 200, phase).as_nanos();
        assert_eq!(next(0, 50), 50);
        assert_eq!(next(50, 50), 250);
        assert_eq!(next(199, 50), 250);
        assert_eq!(next(250, 0), 400);
    }

    #[test]
    fn differences_never_go_below_zero() {
        let (early, late) = (Instant::from_nanos(5), Instant::from_nanos(9));
        assert_eq!(early.nanos_since(late), 0);
        assert_eq!(late - early, Duration::from_nanos(4));
    }

    #[test]
    fn addition_saturates() {
        assert_eq!(Instant::MAX + Duration::from_secs(1), Instant::MAX);
    }

    #[test]
    fn prints_as_a_plain_number_of_seconds() {
        assert_eq!(format!("{:?}", Instant::from_nanos(1_500_000_000)), "1.500000000s");
    }
}
