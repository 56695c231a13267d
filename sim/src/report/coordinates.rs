//! The figure of how well network coordinates foretell round-trip times.

use super::axis::Axis;
use super::chart::{BLUE, Chart, Curve, GREEN, ORANGE, Stroke};
use super::facts::{Facts, counted, trimmed};
use super::figures::{Figure, fan_curves, within_band};
use super::flags;
use super::stats::{Fan, fan, number, seconds};
use super::timeline::marked;
use crate::metrics::{CoordinateSample, SeedResult};
use crate::scenario::Scenario;

/// Least error in percent at which the axis may start: what is below is as good as exact.
const LEAST: f64 = 0.1;

/// How far the estimates are off over the run; none if that was not measured.
pub(super) fn figure(facts: &Facts, scenario: &Scenario, results: &[SeedResult]) -> Option<Figure> {
    let runs = results.iter().filter(|result| !result.coordinates.is_empty()).count();
    let middle = fans(results, runs, |sample| Some(sample.own.p50));
    let worst = fans(results, runs, |sample| Some(sample.own.p95));
    let cached = fans(results, runs, |sample| Some(sample.cached?.p50));
    let &(end_at, end) = middle.last()?;
    let (mut curves, mut bands) = (Vec::new(), Vec::new());
    for (fans, label, color, stroke) in [
        (&middle, "median pair, from the coordinates of both", BLUE, Stroke::Solid),
        (&worst, "95th percentile of pairs", ORANGE, Stroke::Solid),
        (&cached, "median pair, as one of the two knows the other", GREEN, Stroke::Dashed),
    ] {
        // One pair only is both.
        if color == ORANGE && worst == middle {
            continue;
        }
        let mut label = label.to_owned();
        for piece in pieces(fans) {
            let (drawn, areas) = fan_curves(piece, runs, color);
            let width = if color == BLUE { 3.4 } else { 2.6 };
            curves.extend(drawn.into_iter().map(|curve| Curve {
                label: std::mem::take(&mut label),
                stroke,
                width,
                ..curve
            }));
            bands.extend(areas.into_iter().filter(|_| color == BLUE));
        }
    }
    bands.iter_mut().skip(1).for_each(|band| band.label.clear());
    let tops = middle.iter().map(|(_, fan)| fan.high);
    let top = tops.chain(worst.iter().map(|(_, fan)| fan.mid)).fold(100.0, f64::max);
    // Some room below, for the legend.
    let lows = middle.iter().map(|(_, fan)| fan.low).filter(|&low| low > 0.0);
    let lowest = lows.fold(top / 30.0, f64::min).max(LEAST);
    let start = libm::pow(10.0, libm::floor(libm::log10(lowest)));
    let below = middle.iter().chain(&cached).any(|(_, fan)| fan.low < start);
    let chart = Chart {
        title: "How far estimated round-trip times are off".into(),
        subtitle: facts.setting(results.len()),
        x: Axis::to("seconds of the run", seconds(scenario.duration)),
        y: Axis::logarithmic(
            "relative error of the estimate, % (logarithmic axis)",
            start,
            1.3 * top,
            below,
        ),
        curves,
        bands,
        flags: flags::of(scenario),
        ..Chart::default()
    };
    let interrupted = pieces(&middle).count() > 1;
    let gap = " Where a line is interrupted, no two of the nodes could reach each other.";
    let gap = if interrupted { gap } else { "" };
    let caption = caption(facts, runs, end_at, end, results) + gap + &marked(scenario);
    Some(Figure {
        stem: "coordinates".into(),
        title: "How well coordinates foretell round-trip times".into(),
        caption,
        chart: Some(chart),
    })
}

/// The parts of a curve between which there was nothing to measure.
fn pieces(fans: &[(f64, Fan)]) -> impl Iterator<Item = &[(f64, Fan)]> {
    let gap = |pair: &[(f64, Fan)]| pair[1].0 - pair[0].0;
    let step = fans.windows(2).map(gap).fold(f64::INFINITY, f64::min);
    fans.chunk_by(move |one, two| two.0 - one.0 < 1.5 * step)
}

/// What `pick` takes from each sample, in percent, over the runs; nothing where most of them have nothing.
fn fans(
    results: &[SeedResult],
    runs: usize,
    pick: impl Fn(&CoordinateSample) -> Option<f64>,
) -> Vec<(f64, Fan)> {
    let mut times: Vec<_> =
        results.iter().flat_map(|result| &result.coordinates).map(|sample| sample.at).collect();
    times.sort_unstable();
    times.dedup();
    let at = |time| {
        let samples = results.iter().flat_map(|result| &result.coordinates);
        let mut values: Vec<f64> = samples
            .filter(|sample| sample.at == time)
            .filter_map(&pick)
            .map(|error| 100.0 * error)
            .collect();
        if 2 * values.len() < runs { None } else { Some((seconds(time), fan(&mut values)?)) }
    };
    times.into_iter().filter_map(at).collect()
}

fn caption(facts: &Facts, runs: usize, end_at: f64, end: Fan, results: &[SeedResult]) -> String {
    let pairs = results.iter().flat_map(|it| &it.coordinates).map(|sample| sample.own.pairs);
    let pairs = usize::try_from(pairs.max().unwrap_or(0)).unwrap_or(0);
    let mut text = format!(
        "Each node estimates round-trip times to others from network coordinates; the blue line \
         is how far the estimate of the median pair (of up to {} that were looked at) is off, as \
         a share of the true time: at {} s {} %.",
        counted(pairs, "pair"),
        trimmed(end_at, 1),
        trimmed(end.mid, 1),
    );
    if runs > 1 {
        text.push_str(&format!(
            " Every line is a median of {}, and {} within the band.",
            counted(runs, "run"),
            within_band(runs)
        ));
    }
    text.push_str(
        " 100 % is what a node is off that knows nothing; between near nodes it may be more. True \
         is the mean there and back, jitter and reordering included, without loss; where delays \
         are skewed the estimates settle below it, since the protocol takes medians.",
    );
    let round = number(facts.nodes.saturating_sub(1)) * facts.probe;
    if end_at > 1.2 * round && facts.nodes > 3 {
        text.push_str(&format!(
            " Every peer is probed once in {} s; of its last three round trips the median counts, \
             but of the first two the larger: where delays vary, estimates run high from then \
             until {} s.",
            trimmed(round, 0),
            trimmed(2.0 * round, 0)
        ));
    }
    text
}
