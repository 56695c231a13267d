//! One-way delays, and the quantile table of a log-normal one.

use std::sync::Arc;

use super::document::Value;
use super::field::Field;
use super::problem::Problems;
use super::units::{DURATION_MAX, PPM, format_duration};
use crate::scenario::{Latency, Link, Nanos};

impl Latency {
    /// The mean of what is drawn, in nanoseconds.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match self {
            Self::Constant(nanos) => float(*nanos),
            Self::Uniform { low, high } => f64::midpoint(float(*low), float(*high)),
            Self::LogNormal { median, table, .. } => {
                if table.is_empty() {
                    return float(*median);
                }
                // 4,096 times 30 days fit 64 bits.
                let sum = table.iter().copied().fold(0, Nanos::saturating_add);
                wide(sum) / wide(table.len() as u64)
            }
        }
    }
}

impl Link {
    /// The mean time that a datagram takes which is not lost, in nanoseconds: latency, jitter, and what reordering adds.
    /// Of one that is duplicated, the first copy.
    #[must_use]
    pub fn mean_delay(&self) -> f64 {
        let held_back = float(self.reorder_delay) * f64::from(self.reorder_ppm) / f64::from(PPM);
        self.latency.mean() + float(self.jitter) / 2.0 + held_back
    }
}

/// Entries of a quantile table.
const TABLE_LEN: u32 = 4_096;
/// The 99th percentile of the standard normal distribution.
const Z99: f64 = 2.326_347_874_040_841;

/// Reads `"1ms"`, `{ low, high }` or `{ median, p99 }`.
pub(super) fn read(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<Latency> {
    if !matches!(field.item.value, Value::Table(_) | Value::Array(_)) {
        return field.duration(problems).map(Latency::Constant);
    }
    let wanted =
        "\"1ms\", { low = \"1ms\", high = \"2ms\" } or { median = \"1ms\", p99 = \"8ms\" }";
    let mut table = field.table(wanted, problems)?;
    let mut bound = |key| table.field(key).map(|field| field.duration(problems));
    let (low, high, median, p99) = (bound("low"), bound("high"), bound("median"), bound("p99"));
    let latency = match (low, high, median, p99) {
        (Some(low), Some(high), None, None) => {
            pair(field, (low?, "low"), (high?, "high"), problems)
                .map(|(low, high)| Latency::Uniform { low, high })
        }
        (None, None, Some(median), Some(p99)) => {
            pair(field, (median?, "median"), (p99?, "p99"), problems)
                .and_then(|(median, p99)| log_normal(field, median, p99, problems))
        }
        _ => {
            field.refuse(format!("must be {wanted}"), problems);
            None
        }
    };
    table.finish(&[], problems);
    latency
}

fn pair(
    field: &Field<'_>,
    low: (Nanos, &str),
    high: (Nanos, &str),
    problems: &mut Problems<'_>,
) -> Option<(Nanos, Nanos)> {
    if low.0 <= high.0 {
        return Some((low.0, high.0));
    }
    field.refuse(
        format!(
            "{} ({}) is above {} ({}): swap them",
            low.1,
            format_duration(low.0),
            high.1,
            format_duration(high.0)
        ),
        problems,
    );
    None
}

fn log_normal(
    field: &Field<'_>,
    median: Nanos,
    p99: Nanos,
    problems: &mut Problems<'_>,
) -> Option<Latency> {
    if median == 0 {
        field.refuse("median must be longer than \"0s\" for this distribution", problems);
        return None;
    }
    Some(Latency::LogNormal { median, p99, table: quantile_table(median, p99) })
}

/// Midpoint quantiles of the log-normal distribution through both values. Built with `libm` only, so every machine
/// gets the same table.
fn quantile_table(median: Nanos, p99: Nanos) -> Arc<[Nanos]> {
    let sigma = libm::log(float(p99) / float(median)) / Z99;
    (0..TABLE_LEN)
        .map(|index| {
            let probability = (f64::from(index) + 0.5) / f64::from(TABLE_LEN);
            let value = float(median) * libm::exp(sigma * normal_quantile(probability));
            nanos(libm::round(value))
        })
        .collect()
}

/// Inverse of the standard normal distribution, by bisection: slow, exact to the last bits, and needs no table of
/// coefficients.
pub(crate) fn normal_quantile(probability: f64) -> f64 {
    let below = |z: f64| 0.5 * libm::erfc(-z / core::f64::consts::SQRT_2);
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if below(middle) < probability {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

#[expect(clippy::cast_precision_loss, reason = "30 days in nanoseconds are below 2^53")]
fn float(nanos: Nanos) -> f64 {
    nanos as f64
}

/// As near as a double comes, which is nearer than a nanosecond here once it is divided.
#[expect(clippy::cast_precision_loss, reason = "a rounding of one part in 2^53")]
fn wide(sum: u64) -> f64 {
    sum as f64
}

#[expect(clippy::cast_possible_truncation, reason = "whole and within 30 days")]
#[expect(clippy::cast_sign_loss, reason = "exponentials are positive")]
fn nanos(value: f64) -> Nanos {
    value.min(float(DURATION_MAX)) as Nanos
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_goes_through_its_two_quantiles() {
        let table = quantile_table(1_000_000, 8_000_000);
        assert_eq!(table.len(), 4_096);
        assert!(table.is_sorted());
        let near = |index: usize, wanted: f64| (float(table[index]) / wanted - 1.0).abs();
        assert!(near(2_048, 1_000_000.0) < 0.001, "{}", table[2_048]);
        assert!(near(4_055, 8_000_000.0) < 0.01, "{}", table[4_055]);
    }

    #[test]
    fn means_are_those_of_what_is_drawn() {
        let table: Arc<[Nanos]> = (1..=4).collect();
        assert_eq!(Latency::Constant(7).mean(), 7.0);
        assert_eq!(Latency::Uniform { low: 3, high: 10 }.mean(), 6.5);
        assert_eq!(Latency::LogNormal { median: 2, p99: 4, table }.mean(), 2.5);
        let table = quantile_table(1_000_000, 8_000_000);
        let sigma = libm::log(8.0) / Z99;
        let latency = Latency::LogNormal { median: 1_000_000, p99: 8_000_000, table };
        let wanted = 1e6 * libm::exp(sigma * sigma / 2.0);
        assert!((latency.mean() / wanted - 1.0).abs() < 0.01, "{} {wanted}", latency.mean());
        let link = Link {
            latency: Latency::Constant(100),
            jitter: 10,
            loss_ppm: 500_000,
            duplicate_ppm: 0,
            reorder_ppm: 250_000,
            reorder_delay: 40,
            stream_loss: false,
        };
        assert_eq!(link.mean_delay(), 115.0);
        let mut rng = uwasa_core::rng::Rng::from_seed([4; 32]);
        let draws = 20_000;
        let sum: Nanos = (0..draws).map(|_| crate::net::draw_latency(&latency, &mut rng)).sum();
        assert!((float(sum / draws) / latency.mean() - 1.0).abs() < 0.05);
    }

    #[test]
    fn the_normal_quantile_inverts_known_values() {
        assert!((normal_quantile(0.99) - Z99).abs() < 1e-12);
        assert!(normal_quantile(0.5).abs() < 1e-12);
    }
}
