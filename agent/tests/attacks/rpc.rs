//! Bytes to RPC that are no requests.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use uwasa_core::rng::Rng;

use crate::siege::{Agent, Siege, TIME_MAX};

/// Resident memory, in KiB: the program's own pages, and the longest objects of the few attackers at a time.
const MEMORY_MAX: u64 = 32 * 1_024;

/// A handshake.
const HANDSHAKE: &[u8] = b"\x82\xa7Command\xa9handshake\xa3Seq\x01\x81\xa7Version\x01";

fn connect(victim: &Agent, greeted: bool) -> TcpStream {
    let mut stream = TcpStream::connect(victim.rpc()).unwrap();
    stream.set_read_timeout(Some(TIME_MAX)).unwrap();
    stream.set_write_timeout(Some(TIME_MAX)).unwrap();
    if greeted {
        stream.write_all(HANDSHAKE).unwrap();
        let mut answer = [0; 13];
        stream.read_exact(&mut answer).unwrap();
    }
    stream
}

/// Sends bytes and their end, and waits until the agent ends the connection too.
fn send(victim: &Agent, greeted: bool, bytes: &[u8]) {
    let mut stream = connect(victim, greeted);
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let mut rest = Vec::new();
    let ended = stream.take(1 << 20).read_to_end(&mut rest);
    let waits = ended.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!waits && rest.len() < 1 << 20, "the connection stays open");
}

fn header(command: &str) -> Vec<u8> {
    let mut bytes = b"\x82\xa3Seq\x07\xa7Command".to_vec();
    bytes.push(0xa0 | u8::try_from(command.len()).unwrap());
    bytes.extend(command.bytes());
    bytes
}

#[test]
fn random_truncated_and_mistyped_requests() {
    let mut siege = Siege::lay(&[]);
    let commands = [
        "event",
        "query",
        "join",
        "stream",
        "monitor",
        "respond",
        "tags",
        "members-filtered",
        "stop",
    ];
    siege.endure(MEMORY_MAX, |victim| {
        let mut rng = Rng::from_seed([3; 32]);
        for round in 0..150 {
            let mut junk = vec![0; rng.index(300)];
            rng.fill(&mut junk);
            send(victim, round % 2 == 0, &junk);
            let command = commands[rng.index(commands.len())];
            send(victim, true, &[&header(command)[..], &junk].concat());
            // A body of the right form with values of the wrong type.
            let mistyped = b"\x84\xa4Name\xcb\0\0\0\0\0\0\0\0\xa4Type\x93\x01\x02\x03\xa3Seq\xa1x\xa6Filter\x07";
            send(victim, true, &[&header(command)[..], mistyped].concat());
            let cut = rng.index(HANDSHAKE.len());
            send(victim, false, &HANDSHAKE[..cut]);
        }
    });
    assert!(siege.victim.counted("agent.ipc.undecodable") > 50);
}

#[test]
fn nesting_announced_lengths_and_objects_without_end() {
    let mut siege = Siege::lay(&[]);
    siege.endure(MEMORY_MAX, |victim| {
        for greeted in [false, true] {
            for nest in [&[0x91][..], &[0x81, 0xa1, b'a'], &[0xdd, 0, 0, 0, 1]] {
                send(victim, greeted, &nest.repeat(200_000));
            }
            for head in [
                &[0xc6, 255, 255, 255, 255][..],
                &[0xdb, 255, 255, 255, 255],
                &[0xdd, 255, 255, 255, 255],
                &[0xdf, 255, 255, 255, 255],
            ] {
                send(victim, greeted, head);
                send(victim, greeted, &[head, &vec![1; 4 << 20]].concat());
                let body =
                    [&header("event")[..], b"\x81\xa7Payload", head, &vec![1; 4 << 20]].concat();
                send(victim, greeted, &body);
            }
        }
    });
    assert!(siege.victim.counted("agent.ipc.oversized") > 0);
    assert!(siege.victim.counted("agent.ipc.undecodable") > 0);
}

#[test]
fn requests_byte_by_byte_and_junk_without_end() {
    let mut siege = Siege::lay(&[]);
    siege.endure(MEMORY_MAX, |victim| {
        thread::scope(|scope| {
            for attacker in 0..8 {
                scope.spawn(move || {
                    let mut stream = connect(victim, false);
                    stream.set_nodelay(true).unwrap();
                    for byte in HANDSHAKE {
                        stream.write_all(&[*byte]).unwrap();
                        thread::sleep(Duration::from_millis(5));
                    }
                    stream.read_exact(&mut [0; 13]).unwrap();
                    // Objects without a meaning, one after the other: the first one ends it.
                    let junk = vec![u8::try_from(attacker).unwrap(); 1 << 16];
                    let mut sent = 0;
                    while stream.write_all(&junk).is_ok() {
                        sent += junk.len();
                        assert!(sent < 1 << 28, "256 MiB were taken");
                    }
                });
            }
        });
    });
}
