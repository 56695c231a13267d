//! Encoders and decoders of the memberlist messages (memberlist protocol, bodies; push/pull message).
//!
//! Encoders append the type byte and the body, keys in byte order, exactly as Go's codec does. Decoders take the body
//! without its type byte, ignore what follows the map, and check form only: rules such as "a name is not empty" are
//! the receiver's. Every decoder first tries the layout our encoder writes, which is what nearly every peer sends,
//! and reads key by key if that does not match.

use crate::msg::swim::{
    Ack, Alive, Compress, Dead, ErrorReply, IndirectPing, MessageType, Nack, Ping, PushPullHeader,
    PushPullNode, Source, Suspect, UserHeader,
};
use crate::wire::msgpack::{
    DecodeError, DecodeErrorKind, Dialect, Reader, Writer, bytes_len, fixed_len, key, raw_len,
    unsigned_len,
};

/// Most member entries in one push/pull message.
pub const PUSH_PULL_NODES_MAX: u32 = 1_048_576;
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

/// Defines the public decoder of one message on top of its layout.
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

decoder! {
    /// Decodes a nack (type 11).
    ///
    /// # Errors
    /// [`DecodeError`] if the body is malformed.
    decode_nack, read_nack -> Nack, 1 {
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

/// Appends the header of a push/pull message (type 6); the entries and the user state follow.
pub fn encode_push_pull_header(header: &PushPullHeader, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.message(MessageType::PushPull as u8, 3);
    writer.literal(key!("Join"));
    writer.boolean(header.join);
    writer.literal(key!("Nodes"));
    writer.unsigned(header.nodes.into());
    writer.literal(key!("UserStateLen"));
    writer.unsigned(header.user_state_bytes.into());
}

/// Appends one member entry of a push/pull message; it has no type byte.
pub fn encode_push_pull_node(node: &PushPullNode<'_>, out: &mut Vec<u8>) {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.fixed_map(7);
    writer.literal(key!("Addr"));
    writer.bytes(node.addr);
    writer.literal(key!("Incarnation"));
    writer.unsigned(node.incarnation.into());
    writer.literal(key!("Meta"));
    writer.bytes(node.meta);
    writer.literal(key!("Name"));
    writer.text(node.name);
    writer.literal(key!("Port"));
    writer.unsigned(node.port.into());
    writer.literal(key!("State"));
    writer.signed(node.state);
    writer.literal(key!("Vsn"));
    writer.bytes(node.vsn);
}

/// The encoded push/pull entry of one profile with incarnation and state cut out.
///
/// Nearly all entries of an exchange repeat what both sides know. Writing and recognising them by whole pieces instead
/// of field by field makes ten thousand of them cheap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NodeTemplate<'a> {
    /// Up to the incarnation.
    pub head: &'a [u8],
    /// Between incarnation and state.
    pub middle: &'a [u8],
    /// After the state.
    pub tail: &'a [u8],
}

/// Appends the pieces of a [`NodeTemplate`] back to back; returns where in `out` the first and the second end. The
/// incarnation and state of `node` are not used.
pub fn encode_node_template(node: &PushPullNode<'_>, out: &mut Vec<u8>) -> [usize; 2] {
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.fixed_map(7);
    writer.literal(key!("Addr"));
    writer.bytes(node.addr);
    writer.literal(key!("Incarnation"));
    let incarnation = out.len();
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.literal(key!("Meta"));
    writer.bytes(node.meta);
    writer.literal(key!("Name"));
    writer.text(node.name);
    writer.literal(key!("Port"));
    writer.unsigned(node.port.into());
    writer.literal(key!("State"));
    let state = out.len();
    let mut writer = Writer::new(out, Dialect::Gossip);
    writer.literal(key!("Vsn"));
    writer.bytes(node.vsn);
    [incarnation, state]
}

impl NodeTemplate<'_> {
    /// Appends the entry, exactly as [`encode_push_pull_node`] would.
    #[inline]
    pub fn encode(&self, incarnation: u32, state: u8, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head);
        Writer::new(out, Dialect::Gossip).unsigned(incarnation.into());
        out.extend_from_slice(self.middle);
        Writer::new(out, Dialect::Gossip).unsigned(state.into());
        out.extend_from_slice(self.tail);
    }
}

/// A push/pull message whose framing has been checked: all entries and the whole user state are there.
#[derive(Clone, Debug)]
pub struct PushPull<'a> {
    /// Its header; counts are within the limits.
    pub header: PushPullHeader,
    nodes: Reader<'a>,
    user_state: &'a [u8],
}

impl<'a> PushPull<'a> {
    /// The member entries, in wire order.
    #[must_use]
    pub fn nodes(&self) -> PushPullNodes<'a> {
        PushPullNodes { reader: self.nodes.clone(), left: self.header.nodes }
    }

    /// State of the layer above; empty if there is none.
    #[must_use]
    pub fn user_state(&self) -> &'a [u8] {
        self.user_state
    }
}

