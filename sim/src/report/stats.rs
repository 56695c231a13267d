//! Small arithmetic of the reports: quantiles, fans over seeds, thinning of curves.

use crate::scenario::Nanos;

/// Nanoseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "virtual time stays far below 2^53 ns")]
pub(crate) fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / 1e9
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn number(count: usize) -> f64 {
    count as f64
}

/// How many of the `audience` make up `permille` of it: rounded up, at least one.
fn needed(audience: u32, permille: u32) -> usize {
    let needed = (u64::from(audience) * u64::from(permille)).div_ceil(1_000).max(1);
    usize::try_from(needed).unwrap_or(usize::MAX)
}

/// The delay after which `permille` of `audience` had it; `None`: never. `delays` must be ascending.
pub(crate) fn reached(delays: &[Nanos], audience: u32, permille: u32) -> Option<Nanos> {
    delays.get(needed(audience, permille) - 1).copied()
}

/// Nearest-rank quantile of ascending numbers: always one that really occurred. `None` if there are none.
pub(crate) fn quantile(sorted: &[f64], permille: usize) -> Option<f64> {
    let rank = (sorted.len() * permille).div_ceil(1_000).max(1);
    sorted.get(rank - 1).copied()
}

/// What a band over seeds shows at one place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fan {
    /// 5th percentile.
    pub(crate) low: f64,
    /// Median.
    pub(crate) mid: f64,
    /// 95th percentile.
    pub(crate) high: f64,
}

/// The fan of some numbers, in any order; `None` if there are none.
pub(crate) fn fan(values: &mut [f64]) -> Option<Fan> {
    values.sort_by(f64::total_cmp);
    Some(Fan {
        low: quantile(values, 50)?,
        mid: quantile(values, 500)?,
        high: quantile(values, 950)?,
    })
}

/// `steps + 1` evenly spaced numbers from 0 to `end`.
pub(crate) fn grid(end: f64, steps: u32) -> impl Iterator<Item = f64> {
    (0..=steps).map(move |step| end * f64::from(step) / f64::from(steps))
}

/// The staircase of a cumulative distribution in percent of `total`, thinned to at most about `2 * limit` corners.
///
/// `sorted` holds the values that occurred; if there are fewer than `total`, the rest never did and the staircase
/// ends below 100 %. It starts at (0, 0) and its last step is drawn out to `end`.
pub(crate) fn staircase(sorted: &[f64], total: usize, end: f64, limit: usize) -> Vec<(f64, f64)> {
    let mut corners = vec![(0.0, 0.0)];
    let percent = |count: usize| 100.0 * number(count) / number(total.max(1));
    let stride = sorted.len().div_ceil(limit.max(1)).max(1);
    let mut height = 0.0;
    for (index, &value) in sorted.iter().enumerate() {
        let done = index + 1;
        if value > end || (done % stride != 0 && done != sorted.len()) {
            continue;
        }
        corners.push((value, height));
        height = percent(done);
        corners.push((value, height));
    }
    corners.push((end, height));
    corners
}

/// Groups neighbours into at most `limit` means; the second number is how many went into each but the last.
pub(crate) fn condense(values: &[f64], limit: usize) -> (Vec<f64>, usize) {
    let group = values.len().div_ceil(limit.max(1)).max(1);
    let means =
        values.chunks(group).map(|chunk| chunk.iter().sum::<f64>() / number(chunk.len())).collect();
    (means, group)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn quantile_is_the_smallest_value_that_covers_the_share(
            mut values in prop::collection::vec(0.0..1e3_f64, 1..60),
            permille in 0_usize..=1_000,
        ) {
            values.sort_by(f64::total_cmp);
            let got = quantile(&values, permille).unwrap();
            let covers = |bound: f64| values.iter().filter(|&&v| v <= bound).count() * 1_000;
            let naive = values.iter().copied().find(|&v| covers(v) >= values.len() * permille).unwrap();
            prop_assert_eq!(got.to_bits(), naive.to_bits());
        }

        #[test]
        fn reached_counts_heads(
            mut delays in prop::collection::vec(0_u64..1_000, 0..60),
            missing in 0_u32..5,
            permille in 1_u32..=1_000,
        ) {
            delays.sort_unstable();
            let audience = u32::try_from(delays.len()).unwrap() + missing;
            let covered = |bound: u64| {
                u64::try_from(delays.iter().filter(|&&d| d <= bound).count()).unwrap() * 1_000
                    >= u64::from(audience) * u64::from(permille)
            };
            prop_assert_eq!(
                reached(&delays, audience, permille),
                delays.iter().copied().find(|&d| covered(d))
            );
        }

        #[test]
        fn staircase_rises_and_stays_small(
            mut values in prop::collection::vec(0.0..10.0_f64, 0..3_000),
            never in 0_usize..10,
        ) {
            values.sort_by(f64::total_cmp);
            let total = values.len() + never;
            let stairs = staircase(&values, total, 8.0, 400);
            prop_assert!(stairs.len() <= 804);
            for pair in stairs.windows(2) {
                prop_assert!(pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1);
            }
            prop_assert!(stairs.iter().all(|&(x, y)| x <= 8.0 && y <= 100.0));
        }
    }

    #[test]
    fn fans_and_empty_input() {
        assert_eq!(fan(&mut []), None);
        assert_eq!(quantile(&[], 500), None);
        assert_eq!(reached(&[], 0, 500), None);
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(fan(&mut values), Some(Fan { low: 5.0, mid: 50.0, high: 95.0 }));
        assert_eq!(condense(&[1.0, 3.0, 5.0], 2), (vec![2.0, 5.0], 2));
        assert_eq!(grid(2.0, 2).collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
    }
}
