//! The snapshot file: the runtime's spare threads write it, so that a slow disk never stops the node.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant as Clock};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use uwasa_core::config::Config;
use uwasa_core::snapshot::{
    COMPACT_BYTES_MIN, DiskAction, Journal, JournalOptions, Record, Restored,
};
use uwasa_core::time::Instant;

use super::narrate::milliseconds;
use crate::task;

/// Actions that wait for the disk. When it hangs that long, the file counts as damaged and is replaced later.
const ACTIONS: usize = 1_024;

/// How long the end of the agent waits for the disk. A file system that hangs may do so for ever.
const PATIENCE: Duration = Duration::from_secs(10);

/// A snapshot file that is kept.
#[derive(Debug)]
pub(super) struct Disk {
    journal: Journal,
    actions: Vec<DiskAction>,
    writer: mpsc::Sender<DiskAction>,
    failures: Option<mpsc::Receiver<io::Error>>,
    task: JoinHandle<()>,
}

impl Disk {
    /// Reads the file, if there is one, and starts its writer.
    ///
    /// # Errors
    ///
    /// It cannot be opened for reading and writing.
    pub(super) fn open(path: &Path, config: &Config) -> io::Result<(Self, Restored)> {
        let mut file = open(path)?;
        let mut bytes = Vec::new();
        let whole = file.read_to_end(&mut bytes);
        let restored = Restored::read(&bytes, config.rejoin_after_leave);
        log_restored(&restored, &bytes, config.rejoin_after_leave);
        let options = JournalOptions {
            rejoin_after_leave: config.rejoin_after_leave,
            compact_bytes_min: COMPACT_BYTES_MIN,
        };
        let mut actions = Vec::new();
        let mut journal = Journal::open(&restored, options, &mut actions);
        if let Err(error) = whole {
            tracing::error!(target: "serf", "Failed to read snapshot: {error}");
            journal.write_failed();
        }
        let (writer, inbox) = mpsc::channel(ACTIONS);
        let (report, failures) = mpsc::channel(1);
        // Of a link, what it leads to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let task = task::spawn(write(file, path, inbox, report));
        let mut disk = Self { journal, actions, writer, failures: Some(failures), task };
        disk.flush();
        Ok((disk, restored))
    }

    /// The disk, and where its failures are reported.
    pub(super) fn split(mut self) -> (Option<Self>, Option<mpsc::Receiver<io::Error>>) {
        let failures = self.failures.take();
        (Some(self), failures)
    }

    /// Takes one record.
    pub(super) fn append(&mut self, record: &Record, now: Instant) {
        let start = Clock::now();
        self.journal.append(record, now, &mut self.actions);
        self.flush();
        metrics::histogram!("serf.snapshot.appendLine").record(milliseconds(start.elapsed()));
    }

    /// When [`Disk::flush_if_due`] is to be called; `None` if nothing waits.
    pub(super) fn flush_due(&self) -> Option<Instant> {
        self.journal.flush_due()
    }

    /// Writes what has waited long enough: nothing may follow it for hours.
    pub(super) fn flush_if_due(&mut self, now: Instant) {
        if self.flush_due().is_some_and(|due| due <= now) {
            self.journal.flush_now(now, &mut self.actions);
            self.flush();
        }
    }

    /// The writer could not carry out an action.
    pub(super) fn write_failed(&mut self) {
        self.journal.write_failed();
    }

    /// Writes what is left, and waits for it.
    pub(super) async fn close(mut self) {
        self.journal.shut_down(&mut self.actions);
        self.flush();
        let Self { writer, task, .. } = self;
        drop(writer);
        // A writer that panicked has nothing more to lose.
        if timeout(PATIENCE, task).await.is_err() {
            tracing::error!(target: "serf", "Failed to write the end of the snapshot in {PATIENCE:?}");
        }
    }

    fn flush(&mut self) {
        for action in self.actions.drain(..) {
            if self.writer.try_send(action).is_err() {
                metrics::counter!("serf.snapshot.overflow").increment(1);
                self.journal.write_failed();
                break;
            }
        }
    }
}

fn log_restored(restored: &Restored, bytes: &[u8], rejoin_after_leave: bool) {
    if rejoin_after_leave && bytes.split(|&byte| byte == b'\n').any(|line| line == b"leave") {
        // Serf reads the file twice and says so twice.
        for _ in 0..2 {
            tracing::info!(target: "serf", "Ignoring previous leave in snapshot");
        }
    }
    if restored.skipped > 0 {
        let lines = restored.skipped;
        tracing::warn!(target: "serf", "Unrecognized snapshot lines: {lines}");
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    options.open(path)
}

/// Hands batches of actions to spare threads, one after the other. After a failure what follows is dropped, up to the
/// next replacement.
async fn write(
    file: File,
    path: PathBuf,
    mut inbox: mpsc::Receiver<DiskAction>,
    report: mpsc::Sender<io::Error>,
) {
    let mut writer = Writer { file, path, damaged: false };
    let mut batch = Vec::new();
    while inbox.recv_many(&mut batch, ACTIONS).await > 0 {
        let actions = std::mem::take(&mut batch);
        let written = tokio::task::spawn_blocking(move || {
            let error = writer.write(actions);
            (writer, error)
        });
        let Ok((back, error)) = written.await else { return };
        writer = back;
        if let Some(error) = error {
            // One report waiting says it all.
            let _ = report.try_send(error);
        }
    }
}

/// The file and how it stands.
struct Writer {
    file: File,
    path: PathBuf,
    /// An action failed: what lies in the file is unknown until it is replaced.
    damaged: bool,
}

impl Writer {
    /// Carries out actions in order; the first error.
    fn write(&mut self, actions: Vec<DiskAction>) -> Option<io::Error> {
        let mut first = None;
        for action in actions {
            if self.damaged && !matches!(action, DiskAction::Replace(_)) {
                continue;
            }
            let done = carry_out(&mut self.file, &self.path, action);
            self.damaged = done.is_err();
            first = first.or(done.err());
        }
        first
    }
}

fn carry_out(file: &mut File, path: &Path, action: DiskAction) -> io::Result<()> {
    match action {
        DiskAction::Truncate { len } => file.set_len(len),
        DiskAction::Write(bytes) => file.write_all(&bytes),
        DiskAction::Sync => file.sync_data(),
        DiskAction::Replace(bytes) => {
            *file = replace(path, &bytes)?;
            Ok(())
        }
    }
}

/// Puts a new file in the place of the old one, so that a crash leaves either of them.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".compact");
    let beside = PathBuf::from(beside);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    let mut new = options.open(&beside)?;
    new.write_all(bytes)?;
    new.sync_all()?;
    std::fs::rename(&beside, path)?;
    if let Some(parent) = path.parent() {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        File::open(parent)?.sync_all()?;
    }
    open(path)
}
