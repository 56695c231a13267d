//! How fast an update spreads that rides on pings and acks alone.

use serde::Serialize;

use super::PERIOD;
use crate::metrics::SeedResult;
use crate::papers::PapersError;
use crate::papers::lab::{File, Lab, scenario_file, sets};
use crate::papers::sheet::{Gate, Sheet};
use crate::papers::words::{figure, percent, ratio, size};
use crate::report::plot::{Dash, Line, Plot, Scale};
use crate::report::stats::{number, quantile, reached, seconds};

const FILE: File = scenario_file!("swim-infection.toml");
const SIZES: [u32; 7] = [8, 16, 28, 55, 128, 512, 1_024];

#[derive(Debug, Serialize)]
struct Row {
    nodes: u32,
    seeds: u64,
    /// Medians in periods.
    half: f64,
    most: f64,
    half_predicted: f64,
    most_predicted: f64,
    complete: f64,
}

/// Periods until the share `p` is infected, by the paper's curve `n / (1 + (n - 1) exp(-(2 - 1/n) t))`.
fn curve(nodes: u32, p: f64) -> f64 {
    let n = f64::from(nodes);
    libm::log((n - 1.0) * p / (1.0 - p)) / (2.0 - 1.0 / n)
}

fn median(results: &[SeedResult], permille: u32) -> f64 {
    let time = |it: &SeedResult| {
        let event = it.events.first()?;
        reached(&event.delays, event.audience, permille).map(|delay| seconds(delay) / PERIOD)
    };
    let mut times: Vec<f64> = results.iter().map(|it| time(it).unwrap_or(f64::INFINITY)).collect();
    times.sort_by(f64::total_cmp);
    quantile(&times, 500).unwrap_or(f64::NAN)
}

fn complete(results: &[SeedResult]) -> f64 {
    let all = |it: &&SeedResult| {
        it.events.first().is_some_and(|event| event.delays.len() >= event.audience as usize)
    };
    number(results.iter().filter(all).count()) / number(results.len())
}

/// Runs and writes this part.
pub(super) fn section(lab: &Lab<'_>, sheet: &mut Sheet) -> Result<(), PapersError> {
    let mut rows = Vec::new();
    for nodes in SIZES.into_iter().filter(|nodes| lab.fits(*nodes, 512)) {
        lab.say(format!("swim: infection, {} members", size(nodes)));
        let seeds = if nodes > 200 { lab.pick(100, 20) } else { lab.pick(300, 60) };
        let results = lab.run(FILE, &sets([("nodes", nodes.to_string())]), seeds)?;
        rows.push(Row {
            nodes,
            seeds,
            half: median(&results, 500),
            most: median(&results, 950),
            half_predicted: curve(nodes, 0.5),
            most_predicted: curve(nodes, 0.95),
            complete: complete(&results),
        });
    }
    table(&rows, sheet);
    let slope = slope(&rows);
    sheet.say(format!(
        "Periods, medians, against the paper's curve `n / (1 + (n−1) e^(−(2−1/n) t))`. Each doubling of the cluster costs \
         {} of a period (curve: {}): growth with the logarithm, as in Figure 3b, but slower than the curve, which counts two \
         contacts per period at any time. Whoever hears of the update by the ack to its own ping pings again a whole period \
         later, not after half of one on average. With this the rate is {} per period instead of 2 and a doubling costs {}.",
        figure(slope * libm::log(2.0), 2),
        figure(libm::log(2.0) / 2.0, 2),
        figure(growth(), 2),
        figure(libm::log(2.0) / growth(), 2)
    ));
    let name = "periods to 50 % per factor e of size, to one over the rate";
    sheet.gate(Gate::within(name, slope * growth(), 1.0, 0.25));
    for it in rows.iter().filter(|it| it.nodes >= 28) {
        let name = format!("periods to 95 % at N = {}, to the curve", size(it.nodes));
        sheet.gate(Gate::new(name, it.most / it.most_predicted, 0.8, 1.3));
    }
    sheet.plot(chart(&rows));
    sheet.commands(&[
        "cargo sim run scenarios/papers/swim-infection.toml --seeds 300 --set nodes=55",
    ]);
    sheet.keep("infection", &rows)?;
    Ok(())
}

fn table(rows: &[Row], sheet: &mut Sheet) {
    sheet.heading("Infection");
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|it| {
            vec![
                size(it.nodes),
                it.seeds.to_string(),
                figure(it.half_predicted, 2),
                figure(it.half, 2),
                ratio(it.half / it.half_predicted),
                figure(it.most_predicted, 2),
                figure(it.most, 2),
                ratio(it.most / it.most_predicted),
                percent(it.complete, 1),
            ]
        })
        .collect();
    let head = [
        "N",
        "seeds",
        "50 %: curve",
        "measured",
        "ratio",
        "95 %: curve",
        "measured",
        "ratio",
        "reached all",
    ];
    sheet.table(&head, &cells);
}

/// Rate per period at which an update spreads in continuous time: the root of `(1 - 1/r)^2 = 1 / (r (e^r - 1))`, the
/// largest eigenvalue of a branching process with two kinds of members. Those that were pinged ping others at a random
/// time of each period; those that heard by an ack ping after exactly 1, 2, … periods. Both are pinged at random.
fn growth() -> f64 {
    let excess = |r: f64| (1.0 - 1.0 / r) * (1.0 - 1.0 / r) - 1.0 / (r * (libm::exp(r) - 1.0));
    let (mut low, mut high) = (1.0, 2.0);
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if excess(middle) < 0.0 { low = middle } else { high = middle }
    }
    low
}

/// Least-squares slope of the periods until half is infected against the logarithm of the size, from 28 members on.
fn slope(rows: &[Row]) -> f64 {
    let points: Vec<(f64, f64)> = rows
        .iter()
        .filter(|it| it.nodes >= 28)
        .map(|it| (libm::log(f64::from(it.nodes)), it.half))
        .collect();
    let count = number(points.len());
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), at| (x + at.0 / count, y + at.1 / count));
    let up: f64 = points.iter().map(|at| (at.0 - x) * (at.1 - y)).sum();
    let across: f64 = points.iter().map(|at| (at.0 - x) * (at.0 - x)).sum();
    up / across
}

fn chart(rows: &[Row]) -> Plot {
    let line = |label: &str, color, dash, pick: fn(&Row) -> f64| Line {
        label: label.into(),
        points: rows.iter().map(|it| (f64::from(it.nodes), pick(it))).collect(),
        color,
        dash,
    };
    let end = rows.last().map_or(1_024.0, |it| f64::from(it.nodes));
    Plot {
        stem: "infection".into(),
        title: "An update that rides on pings and acks alone".into(),
        subtitle: "medians; a straight line is growth with the logarithm of the size".into(),
        x: Scale::Logarithmic { label: "members".into(), start: 8.0, end },
        y: Scale::Linear { label: "protocol periods".into(), end: 7.0 },
        lines: vec![
            line("simulator, 50 %", 0, Dash::Solid, |it| it.half),
            line("simulator, 95 %", 2, Dash::Solid, |it| it.most),
            line("SWIM's curve, 50 %", 0, Dash::Dashed, |it| it.half_predicted),
            line("SWIM's curve, 95 %", 2, Dash::Dashed, |it| it.most_predicted),
        ],
        band: None,
        marks: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::growth;

    #[test]
    fn whoever_hears_by_an_ack_slows_the_spread() {
        assert!((growth() - 1.63).abs() < 0.01, "{}", growth());
    }
}
