//! `report.html`: one page that shows everything without a single thing to fetch; scripts draw only the recorded run.

use std::fmt::{Display, Write as _};

use super::axis::{group_digits, thousands};
use super::facts::{Facts, counted, portable, portable_place, trimmed};
use super::figures::Figure;
use super::stats::{number, reached, seconds};
use super::{invariants, see, summary};
use crate::analytic;
use crate::metrics::SeedResult;
use crate::outcome::{ExpectOutcome, Outcome, Quantiles};
use crate::scenario::Scenario;

const STYLE: &str = include_str!("../../assets/report.css");
/// Most seeds with a row of their own.
const SEEDS_SHOWN: usize = 50;
/// Most events and departures with rows of their own.
const ROWS_SHOWN: usize = 24;

/// Makes text safe inside an element or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(letter),
            other if other.is_control() => safe.push('\u{FFFD}'),
            other => safe.push(other),
        }
    }
    safe
}

/// A page under construction.
struct Page(String);

impl Page {
    /// Markup.
    fn raw(&mut self, markup: impl Display) {
        // Writing to a String cannot fail.
        let _ = write!(self.0, "{markup}");
    }

    /// An element with text in it.
    fn element(&mut self, open: &str, text: &str) {
        let name = open.split(' ').next().unwrap_or(open);
        self.raw(format_args!("<{open}>{}</{name}>\n", escape(text)));
    }

    /// A table; columns whose heading starts with `#` hold numbers.
    fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let number = |index: usize| head.get(index).is_some_and(|name| name.starts_with('#'));
        self.raw("<div class=\"wide\"><table>\n<tr>");
        for (index, name) in head.iter().enumerate() {
            let class = if number(index) { "th class=\"n\"" } else { "th" };
            self.element(class, name.trim_start_matches('#'));
        }
        self.raw("</tr>\n");
        for row in rows {
            self.raw("<tr>");
            for (index, cell) in row.iter().enumerate() {
                self.element(if number(index) { "td class=\"n\"" } else { "td" }, cell);
            }
            self.raw("</tr>\n");
        }
        self.raw("</table></div>\n");
    }
}

/// The whole page. Each figure comes with its SVG, if it has one.
pub(super) fn page(
    scenario: &Scenario,
    results: &[SeedResult],
    outcome: &Outcome,
    figures: &[(Figure, Option<String>)],
    recorded: Option<&see::Recorded<'_>>,
) -> String {
    let facts = Facts::new(scenario);
    let mut page = Page(String::new());
    page.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n");
    page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n");
    page.element("title", &format!("{} – simulation report", scenario.name));
    page.raw(format_args!(
        "<style>\n{STYLE}{}</style>\n</head>\n<body>\n<main>\n",
        recorded.map_or("", |_| see::STYLE)
    ));
    header(&mut page, scenario, results, outcome, &facts);
    verdicts(&mut page, scenario, outcome);
    page.raw(invariants::section(outcome));
    key_numbers(&mut page, outcome, &facts);
    pictures(&mut page, figures);
    if let Some(recorded) = recorded {
        page.raw(see::section(recorded));
    }
    notes(&mut page, outcome);
    totals(&mut page, results);
    seeds(&mut page, results);
    source(&mut page, scenario, outcome);
    page.raw("</main>\n</body>\n</html>\n");
    page.0
}

/// Text without the line breaks of the file it was written in; empty lines still divide paragraphs.
fn unwrapped(text: &str) -> String {
    let paragraphs: Vec<String> = text
        .trim()
        .split("\n\n")
        .map(|paragraph| paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" "))
        .collect();
    paragraphs.join("\n\n")
}

fn header(
    page: &mut Page,
    scenario: &Scenario,
    results: &[SeedResult],
    outcome: &Outcome,
    facts: &Facts,
) {
    let heading = if scenario.title.is_empty() { &scenario.name } else { &scenario.title };
    page.element("h1", heading);
    page.element("p class=\"lead\"", &unwrapped(&scenario.description));
    let broken = outcome.invariants.iter().filter(|it| it.fail > 0).count();
    let (class, verdict) = match (outcome.expects.len(), outcome.met) {
        (_, false) if broken > 0 => (
            "verdict miss",
            format!("MISS: {} of the protocol broken", counted(broken, "invariant")),
        ),
        (0, _) => ("verdict none", "This scenario expects nothing; it only measures.".to_owned()),
        (count, true) => ("verdict pass", format!("PASS: {} met", counted(count, "expectation"))),
        (count, false) => {
            let missed = outcome.expects.iter().filter(|it| !it.met).count();
            ("verdict miss", format!("MISS: {missed} of {} not met", counted(count, "expectation")))
        }
    };
    page.element(&format!("p class=\"{class}\""), &verdict);
    let setting = format!(
        "Scenario {}: {}, {} s of virtual time each. Configuration {:016x}.",
        scenario.name,
        facts.setting(results.len()),
        trimmed(seconds(scenario.duration), 3),
        scenario.config_hash
    );
    page.element("p", &setting);
}

