//! The figure of how queries are acked and answered.

use super::axis::{Axis, nice_step, round_up};
use super::canvas::Color;
use super::chart::{
    BLUE, Band, Chart, Curve, Flag, GREEN, ORANGE, PURPLE, SKY, Stroke, VERMILLION,
};
use super::facts::{Facts, counted, trimmed};
use super::figures::{Figure, POINTS, fan_curves, median_of, within_band};
use super::flags::named;
use super::stats::{Fan, fan, grid, number, reached, seconds};
use crate::metrics::{QuerySpread, Replies, SeedResult};
use crate::scenario::Nanos;

/// Most queries that get curves of their own.
const QUERIES_MAX: usize = 6;
const PALETTE: [Color; QUERIES_MAX] = [BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY];
/// How many times later than its usual end the deadline of a query must be to squeeze the rest on a linear axis.
const WIDE: f64 = 4.0;
/// Shortest time on a logarithmic axis, in seconds.
const LEAST: f64 = 0.001;

/// One query of the scenario over all runs.
struct Group<'a> {
    label: String,
    sent: Vec<&'a QuerySpread>,
}

/// How the queries of the workload were acked and answered; none if there were no queries.
pub(super) fn figure(facts: &Facts, results: &[SeedResult]) -> Option<Figure> {
    let all = groups(results);
    let groups: Vec<&Group<'_>> =
        all.iter().filter(|group| group.parts().next().is_some()).take(QUERIES_MAX).collect();
    if groups.is_empty() {
        return None;
    }
    let span = Span::of(&groups);
    let (mut curves, mut bands) = (Vec::new(), Vec::new());
    for (group, color) in groups.iter().zip(PALETTE) {
        let mut area = None;
        for (what, replies) in group.parts() {
            let (drawn, band) = curves_of(&replies, &span.until(group.deadline()), color);
            curves.extend(drawn.into_iter().map(|curve| {
                let label = format!("{}: {what}", group.label);
                let (stroke, width) =
                    if what == ACKS { (Stroke::Dotted, 5.0) } else { (Stroke::Solid, 3.4) };
                Curve { label, stroke, width, ..curve }
            }));
            // One for each query is enough: the first half of a query and the second hardly differ.
            area = band.into_iter().next().or(area);
        }
        if let (Some(band), false) = (&mut area, bands.is_empty()) {
            band.label.clear();
        }
        bands.extend(area);
    }
    let chart = Chart {
        title: "Queries are acked and answered".into(),
        subtitle: facts.setting(results.len()),
        x: span.axis(),
        y: Axis::percent("matching live nodes that have acked or answered"),
        curves,
        bands,
        flags: deadlines(&groups),
        ..Chart::default()
    };
    let caption = caption(&all, &groups, results, &span);
    let title = "How queries are acked and answered".into();
    Some(Figure { stem: "queries".into(), title, caption, chart: Some(chart) })
}

const ACKS: &str = "acks";
const ANSWERS: &str = "answers";

impl Group<'_> {
    /// Acks and answers over the runs, each if the query is about them.
    fn parts(&self) -> impl Iterator<Item = (&'static str, Vec<&Replies>)> {
        let sent = || self.sent.iter().filter(|it| !it.refused);
        let acks: Vec<&Replies> = sent().filter_map(|it| it.acks.as_ref()).collect();
        let responses: Vec<&Replies> = sent().filter_map(|it| it.responses.as_ref()).collect();
        [(ACKS, acks), (ANSWERS, responses)].into_iter().filter(|(_, replies)| !replies.is_empty())
    }

    /// How long nodes waited for replies, in seconds.
    fn deadline(&self) -> Option<f64> {
        let ends: Vec<f64> = self
            .sent
            .iter()
            .filter(|it| !it.refused)
            .filter_map(|it| it.ended_after.map(seconds))
            .collect();
        if ends.is_empty() { None } else { Some(median_of(ends.into_iter())) }
    }
}

