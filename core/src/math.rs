//! The protocol's formulas. Integers where possible; logarithms come from a software library, so every machine agrees.

use crate::time::MILLISECOND;

/// How often one broadcast is sent before it is finished: `mult * ceil(log10(n + 1))`.
///
/// `n` counts every record, self, suspects, dead and left included. Source: memberlist, transmit limit.
#[must_use]
pub fn retransmit_limit(mult: u32, n: usize) -> u32 {
    let target = n as u64 + 1;
    let (mut digits, mut power) = (0, 1_u64);
    while power < target {
        power = power.saturating_mul(10);
        digits += 1;
    }
    mult.saturating_mul(digits)
}

/// How long a query waits by default, in nanoseconds: `gossip_interval * mult * ceil(log10(n + 1))`.
///
/// `n` counts the members that SWIM has as alive, self and suspects included. Source: Serf, sending queries.
#[must_use]
pub fn query_timeout(gossip_interval: u64, mult: u32, n: usize) -> u64 {
    gossip_interval.saturating_mul(retransmit_limit(mult, n).into())
}

/// Push/pull period in nanoseconds for `n` members: the base up to 32 members, then one base more per doubling.
#[must_use]
pub fn push_pull_interval(base: u64, n: usize) -> u64 {
    const THRESHOLD: u64 = 32;
    let (mut factor, mut reach) = (1, THRESHOLD);
    while reach < n as u64 {
        reach = reach.saturating_mul(2);
        factor += 1;
    }
    base.saturating_mul(factor)
}

/// Shortest suspicion timeout in nanoseconds: `mult * max(1, log10(n)) * probe_interval`, the factor in thousandths.
#[must_use]
pub fn suspicion_timeout(mult: u32, n: usize, probe_interval: u64) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "member counts are far below 2^52")]
    let scale = libm::log10(n.max(1) as f64).max(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1,000 and 20,000; cutting off is the formula"
    )]
    let thousandths = (scale * 1_000.0) as u64;
    u64::from(mult).saturating_mul(thousandths).saturating_mul(probe_interval) / 1_000
}

/// Total suspicion timeout in nanoseconds after `confirmations` of `confirmations_max` independent confirmations.
///
/// Falls from `max` to `min` with the logarithm of the confirmations, in whole milliseconds. Source: Lifeguard,
/// LHA-Suspicion.
#[must_use]
pub fn shrunk_suspicion(min: u64, max: u64, confirmations: u32, confirmations_max: u32) -> u64 {
    if confirmations_max == 0 {
        return min;
    }
    let fraction =
        libm::log(f64::from(confirmations) + 1.0) / libm::log(f64::from(confirmations_max) + 1.0);
    let seconds = |nanos: u64| {
        #[expect(clippy::cast_precision_loss, reason = "timeouts are far below 2^52 ns * 1000")]
        let nanos = nanos as f64;
        nanos / 1e9
    };
    let timeout = seconds(max) - fraction * (seconds(max) - seconds(min));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates and whole milliseconds are the formula"
    )]
    let millis = libm::floor(timeout * 1_000.0) as u64;
    millis.saturating_mul(MILLISECOND).max(min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transmit_limit_steps_at_powers_of_ten() {
        let limits: Vec<_> =
            [0, 1, 9, 10, 99, 100, 999, 1_000].map(|n| retransmit_limit(4, n)).into();
        assert_eq!(limits, [0, 4, 4, 8, 8, 12, 12, 16]);
    }

    #[test]
    fn push_pull_slows_down_with_every_doubling() {
        let factors: Vec<_> =
            [1, 32, 33, 64, 65, 128, 1_000, 10_000].map(|n| push_pull_interval(1, n)).into();
        assert_eq!(factors, [1, 1, 2, 2, 3, 3, 6, 10]);
    }

    #[test]
    fn suspicion_timeouts_of_the_profiles() {
        let second = 1_000_000_000;
        assert_eq!(suspicion_timeout(4, 3, second), 4 * second);
        assert_eq!(suspicion_timeout(4, 100, second), 8 * second);
        assert_eq!(suspicion_timeout(6, 100, 5 * second), 60 * second);
    }

    #[test]
    fn confirmations_shrink_the_suspicion() {
        let ms =
            |c, k| shrunk_suspicion(4_000 * MILLISECOND, 24_000 * MILLISECOND, c, k) / MILLISECOND;
        assert_eq!([ms(0, 2), ms(1, 2), ms(2, 2)], [24_000, 11_381, 4_000]);
        assert_eq!(ms(0, 0), 4_000);
    }
}
