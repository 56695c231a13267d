//! How the cluster comes to be.

use super::document::Value;
use super::field::{Field, Table};
use super::problem::Problems;
use super::select::Names;
use super::units::format_duration;
use crate::scenario::{JoinPlan, Nanos, Start};

const MILLISECOND: Nanos = 1_000_000;
/// When a node's discovery answers: long enough that nodes started in one instant all see each other.
const JOIN_AFTER: Nanos = 100 * MILLISECOND;
/// Pause between join attempts that reached nobody.
const RETRY: Nanos = 30_000 * MILLISECOND;
/// The shortest pause between join attempts; 0 means that a join is tried once.
const RETRY_MIN: Nanos = MILLISECOND;
/// Most discovered nodes a node joins.
const DISCOVER_LIMIT: u32 = 5;

#[derive(Clone, Copy)]
enum Kind {
    Warm,
    Cold,
}

const KINDS: [(&str, Kind); 2] = [("warm", Kind::Warm), ("cold", Kind::Cold)];

/// Reads `start`; warm if it is left out.
pub(super) fn read(
    root: &mut Table<'_>,
    duration: Option<Nanos>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Start {
    let Some(field) = root.field("start") else { return Start::Warm };
    if let Value::String(_) = field.item.value {
        return match field.word(&KINDS, problems) {
            Some(Kind::Cold) => cold(boots(0, names), None, None, None, None),
            Some(Kind::Warm) | None => Start::Warm,
        };
    }
    let wanted = "\"warm\", \"cold\" or a table such as { kind = \"cold\", stagger = \"10s\" }";
    let Some(table) = field.table(wanted, problems) else { return Start::Warm };
    from_table(table, duration, names, problems)
}

fn from_table(
    mut table: Table<'_>,
    duration: Option<Nanos>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Start {
    let kind = table
        .required("kind", "kind = \"cold\"", problems)
        .and_then(|field| field.word(&KINDS, problems));
    if let Some(Kind::Warm) = kind {
        let hint = "a warm start has no joins: it is for kind = \"cold\"";
        let keys = ["stagger", "join", "discover_limit", "join_after", "retry"];
        table.finish(&keys.map(|key| (key, hint)), problems);
        return Start::Warm;
    }
    let stagger = table.field("stagger");
    let span = stagger.as_ref().and_then(|field| field.duration(problems)).unwrap_or(0);
    if let (Some(field), Some(duration)) = (&stagger, duration)
        && span >= duration
    {
        field.refuse("the last node would boot after the end of the run: shorten it", problems);
    }
    let limit_field = table.field("discover_limit");
    let limit = limit_field
        .as_ref()
        .and_then(|field| field.integer(1, 100_000, problems))
        .and_then(|limit| u32::try_from(limit).ok());
    let join = table.field("join").and_then(|field| join_plan(&field, limit, names, problems));
    if let (Some(field), Some(JoinPlan::Seeds(_))) = (&limit_field, &join) {
        field.refuse("has no effect: `join` names the nodes, so nothing is discovered", problems);
    }
    let join_after = table.field("join_after").and_then(|field| {
        let wait = field.duration(problems)?;
        if duration.is_some_and(|duration| wait >= duration) {
            field.refuse("no node would join before the end of the run: shorten it", problems);
        }
        Some(wait)
    });
    let retry = table.field("retry").and_then(|field| {
        let pause = field.duration(problems)?;
        if (1..RETRY_MIN).contains(&pause) {
            field.refuse(
                format!(
                    "{} is too short: write \"0s\" for never, or \"1ms\" and more",
                    format_duration(pause)
                ),
                problems,
            );
        }
        Some(pause)
    });
    table.finish(&[], problems);
    cold(boots(span, names), join_after, join, limit, retry)
}

fn join_plan(
    field: &Field<'_>,
    limit: Option<u32>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<JoinPlan> {
    if let Value::String(text) = &field.item.value
        && text == "discover"
    {
        return Some(JoinPlan::Discovered { limit: limit.unwrap_or(DISCOVER_LIMIT) });
    }
    names.select(field, problems).map(JoinPlan::Seeds)
}

fn cold(
    boot: Vec<Nanos>,
    join_after: Option<Nanos>,
    join: Option<JoinPlan>,
    limit: Option<u32>,
    retry: Option<Nanos>,
) -> Start {
    let limit = limit.unwrap_or(DISCOVER_LIMIT);
    Start::Cold {
        boot,
        join_after: join_after.unwrap_or(JOIN_AFTER),
        join: join.unwrap_or(JoinPlan::Discovered { limit }),
        retry: retry.unwrap_or(RETRY),
    }
}

/// Boot instants spread evenly over `span`, the first at zero.
fn boots(span: Nanos, names: &Names) -> Vec<Nanos> {
    let count = names.members().count() as u64;
    (0..count).map(|index| span.saturating_mul(index) / count.max(1)).collect()
}
