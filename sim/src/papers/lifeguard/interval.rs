//! The interval experiment: false failure events, by configuration, number of anomalies, their length and their distance.

use serde::Serialize;

use super::load;
use super::models;
use super::{CONFIGURATIONS, Configuration, TUNED, blocked, slow};
use crate::papers::lab::{File, Lab, Run, scenario_file};
use crate::papers::sheet::{Gate, Sheet};
use crate::papers::words::{figure, percent};
use crate::papers::{Effort, PapersError};
use crate::report::plot::{Dash, Line, Plot, Scale};
use crate::report::stats::number;
use crate::report::thousands;

const FILE: File = scenario_file!("lifeguard.toml");

/// Numbers of concurrent anomalies C with the paper's false positives of SWIM and of Lifeguard (Figure 2), in 480 runs.
const CONCURRENT: [(u32, u32, u32); 9] = [
    (1, 923, 19),
    (4, 5_958, 141),
    (8, 11_360, 110),
    (12, 22_993, 225),
    (16, 34_109, 573),
    (20, 45_440, 754),
    (24, 59_105, 839),
    (28, 76_880, 1_338),
    (32, 81_614, 1_201),
];
/// Runs of the paper per configuration, and per configuration and number of anomalies.
const RUNS: [f64; 2] = [4_320.0, 480.0];

/// Milliseconds blocked, D.
const DURATIONS: [u32; 6] = [128, 512, 2_048, 8_192, 16_384, 32_768];
/// Milliseconds in between, I.
const INTERVALS: [u32; 8] = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384];

/// The paper's FP and FP- of each configuration (Table IV).
const PUBLISHED: [[f64; 2]; 5] = [
    [339_002.0, 1_326.0],
    [229_574.0, 436.0],
    [10_174.0, 89.0],
    [318_935.0, 591.0],
    [5_193.0, 25.0],
];

/// Gates on the ratio of FP to SWIM's.
const GATES: [(f64, f64); 5] = [(1.0, 1.0), (0.55, 0.80), (0.0, 0.06), (0.85, 1.05), (0.0, 0.03)];

/// Where false positives come from.
const ORIGINS: &str = "Most false positives come with D of 16 s and more: the suspicion of 10.5 s runs out while the refutation waits. With I from \
     16 to 256 ms a member has the time to hear whom the other blocked members accuse, but not the refutations, so that they grow \
     faster than C. LHA-Probe helps at D of 2 s, which a stretched window outlasts, and of 16 s, where the window of a probe that \
     begins in the middle of an anomaly is still open at its end. With I = 1 ms a member takes 33 inputs at a time; where more \
     than that come during D, it never catches up. That is where LHA-Suspicion and Lifeguard leave the most: even the longest \
     suspicion, 63 s, ends before the refutation is read. FP− are few in most runs; a single accusation that leaves its member \
     together with the verdict makes more than a hundred of them.";

/// One cell of the grid.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    pub(super) concurrent: u32,
    duration: u32,
    interval: u32,
}

impl Cell {
    /// Whether it is one of those that a quick run has too: every D, and few C and I, whose shares are near the whole's.
    pub(super) const fn is_quick(self) -> bool {
        matches!(self.concurrent, 4 | 16 | 32) && matches!(self.interval, 1 | 4 | 64 | 256)
    }
}

/// What a run gave.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Counts {
    /// Failure events about members without an anomaly.
    pub(super) fp: u64,
    /// Of these, at members without one.
    pub(super) fp_healthy: u64,
    /// Failure events about members with one.
    about_anomalous: u64,
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
}

impl Counts {
    /// Anomalous are the first `concurrent` members.
    fn of(run: &Run, concurrent: u32) -> Self {
        let mut counts = Self {
            datagrams: run.result.totals.datagrams_sent,
            bytes: run.result.totals.datagram_bytes + run.result.totals.stream_bytes,
            ..Self::default()
        };
        for event in &run.tally.false_events {
            let healthy = event.observer >= concurrent;
            if event.subject < concurrent {
                counts.about_anomalous += 1;
            } else {
                counts.fp += 1;
                counts.fp_healthy += u64::from(healthy);
            }
        }
        counts
    }

    fn add(&mut self, other: Self) {
        self.fp += other.fp;
        self.fp_healthy += other.fp_healthy;
        self.about_anomalous += other.about_anomalous;
        self.datagrams += other.datagrams;
        self.bytes += other.bytes;
    }
}

