//! memberlist's detection time: one killed member, four sizes, against the floor that its rules allow.

use rayon::prelude::*;
use serde::Serialize;

use super::PapersError;
use super::lab::{File, Lab, scenario_file, sets};
use super::rules::verdicts;
use super::sheet::{Gate, Sheet};
use super::words::{ratio, secs, size};
use crate::analytic::{DetectionFloor, RandomPhase};
use crate::metrics::SeedResult;
use crate::report::plot::{Dash, Line, Plot, Scale};
use crate::report::stats::{number, quantile, reached, seconds, staircase};

const FILE: File = scenario_file!("detection.toml");
/// How far the measured median may be from the published one.
const SLACK: f64 = 0.03;
/// Most seconds between the verdicts of the members, in the median run.
const SPREAD_MAX: f64 = 0.5;
/// Largest cluster whose very last member keeps to it as well: beyond, the rules themselves do not.
const SPREAD_NODES: u32 = 200;
/// How far the spread may be from that of the rules alone.
const RULES_SLACK: f64 = 0.15;

/// A size, the published median, seeds in full and quick, and how long to simulate.
struct Size {
    nodes: u32,
    published: f64,
    full: u64,
    quick: u64,
    duration: &'static str,
}

const SIZES: [Size; 4] = [
    Size { nodes: 50, published: 8.5, full: 1_000, quick: 400, duration: "40s" },
    Size { nodes: 100, published: 9.7, full: 1_000, quick: 300, duration: "40s" },
    Size { nodes: 200, published: 10.9, full: 600, quick: 150, duration: "40s" },
    Size { nodes: 1_000, published: 13.7, full: 200, quick: 30, duration: "45s" },
];

/// What one size gave, times in seconds after the kill.
#[derive(Debug, Serialize)]
struct Measured {
    nodes: u32,
    seeds: usize,
    floor_p50: f64,
    first_p50: f64,
    first_p99: f64,
    all_p50: f64,
    all_p99: f64,
    /// From the first to the last survivor.
    spread_p50: f64,
    spread_mean: f64,
    spread_max: f64,
    /// The same, of the rules alone.
    spread_rules: f64,
    /// From the 5th to the 95th of a hundred survivors.
    middle_p50: f64,
    middle_max: f64,
    last_max: f64,
    bound: f64,
    /// Survivors who had not declared it by the end.
    missing: usize,
    false_failures: usize,
    /// Ascending: when the first survivor declared it.
    #[serde(skip)]
    firsts: Vec<f64>,
}

fn floor(nodes: u32) -> DetectionFloor {
    DetectionFloor { nodes: f64::from(nodes), probe_interval: 1.0, suspicion_mult: 4.0 }
}

