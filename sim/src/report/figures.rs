//! The figures of a report: what is drawn from the results, and the caption that says how to read it.

use std::collections::BTreeSet;

use super::axis::{Axis, round_up};
use super::canvas::Color;
use super::chart::{BLUE, Band, Chart, Curve, GREEN, Mark, ORANGE, Stroke, VERMILLION};
use super::facts::{Facts, counted};
use super::flags::named;
use super::stats::{Fan, fan, grid, number, quantile, reached, seconds, staircase};
use super::{coordinates, departures, queries, timeline};
use crate::metrics::{EventSpread, SeedResult};
use crate::scenario::Scenario;

/// Points per curve: more cannot be seen on 1,200 pixels.
pub(super) const POINTS: u32 = 400;
pub(super) const POINTS_MAX: usize = 400;
/// Most events that get a picture of their own.
const EVENTS_MAX: usize = 12;
/// One figure of the report.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// File name without ending.
    pub(super) stem: String,
    /// Heading.
    pub(super) title: String,
    /// How to read it; without a chart, why there is none.
    pub(super) caption: String,
    /// What is drawn.
    pub(super) chart: Option<Chart>,
}

impl Figure {
    /// A figure that this run has nothing for.
    pub(super) fn missing(stem: &str, title: &str, why: &str) -> Self {
        Self { stem: stem.into(), title: title.into(), caption: why.into(), chart: None }
    }
}

/// Every figure of a report, in the order of the page.
pub(super) fn all(scenario: &Scenario, results: &[SeedResult]) -> Vec<Figure> {
    let facts = Facts::new(scenario);
    let mut figures = convergence(&facts, results);
    figures.extend(timeline::formation(&facts, scenario, results));
    figures.push(dissemination(&facts, results));
    figures.extend(queries::figure(&facts, results));
    figures.push(departures::detection(&facts, results));
    figures.push(timeline::bytes(&facts, scenario, results));
    figures.push(timeline::view(&facts, scenario, results));
    figures.extend(coordinates::figure(&facts, scenario, results));
    figures
}

fn convergence(facts: &Facts, results: &[SeedResult]) -> Vec<Figure> {
    let mut names: Vec<&str> = Vec::new();
    for event in results.iter().flat_map(|result| &result.events) {
        if !names.contains(&event.name.as_str()) && names.len() < EVENTS_MAX {
            names.push(&event.name);
        }
    }
    let title = "How an event reaches the nodes";
    if names.is_empty() {
        return vec![Figure::missing("convergence", title, "No user event was sent in this run.")];
    }
    let mut stems = BTreeSet::new();
    names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let mut stem = String::from("convergence");
            if index > 0 {
                stem = format!("convergence-{}", slug(name));
                while !stems.insert(stem.clone()) {
                    stem.push('x');
                }
            }
            let spreads: Vec<&EventSpread> = results
                .iter()
                .flat_map(|result| &result.events)
                .filter(|event| event.name == *name)
                .collect();
            one_event(facts, results.len(), stem, name, &spreads)
        })
        .collect()
}

