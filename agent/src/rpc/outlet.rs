//! The way to one client: whole records, one after the other, and the end of the connection if it does not read.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Mutex, Notify};
use tokio::time::timeout;

/// How long a client may not take a single byte of what is written to it.
const STALL_MAX: Duration = Duration::from_secs(30);

/// The writing half of a connection.
pub(super) type WriteHalf = Box<dyn AsyncWrite + Send + Unpin>;

/// Where the responses and the records of one connection go. Whoever writes waits for whoever writes already, so that
/// a client that does not read stops its own requests and fills its own queues, and nothing else.
pub(super) struct Outlet {
    /// `None` after a failure: what was written may end inside a record.
    half: Mutex<Option<WriteHalf>>,
    given_up: Notify,
    stall_max: Duration,
}

impl Outlet {
    pub(super) fn new(half: WriteHalf) -> Self {
        Self { half: Mutex::new(Some(half)), given_up: Notify::new(), stall_max: STALL_MAX }
    }

    /// As [`Outlet::new`], with another patience.
    #[cfg(test)]
    pub(super) fn with_patience(half: WriteHalf, stall_max: Duration) -> Self {
        Self { stall_max, ..Self::new(half) }
    }

    /// Writes one record, in one call to the system if there is room for it. Not to be cancelled unless the connection
    /// ends.
    ///
    /// # Errors
    /// The system's, or `TimedOut`; the connection is to be closed then.
    pub(super) async fn send(&self, record: &[u8]) -> io::Result<()> {
        let mut half = self.half.lock().await;
        let open = half.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        let written = write(open, record, self.stall_max).await;
        if written.is_err() {
            *half = None;
            self.give_up();
        }
        written
    }

    /// The connection is to end.
    pub(super) fn give_up(&self) {
        self.given_up.notify_one();
    }

    /// Returns when a write has failed, or the connection is to end for another reason.
    pub(super) async fn given_up(&self) {
        self.given_up.notified().await;
    }
}

async fn write(half: &mut WriteHalf, mut rest: &[u8], stall_max: Duration) -> io::Result<()> {
    while !rest.is_empty() {
        let Ok(written) = timeout(stall_max, half.write(rest)).await else {
            metrics::counter!("agent.ipc.stalled").increment(1);
            return Err(io::Error::new(io::ErrorKind::TimedOut, "i/o timeout"));
        };
        match written? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => rest = &rest[count..],
        }
    }
    Ok(())
}
