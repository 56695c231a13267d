//! `[[expect]]`: what must hold, and in how many seeds.

mod serf;

use uwasa_core::config::Config;
use uwasa_core::trace::MemberState;

use super::fault::{Placed, refuse_after_end};
use super::field::{Field, Table};
use super::problem::{Problems, closest};
use super::select::Names;
use super::units::{PPM, format_duration};
use crate::scenario::{Expect, ExpectKind, Fault, FaultKind, Nanos, NodeIndex, Work, WorkKind};

const KINDS: [&str; 15] = [
    "event_coverage",
    "told_once",
    "queues",
    "query",
    "coordinates",
    "detected",
    "no_false_failures",
    "converged_by",
    "state_at",
    "status",
    "tags",
    "keys",
    "shut_down",
    "up",
    "joined_then_failed",
];

const STATES: [(&str, Option<MemberState>); 5] = [
    ("alive", Some(MemberState::Alive)),
    ("suspect", Some(MemberState::Suspect)),
    ("failed", Some(MemberState::Dead)),
    ("left", Some(MemberState::Left)),
    ("unknown", None),
];

/// What expectations are checked against.
pub(super) struct Around<'a> {
    pub(super) duration: Option<Nanos>,
    pub(super) names: &'a Names,
    pub(super) config: &'a Config,
    pub(super) faults: &'a [Placed<Fault>],
    pub(super) workload: &'a [Placed<Work>],
    /// Whether all faults and all work could be read. If not, a missing one may be among the unreadable.
    pub(super) complete: bool,
}

