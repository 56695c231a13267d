//! The recorded cases of the reference: files read and files written.

use serde_json::Value;

use super::*;
use crate::serf::clock::{LTIME_LIMIT, LamportClock};
use crate::testing::serf_vectors;

fn section<'v>(vectors: &'v Value, name: &str) -> &'v [Value] {
    let cases = vectors[name].as_array().expect("a list");
    assert!(!cases.is_empty(), "{name} has no cases");
    cases
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().expect("a text")
}

fn number(value: &Value, key: &str) -> u64 {
    text(value, key).parse().expect("a number")
}

fn assert_says(restored: &Restored, expected: &Value, name: &Value) {
    let members = expected["alive"].as_object().expect("names and addresses");
    assert_eq!(restored.members.len(), members.len(), "{name}: {restored:?}");
    for (member, addr) in members {
        assert_eq!(restored.members.get(&**member).map(|addr| &**addr), addr.as_str(), "{name}");
    }
    let clocks = Clocks {
        member: number(expected, "clock"),
        event: number(expected, "event_clock"),
        query: number(expected, "query_clock"),
    };
    assert_eq!(restored.clocks, clocks, "{name}");
}

#[test]
fn files_read() {
    let vectors = serf_vectors();
    for case in section(&vectors, "snapshot_recover") {
        for rejoin in [false, true] {
            let restored = Restored::read(text(case, "content").as_bytes(), rejoin);
            let expected = &case["recovered"][format!("rejoin_after_leave={rejoin}")];
            assert_says(&restored, expected, &case["name"]);
        }
    }
}

/// Clocks and minimum times after a start. The library starts at 1 and witnesses the restored value, which wraps for
/// the greatest one; ours refuses absurd values and stays at 1.
#[test]
fn clocks_to_start_with() {
    let vectors = serf_vectors();
    for case in section(&vectors, "snapshot_create") {
        let restored = Restored::read(text(case, "content").as_bytes(), false);
        let Clocks { member, event, query } = restored.clocks;
        for (key, value) in [("member", member), ("event", event), ("query", query)] {
            let mut clock = LamportClock::default();
            let accepted = clock.witness(value);
            assert_eq!(accepted, value < LTIME_LIMIT);
            let expected = number(&case["clocks_after_create"], key);
            assert_eq!(clock.time(), if accepted { expected } else { 1 }, "{}", case["name"]);
        }
        if case["snapshot"].as_bool().expect("a flag") {
            assert_eq!(event.wrapping_add(1), number(case, "event_min_time"));
            assert_eq!(query.wrapping_add(1), number(case, "query_min_time"));
        }
    }
}

/// The parts of a node that write, as the library connects them.
struct Writer {
    now: Instant,
    /// The library counts its 500 ms anew after each happening.
    ticked_at: Instant,
    clock: u64,
    recorder: Recorder,
    journal: Journal,
    disk: Disk,
}

impl Writer {
    fn open(case: &Value) -> Self {
        let file = text(case, "initial").as_bytes().to_vec();
        let options = JournalOptions {
            rejoin_after_leave: case["rejoin_after_leave"].as_bool().expect("a flag"),
            compact_bytes_min: case["min_compact_size"].as_u64().expect("a size"),
        };
        let restored = Restored::read(&file, options.rejoin_after_leave);
        let mut actions = Vec::new();
        let journal = Journal::open(&restored, options, &mut actions);
        let mut disk = Disk { file, synced: 0 };
        disk.carry_out(&mut actions);
        let (now, recorder) = (Instant::ZERO, Recorder::new(restored.clocks));
        Self { now, ticked_at: now, clock: 0, recorder, journal, disk }
    }

    fn step(&mut self, step: &str) {
        if let Some(millis) = step.strip_suffix(" ms pass") {
            self.pass(millis.parse().expect("a number"));
        } else if let Some(seen) = step.strip_prefix("member clock witnesses ") {
            let seen: u64 = seen.parse().expect("a number");
            self.clock = self.clock.max(seen + 1);
        } else {
            self.now = self.now.plus_nanos(MILLISECOND);
            self.ticked_at = self.now;
            let clock = self.clock;
            self.record(|recorder, records| happen(recorder, step, clock, records));
        }
    }

