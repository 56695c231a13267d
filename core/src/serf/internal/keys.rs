//! The key manager: one key operation on every member, and the report about it.
//!
//! Source: Serf, key manager. A change runs alone; listings run beside each other.

use std::collections::{BTreeMap, VecDeque};

use crate::command::{KeyOp, KeyReport, OpError, QueryParams, Reply};
use crate::ids::OpId;
use crate::msg::serf::{KeyResponse, SerfMessageType};
use crate::serf::Serf;
use crate::serf::query::Purpose;
use crate::stats::{DropReason, Stats};
use crate::swim::{Action, Swim, SwimCx};
use crate::wire::serf::{decode_key_response, encode_key_request};

/// Most key operations that wait for others to end.
const WAITING_MAX: usize = 64;
/// Most different keys in a report.
const KEYS_MAX: usize = 1_024;
/// Longest text that is taken for a key, in bytes: base64 of 32 bytes has 44.
const KEY_TEXT_MAX: usize = 44;

/// Longest message of a member that is kept whole, in bytes. Answers of the default size hold less.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// Key operations that wait or run.
#[derive(Debug, Default)]
pub(super) struct KeyOps {
    /// In the order they were asked for.
    waiting: VecDeque<Waiting>,
    changing: bool,
    listings: u32,
}

#[derive(Debug)]
struct Waiting {
    op: OpId,
    key_op: KeyOp,
    relay_factor: u8,
}

/// A key operation under way.
#[derive(Debug)]
pub(in crate::serf) struct KeyTask {
    op: OpId,
    listing: bool,
    report: KeyReport,
}

impl KeyTask {
    /// The command that waits for the report.
    pub(in crate::serf) fn op(&self) -> OpId {
        self.op
    }

    /// Counts the first answer of a member; true if all have answered.
    pub(in crate::serf) fn count(&mut self, from: &str, payload: &[u8], stats: &mut Stats) -> bool {
        let report = &mut self.report;
        report.responses = report.responses.saturating_add(1);
        let (failed, message) = match read(payload) {
            Err(problem) => (true, problem),
            Ok(response) => {
                let keys = response.keys.unwrap_or_default();
                for key in keys {
                    tally(&mut report.keys, key, stats);
                }
                // Answers that list nothing count under the empty text, as in Go.
                tally(&mut report.primary_keys, response.primary_key, stats);
                (!response.result, clip(response.message).into())
            }
        };
        if failed {
            report.errors = report.errors.saturating_add(1);
        }
        if failed || !message.is_empty() {
            report.messages.insert(from.into(), message);
        }
        report.responses == report.nodes
    }
}

impl Serf {
    /// Command: change or list the keys of every member.
    pub(crate) fn keys(
        &mut self,
        op: OpId,
        key_op: &KeyOp,
        relay_factor: u8,
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) {
        let waiting = &mut self.internal.key_ops.waiting;
        if waiting.len() >= WAITING_MAX {
            let result = Err(OpError::QueriesFull { limit: WAITING_MAX });
            cx.actions.push(Action::Done { op, result });
            return;
        }
        waiting.push_back(Waiting { op, key_op: key_op.clone(), relay_factor });
        self.start_key_ops(swim, cx);
    }

    /// Starts what need not wait any longer, in order.
    fn start_key_ops(&mut self, swim: &Swim, cx: &mut SwimCx<'_>) {
        while let Some(next) = self.internal.key_ops.next() {
            let Waiting { op, key_op, relay_factor } = next;
            let listing = key_op == KeyOp::List;
            let params = key_query(&key_op, relay_factor);
            let nodes = u32::try_from(swim.alive_len()).unwrap_or(u32::MAX);
            let report = KeyReport { nodes, ..KeyReport::default() };
            let purpose = Purpose::Keys(Box::new(KeyTask { op, listing, report }));
            if let Err(error) = self.ask(&params, purpose, swim, cx) {
                cx.actions.push(Action::Done { op, result: Err(error) });
            } else if listing {
                self.internal.key_ops.listings += 1;
            } else {
                self.internal.key_ops.changing = true;
            }
        }
    }

    /// Every member has answered, or the time is over.
    pub(in crate::serf) fn on_keys_end(&mut self, task: KeyTask, swim: &Swim, cx: &mut SwimCx<'_>) {
        let KeyTask { op, listing, report } = task;
        let failed = report.errors > 0 || report.responses != report.nodes;
        let report = Box::new(report);
        let result =
            if failed { Err(OpError::KeysFailed(report)) } else { Ok(Reply::Keys(report)) };
        cx.actions.push(Action::Done { op, result });
        if listing {
            self.internal.key_ops.listings -= 1;
        } else {
            self.internal.key_ops.changing = false;
        }
        self.start_key_ops(swim, cx);
    }
}

impl KeyOps {
    /// The node stops: the commands that were not started.
    pub(super) fn abort(&mut self) -> impl Iterator<Item = OpId> {
        core::mem::take(&mut self.waiting).into_iter().map(|waiting| waiting.op)
    }

    /// Takes the first that waits, unless what runs must end before.
    fn next(&mut self) -> Option<Waiting> {
        let first = self.waiting.front()?;
        let alone = first.key_op != KeyOp::List;
        if self.changing || (alone && self.listings > 0) { None } else { self.waiting.pop_front() }
    }
}

fn key_query(key_op: &KeyOp, relay_factor: u8) -> QueryParams {
    let (name, key) = match key_op {
        KeyOp::Install(key) => ("_serf_install-key", &**key),
        KeyOp::Use(key) => ("_serf_use-key", &**key),
        KeyOp::Remove(key) => ("_serf_remove-key", &**key),
        KeyOp::List => ("_serf_list-keys", <&[u8]>::default()),
    };
    let mut payload = Vec::new();
    encode_key_request(key, &mut payload);
    QueryParams {
        name: name.into(),
        payload: payload.into(),
        relay_factor,
        ..QueryParams::default()
    }
}

/// A member's answer, or what is wrong with it.
fn read(payload: &[u8]) -> Result<KeyResponse<'_>, Box<str>> {
    let body = match payload.split_first() {
        Some((&number, body)) if number == SerfMessageType::KeyResponse as u8 => body,
        Some((number, _)) => {
            return Err(format!("Invalid key query response type: {number}").into());
        }
        None => return Err("Invalid key query response type: none".into()),
    };
    decode_key_response(body)
        .map_err(|error| format!("Failed to decode key query response: {error}").into())
}

/// The start of a text that is not too long for a report.
fn clip(text: &str) -> &str {
    let mut end = text.len().min(MESSAGE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Counts a key. Texts that are no keys, and keys beyond what a report holds, are dropped.
fn tally(counts: &mut BTreeMap<Box<str>, u32>, key: &str, stats: &mut Stats) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_add(1);
    } else if key.len() > KEY_TEXT_MAX || counts.len() >= KEYS_MAX {
        stats.drop(DropReason::Invalid);
    } else {
        counts.insert(key.into(), 1);
    }
}

#[cfg(test)]
mod tests;
