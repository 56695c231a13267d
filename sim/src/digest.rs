//! The trace hash: a running 64-bit xxh3 over every effect of every node, in order.
//!
//! Each effect is written as a few fixed-width little-endian fields, so that the hash is the same in every build and on
//! every machine. Changing anything here changes every pinned hash.

use std::net::{IpAddr, SocketAddr};

use uwasa_core::command::{OpError, Reply};
use uwasa_core::event::Event;
use uwasa_core::io::{Output, StreamAction, StreamId};
use uwasa_core::pool::NodeId;
use uwasa_core::trace::{Cause, EventPath, MemberState, ProbeOutcome, Trace};
use xxhash_rust::xxh3::Xxh3;

use crate::scenario::{Nanos, NodeIndex};

/// The largest fixed part of any effect.
const FIELDS_BYTES: usize = 128;
/// Stands for "no state" and "no node".
const ABSENT: u64 = u64::MAX;

/// A running hash of effects.
pub struct Digest(Xxh3);

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({:016x})", self.value())
    }
}

impl Digest {
    /// The hash of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(Xxh3::new())
    }

    /// The hash of everything so far.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.digest()
    }

    /// Adds one effect.
    pub fn add(&mut self, now: Nanos, node: NodeIndex, effect: &Output<'_>) {
        let mut fields = Fields::new();
        fields.word(now);
        fields.word(node.into());
        let tail = write_effect(&mut fields, effect);
        self.0.update(&fields.bytes[..fields.len]);
        if !tail.is_empty() {
            self.0.update(tail);
        }
    }
}

/// The fixed part of one effect.
struct Fields {
    bytes: [u8; FIELDS_BYTES],
    len: usize,
}

impl Fields {
    const fn new() -> Self {
        Self { bytes: [0; FIELDS_BYTES], len: 0 }
    }

    fn word(&mut self, word: u64) {
        self.bytes[self.len..self.len + 8].copy_from_slice(&word.to_le_bytes());
        self.len += 8;
    }

    fn words<const N: usize>(&mut self, words: [u64; N]) {
        for word in words {
            self.word(word);
        }
    }

    fn addr(&mut self, addr: SocketAddr) {
        match addr.ip() {
            IpAddr::V4(ip) => self.word((u64::from(u32::from(ip)) << 16) | u64::from(addr.port())),
            IpAddr::V6(ip) => {
                for part in ip.segments() {
                    self.word(part.into());
                }
                self.word(addr.port().into());
            }
        }
    }
}

/// Writes the fixed part and returns the bytes that follow it.
fn write_effect<'a>(fields: &mut Fields, effect: &'a Output<'_>) -> &'a [u8] {
    match effect {
        Output::Datagram { to, bytes } => {
            fields.words([0, bytes.len() as u64]);
            fields.addr(*to);
            bytes
        }
        Output::Stream { id, action } => write_stream(fields, *id, action),
        Output::Event(event) => write_event(fields, event),
        Output::Done { op, result } => {
            fields.words([30, op.0]);
            write_result(fields, result);
            &[]
        }
        Output::Trace(trace) => {
            write_trace(fields, trace);
            &[]
        }
    }
}

fn write_stream<'a>(fields: &mut Fields, id: StreamId, action: &'a StreamAction<'_>) -> &'a [u8] {
    match action {
        StreamAction::Dial { to } => {
            fields.words([10, id.0]);
            fields.addr(*to);
            &[]
        }
        StreamAction::Send(bytes) => {
            fields.words([11, id.0, bytes.len() as u64]);
            bytes
        }
        StreamAction::Finish => {
            fields.words([12, id.0]);
            &[]
        }
        StreamAction::Reset => {
            fields.words([13, id.0]);
            &[]
        }
    }
}

fn write_event<'a>(fields: &mut Fields, event: &'a Event) -> &'a [u8] {
    let (kind, node) = match event {
        Event::MemberJoin(node) => (20, node),
        Event::MemberLeave(node) => (21, node),
        Event::MemberFailed(node) => (22, node),
        Event::MemberUpdate(node) => (23, node),
        Event::User(event) => {
            let name = xxhash_rust::xxh3::xxh3_64(event.name.as_bytes());
            fields.words([25, event.ltime, name, event.coalesce.into()]);
            fields.word(event.payload.len() as u64);
            return &event.payload;
        }
    };
    fields.words([kind, node.0.into()]);
    &[]
}

