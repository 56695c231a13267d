//! Framing of the one message that a stream carries in each direction (memberlist protocol, streams; stream frame).
//!
//! ```text
//! [ label header, initiator only ]
//! either  0a | u32 length | sealed( message )
//! or      message
//! message = type byte + body, possibly wrapped once as compress
//! ```
//!
//! A plain message has no overall length: its end is found by walking over it, item by item, as bytes arrive.

use crate::config::LABEL_BYTES_MAX;
use crate::msg::swim::MessageType;
use crate::rng::Rng;
use crate::stats::DropReason;
use crate::wire::lzw::{Compressor, Decompressor};
use crate::wire::msgpack::{DecodeError, DecodeErrorKind, Reader, Skipper};
use crate::wire::packet::{PacketRules, inflate_message, split_label};
use crate::wire::seal;
use crate::wire::swim::{
    encode_compress_head, read_push_pull_header, read_user_header, skip_canonical_node, usize_from,
};

/// Largest sealed blob in a frame: 20 MiB.
pub const FRAME_BYTES_MAX: u32 = 20 * 1024 * 1024;
/// Most bytes inflated from one message: 40 MiB.
pub const INFLATED_BYTES_MAX: usize = 40 * 1024 * 1024;
/// Largest message that comes unencrypted, as on the wire: 64 MiB.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Type byte and length in front of a sealed blob.
const FRAME_HEADER_BYTES: usize = 5;
/// Most bytes kept of one stream.
const STREAM_BYTES_MAX: usize = MESSAGE_BYTES_MAX + LABEL_BYTES_MAX + 2;

/// Why a stream is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamError {
    /// For the counters.
    pub reason: DropReason,
    /// In the peers' words, for people.
    pub text: &'static str,
    /// Whether to send the text as an error reply before closing.
    pub reply: bool,
}

/// One complete message from a stream. Equal if type and body are.
#[derive(Clone, Debug)]
pub struct StreamMessage {
    kind: MessageType,
    bytes: Vec<u8>,
    /// Where the body starts in `bytes`; the type byte stands before it. The body ends where `bytes` ends.
    body: usize,
}

impl PartialEq for StreamMessage {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, self.body()) == (other.kind, other.body())
    }
}

impl Eq for StreamMessage {}

impl StreamMessage {
    /// Its type: ping, push/pull or user on an accepted stream; ack, push/pull or error on a dialed one.
    #[must_use]
    pub fn kind(&self) -> MessageType {
        self.kind
    }

    /// What follows the type byte, up to the end of the message. Its framing is sound; it may still fail to decode.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.bytes.get(self.body..).unwrap_or_default()
    }

    /// The message with its type byte.
    #[must_use]
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.drain(..self.body - 1);
        self.bytes
    }
}

/// Which end of the stream we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    Inbound,
    Outbound,
}

/// What comes next on the stream.
#[derive(Debug)]
enum Stage {
    /// A label header, or the first byte of something else.
    Label,
    /// The type byte of the outermost layer.
    Kind,
    /// The rest of a frame.
    Frame,
    /// The rest of a compressed message.
    Compress(Walk),
    /// The rest of a message.
    Message(MessageType, Walk),
    /// Nothing: the message was handed out, or the stream given up.
    Done,
}

/// Collects the bytes of one direction of one stream until its message is complete.
///
/// A stream that ends before that is not an error of this type: close it without a reply.
#[derive(Debug)]
pub struct StreamReader {
    side: Side,
    stage: Stage,
    /// Bytes from the start of the stream, or of the unsealed or inflated message.
    buffer: Vec<u8>,
    /// Where the current layer starts in `buffer`.
    start: usize,
    /// No more bytes can come: `buffer` was unsealed or inflated.
    whole: bool,
}

impl StreamReader {
    /// For a stream that a peer opened: a label header is expected if a label is configured, and the message is a
    /// ping, a push/pull or a user message.
    #[must_use]
    pub fn inbound() -> Self {
        Self::new(Side::Inbound, Stage::Label)
    }

    /// For the answer on a stream that we opened: it has no label header, and is an ack, a push/pull or an error.
    /// Errors never ask for a reply.
    #[must_use]
    pub fn outbound() -> Self {
        Self::new(Side::Outbound, Stage::Kind)
    }

    fn new(side: Side, stage: Stage) -> Self {
        Self { side, stage, buffer: Vec::new(), start: 0, whole: false }
    }

