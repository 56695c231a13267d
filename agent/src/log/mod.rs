//! Where records of one agent go: standard output or syslog, the backlog, and RPC monitors.
//!
//! Code logs with `tracing`'s macros and one of the targets `agent`, `agent.ipc`, `agent.mdns`, `serf`, `memberlist`,
//! or with the empty target for the few records of Serf without a subsystem. Records of other targets (of libraries)
//! are ignored. The level `ERROR` is written `ERR`.
//!
//! Records are written by whoever logs, as Serf does. A reader of standard output that stops reading does not stop the
//! agent: lines that cannot be written are counted, and the first one that can be again says how many are missing.

pub(crate) mod clock;
mod format;
pub(crate) mod stdout;
mod syslog;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use metrics::counter;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

use clock::Wall;
use format::{Scratch, json, json_note, serf_note};
pub(crate) use syslog::Syslog;

/// How many records monitors get from before they came, and how many may wait for a monitor.
pub(crate) const BACKLOG: usize = 512;

/// The backlog of an agent that is one of many in a process.
const QUIET_BACKLOG: usize = 64;

/// The backlog forgets earlier when its records are longer than Serf's own ever are together.
const BACKLOG_BYTES: usize = 1 << 20;

/// Lines held back before the release; further ones replace the oldest.
const HELD_LINES: usize = 1 << 16;

/// Targets whose records are the agent's.
const TARGETS: [&str; 6] = ["agent", "agent.ipc", "agent.mdns", "serf", "memberlist", ""];

thread_local! {
    /// Per thread and not per log, so that a value that logs while it is formatted finds no lock held.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// How a line is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Format {
    /// `2026/11/22 08:08:39 [INFO] agent: text`.
    #[default]
    Serf,
    /// One JSON object per line.
    Json,
}

/// Reads a level in any case: TRACE DEBUG INFO WARN ERR.
#[must_use]
pub(crate) fn parse_level(text: &str) -> Option<Level> {
    let levels = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];
    let name = text.to_uppercase();
    levels.into_iter().find(|level| format::level_name(*level) == name)
}

/// The log of one agent. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    shared: Arc<Shared>,
}

impl Log {
    /// A log that holds its lines back until [`Log::release`]. The dispatch is to be the default of the agent's tasks.
    #[must_use]
    pub(crate) fn new(level: Level, format: Format) -> (Self, Dispatch) {
        Self::to(level, format, Box::new(stdout::Stdout::default()))
    }

    /// A log that prints nothing and keeps a short backlog of records of at least `level`: for an agent that is one of
    /// many in a process. Monitors never get lesser records from it.
    #[must_use]
    pub(crate) fn quiet(level: Level) -> (Self, Dispatch) {
        Self::with(Shared {
            format: Format::Serf,
            least: level,
            capacity: QUIET_BACKLOG,
            state: Mutex::new(State::new(level, Output::None)),
        })
    }

    /// Like [`Log::new`], with lines going to `output`, each in one write.
    #[must_use]
    pub(crate) fn to(
        level: Level,
        format: Format,
        output: Box<dyn Write + Send>,
    ) -> (Self, Dispatch) {
        let output = Output::Held { held: VecDeque::new(), output };
        Self::with(Shared {
            format,
            least: Level::TRACE,
            capacity: BACKLOG,
            state: Mutex::new(State::new(level, output)),
        })
    }

    fn with(shared: Shared) -> (Self, Dispatch) {
        let shared = Arc::new(shared);
        let dispatch = Dispatch::new(Subscribed(Arc::clone(&shared)));
        (Self { shared }, dispatch)
    }

    /// Writes the lines held back, and from now on at once.
    pub(crate) fn release(&self) {
        let mut state = self.shared.lock();
        state.output = match std::mem::replace(&mut state.output, Output::None) {
            Output::Held { held, mut output } => {
                for line in held {
                    if !write_line(&mut output, self.shared.format, &line) {
                        state.lost += 1;
                    }
                }
                Output::Open(output)
            }
            other @ (Output::Open(_) | Output::None) => other,
        };
    }

    /// Changes the least level written. A quiet log keeps the level that it was made with.
    pub(crate) fn set_level(&self, level: Level) {
        self.shared.lock().level = level;
    }

    /// Sends records of at least the level written to syslog too, from now on and without regard to the release.
    pub(crate) fn attach_syslog(&self, syslog: Syslog) {
        self.shared.lock().syslog = Some(syslog);
    }

    /// The backlog of at least `level`, and what follows it. When [`BACKLOG`] lines wait, the newest is dropped and
    /// counted.
    #[must_use]
    pub(crate) fn monitor(&self, level: Level) -> Monitor {
        let (sender, lines) = mpsc::channel(BACKLOG);
        let dropped = Arc::new(AtomicU64::new(0));
        let mut state = self.shared.lock();
        let kept = state.backlog.iter().filter(|(of, _)| *of <= level);
        let backlog = kept.map(|(_, line)| Arc::clone(line)).collect();
        // Those who have gone are found by records otherwise, and it may be long until one of their level.
        state.monitors.retain(|known| !known.sender.is_closed());
        state.monitors.push(Listener { level, sender, dropped: Arc::clone(&dropped) });
        Monitor { backlog, lines, dropped }
    }
}

