//! Bytes to messages and back: the only code that knows the wire format.
//!
//! | module | owns |
//! |---|---|
//! | [`msgpack`] | the msgpack dialect (memberlist protocol, msgpack dialect) |
//! | [`swim`] | one encoder and one decoder per memberlist message |
//! | [`serf`] | one encoder and one decoder per Serf message |
//! | [`tags`] | tags in a member's metadata |
//! | [`coordinate`] | the coordinate in the payload of an ack |
//! | [`lzw`], [`seal`] | compression and AES-GCM |
//! | [`packet`] | the datagram pipeline: label, seal, checksum, compression, compound |
//! | [`stream`] | framing of the one message a stream carries |
//!
//! Nothing here keeps protocol state, and nothing read from the network can panic, recurse or allocate beyond a
//! stated limit.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

pub mod coordinate;
pub mod lzw;
pub mod msgpack;
pub mod packet;
pub mod seal;
pub mod serf;
pub mod stream;
pub mod swim;
pub mod tags;
