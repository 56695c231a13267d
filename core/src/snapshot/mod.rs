//! Snapshot records: what a node writes to be able to rejoin after a restart.

use core::net::SocketAddr;

/// One line of the snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// A member joined.
    Alive {
        /// Its name.
        name: Box<str>,
        /// Its address.
        addr: SocketAddr,
    },
    /// A member left or failed.
    NotAlive {
        /// Its name.
        name: Box<str>,
    },
    /// The member clock, the last time used.
    Clock(u64),
    /// Lamport time of the newest user event.
    EventClock(u64),
    /// Lamport time of the newest query.
    QueryClock(u64),
    /// This node left.
    Leave,
}
