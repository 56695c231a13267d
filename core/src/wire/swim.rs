//! Encoders and decoders of the memberlist messages (memberlist protocol, bodies; push/pull message).
//!
//! Encoders append the type byte and the body, keys in byte order, exactly as Go's codec does. Decoders take the body
//! without its type byte, ignore what follows the map, and check form only: rules such as "a name is not empty" are
//! the receiver's. Every decoder first tries the layout our encoder writes, which is what nearly every peer sends,
//! and reads key by key if that does not match.

use crate::msg::swim::{
    Ack, Alive, Compress, Dead, ErrorReply, IndirectPing, MessageType, Nack, Ping, Source, Suspect,
    UserHeader,
};
use crate::wire::msgpack::{
    DecodeError, DecodeErrorKind, Dialect, Reader, Writer, bytes_len, fixed_len, key, raw_len,
    unsigned_len,
};

/// Most bytes of user state in one push/pull message, and of one user message on a stream: 20 MiB.
pub const USER_BYTES_MAX: u32 = 20 * 1024 * 1024;

/// The one compression algorithm there is.
pub const ALGO_LZW: u8 = 0;

/// Defines how a structure is read, from the number of pairs and the layout that the encoder writes. Each field names
/// the [`Reader`] method that reads it.
macro_rules! layout {
    ($read:ident -> $message:ty, $pairs:literal {
        $($key:literal => $($field:ident).+ : $method:ident,)+
    }) => {
        #[inline]
        fn $read<'a>(reader: &mut Reader<'a>) -> Result<$message, DecodeError> {
            let start = reader.clone();
            'canonical: {
                let mut message = <$message>::default();
                if !reader.fixed_map($pairs) {
                    break 'canonical;
                }
                $(
                    if !reader.literal(key!($key)) {
                        break 'canonical;
                    }
                    let Ok(value) = reader.$method() else { break 'canonical };
                    message.$($field).+ = value;
                )+
                return Ok(message);
            }
            #[inline(never)]
            fn any_layout<'a>(reader: &mut Reader<'a>) -> Result<$message, DecodeError> {
                let mut message = <$message>::default();
                for _ in 0..reader.map()? {
                    let key = reader.key()?;
                    $(if key == $key.as_bytes() {
                        message.$($field).+ = reader.$method()?;
                    } else)+ {
                        reader.skip()?;
                    }
                }
                Ok(message)
            }
            *reader = start;
            any_layout(reader)
        }
    };
}

/// Defines the public decoder of one borrowed message on top of its layout.
macro_rules! decoder {
    ($(#[$doc:meta])* $decode:ident, $read:ident -> $message:ty, $pairs:literal $layout:tt) => {
        $(#[$doc])*
        #[inline]
        pub fn $decode<'a>(body: &'a [u8]) -> Result<$message, DecodeError> {
            $read(&mut Reader::new(body))
        }

        layout! { $read -> $message, $pairs $layout }
    };
}

// Below the macros, which it uses.
mod push_pull;

pub use push_pull::{
    NodeTemplate, PUSH_PULL_NODES_MAX, PushPull, PushPullNodes, decode_push_pull,
    encode_node_template, encode_push_pull_header, encode_push_pull_node,
};
pub(crate) use push_pull::{framed_push_pull, read_push_pull_header, skip_canonical_node};

/// Appends a ping (type 0). Empty parts of the source are left out.
pub fn encode_ping(ping: &Ping<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(MessageType::Ping as u8, 2 + source_keys(&ping.source));
    writer.literal(key!("Node"));
    writer.text(ping.node);
    writer.literal(key!("SeqNo"));
    writer.unsigned(ping.seq_no.into());
    encode_source(&ping.source, &mut writer);
}

decoder! {
    /// Decodes a ping (type 0).
    ///
    /// # Errors
    /// [`DecodeError`] if the body is malformed.
    decode_ping, read_ping -> Ping<'a>, 5 {
        "Node" => node: text,
        "SeqNo" => seq_no: u32,
        "SourceAddr" => source.addr: bytes_or_empty,
        "SourceNode" => source.node: text,
        "SourcePort" => source.port: u16,
    }
}

/// Appends an indirect ping (type 1). Empty parts of the source are left out.
pub fn encode_indirect_ping(ping: &IndirectPing<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(MessageType::IndirectPing as u8, 5 + source_keys(&ping.source));
    writer.literal(key!("Nack"));
    writer.boolean(ping.nack);
    writer.literal(key!("Node"));
    writer.text(ping.node);
    writer.literal(key!("Port"));
    writer.unsigned(ping.port.into());
    writer.literal(key!("SeqNo"));
    writer.unsigned(ping.seq_no.into());
    encode_source(&ping.source, &mut writer);
    writer.literal(key!("Target"));
    writer.bytes(ping.target);
}