    /// Bytes kept so far.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Takes the next bytes, cut anywhere. `Ok(None)`: the message is not complete yet. Bytes after the message, and
    /// all bytes after this has returned a message or an error, are ignored.
    ///
    /// Time and memory are linear in the bytes received, up to [`FRAME_BYTES_MAX`], [`MESSAGE_BYTES_MAX`] and
    /// [`INFLATED_BYTES_MAX`].
    ///
    /// # Errors
    /// [`StreamError`]: give the stream up. Only failures to unwrap (encryption, compression) carry a reply.
    pub fn push(
        &mut self,
        chunk: &[u8],
        rules: &PacketRules<'_>,
    ) -> Result<Option<StreamMessage>, StreamError> {
        if matches!(self.stage, Stage::Done) {
            return Ok(None);
        }
        let room = STREAM_BYTES_MAX.saturating_sub(self.buffer.len());
        self.buffer.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
        let result = match self.advance(rules) {
            Ok(None) if self.buffer.len() >= STREAM_BYTES_MAX => Err(silent(DropReason::Decode)),
            result => result,
        };
        if !matches!(result, Ok(None)) {
            self.stage = Stage::Done;
            self.buffer = Vec::new();
        }
        result
    }

    /// Goes through the stages as far as the bytes reach.
    fn advance(&mut self, rules: &PacketRules<'_>) -> Result<Option<StreamMessage>, StreamError> {
        loop {
            let bytes = self.buffer.get(self.start..).unwrap_or_default();
            match &mut self.stage {
                Stage::Label => {
                    let Some(split) = split_label(bytes).map_err(silent)? else {
                        return Ok(None);
                    };
                    rules.check_label(split.label).map_err(silent)?;
                    self.start = self.buffer.len() - split.rest.len();
                    self.stage = Stage::Kind;
                }
                Stage::Kind => {
                    let Some(&kind) = bytes.first() else { return Ok(None) };
                    self.stage = self.outer_stage(kind, rules)?;
                }
                Stage::Frame => {
                    let Some(plain) = self.open_frame(rules)? else { return Ok(None) };
                    self.replace(plain);
                    self.stage = self.unsealed_stage()?;
                }
                Stage::Compress(walk) => {
                    let ended = walk.over_map(bytes);
                    if self.end_of(ended, DropReason::Decompress, true)?.is_none() {
                        return Ok(None);
                    }
                    let plain = self.inflate()?;
                    self.replace(plain);
                    self.stage = self.inflated_stage()?;
                }
                Stage::Message(kind, walk) => {
                    let kind = *kind;
                    let ended = walk.over_message(kind, bytes);
                    let end = self.end_of(ended, DropReason::Decode, false)?;
                    return Ok(end.map(|end| self.finish(kind, end)));
                }
                Stage::Done => return Ok(None),
            }
        }
    }

    /// What follows the outermost type byte.
    fn outer_stage(&self, kind: u8, rules: &PacketRules<'_>) -> Result<Stage, StreamError> {
        let kind = MessageType::from_byte(kind);
        if kind == Some(MessageType::Encrypt) {
            return if rules.sealer.is_enabled() {
                Ok(Stage::Frame)
            } else {
                Err(self.failure(
                    DropReason::Decrypt,
                    "Remote state is encrypted and encryption is not configured",
                ))
            };
        }
        if rules.sealer.is_enabled() && rules.verify_incoming {
            return Err(self.failure(
                DropReason::Decrypt,
                "Encryption is configured but remote state is not encrypted",
            ));
        }
        self.plain_stage(kind)
    }

    /// What follows the type byte of an unencrypted or unsealed message.
    fn plain_stage(&self, kind: Option<MessageType>) -> Result<Stage, StreamError> {
        match kind {
            Some(MessageType::Compress) => Ok(Stage::Compress(Walk::new())),
            kind => self.message_stage(kind),
        }
    }

    /// What follows the type byte of the innermost message.
    fn message_stage(&self, kind: Option<MessageType>) -> Result<Stage, StreamError> {
        use MessageType::{Ack, Err as ErrorReply, Ping, PushPull, User};
        match (self.side, kind) {
            (Side::Inbound, Some(kind @ (Ping | PushPull | User)))
            | (Side::Outbound, Some(kind @ (Ack | PushPull | ErrorReply))) => {
                Ok(Stage::Message(kind, Walk::new()))
            }
            _ => Err(silent(DropReason::MessageType)),
        }
    }

