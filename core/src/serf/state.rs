//! The Serf part of a full state exchange: clocks, statuses, user events.
//!
//! Source: Serf, push/pull. SWIM has merged its own list before, so joins and departures of the exchange are known.

use std::collections::BTreeSet;

use crate::msg::serf::{JoinIntent, LeaveIntent, UserEventMessage};
use crate::pool::{NodeId, Pool};
use crate::serf::Serf;
use crate::stats::DropReason;
use crate::swim::{Swim, SwimCx};
use crate::trace::EventPath;
use crate::wire::serf::{State, StateEncoder, StatusLTimes};

impl Serf {
    /// Appends the own state, Serf type byte included. Returns how many bytes at its end are the members' statuses.
    pub(crate) fn encode_state(&self, swim: &Swim, pool: &Pool, out: &mut Vec<u8>) -> usize {
        let slots = self.events.slots();
        let mut encoder = StateEncoder::start(out, self.events.time(), slots.len());
        for slot in slots {
            let Some(slot) = slot else {
                encoder.empty_slot();
                continue;
            };
            let events = slot.events.iter().map(|(name, payload)| {
                (&**name, Some(&**payload).filter(|payload| !payload.is_empty()))
            });
            encoder.slot(slot.ltime, slot.events.len(), events);
        }
        encoder.member_clock(self.member_clock.time());
        let left = self.departed.left();
        encoder.left_members(left.len(), left.map(|id| pool.name(id)));
        encoder.query_clock(self.queries.time());
        let ltimes = swim.records().map(|(id, record)| (pool.name(id), record.ltime));
        encoder.status_ltimes(swim.records_len(), ltimes)
    }

    /// Merges a remote state. `ignore_old`: the exchange is a join that does not want events from before. `same`: the
    /// statuses are those this node has itself.
    pub(crate) fn merge_state(
        &mut self,
        state: &State<'_>,
        ignore_old: bool,
        same: bool,
        swim: &mut Swim,
        cx: &mut SwimCx<'_>,
    ) {
        let clocks = state.clocks;
        let sane_events = self.events.witness_next(clocks.event);
        // Intents and events carry times of their own, which are looked at one by one.
        let sane = sane_events
            & self.member_clock.witness_next(clocks.member)
            & self.queries.witness_next(clocks.query);
        self.arm_snapshot_clock(cx);
        if !sane {
            cx.stats.drop(DropReason::LamportTime);
        }
        if !same || state.left_members().next().is_some() {
            self.merge_statuses(state, swim, cx);
        }
        if ignore_old && sane_events {
            self.events.ignore_before(clocks.event);
        }
        for event in state.events() {
            let Ok((ltime, name, payload)) = event else {
                cx.stats.drop(DropReason::Decode);
                continue;
            };
            // Whether it may be coalesced is not carried, and it is not gossiped again.
            let message = UserEventMessage { ltime, name, payload, coalesce: false };
            if let Some(event) = self.events.receive(&message, cx.stats) {
                self.deliver_user(event, EventPath::PushPull, cx);
            }
        }
    }

    /// Those that left first, then everybody else. What comes out of a merge is never passed on.
    fn merge_statuses(&mut self, state: &State<'_>, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        let mut left = BTreeSet::new();
        for name in state.left_members() {
            match name {
                Ok(name) => {
                    left.insert(name);
                }
                Err(_) => cx.stats.drop(DropReason::Decode),
            }
        }
        if !left.is_empty() {
            self.merge_left(state, &left, swim, cx);
        }
        // Peers list members mostly in the order of their ids, which here is mostly ours too.
        let mut guess = NodeId(0);
        let mut entries = state.status_ltimes();
        loop {
            // Almost all entries repeat what is known.
            if left.is_empty() && skip_known(&mut entries, guess, swim, cx.pool) {
                guess = NodeId(guess.0.saturating_add(1));
                continue;
            }
            let Some(entry) = entries.next() else { return };
            let Ok((node, ltime)) = entry else {
                cx.stats.drop(DropReason::Decode);
                continue;
            };
            let known = cx.pool.find_near(node, guess);
            guess = NodeId(known.unwrap_or(guess).0.saturating_add(1));
            let record = known.and_then(|id| swim.record(id));
            if record.is_some_and(|record| ltime <= record.ltime) || left.contains(node) {
                continue;
            }
            let intent = JoinIntent { ltime, node };
            self.join_intent(&intent, EventPath::PushPull, swim, cx);
        }
    }

    fn merge_left(
        &mut self,
        state: &State<'_>,
        left: &BTreeSet<&str>,
        swim: &mut Swim,
        cx: &mut SwimCx<'_>,
    ) {
        let mut ltimes: Vec<(&str, u64)> = left.iter().map(|name| (*name, 0)).collect();
        for (node, ltime) in state.status_ltimes().filter_map(Result::ok) {
            if let Ok(at) = ltimes.binary_search_by_key(&node, |(name, _)| name) {
                ltimes[at].1 = ltime;
            }
        }
        for (node, ltime) in ltimes {
            // The Lamport time of the leave itself is not carried; it is later than the last known status.
            let intent = LeaveIntent { ltime: ltime.saturating_add(1), node, prune: false };
            self.leave_intent(&intent, EventPath::PushPull, swim, cx);
        }
    }
}

/// Steps over an entry about the member with this id, if it says nothing new.
fn skip_known(entries: &mut StatusLTimes<'_>, guess: NodeId, swim: &Swim, pool: &Pool) -> bool {
    let Some(record) = swim.record(guess) else { return false };
    let before = entries.clone();
    match entries.next_about(pool.name(guess)) {
        Some(ltime) if ltime <= record.ltime => true,
        Some(_) => {
            *entries = before;
            false
        }
        None => false,
    }
}