fn verdicts(page: &mut Page, scenario: &Scenario, outcome: &Outcome) {
    page.element("h2", "What was expected");
    if outcome.expects.is_empty() {
        page.element("p class=\"none\"", "The scenario file has no expectations.");
        return;
    }
    page.raw(
        "<div class=\"wide\"><table>\n<tr><th>Expectation</th><th>Verdict</th><th>Measured</th>",
    );
    page.raw("<th class=\"n\">Seeds</th></tr>\n");
    for expect in &outcome.expects {
        page.raw("<tr><td>");
        page.raw(escape(&expect.expected));
        if !expect.reason.is_empty() {
            page.element("small", &expect.reason);
        }
        page.element("small", &portable_place(scenario, &expect.place));
        let (class, word) = if expect.met { ("pass", "PASS") } else { ("miss", "MISS") };
        page.raw(format_args!("</td><td><span class=\"tag {class}\">{word}</span></td><td>"));
        page.raw(escape(&expect.measured));
        missed_seeds(page, expect);
        page.raw(format_args!("</td><td class=\"n\">{} of {}", expect.held, expect.seeds));
        if expect.seeds_ppm < 1_000_000 {
            let share = trimmed(f64::from(expect.seeds_ppm) / 1e4, 4);
            page.element("small", &format!("{share} % needed"));
        }
        page.raw("</td></tr>\n");
    }
    page.raw("</table></div>\n");
}

fn missed_seeds(page: &mut Page, expect: &ExpectOutcome) {
    const LISTED: usize = 3;
    for miss in expect.misses.iter().take(LISTED) {
        page.element("small", &format!("seed {}: {}", miss.seed, miss.measured));
    }
    if expect.misses.len() > LISTED {
        let more = format!("and {} more seeds, all in summary.json", expect.misses.len() - LISTED);
        page.element("small", &more);
    }
}

fn key_numbers(page: &mut Page, outcome: &Outcome, facts: &Facts) {
    page.element("h2", "Key numbers");
    event_numbers(page, outcome, facts);
    departure_numbers(page, outcome, facts);
    let quantiles = |it: &Quantiles, decimals: usize, unit: &str| {
        vec![
            figure(it.median, decimals, unit),
            figure(it.p90, decimals, unit),
            figure(it.p99, decimals, unit),
            figure(it.max, decimals, unit),
        ]
    };
    let rows = [
        ("Bytes sent per live node and second", &outcome.bytes_per_node_second, 0, " B/s"),
        ("Live nodes wrongly declared dead", &outcome.false_failures, 0, ""),
        ("All nodes agree for good after", &outcome.converged_at_s, 2, " s"),
    ];
    let estimates = outcome.coordinates.as_ref().map(|it| {
        let it = it.error_p50.scaled(100.0);
        let mut row =
            vec!["Estimated round-trip times are off by (median pair, last sample)".to_owned()];
        row.extend(quantiles(&it, 1, " %"));
        row
    });
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|(name, it, decimals, unit)| {
            let mut row = vec![name.to_owned()];
            row.extend(quantiles(it, decimals, unit));
            row
        })
        .chain(estimates)
        .collect();
    page.table(
        &["Over seeds", "#median", "#90th percentile", "#99th percentile", "#largest"],
        &rows,
    );
}

