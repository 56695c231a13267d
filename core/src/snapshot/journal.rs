//! The life of a snapshot file: buffering, syncing, compaction, recovery from errors.

use core::mem;
use core::time::Duration;
use std::collections::BTreeMap;

use super::{Clocks, Record, Restored, write_alive};
use crate::time::{Instant, duration_nanos};

/// Size in bytes below which Serf never compacts a snapshot.
pub const COMPACT_BYTES_MIN: u64 = 128 * 1_024;
/// Room in a compacted file for each member, twice what a line is expected to take.
const COMPACT_BYTES_PER_MEMBER: u64 = 2 * 128;
/// Most bytes that wait for a flush.
const BUFFER_BYTES: usize = 4_096;
/// An append that comes later than this after the one that flushed last flushes again.
const FLUSH_INTERVAL: Duration = Duration::from_millis(500);
/// Pause between two attempts to replace a damaged file.
const RECOVERY_INTERVAL: Duration = Duration::from_secs(30);

/// What to do to the file next. Actions are carried out in order; see [`Journal`] for errors.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DiskAction {
    /// Cut the file to this length: its tail is a record that a crash tore.
    Truncate {
        /// New length in bytes.
        len: u64,
    },
    /// Append these bytes; they need not end with a whole line.
    Write(Vec<u8>),
    /// Wait until all that was written is on the medium.
    Sync,
    /// Exchange the content for this one, so that a crash leaves either the old or the new file: write a new file
    /// beside, sync it, rename it over the old one, sync the directory.
    Replace(Vec<u8>),
}

/// How to keep the file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct JournalOptions {
    /// A leave keeps the members, so that the next start joins them again.
    pub rejoin_after_leave: bool,
    /// Size in bytes that the file may reach in any case before it is compacted; [`COMPACT_BYTES_MIN`].
    pub compact_bytes_min: u64,
}

/// Keeps a snapshot file, without touching it: the driver carries out the [`DiskAction`]s.
///
/// Records wait in a buffer until it is full (4,096 bytes), or an append comes more than 500 ms after the one that
/// flushed last, or the node leaves, or the driver finds them due, or the journal is shut down. A file that
/// outgrew its members is replaced by one that holds only the present state.
///
/// If an action fails, the driver drops all actions up to the next [`DiskAction::Replace`] and calls
/// [`Journal::write_failed`]. Nothing is appended to a file whose end is unknown, so it still restores to a state that
/// once was. The next append replaces the file as a whole; if that fails too, an append is the next to try when more
/// than 30 s have passed.
#[derive(Clone, Debug)]
pub struct Journal {
    options: JournalOptions,
    members: BTreeMap<Box<str>, Box<str>>,
    clocks: Clocks,
    buffer: Vec<u8>,
    /// When an append flushed last.
    flushed_at: Option<Instant>,
    /// Size of the file and the buffer.
    bytes: u64,
    /// Size after the last compaction.
    compacted_bytes: u64,
    is_broken: bool,
    /// When an append tried last to replace a broken file.
    recovered_at: Option<Instant>,
}

impl Journal {
    /// Goes on with the file that says `restored`, or with an empty one (the default of [`Restored`]).
    ///
    /// Unlike Serf it cuts a torn last line off, which otherwise would swallow the next record.
    #[must_use]
    pub fn open(
        restored: &Restored,
        options: JournalOptions,
        actions: &mut Vec<DiskAction>,
    ) -> Self {
        if restored.torn_bytes > 0 {
            actions.push(DiskAction::Truncate { len: restored.whole_bytes });
        }
        Self {
            options,
            members: restored.members.clone(),
            clocks: restored.clocks,
            buffer: Vec::new(),
            flushed_at: None,
            bytes: restored.whole_bytes,
            compacted_bytes: 0,
            is_broken: false,
            recovered_at: None,
        }
    }

