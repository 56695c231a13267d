//! A snapshot file of ours, kept by the journal's rules.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use uwasa_core::snapshot::{
    COMPACT_BYTES_MIN, DiskAction, Journal, JournalOptions, Record, Restored,
};
use uwasa_core::time::Instant;

/// The file and what keeps it.
pub(crate) struct Disk {
    file: PathBuf,
    journal: Journal,
}

impl Disk {
    /// Opens a file, which need not exist, and tells what it says.
    pub(crate) fn open(file: PathBuf, rejoin_after_leave: bool) -> (Self, Restored) {
        let bytes = match fs::read(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read.expect("the file can be read"),
        };
        let restored = Restored::read(&bytes, rejoin_after_leave);
        let options = JournalOptions { rejoin_after_leave, compact_bytes_min: COMPACT_BYTES_MIN };
        let mut actions = Vec::new();
        let disk = Self { file, journal: Journal::open(&restored, options, &mut actions) };
        disk.carry_out(actions);
        (disk, restored)
    }

    pub(crate) fn append(&mut self, record: &Record, now: Instant) {
        let mut actions = Vec::new();
        self.journal.append(record, now, &mut actions);
        self.carry_out(actions);
    }

    pub(crate) fn shut_down(&mut self) {
        let mut actions = Vec::new();
        self.journal.shut_down(&mut actions);
        self.carry_out(actions);
    }

    fn carry_out(&self, actions: Vec<DiskAction>) {
        for action in actions {
            match action {
                DiskAction::Truncate { len } => {
                    let file = OpenOptions::new().write(true).open(&self.file);
                    file.and_then(|file| file.set_len(len)).expect("the file can be cut");
                }
                DiskAction::Write(bytes) => {
                    let file = OpenOptions::new().create(true).append(true).open(&self.file);
                    file.and_then(|mut file| file.write_all(&bytes)).expect("the file can grow");
                }
                // No test pulls the plug.
                DiskAction::Sync => {}
                DiskAction::Replace(bytes) => {
                    fs::write(&self.file, bytes).expect("the file can be replaced");
                }
            }
        }
    }
}
