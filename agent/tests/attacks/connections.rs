//! Connections that say nothing, too little, or the wrong thing.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::siege::{Agent, Siege, TIME_MAX, heavy, wait_until};

/// Resident memory without connections, in KiB: the program's own pages.
const MEMORY_MAX: u64 = 24 * 1_024;
/// What a silent connection may cost the agent, in KiB.
const CONNECTION_MAX: u64 = 4;

/// Connections of one attack.
fn count() -> u64 {
    if heavy() { 10_000 } else { 1_000 }
}

/// Opens connections and writes the same to each.
fn open(to: SocketAddr, count: u64, first: &[u8]) -> Vec<TcpStream> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let mut streams = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect_timeout(&to, TIME_MAX).unwrap();
        let _ = stream.write_all(first);
        streams.push(stream);
    }
    streams
}

fn files(agent: &Agent) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", agent.id())).unwrap().count()
}

/// Whether the other side ends a connection, within a time.
fn ends(mut stream: &TcpStream, time: Duration) -> bool {
    stream.set_read_timeout(Some(time)).unwrap();
    let mut bytes = [0; 1_024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => {
                let waits = [std::io::ErrorKind::WouldBlock, std::io::ErrorKind::TimedOut];
                return !waits.contains(&error.kind());
            }
        }
    }
}

#[test]
fn silent_connections_to_rpc() {
    let mut siege = Siege::lay(&[]);
    let memory_max = MEMORY_MAX + count() * CONNECTION_MAX;
    siege.endure(memory_max, |victim| {
        let silent = open(victim.rpc(), count() / 2, b"");
        // The first byte of a header that never ends.
        let begun = open(victim.rpc(), count() / 2, &[0x82]);
        assert_eq!(victim.ask(async |client| client.members().await.unwrap().len()), 2);
        drop((silent, begun));
    });
    assert!(siege.victim.counted("agent.ipc.accept") >= count());
    wait_until("they are closed", || files(&siege.victim) < 64);
}

#[test]
fn silent_connections_to_gossip() {
    let mut siege = Siege::lay(&[]);
    let memory_max = MEMORY_MAX + count() * CONNECTION_MAX;
    siege.endure(memory_max, |victim| {
        let silent = open(victim.gossip(), count() / 2, b"");
        let begun = open(victim.gossip(), count() - count() / 2 + 100, &[6, 0x83]);
        thread::sleep(Duration::from_millis(500));
        drop((silent, begun));
    });
    assert!(siege.victim.counted("uwasa.dropped.streams_full") > 0);
    wait_until("they are closed", || files(&siege.victim) < 64);
}

#[test]
fn silent_connections_to_telemetry() {
    let mut siege = Siege::lay(&[]);
    siege.endure(MEMORY_MAX, |victim| drop(open(victim.telemetry(), count(), b"GET")));
    wait_until("it answers again", || {
        std::panic::catch_unwind(|| siege.victim.counted("telemetry.prometheus.refused") > 0)
            .unwrap_or(false)
    });
}

/// The program with few file descriptors, which it cannot raise.
fn with_few_files(limit: u32) -> Command {
    let mut command = Command::new("/bin/sh");
    let program = env!("CARGO_BIN_EXE_serf");
    command.args(["-c", &format!("ulimit -n {limit}; exec \"$0\" \"$@\""), program]);
    command
}

#[test]
fn strangers_do_not_keep_clients_out_when_descriptors_run_out() {
    let handler = "user:ran=echo ran >> $HERE/ran";
    let mut siege = Siege::lay_by(with_few_files(256), &["-event-handler", handler], None);
    siege.endure(MEMORY_MAX, |victim| {
        let _rpc = open(victim.rpc(), 400, b"");
        let _gossip = open(victim.gossip(), 400, b"");
        wait_until("some are left for the agent's own work", || files(victim) < 256 - 32);
        // New clients come in, and scripts run.
        for _ in 0..20 {
            assert_eq!(victim.ask(async |client| client.members().await.unwrap().len()), 2);
        }
        victim.ask(async |client| client.event("ran", None, false).await).unwrap();
        wait_until("the handler runs", || victim.file("ran").exists());
    });
    assert!(siege.victim.counted("agent.ipc.evicted") > 0);
    assert!(siege.victim.counted("uwasa.dropped.streams_full") > 0);
}

