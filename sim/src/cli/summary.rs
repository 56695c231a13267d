//! The outcome in words: what was expected, what was measured, how to look closer.

use super::{counted, grouped};
use crate::metrics::SeedResult;
use crate::outcome::{
    CoordinateFigures, DepartureFigures, EventFigures, ExpectOutcome, Outcome, Quantiles, figure,
};
use crate::scenario::{Nanos, Scenario, format_duration};

/// Most missed seeds that are named one by one.
const SEEDS_SHOWN: usize = 12;
/// Most events, departures and failures that are listed.
const ROWS_SHOWN: usize = 12;

/// Summary of a run over seeds.
pub(super) fn of_run(scenario: &Scenario, outcome: &Outcome, sets: &[String]) -> Vec<String> {
    let mut lines = head(scenario, outcome);
    for expect in &outcome.expects {
        lines.extend(expectation(expect, outcome, sets));
    }
    if outcome.expects.is_empty() {
        lines.push("  (the scenario expects nothing)".into());
    }
    lines.push(String::new());
    lines.extend(key_figures(outcome));
    lines
}

/// Summary of one seed, with more detail.
pub(super) fn of_seed(scenario: &Scenario, outcome: &Outcome, result: &SeedResult) -> Vec<String> {
    let mut lines = head(scenario, outcome);
    for (expect, verdict) in outcome.expects.iter().zip(&result.verdicts) {
        let word = if verdict.held { "PASS" } else { "MISS" };
        lines.push(format!("  {word}  {}", expect.expected));
        lines.push(format!("        {} ({})", verdict.measured, expect.place));
        if !verdict.held && !expect.reason.is_empty() {
            lines.push(format!("        reason given: {}", one_line(&expect.reason)));
        }
    }
    lines.push(String::new());
    lines.push(row("trace hash", format!("{:016x}", result.trace_hash)));
    lines.extend(key_figures(outcome));
    lines.push(String::new());
    lines.extend(totals(result));
    lines.extend(false_failures(result));
    lines
}

fn head(scenario: &Scenario, outcome: &Outcome) -> Vec<String> {
    let seeds = match outcome.seeds.as_slice() {
        [only] => format!("seed {only}"),
        many => counted(many.len(), "seed"),
    };
    vec![
        format!("{}: {}", outcome.scenario, outcome.title),
        format!(
            "  {}, {} of virtual time, {seeds}, config {}",
            counted(scenario.members().len(), "node"),
            format_duration(scenario.duration),
            outcome.config_hash
        ),
        String::new(),
    ]
}

fn expectation(expect: &ExpectOutcome, outcome: &Outcome, sets: &[String]) -> Vec<String> {
    let word = if expect.met { "PASS" } else { "MISS" };
    let mut lines = vec![format!("  {word}  {}", expect.expected)];
    let allowed = match (expect.misses_allowed, expect.seeds_ppm) {
        (_, 1_000_000) => String::new(),
        (0, ppm) => format!(" ({} wanted: all of so few)", share(ppm)),
        (allowed, ppm) => format!(" ({} wanted: {allowed} may miss)", share(ppm)),
    };
    let held = if expect.seeds == 1 {
        String::new()
    } else {
        format!("in {} of {}{allowed}: ", expect.held, counted(expect.seeds, "seed"))
    };
    lines.push(format!("        {held}{}", expect.measured));
    let Some(first) = expect.misses.first().filter(|_| !expect.met) else { return lines };
    let more = expect.misses.len().saturating_sub(SEEDS_SHOWN);
    let seeds: Vec<String> =
        expect.misses.iter().take(SEEDS_SHOWN).map(|miss| miss.seed.to_string()).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    lines.push(format!("        where:  {}", expect.place));
    lines.push(format!("        seeds:  {}{more}", seeds.join(", ")));
    lines.push(format!("        seed {}: {}", first.seed, first.measured));
    if !expect.reason.is_empty() {
        lines.push(format!("        reason given: {}", one_line(&expect.reason)));
    }
    lines.push(format!("        replay: {}", outcome.replay_command(first.seed, sets)));
    lines
}

fn key_figures(outcome: &Outcome) -> Vec<String> {
    let mut lines: Vec<String> = outcome.events.iter().take(ROWS_SHOWN).map(event).collect();
    lines.extend(outcome.departures.iter().take(ROWS_SHOWN).map(departure));
    let more = outcome.events.len().saturating_sub(ROWS_SHOWN)
        + outcome.departures.len().saturating_sub(ROWS_SHOWN);
    if more > 0 {
        lines.push(row("", format!("and {more} more events, crashes and leaves in the report")));
    }
    lines.extend(outcome.coordinates.as_ref().map(coordinates));
    let failures = figure(outcome.false_failures.max, 0, "");
    let most = if outcome.seeds.len() == 1 { "" } else { " at most in one seed" };
    lines.push(row("false failures", format!("{failures}{most}")));
    lines.push(row(
        "bytes per node",
        format!("{} sent (median)", figure(outcome.bytes_per_node_second.median, 0, " B/s")),
    ));
    let timing = &outcome.timing;
    lines.push(row("engine events", grouped(outcome.engine_events)));
    lines.push(row(
        "speed",
        format!(
            "{:.2} s wall, {} virtual s per s, {} at a time",
            timing.wall_s,
            grouped(whole(timing.virtual_per_wall)),
            counted(timing.jobs, "seed")
        ),
    ));
    for note in outcome.notes.iter().take(ROWS_SHOWN) {
        let seeds = if outcome.seeds.len() == 1 {
            String::new()
        } else {
            format!(
                " (in {} of {} seeds; figures of seed {})",
                note.seeds,
                outcome.seeds.len(),
                note.first_seed
            )
        };
        lines.push(row("note", format!("{}{seeds}", note.text)));
    }
    lines
}

