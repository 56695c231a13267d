//! What counts can prove: exact confidence limits for rates and shares.

use crate::outcome::count;

/// One minus the confidence of every limit here, one-sided.
const DOUBT: f64 = 0.05;

/// With 95 % confidence the expected number behind `seen` events of a Poisson process is at most this. For none seen it
/// is 3.0, the rule of three.
#[must_use]
pub fn poisson_upper(seen: usize) -> f64 {
    let at_most = |mean: f64| {
        let (mut term, mut sum) = (libm::exp(-mean), 0.0);
        for k in 0..=seen {
            sum += term;
            term *= mean / count(k + 1);
        }
        sum
    };
    let mut high = count(seen) + 5.0;
    while at_most(high) > DOUBT {
        high *= 2.0;
    }
    bisect(0.0, high, |mean| at_most(mean) > DOUBT)
}

/// With 95 % confidence the share behind `hits` of `n` independent trials is at most this (Clopper and Pearson); 1 without
/// a trial.
#[must_use]
pub fn binomial_upper(hits: usize, n: usize) -> f64 {
    if hits >= n {
        return 1.0;
    }
    let ln_choose = |k: f64| {
        libm::lgamma(count(n) + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(count(n) - k + 1.0)
    };
    let at_most = |share: f64| -> f64 {
        (0..=hits)
            .map(|k| {
                let (k, rest) = (count(k), count(n - k));
                libm::exp(ln_choose(k) + k * libm::log(share) + rest * libm::log1p(-share))
            })
            .sum()
    };
    bisect(0.0, 1.0, |share| at_most(share) > DOUBT)
}

/// Where `above` turns from true to false.
fn bisect(mut low: f64, mut high: f64, above: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if above(middle) { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published tables: Poisson limits at 95 % one-sided, Clopper-Pearson at the same.
    #[test]
    fn limits_are_those_of_the_tables() {
        for (seen, limit) in [(0, 2.996), (1, 4.744), (2, 6.296), (10, 16.962)] {
            assert!((poisson_upper(seen) - limit).abs() < 0.001, "{seen}: {}", poisson_upper(seen));
        }
        for (hits, n, limit) in [(0, 59, 0.0495), (0, 10, 0.2589), (1, 10, 0.3942), (5, 10, 0.7776)]
        {
            assert!((binomial_upper(hits, n) - limit).abs() < 0.0002, "{hits} of {n}");
        }
        assert!((binomial_upper(0, 0) - 1.0).abs() < 1e-12);
        assert!((binomial_upper(3, 3) - 1.0).abs() < 1e-12);
    }
}
