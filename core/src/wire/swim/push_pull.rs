//! The push/pull message: header, one entry per member, user state (memberlist protocol, push/pull message).

use super::{USER_BYTES_MAX, bounded, usize_from};
use crate::msg::swim::{MessageType, PushPullHeader, PushPullNode};
use crate::wire::msgpack::{DecodeError, Dialect, Reader, Writer, key};

/// Most member entries in one push/pull message.
pub const PUSH_PULL_NODES_MAX: u32 = 1_048_576;

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
    write_head(node, &mut writer);
    writer.unsigned(node.incarnation.into());
    write_middle(node, &mut writer);
    writer.signed(node.state);
    write_tail(node, &mut writer);
}

/// What stands before the incarnation of an entry.
fn write_head(node: &PushPullNode<'_>, writer: &mut Writer<'_>) {
    writer.fixed_map(7);
    writer.literal(key!("Addr"));
    writer.bytes(node.addr);
    writer.literal(key!("Incarnation"));
}

/// What stands between incarnation and state.
fn write_middle(node: &PushPullNode<'_>, writer: &mut Writer<'_>) {
    writer.literal(key!("Meta"));
    writer.bytes(node.meta);
    writer.literal(key!("Name"));
    writer.text(node.name);
    writer.literal(key!("Port"));
    writer.unsigned(node.port.into());
    writer.literal(key!("State"));
}

/// What stands after the state.
fn write_tail(node: &PushPullNode<'_>, writer: &mut Writer<'_>) {
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
    write_head(node, &mut Writer::new(out, Dialect::Gossip));
    let incarnation = out.len();
    write_middle(node, &mut Writer::new(out, Dialect::Gossip));
    let state = out.len();
    write_tail(node, &mut Writer::new(out, Dialect::Gossip));
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
    node_bytes: &'a [u8],
    user_state: &'a [u8],
}

impl<'a> PushPull<'a> {
    /// The member entries, in wire order.
    #[must_use]
    pub fn nodes(&self) -> PushPullNodes<'a> {
        PushPullNodes { reader: self.nodes.clone(), left: self.header.nodes }
    }

    /// All member entries as they came.
    pub(crate) fn node_bytes(&self) -> &'a [u8] {
        self.node_bytes
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
    let node_bytes = nodes.before(&reader);
    let user_state = reader.take(usize_from(header.user_state_bytes))?;
    Ok(PushPull { header, nodes, node_bytes, user_state })
}

/// As [`decode_push_pull`] for the body of a stream message, which ends with its user state and whose framing the
/// stream reader has checked already.
pub(crate) fn framed_push_pull(body: &[u8]) -> Result<PushPull<'_>, DecodeError> {
    let mut reader = Reader::new(body);
    let header = read_push_pull_header(&mut reader)?;
    let user_state_at = body.len().saturating_sub(usize_from(header.user_state_bytes));
    let user_state = body.get(user_state_at..).unwrap_or_default();
    let node_bytes = body.get(reader.offset()..user_state_at).unwrap_or_default();
    Ok(PushPull { header, nodes: reader, node_bytes, user_state })
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