#[test]
fn accepting_goes_on_after_the_last_descriptor() {
    // The agent itself needs more than the quarter that is left to it.
    let mut siege = Siege::lay_by(with_few_files(24), &[], None);
    siege.endure(MEMORY_MAX, |victim| {
        let rpc = open(victim.rpc(), 100, b"");
        let gossip = open(victim.gossip(), 100, b"");
        thread::sleep(Duration::from_millis(500));
        drop((rpc, gossip));
    });
    assert_eq!(siege.victim.ask(async |client| client.members().await.unwrap().len()), 2);
    let failures = ["memberlist.tcp.accept_failed", "agent.ipc.accept_failed"];
    assert!(failures.iter().any(|name| siege.victim.counted(name) > 0), "none was refused");
    let log = siege.victim.log();
    let complaints = log.lines().filter(|line| line.contains("[ERR]")).count();
    assert!(complaints < 10, "{log}");
}

#[test]
fn other_protocols_on_every_port() {
    let mut siege = Siege::lay(&[]);
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[0x5a; 506]].concat();
    let http = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    let proxy = b"CONNECT example.org:443 HTTP/1.1\r\n\r\n".to_vec();
    let ssh = b"SSH-2.0-OpenSSH_9.2\r\n".to_vec();
    let endless = vec![b'A'; 1 << 20];
    siege.endure(MEMORY_MAX, |victim| {
        for port in [victim.rpc(), victim.gossip(), victim.telemetry()] {
            for bytes in [&hello, &http, &proxy, &ssh, &endless] {
                let [stream] = &open(port, 1, bytes)[..] else { unreachable!() };
                let _ = stream.shutdown(std::net::Shutdown::Write);
                assert!(ends(stream, TIME_MAX), "{port} {:?}", &bytes[..4]);
            }
        }
    });
    assert!(siege.victim.counted("agent.ipc.undecodable") > 0);
    assert!(siege.victim.counted("uwasa.dropped.message_type") > 0);
}

#[test]
fn oversized_frames_to_gossip() {
    let mut siege = Siege::lay(&[]);
    // A push/pull that announces more members and more state than there can be; encrypted and compressed streams that
    // announce four gigabytes; a message for the layer above without end.
    let heads: [&[u8]; 4] = [
        &[
            6, 0x83, 0xa4, b'J', b'o', b'i', b'n', 0xc2, 0xa5, b'N', b'o', b'd', b'e', b's', 0xce,
            255, 255, 255, 255,
        ],
        &[10, 255, 255, 255, 255],
        &[
            9, 0x82, 0xa4, b'A', b'l', b'g', b'o', 0, 0xa3, b'B', b'u', b'f', 0xdb, 255, 255, 255,
            255,
        ],
        &[
            8, 0x81, 0xaa, b'U', b's', b'e', b'r', b'M', b's', b'g', b'L', b'e', b'n', 0xce, 255,
            255, 255, 255,
        ],
    ];
    let junk = vec![0x5a; 64 * 1_024];
    // A message may have 20 MiB, and the memory that it is gathered in doubles as it grows.
    siege.endure(MEMORY_MAX + 4 * 2 * 20 * 1_024, |victim| {
        thread::scope(|scope| {
            for head in heads {
                let junk = &junk;
                scope.spawn(move || {
                    let mut stream = TcpStream::connect(victim.gossip()).unwrap();
                    stream.set_write_timeout(Some(TIME_MAX)).unwrap();
                    let mut sent = stream.write_all(head);
                    for _ in 0..1_024 {
                        sent = sent.and_then(|()| stream.write_all(junk));
                    }
                    assert!(sent.is_err() || ends(&stream, TIME_MAX), "64 MiB were taken");
                });
            }
        });
    });
}