fn event_numbers(page: &mut Page, outcome: &Outcome, facts: &Facts) {
    if outcome.events.is_empty() {
        return;
    }
    let times = |name: String, times: [Option<f64>; 4]| {
        let mut row = vec![name];
        row.extend(times.map(|time| figure(time, 3, " s")));
        row
    };
    let mut rows = Vec::new();
    for event in outcome.events.iter().take(ROWS_SHOWN) {
        let all = [&event.t50, &event.t95, &event.t99, &event.t100];
        rows.push(times(format!("{}, median of seeds", event.name), all.map(|it| it.median)));
        rows.push(times(format!("{}, 99th percentile", event.name), all.map(|it| it.p99)));
    }
    let nodes = number(facts.nodes);
    if facts.gossips() && facts.nodes > 1 {
        let serf = facts.serf(nodes);
        let push = facts.push(nodes);
        rows.push(times("law of random phases".into(), push.milestones().map(Some)));
        if facts.probe > 0.0 {
            let probes = push.with_probes(facts.probe).milestones().map(Some);
            rows.push(times("the same, riding on probes too".into(), probes));
        }
        let points = [0.5, 0.95, 0.99].map(|p| Some(serf.time_of(p)));
        let row = [points[0], points[1], points[2], Some(serf.time_of_all())];
        rows.push(times("Serf’s own simulator".into(), row));
    }
    page.table(&["Event", "#half", "#95 %", "#99 %", "#all nodes"], &rows);
    if outcome.events.len() > ROWS_SHOWN {
        let more = outcome.events.len() - ROWS_SHOWN;
        page.element("p class=\"none\"", &format!("{more} more events are in summary.json."));
    }
    budget(page, facts);
}

/// Why some event may miss a node now and then.
fn budget(page: &mut Page, facts: &Facts) {
    let Ok(nodes) = u32::try_from(facts.nodes) else { return };
    if !facts.gossips() || nodes < 2 {
        return;
    }
    let limit = analytic::transmit_limit(facts.retransmit_mult, nodes);
    let misses = analytic::expected_misses(f64::from(nodes), limit, facts.loss);
    let text = format!(
        "Each node sends an event {limit} times and then stops. By the formula for such a budget \
         {} nodes per event are left without it on average; they get it later, by the push/pull \
         exchange that every node makes every {} s.",
        if misses < 0.001 { "fewer than 0.001".to_owned() } else { format!("{misses:.3}") },
        trimmed(analytic::push_pull_period(facts.push_pull, f64::from(nodes)), 1)
    );
    page.element("p", &text);
}

