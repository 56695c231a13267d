//! The disk of one simulated host, as far as the snapshot needs one.
//!
//! What a process has written outlives it. What the machine has not synced may outlive the machine or not: a crash keeps
//! a drawn part of it, so that files end in the middle of a line as they do in life.

use std::net::SocketAddr;

use uwasa_core::rng::Rng;
use uwasa_core::snapshot::{
    COMPACT_BYTES_MIN, DiskAction, Journal, JournalOptions, Record, Restored,
};
use uwasa_core::time::Instant;

/// A snapshot file and, while its process runs, the journal that writes it.
#[derive(Debug, Default)]
pub struct Disk {
    file: Vec<u8>,
    /// Bytes of the file that are on the medium.
    synced: usize,
    journal: Option<Journal>,
    actions: Vec<DiskAction>,
}

impl Disk {
    /// The file of a process that has been running for a long time among these members.
    pub fn fill<'a>(&mut self, members: impl Iterator<Item = (&'a str, SocketAddr)>) {
        self.file.clear();
        for (name, addr) in members {
            Record::Alive { name: name.into(), addr }.write(&mut self.file);
        }
        self.synced = self.file.len();
    }

    /// A process starts and reads the file; from now on it writes it.
    pub fn open(&mut self, rejoin_after_leave: bool) -> Restored {
        let restored = Restored::read(&self.file, rejoin_after_leave);
        let options = JournalOptions { rejoin_after_leave, compact_bytes_min: COMPACT_BYTES_MIN };
        self.journal = Some(Journal::open(&restored, options, &mut self.actions));
        self.carry_out();
        restored
    }

    /// The process records something; nothing happens if it did not open the file.
    pub fn record(&mut self, record: &Record, now: Instant) {
        if let Some(journal) = &mut self.journal {
            journal.append(record, now, &mut self.actions);
            self.carry_out();
        }
    }

    /// The process ends in good order.
    pub fn close(&mut self) {
        if let Some(mut journal) = self.journal.take() {
            journal.shut_down(&mut self.actions);
            self.carry_out();
        }
    }

    /// The process is killed: what it had not written is lost.
    pub fn kill(&mut self) {
        self.journal = None;
    }

    /// The machine loses its power. What was not synced is lost from a drawn byte on.
    pub fn lose_power(&mut self, rng: &mut Rng) {
        self.kill();
        let at_risk = self.file.len() - self.synced;
        if at_risk > 0 {
            self.file.truncate(self.synced + rng.index(at_risk + 1));
            self.synced = self.file.len();
        }
    }

    /// The file ends at a drawn byte: the medium lost the rest, or the file was copied while it was written.
    pub fn tear(&mut self, rng: &mut Rng) {
        self.cut(rng.index(self.file.len() + 1));
    }

    /// Somebody puts back an older copy: the file as it was after a drawn record, not the last one. As a journal only
    /// appends until it is written anew, that is a part of it from the front. A file of one record stays as it is.
    pub fn turn_back(&mut self, rng: &mut Rng) {
        let ends: Vec<usize> =
            (1..self.file.len()).filter(|&end| self.file[end - 1] == b'\n').collect();
        if !ends.is_empty() {
            self.cut(ends[rng.index(ends.len())]);
        }
    }

    fn cut(&mut self, len: usize) {
        self.kill();
        self.file.truncate(len);
        self.synced = self.file.len();
    }

    /// Somebody deletes the file.
    pub fn erase(&mut self) {
        *self = Self::default();
    }

    /// The content of the file.
    #[must_use]
    pub fn file(&self) -> &[u8] {
        &self.file
    }

    fn carry_out(&mut self) {
        for action in self.actions.drain(..) {
            match action {
                DiskAction::Truncate { len } => {
                    self.file.truncate(usize::try_from(len).unwrap_or(usize::MAX));
                    self.synced = self.synced.min(self.file.len());
                }
                DiskAction::Write(bytes) => self.file.extend_from_slice(&bytes),
                DiskAction::Sync => self.synced = self.file.len(),
                DiskAction::Replace(content) => {
                    self.synced = content.len();
                    self.file = content;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(name: &str) -> Record {
        Record::Alive { name: name.into(), addr: SocketAddr::from(([10, 0, 0, 1], 7_946)) }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn what_was_written_outlives_the_process_and_what_waits_does_not() {
        let mut disk = Disk::default();
        assert_eq!(disk.open(false), Restored::default());
        disk.record(&alive("a"), at(0));
        disk.record(&alive("b"), at(1));
        disk.kill();
        disk.record(&alive("c"), at(9_000));
        let restored = disk.open(false);
        assert_eq!(restored.seeds("me").map(|(name, _)| name).collect::<Vec<_>>(), ["a"]);
        disk.record(&alive("d"), at(10_000));
        disk.record(&alive("e"), at(10_001));
        disk.close();
        let restored = disk.open(false);
        assert_eq!(restored.seeds("me").count(), 3, "a close writes what waits");
    }

    #[test]
    fn a_power_cut_tears_what_was_not_synced() {
        let mut torn = 0;
        for seed in 0..50 {
            let mut disk = Disk::default();
            disk.open(false);
            disk.record(&alive("a"), at(0));
            disk.close();
            let synced = disk.file().len();
            disk.open(false);
            disk.record(&alive("b"), at(1_000));
            let written = disk.file().len();
            disk.lose_power(&mut Rng::from_seed([seed; 32]));
            assert!((synced..=written).contains(&disk.file().len()));
            torn += u32::from(disk.open(false).torn_bytes > 0);
            assert_eq!(disk.file().last(), Some(&b'\n'), "the next process cuts a torn line off");
        }
        assert!(torn > 25, "{torn} of 50 ends are torn");
    }

    #[test]
    fn a_torn_file_ends_anywhere_and_an_older_one_after_a_record() {
        let names = ["a", "b", "c", "d"];
        let addr = SocketAddr::from(([10, 0, 0, 2], 7_946));
        let (mut torn, mut known) = (0, std::collections::BTreeSet::new());
        for seed in 0..50 {
            let mut rng = Rng::from_seed([seed; 32]);
            let mut disk = Disk::default();
            disk.fill(names.iter().map(|name| (*name, addr)));
            let whole = disk.file().len();
            disk.turn_back(&mut rng);
            assert!(disk.file().len() < whole && disk.file().ends_with(b"\n"));
            known.insert(disk.open(false).seeds("me").count());
            disk.fill(names.iter().map(|name| (*name, addr)));
            disk.tear(&mut rng);
            assert!(disk.file().len() <= whole);
            torn += u32::from(!disk.file().ends_with(b"\n"));
        }
        assert!(torn > 25, "{torn} of 50 ends are torn");
        assert_eq!(known.into_iter().collect::<Vec<_>>(), [1, 2, 3], "any age but the present");
    }

    #[test]
    fn a_leave_is_on_the_medium_at_once_and_an_erased_file_is_empty() {
        let mut disk = Disk::default();
        disk.fill([("a", SocketAddr::from(([10, 0, 0, 2], 7_946)))].into_iter());
        assert_eq!(disk.open(false).seeds("me").count(), 1);
        disk.record(&Record::Leave, at(0));
        disk.lose_power(&mut Rng::from_seed([1; 32]));
        assert_eq!(disk.open(false).seeds("me").count(), 0);
        disk.erase();
        assert_eq!(disk.file(), b"");
    }
}
