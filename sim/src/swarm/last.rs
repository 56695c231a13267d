//! Who goes when all else is over, in some random scenarios.

use super::document::span;
use super::draft::{Draft, nodes};
use super::draw::{Draws, SECOND};
use super::faults::may_stay_away;
use super::shape::Shape;
use crate::scenario::Nanos;

const STREAM: u64 = 3_001;

/// Somebody goes for good when all else is over: nothing hides from the others that it does, or that it said so.
pub(super) fn draw(draws: &Draws, shape: &Shape, draft: &mut Draft) {
    let mut dice = draws.of(STREAM);
    let (there, leaves) = (dice.percent(25), dice.percent(60));
    let at = draft.calm + dice.time(25 * SECOND, 30 * SECOND);
    let stays_up = dice.time(0, 3 * SECOND);
    let free = draft.free(at, Nanos::MAX);
    let chosen = dice.some(free.len(), 1).into_iter().map(|index| free[index]).collect::<Vec<_>>();
    if !there || chosen.is_empty() || !may_stay_away(shape, draft, &chosen) {
        return;
    }
    draft.take(&chosen, at, Nanos::MAX);
    let who = nodes(&chosen, draft.len());
    if leaves {
        draft.labels.insert("work leave at last");
        draft.work(at, [("leave", who), ("exit_after", span(stays_up))]);
    } else {
        draft.labels.insert("fault crash at last");
        draft.fault(at, [("crash", who)]);
    }
    // A leave takes a few seconds itself.
    draft.calm = at + 15 * SECOND;
}
