//! Queries with their filters, the answers to them, and relayed answers (Serf protocol, query; query response; relay;
//! filters).

use super::{ITEMS_MAX, nil_if_empty, read_list};
use crate::msg::serf::{Filter, QueryMessage, QueryResponse, RelayHeader, SerfMessageType};
use crate::wire::msgpack::{
    DecodeError, DecodeErrorKind, Dialect, Reader, Writer, bytes_len, container_len, fixed_len,
    key, raw_len, signed_len, unsigned_len,
};

/// Most filters of a query that is decoded.
pub const FILTERS_MAX: u32 = 4_096;

/// First byte of a filter by name.
const FILTER_NODES: u8 = 0;
/// First byte of a filter by tag.
const FILTER_TAG: u8 = 1;

/// Fields of a query in the order of their declaration.
const QUERY: &[&str] = &[
    "LTime",
    "ID",
    "Addr",
    "Port",
    "SourceNode",
    "Filters",
    "Flags",
    "RelayFactor",
    "Timeout",
    "Name",
    "Payload",
];
/// Fields of a query response in the order of their declaration.
const QUERY_RESPONSE: &[&str] = &["LTime", "ID", "From", "Flags", "Payload"];
/// Fields of a relay header in the order of their declaration.
const RELAY: &[&str] = &["DestAddr", "DestName"];
/// Fields of the address in a relay header in the order of their declaration.
const RELAY_ADDR: &[&str] = &["IP", "Port", "Zone"];

/// Appends a query: Serf type byte 4 and its map. No filters and an empty address are written as nil.
pub fn encode_query(query: &QueryMessage<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(SerfMessageType::Query as u8, 11);
    writer.literal(key!("Addr"));
    writer.bytes(nil_if_empty(query.addr));
    writer.literal(key!("Filters"));
    if query.filters.is_empty() {
        writer.nil();
    } else {
        writer.array(query.filters.len());
        for filter in &query.filters {
            writer.bytes(Some(filter));
        }
    }
    writer.literal(key!("Flags"));
    writer.unsigned(query.flags.into());
    writer.literal(key!("ID"));
    writer.unsigned(query.id.into());
    writer.literal(key!("LTime"));
    writer.unsigned(query.ltime);
    writer.literal(key!("Name"));
    writer.text(query.name);
    writer.literal(key!("Payload"));
    writer.bytes(query.payload);
    writer.literal(key!("Port"));
    writer.unsigned(query.port.into());
    writer.literal(key!("RelayFactor"));
    writer.unsigned(query.relay_factor.into());
    writer.literal(key!("SourceNode"));
    writer.text(query.source_node);
    writer.literal(key!("Timeout"));
    writer.signed(query.timeout);
}

/// Bytes that [`encode_query`] appends, the Serf type byte included: what the size limit counts.
#[must_use]
pub fn query_len(query: &QueryMessage<'_>) -> usize {
    const FIXED: usize = fixed_len(QUERY);
    let filters: usize = query.filters.iter().map(|filter| raw_len(filter.len())).sum();
    FIXED
        + bytes_len(nil_if_empty(query.addr))
        + container_len(query.filters.len())
        + filters
        + unsigned_len(query.flags.into())
        + unsigned_len(query.id.into())
        + unsigned_len(query.ltime)
        + raw_len(query.name.len())
        + bytes_len(query.payload)
        + unsigned_len(query.port.into())
        + unsigned_len(query.relay_factor.into())
        + raw_len(query.source_node.len())
        + signed_len(query.timeout)
}

/// Decodes a query from what follows its Serf type byte; bytes after it are ignored. The filters are not looked into.
///
/// # Errors
/// [`DecodeError`] if the body is malformed or has more than [`FILTERS_MAX`] filters.
pub fn decode_query(body: &[u8]) -> Result<QueryMessage<'_>, DecodeError> {
    let mut query = QueryMessage::default();
    Reader::new(body).structure(QUERY, |reader, key| {
        match key {
            b"Addr" => query.addr = reader.bytes_or_empty()?,
            b"Filters" => {
                query.filters = read_list(reader, FILTERS_MAX, Reader::bytes_or_empty)?;
            }
            b"Flags" => query.flags = reader.u32()?,
            b"ID" => query.id = reader.u32()?,
            b"LTime" => query.ltime = reader.unsigned()?,
            b"Name" => query.name = reader.text()?,
            b"Payload" => query.payload = reader.bytes()?,
            b"Port" => query.port = reader.u16()?,
            b"RelayFactor" => query.relay_factor = reader.u8()?,
            b"SourceNode" => query.source_node = reader.text()?,
            b"Timeout" => query.timeout = reader.signed()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(query)
}

/// Appends a filter as an element of [`QueryMessage::filters`] holds it: its kind in one byte, then its value.
pub fn encode_filter(filter: &Filter<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    match filter {
        Filter::Nodes(names) => {
            writer.literal(&[FILTER_NODES]);
            writer.array(names.len());
            for name in names {
                writer.text(name);
            }
        }
        Filter::Tag { tag, expr } => {
            writer.message(FILTER_TAG, 2);
            writer.literal(key!("Expr"));
            writer.text(expr);
            writer.literal(key!("Tag"));
            writer.text(tag);
        }
    }
}

/// Decodes an element of [`QueryMessage::filters`]; bytes after it are ignored.
///
/// # Errors
/// [`DecodeError`] if it is empty, of an unknown kind, malformed, or has more than [`ITEMS_MAX`] names.
pub fn decode_filter(filter: &[u8]) -> Result<Filter<'_>, DecodeError> {
    let mut reader = Reader::new(filter);
    match reader.take(1)? {
        [FILTER_NODES] => read_list(&mut reader, ITEMS_MAX, Reader::text).map(Filter::Nodes),
        [FILTER_TAG] => read_tag_filter(&mut reader),
        _ => Err(reader.error(DecodeErrorKind::Type)),
    }
}

/// The value of a filter by tag. The order in which its fields are declared is not known, so it has to be a map.
fn read_tag_filter<'a>(reader: &mut Reader<'a>) -> Result<Filter<'a>, DecodeError> {
    let (mut tag, mut expr) = ("", "");
    for _ in 0..reader.map()? {
        match reader.key()? {
            b"Expr" => expr = reader.text()?,
            b"Tag" => tag = reader.text()?,
            _ => reader.skip()?,
        }
    }
    Ok(Filter::Tag { tag, expr })
}

