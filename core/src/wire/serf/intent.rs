//! Join and leave intents (Serf protocol, join and leave).

use crate::msg::serf::{JoinIntent, LeaveIntent, SerfMessageType};
use crate::wire::msgpack::{DecodeError, Dialect, Reader, Writer, key};

/// Fields of a join intent in the order of their declaration.
const JOIN: &[&str] = &["LTime", "Node"];
/// Fields of a leave intent in the order of their declaration.
const LEAVE: &[&str] = &["LTime", "Node", "Prune"];

/// Appends a leave intent: Serf type byte 0 and its map.
pub fn encode_leave_intent(intent: &LeaveIntent<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(SerfMessageType::Leave as u8, 3);
    writer.literal(key!("LTime"));
    writer.unsigned(intent.ltime);
    writer.literal(key!("Node"));
    writer.text(intent.node);
    writer.literal(key!("Prune"));
    writer.boolean(intent.prune);
}

/// Decodes a leave intent from what follows its Serf type byte; bytes after it are ignored.
///
/// # Errors
/// [`DecodeError`] if the body is malformed.
pub fn decode_leave_intent(body: &[u8]) -> Result<LeaveIntent<'_>, DecodeError> {
    let mut intent = LeaveIntent::default();
    Reader::new(body).structure(LEAVE, |reader, key| {
        match key {
            b"LTime" => intent.ltime = reader.unsigned()?,
            b"Node" => intent.node = reader.text()?,
            b"Prune" => intent.prune = reader.boolean()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(intent)
}

/// Appends a join intent: Serf type byte 1 and its map.
pub fn encode_join_intent(intent: &JoinIntent<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(SerfMessageType::Join as u8, 2);
    writer.literal(key!("LTime"));
    writer.unsigned(intent.ltime);
    writer.literal(key!("Node"));
    writer.text(intent.node);
}

/// Decodes a join intent from what follows its Serf type byte; bytes after it are ignored.
///
/// # Errors
/// [`DecodeError`] if the body is malformed.
pub fn decode_join_intent(body: &[u8]) -> Result<JoinIntent<'_>, DecodeError> {
    let mut intent = JoinIntent::default();
    Reader::new(body).structure(JOIN, |reader, key| {
        match key {
            b"LTime" => intent.ltime = reader.unsigned()?,
            b"Node" => intent.node = reader.text()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(intent)
}
