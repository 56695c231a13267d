mod properties;
mod recorded;

use super::*;
use crate::time::{Instant, MILLISECOND, SECOND};

/// A file that carries out what a journal asks for.
#[derive(Clone, Debug, Default)]
struct Disk {
    file: Vec<u8>,
    /// Length of the file at its last sync.
    synced: usize,
}

impl Disk {
    fn carry_out(&mut self, actions: &mut Vec<DiskAction>) {
        for action in actions.drain(..) {
            match action {
                DiskAction::Truncate { len } => {
                    let len = usize::try_from(len).expect("a length");
                    assert!(len < self.file.len(), "only a torn tail is cut");
                    self.file.truncate(len);
                }
                DiskAction::Write(bytes) => {
                    assert!(!bytes.is_empty());
                    self.file.extend_from_slice(&bytes);
                }
                DiskAction::Sync => self.synced = self.file.len(),
                DiskAction::Replace(bytes) => {
                    self.synced = bytes.len();
                    self.file = bytes;
                }
            }
        }
    }
}

fn options() -> JournalOptions {
    JournalOptions { rejoin_after_leave: false, compact_bytes_min: COMPACT_BYTES_MIN }
}

fn alive(name: &str) -> Record {
    Record::Alive { name: name.into(), addr: "10.0.0.1:7946".parse().expect("an address") }
}

fn gone(name: &str) -> Record {
    Record::NotAlive { name: name.into() }
}

fn written(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::new();
    records.iter().for_each(|record| record.write(&mut out));
    out
}

fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * MILLISECOND)
}

fn journal() -> Journal {
    let mut actions = Vec::new();
    let journal = Journal::open(&Restored::default(), options(), &mut actions);
    assert_eq!(actions, []);
    journal
}

fn append(journal: &mut Journal, record: &Record, now: Instant) -> Vec<DiskAction> {
    let mut actions = Vec::new();
    journal.append(record, now, &mut actions);
    actions
}

#[test]
fn a_name_cannot_forge_lines() {
    let forged = "x 1.1.1.1:1\nclock: 99\nalive: y";
    assert_eq!(written(&[alive(forged), gone("z\nleave"), alive("b")]), written(&[alive("b")]));
    let mut journal = journal();
    assert_eq!(append(&mut journal, &alive(forged), at(0)), []);
    journal.write_failed();
    let compacted = written(&[Record::Clock(1), Record::EventClock(0), Record::QueryClock(0)]);
    let actions = append(&mut journal, &Record::Clock(1), at(0));
    assert_eq!(actions, [DiskAction::Replace(compacted)], "nor get in by a compaction");
}

#[test]
fn seeds_are_the_others_with_an_address() {
    let text = b"alive: me 1.1.1.1:1\nalive: b [::1]:7946\nalive: a 2.2.2.2:2\nalive: c nonsense\n";
    let restored = Restored::read(text, false);
    let expected: Vec<(&str, SocketAddr)> = vec![
        ("a", "2.2.2.2:2".parse().expect("an address")),
        ("b", "[::1]:7946".parse().expect("an address")),
    ];
    assert_eq!(restored.seeds("me").collect::<Vec<_>>(), expected);
    assert_eq!(restored.members.len(), 4);
}

#[test]
fn what_means_nothing_is_counted_and_skipped() {
    let text = b"alive: a 1.1.1.1:1\nalive: \xff 2.2.2.2:2\nnot-alive: \xff\nclock: +1\n\nhello\n\
        # comment \xff\ncoordinate: {}\nclock: 7\nleav";
    let restored = Restored::read(text, false);
    assert_eq!(restored.members.keys().map(|name| &**name).collect::<Vec<_>>(), ["a"]);
    assert_eq!(restored.clocks.member, 7);
    assert_eq!(restored.skipped, 5);
    assert_eq!((restored.whole_bytes, restored.torn_bytes), (text.len() as u64 - 4, 4));
}

#[test]
fn an_append_flushes_only_after_the_interval() {
    let mut journal = journal();
    let write = |records: &[Record]| DiskAction::Write(written(records));
    assert_eq!(append(&mut journal, &alive("a"), at(100)), [write(&[alive("a")])]);
    assert_eq!(append(&mut journal, &alive("b"), at(600)), [], "exactly the interval");
    let both = write(&[alive("b"), alive("c")]);
    assert_eq!(append(&mut journal, &alive("c"), at(601)), [both]);
    assert_eq!(append(&mut journal, &gone("c"), at(602)), []);
    let mut actions = Vec::new();
    journal.shut_down(&mut actions);
    assert_eq!(actions, [write(&[gone("c")]), DiskAction::Sync]);
}

#[test]
fn what_nothing_follows_is_flushed_when_it_is_due() {
    let mut journal = journal();
    assert_eq!(journal.flush_due(), None);
    append(&mut journal, &alive("a"), at(100));
    assert_eq!(journal.flush_due(), None, "nothing waits");
    append(&mut journal, &alive("b"), at(200));
    assert_eq!(journal.flush_due(), Some(at(600)));
    let mut actions = Vec::new();
    journal.flush_now(at(600), &mut actions);
    assert_eq!(actions, [DiskAction::Write(written(&[alive("b")]))]);
    assert_eq!(journal.flush_due(), None);
}

#[test]
fn a_full_buffer_is_flushed_at_once() {
    let mut journal = journal();
    let record = alive(&"n".repeat(1_000));
    let line = written(core::slice::from_ref(&record));
    assert_eq!(append(&mut journal, &record, at(0)), [DiskAction::Write(line.clone())]);
    let mut all = Vec::new();
    let mut disk = Disk::default();
    for _ in 0..9 {
        all.extend_from_slice(&line);
        disk.carry_out(&mut append(&mut journal, &record, at(1)));
        assert!(all.len() - disk.file.len() <= 4_096);
    }
    assert_eq!(disk.file, all[..2 * 4_096]);
    let mut actions = Vec::new();
    journal.shut_down(&mut actions);
    disk.carry_out(&mut actions);
    assert_eq!(disk.file, all);
    assert_eq!(disk.synced, all.len());
}

