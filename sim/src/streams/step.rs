//! What happens on a connection, and what its ends hear of it.

use std::net::SocketAddr;

use uwasa_core::io::{StreamFailure, StreamId};

use crate::scenario::NodeIndex;

/// Something that happens to a connection at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The connection request arrives.
    Request,
    /// The client's kernel asks again.
    RequestAgain,
    /// The client learns that it is connected.
    Established,
    /// The client learns that nobody listens.
    Refused,
    /// The next chunk of a pipe arrives.
    Segment(Side),
    /// The kernel sends again what a pipe could not deliver.
    Again(Side),
    /// This side learns that its peer does not know the connection.
    Abort(Side),
}

/// One end of a connection, and the pipe that starts there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Who dialed.
    Client,
    /// Who accepted.
    Server,
}

impl Side {
    pub(super) const fn index(self) -> usize {
        self as usize
    }

    pub(super) const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Progress on a stream, ready to be handed to a node.
#[derive(Debug)]
pub struct Delivery {
    /// To whom.
    pub node: NodeIndex,
    /// Which stream.
    pub id: StreamId,
    /// What.
    pub what: Delivered,
}

/// What is delivered.
#[derive(Debug)]
pub enum Delivered {
    /// A peer connected.
    Accepted(SocketAddr),
    /// The dial succeeded.
    Connected,
    /// Bytes; give the buffer back with `Streams::recycle`.
    Data(Vec<u8>),
    /// The peer sends no more.
    Finished,
    /// Both directions ended.
    Failed(StreamFailure),
}
