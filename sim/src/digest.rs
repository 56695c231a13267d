//! The trace hash: a running 64-bit xxh3 over every effect of every node, in order.
//!
//! Each effect is written as a few fixed-width little-endian fields, so that the hash is the same in every build and on
//! every machine. Changing anything here changes every pinned hash.

use std::net::{IpAddr, SocketAddr};

use uwasa_core::command::{KeyReport, OpError, QueryReport, Reply};
use uwasa_core::event::{Event, MemberEvent, ShutDownReason};
use uwasa_core::io::{Output, StreamAction, StreamId};
use uwasa_core::pool::NodeId;
use uwasa_core::snapshot::Record;
use uwasa_core::trace::{Cause, EventPath, MemberState, MemberStatus, ProbeOutcome, Trace};
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
        // They repeat what messages, edges and refutations say already; checkers need them early.
        if let Output::Trace(Trace::Record { .. } | Trace::Accused { .. }) = effect {
            return;
        }
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
        Output::Persist(record) => {
            write_record(fields, record);
            &[]
        }
    }
}

fn write_record(fields: &mut Fields, record: &Record) {
    match record {
        Record::Alive { name, addr } => {
            fields.words([14, 0, hash(name)]);
            fields.addr(*addr);
        }
        Record::NotAlive { name } => fields.words([14, 1, hash(name)]),
        Record::Clock(time) => fields.words([14, 2, *time]),
        Record::EventClock(time) => fields.words([14, 3, *time]),
        Record::QueryClock(time) => fields.words([14, 4, *time]),
        Record::Leave => fields.words([14, 5]),
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
    match event {
        Event::Members(event) => write_members(fields, event),
        Event::User(event) => {
            fields.words([25, event.ltime, hash(&event.name), event.coalesce.into()]);
            fields.word(event.payload.len() as u64);
            return &event.payload;
        }
        Event::Query(event) => {
            fields.words([26, event.id.ltime, event.id.id.into(), hash(&event.name)]);
            fields.words([hash(&event.source), event.deadline.as_nanos()]);
            fields.word(event.payload.len() as u64);
            return &event.payload;
        }
        Event::QueryAck { op, from } => fields.words([27, op.0, hash(from)]),
        Event::QueryResponse { op, from, payload } => {
            fields.words([28, op.0, hash(from), payload.len() as u64]);
            return payload;
        }
        Event::KeyringChanged { keyring, answers } => {
            let mut keys = Xxh3::new();
            for key in keyring.keys() {
                keys.update(&(key.as_bytes().len() as u64).to_le_bytes());
                keys.update(key.as_bytes());
            }
            let (ltime, id) = answers.map_or((ABSENT, ABSENT), |it| (it.ltime, it.id.into()));
            fields.words([29, keyring.keys().len() as u64, keys.digest(), ltime, id]);
        }
        Event::ShutDown(ShutDownReason::NameConflict { responses, matching }) => {
            fields.words([31, (*responses).into(), (*matching).into()]);
        }
    }
    &[]
}

/// Kind and number of the members, then a hash of who they are.
fn write_members(fields: &mut Fields, event: &MemberEvent) {
    let mut members = Xxh3::new();
    for member in &event.members {
        members.update(&member.node.0.to_le_bytes());
        members.update(&member.profile.0.to_le_bytes());
        members.update(&[member.status as u8]);
    }
    fields.words([20, event.kind as u64, event.members.len() as u64, members.digest()]);
}

fn write_result(fields: &mut Fields, result: &Result<Reply, OpError>) {
    match result {
        Ok(reply) => write_reply(fields, reply),
        Err(error) => write_error(fields, error),
    }
}

fn write_reply(fields: &mut Fields, reply: &Reply) {
    match reply {
        Reply::Joined { contacted } => fields.words([0, (*contacted).into()]),
        Reply::Left => fields.word(1),
        Reply::TagsSet => fields.word(2),
        Reply::EventSent { ltime } => fields.words([3, *ltime]),
        Reply::LeaveForced => fields.word(4),
        Reply::QueryDone(QueryReport { id, acks, responses }) => {
            fields.words([5, id.ltime, id.id.into(), (*acks).into(), (*responses).into()]);
        }
        Reply::Responded => fields.word(6),
        Reply::Keys(report) => write_keys(fields, 7, report),
        Reply::KeyringStored => fields.word(8),
    }
}

fn write_error(fields: &mut Fields, error: &OpError) {
    match error {
        OpError::JoinFailed { failures } => fields.words([32, failures.len() as u64]),
        OpError::NoSeeds => fields.word(33),
        OpError::NotAlive => fields.word(34),
        OpError::LeaveInProgress => fields.word(35),
        OpError::EventTooLarge { size, limit } => {
            fields.words([36, *size as u64, *limit as u64]);
        }
        OpError::LamportTimeExhausted => fields.word(37),
        OpError::TagsTooLarge { size, limit } => fields.words([38, *size as u64, *limit as u64]),
        OpError::BroadcastTimeout => fields.word(39),
        OpError::QueryTooLarge { size, limit } => fields.words([40, *size as u64, *limit as u64]),
        OpError::QueryUnsupported { version } => fields.words([41, (*version).into()]),
        OpError::BadFilter { filter, reason } => {
            let (tag, expr) = (&filter.tag, &filter.expr);
            fields.words([42, hash(tag), hash(expr), hash(reason)]);
        }
        OpError::QueriesFull { limit } => fields.words([43, *limit as u64]),
        OpError::ResponseTooLarge { size, limit } => {
            fields.words([44, *size as u64, *limit as u64]);
        }
        OpError::RelayTooLarge { size, limit } => fields.words([45, *size as u64, *limit as u64]),
        OpError::AlreadyAnswered => fields.word(46),
        OpError::QueryOver => fields.word(47),
        OpError::KeysFailed(report) => write_keys(fields, 48, report),
        OpError::ShutDown => fields.word(49),
    }
}

/// Counts, then a hash of every table in its own order.
fn write_keys(fields: &mut Fields, kind: u64, report: &KeyReport) {
    let KeyReport { nodes, responses, errors, messages, keys, primary_keys } = report;
    let mut tables = Xxh3::new();
    for (name, message) in messages {
        tables.update(&hash(name).to_le_bytes());
        tables.update(&hash(message).to_le_bytes());
    }
    for table in [keys, primary_keys] {
        tables.update(&(table.len() as u64).to_le_bytes());
        for (key, count) in table {
            tables.update(&hash(key).to_le_bytes());
            tables.update(&u64::from(*count).to_le_bytes());
        }
    }
    fields.words([kind, (*nodes).into(), (*responses).into(), (*errors).into()]);
    fields.words([messages.len() as u64, tables.digest()]);
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
            write_outcome(fields, outcome);
        }
        Trace::Suspicion { subject, confirmations, confirmations_max, deadline } => {
            fields.words([44, subject.0.into(), confirmations.into(), confirmations_max.into()]);
            fields.word(deadline.as_nanos());
        }
        Trace::Refuted { accused, incarnation, .. } => {
            fields.words([45, accused.into(), incarnation.into()]);
        }
        Trace::Health { score } => fields.words([46, score.into()]),
        Trace::Conflict { subject, mine: _, theirs: _ } => fields.words([47, subject.0.into()]),
        Trace::PushPullEnded { initiator, join, merged } => {
            fields.words([48, initiator.into(), join.into(), merged.into()]);
        }
        Trace::EventAccepted { ltime, path } => fields.words([49, ltime, path_number(path)]),
        Trace::Record { .. } | Trace::Accused { .. } => {}
        Trace::Status { .. }
        | Trace::Member { .. }
        | Trace::IntentAccepted { .. }
        | Trace::IntentRefuted { .. }
        | Trace::QueryAccepted { .. }
        | Trace::QueryAnswered { .. }
        | Trace::QueryReplied { .. }
        | Trace::QueryEnded { .. }
        | Trace::Relayed
        | Trace::KeyringChanged { .. }
        | Trace::ConflictVote { .. }
        | Trace::Flapped { .. }
        | Trace::RejoinStarted { .. }
        | Trace::RejoinEnded { .. }
        | Trace::RejoinFailed
        | Trace::Reconnecting { .. }
        | Trace::KeyQuery { .. }
        | Trace::QueueDeep { .. } => write_serf_trace(fields, trace),
    }
}

