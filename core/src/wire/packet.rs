//! The datagram pipeline, both ways (memberlist protocol, containers on datagrams; labels; room).
//!
//! Outermost first: `label ( encrypt ( crc ( compress ( compound ( messages )))))`, each layer optional.

use smallvec::SmallVec;

use crate::config::LABEL_BYTES_MAX;
use crate::msg::swim::MessageType;
use crate::rng::Rng;
use crate::stats::{DropReason, Stats};
use crate::wire::lzw::{Compressor, Decompressor};
use crate::wire::seal::{self, Sealer};
use crate::wire::swim::{ALGO_LZW, decode_compress, encode_compress_head};

/// Most messages in one compound that we send: old receivers miscount from 128 upward.
pub const PARTS_MAX: usize = 127;
/// Most messages, containers included, looked at in one received datagram; the rest is dropped.
pub const VISITS_MAX: usize = 1_024;
/// Most bytes inflated from one received datagram, all compressed messages in it together: 1 MiB.
pub const INFLATED_BYTES_MAX: usize = 1024 * 1024;
/// Deepest nesting of compounds, and of compressed messages, that is followed.
pub const NESTING_MAX: usize = 2;

/// Bytes of a label header in front of the label.
const LABEL_HEADER_BYTES: usize = 2;
/// Bytes of the checksum header.
const CRC_HEADER_BYTES: usize = 5;
/// Bytes of the compound header before the part lengths.
const COMPOUND_HEADER_BYTES: usize = 2;
/// Bytes per part in the compound header.
const PART_LEN_BYTES: usize = 2;
/// Longest head of a compressed message: type byte, map, keys, algorithm, length of up to 32 bits.
const COMPRESS_HEAD_BYTES_MAX: usize = 17;
/// Room kept in front of outgoing messages, so that every header can be put there without moving them.
const HEADROOM: usize = LABEL_HEADER_BYTES
    + LABEL_BYTES_MAX
    + CRC_HEADER_BYTES
    + COMPOUND_HEADER_BYTES
    + PARTS_MAX * PART_LEN_BYTES;

/// What a node's configuration says about packets and streams.
#[derive(Clone, Copy, Debug)]
pub struct PacketRules<'a> {
    /// Cluster label, at most 255 bytes; empty: none.
    pub label: &'a str,
    /// The label header was checked and removed in front of us; one that is still there is an error.
    pub skip_inbound_label_check: bool,
    /// Keys; a disabled one means plaintext.
    pub sealer: &'a Sealer,
    /// Encryption version to send, 0 or 1: 0 when speaking protocol version 1.
    pub seal_version: u8,
    /// With keys: drop what is not encrypted.
    pub verify_incoming: bool,
    /// With keys: encrypt what is sent.
    pub verify_outgoing: bool,
    /// Compress what is sent.
    pub compression: bool,
}

impl PacketRules<'_> {
    /// Whether outgoing bytes are encrypted.
    #[must_use]
    pub fn seals(&self) -> bool {
        self.verify_outgoing && self.sealer.is_enabled()
    }

    /// Checks the label found on input; empty means there was no label header.
    pub(crate) fn check_label(&self, found: &[u8]) -> Result<(), DropReason> {
        let expected = if self.skip_inbound_label_check { &[] } else { self.label.as_bytes() };
        // Two empty ones first: comparing zero bytes at a dangling address can cost libc's `memcmp` 100 ns (*measured*,
        // masked AVX-512 load).
        if (found.is_empty() && expected.is_empty()) || found == expected {
            Ok(())
        } else {
            Err(DropReason::Label)
        }
    }

    /// The label header to send; empty without a label.
    pub(crate) fn label_header(&self) -> SmallVec<[u8; 32]> {
        let mut header = SmallVec::new();
        if !self.label.is_empty() {
            let len = u8::try_from(self.label.len()).expect("a label is at most 255 bytes");
            header.extend_from_slice(&[MessageType::Label as u8, len]);
            header.extend_from_slice(self.label.as_bytes());
        }
        header
    }

    /// Bytes that the label header takes.
    fn label_header_bytes(&self) -> usize {
        if self.label.is_empty() { 0 } else { LABEL_HEADER_BYTES + self.label.len() }
    }
}

