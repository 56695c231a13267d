//! False suspicion under loss against the formula, and the paper's loss test.

use std::collections::BTreeSet;

use serde::Serialize;

use super::load::mean;
use crate::papers::PapersError;
use crate::papers::lab::{File, Lab, Run, scenario_file, sets};
use crate::papers::sheet::{Gate, Sheet};
use crate::papers::words::{figure, percent, ratio, size};
use crate::report::plot::{Dash, Line, Plot, Scale};
use crate::report::stats::{number, quantile, staircase};

const FILE: File = scenario_file!("swim-accuracy.toml");
const LOSS_TEST: File = scenario_file!("swim-loss.toml");
/// Length of a run, in periods.
const PERIODS: f64 = 120.0;

/// Size, loss, relays, and what bytevader/kinship counted in its simulator.
const CELLS: [(u32, f64, u32, Option<f64>); 8] = [
    (50, 0.03, 3, Some(0.58)),
    (50, 0.05, 3, Some(3.67)),
    (200, 0.03, 3, Some(2.02)),
    (200, 0.05, 3, Some(15.03)),
    (200, 0.10, 3, None),
    (50, 0.05, 1, None),
    (50, 0.10, 1, None),
    (50, 0.25, 1, None),
];

/// Chance that a probe of a live member fails: `(1 - m^2) (1 - m^4)^k`, every member alive.
fn failing(loss: f64, relays: u32) -> f64 {
    let delivered = 1.0 - loss;
    let direct = 1.0 - libm::pow(delivered, 2.0);
    direct * libm::pow(1.0 - libm::pow(delivered, 4.0), f64::from(relays))
}

#[derive(Debug, Serialize)]
struct Row {
    nodes: u32,
    loss: f64,
    relays: u32,
    seeds: u64,
    other_simulator: Option<f64>,
    predicted: f64,
    suspicions: f64,
    false_events: f64,
}

/// Runs and writes the part about the formula.
pub(super) fn section(lab: &Lab<'_>, sheet: &mut Sheet) -> Result<(), PapersError> {
    let mut rows = Vec::new();
    for (nodes, loss, relays, other_simulator) in
        CELLS.into_iter().filter(|cell| lab.fits(cell.0, 200))
    {
        lab.say(format!("swim: accuracy, {nodes} members, loss {loss}, relays {relays}"));
        let values = [
            ("nodes", nodes.to_string()),
            ("network.loss", loss.to_string()),
            ("config.indirect_checks", relays.to_string()),
            // Slower probing under loss is no part of SWIM.
            ("config.lifeguard", (relays > 1).to_string()),
        ];
        let predicted = failing(loss, relays) * f64::from(nodes) * PERIODS;
        // Rare ones need more runs for the same error.
        let seeds = if predicted < 5.0 { lab.pick(150, 40) } else { lab.pick(24, 8) };
        let runs = lab.count(FILE, &sets(values), seeds)?;
        let suspicions = mean(&runs, |it| it.tally.false_suspicions);
        let false_events = mean(&runs, |it| it.tally.false_events.len() as u64);
        rows.push(Row {
            nodes,
            loss,
            relays,
            seeds,
            other_simulator,
            predicted,
            suspicions,
            false_events,
        });
    }
    table(&rows, sheet);
    for it in &rows {
        let name = format!(
            "false suspicions at N = {}, {} loss, k = {}, to formula",
            it.nodes,
            percent(it.loss, 0),
            it.relays
        );
        // Three standard errors of a mean of Poisson counts, and 5 % for what the formula leaves out.
        let error = 3.0 / libm::sqrt(it.predicted * it.seeds as f64);
        sheet.gate(Gate::within(name, it.suspicions / it.predicted, 1.0, 0.05 + error));
    }
    if let Some(it) = rows.iter().find(|it| it.nodes == 200 && it.other_simulator == Some(15.03)) {
        let name = "false suspicions per run at N = 200, 5 % loss";
        sheet.gate(Gate::new(name, it.suspicions, 12.9, 16.9));
    }
    sheet.commands(&[
        "cargo sim run scenarios/papers/swim-accuracy.toml --seeds 24",
        "cargo sim run scenarios/papers/swim-accuracy.toml --seeds 150 --set nodes=50 --set network.loss=0.03",
    ]);
    sheet.keep("accuracy", &rows)?;
    Ok(())
}

fn table(rows: &[Row], sheet: &mut Sheet) {
    sheet.heading("False suspicion, streams not used");
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|it| {
            vec![
                size(it.nodes),
                percent(it.loss, 0),
                it.relays.to_string(),
                it.seeds.to_string(),
                it.other_simulator.map_or_else(|| "–".into(), |value| figure(value, 2)),
                figure(it.predicted, 2),
                figure(it.suspicions, 2),
                ratio(it.suspicions / it.predicted),
                figure(it.false_events, 2),
            ]
        })
        .collect();
    let head = [
        "N",
        "loss",
        "relays k",
        "seeds",
        "bytevader/kinship",
        "formula",
        "measured",
        "ratio",
        "called failed",
    ];
    sheet.table(&head, &cells);
    sheet.say(
        "Failed probes of live members per run of 120 periods. The formula is the paper's, per period: `(1 − m²)(1 − m⁴)^k` per \
         member with m the share of datagrams that arrive. The paper's factor `e/(e−1)` turns it into a chance per detection \
         time of 1.58 periods. k = 1 without Lifeguard, k = 3 with memberlist's settings: there local health makes windows longer and probes fewer \
         when many fail, hence the ratio below 1 at 10 % loss. The last column: failure events in spite of refutation, all \
         observers together.",
    );
}

