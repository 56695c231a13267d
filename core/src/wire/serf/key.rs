//! Payloads of key queries and of the answers to them (Serf protocol, keys).

use super::{ITEMS_MAX, read_list};
use crate::msg::serf::{KeyResponse, SerfMessageType};
use crate::wire::msgpack::{
    DecodeError, Dialect, Reader, Writer, container_len, fixed_len, key, raw_len,
};

/// Fields of a key response in the order of their declaration.
const KEY_RESPONSE: &[&str] = &["Result", "Message", "Keys", "PrimaryKey"];

/// Appends a key request: Serf type byte 7 and its map. `key` is the key itself, not base64; empty in a listing.
pub fn encode_key_request(key: &[u8], out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(SerfMessageType::KeyRequest as u8, 1);
    writer.literal(key!("Key"));
    writer.bytes(Some(key));
}

/// Decodes the key of a key request from what follows its Serf type byte; bytes after it are ignored.
///
/// # Errors
/// [`DecodeError`] if the body is malformed.
pub fn decode_key_request(body: &[u8]) -> Result<&[u8], DecodeError> {
    let mut found = <&[u8]>::default();
    Reader::new(body).structure(&["Key"], |reader, key| {
        match key {
            b"Key" => found = reader.bytes_or_empty()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(found)
}

/// Appends a key response: Serf type byte 8 and its map.
pub fn encode_key_response(response: &KeyResponse<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(SerfMessageType::KeyResponse as u8, 4);
    writer.literal(key!("Keys"));
    match &response.keys {
        None => writer.nil(),
        Some(keys) => {
            writer.array(keys.len());
            for key in keys {
                writer.text(key);
            }
        }
    }
    writer.literal(key!("Message"));
    writer.text(response.message);
    writer.literal(key!("PrimaryKey"));
    writer.text(response.primary_key);
    writer.literal(key!("Result"));
    writer.boolean(response.result);
}

/// Bytes that [`encode_key_response`] appends, the Serf type byte included.
#[must_use]
pub fn key_response_len(response: &KeyResponse<'_>) -> usize {
    /// With the result.
    const FIXED: usize = fixed_len(KEY_RESPONSE) + 1;
    let keys = response.keys.as_deref().unwrap_or_default();
    FIXED
        + container_len(keys.len())
        + keys.iter().map(|key| raw_len(key.len())).sum::<usize>()
        + raw_len(response.message.len())
        + raw_len(response.primary_key.len())
}

/// Decodes a key response from what follows its Serf type byte; bytes after it are ignored.
///
/// # Errors
/// [`DecodeError`] if the body is malformed or has more than [`ITEMS_MAX`] keys.
pub fn decode_key_response(body: &[u8]) -> Result<KeyResponse<'_>, DecodeError> {
    let mut response = KeyResponse::default();
    Reader::new(body).structure(KEY_RESPONSE, |reader, key| {
        match key {
            b"Keys" if reader.literal(&[0xc0]) => response.keys = None,
            b"Keys" => response.keys = Some(read_list(reader, ITEMS_MAX, Reader::text)?),
            b"Message" => response.message = reader.text()?,
            b"PrimaryKey" => response.primary_key = reader.text()?,
            b"Result" => response.result = reader.boolean()?,
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(response)
}