/// Member entries of a push/pull message. A malformed one is an error in its place; the ones after it still follow.
#[derive(Clone, Debug)]
pub struct PushPullNodes<'a> {
    reader: Reader<'a>,
    left: u32,
}

impl PushPullNodes<'_> {
    /// Takes the next entry if it is that of `template`; returns its incarnation and state number.
    #[inline]
    pub fn next_like(&mut self, template: &NodeTemplate<'_>) -> Option<(u32, u64)> {
        let left = self.left.checked_sub(1)?;
        let mut reader = self.reader.clone();
        if !reader.piece(template.head) {
            return None;
        }
        let incarnation = u32::try_from(reader.unsigned().ok()?).ok()?;
        if !reader.piece(template.middle) {
            return None;
        }
        let state = reader.unsigned().ok()?;
        if !reader.piece(template.tail) {
            return None;
        }
        (self.reader, self.left) = (reader, left);
        Some((incarnation, state))
    }
}

impl<'a> Iterator for PushPullNodes<'a> {
    type Item = Result<PushPullNode<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let start = self.reader.clone();
        let node = read_push_pull_node(&mut self.reader);
        if node.is_err() {
            self.reader = start;
            // The framing was checked, so this cannot fail; if it did, there would be nothing left to read.
            if self.reader.skip().is_err() {
                self.left = 0;
            }
        }
        Some(node)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize_from(self.left), Some(usize_from(self.left)))
    }
}

layout! {
    read_push_pull_node -> PushPullNode<'a>, 7 {
        "Addr" => addr: bytes,
        "Incarnation" => incarnation: u32,
        "Meta" => meta: bytes,
        "Name" => name: text,
        "Port" => port: u16,
        "State" => state: signed,
        "Vsn" => vsn: bytes,
    }
}

/// Decodes a push/pull message (type 6). The header is read and the framing of everything after it checked; bytes
/// after the user state are ignored.
///
/// # Errors
/// [`DecodeError`] if the header is malformed, its counts are not in `0..=`[`PUSH_PULL_NODES_MAX`] and
/// `0..=`[`USER_BYTES_MAX`], or entries or state are cut short.
pub fn decode_push_pull(body: &[u8]) -> Result<PushPull<'_>, DecodeError> {
    let mut reader = Reader::new(body);
    let header = read_push_pull_header(&mut reader)?;
    let nodes = reader.clone();
    for _ in 0..header.nodes {
        if !skip_canonical_node(&mut reader) {
            reader.skip()?;
        }
    }
    let user_state = reader.take(usize_from(header.user_state_bytes))?;
    Ok(PushPull { header, nodes, user_state })
}

/// As [`decode_push_pull`] for the body of a stream message, which ends with its user state and whose framing the
/// stream reader has checked already.
pub(crate) fn framed_push_pull(body: &[u8]) -> Result<PushPull<'_>, DecodeError> {
    let mut reader = Reader::new(body);
    let header = read_push_pull_header(&mut reader)?;
    let user_state_at = body.len().saturating_sub(usize_from(header.user_state_bytes));
    let user_state = body.get(user_state_at..).unwrap_or_default();
    Ok(PushPull { header, nodes: reader, user_state })
}

/// Header of a push/pull message as the wire has it: signed and unchecked.
#[derive(Default)]
struct RawPushPullHeader {
    nodes: i64,
    user_state_bytes: i64,
    join: bool,
}

layout! {
    read_raw_push_pull_header -> RawPushPullHeader, 3 {
        "Join" => join: boolean,
        "Nodes" => nodes: signed,
        "UserStateLen" => user_state_bytes: signed,
    }
}

/// Reads the header of a push/pull message and checks its counts.
pub(crate) fn read_push_pull_header(
    reader: &mut Reader<'_>,
) -> Result<PushPullHeader, DecodeError> {
    let raw = read_raw_push_pull_header(reader)?;
    Ok(PushPullHeader {
        nodes: bounded(raw.nodes, PUSH_PULL_NODES_MAX, reader)?,
        user_state_bytes: bounded(raw.user_state_bytes, USER_BYTES_MAX, reader)?,
        join: raw.join,
    })
}

/// Steps over an entry in the layout of [`encode_push_pull_node`]; stays and returns false if it has another one or
/// is cut short.
#[inline]
pub(crate) fn skip_canonical_node(reader: &mut Reader<'_>) -> bool {
    let start = reader.clone();
    let skipped = reader.fixed_map(7)
        && reader.literal(key!("Addr"))
        && reader.raw().is_ok()
        && reader.literal(key!("Incarnation"))
        && reader.unsigned().is_ok()
        && reader.literal(key!("Meta"))
        && reader.raw().is_ok()
        && reader.literal(key!("Name"))
        && reader.raw().is_ok()
        && reader.literal(key!("Port"))
        && reader.unsigned().is_ok()
        && reader.literal(key!("State"))
        && reader.signed().is_ok()
        && reader.literal(key!("Vsn"))
        && reader.raw().is_ok();
    if !skipped {
        *reader = start;
    }
    skipped
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
