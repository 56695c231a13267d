//! The figures that follow the clock of the run: how the cluster forms, who sees whom, and what the network carries.

use super::axis::{Axis, round_up, thousands};
use super::chart::{BLUE, Band, Chart, Curve, Flag, SOFT, Stroke};
use super::facts::{Facts, counted, trimmed};
use super::figures::{Figure, POINTS, POINTS_MAX, fan_curves, median_of, within_band};
use super::flags;
use super::stats::{Fan, condense, fan, grid, number, quantile, seconds, staircase};
use crate::metrics::{ConvergencePoint, SeedResult};
use crate::scenario::{Nanos, Scenario, Start};

/// From this ratio of the highest to the usual value on, bytes are drawn on a logarithmic axis.
const WIDE_RANGE: f64 = 15.0;
/// How many times longer than 99 % of the pairs the last ones may take and still be shown.
const PATIENCE: f64 = 6.0;
/// Shown of a formation that never completes, after the last boot.
const UNFINISHED: f64 = 10.0;

/// How a cold cluster comes together; `None` for a warm start, which has nothing to form.
pub(super) fn formation(
    facts: &Facts,
    scenario: &Scenario,
    results: &[SeedResult],
) -> Option<Figure> {
    let Start::Cold { boot, join_after, .. } = &scenario.start else { return None };
    let (first, last) = (*boot.iter().min()?, *boot.iter().max()?);
    let title = "How the cluster forms";
    let known = results.iter().filter(|result| result.convergence.len() > 1).count();
    if known == 0 || scenario.duration == 0 {
        let why = "This run has no series of who sees whom: it takes at least two nodes.";
        return Some(Figure::missing("formation", title, why));
    }
    let times = Times::of(results, boot.len(), last);
    let duration = seconds(scenario.duration);
    let end = round_up(times.shown(seconds(last))).min(duration);
    let columns: Vec<_> =
        grid(end, POINTS).map(|t| (t, column(results, |points| at(points, t)))).collect();
    let (mut curves, bands) = pieces(&columns, known);
    let mut marks = Vec::new();
    if first < last {
        let mut boots: Vec<f64> = boot.iter().map(|&at| seconds(at)).collect();
        boots.sort_by(f64::total_cmp);
        curves.push(Curve {
            label: "nodes that have booted".into(),
            points: staircase(&boots, boots.len(), end, POINTS_MAX),
            color: SOFT,
            stroke: Stroke::Dashed,
            width: 2.0,
        });
        marks.push(Flag { label: "first boot".into(), x: seconds(first) });
        marks.push(Flag { label: "last boot".into(), x: seconds(last) });
    }
    marks.extend(flags::of(scenario));
    marks.sort_by(|one, two| one.x.total_cmp(&two.x));
    let chart = Chart {
        title: "The cluster forms".into(),
        subtitle: facts.setting(results.len()),
        x: Axis::to("seconds of the run", end),
        y: Axis::percent("pairs of live nodes that see each other alive"),
        curves,
        bands,
        flags: marks,
        ..Chart::default()
    };
    let caption = formation_caption((first, last, *join_after), known, &times, end);
    Some(Figure { stem: "formation".into(), title: title.into(), caption, chart: Some(chart) })
}

fn formation_caption(
    (first, last, join_after): (Nanos, Nanos, Nanos),
    runs: usize,
    times: &Times,
    end: f64,
) -> String {
    let short = |at: Nanos| trimmed(seconds(at), 3);
    let mut text = String::from(
        "Read it from left to right: of all pairs (observer, other node) of nodes that are up at \
         that moment, so many observers have the other in their list of members",
    );
    if runs > 1 {
        let within = within_band(runs);
        text.push_str(&format!(
            "; the line is the median of {}, and {within} within the band",
            counted(runs, "run")
        ));
    }
    text.push_str(&if first == last {
        format!(". Every node boots at {} s and joins others", short(first))
    } else {
        format!(
            ". The first node boots at {} s and the last at {} s (vertical lines; dashed: the \
             share that has booted), and each joins others",
            short(first),
            short(last)
        )
    });
    text.push_str(&format!(" {} s after its boot.", short(join_after)));
    if first < last {
        text.push_str(
            " Each boot makes the line fall, because nobody knows the newcomer yet; it starts \
             when the second node is up.",
        );
    }
    text.push_str(&times.in_words(runs, end));
    text
}

