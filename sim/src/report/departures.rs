//! The figure of how crashes and leaves are noticed.

use super::axis::{Axis, round_up};
use super::canvas::Color;
use super::chart::{BLUE, Chart, Curve, GREEN, ORANGE, PURPLE, SKY, SOFT, Stroke, VERMILLION};
use super::facts::{Facts, trimmed};
use super::figures::{Figure, POINTS_MAX};
use super::flags::named;
use super::stats::{quantile, seconds, staircase};
use crate::analytic::DetectionFloor;
use crate::metrics::{Departure, SeedResult};

/// Most departures that get a curve of their own.
const DEPARTURES_MAX: usize = 6;

const PALETTE: [Color; DEPARTURES_MAX] = [BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY];

/// One curve of the detection figure: everything that observers reported about one departure, or about many.
struct Group {
    label: String,
    crash: bool,
    delays: Vec<f64>,
    observers: usize,
    /// Nodes up when they happened, the least and the most.
    clusters: (f64, f64),
}

/// How fast crashes and leaves are noticed.
pub(super) fn detection(facts: &Facts, results: &[SeedResult]) -> Figure {
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
        "Each curve counts observers, over all runs: so many of those that were up and knew the \
         node when it crashed or left had marked it failed (after a crash) or left (after a \
         leave) that many seconds later.",
    );
    if groups.iter().any(|group| group.delays.len() < group.observers) {
        caption.push_str(
            " A curve that ends below 100 % has observers that never did: they went down or were \
             cut off themselves before they noticed, or the node came back or the run ended first.",
        );
    }
    if let Some(floor) = floor(facts, &groups) {
        let median = floor.time_of(0.5);
        curves.push(Curve {
            label: format!("floor of the median after a crash: {median:.2} s"),
            points: vec![(median, 0.0), (median, 100.0)],
            color: SOFT,
            stroke: Stroke::Dashed,
            width: 2.0,
        });
        caption.push_str(&floor_in_words(&floor));
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

/// The floor under the median after a crash, if the crashes happened in clusters of about one size.
fn floor(facts: &Facts, groups: &[Group]) -> Option<DetectionFloor> {
    let clusters = groups.iter().filter(|group| group.crash).map(|group| group.clusters);
    let (least, most) = clusters.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1)))?;
    let alike = least >= 2.0 && most <= 1.25 * least;
    (alike && facts.probe > 0.0 && !facts.aligned).then(|| facts.floor(most))
}

fn floor_in_words(floor: &DetectionFloor) -> String {
    let (interval, first) = (floor.probe_interval, floor.first_probe(0.5));
    format!(
        " Dashed: the floor of the median after a crash, {:.2} T + T + shortest suspicion = {:.2} \
         s + {:.2} s + {:.2} s = {:.2} s, with the probe interval T\u{a0}=\u{a0}{}\u{a0}s. Half of all victims \
         are first probed within {:.2} T, the probe takes T to fail, and a suspicion lasts at \
         least {} × max(1, log10\u{a0}N)\u{a0}×\u{a0}T with N\u{a0}=\u{a0}{} nodes. Over many crashes the \
         median cannot be lower; a single one may be noticed sooner, if a probe comes at the \
         right moment.",
        first / interval,
        first,
        interval,
        floor.suspicion(),
        floor.time_of(0.5),
        trimmed(interval, 3),
        first / interval,
        trimmed(floor.suspicion_mult, 3),
        trimmed(floor.nodes, 0),
    )
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
    let sizes = members.iter().map(|it| f64::from(it.observers) + 1.0);
    Group {
        label,
        crash: kind == "crash",
        delays,
        observers: members.iter().map(|it| usize::try_from(it.observers).unwrap_or(0)).sum(),
        clusters: (sizes.clone().fold(f64::INFINITY, f64::min), sizes.fold(0.0, f64::max)),
    }
}
