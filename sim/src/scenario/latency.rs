//! One-way delays, and the quantile table of a log-normal one.

use std::sync::Arc;

use super::document::Value;
use super::field::Field;
use super::problem::Problems;
use super::units::{DURATION_MAX, format_duration};
use crate::scenario::{Latency, Nanos};

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
fn normal_quantile(probability: f64) -> f64 {
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
    fn the_normal_quantile_inverts_known_values() {
        assert!((normal_quantile(0.99) - Z99).abs() < 1e-12);
        assert!(normal_quantile(0.5).abs() < 1e-12);
    }
}