/// All runs of one configuration.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) configuration: &'static str,
    pub(super) runs: usize,
    pub(super) total: Counts,
    /// Of these, in the cells of a quick run.
    quick: Counts,
    by_concurrent: Vec<(u32, Counts)>,
    by_duration: Vec<(u32, Counts)>,
    by_interval: Vec<(u32, Counts)>,
}

/// The cells that are run, and the seeds of each.
fn grid(lab: &Lab<'_>) -> (Vec<Cell>, u64) {
    let wanted = |cell: &Cell| match lab.effort {
        Effort::Full => true,
        Effort::Quick => cell.is_quick(),
        Effort::Tiny => {
            cell.concurrent == 8 && cell.duration == 16_384 && matches!(cell.interval, 1 | 64)
        }
    };
    (whole_grid().filter(wanted).collect(), lab.pick(10, 1))
}

/// The paper's 432 cells.
pub(super) fn whole_grid() -> impl Iterator<Item = Cell> {
    CONCURRENT.into_iter().flat_map(|(concurrent, ..)| {
        DURATIONS.into_iter().flat_map(move |duration| {
            INTERVALS.into_iter().map(move |interval| Cell { concurrent, duration, interval })
        })
    })
}

/// Runs one configuration in every cell, with `more` values besides.
pub(super) fn run(
    lab: &Lab<'_>,
    configuration: &Configuration,
    cells: &[Cell],
    seeds: u64,
    more: &[&str],
) -> Result<Outcome, PapersError> {
    let sets: Vec<Vec<String>> = cells
        .iter()
        .map(|cell| {
            let mut sets = configuration.sets();
            sets.extend([blocked(cell.concurrent), slow(cell.concurrent)]);
            sets.push(format!("fault[0].cycle.on={}ms", cell.duration));
            sets.push(format!("fault[0].cycle.off={}ms", cell.interval));
            sets.extend(more.iter().map(|set| (*set).to_owned()));
            sets
        })
        .collect();
    let mut outcome = Outcome {
        configuration: configuration.name,
        runs: 0,
        total: Counts::default(),
        quick: Counts::default(),
        by_concurrent: Vec::new(),
        by_duration: Vec::new(),
        by_interval: Vec::new(),
    };
    for seed in 1..=seeds {
        let counts =
            lab.cells(FILE, &sets, seed, |cell, run| Counts::of(&run, cells[cell].concurrent))?;
        for (cell, counts) in cells.iter().zip(counts) {
            outcome.runs += 1;
            outcome.total.add(counts);
            if cell.is_quick() {
                outcome.quick.add(counts);
            }
            add_to(&mut outcome.by_concurrent, cell.concurrent, counts);
            add_to(&mut outcome.by_duration, cell.duration, counts);
            add_to(&mut outcome.by_interval, cell.interval, counts);
        }
    }
    Ok(outcome)
}

fn add_to(sums: &mut Vec<(u32, Counts)>, key: u32, counts: Counts) {
    match sums.iter_mut().find(|(known, _)| *known == key) {
        Some((_, sum)) => sum.add(counts),
        None => sums.push((key, counts)),
    }
}

/// Runs and writes this part.
pub(super) fn section(lab: &Lab<'_>, sheet: &mut Sheet) -> Result<(), PapersError> {
    let (cells, seeds) = grid(lab);
    let outcomes: Vec<Outcome> = CONFIGURATIONS
        .iter()
        .map(|configuration| {
            lab.say(format!("lifeguard: interval, {}, {} cells", configuration.name, cells.len()));
            run(lab, configuration, &cells, seeds, &[])
        })
        .collect::<Result<_, _>>()?;
    sheet.heading("Interval experiment: false positives");
    sheet.say(format!(
        "C members are blocked for D and work for I, over and over, for 120 s. Run here: {} of the paper's 432 cells (C, D, I), \
         with {seeds} seeds, per configuration; the paper has 10 repeats of each cell, 4,320 runs. FP: failure events about members \
         without an anomaly, summed over every member's own events; FP−: those at members without an anomaly. Counts per run \
         are comparable over the whole grid only: a quick run leaves out cells in which nothing happens.",
        cells.len()
    ));
    totals(lab, sheet, &outcomes);
    by_concurrent(sheet, &outcomes);
    by_phase(sheet, &outcomes);
    load::section(sheet, &outcomes);
    models::section(lab, sheet)?;
    tuned(lab, sheet, &cells, seeds, &outcomes)?;
    sheet.commands(&[
        "cargo sim run scenarios/papers/lifeguard.toml --set config.lifeguard.local_health=false --set \
         config.lifeguard.suspicion_shrink=false --set config.lifeguard.buddy=false",
        "cargo sim run scenarios/papers/lifeguard.toml --set 'fault[0].block=[\"host1..host32\"]' --set \
         'fault[1].slow.nodes=[\"host1..host32\"]' --set 'fault[0].cycle.on=32768ms' --set 'fault[0].cycle.off=1ms'",
    ]);
    sheet.keep("interval", &outcomes)?;
    Ok(())
}