/// A running monitor: lines without the four blanks and without the final newline.
#[derive(Debug)]
pub(crate) struct Monitor {
    /// Records from before, oldest first.
    pub backlog: Vec<Arc<str>>,
    /// Records from now on.
    pub lines: mpsc::Receiver<Arc<str>>,
    dropped: Arc<AtomicU64>,
}

impl Monitor {
    /// Records dropped since the last call.
    #[must_use]
    pub(crate) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

#[derive(Debug)]
struct Shared {
    format: Format,
    /// Lesser records are not even kept.
    least: Level,
    capacity: usize,
    state: Mutex<State>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who asked for live records.
struct Listener {
    level: Level,
    sender: mpsc::Sender<Arc<str>>,
    dropped: Arc<AtomicU64>,
}

enum Output {
    Held { held: VecDeque<Arc<str>>, output: Box<dyn Write + Send> },
    Open(Box<dyn Write + Send>),
    None,
}

struct State {
    level: Level,
    output: Output,
    /// Lines that could not be written since the last one that could.
    lost: u64,
    syslog: Option<Syslog>,
    backlog: VecDeque<(Level, Arc<str>)>,
    backlog_bytes: usize,
    monitors: Vec<Listener>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("State");
        out.field("level", &self.level)
            .field("backlog", &self.backlog.len())
            .finish_non_exhaustive()
    }
}

impl State {
    fn new(level: Level, output: Output) -> Self {
        let (backlog, monitors) = (VecDeque::new(), Vec::new());
        Self { level, output, lost: 0, syslog: None, backlog, backlog_bytes: 0, monitors }
    }

    fn keep(&mut self, capacity: usize, level: Level, line: &Arc<str>) {
        self.backlog_bytes += line.len();
        self.backlog.push_back((level, Arc::clone(line)));
        while self.backlog.len() > capacity || self.backlog_bytes > BACKLOG_BYTES {
            let Some((_, oldest)) = self.backlog.pop_front() else { break };
            self.backlog_bytes -= oldest.len();
        }
    }

    fn tell_monitors(&mut self, level: Level, line: &Arc<str>) {
        self.monitors.retain(|monitor| {
            if level > monitor.level {
                return true;
            }
            match monitor.sender.try_send(Arc::clone(line)) {
                Ok(()) => true,
                Err(TrySendError::Full(_)) => {
                    monitor.dropped.fetch_add(1, Ordering::Relaxed);
                    true
                }
                Err(TrySendError::Closed(_)) => false,
            }
        });
    }

    /// Writes a line, or holds it back; if a line is lost, what that counts as.
    fn print(&mut self, format: Format, line: &Arc<str>, now: Wall) -> Option<&'static str> {
        match &mut self.output {
            Output::Open(output) => {
                if self.lost > 0 {
                    let note = match format {
                        Format::Serf => serf_note(now, self.lost),
                        Format::Json => json_note(now, self.lost),
                    };
                    if write_line(output, format, &note) {
                        self.lost = 0;
                    }
                }
                if self.lost > 0 || !write_line(output, format, line) {
                    self.lost += 1;
                    return Some("log.dropped");
                }
            }
            Output::Held { held, .. } => {
                held.push_back(Arc::clone(line));
                if held.len() > HELD_LINES {
                    held.pop_front();
                    return Some("log.held.dropped");
                }
            }
            Output::None => {}
        }
        None
    }
}

/// In one write, so that lines of several processes with one standard output do not mix. False if that failed: a reader
/// that went away is no reason to stop.
fn write_line(output: &mut dyn Write, format: Format, line: &str) -> bool {
    let blanks = match format {
        Format::Serf => "    ",
        Format::Json => "",
    };
    let written = output.write_all([blanks, line, "\n"].concat().as_bytes());
    written.and_then(|()| output.flush()).is_ok()
}

/// What `tracing` knows of a log.
struct Subscribed(Arc<Shared>);

impl Subscriber for Subscribed {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
            && *metadata.level() <= self.0.least
            && TARGETS.contains(&metadata.target())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::from_level(self.0.least))
    }

    fn event(&self, event: &Event<'_>) {
        let shared = &*self.0;
        let (now, level) = (Wall::now(), *event.metadata().level());
        let mut scratch = SCRATCH.take();
        let (line, rest) = scratch.serf(event, now);
        let line: Arc<str> = Arc::from(line);
        scratch.shrink();
        SCRATCH.set(scratch);

        let object = (shared.format == Format::Json).then(|| Arc::from(json(event, now)));
        let mut state = shared.lock();
        state.keep(shared.capacity, level, &line);
        state.tell_monitors(level, &line);
        if level > state.level {
            return;
        }
        if let Some(syslog) = &mut state.syslog {
            syslog.send(level, now, line.get(rest..).unwrap_or_default());
        }
        if let Some(lost) = state.print(shared.format, object.as_ref().unwrap_or(&line), now) {
            drop(state);
            counter!(lost).increment(1);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