fn departure_numbers(page: &mut Page, outcome: &Outcome, facts: &Facts) {
    if outcome.departures.is_empty() {
        return;
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    for it in outcome.departures.iter().take(ROWS_SHOWN) {
        let suspected = if it.kind == "crash" {
            figure(it.first_suspicion.median, 2, " s")
        } else {
            "–".to_owned()
        };
        let times = [&it.first, &it.t50, &it.t100].map(|time| figure(time.median, 2, " s"));
        let mut row = vec![it.node.clone(), it.kind.to_owned(), suspected];
        row.extend(times);
        rows.push(row);
    }
    if outcome.departures.iter().any(|it| it.kind == "crash") && facts.probe > 0.0 && !facts.aligned
    {
        let floor = facts.floor(number(facts.nodes)).time_of(0.5);
        let floor = figure(Some(floor), 2, " s");
        let name = format!("floor of the median with {} up", counted(facts.nodes, "node"));
        let row = [name.as_str(), "crash", "–", "–", &floor, "–"];
        rows.push(row.map(str::to_owned).to_vec());
    }
    let head =
        ["Departure", "kind", "#first suspicion", "#first mark", "#half of the observers", "#all"];
    page.table(&head, &rows);
    if outcome.departures.len() > ROWS_SHOWN {
        let more = outcome.departures.len() - ROWS_SHOWN;
        page.element("p class=\"none\"", &format!("{more} more departures are in summary.json."));
    }
}

fn pictures(page: &mut Page, figures: &[(Figure, Option<String>)]) {
    page.element("h2", "Pictures");
    for (figure, drawing) in figures {
        page.raw("<figure>\n");
        page.element("h3", &figure.title);
        match drawing {
            Some(svg) => {
                page.raw(svg);
                page.element("figcaption", &figure.caption);
            }
            None => page.element("figcaption", &format!("Not drawn: {}", figure.caption)),
        }
        page.raw("</figure>\n");
    }
}

fn notes(page: &mut Page, outcome: &Outcome) {
    if outcome.notes.is_empty() {
        return;
    }
    page.element("h2", "Observations");
    page.raw("<ul>\n");
    for note in &outcome.notes {
        let text = format!("{} (in {} of {} seeds)", note.text, note.seeds, outcome.seeds.len());
        page.element("li", &text);
    }
    page.raw("</ul>\n");
}

fn totals(page: &mut Page, results: &[SeedResult]) {
    let sum = summary::total(results);
    page.element("h2", "Totals of all seeds");
    let rows = [
        ("Engine events", sum.engine_events),
        ("Datagrams sent", sum.datagrams_sent),
        ("Datagrams delivered", sum.datagrams_delivered),
        ("Datagrams lost by the loss model", sum.datagrams_lost),
        ("Datagrams to hosts that were off, cut off or unknown", sum.datagrams_unreachable),
        ("Datagrams lost to full receive buffers", sum.datagrams_overflowed),
        ("Datagrams delivered twice", sum.datagrams_duplicated),
        ("Bytes in datagrams", sum.datagram_bytes),
        ("Bytes on streams", sum.stream_bytes),
        ("Streams dialed", sum.streams),
        ("Probe rounds", sum.probes),
        ("Probe rounds that needed relays", sum.probes_indirect),
        ("Probe rounds that failed", sum.probes_failed),
        ("Suspicions started", sum.suspicions),
        ("Refutations", sum.refutations),
        ("Push/pull exchanges", sum.push_pulls),
        ("Malformed or refused input", sum.dropped_input),
        ("User events delivered", sum.events_delivered),
    ];
    let seen = sum.hazards().into_iter().chain(sum.serf()).filter(|(_, count)| *count > 0);
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .chain(seen)
        .map(|(name, count)| vec![name.to_owned(), grouped(count)])
        .collect();
    page.table(&["Counter", "#all seeds"], &rows);
}

fn seeds(page: &mut Page, results: &[SeedResult]) {
    page.element("h2", "Seed by seed");
    let headline = results.iter().find_map(|result| result.events.first()).is_some();
    let rows: Vec<Vec<String>> = results
        .iter()
        .take(SEEDS_SHOWN)
        .map(|result| {
            let held = result.verdicts.iter().filter(|verdict| verdict.held).count();
            let mut row = vec![
                result.seed.to_string(),
                format!("{:016x}", result.trace_hash),
                format!("{held} of {}", result.verdicts.len()),
            ];
            if headline {
                for permille in [500, 950, 1_000] {
                    let time = result
                        .events
                        .first()
                        .and_then(|event| reached(&event.delays, event.audience, permille));
                    row.push(figure(time.map(seconds), 3, " s"));
                }
            }
            row.push(figure(result.converged_at.map(seconds), 2, " s"));
            row.push(grouped(u64::try_from(result.false_failures.len()).unwrap_or(u64::MAX)));
            row
        })
        .collect();
    let mut head = vec!["#Seed", "Trace hash", "#Expectations held"];
    if headline {
        head.extend(["#First event: half", "#95 %", "#all"]);
    }
    head.extend(["#Agreement after", "#Wrongly dead"]);
    page.table(&head, &rows);
    if results.len() > SEEDS_SHOWN {
        let more = counted(results.len() - SEEDS_SHOWN, "more seed");
        page.element("p class=\"none\"", &format!("{more} in summary.json."));
    }
}

fn source(page: &mut Page, scenario: &Scenario, outcome: &Outcome) {
    page.element("h2", "The scenario");
    page.element("p", "As it was run, changes from the command line included:");
    page.raw("<pre>");
    page.raw(escape(&scenario.text));
    page.raw("</pre>\n");
    page.element("h2", "Run it again");
    page.element(
        "p",
        "The same command gives the same trace hashes on any machine, whatever the number of jobs:",
    );
    page.raw("<pre>");
    page.raw(escape(&command(scenario, &outcome.seeds)));
    page.raw("</pre>\n");
}

/// The command that repeats the run.
pub(super) fn command(scenario: &Scenario, seeds: &[u64]) -> String {
    let file = portable(scenario);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./+@%".contains(c);
    let file =
        if file.chars().all(plain) { file } else { format!("'{}'", file.replace('\'', r"'\''")) };
    let unbroken = seeds.windows(2).all(|pair| pair[0].checked_add(1) == Some(pair[1]));
    match (seeds.first(), seeds.last()) {
        (Some(1), Some(last)) if unbroken => format!("sim run {file} --seeds {last}"),
        (Some(first), Some(last)) if unbroken => format!("sim run {file} --seeds {first}..{last}"),
        _ => format!("sim run {file}"),
    }
}

fn figure(value: Option<f64>, decimals: usize, unit: &str) -> String {
    value.map_or_else(|| "never".into(), |value| format!("{}{unit}", thousands(value, decimals)))
}

/// A whole number with commas, exact at any size.
fn grouped(count: u64) -> String {
    group_digits(&count.to_string())
}
