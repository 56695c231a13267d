//! The messages of the Serf layer (Serf protocol, messages): one encoder and one decoder each.
//!
//! A Serf message is one type byte and one structure. Encoders append both, keys in byte order and integers in their
//! shortest form; decoders take what follows the type byte, ignore what follows the structure, and check form only.
//! Most messages travel inside memberlist user messages, whose own type byte (8) is not written here; the state travels
//! as the user state of a push/pull, and the answers to internal queries inside a query response.
//!
//! Decoders accept every form that either Go codec does, structures written as arrays included where the protocol says
//! in which order their fields are declared. They are stricter in these points: text must be UTF-8, lists have
//! at most [`ITEMS_MAX`] items and a query at most [`FILTERS_MAX`] filters, and bytes written as an array of integers
//! must be below 128.

use crate::wire::msgpack::{DecodeError, DecodeErrorKind, Reader};

pub mod conflict;
pub mod intent;
pub mod key;
pub mod query;
pub mod state;
pub mod user_event;

pub use conflict::{decode_conflict_response, encode_conflict_response};
pub use intent::{
    decode_join_intent, decode_leave_intent, encode_join_intent, encode_leave_intent,
};
pub use key::{
    decode_key_request, decode_key_response, encode_key_request, encode_key_response,
    key_response_len,
};
pub use query::{
    FILTERS_MAX, decode_filter, decode_query, decode_query_response, decode_relay, encode_filter,
    encode_query, encode_query_response, encode_relay, query_len, query_response_len, relay_len,
};
pub use state::{
    LeftMembers, State, StateEncoder, StateEvent, StateEvents, StatusLTimes, decode_state,
};
pub use user_event::{decode_user_event, encode_user_event, user_event_len};

/// Most names in a filter, keys in an answer and tags of a member that are decoded. A datagram has fewer bytes, so only
/// a hostile stream announces more.
pub const ITEMS_MAX: u32 = 65_536;

/// Reads the array that comes next, of at most `max` elements. Space is taken as they are read, not as announced.
fn read_list<'a, T>(
    reader: &mut Reader<'a>,
    max: u32,
    mut read: impl FnMut(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let len = reader.array()?;
    check_count(reader, len, max)?;
    let mut list = Vec::new();
    for _ in 0..len {
        list.push(read(reader)?);
    }
    Ok(list)
}

/// Refuses an announced count above `max`.
fn check_count(reader: &Reader<'_>, count: u32, max: u32) -> Result<(), DecodeError> {
    if count > max {
        return Err(reader.error(DecodeErrorKind::Limit));
    }
    Ok(())
}

/// Bytes that stand for an absent value when there are none: an address that Go does not have is nil.
fn nil_if_empty(bytes: &[u8]) -> Option<&[u8]> {
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests;