    /// The plaintext of the frame, if all of it is here.
    fn open_frame(&self, rules: &PacketRules<'_>) -> Result<Option<Vec<u8>>, StreamError> {
        let bytes = self.buffer.get(self.start..).unwrap_or_default();
        let Some((header, rest)) = bytes.split_first_chunk::<FRAME_HEADER_BYTES>() else {
            return Ok(None);
        };
        let [_, len @ ..] = *header;
        let len = u32::from_be_bytes(len);
        if len > FRAME_BYTES_MAX {
            return Err(self.failure(DropReason::Decrypt, "encrypted message is above 20 MiB"));
        }
        let Some(blob) = rest.get(..usize_from(len)) else { return Ok(None) };
        let mut plain = Vec::new();
        rules.sealer.open(blob, [header, rules.label.as_bytes()], &mut plain).map_err(|_| {
            self.failure(DropReason::Decrypt, "No installed keys could decrypt the message")
        })?;
        Ok(Some(plain))
    }

    /// What an unsealed message is.
    fn unsealed_stage(&self) -> Result<Stage, StreamError> {
        match self.buffer.first() {
            Some(&kind) => self.plain_stage(MessageType::from_byte(kind)),
            None => Err(self.failure(DropReason::Empty, "encrypted message is empty")),
        }
    }

    /// The content of the compressed message, all of which is here.
    fn inflate(&self) -> Result<Vec<u8>, StreamError> {
        let message = self.buffer.get(self.start..).unwrap_or_default();
        let mut plain = Vec::new();
        // A stream carries one message: there is nothing to keep the decompressor for.
        inflate_message(&mut Decompressor::default(), message, INFLATED_BYTES_MAX, &mut plain)
            .map_err(|reason| self.failure(reason, "message cannot be decompressed"))?;
        Ok(plain)
    }

    /// What an inflated message is; it is not unwrapped any further.
    fn inflated_stage(&self) -> Result<Stage, StreamError> {
        self.message_stage(self.buffer.first().and_then(|&kind| MessageType::from_byte(kind)))
    }

    /// Goes on with the content of a container, all of which is known.
    fn replace(&mut self, bytes: Vec<u8>) {
        self.buffer = bytes;
        self.start = 0;
        self.whole = true;
    }

    /// Turns the outcome of a walk into the end of the message. Running out of bytes is an error only where no more
    /// can come.
    fn end_of(
        &self,
        ended: Result<usize, DecodeError>,
        reason: DropReason,
        unwrapping: bool,
    ) -> Result<Option<usize>, StreamError> {
        match ended {
            Ok(end) => Ok(Some(end)),
            Err(error) if error.kind == DecodeErrorKind::End && !self.whole => Ok(None),
            Err(_) if unwrapping => Err(self.failure(reason, "message cannot be decompressed")),
            Err(_) => Err(silent(reason)),
        }
    }

    /// Hands out the message that ends `end` bytes after the start of its layer.
    fn finish(&mut self, kind: MessageType, end: usize) -> StreamMessage {
        let mut bytes = core::mem::take(&mut self.buffer);
        bytes.truncate(self.start + end);
        StreamMessage { kind, bytes, body: self.start + 1 }
    }

    /// A failure to unwrap, which is the only kind that gets a reply, and only from the accepting side.
    fn failure(&self, reason: DropReason, text: &'static str) -> StreamError {
        StreamError { reason, text, reply: self.side == Side::Inbound }
    }
}

fn silent(reason: DropReason) -> StreamError {
    StreamError { reason, text: "message cannot be read", reply: false }
}

/// A walk over a message to its end that can pause wherever the bytes end: what was walked over is not read again,
/// except for the start of one item.
#[derive(Debug)]
struct Walk {
    /// Bytes of the message walked over, its type byte included.
    at: usize,
    /// The value that is being walked over.
    skipper: Skipper,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// In the map that every message starts with.
    Map,
    /// In the entries of a push/pull: this many are not complete, the current one included.
    Nodes { left: u32, entered: bool, user_state_bytes: u32 },
    /// In the raw bytes at the end of the message.
    Raw { end: usize },
}

impl Walk {
    fn new() -> Self {
        Self { at: 1, skipper: Skipper::new(1), step: Step::Map }
    }

