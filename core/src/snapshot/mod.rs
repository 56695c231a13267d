//! The snapshot: a text file that lets a node rejoin its cluster after a restart.
//!
//! Source: serf, snapshot file. Nothing here touches a disk. The node decides with its [`Recorder`] which [`Record`]s
//! are due and emits them; the driver's [`Journal`] turns them into [`DiskAction`]s; [`Restored`] is what a file says.

mod journal;
mod recorder;
mod replay;
#[cfg(test)]
mod tests;

use core::fmt::Display;
use core::net::SocketAddr;

pub use journal::{COMPACT_BYTES_MIN, DiskAction, Journal, JournalOptions};
pub use recorder::{CLOCK_INTERVAL, Recorder};
pub use replay::Restored;

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

impl Record {
    /// Appends the line with its newline.
    ///
    /// Appends nothing for a name with a newline in it ([`Record::fits_a_line`]): whoever may choose a name must not
    /// be able to write records of his own. Such a member is not joined again after a restart.
    pub fn write(&self, out: &mut Vec<u8>) {
        if !self.fits_a_line() {
            return;
        }
        match self {
            Self::Alive { name, addr } => write_alive(name, addr, out),
            Self::NotAlive { name } => {
                out.extend_from_slice(format!("not-alive: {name}\n").as_bytes())
            }
            Self::Clock(time) => out.extend_from_slice(format!("clock: {time}\n").as_bytes()),
            Self::EventClock(time) => {
                out.extend_from_slice(format!("event-clock: {time}\n").as_bytes());
            }
            Self::QueryClock(time) => {
                out.extend_from_slice(format!("query-clock: {time}\n").as_bytes());
            }
            Self::Leave => out.extend_from_slice(b"leave\n"),
        }
    }

    /// Whether the record can be written: false for names that contain a newline.
    #[must_use]
    pub fn fits_a_line(&self) -> bool {
        match self {
            Self::Alive { name, .. } | Self::NotAlive { name } => !name.contains('\n'),
            Self::Clock(_) | Self::EventClock(_) | Self::QueryClock(_) | Self::Leave => true,
        }
    }
}

/// Appends the line of a member.
fn write_alive(name: &str, addr: impl Display, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("alive: {name} {addr}\n").as_bytes());
}

/// Lamport times of a snapshot: the greatest used ones. 0 to 2^64-1; 0: none yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Clocks {
    /// Of member intents: the member clock less one.
    pub member: u64,
    /// Of user events.
    pub event: u64,
    /// Of queries.
    pub query: u64,
}
