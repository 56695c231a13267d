//! What the parts of Lifeguard cost in messages and bytes.

use super::interval::{Outcome, share};
use crate::papers::sheet::{Gate, Sheet};
use crate::papers::words::{figure, percent};
use crate::report::stats::number;

/// The paper's millions of messages and GiB of each configuration, over all runs.
const PUBLISHED: [[f64; 2]; 5] =
    [[435.33, 149.15], [428.62, 134.28], [484.55, 158.87], [435.62, 147.67], [481.42, 146.13]];
/// Runs of the paper per configuration.
const RUNS: f64 = 4_320.0;

/// Writes the table and the gates.
pub(super) fn section(sheet: &mut Sheet, outcomes: &[Outcome]) {
    let Some(swim) = outcomes.first() else { return };
    let mut rows = Vec::new();
    for (it, published) in outcomes.iter().zip(PUBLISHED) {
        let load = share(it.total.datagrams, swim.total.datagrams);
        let [messages, bytes] = [published[0] * 1e6, published[1] * 1_073_741_824.0];
        rows.push(vec![
            it.configuration.into(),
            figure(messages / RUNS / 1e3, 1),
            figure(it.total.datagrams as f64 / number(it.runs) / 1e3, 1),
            percent(published[0] / PUBLISHED[0][0], 1),
            percent(load, 1),
            figure(bytes / messages, 0),
            figure(share(it.total.bytes, it.total.datagrams), 0),
            percent(published[1] / PUBLISHED[0][1], 1),
            percent(share(it.total.bytes, swim.total.bytes), 1),
        ]);
        if it.configuration != "SWIM" {
            // LHA-Probe sends less than SWIM in the paper, too: 0.985 of it.
            let low = if it.configuration == "LHA-Probe" { 0.9 } else { 1.0 };
            let name = format!("messages of {} to SWIM", it.configuration);
            sheet.gate(Gate::new(name, load, low, 1.20));
        }
    }
    sheet.heading("Interval experiment: load");
    let head = [
        "configuration",
        "thousand messages per run, published",
        "here",
        "of SWIM, published",
        "here",
        "bytes per message, published",
        "here",
        "bytes of SWIM, published",
        "here",
    ];
    sheet.table(&head, &rows);
    sheet.say(
        "A message is a datagram, not each of the messages packed into one: only so do the paper's figures make sense, whose \
         messages have 370 bytes on average, five times a suspicion. Bytes include those of streams.",
    );
}