    fn pass(&mut self, millis: u64) {
        let end = self.now.plus_nanos(millis * MILLISECOND);
        loop {
            // A real timer is never early, mostly a little late.
            let tick = (self.ticked_at + CLOCK_INTERVAL).plus_nanos(1);
            if tick > end {
                break;
            }
            (self.now, self.ticked_at) = (tick, tick);
            self.tick();
        }
        self.now = end;
    }

    fn tick(&mut self) {
        let clock = self.clock;
        self.record(|recorder, records| recorder.clock_tick(clock, |record| records.push(record)));
    }

    fn record(&mut self, happening: impl FnOnce(&mut Recorder, &mut Vec<Record>)) {
        let (mut records, mut actions) = (Vec::new(), Vec::new());
        happening(&mut self.recorder, &mut records);
        for record in records {
            self.journal.append(&record, self.now, &mut actions);
        }
        self.disk.carry_out(&mut actions);
    }

    fn shut_down(&mut self) {
        self.tick();
        let mut actions = Vec::new();
        self.journal.shut_down(&mut actions);
        self.disk.carry_out(&mut actions);
    }
}

fn happen(recorder: &mut Recorder, step: &str, clock: u64, records: &mut Vec<Record>) {
    let mut emit = |record| records.push(record);
    if step == "leave" {
        recorder.leave(emit);
    } else if let Some(ltime) = step.strip_prefix("user event ltime ") {
        recorder.user_event(ltime.parse().expect("a number"), emit);
    } else if let Some(ltime) = step.strip_prefix("query ltime ") {
        recorder.query(ltime.parse().expect("a number"), emit);
    } else {
        let (what, members) = step.split_once(' ').expect("members");
        let mut left = members.split(", ").count();
        for member in members.split(", ") {
            let (name, addr) = member.rsplit_once(' ').expect("a name and an address");
            let addr = addr.parse().expect("an address");
            // The clock counts after the event as a whole. A node's own events have one member each.
            left -= 1;
            let clock = if left == 0 { clock } else { 0 };
            match what {
                "member-join" => recorder.joined(name, addr, clock, &mut emit),
                "member-leave" | "member-failed" => recorder.gone(name, clock, &mut emit),
                "member-update" | "member-reap" => recorder.other_member_event(clock, &mut emit),
                other => panic!("unknown step {other}"),
            }
        }
    }
}

/// Compares the file with the recorded one after each step. The one difference: a torn tail, which the library leaves
/// in front of what it appends, is gone.
#[test]
fn files_written() {
    let vectors = serf_vectors();
    for case in section(&vectors, "snapshot_write") {
        let name = &case["name"];
        let initial = text(case, "initial");
        let whole = initial.rfind('\n').map_or("", |end| &initial[..=end]);
        let expected = |recorded: &str| match recorded.strip_prefix(initial) {
            Some(appended) => format!("{whole}{appended}"),
            None => recorded.to_owned(),
        };
        let mut writer = Writer::open(case);
        assert_eq!(writer.disk.file, whole.as_bytes(), "{name}");
        for step in case["steps"].as_array().expect("a list") {
            writer.step(text(step, "do"));
            let file = String::from_utf8_lossy(&writer.disk.file);
            assert_eq!(file, expected(text(step, "file_on_disk")), "{name}: {}", step["do"]);
        }
        writer.shut_down();
        let file = String::from_utf8_lossy(&writer.disk.file);
        assert_eq!(file, expected(text(case, "final_after_shutdown")), "{name}");
        assert_eq!(writer.disk.synced, writer.disk.file.len(), "{name}");
        let rejoin = case["rejoin_after_leave"].as_bool().expect("a flag");
        let restored = Restored::read(&writer.disk.file, rejoin);
        if whole == initial {
            assert_says(&restored, &case["recovered_after"], name);
        } else {
            assert_eq!(restored.skipped, 0, "{name}");
        }
    }
}

#[test]
fn a_record_after_a_torn_tail_is_not_lost() {
    let torn = b"alive: a 1.1.1.1:1\nalive: b 2.2.";
    let mut actions = Vec::new();
    let restored = Restored::read(torn, false);
    let mut journal = Journal::open(&restored, options(), &mut actions);
    journal.append(&alive("c"), at(0), &mut actions);
    let mut disk = Disk { file: torn.to_vec(), synced: 0 };
    disk.carry_out(&mut actions);
    assert_eq!(disk.file, b"alive: a 1.1.1.1:1\nalive: c 10.0.0.1:7946\n");
}