/// Appends an ack or answer to a query: Serf type byte 5 and its map.
pub fn encode_query_response(response: &QueryResponse<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(SerfMessageType::QueryResponse as u8, 5);
    writer.literal(key!("Flags"));
    writer.unsigned(response.flags.into());
    writer.literal(key!("From"));
    writer.text(response.from);
    writer.literal(key!("ID"));
    writer.unsigned(response.id.into());
    writer.literal(key!("LTime"));
    writer.unsigned(response.ltime);
    writer.literal(key!("Payload"));
    writer.bytes(response.payload);
}

/// Bytes that [`encode_query_response`] appends, the Serf type byte included: what the size limit counts.
#[must_use]
pub fn query_response_len(response: &QueryResponse<'_>) -> usize {
    const FIXED: usize = fixed_len(QUERY_RESPONSE);
    FIXED
        + unsigned_len(response.flags.into())
        + raw_len(response.from.len())
        + unsigned_len(response.id.into())
        + unsigned_len(response.ltime)
        + bytes_len(response.payload)
}

/// Decodes an ack or answer from what follows its Serf type byte; bytes after it are ignored.
///
/// # Errors
/// [`DecodeError`] if the body is malformed.
pub fn decode_query_response(body: &[u8]) -> Result<QueryResponse<'_>, DecodeError> {
    let mut response = QueryResponse::default();
    Reader::new(body).structure(QUERY_RESPONSE, |reader, key| {
        match key {
            b"Flags" => response.flags = reader.u32()?,
            b"From" => response.from = reader.text()?,
            b"ID" => response.id = reader.u32()?,
            b"LTime" => response.ltime = reader.unsigned()?,
            b"Payload" => response.payload = reader.bytes()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(response)
}

/// Appends a relay: Serf type byte 9, the header, and the message to be passed on with its own type byte. An empty
/// address is written as nil.
pub fn encode_relay(header: &RelayHeader<'_>, inner: &[u8], out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(SerfMessageType::Relay as u8, 2);
    writer.literal(key!("DestAddr"));
    writer.fixed_map(3);
    writer.literal(key!("IP"));
    writer.bytes(nil_if_empty(header.addr));
    writer.literal(key!("Port"));
    writer.unsigned(header.port.into());
    writer.literal(key!("Zone"));
    writer.text("");
    writer.literal(key!("DestName"));
    writer.text(header.node);
    writer.literal(inner);
}

/// Bytes that [`encode_relay`] appends for an inner message of `inner_len` bytes, the Serf type byte included: what the
/// size limit counts.
#[must_use]
pub fn relay_len(header: &RelayHeader<'_>, inner_len: usize) -> usize {
    /// With the header of the inner map and the empty zone.
    const FIXED: usize = fixed_len(&["DestAddr", "IP", "Port", "Zone", "DestName"]) + 2;
    FIXED
        + bytes_len(nil_if_empty(header.addr))
        + unsigned_len(header.port.into())
        + raw_len(header.node.len())
        + inner_len
}

/// Decodes a relay from what follows its Serf type byte: its header, and what is to be passed on byte for byte.
///
/// # Errors
/// [`DecodeError`] if the header is malformed or its port is not in `0..=65535`, where nothing could be sent.
pub fn decode_relay(body: &[u8]) -> Result<(RelayHeader<'_>, &[u8]), DecodeError> {
    let mut reader = Reader::new(body);
    let mut header = RelayHeader::default();
    reader.structure(RELAY, |reader, key| {
        match key {
            b"DestAddr" => (header.addr, header.port) = read_relay_addr(reader)?,
            b"DestName" => header.node = reader.text()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok((header, reader.rest()))
}

/// Address and port of a relay header.
fn read_relay_addr<'a>(reader: &mut Reader<'a>) -> Result<(&'a [u8], u16), DecodeError> {
    let (mut addr, mut port) = (<&[u8]>::default(), 0);
    reader.structure(RELAY_ADDR, |reader, key| {
        match key {
            b"IP" => addr = reader.bytes_or_empty()?,
            b"Port" => port = reader.u16()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok((addr, port))
}
