//! `[[work]]`: what users and operators do.

mod admin;
mod query;
mod repeat;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use uwasa_core::config::Config;
use uwasa_core::msg::serf::UserEventMessage;
use uwasa_core::wire::serf::user_event_len;

use super::fault::{Placed, read_at};
use super::field::{Field, Table};
use super::problem::Problems;
use super::select::Names;
use super::units::format_duration;
use crate::scenario::{Nanos, NodeIndex, NodeSpec, Work, WorkKind};

const KINDS: [&str; 7] = ["event", "query", "leave", "join", "set_tags", "keys", "force_leave"];
/// How long a process stays up after its leave is done, unless the file says otherwise.
const EXIT_AFTER: Nanos = 1_000_000_000;
/// Largest Lamport time assumed for the size of an event; a larger number takes more bytes.
const LTIME_MAX: u64 = 65_535;

/// What all pieces of work are checked against.
pub(super) struct Around<'a> {
    pub(super) duration: Option<Nanos>,
    pub(super) names: &'a Names,
    pub(super) specs: &'a [NodeSpec],
    pub(super) config: &'a Config,
}

/// Reads all `[[work]]` blocks, in order of time.
pub(super) fn read(
    root: &mut Table<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Placed<Work>> {
    let Some(field) = root.field("work") else { return Vec::new() };
    let mut workload = Vec::new();
    for field in field.list("[[work]] blocks", problems).unwrap_or_default() {
        let table = field.table("a [[work]] block", problems);
        let read = table.and_then(|table| read_one(table, around, problems));
        for value in read.into_iter().flatten() {
            workload.push(Placed { place: field.place(), path: field.path.clone(), value });
        }
    }
    workload.sort_by_key(|work| work.value.at);
    refuse_twins(&workload, problems);
    workload
}

/// Two events of one instant with one name and payload: the protocol takes the second for a copy of the first.
fn refuse_twins(workload: &[Placed<Work>], problems: &mut Problems<'_>) {
    let mut seen = BTreeMap::new();
    for work in workload {
        let WorkKind::Event { name, payload, .. } = &work.value.kind else { continue };
        match seen.entry((work.value.at, name, payload)) {
            Entry::Vacant(vacant) => {
                vacant.insert(&work.path);
            }
            Entry::Occupied(first) => problems.add(
                work.place,
                &format!("{}.event", work.path),
                format!(
                    "\"{name}\" at {} with this payload is in {} already, and is the same event for the protocol: \
                     give them different names or payloads",
                    format_duration(work.value.at),
                    first.get()
                ),
            ),
        }
    }
}

fn read_one(
    mut table: Table<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<Work>> {
    let at = read_at(&mut table, around.duration, problems);
    let every = table.field("every");
    let count = table.field("count");
    let times = count.as_ref().map_or(Some(1), |field| repeat::times(field, problems));
    let kind = match table.exactly_one(&KINDS, problems) {
        Some(("event", field)) => event(&field, &mut table, times?, around, problems),
        Some(("query", field)) => {
            query::read(&field, &mut table, times?, around, problems).map(WorkKind::Query)
        }
        Some(("leave", field)) => {
            let nodes = around.names.select(&field, problems);
            let exit_after = match table.field("exit_after") {
                Some(field) => field.duration(problems),
                None => Some(EXIT_AFTER),
            };
            nodes.zip(exit_after).map(|(nodes, exit_after)| WorkKind::Leave { nodes, exit_after })
        }
        Some(("set_tags", field)) => admin::set_tags(&field, &mut table, around, problems),
        Some(("keys", field)) => admin::keys(&field, &mut table, around, problems),
        Some(("force_leave", field)) => admin::force_leave(&field, &mut table, around, problems),
        Some((_, field)) => {
            let nodes = around.names.select(&field, problems);
            let seeds = table
                .required("to", "to = [\"host1\"], the nodes to join", problems)
                .and_then(|field| around.names.select(&field, problems));
            nodes.zip(seeds).map(|(nodes, seeds)| WorkKind::Join { nodes, seeds })
        }
        None => None,
    };
    table.finish(&HINTS, problems);
    let work = Work { at: at?, kind: kind? };
    repeat::expand(work, every.as_ref(), count.as_ref().zip(times), around.duration, problems)
}

const HINTS: [(&str, &str); 16] = [
    ("payload", "it is for `event` and `query`"),
    ("from", "it is for `event`, `query`, `keys` and `force_leave`; a join says `to`"),
    (
        "to",
        "it is for `join`; an event reaches everybody, and a query is narrowed by `nodes` and `tags`",
    ),
    ("exit_after", "it is for `leave`"),
    ("seeds", "a join says `to`, the nodes to join"),
    ("nodes", "it is for `query` and `set_tags`; `leave` and `join` name their nodes themselves"),
    ("tags", "it is for `query`; new tags are written set_tags = { role = \"db\" }"),
    ("ack", "it is for `query`"),
    ("answer", "it is for `query`"),
    ("timeout", "it is for `query`"),
    ("relay_factor", "it is for `query` and `keys`"),
    ("key", "it is for `keys`"),
    ("prune", "it is for `force_leave`"),
    ("for", "a repetition says how often: write `count` beside `every`"),
    ("name", "the verb itself says it, as in event = \"deploy\" or query = \"uptime\""),
    (
        "role",
        "it is a tag: write set_tags = { role = \"db\" }, or tags = { role = \"^db\" } beside `query`",
    ),
];

/// Who does it; without the key a node is drawn in the run. The outer `None`: it could not be read.
fn from(
    table: &mut Table<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<Option<NodeIndex>> {
    match table.field("from") {
        Some(field) => around.names.member(&field, problems).map(Some),
        None => Some(None),
    }
}

/// Members that pass on each answer.
fn relay_factor(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<u8> {
    match table.field("relay_factor") {
        Some(field) => field.integer(0, u8::MAX.into(), problems).and_then(|it| it.try_into().ok()),
        None => Some(0),
    }
}

/// A switch that is off unless it is written.
fn switch(table: &mut Table<'_>, key: &'static str, problems: &mut Problems<'_>) -> Option<bool> {
    table.field(key).map_or(Some(false), |field| field.boolean(problems))
}

fn event(
    field: &Field<'_>,
    table: &mut Table<'_>,
    times: u32,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<WorkKind> {
    let name = field.string("the name of the event", problems);
    let payload = match table.field("payload") {
        Some(field) => field.string("a string", problems),
        None => Some(""),
    };
    let from = from(table, around, problems)?;
    let (name, payload) = (name?, payload?.as_bytes());
    let limit = around.config.user_event_bytes_max;
    let longest = repeat::longest(payload, times);
    let raw = name.len() + longest.len();
    let encoded = encoded_len(name, &longest);
    if raw > limit {
        field.refuse(
            format!(
                "event \"{name}\" has {raw} bytes (name {} and payload {}), and the limit is {limit} \
                 (config.user_event_bytes_max, at most 9216): shorten it, or raise the limit",
                name.len(),
                longest.len()
            ),
            problems,
        );
    } else if encoded > limit {
        field.refuse(
            format!(
                "event \"{name}\" is {encoded} bytes on the wire ({raw} of name and payload), and the limit is \
                 {limit} (config.user_event_bytes_max, at most 9216): shorten it, or raise the limit"
            ),
            problems,
        );
    } else if name.is_empty() {
        field.refuse("is empty: an event needs a name", problems);
    }
    field.refuse_controls(name, problems);
    Some(WorkKind::Event { from, name: name.into(), payload: payload.to_vec() })
}

/// Size of the encoded message, at a Lamport time that no scenario's events exceed.
fn encoded_len(name: &str, payload: &[u8]) -> usize {
    user_event_len(&UserEventMessage {
        ltime: LTIME_MAX,
        name,
        payload: Some(payload),
        coalesce: false,
    })
}
