//! The verdict over all seeds of one scenario: what was expected, what was measured, what was missed.
//!
//! A [`SeedResult`] says what one seed did. An [`Outcome`] says whether the scenario as a
//! whole did what its file promises, and holds the key figures as quantiles over seeds. Everything but
//! [`Outcome::timing`] is a pure function of scenario and results, so it is the same on every machine.

mod invariants;
mod words;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::expect::quota;
use crate::metrics::{Departure, EventSpread, SeedResult};
use crate::scenario::{Expect, ExpectKind, Nanos, Scenario};
pub use invariants::{Failure, InvariantOutcome};
pub(crate) use words::percent;
pub use words::{expectation_in_words, state_word, status_word};

/// Verdict and key figures of one scenario over all its seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Name of the scenario: `52-nodes`.
    pub scenario: String,
    /// Its one-line title.
    pub title: String,
    /// The file it was read from.
    pub file: PathBuf,
    /// Hash of the resolved scenario, 16 hexadecimal digits.
    pub config_hash: String,
    /// Seeds in the order they were asked for; results have the same order.
    pub seeds: Vec<u64>,
    /// Whether every expectation was met and no invariant was broken.
    pub met: bool,
    /// One entry per expectation, in order of the file.
    pub expects: Vec<ExpectOutcome>,
    /// One entry per invariant, in the order of the checkers; empty if nobody checked them.
    pub invariants: Vec<InvariantOutcome>,
    /// One entry per user event, in order of sending.
    pub events: Vec<EventFigures>,
    /// One entry per crash or leave, in order of time.
    pub departures: Vec<DepartureFigures>,
    /// How far round-trip times estimated from coordinates are off; `None`: nothing was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coordinates: Option<CoordinateFigures>,
    /// Mean bytes sent per live node and second, over seeds.
    pub bytes_per_node_second: Quantiles,
    /// Live nodes wrongly declared dead, over seeds.
    pub false_failures: Quantiles,
    /// First lasting full agreement in seconds, over seeds.
    pub converged_at_s: Quantiles,
    /// Engine events of all seeds together.
    pub engine_events: u64,
    /// Observations made in any seed, those that differ only in their figures once.
    pub notes: Vec<Note>,
    /// How fast it ran. The only part that differs between two runs of the same thing.
    pub timing: Timing,
}

/// How one expectation fared over all seeds.
#[derive(Clone, Debug, Serialize)]
pub struct ExpectOutcome {
    /// Where it stands: `scenarios/52-nodes.toml:31`.
    pub place: String,
    /// What was expected, in words: `event "deploy" reaches 95 % of the nodes within 1 s`.
    pub expected: String,
    /// Why it is expected so; may be empty.
    pub reason: String,
    /// Whether enough seeds met it.
    pub met: bool,
    /// Seeds that met it.
    pub held: usize,
    /// Seeds that ran.
    pub seeds: usize,
    /// Smallest share of seeds that must meet it, in millionths.
    pub seeds_ppm: u32,
    /// How many seeds may miss it: the share that need not meet it times the seeds, rounded down.
    pub misses_allowed: usize,
    /// The seeds that missed it, in order.
    pub misses: Vec<Miss>,
    /// What was measured over seeds, in words with units.
    pub measured: String,
    /// The same as numbers, if the expectation measures one number per seed (seconds, or a count).
    pub figures: Option<Quantiles>,
}

/// One seed that missed an expectation.
#[derive(Clone, Debug, Serialize)]
pub struct Miss {
    /// Which.
    pub seed: u64,
    /// What was measured instead.
    pub measured: String,
}

/// How one user event spread, over seeds. Times in seconds after sending.
#[derive(Clone, Debug, Serialize)]
pub struct EventFigures {
    /// Name of the event.
    pub name: String,
    /// Its place among all events of the run, from 0.
    pub index: usize,
    /// Time until half of the nodes had it.
    pub t50: Quantiles,
    /// Time until 95 % had it.
    pub t95: Quantiles,
    /// Time until 99 % had it.
    pub t99: Quantiles,
    /// Time until all had it.
    pub t100: Quantiles,
    /// Datagrams per node while it spread.
    pub packets_per_node: Quantiles,
}

