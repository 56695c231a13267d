//! What ends a swarm from outside.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for SIGINT and SIGTERM, or for nothing.
#[derive(Debug)]
pub struct Stop(Option<(Signal, Signal)>);

impl Stop {
    /// The signals of the process.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn signals() -> io::Result<Self> {
        Ok(Self(Some((signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?))))
    }

    /// Nothing: the swarm ends when its time is over.
    #[must_use]
    pub fn never() -> Self {
        Self(None)
    }

    /// Waits until the swarm is to end; every call waits for another signal. Safe to cancel.
    pub(super) async fn asked(&mut self) {
        let Some((interrupt, terminate)) = &mut self.0 else {
            return std::future::pending().await;
        };
        tokio::select! {
            Some(()) = interrupt.recv() => {}
            Some(()) = terminate.recv() => {}
            else => std::future::pending().await,
        }
    }
}
