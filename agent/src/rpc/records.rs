//! What the agent sends: each function appends one whole response or record, header and body, as Go's agent writes it.
//!
//! Fields are sorted by name; the order of maps is random there and sorted here.

use std::sync::Arc;

use uwasa_core::coordinate::Coordinate;
use uwasa_core::wire::msgpack::{Dialect, Writer};

use crate::agent::{KeyOutcome, QueryRecord, Stats};
use crate::event::{AgentEvent, Member};

/// About what one member takes, in bytes: most responses need no second allocation.
const MEMBER_BYTES: usize = 256;
const HEADER_BYTES: usize = 32;

/// A response without body.
pub(super) fn response(seq: u64, error: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + error.len());
    header(&mut out, seq, error);
    out
}

/// The response to `members`.
pub(super) fn members(seq: u64, members: &[Member]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + members.len() * MEMBER_BYTES);
    let mut w = header(&mut out, seq, "");
    w.fixed_map(1);
    w.text("Members");
    list(&mut w, members);
    out
}

/// The response to `join`.
pub(super) fn joined(seq: u64, error: &str, contacted: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + error.len());
    let mut w = header(&mut out, seq, error);
    w.fixed_map(1);
    w.text("Num");
    w.unsigned(contacted.into());
    out
}

/// The response to a key operation; only a listing has keys.
pub(super) fn keys(seq: u64, outcome: &KeyOutcome, listing: bool) -> Vec<u8> {
    let error = outcome.error.as_ref().map_or("", |error| &error.0);
    let report = &outcome.report;
    let mut out = Vec::new();
    let mut w = header(&mut out, seq, error);
    w.fixed_map(5);
    w.text("Keys");
    if listing {
        w.map(report.keys.len());
        for (key, &count) in &report.keys {
            w.text(key);
            w.unsigned(count.into());
        }
    } else {
        w.nil();
    }
    w.text("Messages");
    w.map(report.messages.len());
    for (node, message) in &report.messages {
        w.text(node);
        w.text(message);
    }
    for (name, count) in
        [("NumErr", report.errors), ("NumNodes", report.nodes), ("NumResp", report.responses)]
    {
        w.text(name);
        w.unsigned(count.into());
    }
    out
}

/// The response to `stats`.
pub(super) fn stats(seq: u64, stats: &Stats) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_024);
    let mut w = header(&mut out, seq, "");
    w.map(stats.len());
    for (section, figures) in stats {
        w.text(section);
        w.map(figures.len());
        for (name, value) in figures {
            w.text(name);
            w.text(value);
        }
    }
    out
}

/// The response to `get-coordinate`.
pub(super) fn coordinate(seq: u64, coordinate: Option<&Coordinate>) -> Vec<u8> {
    let mut out = Vec::with_capacity(192);
    let mut w = header(&mut out, seq, "");
    w.fixed_map(2);
    w.text("Coord");
    w.fixed_map(4);
    let part = |part: fn(&Coordinate) -> f64| coordinate.map_or(0.0, part);
    for (name, value) in [
        ("Adjustment", part(|c| c.adjustment)),
        ("Error", part(|c| c.error)),
        ("Height", part(|c| c.height)),
    ] {
        w.text(name);
        float(&mut w, value);
    }
    w.text("Vec");
    match coordinate {
        Some(coordinate) => {
            w.array(coordinate.vec.len());
            for &value in &coordinate.vec {
                float(&mut w, value);
            }
        }
        None => w.nil(),
    }
    w.text("Ok");
    w.boolean(coordinate.is_some());
    out
}

/// A record of a stream; `query` is the number under which the client may answer, if it is a query.
pub(super) fn event(seq: u64, event: &AgentEvent, query: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut w = header(&mut out, seq, "");
    match event {
        AgentEvent::Members { members, .. } => {
            w.fixed_map(2);
            w.text("Event");
            w.text(event.kind());
            w.text("Members");
            list(&mut w, members);
        }
        AgentEvent::User { ltime, name, payload, coalesce } => {
            w.fixed_map(5);
            w.text("Coalesce");
            w.boolean(*coalesce);
            w.text("Event");
            w.text(event.kind());
            w.text("LTime");
            w.unsigned(*ltime);
            w.text("Name");
            w.text(name);
            w.text("Payload");
            w.bytes(Some(&payload[..]).filter(|payload| !payload.is_empty()));
        }
        AgentEvent::Query { id, name, payload } => {
            w.fixed_map(5);
            w.text("Event");
            w.text(event.kind());
            w.text("ID");
            w.unsigned(query);
            w.text("LTime");
            w.unsigned(id.ltime);
            w.text("Name");
            w.text(name);
            w.text("Payload");
            w.bytes(Some(&payload[..]).filter(|payload| !payload.is_empty()));
        }
    }
    out
}

/// A record of a monitor.
pub(super) fn line(seq: u64, line: &Arc<str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + line.len());
    let mut w = header(&mut out, seq, "");
    w.fixed_map(1);
    w.text("Log");
    w.text(line);
    out
}

/// A record of a query.
pub(super) fn query(seq: u64, record: &QueryRecord) -> Vec<u8> {
    let (from, payload, kind) = match record {
        QueryRecord::Ack { from } => (&**from, None, "ack"),
        QueryRecord::Response { from, payload } => (&**from, Some(&payload[..]), "response"),
        QueryRecord::Done => ("", None, "done"),
    };
    let mut out = Vec::new();
    let mut w = header(&mut out, seq, "");
    w.fixed_map(3);
    w.text("From");
    w.text(from);
    w.text("Payload");
    w.bytes(payload.filter(|payload| !payload.is_empty()));
    w.text("Type");
    w.text(kind);
    out
}

fn header<'o>(out: &'o mut Vec<u8>, seq: u64, error: &str) -> Writer<'o> {
    let mut w = Writer::new(out, Dialect::Rpc);
    w.fixed_map(2);
    w.text("Error");
    w.text(error);
    w.text("Seq");
    w.unsigned(seq);
    w
}

fn list(w: &mut Writer<'_>, members: &[Member]) {
    w.array(members.len());
    for member in members {
        self::member(w, member);
    }
}

fn member(w: &mut Writer<'_>, member: &Member) {
    w.fixed_map(11);
    w.text("Addr");
    match member.addr {
        Some(core::net::IpAddr::V4(addr)) => w.bytes(Some(&addr.octets())),
        Some(core::net::IpAddr::V6(addr)) => w.bytes(Some(&addr.octets())),
        None => w.nil(),
    }
    let vsn = member.vsn;
    w.text("DelegateCur");
    w.unsigned(vsn.delegate_current().into());
    w.text("DelegateMax");
    w.unsigned(vsn.delegate_max().into());
    w.text("DelegateMin");
    w.unsigned(vsn.delegate_min().into());
    w.text("Name");
    w.text(&member.name);
    w.text("Port");
    w.unsigned(member.port.into());
    w.text("ProtocolCur");
    w.unsigned(vsn.protocol_current().into());
    w.text("ProtocolMax");
    w.unsigned(vsn.protocol_max().into());
    w.text("ProtocolMin");
    w.unsigned(vsn.protocol_min().into());
    w.text("Status");
    w.text(member.status_word());
    w.text("Tags");
    w.map(member.tags.len());
    for (name, value) in &member.tags {
        w.text(name);
        w.text(value);
    }
}

fn float(w: &mut Writer<'_>, value: f64) {
    w.literal(&[0xcb]);
    w.literal(&value.to_be_bytes());
}