decoder! {
    /// Decodes an indirect ping (type 1).
    ///
    /// # Errors
    /// [`DecodeError`] if the body is malformed.
    decode_indirect_ping, read_indirect_ping -> IndirectPing<'a>, 8 {
        "Nack" => nack: boolean,
        "Node" => node: text,
        "Port" => port: u16,
        "SeqNo" => seq_no: u32,
        "SourceAddr" => source.addr: bytes_or_empty,
        "SourceNode" => source.node: text,
        "SourcePort" => source.port: u16,
        "Target" => target: bytes,
    }
}

/// Appends an ack (type 2).
pub fn encode_ack(ack: &Ack<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(MessageType::Ack as u8, 2);
    writer.literal(key!("Payload"));
    writer.bytes(ack.payload);
    writer.literal(key!("SeqNo"));
    writer.unsigned(ack.seq_no.into());
}

decoder! {
    /// Decodes an ack (type 2).
    ///
    /// # Errors
    /// [`DecodeError`] if the body is malformed.
    decode_ack, read_ack -> Ack<'a>, 2 {
        "Payload" => payload: bytes,
        "SeqNo" => seq_no: u32,
    }
}

/// Appends a nack (type 11).
pub fn encode_nack(nack: &Nack, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(MessageType::Nack as u8, 1);
    writer.literal(key!("SeqNo"));
    writer.unsigned(nack.seq_no.into());
}

/// Decodes a nack (type 11).
///
/// # Errors
/// [`DecodeError`] if the body is malformed.
pub fn decode_nack(body: &[u8]) -> Result<Nack, DecodeError> {
    read_nack(&mut Reader::new(body))
}

layout! {
    read_nack -> Nack, 1 {
        "SeqNo" => seq_no: u32,
    }
}

/// Appends a suspect (type 3).
pub fn encode_suspect(suspect: &Suspect<'_>, out: &mut Vec<u8>) {
    encode_accusation(MessageType::Suspect, suspect.incarnation, suspect.node, suspect.from, out);
}

/// Bytes that [`encode_suspect`] appends, type byte included.
#[must_use]
pub fn suspect_len(suspect: &Suspect<'_>) -> usize {
    accusation_len(suspect.incarnation, suspect.node, suspect.from)
}

decoder! {
    /// Decodes a suspect (type 3).
    ///
    /// # Errors
    /// [`DecodeError`] if the body is malformed.
    decode_suspect, read_suspect -> Suspect<'a>, 3 {
        "From" => from: text,
        "Incarnation" => incarnation: u32,
        "Node" => node: text,
    }
}

/// Appends a dead or leave (type 5).
pub fn encode_dead(dead: &Dead<'_>, out: &mut Vec<u8>) {
    encode_accusation(MessageType::Dead, dead.incarnation, dead.node, dead.from, out);
}

/// Bytes that [`encode_dead`] appends, type byte included.
#[must_use]
pub fn dead_len(dead: &Dead<'_>) -> usize {
    accusation_len(dead.incarnation, dead.node, dead.from)
}

decoder! {
    /// Decodes a dead or leave (type 5).
    ///
    /// # Errors
    /// [`DecodeError`] if the body is malformed.
    decode_dead, read_dead -> Dead<'a>, 3 {
        "From" => from: text,
        "Incarnation" => incarnation: u32,
        "Node" => node: text,
    }
}

/// Appends an alive (type 4).
pub fn encode_alive(alive: &Alive<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(MessageType::Alive as u8, 6);
    writer.literal(key!("Addr"));
    writer.bytes(alive.addr);
    writer.literal(key!("Incarnation"));
    writer.unsigned(alive.incarnation.into());
    writer.literal(key!("Meta"));
    writer.bytes(alive.meta);
    writer.literal(key!("Node"));
    writer.text(alive.node);
    writer.literal(key!("Port"));
    writer.unsigned(alive.port.into());
    writer.literal(key!("Vsn"));
    writer.bytes(alive.vsn);
}

/// Bytes that [`encode_alive`] appends, type byte included.
#[must_use]
pub fn alive_len(alive: &Alive<'_>) -> usize {
    const FIXED: usize = fixed_len(&["Addr", "Incarnation", "Meta", "Node", "Port", "Vsn"]);
    FIXED
        + bytes_len(alive.addr)
        + unsigned_len(alive.incarnation.into())
        + bytes_len(alive.meta)
        + raw_len(alive.node.len())
        + unsigned_len(alive.port.into())
        + bytes_len(alive.vsn)
}

decoder! {
    /// Decodes an alive (type 4).
    ///
    /// # Errors
    /// [`DecodeError`] if the body is malformed.
    decode_alive, read_alive -> Alive<'a>, 6 {
        "Addr" => addr: bytes,
        "Incarnation" => incarnation: u32,
        "Meta" => meta: bytes,
        "Node" => node: text,
        "Port" => port: u16,
        "Vsn" => vsn: bytes,
    }
}