fn event(event: &EventFigures) -> String {
    let at = |quantiles: &Quantiles| figure(quantiles.median, 3, " s");
    row(
        &format!("event {}", event.name),
        format!(
            "t50 {}, t95 {}, t99 {}, t100 {} (median)",
            at(&event.t50),
            at(&event.t95),
            at(&event.t99),
            at(&event.t100)
        ),
    )
}

fn departure(departure: &DepartureFigures) -> String {
    let at = |quantiles: &Quantiles| figure(quantiles.median, 2, " s");
    let suspicion = if departure.kind == "crash" {
        format!("first suspected after {}, ", at(&departure.first_suspicion))
    } else {
        String::new()
    };
    row(
        &format!("{} {}", departure.kind, departure.node),
        format!(
            "{suspicion}first seen after {}, by half {}, by all {} (median)",
            at(&departure.first),
            at(&departure.t50),
            at(&departure.t100)
        ),
    )
}

fn coordinates(figures: &CoordinateFigures) -> String {
    let off = |quantiles: &Quantiles| figure(quantiles.scaled(100.0).median, 1, " %");
    row(
        "coordinates",
        format!(
            "estimated round-trip times are off by {} (median pair), {} (95th percentile) in the last sample",
            off(&figures.error_p50),
            off(&figures.error_p95)
        ),
    )
}

fn totals(result: &SeedResult) -> Vec<String> {
    let totals = &result.totals;
    let mut lines = vec![
        row(
            "datagrams",
            format!(
                "{} sent, {} delivered, {} lost, {} unreachable, {} overflowed, {} duplicated",
                grouped(totals.datagrams_sent),
                grouped(totals.datagrams_delivered),
                grouped(totals.datagrams_lost),
                grouped(totals.datagrams_unreachable),
                grouped(totals.datagrams_overflowed),
                grouped(totals.datagrams_duplicated)
            ),
        ),
        row(
            "bytes",
            format!(
                "{} in datagrams, {} on {} streams",
                grouped(totals.datagram_bytes),
                grouped(totals.stream_bytes),
                grouped(totals.streams)
            ),
        ),
        row(
            "probes",
            format!(
                "{} rounds, {} needed relays, {} failed",
                grouped(totals.probes),
                grouped(totals.probes_indirect),
                grouped(totals.probes_failed)
            ),
        ),
        row(
            "suspicions",
            format!(
                "{} started, {} refuted; {} push/pulls; {} inputs refused",
                grouped(totals.suspicions),
                grouped(totals.refutations),
                grouped(totals.push_pulls),
                grouped(totals.dropped_input)
            ),
        ),
    ];
    let hazards = totals.hazards().into_iter().filter(|(_, count)| *count > 0);
    lines
        .extend(hazards.map(|(what, count)| row("hazards", format!("{what}: {}", grouped(count)))));
    let serf = totals.serf().into_iter().filter(|(_, count)| *count > 0);
    let labels = std::iter::once("serf").chain(std::iter::repeat(""));
    lines.extend(
        serf.zip(labels)
            .map(|((what, count), label)| row(label, format!("{what}: {}", grouped(count)))),
    );
    lines.push(row(
        "converged",
        match result.converged_at {
            Some(at) => format!("at {}", milliseconds(at)),
            None => "never".into(),
        },
    ));
    lines
}

fn false_failures(result: &SeedResult) -> Vec<String> {
    let all = &result.false_failures;
    let mut lines: Vec<String> = all
        .iter()
        .take(ROWS_SHOWN)
        .map(|it| {
            let at = milliseconds(it.at);
            row("wrongly failed", format!("{} by {} at {at}", it.subject, it.observer))
        })
        .collect();
    if all.len() > ROWS_SHOWN {
        lines.push(row("", format!("and {} more", all.len() - ROWS_SHOWN)));
    }
    lines
}

fn row(label: &str, text: String) -> String {
    format!("  {label:<16} {text}")
}

#[expect(clippy::cast_possible_truncation, reason = "casts of floats saturate")]
#[expect(clippy::cast_sign_loss, reason = "a speed is not negative")]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

fn share(ppm: u32) -> String {
    format!("{} %", f64::from(ppm) / 10_000.0)
}

/// `7.123 s`: what happens in a run happens at odd nanoseconds that nobody wants to read.
fn milliseconds(nanos: Nanos) -> String {
    format!("{}.{:03} s", nanos / 1_000_000_000, nanos / 1_000_000 % 1_000)
}

/// A reason may be written over several lines in the file.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