/// How one crash or leave was noticed, over seeds. Times in seconds after it happened.
#[derive(Clone, Debug, Serialize)]
pub struct DepartureFigures {
    /// Who left.
    pub node: String,
    /// `crash` or `leave`.
    pub kind: &'static str,
    /// Its place among all departures of the run, from 0.
    pub index: usize,
    /// First suspicion (crashes only).
    pub first_suspicion: Quantiles,
    /// First observer that marked it.
    pub first: Quantiles,
    /// Half of the observers.
    pub t50: Quantiles,
    /// Every observer.
    pub t100: Quantiles,
}

/// Relative errors of estimated round-trip times in the last sample, over seeds. 0.1: off by a tenth of the truth.
#[derive(Clone, Debug, Serialize)]
pub struct CoordinateFigures {
    /// Of the median pair, from the coordinates that both nodes have.
    pub error_p50: Quantiles,
    /// Of the pair at the 95th percentile.
    pub error_p95: Quantiles,
    /// Of the median pair, as one of the two estimates it from what it knows of the other.
    pub cached_error_p50: Quantiles,
}

/// One observation and how many seeds made it.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// The observation in words, with the figures of the first seed that made it.
    pub text: String,
    /// The first seed that made it.
    pub first_seed: u64,
    /// Seeds that made it.
    pub seeds: usize,
}

/// How fast a run was.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Timing {
    /// Wall time in seconds.
    pub wall_s: f64,
    /// Virtual seconds of all seeds together.
    pub virtual_s: f64,
    /// Virtual seconds per wall second, all jobs together.
    pub virtual_per_wall: f64,
    /// Seeds that ran side by side.
    pub jobs: usize,
}

impl Timing {
    /// Timing of `seeds` runs of `duration` each.
    #[must_use]
    pub fn new(wall: Duration, duration: Nanos, seeds: usize, jobs: usize) -> Self {
        let wall_s = wall.as_secs_f64();
        let virtual_s = seconds(duration) * count(seeds);
        let virtual_per_wall = if wall_s > 0.0 { virtual_s / wall_s } else { 0.0 };
        Self { wall_s, virtual_s, virtual_per_wall, jobs }
    }
}

/// Quantiles of one number over seeds. A seed in which the thing never happened counts as later than any other, so a
/// quantile is `None` when that share of seeds did not get there.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Seeds that contributed.
    pub seeds: usize,
    /// Seeds in which it never happened.
    pub never: usize,
    /// Smallest.
    pub min: Option<f64>,
    /// Median.
    pub median: Option<f64>,
    /// 90th percentile.
    pub p90: Option<f64>,
    /// 99th percentile.
    pub p99: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
}

impl Quantiles {
    /// Nearest-rank quantiles: every figure is one that some seed really had.
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = Option<f64>>) -> Self {
        let all: Vec<Option<f64>> = values.into_iter().collect();
        let mut known: Vec<f64> = all.iter().flatten().copied().collect();
        known.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (all.len() * percent).div_ceil(100).max(1);
            known.get(rank - 1).copied()
        };
        Self {
            seeds: all.len(),
            never: all.len() - known.len(),
            min: at(0),
            median: at(50),
            p90: at(90),
            p99: at(99),
            max: at(100),
        }
    }

    /// The same in another unit.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Self {
        let scale = |value: Option<f64>| value.map(|value| factor * value);
        Self {
            min: scale(self.min),
            median: scale(self.median),
            p90: scale(self.p90),
            p99: scale(self.p99),
            max: scale(self.max),
            ..*self
        }
    }
}

impl Outcome {
    /// Judges `results`, which must be in the order of the seeds that were asked for.
    #[must_use]
    pub fn judge(scenario: &Scenario, results: &[SeedResult], timing: Timing) -> Self {
        let expects: Vec<ExpectOutcome> = scenario
            .expects
            .iter()
            .enumerate()
            .map(|(index, expect)| judge_expect(scenario, results, index, expect))
            .collect();
        let invariants = invariants::judge(scenario, results);
        Self {
            scenario: scenario.name.clone(),
            title: scenario.title.clone(),
            file: scenario.file.clone(),
            config_hash: format!("{:016x}", scenario.config_hash),
            seeds: results.iter().map(|result| result.seed).collect(),
            met: expects.iter().all(|expect| expect.met)
                && invariants.iter().all(|invariant| invariant.fail == 0),
            expects,
            invariants,
            events: event_figures(results),
            departures: departure_figures(results),
            coordinates: coordinate_figures(results),
            bytes_per_node_second: Quantiles::of(
                results.iter().map(|result| bytes_per_second(result, scenario.series_bucket)),
            ),
            false_failures: Quantiles::of(
                results.iter().map(|result| Some(count(result.false_failures.len()))),
            ),
            converged_at_s: Quantiles::of(
                results.iter().map(|result| result.converged_at.map(seconds)),
            ),
            engine_events: results.iter().map(|result| result.totals.engine_events).sum(),
            notes: notes(results),
            timing,
        }
    }

