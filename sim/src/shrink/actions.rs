//! Fewer actions: ddmin over everything that happens in the scenario.

use toml::Table;

use super::Search;
use crate::swarm::document::Document;

/// Blocks that are actions, with what makes a block one; the others describe what is there.
const ACTIONS: [(&str, &[&str]); 4] =
    [("fault", &[]), ("work", &[]), ("node", &["claims", "takes"]), ("expect", &[])];

/// An action: under which key, and its position there.
type Action = (&'static str, usize);

/// Removes actions until every single one is needed.
pub(super) fn remove(search: &mut Search<'_>) {
    let mut chunk = all(&search.best.document).len().div_ceil(2).max(1);
    // Nothing at all is the best guess of many.
    search.take(without(&search.best.document, &all(&search.best.document)));
    loop {
        let actions = all(&search.best.document);
        if actions.is_empty() {
            return;
        }
        chunk = chunk.min(actions.len());
        let candidates =
            actions.chunks(chunk).map(|part| without(&search.best.document, part)).collect();
        if search.take_first(candidates).is_some() {
            continue;
        }
        if chunk == 1 {
            pairs(search);
            return;
        }
        chunk = chunk.div_ceil(2);
    }
}

/// Two actions that need each other, such as a crash and its restart, go together.
fn pairs(search: &mut Search<'_>) {
    const ACTIONS_MAX: usize = 12;
    loop {
        let actions = all(&search.best.document);
        if actions.len() > ACTIONS_MAX {
            return;
        }
        let mut candidates = Vec::new();
        for (index, first) in actions.iter().enumerate() {
            for second in &actions[index + 1..] {
                candidates.push(without(&search.best.document, &[*first, *second]));
            }
        }
        if search.take_first(candidates).is_none() {
            return;
        }
    }
}

fn all(document: &Document) -> Vec<Action> {
    let of = |(key, marks): (&'static str, &'static [&'static str])| {
        let is_action = move |block: &Table| {
            marks.is_empty() || marks.iter().any(|mark| block.contains_key(*mark))
        };
        let found = document.blocks(key).enumerate().filter(move |(_, block)| is_action(block));
        found.map(move |(index, _)| (key, index)).collect::<Vec<_>>()
    };
    ACTIONS.into_iter().flat_map(of).collect()
}

fn without(document: &Document, actions: &[Action]) -> Document {
    let mut smaller = document.clone();
    for (key, _) in ACTIONS {
        let kept = document.blocks(key).enumerate();
        let kept = kept.filter(|(index, _)| !actions.contains(&(key, *index)));
        smaller.set_blocks(key, kept.map(|(_, block)| block.clone()).collect());
    }
    smaller
}
