//! The threshold experiment: how soon members that stop answering are found out.

use serde::Serialize;

use super::{CONFIGURATIONS, Configuration, MEMBERLIST, TUNED, blocked};
use crate::analytic::DetectionFloor;
use crate::papers::lab::{File, Lab, Run, scenario_file};
use crate::papers::sheet::{Gate, Sheet};
use crate::papers::words::{percent, secs};
use crate::papers::{Effort, PapersError};
use crate::report::stats::{quantile, seconds};
use crate::scenario::Nanos;

const FILE: File = scenario_file!("lifeguard-threshold.toml");
/// When the anomaly begins.
const BEGIN: Nanos = 15_000_000_000;
/// How far a share of SWIM's latency may be from the chart's.
const SLACK: f64 = 0.1;
/// Anomalies at once.
const CONCURRENT: [u32; 3] = [1, 4, 16];

/// Seconds after the beginning of the anomaly.
#[derive(Debug, Serialize)]
struct Latency {
    configuration: &'static str,
    detections: usize,
    first_p50: f64,
    first_p99: f64,
    all_p50: f64,
    missing: usize,
}

/// The first event about each anomalous member at healthy ones, and the last.
fn latencies(run: &Run, concurrent: u32) -> Vec<Option<(f64, f64)>> {
    let of = |subject: u32| {
        let about = run.tally.false_events.iter();
        let about = about.filter(|it| it.subject == subject && it.observer >= concurrent);
        let times: Vec<Nanos> = about.map(|it| it.at).collect();
        let since = |at: Nanos| seconds(at.saturating_sub(BEGIN));
        Some((since(*times.first()?), since(*times.last()?)))
    };
    (0..concurrent).map(of).collect()
}

fn measure(lab: &Lab<'_>, configuration: &Configuration) -> Result<Latency, PapersError> {
    lab.say(format!("lifeguard: threshold, {}", configuration.name));
    let (mut firsts, mut lasts, mut missing) = (Vec::new(), Vec::new(), 0);
    for concurrent in CONCURRENT.into_iter().filter(|it| lab.effort > Effort::Tiny || *it == 4) {
        let mut sets = configuration.sets();
        sets.push(blocked(concurrent));
        // About as many detections from each number of anomalies.
        let seeds = lab.pick(160, 60).div_ceil(concurrent.into());
        for latency in
            lab.count(FILE, &sets, seeds)?.iter().flat_map(|run| latencies(run, concurrent))
        {
            match latency {
                Some((first, last)) => {
                    firsts.push(first);
                    lasts.push(last);
                }
                None => missing += 1,
            }
        }
    }
    firsts.sort_by(f64::total_cmp);
    lasts.sort_by(f64::total_cmp);
    let at = |values: &[f64], permille| quantile(values, permille).unwrap_or(f64::NAN);
    Ok(Latency {
        configuration: configuration.name,
        detections: firsts.len(),
        first_p50: at(&firsts, 500),
        first_p99: at(&firsts, 990),
        all_p50: at(&lasts, 500),
        missing,
    })
}

/// Runs and writes this part.
pub(super) fn section(lab: &Lab<'_>, sheet: &mut Sheet) -> Result<(), PapersError> {
    let known = ["100 %", "–", "–", "–", "100.1 %", "84.3 %", "56.5 %", "–"];
    let measured: Vec<Latency> = CONFIGURATIONS
        .iter()
        .chain(&TUNED)
        .chain([&MEMBERLIST])
        .map(|configuration| measure(lab, configuration))
        .collect::<Result<_, _>>()?;
    let floor = DetectionFloor { nodes: 128.0, probe_interval: 1.0, suspicion_mult: 5.0 };
    sheet.heading("Threshold experiment: latency of true detections");
    let swim = measured.first().map_or(f64::NAN, |it| it.first_p50);
    let rows: Vec<Vec<String>> = measured
        .iter()
        .zip(known)
        .map(|(it, published)| {
            vec![
                it.configuration.into(),
                it.detections.to_string(),
                secs(it.first_p50),
                published.into(),
                percent(it.first_p50 / swim, 1),
                secs(it.first_p99),
                secs(it.all_p50),
                it.missing.to_string(),
            ]
        })
        .collect();
    let head = [
        "configuration",
        "anomalies",
        "first detection, p50",
        "of SWIM, published",
        "here",
        "p99",
        "everybody, p50",
        "never",
    ];
    sheet.table(&head, &rows);
    sheet.say(format!(
        "Seconds after the beginning of an anomaly of 32.768 s, C = 1, 4 and 16 together. The floor for SWIM with alpha = 5 is \
         {} in the median and {} at the 99th percentile. The paper's table of latencies was not to be had; its tuning chart \
         has the shares of SWIM.",
        secs(floor.time_of(0.5)),
        secs(floor.time_of(0.99))
    ));
    let gate = Gate::within("SWIM's first detection, p50, s", swim, floor.time_of(0.5), 0.05);
    sheet.gate(gate);
    for (it, wanted) in measured.iter().zip([1.0, 1.0, 1.0, 1.0, 1.001, 0.843, 0.565]).skip(4) {
        let name = format!("first detection of {} to SWIM", it.configuration);
        sheet.gate(Gate::within(name, it.first_p50 / swim, wanted, SLACK));
    }
    sheet.say(
        "With alpha = 2 the three accusers of the paper take about a second more than the shortest suspicion. memberlist waits \
         for K = alpha − 2 of them, so for none, and declares after the shortest suspicion: the last row.",
    );
    sheet.commands(&["cargo sim run scenarios/papers/lifeguard-threshold.toml"]);
    sheet.keep("threshold", &measured)?;
    Ok(())
}
