//! What the application may ask of a node, and the answers.

use core::net::SocketAddr;

use bytes::Bytes;
use thiserror::Error;

/// A request of the application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Push/pull with every seed, one after the other. Reply: how many answered. Error: none did.
    Join {
        /// Where to try; tried in order.
        seeds: Vec<SocketAddr>,
        /// Deliver user events that happened before the join.
        replay_events: bool,
    },
    /// Announce the departure; done when the announcement was transmitted to its limit or `broadcast_timeout` passed.
    Leave,
    /// Replace the own metadata (Serf: encoded tags). Error: more than 512 bytes.
    SetMeta(Bytes),
    /// Reply: its Lamport time. Error: too large.
    UserEvent {
        /// Name.
        name: Box<str>,
        /// Payload.
        payload: Bytes,
        /// Whether receivers may coalesce it.
        coalesce: bool,
    },
}

/// A successful answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// How many seeds answered the join.
    Joined {
        /// At least 1.
        contacted: u32,
    },
    /// The departure is announced.
    Left,
    /// The new metadata is in effect.
    MetaSet,
    /// The event was accepted and queued.
    EventSent {
        /// Its Lamport time.
        ltime: u64,
    },
}

/// A refused or failed request. State is unchanged unless a variant says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum OpError {
    /// No seed answered, or none agreed to exchange state. State unchanged.
    #[error("no seed answered the join (0 of {tried})")]
    JoinFailed {
        /// How many were tried.
        tried: u32,
    },
    /// The join named no seed. State unchanged.
    #[error("a join needs at least one seed address")]
    NoSeeds,
    /// The node has left or is leaving. State unchanged.
    #[error("the node has left the cluster")]
    NotAlive,
    /// A leave is under way. State unchanged.
    #[error("a leave is already in progress")]
    LeaveInProgress,
    /// Event too large. State unchanged, no Lamport time was used.
    #[error("user event is {size} bytes, the limit is {limit} bytes: shorten name or payload")]
    EventTooLarge {
        /// Size found: name plus payload, or the encoded message.
        size: usize,
        /// The limit that was broken.
        limit: usize,
    },
    /// The event clock has run out of numbers: somebody forged absurd Lamport times. State unchanged.
    #[error("the event clock has reached its limit; restart the cluster's nodes")]
    LamportTimeExhausted,
    /// Metadata too large. State unchanged.
    #[error("metadata is {size} bytes, the limit is {limit} bytes")]
    MetaTooLarge {
        /// Size found.
        size: usize,
        /// 512.
        limit: usize,
    },
}