/// The traces of the Serf layer; those of SWIM are written by [`write_trace`].
fn write_serf_trace(fields: &mut Fields, trace: &Trace) {
    match *trace {
        Trace::Status { subject, from, to, ltime } => {
            fields.words([60, subject.0.into(), status(from), status(to), ltime]);
        }
        Trace::Member { kind, subject, profile: _ } => {
            fields.words([61, kind as u64, subject.0.into()])
        }
        Trace::IntentAccepted { subject, kind, ltime, path } => {
            fields.words([62, some_node(subject), kind as u64, ltime, path_number(path)]);
        }
        Trace::IntentRefuted { ltime } => fields.words([63, ltime]),
        Trace::QueryAccepted { query, matched, path } => {
            fields.words([64, query.ltime, query.id.into(), matched.into(), path_number(path)]);
        }
        Trace::QueryAnswered { query } => fields.words([65, query.ltime, query.id.into()]),
        Trace::QueryReplied { query, from, ack, duplicate } => {
            fields.words([66, query.ltime, query.id.into(), some_node(from)]);
            fields.words([ack.into(), duplicate.into()]);
        }
        Trace::QueryEnded { query, acks, responses } => {
            fields.words([67, query.ltime, query.id.into(), acks.into(), responses.into()]);
        }
        Trace::Relayed => fields.word(68),
        Trace::KeyringChanged { keys } => fields.words([69, keys.into()]),
        Trace::ConflictVote { responses, matching, stays } => {
            fields.words([70, responses.into(), matching.into(), stays.into()]);
        }
        Trace::Flapped { subject } => fields.words([71, subject.0.into()]),
        Trace::QueueDeep { queue, depth } => fields.words([72, queue as u64, depth.into()]),
        Trace::RejoinStarted { to } => {
            fields.word(73);
            fields.addr(to);
        }
        Trace::RejoinEnded { to, joined } => {
            fields.words([74, joined.into()]);
            fields.addr(to);
        }
        Trace::RejoinFailed => fields.word(75),
        Trace::Reconnecting { subject, to: _ } => fields.words([76, subject.0.into()]),
        Trace::KeyQuery { query, refused } => {
            fields.words([77, query as u64, refused.is_some().into()]);
        }
        Trace::Edge { .. }
        | Trace::Record { .. }
        | Trace::Accused { .. }
        | Trace::ProbeStarted { .. }
        | Trace::ProbeIndirect { .. }
        | Trace::ProbeEnded { .. }
        | Trace::Suspicion { .. }
        | Trace::Refuted { .. }
        | Trace::Health { .. }
        | Trace::Conflict { .. }
        | Trace::PushPullEnded { .. }
        | Trace::EventAccepted { .. } => write_trace(fields, trace),
    }
}