/// What comes first on a datagram or a stream.
pub(crate) struct Labelled<'a> {
    /// The label; empty if there was no label header.
    pub(crate) label: &'a [u8],
    /// What follows the label header.
    pub(crate) rest: &'a [u8],
}

/// Splits a label header off, if there is one. `None` if more bytes are needed to tell.
pub(crate) fn split_label(bytes: &[u8]) -> Result<Option<Labelled<'_>>, DropReason> {
    match bytes {
        [] => Ok(None),
        [first, rest @ ..] if *first == MessageType::Label as u8 => match rest {
            [] => Ok(None),
            [0, ..] => Err(DropReason::Label),
            [len, rest @ ..] => Ok(rest
                .split_at_checked(usize::from(*len))
                .map(|(label, rest)| Labelled { label, rest })),
        },
        _ => Ok(Some(Labelled { label: &[], rest: bytes })),
    }
}

/// Bytes for gossip messages in one datagram, each of which takes two more for its length.
///
/// Encryption is subtracted whenever there is a key, sent encrypted or not. The checksum header is not counted.
#[must_use]
pub fn gossip_room(packet_bytes_max: usize, rules: &PacketRules<'_>) -> usize {
    let sealing = if rules.sealer.is_enabled() { seal::overhead(rules.seal_version) } else { 0 };
    packet_bytes_max
        .saturating_sub(COMPOUND_HEADER_BYTES)
        .saturating_sub(rules.label_header_bytes())
        .saturating_sub(sealing)
}

/// Bytes for messages that ride along with one of `message_len` bytes, each of which takes two more for its length.
#[must_use]
pub fn piggyback_room(
    packet_bytes_max: usize,
    message_len: usize,
    rules: &PacketRules<'_>,
) -> usize {
    let sealing = if rules.seals() { seal::overhead(rules.seal_version) } else { 0 };
    packet_bytes_max
        .saturating_sub(message_len)
        .saturating_sub(COMPOUND_HEADER_BYTES)
        .saturating_sub(rules.label_header_bytes())
        .saturating_sub(sealing)
}

/// Which bytes a [`Span`] points into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    /// The datagram as received.
    Datagram,
    /// What was decrypted.
    Plain,
    /// What was inflated from one of the two above.
    InflatedOnce,
    /// What was inflated from inflated bytes.
    InflatedTwice,
}

/// A message somewhere in the datagram or in the scratch buffers.
#[derive(Clone, Copy, Debug)]
struct Span {
    source: Source,
    start: usize,
    end: usize,
}

/// A message still to be looked at.
#[derive(Clone, Copy, Debug)]
struct Visit {
    span: Span,
    /// Compounds around it.
    compounds: usize,
    /// Compressed messages around it.
    compressions: usize,
}

/// The messages of one received datagram. Keep it and unpack the next datagram into it: its buffers are reused.
#[derive(Debug, Default)]
pub struct Unpacked {
    parts: SmallVec<[Span; 4]>,
    pending: Vec<Visit>,
    scratch: Scratch,
    decompressor: Option<Decompressor>,
}

/// Bytes that are not in the datagram itself.
#[derive(Debug, Default)]
struct Scratch {
    plain: Vec<u8>,
    inflated: [Vec<u8>; NESTING_MAX],
}

impl Scratch {
    fn slice<'a>(&'a self, datagram: &'a [u8], span: Span) -> &'a [u8] {
        let [once, twice] = &self.inflated;
        let source = match span.source {
            Source::Datagram => datagram,
            Source::Plain => &self.plain,
            Source::InflatedOnce => once,
            Source::InflatedTwice => twice,
        };
        source.get(span.start..span.end).unwrap_or_default()
    }
}