pub(super) fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

fn totals(lab: &Lab<'_>, sheet: &mut Sheet, outcomes: &[Outcome]) {
    let Some(swim) = outcomes.first() else { return };
    let mut rows = Vec::new();
    for ((it, published), (low, high)) in outcomes.iter().zip(PUBLISHED).zip(GATES) {
        let fp = share(it.total.fp, swim.total.fp);
        let healthy = share(it.total.fp_healthy, swim.total.fp_healthy);
        rows.push(vec![
            it.configuration.into(),
            figure(published[0] / RUNS[0], 1),
            figure(it.total.fp as f64 / number(it.runs), 1),
            percent(published[0] / PUBLISHED[0][0], 2),
            percent(fp, 2),
            percent(share(it.quick.fp, swim.quick.fp), 2),
            figure(published[1] / RUNS[0], 3),
            figure(it.total.fp_healthy as f64 / number(it.runs), 3),
            percent(published[1] / PUBLISHED[0][1], 2),
            percent(healthy, 2),
        ]);
        if it.configuration != "SWIM" {
            sheet.gate(Gate::new(format!("FP of {} to SWIM", it.configuration), fp, low, high));
        }
        // A quick run has too few of them for a share.
        if it.configuration == "Lifeguard" && lab.effort == Effort::Full {
            sheet.gate(Gate::new("FP− of Lifeguard to SWIM", healthy, 0.0, 0.05));
        }
    }
    let head = [
        "configuration",
        "FP per run, published",
        "here",
        "of SWIM, published",
        "here",
        "cells of a quick run",
        "FP− per run, published",
        "here",
        "of SWIM, published",
        "here",
    ];
    sheet.table(&head, &rows);
    if lab.effort == Effort::Full {
        sheet
            .say("A quick run has every D, and C = 4, 16, 32 with I = 1, 4, 64, 256 ms: 72 cells.");
    }
    sheet.say(ORIGINS);
}

fn count(value: u64) -> String {
    thousands(value as f64, 0)
}

fn by_concurrent(sheet: &mut Sheet, outcomes: &[Outcome]) {
    let (Some(swim), Some(lifeguard)) = (outcomes.first(), outcomes.last()) else { return };
    let known = |concurrent: u32| {
        let found = CONCURRENT.iter().find(|(known, ..)| *known == concurrent);
        found.map_or([0.0; 2], |it| [f64::from(it.1), f64::from(it.2)].map(|fp| fp / RUNS[1]))
    };
    let runs = number(swim.runs) / number(swim.by_concurrent.len());
    let per_run = |sum: Counts| sum.fp as f64 / runs;
    let mut rows = Vec::new();
    for (place, (concurrent, one)) in swim.by_concurrent.iter().enumerate() {
        let [published, published_all] = known(*concurrent);
        let mut row = vec![concurrent.to_string(), figure(published, 1)];
        row.extend(outcomes.iter().map(|it| figure(per_run(it.by_concurrent[place].1), 1)));
        row.push(percent(published_all / published, 2));
        row.push(percent(share(lifeguard.by_concurrent[place].1.fp, one.fp), 2));
        rows.push(row);
    }
    let mut head = vec!["C", "SWIM, published"];
    head.extend(outcomes.iter().map(|it| it.configuration));
    head.extend(["Lifeguard to SWIM, published", "here"]);
    sheet.say("FP per run by the number of concurrent anomalies (Figure 2):");
    sheet.table(&head, &rows);
    let published = |place: usize| {
        let point = |it: &(u32, Counts)| (f64::from(it.0), known(it.0)[place]);
        swim.by_concurrent.iter().map(point).collect()
    };
    let line = |(color, it): (usize, &Outcome)| Line {
        label: it.configuration.into(),
        points: it.by_concurrent.iter().map(|(c, sum)| (f64::from(*c), per_run(*sum))).collect(),
        color,
        dash: Dash::Solid,
    };
    let mut lines: Vec<Line> = outcomes.iter().enumerate().map(line).collect();
    for (label, place, color) in [("SWIM, published", 0, 0), ("Lifeguard, published", 1, 4)] {
        lines.push(Line {
            label: label.into(),
            points: published(place),
            color,
            dash: Dash::Dashed,
        });
    }
    sheet.plot(Plot {
        stem: "false-positives".into(),
        title: "False positives by concurrent anomalies".into(),
        subtitle: format!("128 members, 120 s, {} runs per configuration", swim.runs),
        x: Scale::Linear { label: "concurrent anomalies".into(), end: 32.0 },
        y: Scale::Logarithmic {
            label: "failure events about healthy members, per run".into(),
            start: 0.001,
            end: 1_000.0,
        },
        lines,
        band: None,
        marks: Vec::new(),
    });
}