/// When the runs first had so many pairs after the last boot, each in ascending order; runs that never had are missing.
struct Times {
    /// 95 % of the pairs.
    most: Vec<f64>,
    /// 99 % of the pairs.
    nearly: Vec<f64>,
    /// Every pair.
    all: Vec<f64>,
}

impl Times {
    fn of(results: &[SeedResult], nodes: usize, last_boot: Nanos) -> Self {
        let times = |share: f64| {
            let there = |point: &&ConvergencePoint| {
                point.at >= last_boot
                    && usize::try_from(point.live) == Ok(nodes)
                    && point.share >= share
            };
            let mut times: Vec<f64> = results
                .iter()
                .filter_map(|result| result.convergence.iter().find(there))
                .map(|point| seconds(point.at))
                .collect();
            times.sort_by(f64::total_cmp);
            times
        };
        Self { most: times(0.95), nearly: times(0.99), all: times(1.0) }
    }

    /// How much of the run shows how the cluster forms. A last pair that waits for a push/pull exchange comes tens of
    /// seconds later and would squeeze the rest into a line.
    fn shown(&self, last_boot: f64) -> f64 {
        let late = |times: &[f64]| quantile(times, 950);
        let all = late(&self.all).map_or(f64::INFINITY, |all| 1.5 * all);
        let nearly = late(&self.nearly)
            .map_or(f64::INFINITY, |nearly| last_boot + PATIENCE * (nearly - last_boot));
        let end = all.min(nearly);
        let end = if end.is_finite() { end } else { last_boot + UNFINISHED };
        end.max(1.1 * last_boot).max(0.1)
    }

    fn in_words(&self, runs: usize, end: f64) -> String {
        let mut text = match (quantile(&self.most, 500), quantile(&self.all, 500)) {
            (Some(most), Some(all)) => format!(
                " With the last node up, 95 % of all pairs are reached at {most:.2} s and every \
                 pair at {all:.2} s"
            ),
            _ => " In no run did every node see every other".into(),
        };
        if let (Some(late), true) = (quantile(&self.all, 950), runs > 1) {
            text.push_str(&format!(
                " (medians of {}; 95th percentile of every pair {late:.2} s)",
                counted(self.all.len(), "run")
            ));
        }
        text.push('.');
        let beyond = self.all.iter().filter(|&&time| time > end).count();
        if beyond > 0 {
            text.push_str(&format!(
                " In {} the last pair came only after the right edge, usually by a push/pull exchange.",
                counted(beyond, "run")
            ));
        }
        let never = runs - self.all.len().min(runs);
        if never > 0 && never < runs {
            text.push_str(&format!(" In {} some pair was never reached.", counted(never, "run")));
        }
        text
    }
}

/// One place of a figure over all runs: a gap if most of them have nothing there.
fn column(
    results: &[SeedResult],
    share: impl Fn(&[ConvergencePoint]) -> Option<f64>,
) -> Option<Fan> {
    let known = results.iter().filter(|result| !result.convergence.is_empty());
    let mut shares: Vec<f64> = known.clone().filter_map(|it| share(&it.convergence)).collect();
    if 2 * shares.len() < known.count() { None } else { fan(&mut shares) }
}

/// The share in percent at `t`; `None` while there is no pair.
fn at(points: &[ConvergencePoint], t: f64) -> Option<f64> {
    let after = points.partition_point(|point| seconds(point.at) <= t + 1e-9);
    percent(points.get(after.checked_sub(1)?)?)
}

