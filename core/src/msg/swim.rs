//! Memberlist messages: membership, probing, anti-entropy (`memberlist` protocol 1 to 5).
//!
//! Byte strings are `Option<&[u8]>`: `None` is the wire's nil, `Some(&[])` a present empty string. The two mean the
//! same everywhere and differ only when a message must be written back unchanged.

/// Message number: the first byte of every message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// Direct probe.
    Ping = 0,
    /// Request to probe somebody else.
    IndirectPing = 1,
    /// Answer to a probe.
    Ack = 2,
    /// A member is suspected.
    Suspect = 3,
    /// A member is alive (join, refutation, metadata change).
    Alive = 4,
    /// A member is dead, or leaves (`From == Node`).
    Dead = 5,
    /// Full state exchange, streams only.
    PushPull = 6,
    /// Several messages in one datagram.
    Compound = 7,
    /// A message of the layer above.
    User = 8,
    /// LZW-compressed message.
    Compress = 9,
    /// Encrypted frame, streams only.
    Encrypt = 10,
    /// A relay got no answer in time.
    Nack = 11,
    /// Datagram with checksum.
    HasCrc = 12,
    /// Error reply, streams only.
    Err = 13,
    /// Label header, outermost only.
    Label = 244,
}

impl MessageType {
    /// The type for a first byte, if it is one.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Ping,
            1 => Self::IndirectPing,
            2 => Self::Ack,
            3 => Self::Suspect,
            4 => Self::Alive,
            5 => Self::Dead,
            6 => Self::PushPull,
            7 => Self::Compound,
            8 => Self::User,
            9 => Self::Compress,
            10 => Self::Encrypt,
            11 => Self::Nack,
            12 => Self::HasCrc,
            13 => Self::Err,
            244 => Self::Label,
            _ => return None,
        })
    }
}

/// Where an answer should go: raw address (4 or 16 bytes), name and port of the asker. Each part may be missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Source<'a> {
    /// Raw IP; left out when empty.
    pub addr: &'a [u8],
    /// Port; left out when 0.
    pub port: u16,
    /// Name of the asker; left out when empty.
    pub node: &'a str,
}

/// Type 0: a direct probe.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ping<'a> {
    /// Correlates the ack.
    pub seq_no: u32,
    /// Name of the intended receiver; empty means anyone.
    pub node: &'a str,
    /// Where to send the ack.
    pub source: Source<'a>,
}

/// Type 1: please probe `node` for me.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IndirectPing<'a> {
    /// The asker's number, to be used in ack and nack.
    pub seq_no: u32,
    /// Raw IP of the target.
    pub target: Option<&'a [u8]>,
    /// Port of the target; 0 means the receiver's own bind port.
    pub port: u16,
    /// Name of the target.
    pub node: &'a str,
    /// Whether a nack is wanted when the target stays silent.
    pub nack: bool,
    /// The asker.
    pub source: Source<'a>,
}

/// Type 2: answer to a ping.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ack<'a> {
    /// Number of the ping.
    pub seq_no: u32,
    /// Bytes of the layer above (Serf: a network coordinate).
    pub payload: Option<&'a [u8]>,
}

/// Type 11: the relay heard nothing yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Nack {
    /// Number of the indirect ping.
    pub seq_no: u32,
}

/// Type 3: `from` suspects `node`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Suspect<'a> {
    /// Incarnation under suspicion.
    pub incarnation: u32,
    /// The suspect.
    pub node: &'a str,
    /// The accuser; travels on unchanged.
    pub from: &'a str,
}

/// Type 4: `node` is alive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Alive<'a> {
    /// First value is 1, never 0.
    pub incarnation: u32,
    /// The member's name.
    pub node: &'a str,
    /// Raw IP, 4 or 16 bytes.
    pub addr: Option<&'a [u8]>,
    /// Port; 0 means the receiver's bind port.
    pub port: u16,
    /// Metadata, at most 512 bytes by rule of the sender.
    pub meta: Option<&'a [u8]>,
    /// Six version bytes: protocol min, max, current; delegate min, max, current.
    pub vsn: Option<&'a [u8]>,
}

/// Type 5: `node` is dead; `from == node` means it leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Dead<'a> {
    /// Incarnation declared dead.
    pub incarnation: u32,
    /// The member.
    pub node: &'a str,
    /// Who says so; travels on unchanged.
    pub from: &'a str,
}

/// Type 9: a compressed message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Compress<'a> {
    /// 0 is LZW; nothing else exists.
    pub algo: u8,
    /// The compressed bytes.
    pub buf: Option<&'a [u8]>,
}

/// Type 13: error reply on a stream. Never match on its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ErrorReply<'a> {
    /// Human-readable reason.
    pub error: &'a str,
}

/// Header of a push/pull message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PushPullHeader {
    /// Number of member entries that follow.
    pub nodes: u32,
    /// Bytes of user state after the entries.
    pub user_state_bytes: u32,
    /// Whether the initiator is joining.
    pub join: bool,
}

/// One member in a push/pull message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PushPullNode<'a> {
    /// The member's name.
    pub name: &'a str,
    /// Raw IP, 4 or 16 bytes.
    pub addr: Option<&'a [u8]>,
    /// Port; 0 means the receiver's bind port.
    pub port: u16,
    /// Metadata.
    pub meta: Option<&'a [u8]>,
    /// Incarnation.
    pub incarnation: u32,
    /// State number: 0 alive, 1 suspect, 2 dead, 3 left; others are ignored by receivers.
    pub state: i64,
    /// Six version bytes.
    pub vsn: Option<&'a [u8]>,
}

/// Header of a user message on a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct UserHeader {
    /// Bytes that follow.
    pub user_bytes: u32,
}