    /// Walks over a message that is just a map; returns its length. `End`: call again with more bytes.
    fn over_map(&mut self, message: &[u8]) -> Result<usize, DecodeError> {
        let mut reader = Reader::new(message.get(self.at..).unwrap_or_default());
        let result = self.skipper.run(&mut reader);
        self.at += reader.offset();
        result.map(|()| self.at)
    }

    /// As [`Walk::over_map`], for a message of any type that streams carry.
    fn over_message(&mut self, kind: MessageType, message: &[u8]) -> Result<usize, DecodeError> {
        loop {
            match self.step {
                Step::Map => {
                    self.over_map(message)?;
                    self.step = self.after_map(kind, message.get(1..).unwrap_or_default())?;
                }
                Step::Nodes { left, entered, user_state_bytes } => {
                    self.over_nodes(message, left, entered, user_state_bytes)?;
                    self.step =
                        Step::Raw { end: self.at.saturating_add(usize_from(user_state_bytes)) };
                }
                Step::Raw { end } if message.len() >= end => return Ok(end),
                Step::Raw { .. } => return Err(Reader::new(message).error(DecodeErrorKind::End)),
            }
        }
    }

    /// What follows the map of a message.
    fn after_map(&self, kind: MessageType, body: &[u8]) -> Result<Step, DecodeError> {
        let mut reader = Reader::new(body);
        if kind == MessageType::PushPull {
            let header = read_push_pull_header(&mut reader)?;
            let (left, user_state_bytes) = (header.nodes, header.user_state_bytes);
            return Ok(Step::Nodes { left, entered: false, user_state_bytes });
        }
        let raw =
            if kind == MessageType::User { read_user_header(&mut reader)?.user_bytes } else { 0 };
        Ok(Step::Raw { end: self.at.saturating_add(usize_from(raw)) })
    }

    fn over_nodes(
        &mut self,
        message: &[u8],
        mut left: u32,
        mut entered: bool,
        user_state_bytes: u32,
    ) -> Result<(), DecodeError> {
        let mut reader = Reader::new(message.get(self.at..).unwrap_or_default());
        let mut result = Ok(());
        while left > 0 {
            if !entered {
                if skip_canonical_node(&mut reader) {
                    left -= 1;
                    continue;
                }
                self.skipper = Skipper::new(1);
                entered = true;
            }
            result = self.skipper.run(&mut reader);
            if result.is_err() {
                break;
            }
            left -= 1;
            entered = false;
        }
        self.at += reader.offset();
        self.step = Step::Nodes { left, entered, user_state_bytes };
        result
    }
}

/// Whether a message goes onto a stream as it is: [`encode_stream`] would only copy it.
#[must_use]
pub fn goes_plain(rules: &PacketRules<'_>, initiator: bool) -> bool {
    !rules.compression && !rules.seals() && (!initiator || rules.label.is_empty())
}

/// Appends `message` (type byte first) as it goes onto a stream to `out`: with a label header if we opened the stream,
/// compressed whenever compression is on, even if that makes it longer, and sealed if encryption is on. Draws from
/// `rng` only when sealing. Peers refuse frames above [`FRAME_BYTES_MAX`].
pub fn encode_stream(
    message: &[u8],
    rules: &PacketRules<'_>,
    initiator: bool,
    rng: &mut Rng,
    out: &mut Vec<u8>,
) {
    assert!(!message.is_empty(), "a message has a type byte");
    if initiator {
        out.extend_from_slice(&rules.label_header());
    }
    let mut compressed = Vec::new();
    let message = if rules.compression {
        let mut bytes = Vec::new();
        Compressor::default().compress(message, &mut bytes);
        encode_compress_head(bytes.len(), &mut compressed);
        compressed.extend_from_slice(&bytes);
        &compressed
    } else {
        message
    };
    if !rules.seals() {
        out.extend_from_slice(message);
        return;
    }
    let len = seal::sealed_len(rules.seal_version, message.len());
    let [a, b, c, d] = u32::try_from(len).expect("a message is far below 4 GiB").to_be_bytes();
    let header = [MessageType::Encrypt as u8, a, b, c, d];
    out.extend_from_slice(&header);
    rules.sealer.seal(rules.seal_version, rng, [&header, rules.label.as_bytes()], message, out);
}

#[cfg(test)]
mod tests;
