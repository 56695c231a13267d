//! Faults of processes and of identities: what each takes besides its nodes.

use super::super::document::Value;
use super::super::field::{Field, Table};
use super::super::nodes::socket_addr;
use super::super::problem::Problems;
use super::super::select::Names;
use super::super::settings::keyring;
use super::super::units::{format_duration, parse_share};
use crate::scenario::{Cycle, Fault, FaultKind, Nanos, OnDisk};

/// The largest drift, in millionths: a clock that runs twice as fast, or half as fast.
const DRIFT_MAX: (u32, u32) = (500_000, 1_000_000);
const SNAPSHOTS: [(&str, OnDisk); 4] = [
    ("kept", OnDisk::Kept),
    ("none", OnDisk::None),
    ("torn", OnDisk::Torn),
    ("stale", OnDisk::Stale),
];

/// `pause` and `block`: nodes, and a `cycle` beside them.
pub(super) fn anomaly(
    key: &str,
    field: &Field<'_>,
    table: &mut Table<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<FaultKind> {
    let cycle = table.field("cycle").map(|field| cycle(&field, problems));
    let nodes = names.select(field, problems)?;
    let cycle = match cycle {
        Some(read) => Some(read?),
        None => None,
    };
    if key == "pause" {
        return Some(FaultKind::Pause { nodes, cycle });
    }
    let stuck = match table.field("stuck") {
        Some(field) => field.boolean(problems)?,
        None => false,
    };
    Some(FaultKind::Block { nodes, cycle, stuck })
}

/// `{ on = "512ms", off = "64ms" }`.
fn cycle(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<Cycle> {
    let mut table = field.table("a table such as { on = \"512ms\", off = \"64ms\" }", problems)?;
    let on = table.required("on", "on = \"512ms\", how long each anomaly lasts", problems);
    let off = table.required("off", "off = \"64ms\", the time between two", problems);
    table.finish(&[], problems);
    let on = on.and_then(|field| field.positive(problems));
    let off = off.and_then(|field| field.positive(problems));
    Some(Cycle { on: on?, off: off? })
}

/// `slow = { nodes = ["host3"], per_input = "20ms" }`.
pub(super) fn slow(
    field: &Field<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<FaultKind> {
    let wanted = "a table such as { nodes = [\"host3\"], per_input = \"20ms\" }";
    let mut table = field.table(wanted, problems)?;
    let nodes = table.required("nodes", "nodes = [\"host3\"]", problems);
    let cost = table.required("per_input", "per_input = \"20ms\", what each input costs", problems);
    table.finish(&[], problems);
    let nodes = nodes.and_then(|field| names.select(&field, problems));
    let per_input = cost.and_then(|field| field.positive(problems));
    Some(FaultKind::Slow { nodes: nodes?, per_input: per_input? })
}

/// `clock = { nodes = ["host3"], drift = -0.01, jump = "30s" }`.
pub(super) fn clock(
    field: &Field<'_>,
    lasts: bool,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<FaultKind> {
    let wanted = "a table such as { nodes = [\"host3\"], drift = 0.01, jump = \"30s\" }";
    let mut table = field.table(wanted, problems)?;
    let nodes = table.required("nodes", "nodes = [\"host3\"]", problems);
    let (drift, jump) = (table.field("drift"), table.field("jump"));
    table.finish(&[], problems);
    let nodes = nodes.and_then(|field| names.select(&field, problems));
    if drift.is_none() && jump.is_none() {
        field.refuse("changes nothing: give it `drift`, `jump` or both", problems);
        return None;
    }
    if drift.is_none() && lasts {
        field.refuse(
            "only jumps, which happens at one instant: leave `for` and `until` out, or add `drift`",
            problems,
        );
    }
    let drift_ppm = drift.map_or(Some(0), |field| signed_share(&field, problems));
    let jump = jump.map_or(Some(0), |field| field.positive(problems));
    Some(FaultKind::Clock { nodes: nodes?, drift_ppm: drift_ppm?, jump: jump? })
}

/// A share with a sign, in millionths.
fn signed_share(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<i32> {
    let (value, negative) = match field.item.value {
        Value::Float(value) => (value.abs(), value < 0.0),
        Value::Integer(_)
        | Value::String(_)
        | Value::Bool(_)
        | Value::Other(_)
        | Value::Array(_)
        | Value::Table(_) => {
            field.refuse(
                "is no share: write 0.01 for a clock that runs 1 % fast, -0.01 for one that runs 1 % slow",
                problems,
            );
            return None;
        }
    };
    let most = if negative { DRIFT_MAX.0 } else { DRIFT_MAX.1 };
    let share = parse_share(value).ok().filter(|share| (1..=most).contains(share));
    let Some(share) = share else {
        field.refuse(
            "is out of range: a clock drifts by -0.5 (half as fast) to 1.0 (twice as fast), and not by 0",
            problems,
        );
        return None;
    };
    let share = i32::try_from(share).ok()?;
    Some(if negative { -share } else { share })
}

/// What the next process finds: `snapshot = "torn"`, or the older `keep_state = true`.
fn on_disk(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<OnDisk> {
    let (snapshot, keep_state) = (table.field("snapshot"), table.field("keep_state"));
    match (snapshot, keep_state) {
        (Some(_), Some(keep_state)) => {
            keep_state
                .refuse("stands beside `snapshot`, which says it already: leave it out", problems);
            None
        }
        (Some(snapshot), None) => snapshot.word(&SNAPSHOTS, problems),
        (None, Some(keep_state)) => {
            let keeps = keep_state.boolean(problems)?;
            Some(if keeps { OnDisk::Kept } else { OnDisk::None })
        }
        (None, None) => Some(OnDisk::None),
    }
}

/// When a fault that happens at one instant does, and when the run ends.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) at: Option<Nanos>,
    pub(super) duration: Option<Nanos>,
}

/// All nodes in one instant, or with `every` one after the other, whether they run or not.
pub(super) fn restarts(
    field: &Field<'_>,
    table: &mut Table<'_>,
    times: Times,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<Vec<Fault>> {
    let Times { at, duration } = times;
    let snapshot = on_disk(table, problems);
    let every = table.field("every");
    let nodes = names.select(field, problems);
    let Some(every) = every else {
        let kind = FaultKind::Restart { nodes: nodes?, snapshot: snapshot?, running: false };
        return Some(vec![Fault { at: at?, until: None, kind }]);
    };
    let step = every.positive(problems)?;
    let (at, nodes, snapshot) = (at?, nodes?, snapshot?);
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
        let kind = FaultKind::Restart { nodes: vec![node], snapshot, running: true };
        Fault { at, until: None, kind }
    };
    Some(nodes.into_iter().zip(times).map(one).collect())
}

/// `move = { node = "host3", to = "10.9.0.3:7946" }`.
pub(super) fn moves(
    field: &Field<'_>,
    table: &mut Table<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<FaultKind> {
    let snapshot = on_disk(table, problems);
    let wanted = "a table such as { node = \"host3\", to = \"10.9.0.3:7946\" }";
    let mut table = field.table(wanted, problems)?;
    let node = table.required("node", "node = \"host3\"", problems);
    let to = table.required("to", "to = \"10.9.0.3:7946\", its new address", problems);
    table.finish(&[], problems);
    let node = node.and_then(|field| names.member(&field, problems));
    let to = to.and_then(|field| socket_addr(&field, PORT_DEFAULT, problems));
    Some(FaultKind::Move { node: node?, to: to?, snapshot: snapshot? })
}

/// Port of a new address unless the file says otherwise: Serf's.
const PORT_DEFAULT: u16 = 7_946;

/// `rekey = { nodes = ["host3"], keys = ["…"] }`.
pub(super) fn rekey(
    field: &Field<'_>,
    table: &mut Table<'_>,
    names: &Names,
    problems: &mut Problems<'_>,
) -> Option<FaultKind> {
    let snapshot = on_disk(table, problems);
    let wanted = "a table such as { nodes = [\"host3\"], keys = [\"AAECAwQFBgcICQoLDA0ODw==\"] }";
    let mut table = field.table(wanted, problems)?;
    let nodes = table.required("nodes", "nodes = [\"host3\"]", problems);
    let keys = table.required("keys", "keys = [], which switches encryption off", problems);
    table.finish(&[("key", "write keys = [\"…\"], the first of which seals")], problems);
    let nodes = nodes.and_then(|field| names.select(&field, problems));
    let keyring = keys.and_then(|field| keyring(&field, problems));
    Some(FaultKind::Rekey { nodes: nodes?, keyring: keyring?, snapshot: snapshot? })
}