impl Unpacked {
    /// Takes a datagram apart, replacing what was held before. Whatever is dropped on the way is counted in `stats`,
    /// nothing else is; the messages left are complete, of a type that datagrams may carry, and undecoded.
    pub fn unpack(&mut self, bytes: &[u8], rules: &PacketRules<'_>, stats: &mut Stats) {
        self.parts.clear();
        match self.unwrap_layers(bytes, rules) {
            // By far the most frequent case, kept out of the loop.
            Ok(span) if is_leaf(self.scratch.slice(bytes, span)) => self.parts.push(span),
            Ok(span) => self.dispatch(bytes, span, stats),
            Err(reason) => stats.drop(reason),
        }
    }

    /// Number of messages.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// Message number `index`, type byte included; `bytes` must be the datagram that was unpacked. Empty for an index
    /// out of range.
    #[inline]
    #[must_use]
    pub fn message<'a>(&'a self, bytes: &'a [u8], index: usize) -> &'a [u8] {
        self.parts.get(index).map_or(&[], |&span| self.scratch.slice(bytes, span))
    }

    /// Label, encryption and checksum.
    fn unwrap_layers(&mut self, bytes: &[u8], rules: &PacketRules<'_>) -> Result<Span, DropReason> {
        if bytes.is_empty() {
            return Err(DropReason::Empty);
        }
        let Labelled { label, rest } = split_label(bytes)?.ok_or(DropReason::Label)?;
        rules.check_label(label)?;
        let start = bytes.len() - rest.len();
        let mut span = Span { source: Source::Datagram, start, end: bytes.len() };
        if rules.sealer.is_enabled() {
            self.scratch.plain.clear();
            let aad = [rules.label.as_bytes(), &[]];
            if rules.sealer.open(rest, aad, &mut self.scratch.plain).is_ok() {
                span = Span { source: Source::Plain, start: 0, end: self.scratch.plain.len() };
            } else if rules.verify_incoming {
                return Err(DropReason::Decrypt);
            }
        }
        let message = self.scratch.slice(bytes, span);
        if message.first() == Some(&(MessageType::HasCrc as u8))
            && let Some((header, body)) = message.split_first_chunk::<CRC_HEADER_BYTES>()
        {
            let [_, crc @ ..] = *header;
            if crc32fast::hash(body) != u32::from_be_bytes(crc) {
                return Err(DropReason::Checksum);
            }
            span.start += CRC_HEADER_BYTES;
        }
        Ok(span)
    }

    /// Looks at `first` and at every message inside it, in order, without recursion.
    fn dispatch(&mut self, bytes: &[u8], first: Span, stats: &mut Stats) {
        self.pending.clear();
        for inflated in &mut self.scratch.inflated {
            inflated.clear();
        }
        let mut budget = INFLATED_BYTES_MAX;
        let mut visits = 0;
        let mut next = Some(Visit { span: first, compounds: 0, compressions: 0 });
        while let Some(visit) = next {
            visits += 1;
            if visits > VISITS_MAX {
                stats.drop(DropReason::Compound);
                return;
            }
            let message = self.scratch.slice(bytes, visit.span);
            match message.first() {
                _ if is_leaf(message) => self.parts.push(visit.span),
                None => stats.drop(DropReason::Empty),
                Some(&kind) if kind == MessageType::Compound as u8 => {
                    self.split(bytes, visit, stats);
                }
                Some(&kind) if kind == MessageType::Compress as u8 => {
                    self.inflate(bytes, visit, &mut budget, stats);
                }
                Some(_) => stats.drop(DropReason::MessageType),
            }
            next = self.pending.pop();
        }
    }

    /// Queues the parts of a compound, first part on top.
    fn split(&mut self, bytes: &[u8], visit: Visit, stats: &mut Stats) {
        let message = self.scratch.slice(bytes, visit.span);
        let header = match message {
            [_, count, rest @ ..] if visit.compounds < NESTING_MAX => {
                rest.split_at_checked(usize::from(*count) * PART_LEN_BYTES)
            }
            _ => None,
        };
        let Some((lengths, bodies)) = header else {
            return stats.drop(DropReason::Compound);
        };
        let below = self.pending.len();
        let mut start = visit.span.end - bodies.len();
        for &length in lengths.as_chunks::<PART_LEN_BYTES>().0 {
            let end = start + usize::from(u16::from_be_bytes(length));
            if end > visit.span.end {
                stats.drop(DropReason::Compound);
                break;
            }
            let span = Span { start, end, ..visit.span };
            self.pending.push(Visit { span, compounds: visit.compounds + 1, ..visit });
            start = end;
        }
        if let Some(parts) = self.pending.get_mut(below..) {
            parts.reverse();
        }
    }