fn by_phase(sheet: &mut Sheet, outcomes: &[Outcome]) {
    let mut rows = Vec::new();
    for (what, pick) in [
        ("D", (|it: &Outcome| it.by_duration.clone()) as fn(&Outcome) -> Vec<(u32, Counts)>),
        ("I", |it: &Outcome| it.by_interval.clone()),
    ] {
        let sums: Vec<Vec<(u32, Counts)>> = outcomes.iter().map(pick).collect();
        let keys = sums.first().map(|it| it.iter().map(|(key, _)| *key)).into_iter().flatten();
        for (place, key) in keys.enumerate() {
            let mut row = vec![format!("{what} = {key} ms")];
            row.extend(sums.iter().map(|it| count(it[place].1.fp)));
            row.extend(sums.iter().map(|it| count(it[place].1.fp_healthy)));
            rows.push(row);
        }
    }
    let mut head = vec!["all runs".to_owned()];
    head.extend(outcomes.iter().map(|it| format!("FP, {}", it.configuration)));
    head.extend(outcomes.iter().map(|it| format!("FP−, {}", it.configuration)));
    let head: Vec<&str> = head.iter().map(String::as_str).collect();
    sheet.say("The same by the length of the anomaly and of the time in between, summed:");
    sheet.table(&head, &rows);
}

fn tuned(
    lab: &Lab<'_>,
    sheet: &mut Sheet,
    cells: &[Cell],
    seeds: u64,
    outcomes: &[Outcome],
) -> Result<(), PapersError> {
    let Some(swim) = outcomes.first() else { return Ok(()) };
    if lab.effort < Effort::Full {
        return Ok(());
    }
    let cells: Vec<Cell> = cells.iter().copied().filter(|it| it.is_quick()).collect();
    let mut rows = Vec::new();
    for (configuration, published) in TUNED.iter().zip(["4.4 %", "13.5 %"]) {
        lab.say(format!("lifeguard: interval, {}", configuration.name));
        let total = run(lab, configuration, &cells, seeds, &[])?.total;
        let part = percent(share(total.fp, swim.quick.fp), 2);
        rows.push(vec![configuration.name.into(), count(total.fp), published.into(), part]);
    }
    sheet.heading("A shorter suspicion");
    sheet.say(
        "Lifeguard with a smaller alpha against SWIM at alpha 5 (tuning chart), in the cells of a quick run:",
    );
    sheet.table(&["configuration", "FP", "of SWIM, published", "here"], &rows);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_go_by_key() {
        let one = Counts { fp: 1, fp_healthy: 1, ..Counts::default() };
        let mut sums = Vec::new();
        add_to(&mut sums, 4, one);
        add_to(&mut sums, 8, one);
        add_to(&mut sums, 4, one);
        let sums: Vec<_> = sums.iter().map(|(key, sum)| (*key, sum.fp, sum.fp_healthy)).collect();
        assert_eq!(sums, [(4, 2, 2), (8, 1, 1)]);
    }
}
