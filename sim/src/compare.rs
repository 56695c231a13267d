//! Two scenarios over the same seeds: paired differences with intervals, and what they mean in words.
//!
//! Seed `s` of one side is paired with seed `s` of the other. The effect is the mean of the paired differences; its
//! interval comes from a bootstrap with a fixed generator, so the same runs always give the same digits. Beside it stands
//! a sign test, which asks only in how many seeds which side was lower.

use serde::Serialize;
use uwasa_core::rng::Rng;

use crate::outcome::{Quantiles, count};
use crate::sweep::Figures;

/// Resamples of the bootstrap.
const RESAMPLES: usize = 4_000;
/// Ends of the interval, in thousandths of the sorted resamples.
const LOW: usize = 25;
const HIGH: usize = 975;
/// Fewer pairs than this make a bootstrap interval too narrow.
pub const PAIRS_WANTED: usize = 10;

/// One figure on both sides.
#[derive(Clone, Debug, Serialize)]
pub struct Metric {
    /// Its name: `crash.first`.
    pub name: String,
    /// Its unit: `s`, `B/s`, or nothing for counts.
    pub unit: &'static str,
    /// Quantiles over the seeds of A.
    pub a: Quantiles,
    /// Quantiles over the seeds of B.
    pub b: Quantiles,
    /// Mean paired difference, B minus A; `None`: no seed has the figure on both sides.
    pub effect: Option<Effect>,
    /// Seeds in which B is lower; a figure that is there is lower than one that never came.
    pub b_lower: usize,
    /// Seeds in which both are the same.
    pub equal: usize,
    /// Seeds in which B is higher.
    pub b_higher: usize,
    /// Two-sided sign test: how likely so uneven a count is if neither side tends to be lower.
    pub p: f64,
    /// The same as a sentence.
    pub words: String,
}

/// A mean paired difference with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// Pairs it is the mean of.
    pub pairs: usize,
    /// B minus A.
    pub mean: f64,
    /// Lower end; equal to the mean with a single pair.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// The mean in standard deviations of the differences (Cohen's d for pairs); `None` if they do not differ.
    pub standardised: Option<f64>,
}

/// Compares figures that were measured with the same seeds in the same order.
#[must_use]
pub fn compare(a: &[Figures], b: &[Figures]) -> Vec<Metric> {
    let (a, b) = (per_seed(a), per_seed(b));
    let both = a.iter().filter_map(|(name, left)| {
        let (_, right) = b.iter().find(|(known, _)| known == name)?;
        Some((name, left, right))
    });
    (0..).zip(both).map(|(stream, (name, left, right))| metric(stream, name, left, right)).collect()
}

/// Names of figures that only one side has: those of A, those of B.
#[must_use]
pub fn unpaired(a: &[Figures], b: &[Figures]) -> [Vec<String>; 2] {
    let (a, b) = (per_seed(a), per_seed(b));
    let only = |here: &[(String, Vec<Option<f64>>)], there: &[(String, Vec<Option<f64>>)]| {
        let missing = |name: &String| there.iter().all(|(known, _)| known != name);
        here.iter().map(|(name, _)| name.clone()).filter(missing).collect()
    };
    [only(&a, &b), only(&b, &a)]
}

/// One number per seed and figure: the mean of its samples, `None` if one of them never came.
fn per_seed(runs: &[Figures]) -> Vec<(String, Vec<Option<f64>>)> {
    let mut all: Vec<(String, Vec<Option<f64>>)> = Vec::new();
    for (index, run) in runs.iter().enumerate() {
        for (name, samples) in run.samples() {
            let known: Option<Vec<f64>> = samples.into_iter().collect();
            let mean = known.map(|known| mean(&known));
            let at = all.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
                all.push((name, vec![None; runs.len()]));
                all.len() - 1
            });
            all[at].1[index] = mean;
        }
    }
    all
}

