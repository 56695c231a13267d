//! Files and standard output that cannot be written.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use uwasa_agent::rpc::client::KeyRequest;

use crate::siege::{Siege, TIME_MAX, wait_until};

/// Resident memory, in KiB: the program's own pages.
const MEMORY_MAX: u64 = 24 * 1_024;

const KEY: &str = "HvY8ubRZMgafUOWvrOadwOckVa1wN3QWAo46FVKbVN8=";

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_serf"))
}

/// Makes the agent write many lines.
fn talk(siege: &mut Siege, events: usize) {
    siege.endure(MEMORY_MAX, |victim| {
        victim.ask(async |client| {
            for _ in 0..events {
                client.event("e", None, false).await.unwrap();
            }
        });
    });
}

#[test]
fn standard_output_that_is_closed() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut siege = Siege::lay_by(program(), &[], Some(writer.into()));
    drop(reader);
    talk(&mut siege, 1_000);
}

#[test]
fn standard_output_that_nobody_reads() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut siege = Siege::lay_by(program(), &["-log-level=debug"], Some(writer.into()));
    // Three times what a pipe holds.
    talk(&mut siege, 2_000);
    assert!(siege.victim.counted("log.dropped") > 0);

    // It says what is missing when there is a reader again, and ends when it is told to.
    let mut text = Vec::new();
    let mut some = vec![0; 1 << 16];
    wait_until("it tells of lost lines", || {
        siege.victim.ask(async |client| client.event("again", None, false).await.unwrap());
        let count = reader.read(&mut some).unwrap();
        text.extend_from_slice(&some[..count]);
        String::from_utf8_lossy(&text).contains("lines could not be written")
    });
    for line in String::from_utf8_lossy(&text).lines() {
        assert!(line.len() < 4_096, "lines are mixed: {line}");
    }
    talk(&mut siege, 2_000);
    kill(Pid::from_raw(siege.victim.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    wait_until("it ends", || siege.victim.ended().is_some());
}

#[test]
fn a_standard_output_on_a_full_disk() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut siege = Siege::lay_by(program(), &[], Some(Stdio::from(full)));
    talk(&mut siege, 200);
}

/// Files may not grow: what a full disk does to writes.
fn with_a_full_disk() -> Command {
    let mut command = Command::new("/bin/sh");
    let program = env!("CARGO_BIN_EXE_serf");
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"", program]);
    command
}

#[test]
fn a_snapshot_that_cannot_grow() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("snapshot");
    let flag = format!("-snapshot={}", path.display());
    let (reader, writer) = std::io::pipe().unwrap();
    let (sender, errors) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(reader).lines().map_while(Result::ok);
        for line in lines.filter(|line| line.contains("[ERR]")) {
            let _ = sender.send(line);
        }
    });
    let mut siege = Siege::lay_by(with_a_full_disk(), &[&flag], Some(writer.into()));
    let error = errors.recv_timeout(TIME_MAX).expect("it is told");
    assert!(error.ends_with("serf: Failed to update snapshot: file too large"), "{error}");
    talk(&mut siege, 2_000);
    let further: Vec<String> = errors.try_iter().collect();
    assert!(further.len() < 20, "{further:?}");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn a_snapshot_whose_directory_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let flag = format!("-snapshot={}", dir.path().join("snapshot").display());
    let mut siege = Siege::lay_by(program(), &[&flag], None);
    dir.close().unwrap();
    talk(&mut siege, 2_000);
}

#[test]
fn a_tags_file_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("tags");
    let flag = format!("-tags-file={}", path.display());
    let mut siege = Siege::lay_by(program(), &[&flag], None);
    let set = |siege: &Siege, value: &str| {
        let tags = [("k".to_owned(), value.to_owned())].into();
        siege
            .victim
            .ask(async |client| client.tags(&tags, &[]).await.map_err(|error| error.to_string()))
    };
    set(&siege, "v").unwrap();
    dir.close().unwrap();
    let error = set(&siege, "w").unwrap_err();
    assert!(error.contains("Failed to write tags file"), "{error}");
    // Nothing changed, and it is told again.
    assert!(set(&siege, "w").is_err());
    let tags = siege.victim.ask(async |client| client.stats().await.unwrap());
    assert_eq!(tags["tags"]["k"], "v");
    talk(&mut siege, 10);
}

#[test]
fn a_keyring_file_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("keys");
    std::fs::write(&path, format!("[\"{KEY}\"]")).unwrap();
    let flag = format!("-keyring-file={}", path.display());
    let siege = Siege::lay_encrypted(&flag);
    dir.close().unwrap();
    let report = siege.victim.ask(async |client| {
        let error = client.keys(KeyRequest::Install("AAAAAAAAAAAAAAAAAAAAAA==")).await;
        format!("{error:?}")
    });
    assert!(report.contains("no such file or directory"), "{report}");
    assert!(siege.victim.log().contains("Failed to write keyring file"));
}