/// Appends a compressed message (type 9).
pub fn encode_compress(compress: &Compress<'_>, out: &mut Vec<u8>) {
    let mut writer = compress_head(compress.algo, out);
    writer.bytes(compress.buf);
}

/// Appends a compressed message (type 9, LZW) up to where its `buf_bytes` compressed bytes follow.
pub(crate) fn encode_compress_head(buf_bytes: usize, out: &mut Vec<u8>) {
    compress_head(ALGO_LZW, out).bytes_header(buf_bytes);
}

fn compress_head(algo: u8, out: &mut Vec<u8>) -> Writer<'_> {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(MessageType::Compress as u8, 2);
    writer.literal(key!("Algo"));
    writer.unsigned(algo.into());
    writer.literal(key!("Buf"));
    writer
}

decoder! {
    /// Decodes a compressed message (type 9).
    ///
    /// # Errors
    /// [`DecodeError`] if the body is malformed.
    decode_compress, read_compress -> Compress<'a>, 2 {
        "Algo" => algo: u8,
        "Buf" => buf: bytes,
    }
}

/// Appends an error reply (type 13).
pub fn encode_error_reply(reply: &ErrorReply<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(MessageType::Err as u8, 1);
    writer.literal(key!("Error"));
    writer.text(reply.error);
}

decoder! {
    /// Decodes an error reply (type 13).
    ///
    /// # Errors
    /// [`DecodeError`] if the body is malformed.
    decode_error_reply, read_error_reply -> ErrorReply<'a>, 1 {
        "Error" => error: text,
    }
}

/// Appends the header of a user message on a stream (type 8); its bytes follow.
pub fn encode_user_header(header: &UserHeader, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(MessageType::User as u8, 1);
    writer.literal(key!("UserMsgLen"));
    writer.unsigned(header.user_bytes.into());
}

/// Decodes a user message on a stream (type 8): its header, and the announced bytes without what follows them.
///
/// # Errors
/// [`DecodeError`] if the header is malformed, its length is not in `0..=`[`USER_BYTES_MAX`], or bytes are missing.
pub fn decode_user_header(body: &[u8]) -> Result<(UserHeader, &[u8]), DecodeError> {
    let mut reader = Reader::new(body);
    let header = read_user_header(&mut reader)?;
    let bytes = reader.take(usize_from(header.user_bytes))?;
    Ok((header, bytes))
}

/// Reads the header of a user message and checks its length.
pub(crate) fn read_user_header(reader: &mut Reader<'_>) -> Result<UserHeader, DecodeError> {
    let raw = read_raw_user_header(reader)?;
    Ok(UserHeader { user_bytes: bounded(raw.user_bytes, USER_BYTES_MAX, reader)? })
}

/// Header of a user message as the wire has it: signed and unchecked.
#[derive(Default)]
struct RawUserHeader {
    user_bytes: i64,
}

layout! {
    read_raw_user_header -> RawUserHeader, 1 {
        "UserMsgLen" => user_bytes: signed,
    }
}

/// Number of present parts of a source: the keys it takes in a map.
fn source_keys(source: &Source<'_>) -> u8 {
    u8::from(!source.addr.is_empty())
        + u8::from(!source.node.is_empty())
        + u8::from(source.port != 0)
}

fn encode_source(source: &Source<'_>, writer: &mut Writer<'_>) {
    if !source.addr.is_empty() {
        writer.literal(key!("SourceAddr"));
        writer.bytes(Some(source.addr));
    }
    if !source.node.is_empty() {
        writer.literal(key!("SourceNode"));
        writer.text(source.node);
    }
    if source.port != 0 {
        writer.literal(key!("SourcePort"));
        writer.unsigned(source.port.into());
    }
}

/// The common body of suspect and dead.
fn encode_accusation(
    kind: MessageType,
    incarnation: u32,
    node: &str,
    from: &str,
    out: &mut Vec<u8>,
) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(kind as u8, 3);
    writer.literal(key!("From"));
    writer.text(from);
    writer.literal(key!("Incarnation"));
    writer.unsigned(incarnation.into());
    writer.literal(key!("Node"));
    writer.text(node);
}

fn accusation_len(incarnation: u32, node: &str, from: &str) -> usize {
    const FIXED: usize = fixed_len(&["From", "Incarnation", "Node"]);
    FIXED + raw_len(from.len()) + unsigned_len(incarnation.into()) + raw_len(node.len())
}

/// A signed count from the wire as one in `0..=max`.
fn bounded(value: i64, max: u32, reader: &Reader<'_>) -> Result<u32, DecodeError> {
    match u32::try_from(value) {
        Ok(value) if value <= max => Ok(value),
        _ => Err(reader.error(DecodeErrorKind::Limit)),
    }
}

/// A 32-bit length as a `usize`; saturates where that is smaller, which no slice can reach.
pub(crate) fn usize_from(len: u32) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