#[derive(Debug, Serialize)]
struct Survivors {
    variant: &'static str,
    published: u32,
    seeds: u64,
    low: f64,
    median: f64,
    high: f64,
    suspicions: f64,
    #[serde(skip)]
    sorted: Vec<f64>,
}

/// Members that nobody ever declared failed.
fn survivors(run: &Run) -> f64 {
    let fallen: BTreeSet<u32> = run.tally.false_events.iter().map(|it| it.subject).collect();
    17.0 - number(fallen.len())
}

/// Runs and writes the loss test.
pub(super) fn loss_test(lab: &Lab<'_>, sheet: &mut Sheet) -> Result<(), PapersError> {
    let seeds = lab.pick(600, 100);
    let mut rows = Vec::new();
    for (variant, published, mult) in
        [("next to no suspicion (infection)", 4, "1"), ("suspicion of 9 periods", 12, "7")]
    {
        lab.say(format!("swim: loss test, {variant}"));
        let values = [("config.suspicion_mult", mult.to_owned())];
        let runs = lab.count(LOSS_TEST, &sets(values), seeds)?;
        let mut sorted: Vec<f64> = runs.iter().map(survivors).collect();
        sorted.sort_by(f64::total_cmp);
        let at = |permille| quantile(&sorted, permille).unwrap_or(f64::NAN);
        rows.push(Survivors {
            variant,
            published,
            seeds,
            low: at(50),
            median: at(500),
            high: at(950),
            suspicions: mean(&runs, |it| it.tally.false_suspicions),
            sorted,
        });
    }
    loss_table(&rows, sheet);
    if let [without, with] = rows.as_slice() {
        let name = "members that suspicion saves in the loss test, median";
        sheet.gate(Gate::new(name, with.median - without.median, 3.0, 17.0));
    }
    sheet.plot(loss_plot(&rows, seeds));
    sheet.commands(&[
        "cargo sim run scenarios/papers/swim-loss.toml --seeds 600",
        "cargo sim run scenarios/papers/swim-loss.toml --seeds 600 --set config.suspicion_mult=1",
    ]);
    sheet.keep("loss_test", &rows)?;
    Ok(())
}

fn loss_table(rows: &[Survivors], sheet: &mut Sheet) {
    sheet.heading("Loss test (Figure 4)");
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|it| {
            vec![
                it.variant.into(),
                it.published.to_string(),
                it.seeds.to_string(),
                figure(it.median, 0),
                format!("{}–{}", figure(it.low, 0), figure(it.high, 0)),
                figure(it.suspicions, 0),
            ]
        })
        .collect();
    let head =
        ["variant", "stable size, published", "seeds", "median here", "p5–p95", "false suspicions"];
    sheet.table(&head, &cells);
    sheet.say(
        "Seventeen members join one after the other while 10 % of all datagrams are lost; after 175 s, how many of them were \
         never declared failed. The paper shows one run of each kind. Its members are removed for good and no longer probe, so \
         that the pressure falls with the size; here they return and go on probing, so that more of the others are accused. \
         And without suspicion the paper removes a member at once, while the shortest setting here still leaves one period in \
         which it may refute. With suspicion nobody falls here; why five do in the paper's run is not known. What agrees is the \
         order: suspicion saves most of the cluster.",
    );
}

fn loss_plot(rows: &[Survivors], seeds: u64) -> Plot {
    let line = |(color, it): (usize, &Survivors)| Line {
        label: it.variant.into(),
        points: staircase(&it.sorted, it.sorted.len(), 18.0, 400),
        color,
        dash: Dash::Solid,
    };
    Plot {
        stem: "loss-test".into(),
        title: "Loss test: members that were never declared failed".into(),
        subtitle: format!("17 members, 10 % loss, 175 s, {seeds} seeds; marks: the paper's runs"),
        x: Scale::Linear { label: "members never declared failed".into(), end: 18.0 },
        y: Scale::Percent { label: "runs with at most so many".into() },
        lines: rows.iter().enumerate().map(line).collect(),
        band: None,
        marks: vec![("infection: 4".into(), (4.0, 50.0)), ("suspicion: 12".into(), (12.0, 50.0))],
    }
}

#[cfg(test)]
mod tests {
    use super::failing;

    #[test]
    fn the_formula_gives_the_published_chances() {
        for (loss, want) in [(0.01, 1.2e-6), (0.03, 8.9e-5), (0.05, 6.2e-4), (0.10, 7.7e-3)] {
            let got = failing(loss, 3);
            assert!((got / want - 1.0).abs() < 0.05, "{loss}: {got}");
        }
    }
}
