//! Where records of one agent go: standard output or syslog, the backlog, and RPC monitors.
//!
//! Code logs with `tracing`'s macros and one of the targets `agent`, `agent.ipc`, `agent.mdns`, `serf`, `memberlist`,
//! or with the empty target for the few records of Serf without a subsystem. Records of other targets (of libraries)
//! are ignored. The level `ERROR` is written `ERR`.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{Dispatch, Level};

/// How many records monitors get from before they came, and how many may wait for a monitor.
pub const BACKLOG: usize = 512;

/// How a line is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Format {
    /// `2026/11/22 08:08:39 [INFO] agent: text`.
    #[default]
    Serf,
    /// One JSON object per line.
    Json,
}

/// Reads a level in any case: TRACE DEBUG INFO WARN ERR.
#[must_use]
pub fn parse_level(text: &str) -> Option<Level> {
    let _ = text;
    unimplemented!()
}

/// The log of one agent. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Log {
    shared: Arc<()>,
}

impl Log {
    /// A log that holds its lines back until [`Log::release`]. The dispatch is to be the default of the agent's tasks.
    #[must_use]
    pub fn new(level: Level, format: Format) -> (Self, Dispatch) {
        let _ = (level, format);
        unimplemented!()
    }

    /// Writes the lines held back, and from now on at once.
    pub fn release(&self) {
        let _ = &self.shared;
        unimplemented!()
    }

    /// Changes the least level written.
    pub fn set_level(&self, level: Level) {
        let _ = level;
        unimplemented!()
    }

    /// The backlog of at least `level`, and what follows it. When [`BACKLOG`] lines wait, the newest is dropped and
    /// counted.
    #[must_use]
    pub fn monitor(&self, level: Level) -> Monitor {
        let _ = level;
        unimplemented!()
    }
}

/// A running monitor: lines without the four blanks and without the final newline.
#[derive(Debug)]
pub struct Monitor {
    /// Records from before, oldest first.
    pub backlog: Vec<Arc<str>>,
    /// Records from now on.
    pub lines: mpsc::Receiver<Arc<str>>,
}

impl Monitor {
    /// Records dropped since the last call.
    #[must_use]
    pub fn take_dropped(&self) -> u64 {
        unimplemented!()
    }
}
