//! `[[fault]]`: what breaks, when, and for how long.

mod degrade;
mod network;
mod process;

use super::field::{Field, Table};
use super::problem::{Place, Problems};
use super::select::Names;
use super::units::{PPM, format_duration};
use crate::scenario::{Fault, FaultKind, Nanos};

pub use degrade::{Burst, Degradation};
pub use network::Transport;

const KINDS: [&str; 11] = [
    "crash",
    "restart",
    "pause",
    "block",
    "slow",
    "clock",
    "move",
    "rekey",
    "partition",
    "cut",
    "degrade",
];
/// Those that happen at one instant.
const INSTANTS: [&str; 4] = ["crash", "restart", "move", "rekey"];

/// A fault or a piece of work and where it was written.
pub(super) struct Placed<T> {
    pub(super) place: Place,
    pub(super) path: String,
    pub(super) value: T,
}

/// Reads all `[[fault]]` blocks, in order of time.
pub(super) fn read(
    root: &mut Table<'_>,
    duration: Option<Nanos>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Vec<Placed<Fault>> {
    let Some(field) = root.field("fault") else { return Vec::new() };
    let mut faults = Vec::new();
    for field in field.list("[[fault]] blocks", problems).unwrap_or_default() {
        let table = field.table("a [[fault]] block", problems);
        let read = table.and_then(|table| read_one(table, duration, names, problems));
        for value in read.into_iter().flatten() {
            faults.push(Placed { place: field.place(), path: field.path.clone(), value });
        }
    }
    faults.sort_by_key(|fault| fault.value.at);
    faults
}

/// Reads `at` and refuses a time after the end of the run.
pub(super) fn read_at(
    table: &mut Table<'_>,
    duration: Option<Nanos>,
    problems: &mut Problems<'_>,
) -> Option<Nanos> {
    let field = table.required("at", "at = \"30s\"", problems)?;
    let at = field.duration(problems)?;
    refuse_after_end(&field, at, duration, problems);
    Some(at)
}

/// Refuses a time after the end of the run.
pub(super) fn refuse_after_end(
    field: &Field<'_>,
    at: Nanos,
    duration: Option<Nanos>,
    problems: &mut Problems<'_>,
) {
    if let Some(duration) = duration.filter(|duration| at > *duration) {
        field.refuse(
            format!(
                "{} is after the end of the run at {}: move it, or make `duration` longer",
                format_duration(at),
                format_duration(duration)
            ),
            problems,
        );
    }
}

fn read_one(
    mut table: Table<'_>,
    duration: Option<Nanos>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<Vec<Fault>> {
    let at = read_at(&mut table, duration, problems);
    let ends = [table.field("for"), table.field("until")];
    let kind = table.exactly_one(&KINDS, problems);
    let lasting = kind.as_ref().is_none_or(|(key, _)| !INSTANTS.contains(key));
    let until = match ends {
        [Some(span), Some(_)] => {
            span.refuse("stands beside `until`: give only one of the two", problems);
            None
        }
        [Some(end), None] | [None, Some(end)] if !lasting => {
            end.refuse(
                "is not for this fault: it happens at one instant; to bring nodes back, add a [[fault]] with `restart`",
                problems,
            );
            None
        }
        [Some(span), None] => read_for(&span, at, duration, problems),
        [None, Some(end)] => read_until(&end, at, duration, problems),
        [None, None] => None,
    };
    let kind = match kind {
        Some(("crash", field)) => {
            names.select(&field, problems).map(|nodes| FaultKind::Crash { nodes })
        }
        Some(("restart", field)) => {
            let times = process::Times { at, duration };
            let restarts = process::restarts(&field, &mut table, times, names, problems);
            table.finish(&HINTS, problems);
            return restarts;
        }
        Some((key @ ("pause" | "block"), field)) => {
            process::anomaly(key, &field, &mut table, names, problems)
        }
        Some(("slow", field)) => process::slow(&field, names, problems),
        Some(("clock", field)) => process::clock(&field, until.is_some(), names, problems),
        Some(("move", field)) => process::moves(&field, &mut table, names, problems),
        Some(("rekey", field)) => process::rekey(&field, &mut table, names, problems),
        Some(("partition", field)) => {
            let one_way = table.field("one_way");
            network::partition(&field, one_way, names, problems)
        }
        Some(("cut", field)) => network::cut(&field, names, problems),
        Some((_, field)) => degrade::read(&field, names, problems),
        None => None,
    };
    table.finish(&HINTS, problems);
    Some(vec![Fault { at: at?, until, kind: kind? }])
}

const HINTS: [(&str, &str); 10] = [
    ("cycle", "it is for `pause` and `block`"),
    ("stuck", "it is for `block`"),
    ("keep_state", "it is for `restart`, `move` and `rekey`"),
    ("snapshot", "it is for `restart`, `move` and `rekey`"),
    ("per_input", "write slow = { nodes = [\"host3\"], per_input = \"20ms\" }"),
    ("drift", "write clock = { nodes = [\"host3\"], drift = 0.01 }"),
    ("jump", "write clock = { nodes = [\"host3\"], jump = \"30s\" }"),
    ("every", "it is for `restart`, the time between one node and the next"),
    ("one_way", "it is for `partition`"),
    ("heal", "a fault heals by itself at the end of `for` or `until`"),
];

fn read_for(
    field: &Field<'_>,
    at: Option<Nanos>,
    duration: Option<Nanos>,
    problems: &mut Problems<'_>,
) -> Option<Nanos> {
    let end = at?.saturating_add(field.positive(problems)?);
    if let Some(duration) = duration.filter(|duration| end > *duration) {
        field.refuse(
            format!(
                "ends at {}, after the end of the run at {}: shorten it, or leave it out for a fault that stays",
                format_duration(end),
                format_duration(duration)
            ),
            problems,
        );
    }
    Some(end)
}

fn read_until(
    field: &Field<'_>,
    at: Option<Nanos>,
    duration: Option<Nanos>,
    problems: &mut Problems<'_>,
) -> Option<Nanos> {
    let end = field.duration(problems)?;
    refuse_after_end(field, end, duration, problems);
    if let Some(at) = at.filter(|at| end <= *at) {
        field.refuse(
            format!(
                "ends at {}, and starts at {} (`at`): the end must be later",
                format_duration(end),
                format_duration(at)
            ),
            problems,
        );
    }
    Some(end)
}
