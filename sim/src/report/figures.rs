//! The figures of a report: what is drawn from the results, and the caption that says how to read it.

use std::collections::BTreeSet;

use super::chart::{
    Axis, BLUE, Band, Chart, Curve, GREEN, Mark, ORANGE, PURPLE, SKY, SOFT, Stroke, VERMILLION,
    nice_step,
};
use super::facts::{Facts, counted, trimmed};
use super::flags::{self, named};
use super::stats::{Fan, condense, fan, grid, number, quantile, reached, seconds, staircase};
use crate::metrics::{Departure, EventSpread, SeedResult};
use crate::scenario::{Nanos, Scenario};

/// Points per curve: more cannot be seen on 1,200 pixels.
const POINTS: u32 = 400;
const POINTS_MAX: usize = 400;
/// Most events that get a picture of their own.
const EVENTS_MAX: usize = 12;
/// Most departures that get a curve of their own.
const DEPARTURES_MAX: usize = 6;

const PALETTE: [super::canvas::Color; DEPARTURES_MAX] =
    [BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY];

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
    fn missing(stem: &str, title: &str, why: &str) -> Self {
        Self { stem: stem.into(), title: title.into(), caption: why.into(), chart: None }
    }
}

/// Every figure of a report, in the order of the page.
pub(super) fn all(scenario: &Scenario, results: &[SeedResult]) -> Vec<Figure> {
    let facts = Facts::new(scenario);
    let mut figures = convergence(&facts, results);
    figures.push(dissemination(&facts, results));
    figures.push(detection(&facts, results));
    figures.push(bytes(&facts, scenario, results));
    figures.push(view(&facts, scenario, results));
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
            "; it is the median of {}, and nine out of ten lie within the band",
            counted(spreads.len(), "sending")
        ));
    }
    text.push_str(
        ". Dashed: the curve of Serf's own convergence simulator for the same number of nodes and \
         the same loss; it assumes half the contacts that the protocol really makes. Dotted: the \
         law of a push epidemic whose nodes gossip at random moments. The diamonds are the claim \
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

fn fan_curves(
    fans: &[(f64, Fan)],
    samples: usize,
    color: super::canvas::Color,
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
        label: "5th to 95th percentile".into(),
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

/// One curve of the detection figure: everything that observers reported about one departure, or about many.
struct Group {
    label: String,
    crash: bool,
    delays: Vec<f64>,
    observers: usize,
    cluster: f64,
}

fn detection(facts: &Facts, results: &[SeedResult]) -> Figure {
    let title = "How fast a departure is noticed";
    let groups = departure_groups(results);
    if groups.iter().all(|group| group.delays.is_empty()) {
        let why = if groups.is_empty() {
            "Nobody crashed or left in this run."
        } else {
            "Nobody who crashed or left was noticed by anybody before the run ended."
        };
        return Figure::missing("detection", title, why);
    }
    let latest = groups.iter().filter_map(|group| quantile(&group.delays, 995)).fold(0.1, f64::max);
    let end = round_up(latest * 1.08);
    let mut curves: Vec<Curve> = groups
        .iter()
        .zip(PALETTE.into_iter().cycle())
        .map(|(group, color)| Curve {
            label: group.label.clone(),
            points: staircase(&group.delays, group.observers, end, POINTS_MAX),
            color,
            stroke: Stroke::Solid,
            width: 3.0,
        })
        .collect();
    let mut caption = String::from(
        "Each curve counts observers, over all runs: so many of them had marked the node failed \
         (after a crash) or left (after a leave) that many seconds later.",
    );
    let clusters = groups.iter().filter(|group| group.crash).map(|group| group.cluster);
    let cluster = median_of(clusters);
    if cluster >= 2.0 && facts.probe > 0.0 {
        let floor = facts.floor(cluster);
        let median = floor.time_of(0.5);
        curves.push(Curve {
            label: format!("floor of the median after a crash: {median:.2} s"),
            points: vec![(median, 0.0), (median, 100.0)],
            color: SOFT,
            stroke: Stroke::Dashed,
            width: 2.0,
        });
        caption.push_str(&format!(
            " The dashed line is the least that the protocol allows for the median after a crash: \
             the first probe comes after {:.2} s, takes {:.2} s to fail, and the shortest \
             suspicion lasts {:.2} s.",
            facts.probe * std::f64::consts::LN_2,
            facts.probe,
            floor.suspicion()
        ));
    }
    let chart = Chart {
        title: "Time until a departure is noticed".into(),
        subtitle: facts.setting(results.len()),
        x: Axis::to("seconds since the crash or leave", end),
        y: Axis::percent("observers that have marked it"),
        curves,
        ..Chart::default()
    };
    Figure { stem: "detection".into(), title: title.into(), caption, chart: Some(chart) }
}

/// One group per departure of the scenario, or one per kind if there are many.
fn departure_groups(results: &[SeedResult]) -> Vec<Group> {
    let mut distinct: Vec<(&str, &str, usize, Vec<&Departure>)> = Vec::new();
    for result in results {
        for (place, departure) in result.departures.iter().enumerate() {
            let same = |it: &&Departure| it.node == departure.node && it.kind == departure.kind;
            let turn = result.departures[..place].iter().filter(same).count();
            let key = (departure.node.as_str(), departure.kind, turn);
            match distinct.iter_mut().find(|it| (it.0, it.1, it.2) == key) {
                Some(found) => found.3.push(departure),
                None => distinct.push((key.0, key.1, key.2, vec![departure])),
            }
        }
    }
    if distinct.len() <= DEPARTURES_MAX {
        return distinct
            .into_iter()
            .map(|(node, kind, turn, members)| {
                let verb = if kind == "crash" { "crashes" } else { "leaves" };
                let again = if turn == 0 { "" } else { " again" };
                group(format!("{} {verb}{again}", named(node)), kind, &members)
            })
            .collect();
    }
    ["crash", "leave"]
        .into_iter()
        .filter_map(|kind| {
            let ofthem: Vec<_> = distinct.iter().filter(|it| it.1 == kind).collect();
            let members: Vec<&Departure> = ofthem.iter().flat_map(|it| it.3.clone()).collect();
            let label = if kind == "crash" { "crash" } else { "graceful leave" };
            let plural = if kind == "crash" { "crashes" } else { "graceful leaves" };
            let label = if ofthem.len() == 1 {
                format!("1 {label}")
            } else {
                format!("all {} {plural}", ofthem.len())
            };
            (!members.is_empty()).then(|| group(label, kind, &members))
        })
        .collect()
}

fn group(label: String, kind: &str, members: &[&Departure]) -> Group {
    let mut delays: Vec<f64> =
        members.iter().flat_map(|it| it.delays.iter().map(|&delay| seconds(delay))).collect();
    delays.sort_by(f64::total_cmp);
    Group {
        label,
        crash: kind == "crash",
        delays,
        observers: members.iter().map(|it| usize::try_from(it.observers).unwrap_or(0)).sum(),
        cluster: median_of(members.iter().map(|it| f64::from(it.observers) + 1.0)),
    }
}

fn bytes(facts: &Facts, scenario: &Scenario, results: &[SeedResult]) -> Figure {
    let title = "What the network carries";
    let bucket = seconds(scenario.series_bucket);
    let longest = results.iter().map(|result| result.bytes_per_node.len()).max().unwrap_or(0);
    if longest == 0 || bucket <= 0.0 {
        let why = "This run has no series of bytes.";
        return Figure::missing("bytes", title, why);
    }
    let mut step = bucket;
    let mut series = Vec::new();
    for result in results {
        let (means, grouped) = condense(&result.bytes_per_node, POINTS_MAX);
        if result.bytes_per_node.len() == longest {
            step = bucket * number(grouped);
        }
        series.push(means);
    }
    let mut fans = Vec::new();
    for index in 0..series.iter().map(Vec::len).max().unwrap_or(0) {
        let mut values: Vec<f64> =
            series.iter().filter_map(|it| it.get(index)).map(|sum| sum / bucket).collect();
        if let Some(fan) = fan(&mut values) {
            fans.push(((number(index) + 0.5) * step, fan));
        }
    }
    let top = fans.iter().map(|(_, fan)| fan.high).fold(0.0, f64::max);
    let (unit, divisor) = if top >= 10_000.0 { ("kB/s", 1_000.0) } else { ("B/s", 1.0) };
    for (_, fan) in &mut fans {
        *fan = Fan { low: fan.low / divisor, mid: fan.mid / divisor, high: fan.high / divisor };
    }
    let (curves, bands) = fan_curves(&fans, results.len(), BLUE);
    let chart = Chart {
        title: "Bytes sent per node".into(),
        subtitle: facts.setting(results.len()),
        x: Axis::to("seconds of the run", seconds(scenario.duration).max(step)),
        y: Axis::to(
            &format!("sent per live node, {unit}"),
            round_up(1.12 * top / divisor).max(1.0),
        ),
        curves,
        bands,
        flags: flags::of(scenario),
        ..Chart::default()
    };
    let caption = format!(
        "Bytes that an average live node sends per second, datagrams and streams together, \
         without the headers of IP, UDP and TCP, averaged over {} s. Vertical lines mark what \
         the scenario did.{}",
        trimmed(step, 3),
        flags::in_words(scenario)
    );
    Figure { stem: "bytes".into(), title: title.into(), caption, chart: Some(chart) }
}

fn view(facts: &Facts, scenario: &Scenario, results: &[SeedResult]) -> Figure {
    let title = "How far the nodes agree on who is there";
    let end = seconds(scenario.duration);
    let known = results.iter().filter(|result| !result.convergence.is_empty()).count();
    if known == 0 || end <= 0.0 {
        let why = "This run has no series of who sees whom: it takes at least two nodes.";
        return Figure::missing("view", title, why);
    }
    let mut fans = Vec::new();
    for t in grid(end, POINTS) {
        let at_most = |at: Nanos| seconds(at) <= t + 1e-9;
        let mut shares: Vec<f64> = results
            .iter()
            .filter_map(|result| {
                let after = result.convergence.partition_point(|point| at_most(point.at));
                let last = result.convergence.get(after.checked_sub(1)?)?;
                Some(100.0 * last.share)
            })
            .collect();
        if let Some(fan) = fan(&mut shares) {
            fans.push((t, fan));
        }
    }
    let (curves, bands) = fan_curves(&fans, known, BLUE);
    let chart = Chart {
        title: "Nodes that see each other".into(),
        subtitle: facts.setting(results.len()),
        x: Axis::to("seconds of the run", end),
        y: Axis::percent("pairs of live nodes that see each other alive"),
        curves,
        bands,
        flags: flags::of(scenario),
        ..Chart::default()
    };
    let caption = format!(
        "At 100 % every live node sees every other live node as alive. Vertical lines mark what \
         the scenario did.{}",
        flags::in_words(scenario)
    );
    Figure { stem: "view".into(), title: title.into(), caption, chart: Some(chart) }
}

fn median_of(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    quantile(&values, 500).unwrap_or(0.0)
}

/// The end of an axis that goes at least to `end`: a multiple of a tenth of its own size.
fn round_up(end: f64) -> f64 {
    let step = nice_step(end / 11.0);
    step * libm::ceil(end / step - 1e-9)
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
