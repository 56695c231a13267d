//! Payloads of the answers to a name conflict query (Serf protocol, conflict response).

use super::{ITEMS_MAX, check_count, nil_if_empty};
use crate::msg::serf::{ConflictResponse, SerfMessageType};
use crate::wire::msgpack::{DecodeError, Dialect, Reader, Writer, key};

/// Fields of a conflict response in the order of their declaration.
const MEMBER: &[&str] = &[
    "Name",
    "Addr",
    "Port",
    "Tags",
    "Status",
    "ProtocolMin",
    "ProtocolMax",
    "ProtocolCur",
    "DelegateMin",
    "DelegateMax",
    "DelegateCur",
];

/// Appends a conflict response: Serf type byte 6 and the map of the member, or nil if the name is unknown. An empty
/// address is written as nil.
pub fn encode_conflict_response(response: Option<&ConflictResponse<'_>>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    let Some(member) = response else {
        writer.literal(&[SerfMessageType::ConflictResponse as u8]);
        return writer.nil();
    };
    let [protocol_min, protocol_max, protocol_cur, delegate_min, delegate_max, delegate_cur] =
        member.vsn;
    writer.message(SerfMessageType::ConflictResponse as u8, 11);
    writer.literal(key!("Addr"));
    writer.bytes(nil_if_empty(member.addr));
    writer.literal(key!("DelegateCur"));
    writer.unsigned(delegate_cur.into());
    writer.literal(key!("DelegateMax"));
    writer.unsigned(delegate_max.into());
    writer.literal(key!("DelegateMin"));
    writer.unsigned(delegate_min.into());
    writer.literal(key!("Name"));
    writer.text(member.name);
    writer.literal(key!("Port"));
    writer.unsigned(member.port.into());
    writer.literal(key!("ProtocolCur"));
    writer.unsigned(protocol_cur.into());
    writer.literal(key!("ProtocolMax"));
    writer.unsigned(protocol_max.into());
    writer.literal(key!("ProtocolMin"));
    writer.unsigned(protocol_min.into());
    writer.literal(key!("Status"));
    writer.signed(member.status);
    writer.literal(key!("Tags"));
    writer.map(member.tags.len());
    for (tag, value) in &member.tags {
        writer.text(tag);
        writer.text(value);
    }
}

/// Decodes a conflict response from what follows its Serf type byte; bytes after it are ignored. Nil, from a member that
/// does not know the name, reads as all zero.
///
/// # Errors
/// [`DecodeError`] if the body is malformed or has more than [`ITEMS_MAX`] tags.
pub fn decode_conflict_response(body: &[u8]) -> Result<ConflictResponse<'_>, DecodeError> {
    let mut member = ConflictResponse::default();
    Reader::new(body).structure(MEMBER, |reader, key| {
        let [protocol_min, protocol_max, protocol_cur, delegate_min, delegate_max, delegate_cur] =
            &mut member.vsn;
        match key {
            b"Name" => member.name = reader.text()?,
            b"Addr" => member.addr = reader.bytes_or_empty()?,
            b"Port" => member.port = reader.u16()?,
            b"Tags" => member.tags = read_tags(reader)?,
            b"Status" => member.status = reader.signed()?,
            b"ProtocolMin" => *protocol_min = reader.u8()?,
            b"ProtocolMax" => *protocol_max = reader.u8()?,
            b"ProtocolCur" => *protocol_cur = reader.u8()?,
            b"DelegateMin" => *delegate_min = reader.u8()?,
            b"DelegateMax" => *delegate_max = reader.u8()?,
            b"DelegateCur" => *delegate_cur = reader.u8()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(member)
}

/// Tags in wire order; space is taken as they are read.
fn read_tags<'a>(reader: &mut Reader<'a>) -> Result<Vec<(&'a str, &'a str)>, DecodeError> {
    let pairs = reader.map()?;
    check_count(reader, pairs, ITEMS_MAX)?;
    let mut tags = Vec::new();
    for _ in 0..pairs {
        tags.push((reader.text()?, reader.text()?));
    }
    Ok(tags)
}
