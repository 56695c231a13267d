//! What operators do to a running cluster: tags, keys, and members that are forced out.

use super::{Around, from, relay_factor, switch};
use crate::scenario::field::{Field, Table};
use crate::scenario::problem::Problems;
use crate::scenario::{KeyVerb, WorkKind, settings, tags};

const VERBS: [(&str, KeyVerb); 4] = [
    ("install", KeyVerb::Install),
    ("use", KeyVerb::Use),
    ("remove", KeyVerb::Remove),
    ("list", KeyVerb::List),
];

/// `set_tags = { role = "db" }` with `nodes`.
pub(super) fn set_tags(
    field: &Field<'_>,
    table: &mut Table<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<WorkKind> {
    let tags = tags::read(field, problems);
    let nodes = table
        .required("nodes", "nodes = [\"host1\"], whose tags they become", problems)
        .and_then(|field| around.names.select_members(&field, problems));
    tags.zip(nodes).map(|(tags, nodes)| WorkKind::SetTags { nodes, tags })
}

/// `keys = "install"` with `key`, and the other verbs.
pub(super) fn keys(
    field: &Field<'_>,
    table: &mut Table<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<WorkKind> {
    let verb = field.word(&VERBS, problems);
    let key = key(verb, table, problems);
    let from = from(table, around, problems);
    let relay_factor = relay_factor(table, problems);
    if !around.config.keyring.is_enabled() {
        field.refuse(
            "needs encryption, and the cluster has none: add config.encrypt with a first key",
            problems,
        );
    }
    Some(WorkKind::Keys { from: from?, verb: verb?, key: key?, relay_factor: relay_factor? })
}

/// The key of a verb; empty for a listing.
fn key(
    verb: Option<KeyVerb>,
    table: &mut Table<'_>,
    problems: &mut Problems<'_>,
) -> Option<Vec<u8>> {
    if verb == Some(KeyVerb::List) {
        if let Some(field) = table.field("key") {
            field.refuse("is not for \"list\", which reports all keys: leave it out", problems);
        }
        return Some(Vec::new());
    }
    let field = match verb {
        Some(_) => table.required("key", "key = \"…\" in base64 or hexadecimal", problems),
        None => table.field("key"),
    };
    field.and_then(|field| settings::key(&field, problems)).map(|key| key.as_bytes().to_vec())
}

/// `force_leave = "host3"`.
pub(super) fn force_leave(
    field: &Field<'_>,
    table: &mut Table<'_>,
    around: &Around<'_>,
    problems: &mut Problems<'_>,
) -> Option<WorkKind> {
    let node = around.names.member(field, problems);
    let from = from(table, around, problems);
    let prune = switch(table, "prune", problems);
    Some(WorkKind::ForceLeave { from: from?, node: node?, prune: prune? })
}