fn one_event(
    facts: &Facts,
    seeds: usize,
    stem: String,
    name: &str,
    spreads: &[&EventSpread],
) -> Figure {
    let nodes = median_of(spreads.iter().map(|spread| f64::from(spread.audience))).max(1.0);
    let end = spread_end(facts, nodes, spreads);
    let mut fans = Vec::new();
    for t in grid(end, POINTS) {
        let mut shares: Vec<f64> = spreads.iter().map(|spread| share(spread, t)).collect();
        if let Some(fan) = fan(&mut shares) {
            fans.push((t, fan));
        }
    }
    let several = spreads.len() > 1;
    let (mut curves, bands) = fan_curves(&fans, spreads.len(), BLUE);
    if facts.gossips() && nodes > 1.0 {
        let (serf, push) = (facts.serf(nodes), facts.push(nodes));
        let model = |label: &str, share: &dyn Fn(f64) -> f64, color, stroke, width| Curve {
            label: label.into(),
            points: grid(end, POINTS).map(|t| (t, 100.0 * share(t))).collect(),
            color,
            stroke,
            width,
        };
        let serf =
            model("Serf's own simulator", &|t| serf.share_at(t), VERMILLION, Stroke::Dashed, 2.6);
        let push = model("law of random phases", &|t| push.share_at(t), GREEN, Stroke::Dotted, 3.6);
        curves.extend([serf, push]);
    }
    let chart = Chart {
        title: format!("Event “{}” reaches the cluster", named(name)),
        subtitle: facts.setting(seeds),
        x: Axis::to("seconds since the event was sent", end),
        y: Axis::percent("nodes that have the event"),
        curves,
        bands,
        marks: vec![
            Mark { label: "95 % in 1 s".into(), at: (1.0, 95.0) },
            Mark { label: "100 % in 2 s".into(), at: (2.0, 100.0) },
        ],
        flags: Vec::new(),
    };
    Figure {
        stem,
        title: format!("How the event “{}” reaches the nodes", named(name)),
        caption: convergence_caption(facts, spreads, several),
        chart: Some(chart),
    }
}

fn convergence_caption(facts: &Facts, spreads: &[&EventSpread], several: bool) -> String {
    let mut text = String::from(
        "Read it from left to right: the line is the share of nodes that have the event that many \
         seconds after it was sent",
    );
    if several {
        text.push_str(&format!(
            "; it is the median of {}, and {} within the band",
            counted(spreads.len(), "sending"),
            within_band(spreads.len())
        ));
    }
    text.push_str(
        ". Dashed: the curve of Serf's own convergence simulator for the same number of nodes and \
         the same loss; it assumes half the contacts that the protocol really makes. Dotted: the \
         law of a push epidemic whose nodes gossip at random moments. Neither knows the delay on \
         the wire. The diamonds are the claim \
         “95 % of the nodes in one second, all in two”.",
    );
    if facts.aligned {
        text.push_str(
            " The timers of this run are aligned, so nodes that were started together gossip in \
             the same instant and the line climbs in steps.",
        );
    }
    let never =
        spreads.iter().filter(|it| reached(&it.delays, it.audience, 1_000).is_none()).count();
    if never > 0 {
        text.push_str(&format!(
            " In {never} of {} the event did not reach every node that was up when it was sent.",
            counted(spreads.len(), "sending")
        ));
    }
    text
}

/// Where the time axis of an event ends: the marks, the models and nearly all that was measured fit in.
fn spread_end(facts: &Facts, nodes: f64, spreads: &[&EventSpread]) -> f64 {
    let mut late: Vec<f64> = spreads
        .iter()
        .filter_map(|spread| reached(&spread.delays, spread.audience, 990).map(seconds))
        .collect();
    late.sort_by(f64::total_cmp);
    let measured = quantile(&late, 950).unwrap_or(0.0) * 1.1;
    let model = if facts.gossips() { facts.serf(nodes).time_of(0.99).min(30.0) } else { 0.0 };
    round_up(measured.max(model).max(2.2))
}

fn share(spread: &EventSpread, t: f64) -> f64 {
    let have = spread.delays.partition_point(|&delay| seconds(delay) <= t);
    (100.0 * number(have) / f64::from(spread.audience.max(1))).min(100.0)
}

/// How many runs a band needs before it leaves any out: with fewer, the 5th percentile is the lowest of them.
const BAND_CUTS: usize = 20;

/// What lies within a band.
pub(super) fn within_band(samples: usize) -> &'static str {
    if samples < BAND_CUTS { "all of them lie" } else { "nine out of ten lie" }
}