    /// The command that runs one seed of this scenario again, with the same `--set` changes.
    #[must_use]
    pub fn replay_command(&self, seed: u64, sets: &[String]) -> String {
        let mut command =
            format!("sim replay {} --seed {seed}", shell_word(&self.file.display().to_string()));
        for set in sets {
            command.push_str(" --set ");
            command.push_str(&shell_word(set));
        }
        command
    }
}

/// How many of `seeds` runs may miss an expectation that `seeds_ppm` of them must meet.
#[must_use]
pub fn misses_allowed(seeds: usize, seeds_ppm: u32) -> usize {
    let spare = u64::from(PPM.saturating_sub(seeds_ppm));
    let allowed = u64::try_from(seeds).unwrap_or(u64::MAX).saturating_mul(spare) / u64::from(PPM);
    usize::try_from(allowed).unwrap_or(usize::MAX)
}

fn judge_expect(
    scenario: &Scenario,
    results: &[SeedResult],
    index: usize,
    expect: &Expect,
) -> ExpectOutcome {
    let mut misses = Vec::new();
    for result in results {
        match result.verdicts.get(index) {
            Some(verdict) if verdict.held => {}
            Some(verdict) => {
                misses.push(Miss { seed: result.seed, measured: verdict.measured.clone() });
            }
            None => misses.push(Miss { seed: result.seed, measured: "not judged".into() }),
        }
    }
    let allowed = misses_allowed(results.len(), expect.seeds_ppm);
    let figures = measure(results, index, &expect.kind);
    let held = results.len() - misses.len();
    ExpectOutcome {
        place: scenario.place(expect.line),
        expected: expectation_in_words(scenario, &expect.kind),
        reason: expect.reason.clone(),
        met: misses.len() <= allowed,
        held,
        seeds: results.len(),
        seeds_ppm: expect.seeds_ppm,
        misses_allowed: allowed,
        measured: measured_in_words(results, index, figures.as_ref(), &expect.kind),
        misses,
        figures,
    }
}

/// One number per seed for the expectations that have one: seconds, or a count of false failures.
fn measure(results: &[SeedResult], index: usize, kind: &ExpectKind) -> Option<Quantiles> {
    match kind {
        ExpectKind::EventCoverage { .. }
        | ExpectKind::Query { .. }
        | ExpectKind::Detected { .. }
        | ExpectKind::Coordinates { .. }
        | ExpectKind::ShutDown { .. } => {
            Some(Quantiles::of(results.iter().map(|result| {
                result.verdicts.get(index).and_then(|verdict| verdict.at).map(seconds)
            })))
        }
        ExpectKind::NoFalseFailures => Some(Quantiles::of(
            results.iter().map(|result| Some(count(result.false_failures.len()))),
        )),
        ExpectKind::ConvergedBy { .. }
        | ExpectKind::StateAt { .. }
        | ExpectKind::JoinedThenFailed { .. }
        | ExpectKind::Keys { .. }
        | ExpectKind::Tags { .. }
        | ExpectKind::Status { .. }
        | ExpectKind::ToldOnce { .. }
        | ExpectKind::Queues { .. }
        | ExpectKind::Up { .. } => None,
    }
}

/// The ascending `delays`' entry at which `share_ppm` of `audience` is complete.
pub(crate) fn share_reached(delays: &[Nanos], audience: u32, share_ppm: u32) -> Option<Nanos> {
    let index = usize::try_from(quota(audience, share_ppm).max(1) - 1).ok()?;
    delays.get(index).copied()
}

fn measured_in_words(
    results: &[SeedResult],
    index: usize,
    figures: Option<&Quantiles>,
    kind: &ExpectKind,
) -> String {
    if let [only] = results {
        return only.verdicts.get(index).map_or_else(String::new, |it| it.measured.clone());
    }
    let Some(figures) = figures else {
        let verdicts = results.iter().filter_map(|it| Some((it.seed, it.verdicts.get(index)?)));
        let first_held = verdicts.into_iter().find(|(_, verdict)| verdict.held);
        return first_held.map_or_else(
            || "it held in no seed".into(),
            |(seed, verdict)| format!("seed {seed}: {}", verdict.measured),
        );
    };
    if matches!(kind, ExpectKind::NoFalseFailures) {
        return format!("{} at most in one seed", figure(figures.max, 0, ""));
    }
    let mut words = format!(
        "median {}, p99 {}, slowest {}",
        figure(figures.median, 3, " s"),
        figure(figures.p99, 3, " s"),
        figure(figures.max, 3, " s")
    );
    if figures.never > 0 {
        words.push_str(&format!("; in {} of {} seeds never", figures.never, figures.seeds));
    }
    words
}

