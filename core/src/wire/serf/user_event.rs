//! User events (Serf protocol, user event).

use crate::msg::serf::{SerfMessageType, UserEventMessage};
use crate::wire::msgpack::{
    DecodeError, Dialect, Reader, Writer, bytes_len, fixed_len, key, raw_len, unsigned_len,
};

/// Fields of a user event in the order of their declaration.
const USER_EVENT: &[&str] = &["LTime", "Name", "Payload", "CC"];

/// Appends a user event: Serf type byte 3 and its map.
pub fn encode_user_event(event: &UserEventMessage<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(SerfMessageType::UserEvent as u8, 4);
    writer.literal(key!("CC"));
    writer.boolean(event.coalesce);
    writer.literal(key!("LTime"));
    writer.unsigned(event.ltime);
    writer.literal(key!("Name"));
    writer.text(event.name);
    writer.literal(key!("Payload"));
    writer.bytes(event.payload);
}

/// Bytes that [`encode_user_event`] appends, the Serf type byte included: what the size limits count.
#[must_use]
pub fn user_event_len(event: &UserEventMessage<'_>) -> usize {
    const FIXED: usize = fixed_len(&["CC", "LTime", "Name", "Payload"]) + 1;
    FIXED + unsigned_len(event.ltime) + raw_len(event.name.len()) + bytes_len(event.payload)
}

/// Decodes a user event from what follows its Serf type byte; bytes after it are ignored.
///
/// # Errors
/// [`DecodeError`] if the body is malformed.
pub fn decode_user_event(body: &[u8]) -> Result<UserEventMessage<'_>, DecodeError> {
    let mut event = UserEventMessage::default();
    Reader::new(body).structure(USER_EVENT, |reader, key| {
        match key {
            b"CC" => event.coalesce = reader.boolean()?,
            b"LTime" => event.ltime = reader.unsigned()?,
            b"Name" => event.name = reader.text()?,
            b"Payload" => event.payload = reader.bytes()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(event)
}
