//! What the model of a blocked member decides: the same cells with one setting changed at a time.

use super::CONFIGURATIONS;
use super::interval::{Cell, Counts, run, share, whole_grid};
use crate::papers::lab::Lab;
use crate::papers::sheet::Sheet;
use crate::papers::words::{figure, percent};
use crate::papers::{Effort, PapersError};
use crate::report::stats::number;

/// Number of concurrent anomalies that is looked at.
const CONCURRENT: u32 = 16;

/// Seeds of each cell.
const SEEDS: u64 = 2;

/// What is changed, and the value.
const MODELS: [(&str, &[&str]); 9] = [
    ("as above", &[]),
    ("an input costs nothing", &["fault[1].slow.per_input=1ns"]),
    ("an input costs 10 µs", &["fault[1].slow.per_input=10us"]),
    ("an input costs 100 µs", &["fault[1].slow.per_input=100us"]),
    ("a socket holds 92 datagrams", &["network.receive_buffer=208KiB"]),
    ("a socket holds anything", &["network.receive_buffer=0"]),
    ("memberlist's fixed ticks", &["config.lifeguard.scaled_period=false"]),
    (
        "memberlist: fixed ticks, windows up to 8 times as long",
        &["config.lifeguard.scaled_period=false", "config.awareness_max_multiplier=8"],
    ),
    ("nacks after 0.4 s", &["config.probe_timeout=400ms"]),
];

/// Runs and writes this part; only in full.
pub(super) fn section(lab: &Lab<'_>, sheet: &mut Sheet) -> Result<(), PapersError> {
    if lab.effort < Effort::Full {
        return Ok(());
    }
    let cells: Vec<Cell> =
        whole_grid().filter(|it| it.concurrent == CONCURRENT && it.is_quick()).collect();
    let [swim, probe, suspicion, _, all] = &CONFIGURATIONS;
    let mut rows = Vec::new();
    let mut kept = Vec::new();
    for (name, values) in MODELS {
        lab.say(format!("lifeguard: C = {CONCURRENT}, {name}"));
        let totals: Vec<Counts> = [swim, probe, suspicion, all]
            .into_iter()
            .map(|it| run(lab, it, &cells, SEEDS, values).map(|outcome| outcome.total))
            .collect::<Result<_, _>>()?;
        let mut row = vec![name.to_owned()];
        row.push(figure(totals[0].fp as f64 / (number(cells.len()) * SEEDS as f64), 1));
        row.extend(totals.iter().skip(1).map(|it| percent(share(it.fp, totals[0].fp), 2)));
        row.extend(totals.iter().skip(1).map(|it| {
            let load = share(it.datagrams, totals[0].datagrams);
            percent(load, 1)
        }));
        rows.push(row);
        kept.push((name, totals));
    }
    sheet.heading("What the model of an anomaly decides");
    sheet.say(format!(
        "The same experiment with one setting changed at a time, {SEEDS} seeds in each cell:"
    ));
    let head = [
        "C = 16, every D, I = 1, 4, 64, 256 ms",
        "SWIM, FP per run",
        "LHA-Probe, of SWIM",
        "LHA-Suspicion",
        "Lifeguard",
        "messages: LHA-Probe",
        "LHA-Suspicion",
        "Lifeguard",
    ];
    sheet.table(&head, &rows);
    sheet.keep("models", &kept)?;
    Ok(())
}