    /// Takes the next record. A record that does not fit a line is ignored.
    pub fn append(&mut self, record: &Record, now: Instant, actions: &mut Vec<DiskAction>) {
        if !record.fits_a_line() {
            return;
        }
        let leaves = *record == Record::Leave;
        self.apply(record);
        if self.is_broken {
            let waited = self.recovered_at.is_none_or(|at| has_passed(RECOVERY_INTERVAL, at, now));
            if waited || leaves {
                self.recovered_at = Some(now);
                self.compact(actions);
            }
            return;
        }
        self.buffer_line(record, actions);
        if self.flushed_at.is_none_or(|at| has_passed(FLUSH_INTERVAL, at, now)) {
            self.flushed_at = Some(now);
            self.flush(actions);
        }
        if self.bytes > self.compact_limit() {
            self.compact(actions);
        } else if leaves {
            self.flush(actions);
            actions.push(DiskAction::Sync);
        }
    }

    /// When what waits should be written although nothing follows it; `None` if nothing waits.
    ///
    /// Serf has no such time: there a line can wait for ever.
    #[must_use]
    pub fn flush_due(&self) -> Option<Instant> {
        let at = self.flushed_at.filter(|_| !self.buffer.is_empty())?;
        Some(at + FLUSH_INTERVAL)
    }

    /// Writes what waits.
    pub fn flush_now(&mut self, now: Instant, actions: &mut Vec<DiskAction>) {
        self.flushed_at = Some(now);
        self.flush(actions);
    }

    /// Writes all that waits; for the end of the process. A broken file is replaced without regard to the pause.
    pub fn shut_down(&mut self, actions: &mut Vec<DiskAction>) {
        if self.is_broken {
            self.compact(actions);
        } else {
            self.flush(actions);
            actions.push(DiskAction::Sync);
        }
    }

    /// An action failed: the end of the file is unknown until it is replaced.
    pub fn write_failed(&mut self) {
        self.is_broken = true;
        self.buffer.clear();
    }

    /// Updates the state that a compaction writes. Unlike a replay, a leave keeps the clocks: the next life must not
    /// take old events for new ones.
    fn apply(&mut self, record: &Record) {
        match record {
            Record::Alive { name, addr } => {
                self.members.insert(name.clone(), addr.to_string().into());
            }
            Record::NotAlive { name } => {
                self.members.remove(name);
            }
            Record::Clock(time) => self.clocks.member = *time,
            Record::EventClock(time) => self.clocks.event = *time,
            Record::QueryClock(time) => self.clocks.query = *time,
            Record::Leave => {
                if !self.options.rejoin_after_leave {
                    self.members.clear();
                }
            }
        }
    }

    /// A full buffer goes out as it is, even if that cuts a line: a reader has to cope with torn lines anyway.
    fn buffer_line(&mut self, record: &Record, actions: &mut Vec<DiskAction>) {
        let before = self.buffer.len();
        record.write(&mut self.buffer);
        self.bytes += (self.buffer.len() - before) as u64;
        while self.buffer.len() > BUFFER_BYTES {
            let rest = self.buffer.split_off(BUFFER_BYTES);
            actions.push(DiskAction::Write(mem::replace(&mut self.buffer, rest)));
        }
    }

    fn flush(&mut self, actions: &mut Vec<DiskAction>) {
        if !self.buffer.is_empty() {
            actions.push(DiskAction::Write(mem::take(&mut self.buffer)));
        }
    }

    /// The size beyond which the file is compacted. Very long names can make a file exceed Serf's limit even when
    /// compact; it then has to double first, or every record would rewrite it.
    fn compact_limit(&self) -> u64 {
        let members = self.members.len() as u64;
        let limit = self.options.compact_bytes_min.max(COMPACT_BYTES_PER_MEMBER * members);
        if self.compacted_bytes > limit { 2 * self.compacted_bytes } else { limit }
    }

    /// Flushes first: if replacing fails, the old file is complete.
    fn compact(&mut self, actions: &mut Vec<DiskAction>) {
        self.flush(actions);
        let mut content = Vec::new();
        for (name, addr) in &self.members {
            write_alive(name, addr, &mut content);
        }
        let Clocks { member, event, query } = self.clocks;
        for clock in [Record::Clock(member), Record::EventClock(event), Record::QueryClock(query)] {
            clock.write(&mut content);
        }
        self.bytes = content.len() as u64;
        self.compacted_bytes = self.bytes;
        self.is_broken = false;
        actions.push(DiskAction::Replace(content));
    }
}

/// Whether more than `interval` lies between `since` and `now`.
fn has_passed(interval: Duration, since: Instant, now: Instant) -> bool {
    now.nanos_since(since) > duration_nanos(interval)
}