    /// Queues what a compressed message holds. Failed attempts use up the budget too, or a packet full of them would
    /// cost far more than its size.
    fn inflate(&mut self, bytes: &[u8], visit: Visit, budget: &mut usize, stats: &mut Stats) {
        let (index, source) = match visit.compressions {
            0 => (0, Source::InflatedOnce),
            1 => (1, Source::InflatedTwice),
            _ => return stats.drop(DropReason::Decompress),
        };
        let Some(slot) = self.scratch.inflated.get_mut(index) else {
            return stats.drop(DropReason::Decompress);
        };
        let mut output = core::mem::take(slot);
        let start = output.len();
        let message = self.scratch.slice(bytes, visit.span);
        let decompressor = self.decompressor.get_or_insert_default();
        let result = inflate_message(decompressor, message, *budget, &mut output);
        *budget = budget.saturating_sub(output.len() - start);
        match result {
            Ok(()) => {
                let span = Span { source, start, end: output.len() };
                self.pending.push(Visit { span, compressions: visit.compressions + 1, ..visit });
            }
            Err(reason) => {
                output.truncate(start);
                stats.drop(reason);
            }
        }
        if let Some(slot) = self.scratch.inflated.get_mut(index) {
            *slot = output;
        }
    }
}

/// Whether a message may travel in a datagram and is not a container.
fn is_leaf(message: &[u8]) -> bool {
    let Some(kind) = message.first().and_then(|&kind| MessageType::from_byte(kind)) else {
        return false;
    };
    matches!(
        kind,
        MessageType::Ping
            | MessageType::IndirectPing
            | MessageType::Ack
            | MessageType::Suspect
            | MessageType::Alive
            | MessageType::Dead
            | MessageType::User
            | MessageType::Nack
    )
}

/// Appends what a complete compressed message (type byte first) holds to `out`; after an error, part of it.
pub(crate) fn inflate_message(
    decompressor: &mut Decompressor,
    message: &[u8],
    limit: usize,
    out: &mut Vec<u8>,
) -> Result<(), DropReason> {
    let body = message.get(1..).unwrap_or_default();
    let compress = decode_compress(body).map_err(|_| DropReason::Decode)?;
    if compress.algo != ALGO_LZW {
        return Err(DropReason::Decompress);
    }
    let input = compress.buf.unwrap_or_default();
    decompressor.decompress(input, limit, out).map_err(|_| DropReason::Decompress)
}

/// Builds one datagram from whole messages. Keep it and clear it for the next one: its buffers are reused.
#[derive(Debug, Default)]
pub struct Packer {
    /// `HEADROOM` bytes, then the messages back to back.
    messages: Vec<u8>,
    /// Where each message ends in `messages`.
    ends: SmallVec<[usize; 8]>,
    /// `HEADROOM` bytes, then the compressed bytes.
    compressed: Vec<u8>,
    head: Vec<u8>,
    sealed: Vec<u8>,
    compressor: Option<Compressor>,
}

impl Packer {
    /// Forgets all messages.
    pub fn clear(&mut self) {
        self.messages.truncate(HEADROOM);
        self.ends.clear();
    }

