//! Plainer settings: whatever can be left out is left out.

use toml::{Table, Value};

use super::Search;
use crate::swarm::document::Document;

/// Keys that stay: without them it is another question, or none.
const KEPT: [&str; 8] = ["title", "duration", "nodes", "mutant", "at", "for", "until", "unchecked"];
/// Blocks whose optional keys are tried.
const BLOCKS: [&str; 4] = ["link", "node", "fault", "work"];

/// Removes keys of the file, of `network` and `config`, of the actions and of what is inside them, one by one.
pub(super) fn remove(search: &mut Search<'_>) {
    loop {
        let paths = paths(&search.best.document);
        // All settings at once first: mostly none of them matters.
        let best = &search.best.document;
        let whole = paths.iter().filter(|path| path.len() < 3);
        let bare = whole.fold(best.clone(), |document, path| without(&document, path));
        let each = paths.iter().map(|path| without(best, path));
        let candidates: Vec<Document> =
            std::iter::once(bare).chain(each).filter(|it| it != best).collect();
        if candidates.is_empty() || search.take_first(candidates).is_none() {
            return;
        }
    }
}

/// A place in a document: `["network"]`, `["config", "label"]`, `["fault", "2", "one_way"]`,
/// `["fault", "2", "degrade", "loss"]`.
type Path = Vec<String>;

fn paths(document: &Document) -> Vec<Path> {
    let mut paths = Vec::new();
    for (key, value) in &document.0 {
        if KEPT.contains(&key.as_str())
            || value.as_array().is_some_and(|it| it.iter().all(Value::is_table))
        {
            continue;
        }
        let inner = value.as_table().into_iter().flat_map(Table::keys);
        let inner: Vec<&String> = inner.filter(|inner| !KEPT.contains(&inner.as_str())).collect();
        let whole = value.as_table().is_none_or(|table| !table.contains_key("mutant"));
        if whole {
            paths.push(vec![key.clone()]);
        }
        if !whole || inner.len() > 1 {
            paths.extend(inner.into_iter().map(|inner| vec![key.clone(), inner.clone()]));
        }
    }
    for key in BLOCKS {
        for (index, block) in document.blocks(key).enumerate() {
            let index = index.to_string();
            let of = |inner: &String| vec![key.to_owned(), index.clone(), inner.clone()];
            paths.extend(block.keys().filter(|inner| !KEPT.contains(&inner.as_str())).map(of));
            let parts = block.iter().filter_map(|(inner, value)| Some((inner, value.as_table()?)));
            for (inner, part) in parts.filter(|(_, part)| part.len() > 1) {
                paths.extend(part.keys().map(|hazard| [of(inner), vec![hazard.clone()]].concat()));
            }
        }
    }
    paths
}

fn without(document: &Document, path: &[String]) -> Document {
    let mut smaller = document.clone();
    match path {
        [key] => {
            smaller.0.remove(key);
        }
        [key, inner] => {
            if let Some(table) = smaller.0.get_mut(key).and_then(Value::as_table_mut) {
                table.remove(inner);
            }
        }
        [key, index, inner] => {
            let blocks = smaller.0.get_mut(key).and_then(Value::as_array_mut);
            let index: Option<usize> = index.parse().ok();
            let block = blocks.zip(index).and_then(|(blocks, index)| blocks.get_mut(index));
            if let Some(table) = block.and_then(Value::as_table_mut) {
                table.remove(inner);
            }
        }
        [key, index, inner, hazard] => {
            let blocks = smaller.0.get_mut(key).and_then(Value::as_array_mut);
            let index: Option<usize> = index.parse().ok();
            let block = blocks.zip(index).and_then(|(blocks, index)| blocks.get_mut(index));
            let part = block.and_then(|block| block.get_mut(inner)).and_then(Value::as_table_mut);
            if let Some(part) = part {
                part.remove(hazard);
            }
        }
        _ => {}
    }
    smaller
}