fn metric(stream: u64, name: &str, a: &[Option<f64>], b: &[Option<f64>]) -> Metric {
    let (mut b_lower, mut equal, mut b_higher) = (0, 0, 0);
    let mut differences = Vec::new();
    for (left, right) in a.iter().zip(b) {
        match (left, right) {
            (Some(left), Some(right)) => {
                differences.push(right - left);
                match right.total_cmp(left) {
                    std::cmp::Ordering::Less => b_lower += 1,
                    std::cmp::Ordering::Equal => equal += 1,
                    std::cmp::Ordering::Greater => b_higher += 1,
                }
            }
            (Some(_), None) => b_higher += 1,
            (None, Some(_)) => b_lower += 1,
            (None, None) => equal += 1,
        }
    }
    let effect = effect(stream, &differences);
    let p = sign_test(b_lower, b_higher);
    let mut metric = Metric {
        name: name.to_owned(),
        unit: unit(name),
        a: Quantiles::of(a.iter().copied()),
        b: Quantiles::of(b.iter().copied()),
        effect,
        b_lower,
        equal,
        b_higher,
        p,
        words: String::new(),
    };
    metric.words = words(&metric);
    metric
}

/// Mean difference and its interval; `None` without a pair.
#[must_use]
pub fn effect(stream: u64, differences: &[f64]) -> Option<Effect> {
    if differences.is_empty() {
        return None;
    }
    let center = mean(differences);
    let pairs = differences.len();
    let mut rng = Rng::from_seed_stream(*b"paired differences of two sides.", stream);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sum: f64 = (0..pairs).map(|_| differences[rng.index(pairs)]).sum();
            sum / count(pairs)
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let squares: f64 = differences.iter().map(|it| (it - center) * (it - center)).sum();
    let deviation = if pairs > 1 { libm::sqrt(squares / count(pairs - 1)) } else { 0.0 };
    Some(Effect {
        pairs,
        mean: center,
        low: means[RESAMPLES * LOW / 1_000],
        high: means[RESAMPLES * HIGH / 1_000],
        standardised: (deviation > 0.0).then(|| center / deviation),
    })
}

/// Two-sided exact sign test over the seeds that differ.
#[must_use]
pub fn sign_test(lower: usize, higher: usize) -> f64 {
    let n = count(lower + higher);
    let ln_choose =
        |k: f64| libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    let tail: f64 = (0..=lower.min(higher))
        .map(|k| libm::exp(ln_choose(count(k)) - n * std::f64::consts::LN_2))
        .sum();
    (2.0 * tail).min(1.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / count(values.len().max(1))
}

fn unit(name: &str) -> &'static str {
    match name {
        "bytes_per_node_second" => "B/s",
        "datagrams_per_node_second" => "/s",
        "converged_at" => "s",
        "false_failed" | "false_failures" | "held" | "invariants_broken" => "",
        counted if counted.ends_with("packets_per_node") => "",
        _ => "s",
    }
}

/// The sentence of a metric: what B does otherwise, by how much, how sure that is.
fn words(metric: &Metric) -> String {
    let pairs = metric.b_lower + metric.equal + metric.b_higher;
    if metric.equal == pairs {
        return "equal in every seed".into();
    }
    let Some(effect) = metric.effect else {
        return "never on one of the two sides".into();
    };
    let decimals = decimals(effect.mean.abs().max(effect.low.abs()).max(effect.high.abs()));
    let space = if metric.unit.is_empty() || metric.unit.starts_with('/') { "" } else { " " };
    let unit = format!("{space}{}", metric.unit);
    let p = if metric.p < 0.001 { "p < 0.001".into() } else { format!("p = {:.3}", metric.p) };
    let (low, high) = (effect.low, effect.high);
    if (low..=high).contains(&0.0) {
        return format!(
            "no difference shown: {:+.decimals$}{unit} [{low:+.decimals$}, {high:+.decimals$}], {p}",
            effect.mean
        );
    }
    let lower = effect.mean < 0.0;
    let (near, far) = if lower { (-high, -low) } else { (low, high) };
    let direction = match (metric.unit, lower) {
        ("s", true) => "faster",
        ("s", false) => "slower",
        (_, true) => "less",
        (_, false) => "more",
    };
    let seeds = if lower { metric.b_lower } else { metric.b_higher };
    let size = effect.mean.abs();
    format!(
        "B {size:.decimals$}{unit} {direction} [{near:.decimals$}, {far:.decimals$}], in {seeds} of {pairs} seeds, {p}"
    )
}

