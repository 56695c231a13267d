//! Periods until a crash is found out, at several sizes.

use serde::Serialize;

use super::{PERIOD, mean_periods};
use crate::metrics::SeedResult;
use crate::papers::PapersError;
use crate::papers::lab::{File, Lab, scenario_file, sets};
use crate::papers::sheet::{Gate, Sheet};
use crate::papers::words::{figure, ratio, size};
use crate::report::plot::{Dash, Line, Plot, Scale};
use crate::report::stats::{number, seconds};

const FILE: File = scenario_file!("swim-detection.toml");
const SIZES: [u32; 6] = [8, 16, 28, 55, 100, 250];

#[derive(Debug, Serialize)]
struct Row {
    nodes: u32,
    seeds: u64,
    /// Means in periods.
    lockstep: f64,
    predicted: f64,
    random_wait: f64,
}

/// Mean of the periods until the first suspicion ended a failed probe.
fn mean(results: &[SeedResult]) -> f64 {
    let found = results.iter().filter_map(|it| it.departures.first()?.first_suspicion);
    let periods: Vec<f64> = found.map(|delay| seconds(delay) / PERIOD).collect();
    // A crash that nobody found out has no place in a mean: no figure is better than a wrong one.
    if periods.len() < results.len() {
        return f64::NAN;
    }
    periods.iter().sum::<f64>() / number(periods.len())
}

/// Runs and writes this part.
pub(super) fn section(lab: &Lab<'_>, sheet: &mut Sheet) -> Result<(), PapersError> {
    let mut rows = Vec::new();
    for nodes in SIZES.into_iter().filter(|nodes| lab.fits(*nodes, 250)) {
        lab.say(format!("swim: detection time, {} members", size(nodes)));
        let seeds = if nodes > 100 { lab.pick(400, 60) } else { lab.pick(1_000, 200) };
        let run = |phase: &str| {
            let values = [("nodes", nodes.to_string()), ("phase", phase.to_owned())];
            lab.run(FILE, &sets(values), seeds).map(|results| mean(&results))
        };
        rows.push(Row {
            nodes,
            seeds,
            lockstep: run("lockstep")?,
            predicted: mean_periods(nodes),
            // A failed probe takes one period; before it comes the wait.
            random_wait: run("random")? - 1.0,
        });
    }
    sheet.heading("Time to the first detection");
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|it| {
            vec![
                size(it.nodes),
                it.seeds.to_string(),
                "1.58".into(),
                figure(it.predicted, 3),
                figure(it.lockstep, 3),
                ratio(it.lockstep / it.predicted),
                figure(wait(it.nodes), 3),
                figure(it.random_wait, 3),
            ]
        })
        .collect();
    let head = [
        "N",
        "crashes",
        "published, e/(e−1)",
        "exact for N",
        "lockstep",
        "ratio",
        "wait, random phases: exact",
        "measured",
    ];
    sheet.table(&head, &cells);
    sheet.say(
        "Mean number of periods. In lockstep all periods begin at one instant, as in the paper's analysis, and the crash comes \
         just before: the first failed probe ends after 1, 2, … periods. The exact value is that of rings shuffled \
         independently, `Σ (1 − k/(N−1))^(N−1)`; it tends to the paper's. With phases at random the first probe begins after \
         `(N−1)/N` of a period on average and ends a period later: no rounding up to whole periods. The gates leave room for four standard errors of a mean, 0.12 periods \
         with 1,000 crashes.",
    );
    // Four standard errors of the mean of a geometric count with p = 1 - 1/e: seven means are judged at once.
    let slack = |seeds: u64| 2.43 / libm::sqrt(seeds as f64);
    for it in &rows {
        let name = format!("mean periods to detection at N = {}, to exact", size(it.nodes));
        sheet.gate(Gate::within(name, it.lockstep / it.predicted, 1.0, slack(it.seeds)));
    }
    if let (Some(least), Some(most)) = (rows.get(2), rows.last()) {
        let name = format!("detection at N = {} to N = {}: flat", most.nodes, least.nodes);
        sheet.gate(Gate::within(name, most.lockstep / least.lockstep, 1.0, slack(most.seeds)));
    }
    sheet.plot(chart(&rows));
    sheet.commands(&[
        "cargo sim run scenarios/papers/swim-detection.toml --seeds 1000 --set nodes=28 --no-report --json | jq \
         '.runs[].departures'",
    ]);
    sheet.keep("detection", &rows)?;
    Ok(())
}

/// Mean wait until the first of the survivors' probes, each at a uniform time within `N - 1` periods.
fn wait(nodes: u32) -> f64 {
    let survivors = f64::from(nodes - 1);
    survivors / (survivors + 1.0)
}

fn chart(rows: &[Row]) -> Plot {
    let line = |label: &str, color, dash, pick: fn(&Row) -> f64| Line {
        label: label.into(),
        points: rows.iter().map(|it| (f64::from(it.nodes), pick(it))).collect(),
        color,
        dash,
    };
    Plot {
        stem: "detection".into(),
        title: "Periods until a crash is found out".into(),
        subtitle: "mean over crashes; the size of the cluster does not matter".into(),
        x: Scale::Logarithmic { label: "members".into(), start: 8.0, end: 256.0 },
        y: Scale::Linear { label: "protocol periods".into(), end: 2.0 },
        lines: vec![
            line("simulator, lockstep", 0, Dash::Solid, |it| it.lockstep),
            line("e / (e − 1)", 1, Dash::Dashed, |_| libm::exp(1.0) / (libm::exp(1.0) - 1.0)),
            line("exact for N", 2, Dash::Dotted, |it| it.predicted),
            line("simulator, wait at random phases", 4, Dash::Solid, |it| it.random_wait),
        ],
        band: None,
        marks: Vec::new(),
    }
}
