//! `every` and `count`: the same event or query many times, or one leave after the other.

use crate::scenario::field::Field;
use crate::scenario::problem::Problems;
use crate::scenario::units::format_duration;
use crate::scenario::{Nanos, Query, Work, WorkKind};

/// Most repetitions of one piece of work: each is measured on its own.
const TIMES_MAX: u64 = 100_000;
/// Stands for the number of the repetition, from 1, in a payload.
const NUMBER: &[u8] = b"{n}";

/// Reads `count`.
pub(super) fn times(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<u32> {
    field.integer(2, TIMES_MAX, problems).and_then(|times| u32::try_from(times).ok())
}

/// The longest payload of all repetitions.
pub(super) fn longest(payload: &[u8], times: u32) -> Vec<u8> {
    if times > 1 { numbered(payload, times) } else { payload.to_vec() }
}

/// One piece of work, or all that `every` makes of it.
pub(super) fn expand(
    work: Work,
    every: Option<&Field<'_>>,
    count: Option<(&Field<'_>, u32)>,
    duration: Option<Nanos>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Work>> {
    let kinds = match &work.kind {
        WorkKind::Event { .. } | WorkKind::Query(_) => {
            many_times(&work.kind, every, count, problems)?
        }
        WorkKind::Leave { nodes, exit_after } if every.is_some() => {
            refuse_count(count, "gives its own nodes one after the other", problems);
            let one = |node: &u32| WorkKind::Leave { nodes: vec![*node], exit_after: *exit_after };
            nodes.iter().map(one).collect()
        }
        WorkKind::Leave { .. }
        | WorkKind::Join { .. }
        | WorkKind::SetTags { .. }
        | WorkKind::Keys { .. }
        | WorkKind::ForceLeave { .. } => {
            if let Some(field) = every {
                field.refuse("is for `event`, `query` and `leave`: leave it out", problems);
            }
            refuse_count(count, "is done once", problems);
            return Some(vec![work]);
        }
    };
    let step = match every {
        Some(field) => field.positive(problems)?,
        None => 0,
    };
    let last = work.at.saturating_add(step.saturating_mul(kinds.len() as u64 - 1));
    if let (Some(field), Some(duration)) = (every, duration.filter(|duration| last > *duration)) {
        field.refuse(
            format!(
                "brings the last of {} times to {}, after the end of the run at {}: shorten it, or make `duration` \
                 longer",
                kinds.len(),
                format_duration(last),
                format_duration(duration)
            ),
            problems,
        );
    }
    let at = |index: u64| work.at.saturating_add(step.saturating_mul(index));
    Some((0..).map(at).zip(kinds).map(|(at, kind)| Work { at, kind }).collect())
}

fn refuse_count(count: Option<(&Field<'_>, u32)>, why: &str, problems: &mut Problems<'_>) {
    if let Some((field, _)) = count {
        field.refuse(format!("is for `event` and `query`, and this {why}: leave it out"), problems);
    }
}

fn many_times(
    kind: &WorkKind,
    every: Option<&Field<'_>>,
    count: Option<(&Field<'_>, u32)>,
    problems: &mut Problems<'_>,
) -> Option<Vec<WorkKind>> {
    match (every, count) {
        (None, None) => Some(vec![kind.clone()]),
        (Some(_), Some((_, times))) => Some((1..=times).map(|n| nth(kind, n)).collect()),
        (Some(field), None) => {
            field.refuse("says nothing of how often: add `count`", problems);
            None
        }
        (None, Some((field, _))) => {
            field.refuse("says nothing of when: add every = \"10ms\"", problems);
            None
        }
    }
}

fn nth(kind: &WorkKind, n: u32) -> WorkKind {
    match kind {
        WorkKind::Event { from, name, payload } => {
            WorkKind::Event { from: *from, name: name.clone(), payload: numbered(payload, n) }
        }
        WorkKind::Query(query) => {
            WorkKind::Query(Query { payload: numbered(&query.payload, n), ..query.clone() })
        }
        WorkKind::Leave { .. }
        | WorkKind::Join { .. }
        | WorkKind::SetTags { .. }
        | WorkKind::Keys { .. }
        | WorkKind::ForceLeave { .. } => kind.clone(),
    }
}

/// A payload with the number of its repetition in it.
fn numbered(payload: &[u8], n: u32) -> Vec<u8> {
    let digits = n.to_string();
    let mut bytes = Vec::new();
    let mut rest = payload;
    while let Some(position) = rest.windows(NUMBER.len()).position(|window| window == NUMBER) {
        bytes.extend_from_slice(&rest[..position]);
        bytes.extend_from_slice(digits.as_bytes());
        rest = &rest[position + NUMBER.len()..];
    }
    bytes.extend_from_slice(rest);
    bytes
}