/// Decimals that show three digits of a number of this size.
fn decimals(size: f64) -> usize {
    match size {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_covers_a_known_shift_and_not_zero() {
        // Differences around -1.8 with a spread that is known: the standard error is 0.1 / sqrt(40).
        let mut rng = Rng::from_seed([7; 32]);
        let differences: Vec<f64> = (0..40).map(|_| -1.8 + 0.346 * rng.centered()).collect();
        let effect = effect(0, &differences).unwrap();
        assert!(effect.low < -1.8 && -1.8 < effect.high, "{effect:?}");
        let width = effect.high - effect.low;
        assert!((0.045..0.085).contains(&width), "about 2 * 1.96 * 0.1 / sqrt(40): {width}");
        assert!(effect.standardised.unwrap() < -10.0);
    }

    /// The coverage of intervals over many synthetic data sets without any shift.
    #[test]
    fn nineteen_of_twenty_intervals_cover_the_truth() {
        let mut rng = Rng::from_seed([3; 32]);
        let sets = 200;
        let covers = |rng: &mut Rng| {
            let differences: Vec<f64> = (0..30).map(|_| rng.centered() + rng.centered()).collect();
            let effect = effect(1, &differences).unwrap();
            effect.low <= 0.0 && 0.0 <= effect.high
        };
        let covered = (0..sets).filter(|_| covers(&mut rng)).count();
        assert!((178..=198).contains(&covered), "{covered} of {sets}");
    }

    #[test]
    fn intervals_are_the_same_every_time() {
        let differences = [0.1, -0.2, 0.4, 0.0, 0.3];
        assert_eq!(effect(5, &differences), effect(5, &differences));
        assert_eq!(effect(0, &[]), None);
        let single = effect(0, &[2.0]).unwrap();
        assert_eq!((single.low, single.high, single.standardised), (2.0, 2.0, None));
    }

    #[test]
    fn the_sign_test_is_the_binomial_one() {
        assert!((sign_test(0, 5) - 0.0625).abs() < 1e-12);
        assert!((sign_test(10, 10) - 1.0).abs() < 1e-12);
        assert!((sign_test(2, 8) - 0.109_375).abs() < 1e-9);
        assert!((sign_test(0, 0) - 1.0).abs() < 1e-12);
        assert!(sign_test(0, 1_000) < 1e-100);
    }

    #[test]
    fn sentences_say_who_is_better_by_how_much() {
        let column = |values: &[f64]| values.iter().copied().map(Some).collect::<Vec<_>>();
        let faster = metric(0, "crash.first", &column(&[10.0; 12]), &column(&[8.2; 12]));
        assert_eq!(faster.words, "B 1.80 s faster [1.80, 1.80], in 12 of 12 seeds, p < 0.001");
        let more = metric(0, "bytes_per_node_second", &column(&[100.0; 12]), &column(&[350.0; 12]));
        assert_eq!(more.words, "B 250 B/s more [250, 250], in 12 of 12 seeds, p < 0.001");
        let same = metric(0, "false_failed", &column(&[0.0; 3]), &column(&[0.0; 3]));
        assert_eq!(same.words, "equal in every seed");
        let never = metric(0, "crash.t100", &[Some(1.0), Some(1.0)], &[None, Some(1.0)]);
        assert_eq!((never.b_higher, never.equal), (1, 1), "never is later than any time");
        let unclear = metric(0, "crash.first", &column(&[1.0, 2.0]), &column(&[2.0, 1.0]));
        assert!(
            unclear.words.starts_with("no difference shown: +0.00 s [-1.00, +1.00]"),
            "{}",
            unclear.words
        );
    }
}