/// `(2 N - 1) T + T + B`, and the gossip to everybody.
fn bound(nodes: u32) -> f64 {
    let n = f64::from(nodes);
    let gossip = RandomPhase { nodes: n, fanout: 3.0, interval: 0.2, loss: 0.0 };
    (2.0 * n - 1.0) + 1.0 + floor(nodes).suspicion() + gossip.time_of_all()
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

/// From the first to the last verdict by the rules alone, in the median of `plays`.
fn spread_by_rules(nodes: u32, plays: u64) -> f64 {
    let play = |seed| verdicts(nodes as usize - 1, seed).last().copied().map(seconds);
    let spreads = sorted((0..plays).into_par_iter().filter_map(play).collect());
    quantile(&spreads, 500).unwrap_or(f64::NAN)
}

fn measure(nodes: u32, results: &[SeedResult], spread_rules: f64) -> Measured {
    let crashes: Vec<_> = results.iter().filter_map(|it| it.departures.first()).collect();
    let of = |pick: fn(&[u64]) -> Option<u64>| {
        let picked = crashes.iter().filter_map(|it| pick(&it.delays));
        sorted(picked.map(seconds).collect())
    };
    let firsts = of(|delays| delays.first().copied());
    let spreads = of(|delays| Some(delays.last()? - delays.first()?));
    let middles = of(|delays| {
        let audience = u32::try_from(delays.len()).ok()?;
        Some(reached(delays, audience, 950)? - reached(delays, audience, 50)?)
    });
    let lasts = of(|delays| delays.last().copied());
    let all = crashes.iter().flat_map(|it| it.delays.iter().copied().map(seconds));
    let all = sorted(all.collect());
    let at = |values: &[f64], permille| quantile(values, permille).unwrap_or(f64::NAN);
    Measured {
        nodes,
        seeds: results.len(),
        floor_p50: floor(nodes).time_of(0.5),
        first_p50: at(&firsts, 500),
        first_p99: at(&firsts, 990),
        all_p50: at(&all, 500),
        all_p99: at(&all, 990),
        spread_p50: at(&spreads, 500),
        spread_mean: spreads.iter().sum::<f64>() / number(spreads.len()),
        spread_max: at(&spreads, 1_000),
        spread_rules,
        middle_p50: at(&middles, 500),
        middle_max: at(&middles, 1_000),
        last_max: at(&lasts, 1_000),
        bound: bound(nodes),
        missing: crashes.iter().map(|it| it.observers as usize - it.delays.len()).sum(),
        false_failures: results.iter().map(|it| it.false_failures.len()).sum(),
        firsts,
    }
}

/// Runs everything.
pub(super) fn reproduce(lab: &Lab<'_>) -> Result<Sheet, PapersError> {
    let mut measured = Vec::new();
    for it in SIZES.iter().filter(|it| lab.fits(it.nodes, 1_000)) {
        lab.say(format!("detection: {} members", size(it.nodes)));
        let cell = sets([("nodes", it.nodes.to_string()), ("duration", it.duration.into())]);
        let results = lab.run(FILE, &cell, lab.pick(it.full, it.quick))?;
        let plays = lab.pick(1_000, 200);
        let by_rules = lab.inside(|| spread_by_rules(it.nodes, plays));
        measured.push(measure(it.nodes, &results, by_rules));
    }
    let mut sheet = Sheet::new("detection", "Detection of a crash, against memberlist's floor");
    sheet.say(
        "One member of a quiet LAN-preset cluster is killed. A survivor probes it after a wait of about one probe \
         interval, finds out one interval later, and declares it after the shortest suspicion: no detector with these \
         rules is faster in the median than `0.69 T + T + B`.",
    );
    first(&mut sheet, &measured);
    everybody(&mut sheet, &measured);
    gates(&mut sheet, &measured);
    sheet.plot(chart(&measured));
    sheet.say(
        "Dashed: the floor. Nothing is declared before `T + B`, and half after `0.69 T` more. Both are the same within the error \
         of the sample.",
    );
    sheet.commands(&[
        "cargo sim run scenarios/papers/detection.toml --seeds 1000 --set nodes=50",
        "cargo sim run scenarios/papers/detection.toml --seeds 200 --set nodes=1000 --set duration=45s",
    ]);
    sheet.keep("sizes", &measured)?;
    Ok(sheet)
}

fn first(sheet: &mut Sheet, measured: &[Measured]) {
    sheet.heading("First to declare it");
    let rows: Vec<Vec<String>> = measured
        .iter()
        .zip(&SIZES)
        .map(|(it, known)| {
            vec![
                size(it.nodes),
                it.seeds.to_string(),
                format!("{:.1}", known.published),
                secs(it.floor_p50),
                secs(it.first_p50),
                ratio(it.first_p50 / it.floor_p50),
                secs(floor(it.nodes).time_of(0.99)),
                secs(it.first_p99),
            ]
        })
        .collect();
    let head =
        ["N", "kills", "p50 published", "p50 floor", "p50 here", "ratio", "p99 floor", "p99 here"];
    sheet.table(&head, &rows);
}

fn everybody(sheet: &mut Sheet, measured: &[Measured]) {
    sheet.heading("Everybody");
    let rows: Vec<Vec<String>> = measured
        .iter()
        .map(|it| {
            vec![
                size(it.nodes),
                secs(it.all_p50),
                secs(it.all_p99),
                secs(it.spread_p50),
                secs(it.spread_mean),
                secs(it.spread_max),
                secs(it.spread_rules),
                secs(it.middle_p50),
                secs(it.middle_max),
                secs(it.last_max),
                secs(it.bound),
                it.missing.to_string(),
                it.false_failures.to_string(),
            ]
        })
        .collect();
    let head = [
        "N",
        "p50 of all survivors",
        "p99",
        "first to last, p50",
        "mean",
        "max",
        "rules alone, p50",
        "5 to 95 %, p50",
        "max",
        "latest",
        "hard bound",
        "never",
        "false",
    ];
    sheet.table(&head, &rows);
    sheet.say(
        "Seconds after the kill. Real memberlist at N = 100, 30 kills with 2 ms of delay and 1 % loss (bytevader/kinship): \
         p50 9.857, p99 11.980, every survivor p50 10.020, first to last 0.38 in the median and 0.52 at most. It is 1.02 \
         times the floor because probes there wait for a network; here they do not. Debian's serf as whole processes: \
         `reports/validation/first-to-last.md`.",
    );
    sheet.say(
        "First to last: the word of the death and the survivors' own timers race. Their timers started when gossip told \
         them of the suspicion, so the last is not later than the suspicion took to spread. The rules alone \
         (`verdicts` in `sim/src/papers/rules.rs`: gossip, probes, timers, and a single accuser) take a little longer; in the \
         simulator more than one member may have accused by then, and each one's word spreads.",
    );
    sheet.say(
        "Which spread is to stay below half a second? The figure comes from kinship's 100 members, first to last, and is a gate \
         up to 200. The time of the very last member grows with the logarithm of the size: at 1,000 members the rules alone need \
         more than half a second from first to last, so that no implementation of them keeps to it there, and this one does not. \
         Real serf agents take as long as the rules say at 100 and at 200, so that there is no reason to expect less of them at \
         1,000. The span from the 5th to the 95th of a hundred survivors hardly grows; that it stays below half a second is a \
         gate at every size, and so is first to last against the rules alone.",
    );
}

fn gates(sheet: &mut Sheet, measured: &[Measured]) {
    for (it, known) in measured.iter().zip(&SIZES) {
        let nodes = size(it.nodes);
        let name = format!("p50 at N = {nodes}, s");
        sheet.gate(Gate::within(name, it.first_p50, known.published, SLACK));
        if it.nodes <= SPREAD_NODES {
            let name = format!("first to last in the median run at N = {nodes}, s");
            sheet.gate(Gate::new(name, it.spread_p50, 0.0, SPREAD_MAX));
        }
        let name = format!("5 to 95 % of survivors in the median run at N = {nodes}, s");
        sheet.gate(Gate::new(name, it.middle_p50, 0.0, SPREAD_MAX));
        let name = format!("first to last in the median run at N = {nodes}, to the rules alone");
        sheet.gate(Gate::within(name, it.spread_p50 / it.spread_rules, 1.0, RULES_SLACK));
        let name = format!("latest of all at N = {nodes}, share of the hard bound");
        sheet.gate(Gate::new(name, it.last_max / it.bound, 0.0, 1.0));
        let name = format!("survivors who never declared it at N = {nodes}");
        sheet.gate(Gate::new(name, number(it.missing), 0.0, 0.0));
    }
}

fn chart(measured: &[Measured]) -> Plot {
    let end = 20.0;
    let mut lines = Vec::new();
    for (color, it) in measured.iter().enumerate() {
        lines.push(Line {
            label: format!("{} members, median {} s", size(it.nodes), secs(it.first_p50)),
            points: staircase(&it.firsts, it.seeds, end, 200),
            color,
            dash: Dash::Solid,
        });
        let floor = floor(it.nodes);
        let points = (0..=99_u32).map(|percent| {
            let share = f64::from(percent) / 100.0;
            (floor.time_of(share), 100.0 * share)
        });
        lines.push(Line {
            label: String::new(),
            points: points.collect(),
            color,
            dash: Dash::Dashed,
        });
    }
    Plot {
        stem: "detection".into(),
        title: "A killed member is declared failed".into(),
        subtitle: "LAN preset, quiet network; dashed: the fastest that the rules allow".into(),
        x: Scale::Linear { label: "seconds after the kill".into(), end },
        y: Scale::Percent { label: "kills that somebody has declared".into() },
        lines,
        band: None,
        marks: Vec::new(),
    }
}