/// One group per query of the scenario, in order of sending.
fn groups(results: &[SeedResult]) -> Vec<Group<'_>> {
    let mut groups: Vec<((&str, usize), Group<'_>)> = Vec::new();
    for result in results {
        for (place, query) in result.queries.iter().enumerate() {
            let earlier = result.queries[..place].iter().filter(|it| it.name == query.name);
            let key = (query.name.as_str(), earlier.count());
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.sent.push(query),
                None => {
                    let turn = if key.1 > 0 { format!(" ({})", key.1 + 1) } else { String::new() };
                    let label = format!("{}{turn}", named(&query.name));
                    groups.push((key, Group { label, sent: vec![query] }));
                }
            }
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// What the time axis shows.
struct Span {
    /// Where it starts, in seconds; 0: linear.
    start: f64,
    end: f64,
}

impl Span {
    fn of(groups: &[&Group<'_>]) -> Self {
        let replies: Vec<&Replies> =
            groups.iter().flat_map(|group| group.parts().flat_map(|(_, it)| it)).collect();
        let time = |permille: u32| {
            let of = move |it: &&Replies| reached(&it.delays, it.audience, permille).map(seconds);
            replies.iter().filter_map(of)
        };
        let usual = median_of(time(900));
        let late = time(1_000).fold(0.0, f64::max);
        let deadline = groups.iter().filter_map(|group| group.deadline()).fold(0.0, f64::max);
        let end = 1.05 * late.max(deadline).max(0.1);
        if usual <= 0.0 || end < WIDE * usual {
            return Self { start: 0.0, end: round_up(end) };
        }
        let early = median_of(time(200)).max(LEAST);
        // A round number well before.
        Self { start: nice_step(early / 7.0), end: 1.2 * end }
    }

    fn axis(&self) -> Axis {
        if self.start > 0.0 {
            let label = "seconds since the query was sent (logarithmic axis)";
            return Axis::logarithmic(label, self.start, self.end, true);
        }
        Axis::to("seconds since the query was sent", self.end)
    }

    /// Times at which curves are read, up to the deadline: what comes later is not heard.
    fn until(&self, deadline: Option<f64>) -> Vec<f64> {
        let at = |part: f64| {
            if self.start > 0.0 {
                self.start * libm::pow(self.end / self.start, part)
            } else {
                part * self.end
            }
        };
        let last = deadline.unwrap_or(self.end).min(self.end);
        grid(1.0, POINTS).map(at).filter(|&t| t < last).chain([last]).collect()
    }
}

/// Median and band of what has come back, in percent of those that were asked.
fn curves_of(replies: &[&Replies], times: &[f64], color: Color) -> (Vec<Curve>, Vec<Band>) {
    let mut fans: Vec<(f64, Fan)> = Vec::new();
    for &t in times {
        let mut shares: Vec<f64> = replies.iter().map(|it| share(it, t)).collect();
        fans.extend(fan(&mut shares).map(|fan| (t, fan)));
    }
    fan_curves(&fans, replies.len(), color)
}

fn share(replies: &Replies, t: f64) -> f64 {
    let have = replies.delays.partition_point(|&delay: &Nanos| seconds(delay) <= t);
    (100.0 * number(have) / f64::from(replies.audience.max(1))).min(100.0)
}

/// When the asking nodes stop waiting. Only the first says what it is: there is little room.
fn deadlines(groups: &[&Group<'_>]) -> Vec<Flag> {
    let mut ends: Vec<f64> = groups.iter().filter_map(|group| group.deadline()).collect();
    ends.sort_by(f64::total_cmp);
    ends.dedup_by(|one, two| (*one - *two).abs() < 1e-6);
    let word = if ends.len() > 1 { "deadlines: " } else { "deadline: " };
    let words = std::iter::once(word).chain(std::iter::repeat(""));
    let label = |word: &str, x: f64| format!("{word}{} s", trimmed(x, 2));
    ends.into_iter().zip(words).map(|(x, word)| Flag { label: label(word, x), x }).collect()
}

fn caption(all: &[Group<'_>], shown: &[&Group<'_>], results: &[SeedResult], span: &Span) -> String {
    let mut text = String::from(
        "Each line is the share of the live nodes with the right names and tags whose ack \
         (dotted) or answer (solid) the asking node has so many seconds after it sent the query",
    );
    if results.len() > 1 {
        text.push_str(&format!(
            "; it is the median of {}, and {} within the band",
            counted(results.len(), "run"),
            within_band(results.len())
        ));
    }
    text.push_str(
        ". A line ends at the deadline of its query, which is marked: what comes later is not \
         heard, and below 100 % the query or the reply of some node was lost.",
    );
    if span.start > 0.0 {
        text.push_str(&format!(
            " The time axis is logarithmic: each step from 0.1 to 1 to 10 is as wide as the last, \
             and what came within {} s is drawn at its left edge.",
            trimmed(span.start, 3)
        ));
    }
    let refused = all.iter().flat_map(|group| &group.sent).filter(|it| it.refused).count();
    if refused > 0 {
        text.push_str(&format!(
            " The asking node refused to send {}.",
            if refused == 1 { "1 query".into() } else { format!("{refused} queries") }
        ));
    }
    let asked = all.iter().filter(|group| group.parts().next().is_some()).count();
    if asked > shown.len() {
        text.push_str(&format!(
            " Of {asked} queries the first {} are drawn; all are in summary.json.",
            shown.len()
        ));
    }
    text
}
