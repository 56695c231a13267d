//! Clients that ask too much and read too little.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::siege::{Agent, Siege, TIME_MAX, heavy};

/// Resident memory, in KiB: the program's own pages, and the queues of events and answers, all of them bounded.
const MEMORY_MAX: u64 = 48 * 1_024;

/// A connection after its handshake.
fn greeted(victim: &Agent) -> TcpStream {
    let mut stream = TcpStream::connect(victim.rpc()).unwrap();
    stream.set_write_timeout(Some(TIME_MAX)).unwrap();
    stream.set_read_timeout(Some(TIME_MAX)).unwrap();
    stream.write_all(HANDSHAKE).unwrap();
    stream.read_exact(&mut [0; 13]).unwrap();
    stream
}

const HANDSHAKE: &[u8] = b"\x82\xa7Command\xa9handshake\xa3Seq\x01\x81\xa7Version\x01";
const EVENT: &[u8] = b"\x82\xa7Command\xa5event\xa3Seq\x02\x83\xa4Name\xa1e\xa7Payload\xc4\x06hello!\xa8Coalesce\xc2";
/// Without the 400 bytes of its payload.
const LONG_EVENT: &[u8] =
    b"\x82\xa7Command\xa5event\xa3Seq\x02\x82\xa4Name\xa1e\xa7Payload\xc5\x01\x90";
const QUERY: &[u8] = b"\x82\xa7Command\xa5query\xa3Seq\x03\x83\xa4Name\xa1q\xaaRequestAck\xc3\xa7Timeout\xce\x05\xf5\xe1\x00";
const MEMBERS: &[u8] = b"\x82\xa7Command\xa7members\xa3Seq\x04";
const STREAM: &[u8] = b"\x82\xa7Command\xa6stream\xa3Seq\x05\x81\xa4Type\xa1*";
const MONITOR: &[u8] = b"\x82\xa7Command\xa7monitor\xa3Seq\x06\x81\xa8LogLevel\xa5DEBUG";

/// As [`greeted`], with little room for what it does not read.
fn deaf(victim: &Agent, request: &[u8]) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&victim.rpc().into()).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.write_all(HANDSHAKE).unwrap();
    stream.read_exact(&mut [0; 13]).unwrap();
    stream.write_all(request).unwrap();
    stream
}

/// Sends a request again and again without waiting; whether answers are read is for the caller to say.
fn repeat(victim: &Agent, request: &[u8], time: Duration, reads: bool) {
    let mut stream = greeted(victim);
    if reads {
        let mut answers = stream.try_clone().unwrap();
        thread::spawn(move || {
            let mut bytes = [0; 1 << 16];
            while answers.read(&mut bytes).is_ok_and(|count| count > 0) {}
        });
    }
    let requests = request.repeat(64);
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let start = Instant::now();
    while start.elapsed() < time {
        // A client that does not read is not read either.
        let _ = stream.write_all(&requests);
    }
    let _ = stream.shutdown(std::net::Shutdown::Both);
}

fn time() -> Duration {
    Duration::from_secs(if heavy() { 10 } else { 2 })
}

#[test]
fn events_and_queries_and_questions_without_a_pause() {
    let mut siege = Siege::lay(&[]);
    siege.endure(MEMORY_MAX, |victim| {
        thread::scope(|scope| {
            for request in [EVENT, EVENT, QUERY, MEMBERS] {
                scope.spawn(|| repeat(victim, request, time(), true));
            }
        });
    });
    assert!(siege.victim.counted("serf.events") > 100);
}

#[test]
fn readers_of_streams_and_monitors_that_do_not_read() {
    let long = [LONG_EVENT, &[b'x'; 400]].concat();
    let mut siege = Siege::lay(&[]);
    siege.endure(MEMORY_MAX, |victim| {
        let silent: Vec<TcpStream> = (0..20)
            .map(|number| deaf(victim, if number % 2 == 0 { STREAM } else { MONITOR }))
            .collect();
        thread::scope(|scope| {
            scope.spawn(|| repeat(victim, &long, time(), true));
            scope.spawn(|| repeat(victim, &long, time(), true));
            // These do not read the answers either.
            scope.spawn(|| repeat(victim, MEMBERS, time(), false));
        });
        drop(silent);
    });
    assert!(siege.victim.counted("agent.events.dropped") > 0);
    let lines = siege.victim.log().matches("Dropping event").count() as u64;
    assert!(lines <= 20 * (time().as_secs() + 2), "{lines} lines of log");
}
