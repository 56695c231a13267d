//! Less time: the run ends soon after the break, faults are shorter, and nothing is waited for.

use toml::{Table, Value};

use super::Search;
use crate::scenario::Nanos;
use crate::scenario::parse_duration;
use crate::swarm::document::{Document, span};

const SECOND: Nanos = 1_000_000_000;

/// Ends the run soon after the break, and drops what would happen later.
pub(super) fn cut_tail(search: &mut Search<'_>) {
    let at = search.broken_at().div_ceil(SECOND) * SECOND;
    let ends = [at, at + SECOND, at + 5 * SECOND];
    let candidates = ends.iter().filter_map(|end| ending(&search.best.document, *end)).collect();
    search.take_first(candidates);
}

/// Shorter faults, an earlier beginning, a shorter calm.
pub(super) fn shorten(search: &mut Search<'_>) {
    while earlier(search) {}
    shorter_faults(search);
    shorter_run(search);
}

/// The scenario with another end; `None`: that is no earlier.
fn ending(document: &Document, end: Nanos) -> Option<Document> {
    let duration = time(&document.0, "duration")?;
    if end == 0 || end >= duration {
        return None;
    }
    let mut shorter = document.clone();
    shorter.0.insert("duration".into(), span(end));
    for key in ["fault", "work", "node"] {
        let before = document.blocks(key).filter(|block| time(block, "at").unwrap_or(0) <= end);
        let cut = |block: &Table| {
            let mut block = block.clone();
            let stays = block_end(&block).is_some_and(|until| until > end);
            if stays {
                // A fault that never ends has no end to write.
                block.remove("for");
                block.remove("until");
            }
            block
        };
        shorter.set_blocks(key, before.map(cut).collect());
    }
    Some(shorter)
}

/// Ends the run earlier by halves of what follows the last action.
pub(super) fn shorter_run(search: &mut Search<'_>) {
    loop {
        let document = &search.best.document;
        let Some(duration) = time(&document.0, "duration") else { return };
        let last = last_action(document);
        let rest = duration.saturating_sub(last);
        let ends = [last + rest / 4, last + rest / 2, last + rest * 3 / 4];
        let ends = ends.map(|end| end.div_ceil(SECOND) * SECOND);
        let candidates: Vec<Document> =
            ends.iter().filter_map(|end| ending(document, *end)).collect();
        if candidates.is_empty() || search.take_first(candidates).is_none() {
            return;
        }
    }
}

fn last_action(document: &Document) -> Nanos {
    let blocks = ["fault", "work", "node"].into_iter().flat_map(|key| document.blocks(key));
    let ends = blocks.map(|block| block_end(block).or_else(|| time(block, "at")).unwrap_or(0));
    ends.max().unwrap_or(0)
}

/// Moves everything after a stretch of waiting to an earlier time; false: that got no further.
fn earlier(search: &mut Search<'_>) -> bool {
    let document = &search.best.document;
    let blocks = ["fault", "work", "node"].into_iter().flat_map(|key| document.blocks(key));
    let mut times: Vec<Nanos> =
        blocks.flat_map(|block| [time(block, "at"), block_end(block)]).flatten().collect();
    times.push(0);
    times.sort_unstable();
    times.dedup();
    let mut candidates = Vec::new();
    for pair in times.windows(2) {
        let gap = pair[1] - pair[0];
        for step in [gap.saturating_sub(SECOND), gap / 2] {
            let step = step / (SECOND / 10) * (SECOND / 10);
            if step >= SECOND / 2 {
                candidates.push(moved(document, pair[1], step));
            }
        }
    }
    search.take_first(candidates).is_some()
}

/// Everything from `from` on happens earlier by `step`, the end included.
fn moved(document: &Document, from: Nanos, step: Nanos) -> Document {
    shifted(document, from, |at| at - step)
}

/// Everything from `from` on happens later by `step`, the end included.
pub(super) fn later(document: &Document, from: Nanos, step: Nanos) -> Document {
    shifted(document, from, |at| at.saturating_add(step))
}

fn shifted(document: &Document, from: Nanos, to: impl Fn(Nanos) -> Nanos) -> Document {
    let mut other = document.clone();
    let shift = |table: &mut Table, key: &str| {
        if let Some(at) = time(table, key).filter(|at| *at >= from) {
            table.insert(key.into(), span(to(at)));
        }
    };
    shift(&mut other.0, "duration");
    for key in ["fault", "work", "node"] {
        let blocks = document.blocks(key).cloned().map(|mut block| {
            let until = block_end(&block).filter(|_| block.contains_key("for"));
            if let Some(until) = until {
                block.remove("for");
                block.insert("until".into(), span(until));
            }
            shift(&mut block, "at");
            shift(&mut block, "until");
            block
        });
        other.set_blocks(key, blocks.collect());
    }
    other
}

/// Halves what lasts, one fault after the other.
fn shorter_faults(search: &mut Search<'_>) {
    loop {
        let document = &search.best.document;
        let faults: Vec<Table> = document.blocks("fault").cloned().collect();
        let mut candidates = Vec::new();
        for (index, fault) in faults.iter().enumerate() {
            let (Some(at), Some(until)) = (time(fault, "at"), block_end(fault)) else { continue };
            let half = until.saturating_sub(at) / 2 / (SECOND / 10) * (SECOND / 10);
            if half < SECOND / 10 {
                continue;
            }
            let mut faults = faults.clone();
            faults[index].remove("for");
            faults[index].insert("until".into(), span(at + half));
            let mut shorter = document.clone();
            shorter.set_blocks("fault", faults);
            candidates.push(shorter);
        }
        if candidates.is_empty() || search.take_first(candidates).is_none() {
            return;
        }
    }
}

/// When what a block describes ends by itself.
pub(super) fn block_end(block: &Table) -> Option<Nanos> {
    let length = time(block, "for").zip(time(block, "at")).map(|(length, at)| at + length);
    length.or_else(|| time(block, "until"))
}

pub(super) fn time(table: &Table, key: &str) -> Option<Nanos> {
    parse_duration(table.get(key).and_then(Value::as_str)?).ok()
}