fn percent(point: &ConvergencePoint) -> Option<f64> {
    (point.live > 1).then_some(100.0 * point.share)
}

/// The lowest share in percent from `from` until before `to`, so that a dip between two columns is not lost.
fn lowest(points: &[ConvergencePoint], from: f64, to: f64) -> Option<f64> {
    let first = points.partition_point(|point| seconds(point.at) <= from + 1e-9);
    let inside = points[first..].iter().take_while(|point| seconds(point.at) < to - 1e-9);
    at(points, from).into_iter().chain(inside.filter_map(percent)).reduce(f64::min)
}

/// Median and band, interrupted where a column is empty.
fn pieces(columns: &[(f64, Option<Fan>)], samples: usize) -> (Vec<Curve>, Vec<Band>) {
    let (mut curves, mut bands) = (Vec::new(), Vec::new());
    for run in columns.split(|(_, fan)| fan.is_none()) {
        let fans: Vec<(f64, Fan)> = run.iter().filter_map(|&(x, fan)| Some((x, fan?))).collect();
        if fans.is_empty() {
            continue;
        }
        let (mut more, mut areas) = fan_curves(&fans, samples, BLUE);
        if !curves.is_empty() {
            more.iter_mut().for_each(|curve| curve.label.clear());
            areas.iter_mut().for_each(|band| band.label.clear());
        }
        curves.extend(more);
        bands.extend(areas);
    }
    (curves, bands)
}

/// Who sees whom over the whole run.
pub(super) fn view(facts: &Facts, scenario: &Scenario, results: &[SeedResult]) -> Figure {
    let title = "How far the nodes agree on who is there";
    let end = seconds(scenario.duration);
    let known = results.iter().filter(|result| !result.convergence.is_empty()).count();
    if known == 0 || end <= 0.0 {
        let why = "This run has no series of who sees whom: it takes at least two nodes.";
        return Figure::missing("view", title, why);
    }
    let width = end / f64::from(POINTS);
    let columns: Vec<_> = grid(end, POINTS)
        .map(|t| (t, column(results, |points| lowest(points, t, t + width))))
        .collect();
    let (curves, bands) = pieces(&columns, known);
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
    let mut caption = format!(
        "At 100 % every node that is up sees every other node that is up as a member; nodes that \
         are off do not count, and of each {} s the lowest value is drawn.",
        trimmed(width, 3)
    );
    if columns.iter().any(|(_, fan)| fan.is_none()) {
        caption.push_str(" Where the line is interrupted, fewer than two nodes are up.");
    }
    if matches!(scenario.start, Start::Cold { .. }) {
        caption.push_str(" The first moments are drawn larger in “How the cluster forms”.");
    }
    caption.push_str(&marked(scenario));
    Figure { stem: "view".into(), title: title.into(), caption, chart: Some(chart) }
}

/// What the vertical lines of a figure are.
pub(super) fn marked(scenario: &Scenario) -> String {
    let words = flags::in_words(scenario);
    if words.is_empty() {
        return words;
    }
    format!(" Vertical lines mark what the scenario did.{words}")
}

