//! Fewer nodes: a node goes together with everything that names it.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Search;
use crate::scenario::{Scenario, parse};
use crate::swarm::document::{Document, texts};

/// Keys whose texts are no names of nodes, whatever they say.
const NOT_NODES: [&str; 11] = [
    "event",
    "query",
    "payload",
    "answer",
    "set_tags",
    "tags",
    "key",
    "keys",
    "title",
    "description",
    "config",
];

/// Removes nodes until every single one is needed.
pub(super) fn remove(search: &mut Search<'_>) {
    let Some(listed) = listed(&search.best.document) else { return };
    let mut current = listed;
    let mut chunk = names(&current).len().div_ceil(2).max(1);
    loop {
        let all = names(&current);
        if all.len() < 2 {
            return;
        }
        chunk = chunk.min(all.len() - 1);
        // Late ones first: the early ones are those that others join.
        let candidates: Vec<Document> =
            all.rchunks(chunk).map(|part| without(&current, part)).collect();
        if search.take_first(candidates).is_some() {
            current = search.best.document.clone();
        } else if chunk == 1 {
            return;
        } else {
            chunk = chunk.div_ceil(2);
        }
    }
}

/// The same scenario with its nodes as a list of names, and every group of nodes written out.
fn listed(document: &Document) -> Option<Document> {
    let scenario = parse(&document.render(), std::path::Path::new("capsule.toml"), &[]).ok()?;
    let mut listed = document.clone();
    let nodes = listed.0.get("nodes")?;
    if nodes.as_table().is_some_and(|table| table.keys().any(|key| key != "count" && key != "name"))
    {
        // Addresses and tags of all nodes have no place beside a list of names.
        return None;
    }
    let names = scenario.members().iter().map(|spec| spec.name.clone());
    listed.0.insert("nodes".into(), texts(names));
    for (key, value) in &mut listed.0 {
        if key != "nodes" && !NOT_NODES.contains(&key.as_str()) {
            expand(value, &scenario);
        }
    }
    Some(listed)
}

/// Writes out groups such as `host3..host7` and `*`.
fn expand(value: &mut Value, scenario: &Scenario) {
    match value {
        Value::Array(items) => {
            let of = |mut item: Value| match item.as_str().and_then(|text| group(text, scenario)) {
                Some(names) => names.into_iter().map(Value::String).collect(),
                None => {
                    expand(&mut item, scenario);
                    vec![item]
                }
            };
            *items = std::mem::take(items).into_iter().flat_map(of).collect();
        }
        Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                if !NOT_NODES.contains(&key.as_str()) {
                    expand(value, scenario);
                }
            }
        }
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => {}
    }
}

fn group(text: &str, scenario: &Scenario) -> Option<Vec<String>> {
    let names: Vec<&String> = scenario.members().iter().map(|spec| &spec.name).collect();
    let find = |name: &str| names.iter().position(|known| *known == name);
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (find(first)?, find(last)?),
        None if text == "*" => (0, names.len() - 1),
        None => return None,
    };
    names.get(first..=last).map(|some| some.iter().map(|name| (*name).clone()).collect())
}

fn names(document: &Document) -> Vec<String> {
    let all = document.0.get("nodes").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    all.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The scenario without these nodes. Blocks that are left with nobody go too.
fn without(document: &Document, gone: &[String]) -> Document {
    let gone: BTreeSet<&str> = gone.iter().map(String::as_str).collect();
    let mut smaller = document.clone();
    for key in ["node", "fault", "work", "expect"] {
        let kept = document.blocks(key).filter_map(|block| strip_table(block, &gone));
        smaller.set_blocks(key, kept.collect());
    }
    for key in ["nodes", "start"] {
        let stripped = document.0.get(key).and_then(|value| strip(value, &gone));
        match stripped {
            Some(value) => smaller.0.insert(key.into(), value),
            None => smaller.0.remove(key),
        };
    }
    smaller
}

/// The table without these nodes; `None`: it makes no sense without them.
fn strip_table(table: &Table, gone: &BTreeSet<&str>) -> Option<Table> {
    let mut kept = Table::new();
    for (key, value) in table {
        if NOT_NODES.contains(&key.as_str()) {
            kept.insert(key.clone(), value.clone());
        } else {
            kept.insert(key.clone(), strip(value, gone)?);
        }
    }
    Some(kept)
}

/// The value without these nodes; `None`: nothing is left.
fn strip(value: &Value, gone: &BTreeSet<&str>) -> Option<Value> {
    match value {
        Value::String(text) if gone.contains(text.as_str()) => None,
        Value::Array(items) => {
            let kept: Vec<Value> = items.iter().filter_map(|item| strip(item, gone)).collect();
            (!kept.is_empty() || items.is_empty()).then_some(Value::Array(kept))
        }
        Value::Table(table) => strip_table(table, gone).map(Value::Table),
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_) => Some(value.clone()),
    }
}