/// Median and band of fans over `samples` runs.
pub(super) fn fan_curves(
    fans: &[(f64, Fan)],
    samples: usize,
    color: Color,
) -> (Vec<Curve>, Vec<Band>) {
    let several = samples > 1;
    let label =
        if several { format!("median of {}", counted(samples, "run")) } else { "measured".into() };
    let curve = Curve {
        label,
        points: fans.iter().map(|&(x, fan)| (x, fan.mid)).collect(),
        color,
        stroke: Stroke::Solid,
        width: 3.4,
    };
    let band = Band {
        label: if samples < BAND_CUTS { "lowest to highest" } else { "5th to 95th percentile" }
            .into(),
        points: fans.iter().map(|&(x, fan)| (x, fan.low, fan.high)).collect(),
        color,
    };
    (vec![curve], if several { vec![band] } else { Vec::new() })
}

fn dissemination(facts: &Facts, results: &[SeedResult]) -> Figure {
    let title = "How the speed of events differs from run to run";
    let spreads: Vec<&EventSpread> = results.iter().flat_map(|result| &result.events).collect();
    if spreads.is_empty() {
        return Figure::missing("dissemination", title, "No user event was sent in this run.");
    }
    let times = |permille: u32| {
        let mut times: Vec<f64> = spreads
            .iter()
            .filter_map(|spread| reached(&spread.delays, spread.audience, permille).map(seconds))
            .collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let (all, nearly) = (times(1_000), times(990));
    let most = |sorted: &[f64]| quantile(sorted, 950).unwrap_or(0.0);
    // Stragglers that only push/pull reaches come tens of seconds later and would squeeze the rest into a line.
    let end =
        round_up((1.15 * most(&all)).min(3.0 * most(&nearly)).max(1.15 * most(&nearly)).max(0.1));
    let parts = [
        (500, BLUE, "half of the nodes"),
        (950, GREEN, "95 % of the nodes"),
        (990, ORANGE, "99 % of the nodes"),
        (1_000, VERMILLION, "every node"),
    ];
    let mut curves: Vec<Curve> = Vec::new();
    for (permille, color, label) in parts {
        let points = staircase(&times(permille), spreads.len(), end, POINTS_MAX);
        match curves.last_mut() {
            // In small clusters 99 % of the nodes are all of them: one curve, both names.
            Some(last) if last.points == points => {
                last.label = format!("{}, {label}", last.label.trim_end_matches(" of the nodes"));
            }
            _ => curves.push(Curve {
                label: label.into(),
                points,
                color,
                stroke: Stroke::Solid,
                width: 3.0,
            }),
        }
    }
    let caption = dissemination_caption(&all, spreads.len(), end);
    let chart = Chart {
        title: "Time until an event has spread, over all runs".into(),
        subtitle: facts.setting(results.len()),
        x: Axis::to("seconds since the event was sent", end),
        y: Axis::percent("share of runs"),
        curves,
        ..Chart::default()
    };
    Figure { stem: "dissemination".into(), title: title.into(), caption, chart: Some(chart) }
}

fn dissemination_caption(all: &[f64], sendings: usize, end: f64) -> String {
    let beyond = all.iter().filter(|&&time| time > end).count();
    let mut caption = format!(
        "Each curve counts runs: it shows in what share of all {} the event had reached half, \
         95 %, 99 % or all of the nodes by the time on the horizontal axis. A steep curve means \
         that all runs were alike.",
        counted(sendings, "sending")
    );
    let never = sendings - all.len();
    if beyond > 0 {
        caption.push_str(&format!(" In {beyond} the last node had it only after the right edge."));
    }
    if never > 0 {
        caption.push_str(&format!(" In {never} some node never had it."));
    }
    if beyond + never > 0 {
        caption.push_str(
            " Gossip ends when its transmit budget is used up; a node that it missed gets the \
             event by a later push/pull exchange.",
        );
    }
    caption
}

/// The median of some numbers; 0 if there are none.
pub(super) fn median_of(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    quantile(&values, 500).unwrap_or(0.0)
}

/// An event name as part of a file name.
fn slug(name: &str) -> String {
    let slug: String = name
        .chars()
        .take(40)
        .map(
            |letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' },
        )
        .collect();
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "event".into() } else { slug.into() }
}