/// Bytes sent over the whole run.
pub(super) fn bytes(facts: &Facts, scenario: &Scenario, results: &[SeedResult]) -> Figure {
    let title = "What the network carries";
    let bucket = seconds(scenario.series_bucket);
    let longest = results.iter().map(|result| result.bytes_per_node.len()).max().unwrap_or(0);
    if longest == 0 || bucket <= 0.0 {
        let why = "This run has no series of bytes.";
        return Figure::missing("bytes", title, why);
    }
    let (step, mut fans) = byte_fans(results, bucket, longest);
    let range = Range::of(&fans);
    let (y, divisor) = range.axis();
    for (_, fan) in &mut fans {
        *fan = Fan { low: fan.low / divisor, mid: fan.mid / divisor, high: fan.high / divisor };
    }
    let (curves, bands) = fan_curves(&fans, results.len(), BLUE);
    let chart = Chart {
        title: "Bytes sent per node".into(),
        subtitle: facts.setting(results.len()),
        x: Axis::to("seconds of the run", seconds(scenario.duration).max(step)),
        y,
        curves,
        bands,
        flags: flags::of(scenario),
        ..Chart::default()
    };
    let caption = format!(
        "Bytes that an average live node sends per second, datagrams and streams together, \
         without the headers of IP, UDP and TCP, averaged over {} s.{}{}",
        trimmed(step, 3),
        range.in_words(results.len()),
        marked(scenario)
    );
    Figure { stem: "bytes".into(), title: title.into(), caption, chart: Some(chart) }
}

/// Bytes per second over the runs, and how many seconds each is the mean of.
fn byte_fans(results: &[SeedResult], bucket: f64, longest: usize) -> (f64, Vec<(f64, Fan)>) {
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
    (step, fans)
}

/// How far the bytes of a run spread, in bytes per second.
struct Range {
    /// Half of the time it is less.
    usual: f64,
    /// The highest median, and when.
    peak: f64,
    peak_at: f64,
    /// The highest value of the band.
    top: f64,
    /// The lowest median above zero.
    least: f64,
    /// The lowest value of the band.
    lowest: f64,
}

impl Range {
    fn of(fans: &[(f64, Fan)]) -> Self {
        let (peak_at, peak) = fans
            .iter()
            .map(|&(x, fan)| (x, fan.mid))
            .max_by(|one, two| one.1.total_cmp(&two.1).then(two.0.total_cmp(&one.0)))
            .unwrap_or_default();
        let mids = || fans.iter().map(|(_, fan)| fan.mid).filter(|&it| it > 0.0);
        Self {
            usual: median_of(mids()),
            peak,
            peak_at,
            top: fans.iter().map(|(_, fan)| fan.high).fold(0.0, f64::max),
            least: mids().reduce(f64::min).unwrap_or(0.0),
            lowest: fans.iter().map(|(_, fan)| fan.low).fold(f64::INFINITY, f64::min),
        }
    }

    /// Whether a linear axis would squeeze the usual into a line at the bottom.
    fn is_wide(&self) -> bool {
        self.usual > 0.0 && self.top > WIDE_RANGE * self.usual
    }

    /// Where a logarithmic axis starts: the power of ten below every median but silence.
    fn start(&self) -> f64 {
        libm::pow(10.0, libm::floor(libm::log10(self.least.max(1.0))))
    }

    /// The axis, and the bytes in its unit.
    fn axis(&self) -> (Axis, f64) {
        if self.is_wide() {
            let label = "sent per live node, bytes per second (logarithmic axis)";
            let below = self.lowest < self.start();
            return (Axis::logarithmic(label, self.start(), 1.3 * self.top, below), 1.0);
        }
        let (unit, divisor) =
            if self.top >= 10_000.0 { ("kB/s", 1_000.0) } else { ("bytes per second", 1.0) };
        let end = round_up(1.12 * self.top / divisor).max(1.0);
        (Axis::to(&format!("sent per live node, {unit}"), end), divisor)
    }

    fn in_words(&self, runs: usize) -> String {
        let median = if runs > 1 { "median" } else { "value" };
        let mut text = format!(
            " The highest {median} is {} bytes per second, at {} s.",
            thousands(self.peak, 0),
            trimmed(self.peak_at, 2),
        );
        if self.is_wide() {
            text.push_str(
                " The axis is logarithmic: each step from 10 to 100 to 1,000 is as high as the \
                 last, so that rest and rush both can be read.",
            );
            if self.lowest < self.start() {
                text.push_str(
                    " Less than its lowest number, silence too, is drawn at that number.",
                );
            }
        }
        text
    }
}
