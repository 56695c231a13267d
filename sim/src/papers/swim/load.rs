//! Load per member, choice of targets, and the bound on the time between two probes of one member.

use serde::Serialize;

use crate::papers::lab::{File, Lab, Run, scenario_file, sets};
use crate::papers::sheet::{Gate, Sheet};
use crate::papers::words::{figure, percent, size};
use crate::papers::{Histogram, PapersError};
use crate::report::stats::number;

const FILE: File = scenario_file!("swim.toml");
const SIZES: [u32; 6] = [8, 16, 28, 40, 55, 100];
/// Rounds of the whole ring that are watched for completeness.
const ROUNDS: u32 = 6;

#[derive(Debug, Serialize)]
struct Row {
    nodes: u32,
    sent: f64,
    received: f64,
    below_five: f64,
    chosen: f64,
    chosen_predicted: f64,
    gap_max: u32,
    gap_bound: u32,
}

/// Runs and writes this part.
pub(super) fn section(lab: &Lab<'_>, sheet: &mut Sheet) -> Result<(), PapersError> {
    let mut rows = Vec::new();
    for nodes in SIZES.into_iter().filter(|nodes| lab.fits(*nodes, 200)) {
        lab.say(format!("swim: load, {} members", size(nodes)));
        // 40 periods at least, as in the paper, and enough for several rounds of the ring.
        let periods = (ROUNDS * nodes).max(41);
        let values = [("nodes", nodes.to_string()), ("duration", format!("{}s", 2 * periods))];
        let runs = lab.count(FILE, &sets(values), lab.pick(5, 2))?;
        rows.push(row(nodes, &runs));
    }
    sheet.heading("Load and completeness");
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|it| {
            vec![
                size(it.nodes),
                "2.0 / 2.0".into(),
                format!("{} / {}", figure(it.sent, 2), figure(it.received, 2)),
                percent(it.below_five, 1),
                percent(it.chosen_predicted, 1),
                percent(it.chosen, 1),
                it.gap_bound.to_string(),
                it.gap_max.to_string(),
            ]
        })
        .collect();
    let head = [
        "N",
        "sends / receives, published",
        "measured",
        "fewer than 5 sends",
        "chosen, formula",
        "measured",
        "gap bound 2n − 1",
        "measured",
    ];
    sheet.table(&head, &cells);
    sheet.say(
        "Datagrams per member and period (published up to N = 55, with fewer than 5 sends in 99 % of periods at N = 28); share \
         of periods in which a member is the target of somebody's probe, formula `1 − (1 − 1/n)^(n−1)`, 63.2 % for large n; and \
         the most periods of one member between two of its probes of the same target. Quiet cluster: one ping and one ack \
         each, whatever the size.",
    );
    sheet.say(
        "The formula counts members that choose afresh each period among n; here each chooses among the n − 1 others, so small \
         clusters are a little above it.",
    );
    for it in &rows {
        let nodes = size(it.nodes);
        sheet.gate(Gate::within(
            format!("sends per member and period, N = {nodes}"),
            it.sent,
            2.0,
            0.05,
        ));
        let gap = f64::from(it.gap_max) / f64::from(it.gap_bound);
        sheet.gate(Gate::new(format!("longest gap to 2n − 1, N = {nodes}"), gap, 0.0, 1.0));
    }
    sheet.commands(&["cargo sim run scenarios/papers/swim.toml --set nodes=28"]);
    sheet.keep("load", &rows)?;
    Ok(())
}

fn row(nodes: u32, runs: &[Run]) -> Row {
    let (mut sent, mut received) = (Histogram::default(), Histogram::default());
    for run in runs {
        sent.merge(&run.tally.sent);
        received.merge(&run.tally.received);
    }
    let sum = |pick: fn(&Run) -> u64| runs.iter().map(pick).sum::<u64>() as f64;
    let n = f64::from(nodes);
    Row {
        nodes,
        sent: sent.mean(),
        received: received.mean(),
        below_five: sent.share_below(5),
        chosen: sum(|it| it.tally.chosen) / sum(|it| it.tally.member_periods),
        chosen_predicted: 1.0 - libm::pow(1.0 - 1.0 / n, n - 1.0),
        gap_max: runs.iter().map(|it| it.tally.gap_max).max().unwrap_or(0),
        gap_bound: 2 * nodes - 1,
    }
}

/// Mean of a count over runs.
pub(super) fn mean(runs: &[Run], pick: fn(&Run) -> u64) -> f64 {
    runs.iter().map(pick).sum::<u64>() as f64 / number(runs.len())
}
