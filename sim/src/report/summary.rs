//! `summary.json`: every figure of a run for machines, and a promise that the same run gives the same bytes.

use serde::Serialize;

use super::ReportError;
use super::facts::{Facts, portable, portable_place};
use super::stats::{number, reached, seconds};
use crate::analytic;
use crate::metrics::{
    CoordinateSample, Departure, EventSpread, FalseFailure, QuerySpread, Replies, SeedResult,
    Totals, Verdict,
};
use crate::outcome::{
    CoordinateFigures, DepartureFigures, EventFigures, InvariantOutcome, Miss, Note, Outcome,
    Quantiles,
};
use crate::scenario::Scenario;

/// Version of the file's layout: raised whenever a reader of an older one would misread it. What only some runs have,
/// `coordinates` and `queries`, is left out of the others.
pub const SCHEMA: u32 = 1;
/// Most false failures listed per seed; the count is complete.
const LISTED: usize = 20;

#[derive(Serialize)]
struct Summary<'a> {
    schema: u32,
    scenario: About<'a>,
    met: bool,
    seeds: &'a [u64],
    expectations: Vec<Expectation<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    invariants: &'a [InvariantOutcome],
    over_seeds: OverSeeds<'a>,
    model: Option<Model>,
    totals: Totals,
    notes: &'a [Note],
    runs: Vec<Run<'a>>,
}

#[derive(Serialize)]
struct About<'a> {
    name: &'a str,
    title: &'a str,
    file: String,
    config_hash: String,
    duration_s: f64,
    nodes: usize,
    loss: f64,
    fanout: u32,
    gossip_interval_s: f64,
    probe_interval_s: f64,
    timers: &'static str,
}

#[derive(Serialize)]
struct Expectation<'a> {
    place: String,
    expected: &'a str,
    reason: &'a str,
    met: bool,
    held: usize,
    seeds: usize,
    seeds_ppm: u32,
    measured: &'a str,
    figures: Option<&'a Quantiles>,
    misses: &'a [Miss],
}

#[derive(Serialize)]
struct OverSeeds<'a> {
    events: &'a [EventFigures],
    departures: &'a [DepartureFigures],
    #[serde(skip_serializing_if = "Option::is_none")]
    coordinates: Option<&'a CoordinateFigures>,
    bytes_per_node_second: &'a Quantiles,
    false_failures: &'a Quantiles,
    converged_at_s: &'a Quantiles,
}

/// What the formulas say about one event in this cluster with every node up; times in seconds.
#[derive(Serialize)]
struct Model {
    serf_simulator: [f64; 3],
    random_phases: [f64; 4],
    random_phases_with_probes: [f64; 4],
    transmit_limit: u32,
    expected_misses: f64,
    push_pull_period_s: f64,
    detection_median_floor_s: f64,
}

#[derive(Serialize)]
struct Run<'a> {
    seed: u64,
    trace_hash: String,
    converged_at_s: Option<f64>,
    bytes_per_node: f64,
    false_failures: usize,
    false_failures_listed: Vec<Wrong<'a>>,
    events: Vec<Spread<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queries: Vec<Asked<'a>>,
    departures: Vec<Left<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coordinates: Option<Estimates>,
    verdicts: &'a [Verdict],
    notes: &'a [String],
    totals: &'a Totals,
}

#[derive(Serialize)]
struct Wrong<'a> {
    at_s: f64,
    observer: &'a str,
    subject: &'a str,
}

#[derive(Serialize)]
struct Spread<'a> {
    name: &'a str,
    from: &'a str,
    sent_at_s: f64,
    audience: u32,
    delivered: usize,
    by_push_pull: u32,
    packets_per_node: f64,
    t50_s: Option<f64>,
    t95_s: Option<f64>,
    t99_s: Option<f64>,
    t100_s: Option<f64>,
}

#[derive(Serialize)]
struct Asked<'a> {
    name: &'a str,
    from: &'a str,
    sent_at_s: f64,
    ended_after_s: Option<f64>,
    refused: bool,
    acks: Option<Back>,
    answers: Option<Back>,
    duplicates: u32,
}

/// Acks or answers; times after sending, of so many of the nodes that were asked.
#[derive(Serialize)]
struct Back {
    audience: u32,
    came: usize,
    t50_s: Option<f64>,
    t95_s: Option<f64>,
    t100_s: Option<f64>,
}

/// Relative errors of estimated round-trip times at the last sample.
#[derive(Serialize)]
struct Estimates {
    at_s: f64,
    pairs: u32,
    error_p50: f64,
    error_p95: f64,
    cached_pairs: u32,
    cached_error_p50: Option<f64>,
    cached_error_p95: Option<f64>,
}

#[derive(Serialize)]
struct Left<'a> {
    node: &'a str,
    kind: &'a str,
    at_s: f64,
    observers: u32,
    marked: usize,
    first_suspicion_s: Option<f64>,
    first_s: Option<f64>,
    t50_s: Option<f64>,
    t100_s: Option<f64>,
}

/// The text of `summary.json`.
pub(super) fn text(
    scenario: &Scenario,
    results: &[SeedResult],
    outcome: &Outcome,
) -> Result<String, ReportError> {
    let facts = Facts::new(scenario);
    let summary = Summary {
        schema: SCHEMA,
        scenario: about(scenario, &facts),
        met: outcome.met,
        seeds: &outcome.seeds,
        expectations: expectations(scenario, outcome),
        invariants: &outcome.invariants,
        over_seeds: OverSeeds {
            events: &outcome.events,
            departures: &outcome.departures,
            coordinates: outcome.coordinates.as_ref(),
            bytes_per_node_second: &outcome.bytes_per_node_second,
            false_failures: &outcome.false_failures,
            converged_at_s: &outcome.converged_at_s,
        },
        model: model(&facts),
        totals: total(results),
        notes: &outcome.notes,
        runs: results.iter().map(run).collect(),
    };
    let mut text = serde_json::to_string_pretty(&summary)?;
    text.push('\n');
    Ok(text)
}