fn write_outcome(fields: &mut Fields, outcome: ProbeOutcome) {
    match outcome {
        ProbeOutcome::Direct { rtt } => fields.words([0, rtt]),
        ProbeOutcome::Late => fields.word(1),
        ProbeOutcome::Stream => fields.word(2),
        ProbeOutcome::Failed { nacks_expected, nacks_received } => {
            fields.words([3, nacks_expected.into(), nacks_received.into()]);
        }
    }
}

fn write_cause(fields: &mut Fields, cause: Cause) {
    match cause {
        Cause::Gossip { from } => fields.words([0, some_node(from)]),
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

fn status(status: Option<MemberStatus>) -> u64 {
    status.map_or(ABSENT, |status| status as u64)
}

fn some_node(node: Option<NodeId>) -> u64 {
    node.map_or(ABSENT, |NodeId(id)| id.into())
}

const fn path_number(path: EventPath) -> u64 {
    match path {
        EventPath::Local => 0,
        EventPath::Gossip => 1,
        EventPath::PushPull => 2,
    }
}

/// A text of any length as one word.
fn hash(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use uwasa_core::event::{EventMember, MemberEventKind};
    use uwasa_core::keyring::{Key, Keyring};
    use uwasa_core::pool::ProfileId;

    use super::*;

    fn digest(now: Nanos, node: NodeIndex, effect: &Output<'_>) -> u64 {
        let mut digest = Digest::new();
        digest.add(now, node, effect);
        digest.value()
    }

    #[test]
    fn time_node_kind_and_content_all_count() {
        let effect = Output::Trace(Trace::Health { score: 1 });
        let base = digest(1, 2, &effect);
        assert_eq!(base, digest(1, 2, &Output::Trace(Trace::Health { score: 1 })));
        assert_ne!(base, digest(2, 2, &effect));
        assert_ne!(base, digest(1, 3, &effect));
        assert_ne!(base, digest(1, 2, &Output::Trace(Trace::Health { score: 2 })));
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
        digest(0, 0, &Output::Trace(edge));
        let to = "[fd00::1]:1".parse().expect("an address");
        digest(0, 0, &Output::Datagram { to, bytes: b"x" });
    }

    /// Effects that differ in one place only, in everything the Serf layer tells.
    #[test]
    fn every_field_of_the_serf_layer_counts() {
        let event = |event: Event| digest(0, 0, &Output::Event(event));
        let done = |result: Result<Reply, OpError>| {
            digest(0, 0, &Output::Done { op: uwasa_core::io::OpId(1), result })
        };
        let member = |kind, node, status| {
            let member = EventMember { node: NodeId(node), profile: ProfileId(0), status };
            event(Event::Members(MemberEvent { kind, members: [member].into_iter().collect() }))
        };
        let report = |message: &str, primary: u32| {
            let mut report = KeyReport { nodes: 3, ..KeyReport::default() };
            report.messages.insert("host1".into(), message.into());
            report.primary_keys.insert("".into(), primary);
            Box::new(report)
        };
        let ring = |byte| {
            let key = Key::new(&[byte; 16]).expect("16 bytes are a key");
            event(Event::KeyringChanged { keyring: Keyring::with_primary(key), answers: None })
        };
        let reason = |matching| ShutDownReason::NameConflict { responses: 3, matching };
        let mut hashes = vec![
            member(MemberEventKind::Join, 1, MemberStatus::Alive),
            member(MemberEventKind::Update, 1, MemberStatus::Alive),
            member(MemberEventKind::Join, 2, MemberStatus::Alive),
            member(MemberEventKind::Join, 1, MemberStatus::Leaving),
            event(Event::ShutDown(reason(1))),
            event(Event::ShutDown(reason(2))),
            ring(1),
            ring(2),
            done(Ok(Reply::Keys(report("", 1)))),
            done(Ok(Reply::Keys(report("x", 1)))),
            done(Ok(Reply::Keys(report("x", 2)))),
            done(Err(OpError::KeysFailed(report("x", 2)))),
            done(Ok(Reply::Left)),
            done(Err(OpError::NotAlive)),
            digest(0, 0, &Output::Trace(Trace::IntentRefuted { ltime: 1 })),
            digest(0, 0, &Output::Trace(Trace::IntentRefuted { ltime: 2 })),
            digest(0, 0, &Output::Trace(Trace::Relayed)),
            digest(0, 0, &Output::Persist(Record::Clock(1))),
            digest(0, 0, &Output::Persist(Record::EventClock(1))),
            digest(0, 0, &Output::Persist(Record::NotAlive { name: "a".into() })),
            digest(0, 0, &Output::Persist(Record::NotAlive { name: "b".into() })),
        ];
        let all = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), all);
    }
}