fn write_result(fields: &mut Fields, result: &Result<Reply, OpError>) {
    match *result {
        Ok(Reply::Joined { contacted }) => fields.words([0, contacted.into()]),
        Ok(Reply::Left) => fields.word(1),
        Ok(Reply::MetaSet) => fields.word(2),
        Ok(Reply::EventSent { ltime }) => fields.words([3, ltime]),
        Err(OpError::JoinFailed { tried }) => fields.words([4, tried.into()]),
        Err(OpError::NoSeeds) => fields.word(5),
        Err(OpError::NotAlive) => fields.word(6),
        Err(OpError::LeaveInProgress) => fields.word(7),
        Err(OpError::EventTooLarge { size, limit }) => {
            fields.words([8, size as u64, limit as u64]);
        }
        Err(OpError::MetaTooLarge { size, limit }) => fields.words([9, size as u64, limit as u64]),
        Err(OpError::LamportTimeExhausted) => fields.word(10),
    }
}

fn write_trace(fields: &mut Fields, trace: &Trace) {
    match *trace {
        Trace::Edge { subject, from, to, incarnation, cause } => {
            fields.words([40, subject.0.into(), state(from), state(to), incarnation.into()]);
            write_cause(fields, cause);
        }
        Trace::ProbeStarted { target, seq_no } => {
            fields.words([41, target.0.into(), seq_no.into()]);
        }
        Trace::ProbeIndirect { target, seq_no, relays, stream } => {
            fields.words([42, target.0.into(), seq_no.into(), relays.into(), stream.into()]);
        }
        Trace::ProbeEnded { target, seq_no, outcome } => {
            fields.words([43, target.0.into(), seq_no.into()]);
            match outcome {
                ProbeOutcome::Direct { rtt } => fields.words([0, rtt]),
                ProbeOutcome::Late => fields.word(1),
                ProbeOutcome::Stream => fields.word(2),
                ProbeOutcome::Failed { nacks_expected, nacks_received } => {
                    fields.words([3, nacks_expected.into(), nacks_received.into()]);
                }
            }
        }
        Trace::Suspicion { subject, confirmations, confirmations_max, deadline } => {
            fields.words([44, subject.0.into(), confirmations.into(), confirmations_max.into()]);
            fields.word(deadline.as_nanos());
        }
        Trace::Refuted { accused, incarnation } => {
            fields.words([45, accused.into(), incarnation.into()]);
        }
        Trace::Health { score } => fields.words([46, score.into()]),
        Trace::Conflict { subject } => fields.words([47, subject.0.into()]),
        Trace::PushPullEnded { initiator, join, merged } => {
            fields.words([48, initiator.into(), join.into(), merged.into()]);
        }
        Trace::EventAccepted { ltime, path } => {
            let path = match path {
                EventPath::Local => 0,
                EventPath::Gossip => 1,
                EventPath::PushPull => 2,
            };
            fields.words([49, ltime, path]);
        }
    }
}

fn write_cause(fields: &mut Fields, cause: Cause) {
    match cause {
        Cause::Gossip { from } => fields.words([0, from.map_or(ABSENT, |NodeId(id)| id.into())]),
        Cause::PushPull => fields.word(1),
        Cause::Probe { seq_no } => fields.words([2, seq_no.into()]),
        Cause::SuspicionTimer => fields.word(3),
        Cause::Local => fields.word(4),
        Cause::Reap => fields.word(5),
    }
}

fn state(state: Option<MemberState>) -> u64 {
    state.map_or(ABSENT, |state| state as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(now: Nanos, node: NodeIndex, effect: &Output<'_>) -> u64 {
        let mut digest = Digest::new();
        digest.add(now, node, effect);
        digest.value()
    }

    #[test]
    fn time_node_kind_and_content_all_count() {
        let effect = Output::Trace(Trace::Health { score: 1 });
        let base = hash(1, 2, &effect);
        assert_eq!(base, hash(1, 2, &Output::Trace(Trace::Health { score: 1 })));
        assert_ne!(base, hash(2, 2, &effect));
        assert_ne!(base, hash(1, 3, &effect));
        assert_ne!(base, hash(1, 2, &Output::Trace(Trace::Health { score: 2 })));
    }

    #[test]
    fn the_longest_effect_fits() {
        let edge = Trace::Edge {
            subject: NodeId(1),
            from: None,
            to: Some(MemberState::Dead),
            incarnation: 1,
            cause: Cause::Gossip { from: None },
        };
        hash(0, 0, &Output::Trace(edge));
        let to = "[fd00::1]:1".parse().expect("an address");
        hash(0, 0, &Output::Datagram { to, bytes: b"x" });
    }
}