/// A figure with its unit, or `never`.
#[must_use]
pub fn figure(value: Option<f64>, decimals: usize, unit: &str) -> String {
    value.map_or_else(|| "never".into(), |value| format!("{value:.decimals$}{unit}"))
}

fn event_figures(results: &[SeedResult]) -> Vec<EventFigures> {
    let Some(first) = results.first() else { return Vec::new() };
    let column = |index: usize| results.iter().map(move |result| result.events.get(index));
    let reached = |index: usize, ppm: u32| {
        Quantiles::of(column(index).map(|event: Option<&EventSpread>| {
            event.and_then(|event| share_reached(&event.delays, event.audience, ppm)).map(seconds)
        }))
    };
    first
        .events
        .iter()
        .enumerate()
        .map(|(index, event)| EventFigures {
            name: event.name.clone(),
            index,
            t50: reached(index, PPM / 2),
            t95: reached(index, PPM / 100 * 95),
            t99: reached(index, PPM / 100 * 99),
            t100: reached(index, PPM),
            packets_per_node: Quantiles::of(
                column(index).map(|event| event.map(|event| event.packets_per_node)),
            ),
        })
        .collect()
}

fn departure_figures(results: &[SeedResult]) -> Vec<DepartureFigures> {
    let Some(first) = results.first() else { return Vec::new() };
    let over_seeds = |index: usize, pick: &dyn Fn(&Departure) -> Option<Nanos>| {
        Quantiles::of(
            results.iter().map(|result| result.departures.get(index).and_then(pick).map(seconds)),
        )
    };
    first
        .departures
        .iter()
        .enumerate()
        .map(|(index, departure)| DepartureFigures {
            node: departure.node.clone(),
            kind: departure.kind,
            index,
            first_suspicion: over_seeds(index, &|departure| departure.first_suspicion),
            first: over_seeds(index, &|departure| departure.delays.first().copied()),
            t50: over_seeds(index, &|it| share_reached(&it.delays, it.observers, PPM / 2)),
            t100: over_seeds(index, &|it| share_reached(&it.delays, it.observers, PPM)),
        })
        .collect()
}

fn coordinate_figures(results: &[SeedResult]) -> Option<CoordinateFigures> {
    let last = || results.iter().map(|result| result.coordinates.last());
    last().flatten().next()?;
    Some(CoordinateFigures {
        error_p50: Quantiles::of(last().map(|last| Some(last?.own.p50))),
        error_p95: Quantiles::of(last().map(|last| Some(last?.own.p95))),
        cached_error_p50: Quantiles::of(last().map(|last| Some(last?.cached?.p50))),
    })
}

pub(crate) fn bytes_per_second(result: &SeedResult, bucket: Nanos) -> Option<f64> {
    let buckets = result.bytes_per_node.len();
    if buckets == 0 || bucket == 0 {
        return None;
    }
    Some(result.bytes_per_node.iter().sum::<f64>() / (count(buckets) * seconds(bucket)))
}

/// Notes that differ only in their figures are one note: the first seed's, with the number of seeds.
fn notes(results: &[SeedResult]) -> Vec<Note> {
    let mut notes: Vec<(String, Note)> = Vec::new();
    for result in results {
        for text in &result.notes {
            let gist = without_figures(text);
            match notes.iter_mut().find(|(known, _)| *known == gist) {
                Some((_, note)) => note.seeds += 1,
                None => {
                    let note = Note { text: text.clone(), first_seed: result.seed, seeds: 1 };
                    notes.push((gist, note));
                }
            }
        }
    }
    notes.into_iter().map(|(_, note)| note).collect()
}

/// Numbers that stand alone become `#`; those in names and addresses stay.
fn without_figures(text: &str) -> String {
    let word = |word: &str| if word.parse::<f64>().is_ok() { "#".into() } else { word.to_owned() };
    text.split(' ').map(word).collect::<Vec<String>>().join(" ")
}

