//! Tests of the log: lines as Serf writes them, the gate, levels, the backlog and monitors.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::sync::{Arc, Mutex};

use tracing::{Dispatch, Level, debug, dispatcher, error, info, trace, warn};

use super::*;

/// Remembers every write.
#[derive(Clone, Default)]
struct Writes(Arc<Mutex<Vec<String>>>);

impl Writes {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn open(level: Level, format: Format) -> (Log, Dispatch, Writes) {
    let writes = Writes::default();
    let (log, dispatch) = Log::to(level, format, Box::new(writes.clone()));
    log.release();
    (log, dispatch, writes)
}

/// Replaces the time at the start, after checking its form.
fn masked(line: &str) -> String {
    let (blanks, rest) = line.split_at(line.len() - line.trim_start_matches(' ').len());
    let (stamp, rest) = rest.split_at(19);
    let form: String = stamp.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(form, "9999/99/99 99:99:99");
    format!("{blanks}{{TS}}{rest}")
}

fn masked_all(lines: &[Arc<str>]) -> Vec<String> {
    lines.iter().map(|line| masked(line)).collect()
}

#[test]
fn levels_in_any_case() {
    assert_eq!(parse_level("trace"), Some(Level::TRACE));
    assert_eq!(parse_level("Debug"), Some(Level::DEBUG));
    assert_eq!(parse_level("INFO"), Some(Level::INFO));
    assert_eq!(parse_level("wARN"), Some(Level::WARN));
    assert_eq!(parse_level("err"), Some(Level::ERROR));
    for no in ["", "ERROR", "FOO", " INFO"] {
        assert_eq!(parse_level(no), None, "{no}");
    }
}

#[test]
fn lines_are_serfs() {
    let (_log, dispatch, writes) = open(Level::TRACE, Format::Serf);
    dispatcher::with_default(&dispatch, || {
        info!(target: "agent", "Serf agent starting");
        warn!(target: "memberlist", "Refuting a {} message (from: {})", "dead", "n30");
        error!(target: "", "Error writing payload: write |1: broken pipe");
        debug!(target: "agent.ipc", count = 3, name = "a b", "[INFO] inside");
        trace!(target: "serf", "x");
        warn!(target: "agent", "error joining: 1 error occurred:\n\t* E\n\n");
        info!(target: "tokio", "not ours");
    });
    let expected = [
        "    {TS} [INFO] agent: Serf agent starting\n",
        "    {TS} [WARN] memberlist: Refuting a dead message (from: n30)\n",
        "    {TS} [ERR] Error writing payload: write |1: broken pipe\n",
        "    {TS} [DEBUG] agent.ipc: [INFO] inside count=3 name=a b\n",
        "    {TS} [TRACE] serf: x\n",
        "    {TS} [WARN] agent: error joining: 1 error occurred:\n\t* E\n\n",
    ];
    let lines: Vec<String> = writes.take().iter().map(|line| masked(line)).collect();
    assert_eq!(lines, expected);
}

#[test]
fn json_lines() {
    let (log, dispatch, writes) = open(Level::INFO, Format::Json);
    dispatcher::with_default(&dispatch, || {
        error!(target: "serf", count = 3, ok = true, time = "mine", "say \"hi\"\n\u{1}");
        debug!(target: "serf", "hidden");
    });
    let lines = writes.take();
    assert_eq!(lines.len(), 1);
    let (time, rest) = lines[0].split_at(r#"{"time":"2026-11-22T08:08:39.000123+01:00","#.len());
    assert!(time.starts_with(r#"{"time":"2"#) && time.ends_with(r#"","#), "{time}");
    let expected = concat!(
        r#""level":"ERR","subsystem":"serf","message":"say \"hi\"\n\u0001","count":3,"ok":true}"#,
        "\n"
    );
    assert_eq!(rest, expected);
    let backlog = masked_all(&log.monitor(Level::INFO).backlog);
    assert_eq!(backlog, ["{TS} [ERR] serf: say \"hi\"\n\u{1} count=3 ok=true time=mine"]);
}

#[test]
fn lines_wait_for_the_release_and_the_level_is_that_of_their_time() {
    let writes = Writes::default();
    let (log, dispatch) = Log::to(Level::INFO, Format::Serf, Box::new(writes.clone()));
    dispatcher::with_default(&dispatch, || {
        info!(target: "agent", "early");
        debug!(target: "agent", "too low");
        log.set_level(Level::WARN);
        assert_eq!(writes.take(), Vec::<String>::new());
        log.release();
        info!(target: "agent", "too low now");
        log.set_level(Level::DEBUG);
        debug!(target: "agent", "late");
        log.release();
    });
    let lines: Vec<String> = writes.take().iter().map(|line| masked(line)).collect();
    assert_eq!(lines, ["    {TS} [INFO] agent: early\n", "    {TS} [DEBUG] agent: late\n"]);
}

#[test]
fn held_lines_are_bounded() {
    let writes = Writes::default();
    let (log, dispatch) = Log::to(Level::INFO, Format::Serf, Box::new(writes.clone()));
    dispatcher::with_default(&dispatch, || {
        for i in 0..HELD_LINES + 2 {
            info!(target: "agent", "{i}");
        }
    });
    log.release();
    let lines = writes.take();
    assert_eq!(lines.len(), HELD_LINES);
    assert_eq!(masked(&lines[0]), "    {TS} [INFO] agent: 2\n");
}

#[test]
fn a_failed_start_shows_nothing() {
    let writes = Writes::default();
    let (log, dispatch) = Log::to(Level::INFO, Format::Serf, Box::new(writes.clone()));
    dispatcher::with_default(&dispatch, || info!(target: "agent", "never shown"));
    drop((log, dispatch));
    assert_eq!(writes.take(), Vec::<String>::new());
}

#[test]
fn the_backlog_keeps_the_last_records_of_all_levels() {
    let (log, dispatch, writes) = open(Level::ERROR, Format::Serf);
    dispatcher::with_default(&dispatch, || {
        for i in 0..BACKLOG + 1 {
            trace!(target: "serf", "{i}");
        }
        warn!(target: "serf", "last");
    });
    assert_eq!(writes.take(), Vec::<String>::new());
    let all = masked_all(&log.monitor(Level::TRACE).backlog);
    assert_eq!(all.len(), BACKLOG);
    assert_eq!(all[0], "{TS} [TRACE] serf: 2");
    assert_eq!(masked_all(&log.monitor(Level::INFO).backlog), ["{TS} [WARN] serf: last"]);
}

#[test]
fn long_records_shorten_the_backlog() {
    let (log, dispatch, _writes) = open(Level::ERROR, Format::Serf);
    let long = "x".repeat(BACKLOG_BYTES / 4);
    dispatcher::with_default(&dispatch, || {
        for _ in 0..10 {
            info!(target: "serf", "{long}");
        }
    });
    assert_eq!(log.monitor(Level::TRACE).backlog.len(), 3);
}

#[test]
fn monitors_of_a_level_that_never_comes_are_forgotten_too() {
    let (log, _) = Log::quiet(Level::TRACE);
    for _ in 0..100 {
        drop(log.monitor(Level::ERROR));
    }
    assert_eq!(log.shared.lock().monitors.len(), 1);
}

#[test]
fn a_slow_monitor_loses_the_newest_and_it_is_counted() {
    let (log, dispatch, _writes) = open(Level::ERROR, Format::Serf);
    let (mut slow, mut fast) = (log.monitor(Level::INFO), log.monitor(Level::WARN));
    dispatcher::with_default(&dispatch, || {
        for i in 0..BACKLOG + 3 {
            info!(target: "serf", "{i}");
        }
        debug!(target: "serf", "too low");
        warn!(target: "serf", "for both");
    });
    assert_eq!((slow.take_dropped(), slow.take_dropped(), fast.take_dropped()), (4, 0, 0));
    assert_eq!(masked(&fast.lines.try_recv().unwrap()), "{TS} [WARN] serf: for both");
    assert!(fast.lines.try_recv().is_err());
    for i in 0..BACKLOG {
        let line = slow.lines.try_recv().unwrap();
        assert_eq!(masked(&line), format!("{{TS}} [INFO] serf: {i}"));
    }
    assert!(slow.lines.try_recv().is_err());
    drop(slow);
    dispatcher::with_default(&dispatch, || info!(target: "serf", "after"));
    assert_eq!(log.shared.lock().monitors.len(), 1);
}

#[test]
fn a_quiet_log_keeps_few_records_of_its_level() {
    let (log, dispatch) = Log::quiet(Level::WARN);
    log.release();
    dispatcher::with_default(&dispatch, || {
        for i in 0..QUIET_BACKLOG + 1 {
            warn!(target: "serf", "{i}");
        }
        info!(target: "serf", "too low");
    });
    let backlog = masked_all(&log.monitor(Level::TRACE).backlog);
    assert_eq!(backlog.len(), QUIET_BACKLOG);
    assert_eq!(backlog[0], "{TS} [WARN] serf: 1");
    assert_eq!(backlog[QUIET_BACKLOG - 1], format!("{{TS}} [WARN] serf: {QUIET_BACKLOG}"));
}

#[test]
fn agents_in_one_process_have_logs_of_their_own() {
    let (_one, dispatch_one, writes_one) = open(Level::INFO, Format::Serf);
    let (_two, dispatch_two, writes_two) = open(Level::INFO, Format::Serf);
    dispatcher::with_default(&dispatch_one, || info!(target: "agent", "one"));
    dispatcher::with_default(&dispatch_two, || info!(target: "agent", "two"));
    assert_eq!(masked(&writes_one.take().concat()), "    {TS} [INFO] agent: one\n");
    assert_eq!(masked(&writes_two.take().concat()), "    {TS} [INFO] agent: two\n");
}

#[test]
fn a_value_that_logs_while_it_is_formatted_does_not_lock_up() {
    struct Loud;
    impl fmt::Display for Loud {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            info!(target: "agent", "inner");
            f.write_str("loud")
        }
    }
    let (_log, dispatch, writes) = open(Level::INFO, Format::Serf);
    dispatcher::with_default(&dispatch, || info!(target: "agent", "outer {}", Loud));
    let lines = writes.take();
    assert_eq!(masked(lines.last().unwrap()), "    {TS} [INFO] agent: outer loud\n");
}

#[test]
fn a_reader_that_went_away_is_ignored() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let (log, dispatch) = Log::to(Level::INFO, Format::Serf, Box::new(Broken));
    log.release();
    dispatcher::with_default(&dispatch, || info!(target: "agent", "x"));
    assert_eq!(log.monitor(Level::INFO).backlog.len(), 1);
}

#[test]
fn syslog_gets_what_is_written_even_while_lines_are_held() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let daemon = UnixDatagram::bind(&path).unwrap();
    daemon.set_nonblocking(true).unwrap();
    let (log, dispatch) = Log::to(Level::INFO, Format::Serf, Box::new(io::sink()));
    log.attach_syslog(Syslog::connect_to(vec![path], "LOCAL0").unwrap());
    dispatcher::with_default(&dispatch, || {
        debug!(target: "agent", "too low");
        info!(target: "agent", "Serf agent starting");
        error!(target: "", "Error writing payload");
    });
    let mut buffer = [0; 256];
    for expected in ["agent: Serf agent starting\n", "Error writing payload\n"] {
        let length = daemon.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        assert_eq!(text.split_once("]: ").unwrap().1, expected);
    }
    assert!(daemon.recv(&mut buffer).is_err());
}

/// Logs what a transcript says; the macros want their targets at compile time.
fn emit(level: &str, target: &str, text: &str) {
    macro_rules! levels {
        ($($name:literal => $log:ident),*) => {
            match (level, target) {
                $(
                    ($name, "agent") => $log!(target: "agent", "{text}"),
                    ($name, "serf") => $log!(target: "serf", "{text}"),
                    ($name, "memberlist") => $log!(target: "memberlist", "{text}"),
                )*
                other => panic!("{other:?}"),
            }
        };
    }
    levels!("ERR" => error, "WARN" => warn, "INFO" => info);
}

#[test]
fn records_of_the_transcript_come_out_as_they_are() {
    let transcript = include_str!("../../tests/data/agent-banner.txt");
    let mut records: Vec<String> = Vec::new();
    let mut within = false;
    for line in transcript.lines() {
        if line.starts_with("    {TS} [") {
            within = true;
            records.push(line.to_owned());
        } else if line.starts_with("---") || line.starts_with("==> ") {
            within = false;
        } else if let (true, Some(record)) = (within, records.last_mut()) {
            record.push('\n');
            record.push_str(line);
        }
    }
    assert!(records.len() > 50 && records.iter().any(|record| record.contains("\n\t* ")));

    let (_log, dispatch, writes) = open(Level::INFO, Format::Serf);
    for record in &records {
        let rest = record.strip_prefix("    {TS} [").unwrap();
        let (level, rest) = rest.split_once("] ").unwrap();
        let (target, text) = rest.split_once(": ").unwrap();
        dispatcher::with_default(&dispatch, || emit(level, target, &format!("{text}\n")));
        let written: Vec<String> = writes.take().iter().map(|line| masked(line)).collect();
        assert_eq!(written, [format!("{record}\n")]);
    }
}

#[test]
fn datagrams_of_the_transcript_come_out_as_they_are() {
    let transcript = include_str!("../../tests/data/agent-syslog.txt");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let daemon = UnixDatagram::bind(&path).unwrap();
    let mut buffer = [0; 256];
    let mut seen = 0;
    for expected in transcript.lines().filter(|line| line.starts_with('<')) {
        let (priority, rest) = expected[1..].split_once('>').unwrap();
        let (level, facility) = match priority {
            "133" => ("INFO", "LOCAL0"),
            "29" => ("INFO", "DAEMON"),
            other => panic!("{other}"),
        };
        let (target, text) = rest.split_once("]: ").unwrap().1.split_once(": ").unwrap();
        let (log, dispatch) = Log::to(Level::INFO, Format::Serf, Box::new(io::sink()));
        log.attach_syslog(Syslog::connect_to(vec![path.clone()], facility).unwrap());
        dispatcher::with_default(&dispatch, || emit(level, target, text));
        let length = daemon.recv(&mut buffer).unwrap();
        let got = std::str::from_utf8(&buffer[..length]).unwrap();
        let (head, rest) = got.split_once(" serf[").unwrap();
        let (head, stamp) = head.split_once('>').unwrap();
        assert_eq!(stamp.len(), "Nov 22 08:08:39".len());
        let rest = rest.replacen(&std::process::id().to_string(), "{PID}", 1);
        assert_eq!(format!("{head}>{{STAMP}} serf[{rest}"), format!("{expected}\n"));
        seen += 1;
    }
    assert_eq!(seen, 16);
}