/// Reads all `[[expect]]` blocks, in order of the file.
pub(super) fn read(
    root: &mut Table<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Expect> {
    let Some(field) = root.field("expect") else { return Vec::new() };
    let mut expects = Vec::new();
    for field in field.list("[[expect]] blocks", problems).unwrap_or_default() {
        let table = field.table("an [[expect]] block", problems);
        expects.extend(table.and_then(|table| read_one(table, around, problems)));
    }
    expects
}

fn read_one(
    mut table: Table<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<Expect> {
    let line = table.place().line();
    let reason = table.field("reason").and_then(|field| field.string("a sentence", problems));
    let seeds_ppm = match table.field("seeds_share") {
        Some(field) => field.expected_share(problems),
        None => Some(PPM),
    };
    let kind = match table.exactly_one(&KINDS, problems) {
        Some(("event_coverage", field)) => event_coverage(&field, around, problems),
        Some(("told_once", field)) => serf::told_once(&field, around, problems),
        Some(("queues", field)) => serf::queues(&field, around, problems),
        Some(("detected", field)) => detected(&field, around, problems),
        Some(("no_false_failures", field)) => {
            if field.boolean(problems) == Some(false) {
                field.refuse("must be true: to expect nothing, leave the block out", problems);
            }
            Some(ExpectKind::NoFalseFailures)
        }
        Some(("converged_by", field)) => {
            instant(Some(field), around, problems).map(|by| ExpectKind::ConvergedBy { by })
        }
        Some(("state_at", field)) => state_at(&field, around, problems),
        Some(("query", field)) => serf::query(&field, around, problems),
        Some(("coordinates", field)) => serf::coordinates(&field, around, problems),
        Some(("status", field)) => serf::status(&field, around, problems),
        Some(("tags", field)) => serf::tags(&field, around, problems),
        Some(("keys", field)) => serf::keys(&field, around, problems),
        Some(("shut_down", field)) => serf::shut_down(&field, around, problems),
        Some(("up", field)) => {
            around.names.select(&field, problems).map(|nodes| ExpectKind::Up { nodes })
        }
        Some((_, field)) => joined_then_failed(&field, around, problems),
        None => None,
    };
    table.finish(&[], problems);
    Some(Expect {
        line,
        reason: reason.unwrap_or_default().into(),
        seeds_ppm: seeds_ppm?,
        kind: kind?,
    })
}

/// A time of the run.
fn instant(
    field: Option<Field<'_>>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<Nanos> {
    let field = field?;
    let at = field.duration(problems)?;
    refuse_after_end(&field, at, around.duration, problems);
    Some(at)
}

fn coverage(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<u32> {
    match table.field("share") {
        Some(field) => field.expected_share(problems),
        None => Some(PPM),
    }
}

fn event_coverage(
    field: &Field<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<ExpectKind> {
    let example = "{ event = \"deploy\", share = 0.95, within = \"1s\" }";
    let mut table = field.table(&format!("a table such as {example}"), problems)?;
    let event = table.required("event", "event = \"deploy\"", problems);
    let coverage_ppm = coverage(&mut table, problems);
    let events_ppm = match table.field("events") {
        Some(field) => field.expected_share(problems),
        None => Some(PPM),
    };
    let within_field = table.required("within", "within = \"1s\"", problems);
    table.finish(&[], problems);
    let within = within_field.as_ref().and_then(|field| field.duration(problems));
    let (name, last) = sent_event(&event?, around, problems)?;
    if let Some(at) = last {
        check_room(within_field.as_ref(), "the event", at, within, around, problems);
    }
    Some(ExpectKind::EventCoverage {
        event: name.into(),
        coverage_ppm: coverage_ppm?,
        events_ppm: events_ppm?,
        within: within?,
    })
}

/// The name of an event, and when it is sent for the last time; a name that no event has is refused.
fn sent_event<'a>(
    event: &Field<'a>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<(&'a str, Option<Nanos>)> {
    let name = event.string("the name of an event", problems)?;
    let sent = around.workload.iter().filter_map(|work| match &work.value.kind {
        WorkKind::Event { name, .. } => Some((name.as_str(), work.value.at)),
        WorkKind::Query(_)
        | WorkKind::Leave { .. }
        | WorkKind::Join { .. }
        | WorkKind::SetTags { .. }
        | WorkKind::Keys { .. }
        | WorkKind::ForceLeave { .. } => None,
    });
    let last = sent.clone().filter(|(sent, _)| *sent == name).map(|(_, at)| at).max();
    if last.is_none() && around.complete {
        let hint = match closest(name, sent.map(|(sent, _)| sent)) {
            Some(close) => format!("did you mean \"{close}\"?"),
            None => format!("add a [[work]] block with event = \"{name}\""),
        };
        event.refuse(format!("no event \"{name}\" is ever sent: {hint}"), problems);
    }
    Some((name, last))
}

/// The run must be long enough for the expectation to be decided.
fn check_room(
    field: Option<&Field<'_>>,
    what: &str,
    at: Nanos,
    within: Option<Nanos>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) {
    let (Some(field), Some(within), Some(duration)) = (field, within, around.duration) else {
        return;
    };
    if at <= duration && at.saturating_add(within) > duration {
        field.refuse(
            format!(
                "{what} is at {} and {} later the run has ended (at {}): shorten this, or make `duration` longer",
                format_duration(at),
                format_duration(within),
                format_duration(duration)
            ),
            problems,
        );
    }
}

fn detected(
    field: &Field<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<ExpectKind> {
    let example = "{ node = \"host3\", state = \"failed\", within = \"15s\" }";
    let mut table = field.table(&format!("a table such as {example}"), problems)?;
    let node_field = table.required("node", "node = \"host3\"", problems);
    let states = [("failed", MemberState::Dead), ("left", MemberState::Left)];
    let state = match table.field("state") {
        Some(field) => field.word(&states, problems),
        None => Some(MemberState::Dead),
    };
    let coverage_ppm = coverage(&mut table, problems);
    let within_field = table.required("within", "within = \"15s\"", problems);
    table.finish(&[], problems);
    let within = within_field.as_ref().and_then(|field| field.duration(problems));
    let node_field = node_field?;
    let node = around.names.member(&node_field, problems)?;
    let state = state?;
    let (what, last) = match state {
        MemberState::Left => ("leave", leaves(around.workload, node).max()),
        MemberState::Alive | MemberState::Suspect | MemberState::Dead => {
            ("crash", last_crash(around, node))
        }
    };
    let name = around.names.name(node);
    match last {
        Some(at) => {
            let what = format!("the {what} of {name}");
            check_room(within_field.as_ref(), &what, at, within, around, problems);
        }
        None if around.complete => {
            if what == "crash" && crashes(around.faults, node).next().is_some() {
                node_field.refuse(
                    format!(
                        "{name} leaves before its crash, and who left is not detected as failed: restart it between \
                         the two, or expect state = \"left\""
                    ),
                    problems,
                );
                return None;
            }
            let block = if what == "crash" { "fault" } else { "work" };
            node_field.refuse(
                format!(
                    "there is no {what} of {name} to detect: add a [[{block}]] block with {what} = [\"{name}\"]"
                ),
                problems,
            );
        }
        None => {}
    }
    Some(ExpectKind::Detected { node, state, coverage_ppm: coverage_ppm?, within: within? })
}

fn crashes(faults: &[Placed<Fault>], node: NodeIndex) -> impl Iterator<Item = Nanos> {
    let crashes = faults.iter().filter(
        move |fault| matches!(&fault.value.kind, FaultKind::Crash { nodes } if nodes.contains(&node)),
    );
    crashes.map(|fault| fault.value.at)
}

/// The last crash that somebody could notice: not one after a leave, which is what others have noticed by then.
fn last_crash(around: &Around<'_>, node: NodeIndex) -> Option<Nanos> {
    let restarts: Vec<Nanos> = restarts(around.faults, node).collect();
    let left = |at: Nanos| {
        let since = restarts.iter().copied().filter(|restart| *restart < at).max().unwrap_or(0);
        leaves(around.workload, node).any(|leave| (since..at).contains(&leave))
    };
    crashes(around.faults, node).filter(|at| !left(*at)).max()
}

fn restarts(faults: &[Placed<Fault>], node: NodeIndex) -> impl Iterator<Item = Nanos> {
    let restarts = faults.iter().filter(
        move |fault| matches!(&fault.value.kind, FaultKind::Restart { nodes, .. } if nodes.contains(&node)),
    );
    restarts.map(|fault| fault.value.at)
}

fn leaves(workload: &[Placed<Work>], node: NodeIndex) -> impl Iterator<Item = Nanos> {
    let leaves = workload.iter().filter(
        move |work| matches!(&work.value.kind, WorkKind::Leave { nodes, .. } if nodes.contains(&node)),
    );
    leaves.map(|work| work.value.at)
}

fn state_at(
    field: &Field<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<ExpectKind> {
    let example = "{ at = \"90s\", subject = \"host5\", state = \"left\" }";
    let mut table = field.table(&format!("a table such as {example}"), problems)?;
    let at = instant(table.required("at", "at = \"90s\"", problems), around, problems);
    let observer = match table.field("observer") {
        Some(field) => around.names.node(&field, problems).map(Some),
        None => Some(None),
    };
    let subject = table
        .required("subject", "subject = \"host5\"", problems)
        .and_then(|field| around.names.member(&field, problems));
    let state = table
        .required("state", "state = \"left\"", problems)
        .and_then(|field| field.word(&STATES, problems));
    table.finish(&[], problems);
    Some(ExpectKind::StateAt { at: at?, observer: observer?, subject: subject?, state: state? })
}

fn joined_then_failed(
    field: &Field<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<ExpectKind> {
    let example = "{ observer = \"host1\", subject = \"host2\", by = \"60s\" }";
    let mut table = field.table(&format!("a table such as {example}"), problems)?;
    let mut node = |key, example| {
        let field = table.required(key, example, problems)?;
        around.names.member(&field, problems)
    };
    let observer = node("observer", "observer = \"host1\"");
    let subject = node("subject", "subject = \"host2\"");
    let by = instant(table.required("by", "by = \"60s\"", problems), around, problems);
    table.finish(&[], problems);
    if let Some(node) = observer.filter(|node| subject == Some(*node)) {
        let name = around.names.name(node);
        field.refuse(
            format!("{name} is observer and subject: nobody sees itself fail, name two nodes"),
            problems,
        );
    }
    Some(ExpectKind::JoinedThenFailed { observer: observer?, subject: subject?, by: by? })
}