#[test]
fn a_leave_is_on_the_medium_at_once() {
    let mut journal = journal();
    let mut disk = Disk::default();
    for record in [alive("a"), Record::Clock(3), Record::Leave] {
        disk.carry_out(&mut append(&mut journal, &record, at(0)));
    }
    assert_eq!(disk.file, written(&[alive("a"), Record::Clock(3), Record::Leave]));
    assert_eq!(disk.synced, disk.file.len());
}

#[test]
fn very_long_names_do_not_make_every_record_rewrite_the_file() {
    let mut journal = journal();
    let (mut replaced, mut appended) = (0, 0);
    for number in 0..4_000 {
        let record = alive(&format!("{number}{}", "n".repeat(1_000)));
        for action in append(&mut journal, &record, at(0)) {
            replaced += usize::from(matches!(action, DiskAction::Replace(_)));
        }
        appended += written(&[record]).len();
    }
    assert!(appended > 4_000_000);
    assert!((1..=7).contains(&replaced), "{replaced} times");
}

/// A write fails half way. Until the file is replaced nothing is glued to its torn end.
#[test]
fn a_broken_file_is_replaced_as_a_whole() {
    let mut journal = journal();
    let mut disk = Disk::default();
    disk.carry_out(&mut append(&mut journal, &alive("a"), at(0)));
    assert_eq!(append(&mut journal, &alive("b"), at(1)), []);
    let failing = append(&mut journal, &alive("c"), at(1_000));
    assert_eq!(failing, [DiskAction::Write(written(&[alive("b"), alive("c")]))]);
    disk.file.extend_from_slice(b"alive: b 10.");
    journal.write_failed();

    let whole = |members: &[Record]| {
        let clocks = [Record::Clock(0), Record::EventClock(0), Record::QueryClock(0)];
        DiskAction::Replace(written(&[members, &clocks].concat()))
    };
    let first = append(&mut journal, &alive("d"), at(1_001));
    assert_eq!(first, [whole(&[alive("a"), alive("b"), alive("c"), alive("d")])]);
    journal.write_failed();
    assert_eq!(append(&mut journal, &gone("d"), at(31_001)), [], "exactly the pause");
    assert_eq!(Restored::read(&disk.file, false).members.len(), 1, "the state of a moment ago");
    let mut second = append(&mut journal, &gone("c"), at(31_002));
    assert_eq!(second, [whole(&[alive("a"), alive("b")])]);
    disk.carry_out(&mut second);
    assert_eq!(append(&mut journal, &gone("b"), at(31_003)).len(), 1, "an ordinary write again");
}

#[test]
fn what_waits_when_a_write_fails_goes_into_the_next_file_only() {
    let mut journal = journal();
    assert_eq!(append(&mut journal, &alive("a"), at(0)).len(), 1);
    assert_eq!(append(&mut journal, &alive("b"), at(1)), []);
    journal.write_failed();
    let clocks = [Record::Clock(1), Record::EventClock(0), Record::QueryClock(0)];
    let whole = written(&[&[alive("a"), alive("b")][..], &clocks].concat());
    let actions = append(&mut journal, &Record::Clock(1), at(2));
    assert_eq!(actions, [DiskAction::Replace(whole)]);
}

#[test]
fn the_last_chance_to_replace_a_broken_file_does_not_wait() {
    let mut journal = journal();
    let clocks = written(&[Record::Clock(0), Record::EventClock(0), Record::QueryClock(0)]);
    for record in [alive("a"), Record::Leave] {
        journal.write_failed();
        assert_eq!(append(&mut journal, &record, Instant::from_nanos(SECOND)).len(), 1);
    }
    journal.write_failed();
    let mut actions = Vec::new();
    journal.shut_down(&mut actions);
    assert_eq!(actions, [DiskAction::Replace(clocks)]);
}

#[test]
fn the_recorder_writes_each_clock_value_once() {
    let mut recorder = Recorder::new(Clocks { member: 5, event: 6, query: 7 });
    let addr = "10.0.0.1:7946".parse().expect("an address");
    let mut records = Vec::new();
    let mut emit = |record| records.push(record);
    recorder.joined("a", addr, 6, &mut emit);
    recorder.other_member_event(7, &mut emit);
    recorder.gone("a", 7, &mut emit);
    recorder.user_event(6, &mut emit);
    recorder.user_event(9, &mut emit);
    recorder.query(8, &mut emit);
    recorder.query(8, &mut emit);
    assert!(!recorder.clock_is_due(7));
    assert!(recorder.clock_is_due(9));
    recorder.leave(&mut emit);
    recorder.leave(&mut emit);
    recorder.joined("b", addr, 20, &mut emit);
    recorder.gone("b", 20, &mut emit);
    recorder.other_member_event(20, &mut emit);
    recorder.user_event(20, &mut emit);
    recorder.query(20, &mut emit);
    recorder.clock_tick(9, &mut emit);
    let expected = [
        alive("a"),
        Record::Clock(6),
        gone("a"),
        Record::EventClock(9),
        Record::QueryClock(8),
        Record::Leave,
        Record::Clock(8),
    ];
    assert_eq!(records, expected);
    let mut fresh = Recorder::new(Clocks::default());
    fresh.clock_tick(0, |_| panic!("no time was used"));
    fresh.clock_tick(1, |_| panic!("no time was used"));
}
