//! `[[fault]]`: what breaks, when, and for how long.

mod network;
mod process;

use super::field::{Field, Table};
use super::problem::{Place, Problems};
use super::select::Names;
use super::units::format_duration;
use crate::scenario::{Fault, FaultKind, Nanos};

const KINDS: [&str; 6] = ["crash", "restart", "pause", "block", "partition", "degrade"];

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
    let lasting = kind.as_ref().is_none_or(|(key, _)| !matches!(*key, "crash" | "restart"));
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
            let restarts = restarts(&field, &mut table, at, duration, names, problems);
            table.finish(&HINTS, problems);
            return restarts;
        }
        Some(("pause", field)) => {
            let cycle = process::cycle(&mut table, problems);
            let nodes = names.select(&field, problems);
            nodes.zip(cycle).map(|(nodes, cycle)| FaultKind::Pause { nodes, cycle })
        }
        Some(("block", field)) => {
            let cycle = process::cycle(&mut table, problems);
            let stuck = switch(&mut table, "stuck", problems);
            let nodes = names.select(&field, problems);
            nodes.zip(cycle).map(|(nodes, cycle)| FaultKind::Block { nodes, cycle, stuck })
        }
        Some(("partition", field)) => {
            let one_way = switch(&mut table, "one_way", problems);
            let groups = network::groups(&field, names, problems);
            groups.map(|groups| FaultKind::Partition { groups, one_way })
        }
        Some((_, field)) => network::degrade(&field, problems),
        None => None,
    };
    table.finish(&HINTS, problems);
    Some(vec![Fault { at: at?, until, kind: kind? }])
}

const HINTS: [(&str, &str); 6] = [
    ("cycle", "it is for `pause` and `block`"),
    ("stuck", "it is for `block`"),
    ("keep_state", "it is for `restart`"),
    ("every", "it is for `restart`, the time between one node and the next"),
    ("one_way", "it is for `partition`"),
    ("heal", "a fault heals by itself at the end of `for` or `until`"),
];

/// All nodes in one instant, or with `every` one after the other, whether they run or not.
fn restarts(
    field: &Field<'_>,
    table: &mut Table<'_>,
    at: Option<Nanos>,
    duration: Option<Nanos>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<Vec<Fault>> {
    let keep_state = switch(table, "keep_state", problems);
    let every = table.field("every");
    let nodes = names.select(field, problems);
    let Some(every) = every else {
        let kind = FaultKind::Restart { nodes: nodes?, keep_state, running: false };
        return Some(vec![Fault { at: at?, until: None, kind }]);
    };
    let step = every.positive(problems)?;
    let (at, nodes) = (at?, nodes?);
    let last = at.saturating_add(step.saturating_mul(nodes.len() as u64 - 1));
    if let Some(duration) = duration.filter(|duration| last > *duration) {
        every.refuse(
            format!(
                "brings the last of {} nodes to {}, after the end of the run at {}: shorten it, or make `duration` \
                 longer",
                nodes.len(),
                format_duration(last),
                format_duration(duration)
            ),
            problems,
        );
    }
    let times = (0..).map(|index: u64| at.saturating_add(step.saturating_mul(index)));
    let one = |(node, at)| {
        let kind = FaultKind::Restart { nodes: vec![node], keep_state, running: true };
        Fault { at, until: None, kind }
    };
    Some(nodes.into_iter().zip(times).map(one).collect())
}

fn switch(table: &mut Table<'_>, key: &'static str, problems: &mut Problems<'_>) -> bool {
    table.field(key).and_then(|field| field.boolean(problems)).unwrap_or(false)
}

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