fn about<'a>(scenario: &'a Scenario, facts: &Facts) -> About<'a> {
    About {
        name: &scenario.name,
        title: &scenario.title,
        file: portable(scenario),
        config_hash: format!("{:016x}", scenario.config_hash),
        duration_s: seconds(scenario.duration),
        nodes: facts.nodes,
        loss: facts.loss,
        fanout: facts.fanout,
        gossip_interval_s: facts.gossip,
        probe_interval_s: facts.probe,
        timers: if facts.aligned { "aligned" } else { "random" },
    }
}

fn expectations<'a>(scenario: &Scenario, outcome: &'a Outcome) -> Vec<Expectation<'a>> {
    outcome
        .expects
        .iter()
        .map(|it| Expectation {
            place: portable_place(scenario, &it.place),
            expected: &it.expected,
            reason: &it.reason,
            met: it.met,
            held: it.held,
            seeds: it.seeds,
            seeds_ppm: it.seeds_ppm,
            measured: &it.measured,
            figures: it.figures.as_ref(),
            misses: &it.misses,
        })
        .collect()
}

fn model(facts: &Facts) -> Option<Model> {
    if !facts.gossips() || facts.nodes < 2 || facts.probe <= 0.0 {
        return None;
    }
    let nodes = number(facts.nodes);
    let (serf, push) = (facts.serf(nodes), facts.push(nodes));
    let probes = push.with_probes(facts.probe);
    let limit = analytic::transmit_limit(facts.retransmit_mult, u32::try_from(facts.nodes).ok()?);
    // A microsecond is far below anything a formula can promise, and keeps the numbers readable.
    let short = |value: f64| libm::round(value * 1e6) / 1e6;
    Some(Model {
        serf_simulator: [0.5, 0.95, 0.99].map(|p| short(serf.time_of(p))),
        random_phases: push.milestones().map(short),
        random_phases_with_probes: probes.milestones().map(short),
        transmit_limit: limit,
        expected_misses: short(analytic::expected_misses(nodes, limit, facts.loss)),
        push_pull_period_s: analytic::push_pull_period(facts.push_pull, nodes),
        detection_median_floor_s: short(facts.floor(nodes).time_of(0.5)),
    })
}

fn run(result: &SeedResult) -> Run<'_> {
    Run {
        seed: result.seed,
        trace_hash: format!("{:016x}", result.trace_hash),
        converged_at_s: result.converged_at.map(seconds),
        bytes_per_node: result.bytes_per_node.iter().sum(),
        false_failures: result.false_failures.len(),
        false_failures_listed: result.false_failures.iter().take(LISTED).map(wrong).collect(),
        events: result.events.iter().map(spread).collect(),
        queries: result.queries.iter().map(asked).collect(),
        departures: result.departures.iter().map(left).collect(),
        coordinates: result.coordinates.last().map(estimates),
        verdicts: &result.verdicts,
        notes: &result.notes,
        totals: &result.totals,
    }
}

fn wrong(failure: &FalseFailure) -> Wrong<'_> {
    Wrong { at_s: seconds(failure.at), observer: &failure.observer, subject: &failure.subject }
}

fn spread(event: &EventSpread) -> Spread<'_> {
    let time = |permille| reached(&event.delays, event.audience, permille).map(seconds);
    Spread {
        name: &event.name,
        from: &event.from,
        sent_at_s: seconds(event.sent_at),
        audience: event.audience,
        delivered: event.delays.len(),
        by_push_pull: event.by_push_pull,
        packets_per_node: event.packets_per_node,
        t50_s: time(500),
        t95_s: time(950),
        t99_s: time(990),
        t100_s: time(1_000),
    }
}

fn asked(query: &QuerySpread) -> Asked<'_> {
    Asked {
        name: &query.name,
        from: &query.from,
        sent_at_s: seconds(query.sent_at),
        ended_after_s: query.ended_after.map(seconds),
        refused: query.refused,
        acks: query.acks.as_ref().map(back),
        answers: query.responses.as_ref().map(back),
        duplicates: query.duplicates,
    }
}

fn back(replies: &Replies) -> Back {
    let time = |permille| reached(&replies.delays, replies.audience, permille).map(seconds);
    Back {
        audience: replies.audience,
        came: replies.delays.len(),
        t50_s: time(500),
        t95_s: time(950),
        t100_s: time(1_000),
    }
}

fn estimates(sample: &CoordinateSample) -> Estimates {
    Estimates {
        at_s: seconds(sample.at),
        pairs: sample.own.pairs,
        error_p50: sample.own.p50,
        error_p95: sample.own.p95,
        cached_pairs: sample.cached.map_or(0, |cached| cached.pairs),
        cached_error_p50: sample.cached.map(|cached| cached.p50),
        cached_error_p95: sample.cached.map(|cached| cached.p95),
    }
}

fn left(departure: &Departure) -> Left<'_> {
    let time = |permille| reached(&departure.delays, departure.observers, permille).map(seconds);
    Left {
        node: &departure.node,
        kind: departure.kind,
        at_s: seconds(departure.at),
        observers: departure.observers,
        marked: departure.delays.len(),
        first_suspicion_s: departure.first_suspicion.map(seconds),
        first_s: departure.delays.first().copied().map(seconds),
        t50_s: time(500),
        t100_s: time(1_000),
    }
}

/// The totals of all seeds together.
pub(super) fn total(results: &[SeedResult]) -> Totals {
    let mut sum = Totals::default();
    for result in results {
        sum.add(&result.totals);
    }
    sum
}