/// One, in millionths.
pub(crate) const PPM: u32 = 1_000_000;

// Nanoseconds of 30 days and counts of seeds are far below 2^53, so nothing is lost.
#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
pub(crate) fn seconds(nanos: Nanos) -> f64 {
    nanos as f64 / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
pub(crate) fn count(items: usize) -> f64 {
    items as f64
}

/// Quotes a word for a POSIX shell where it needs it.
pub(crate) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::metrics::{Totals, Verdict};

    const TEXT: &str = "title = \"T\"\nnodes = 4\nduration = \"10s\"\n[[work]]\nat = \"1s\"\nevent = \"x\"\n\
                        [[expect]]\nevent_coverage = { event = \"x\", within = \"1s\" }\nseeds_share = 0.75\n";

    /// A run in which the four nodes have the event after these delays (fewer: some never).
    fn seed(seed: u64, delays: &[Nanos], held: bool) -> SeedResult {
        SeedResult {
            seed,
            trace_hash: seed,
            totals: Totals::default(),
            events: vec![EventSpread {
                name: "x".into(),
                from: "host1".into(),
                sent_at: 0,
                audience: 4,
                delays: delays.to_vec(),
                by_push_pull: 0,
                packets_per_node: 1.0,
            }],
            queries: Vec::new(),
            departures: Vec::new(),
            coordinates: Vec::new(),
            convergence: Vec::new(),
            converged_at: None,
            false_failures: Vec::new(),
            bytes_per_node: vec![100.0, 300.0],
            verdicts: vec![Verdict {
                held,
                measured: format!("seed {seed} measured"),
                at: delays.get(3).copied(),
            }],
            invariants: Vec::new(),
            notes: vec![format!("host2 was late by 0.{seed} s, says host1")],
        }
    }

    fn judged(results: &[SeedResult]) -> Outcome {
        let scenario = crate::scenario::parse(TEXT, Path::new("my file.toml"), &[]).expect("valid");
        Outcome::judge(&scenario, results, Timing::default())
    }

    #[test]
    fn the_share_of_seeds_decides_and_misses_are_named() {
        let good = |n| seed(n, &[0, 100, 200, 300_000_000], true);
        let bad = |n| seed(n, &[0, 100, 200], false);
        let outcome = judged(&[good(1), bad(2), good(3), good(4)]);
        let expect = &outcome.expects[0];
        assert!(expect.met && outcome.met, "one of four may miss");
        assert_eq!((expect.held, expect.misses_allowed, expect.misses[0].seed), (3, 1, 2));
        assert_eq!(
            expect.measured,
            "median 0.300 s, p99 never, slowest never; in 1 of 4 seeds never"
        );
        assert!(!judged(&[good(1), bad(2), bad(3), good(4)]).met);
    }

    #[test]
    fn few_seeds_round_the_allowance_down() {
        assert_eq!(misses_allowed(20, 980_000), 0);
        assert_eq!(misses_allowed(100, 980_000), 2);
        assert_eq!(misses_allowed(100, PPM), 0);
        assert_eq!(misses_allowed(0, 0), 0);
    }

    #[test]
    fn never_is_later_than_any_time() {
        let quantiles = Quantiles::of([Some(2.0), None, Some(1.0), Some(3.0)]);
        assert_eq!((quantiles.min, quantiles.median, quantiles.max), (Some(1.0), Some(2.0), None));
        assert_eq!((quantiles.seeds, quantiles.never), (4, 1));
        assert_eq!(Quantiles::of([]), Quantiles::default());
    }

    #[test]
    fn notes_that_differ_only_in_figures_are_one() {
        let outcome = judged(&[seed(1, &[0], false), seed(2, &[0], false)]);
        assert_eq!(outcome.notes.len(), 1);
        assert_eq!((outcome.notes[0].first_seed, outcome.notes[0].seeds), (1, 2));
        assert_eq!(outcome.bytes_per_node_second.median, Some(200.0));
    }

    #[test]
    fn the_replay_command_survives_a_shell() {
        let outcome = judged(&[seed(1, &[0], false)]);
        let sets = ["network.latency={ low = \"1ms\", high = \"2ms\" }".to_owned()];
        assert_eq!(
            outcome.replay_command(17, &sets),
            "sim replay 'my file.toml' --seed 17 --set 'network.latency={ low = \"1ms\", high = \"2ms\" }'"
        );
        assert_eq!(shell_word("fault[0].at=5s"), "'fault[0].at=5s'");
    }
}