    /// Whether there are no messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Number of messages.
    #[must_use]
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// Bytes of all messages together, without a compound header.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.messages.len().saturating_sub(HEADROOM)
    }

    /// Appends one whole message, type byte included. `encode` may only append to its vector, and must append 1 to
    /// 65,535 bytes. Panics at more than [`PARTS_MAX`] messages.
    pub fn push(&mut self, encode: impl FnOnce(&mut Vec<u8>)) {
        assert!(self.count() < PARTS_MAX, "at most {PARTS_MAX} messages fit into a packet");
        if self.messages.is_empty() {
            self.messages.resize(HEADROOM, 0);
        }
        let start = self.messages.len();
        encode(&mut self.messages);
        let end = self.messages.len();
        assert!(end > start, "a message is not empty");
        assert!(end - start <= usize::from(u16::MAX), "a message fits into a datagram");
        self.ends.push(end);
    }

    /// The finished datagram: one message as it is, several as a compound; compressed if that is shorter, with a
    /// checksum if `crc`, encrypted, labelled. Can be called again, for the next target: only the nonce will differ.
    /// Draws from `rng` only when encrypting. Panics without messages.
    pub fn seal(&mut self, rules: &PacketRules<'_>, crc: bool, rng: &mut Rng) -> &[u8] {
        assert!(!self.is_empty(), "a packet needs a message");
        let mut start = HEADROOM;
        if self.count() > 1 {
            let header = self.compound_header();
            start = prepend(&mut self.messages, start, &header);
        }
        let mut buffer = &mut self.messages;
        if rules.compression {
            let message = buffer.get(start..).unwrap_or_default();
            let compressor = self.compressor.get_or_insert_default();
            if compress_if_shorter(compressor, message, &mut self.head, &mut self.compressed) {
                buffer = &mut self.compressed;
                start = prepend(buffer, HEADROOM, &self.head);
            }
        }
        if crc {
            let crc = crc32fast::hash(buffer.get(start..).unwrap_or_default());
            let [a, b, c, d] = crc.to_be_bytes();
            start = prepend(buffer, start, &[MessageType::HasCrc as u8, a, b, c, d]);
        }
        let label = rules.label_header();
        if rules.seals() {
            let message = buffer.get(start..).unwrap_or_default();
            self.sealed.clear();
            self.sealed.extend_from_slice(&label);
            let aad = [rules.label.as_bytes(), &[]];
            rules.sealer.seal(rules.seal_version, rng, aad, message, &mut self.sealed);
            return &self.sealed;
        }
        start = prepend(buffer, start, &label);
        buffer.get(start..).unwrap_or_default()
    }

    fn compound_header(&self) -> SmallVec<[u8; 256]> {
        let mut header = SmallVec::new();
        let count = u8::try_from(self.count()).expect("a packet has at most 127 messages");
        header.extend_from_slice(&[MessageType::Compound as u8, count]);
        let mut start = HEADROOM;
        for &end in &self.ends {
            let len = u16::try_from(end - start).expect("checked when it was pushed");
            header.extend_from_slice(&len.to_be_bytes());
            start = end;
        }
        header
    }
}

/// Copies `header` into `buffer` so that it ends at `end`; returns where it starts.
fn prepend(buffer: &mut [u8], end: usize, header: &[u8]) -> usize {
    let start = end.checked_sub(header.len()).expect("the headroom fits every header");
    buffer.get_mut(start..end).expect("the headroom exists").copy_from_slice(header);
    start
}

/// Compresses `message` to `out` behind the headroom and writes the head of the compressed message to `head`; false
/// unless head and compressed bytes together are shorter than `message`.
fn compress_if_shorter(
    compressor: &mut Compressor,
    message: &[u8],
    head: &mut Vec<u8>,
    out: &mut Vec<u8>,
) -> bool {
    head.clear();
    encode_compress_head(0, head);
    let Some(limit) = message.len().checked_sub(head.len() + 1) else { return false };
    out.resize(HEADROOM, 0);
    out.truncate(HEADROOM);
    if !compressor.compress_within(message, limit, out) {
        return false;
    }
    let compressed = out.len() - HEADROOM;
    head.clear();
    encode_compress_head(compressed, head);
    head.len() + compressed < message.len()
}

const _: () = assert!(
    COMPRESS_HEAD_BYTES_MAX + CRC_HEADER_BYTES + LABEL_HEADER_BYTES + LABEL_BYTES_MAX <= HEADROOM,
    "the headroom also fits what goes in front of compressed bytes"
);

#[cfg(test)]
mod tests;
