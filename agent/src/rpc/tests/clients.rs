//! Clients of all kinds: slow, silent, hostile, and many.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::time::timeout;
use uwasa_core::wire::msgpack::Reader;

use super::double::{Double, State, member};
use crate::event::AgentEvent;
use crate::rpc::listener::Listener;
use crate::rpc::outlet::Outlet;
use crate::rpc::server::Server;

pub(super) const HANDSHAKE: &[u8] = b"\x82\xa7Command\xa9handshake\xa3Seq\x01\x81\xa7Version\x01";
const GREETED: &[u8] = b"\x82\xa5Error\xa0\xa3Seq\x01";
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
const PLACES: usize = 8;

/// A server on a free port.
pub(super) async fn start(auth: &str, double: Double) -> (Server, SocketAddr) {
    let (listener, file) = Listener::bind("127.0.0.1:0").await.unwrap();
    let Listener::Tcp(tcp) = &listener else { panic!("not TCP") };
    let addr = tcp.local_addr().unwrap();
    (Server::serve(listener, file, auth, double, PLACES), addr)
}

pub(super) fn request(command: &str, seq: u8, body: &[u8]) -> Vec<u8> {
    let len = 0xa0 | u8::try_from(command.len()).unwrap();
    [b"\x82\xa7Command", &[len][..], command.as_bytes(), b"\xa3Seq", &[seq], body].concat()
}

fn ok(seq: u8) -> Vec<u8> {
    [&b"\x82\xa5Error\xa0\xa3Seq"[..], &[seq]].concat()
}

async fn greeted(addr: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(addr).await.unwrap();
    client.write_all(HANDSHAKE).await.unwrap();
    expect(&mut client, GREETED).await;
    client
}

async fn expect(client: &mut TcpStream, expected: &[u8]) {
    let mut received = vec![0; expected.len()];
    timeout(PATIENCE, client.read_exact(&mut received)).await.expect("an answer").unwrap();
    assert_eq!(received, expected);
}

/// Waits for the end; a reset is one too.
async fn expect_end(client: &mut TcpStream) {
    let mut rest = Vec::new();
    match timeout(PATIENCE, client.read_to_end(&mut rest)).await.expect("an end") {
        Ok(_) => assert_eq!(rest, [0; 0]),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

#[tokio::test]
async fn requests_may_come_byte_by_byte_or_all_at_once() {
    let double =
        Double::new(State { members: vec![member("a", [10, 0, 0, 1], &[])], ..State::default() });
    let (_server, addr) = start("", double).await;
    let requests =
        [HANDSHAKE, &request("members", 2, b""), &request("event", 3, b"\x81\xa4Name\xa1e")];
    let mut one = TcpStream::connect(addr).await.unwrap();
    one.set_nodelay(true).unwrap();
    for byte in requests.concat() {
        one.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut all = TcpStream::connect(addr).await.unwrap();
    all.write_all(&requests.concat()).await.unwrap();
    let mut answers = [Vec::new(), Vec::new()];
    for (client, received) in [&mut one, &mut all].into_iter().zip(&mut answers) {
        client.shutdown().await.unwrap();
        timeout(PATIENCE, client.read_to_end(received)).await.unwrap().unwrap();
        assert!(received.starts_with(GREETED) && received.ends_with(&ok(3)));
    }
    assert_eq!(answers[0], answers[1]);
    let mut reader = Reader::new(&answers[0]);
    assert_eq!((0..).take_while(|_| reader.skip().is_ok()).count(), 4);
}

#[tokio::test]
async fn undecodable_input_closes_only_its_own_connection() {
    let (_server, addr) = start("", Double::default()).await;
    let mut other = greeted(addr).await;
    let deep = [0x91; 100];
    let long = [&[0xc6, 0, 0x20, 0, 0][..], &vec![0; 1 << 20]].concat();
    let long_body = request("event", 2, &[b"\x81\xa7Payload", &long[..]].concat());
    for input in [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xc1], &deep, &long, &long_body, &[0xa1]] {
        let mut client = greeted(addr).await;
        // The server may close before it has taken all.
        let _ = client.write_all(input).await;
        let _ = client.shutdown().await;
        expect_end(&mut client).await;
    }
    other.write_all(&request("stats", 7, b"")).await.unwrap();
    expect(&mut other, &[&ok(7)[..], b"\x80"].concat()).await;
}

#[tokio::test]
async fn strangers_may_send_little() {
    let (_server, addr) = start("secret", Double::default()).await;
    for greet in [false, true] {
        let mut client = TcpStream::connect(addr).await.unwrap();
        if greet {
            client = greeted(addr).await;
        }
        let _ = client.write_all(&[&[0xc5, 0xff, 0xff][..], &[0; 20_000]].concat()).await;
        expect_end(&mut client).await;
    }
}

#[tokio::test]
async fn a_slow_join_holds_up_only_its_own_connection() {
    let double = Double::default();
    let (_server, addr) = start("", double.clone()).await;
    let (mut slow, mut other) = (greeted(addr).await, greeted(addr).await);
    slow.write_all(&request("join", 2, b"\x81\xa8Existing\x91\xa4slow")).await.unwrap();
    slow.write_all(&request("stats", 3, b"")).await.unwrap();
    other.write_all(&request("stats", 4, b"")).await.unwrap();
    expect(&mut other, &[&ok(4)[..], b"\x80"].concat()).await;
    assert_eq!(slow.try_read(&mut [0; 8]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    double.slow_join.notify_one();
    let answers = [&ok(2)[..], b"\x81\xa3Num\x00", &ok(3), b"\x80"].concat();
    expect(&mut slow, &answers).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_up_only_itself() {
    let event = AgentEvent::User {
        ltime: 1,
        name: "e".into(),
        payload: vec![0; 64 * 1_024].into(),
        coalesce: false,
    };
    let double = Double::default();
    double.state().events.push_back(vec![event; 512]);
    let (_server, addr) = start("", double).await;
    let mut stuck = greeted(addr).await;
    stuck.write_all(&request("stream", 2, b"\x81\xa4Type\xa1*")).await.unwrap();
    expect(&mut stuck, &ok(2)).await;
    // Its own requests wait behind the records.
    stuck.write_all(&request("stats", 3, b"")).await.unwrap();
    let mut other = greeted(addr).await;
    for seq in 4..100 {
        other.write_all(&request("stats", seq, b"")).await.unwrap();
        expect(&mut other, &[&ok(seq)[..], b"\x80"].concat()).await;
    }
    // Once it reads, nothing is missing.
    stuck.shutdown().await.unwrap();
    let mut received = Vec::new();
    timeout(PATIENCE, stuck.read_to_end(&mut received)).await.unwrap().unwrap();
    assert!(received.windows(ok(3).len()).any(|part| part == ok(3)));
}

#[tokio::test]
async fn a_client_that_never_reads_is_given_up() {
    let (client, server) = tokio::io::duplex(64);
    let outlet = Arc::new(Outlet::with_patience(Box::new(server), Duration::from_millis(20)));
    let error = outlet.send(&[0; 1_000]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    timeout(PATIENCE, outlet.given_up()).await.expect("a failure");
    let error = outlet.send(&[0]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    drop(client);
}

#[tokio::test]
async fn idle_connections_do_not_matter() {
    let (server, addr) = start("", Double::default()).await;
    let mut idle = Vec::new();
    for number in 0..2_000 {
        match TcpStream::connect(addr).await {
            Ok(client) => idle.push(client),
            // The limit of open files; the server has met it too, and has to recover.
            Err(error) => {
                assert!(number >= 400, "{error}");
                idle.truncate(idle.len() / 2);
                break;
            }
        }
    }
    let mut client = timeout(PATIENCE, greeted(addr)).await.expect("an answer");
    client.write_all(&request("stats", 2, b"")).await.unwrap();
    expect(&mut client, &[&ok(2)[..], b"\x80"].concat()).await;
    drop(server);
    expect_end(&mut client).await;
    for mut client in idle {
        expect_end(&mut client).await;
    }
    assert!(TcpStream::connect(addr).await.is_err(), "the listener is still there");
}

#[tokio::test]
async fn an_invalid_expression_closes_and_a_valid_one_is_not_grouped() {
    let names =
        ["n1", "n1x", "xn2", "xn2x"].map(|name| member(name, [10, 0, 0, 1], &[("k", name)]));
    let double = Double::new(State { members: names.to_vec(), ..State::default() });
    let (_server, addr) = start("", double).await;
    for (body, found) in [
        (&b"\x81\xa4Name\xa5n1|n2"[..], &["n1", "n1x", "xn2"][..]),
        (b"\x81\xa4Name\xa2n1", &["n1"]),
        (b"\x81\xa4Tags\x81\xa1k\xa4n1.*", &["n1", "n1x"]),
        (b"\x81\xa4Tags\x81\xa7missing\xa0", &["n1", "n1x", "xn2", "xn2x"]),
        (b"\x81\xa6Status\xa4left", &[]),
    ] {
        let mut client = greeted(addr).await;
        client.write_all(&request("members-filtered", 2, body)).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, client.read_to_end(&mut answer)).await.unwrap().unwrap();
        let list = answer.strip_prefix(&[&ok(2)[..], b"\x81\xa7Members"].concat()[..]).unwrap();
        assert_eq!(list[0], 0x90 | u8::try_from(found.len()).unwrap(), "{body:?}");
        for name in found {
            let field =
                [&b"\xa4Name"[..], &[0xa0 | u8::try_from(name.len()).unwrap()], name.as_bytes()];
            assert!(list.windows(field.concat().len()).any(|part| part == field.concat()));
        }
    }
    let mut client = greeted(addr).await;
    client.write_all(&request("members-filtered", 2, b"\x81\xa4Name\xa1(")).await.unwrap();
    expect_end(&mut client).await;
}

#[tokio::test]
async fn a_unix_socket_is_private_and_goes_with_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rpc.sock");
    // As an agent that was killed leaves it.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let addr = format!("unix:{}", path.display());
    let (listener, file) = Listener::bind(&addr).await.unwrap();
    let server = Server::serve(listener, file, "", Double::default(), PLACES);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut client = UnixStream::connect(&path).await.unwrap();
    client.write_all(HANDSHAKE).await.unwrap();
    let mut received = vec![0; GREETED.len()];
    timeout(PATIENCE, client.read_exact(&mut received)).await.unwrap().unwrap();
    assert_eq!(received, GREETED);
    let error = Listener::bind(&addr).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("listen unix {}: bind: address already in use", path.display())
    );
    drop(server);
    assert!(!path.exists());
    assert_eq!(timeout(PATIENCE, client.read(&mut received)).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn addresses_are_refused_in_gos_words() {
    for (addr, expected) in [
        ("127.0.77.30", "listen tcp: address 127.0.77.30: missing port in address"),
        ("::1:7373", "listen tcp: address ::1:7373: too many colons in address"),
        ("127.0.0.1:99999", "listen tcp: address 99999: invalid port"),
        ("127.0.0.1:-1", "listen tcp: address -1: invalid port"),
        ("[::1", "listen tcp: address [::1: missing ']' in address"),
        ("[::1]x:7373", "listen tcp: address [::1]x:7373: missing port in address"),
        // The port is read before the host is looked up.
        ("nohost.invalid:abc", "listen tcp: address tcp/abc: unknown port"),
        ("127.1:7373", "listen tcp: lookup 127.1: no such host"),
        ("256.1.1.1:7373", "listen tcp: lookup 256.1.1.1: no such host"),
    ] {
        assert_eq!(Listener::bind(addr).await.unwrap_err().to_string(), expected);
    }
    let (_server, addr) = start("", Double::default()).await;
    let error = Listener::bind(&addr.to_string()).await.unwrap_err();
    assert_eq!(error.to_string(), format!("listen tcp {addr}: bind: address already in use"));
}

#[tokio::test]
async fn the_oldest_stranger_gives_way_when_all_places_are_taken() {
    let (_server, addr) = start("", Double::default()).await;
    let greet = async || {
        let mut client = TcpStream::connect(addr).await.unwrap();
        client.write_all(HANDSHAKE).await.unwrap();
        client.read_exact(&mut [0; GREETED.len()]).await.unwrap();
        client
    };
    let mut first = greet().await;
    let mut strangers = Vec::new();
    for _ in 1..PLACES {
        strangers.push(TcpStream::connect(addr).await.unwrap());
    }
    let _second = timeout(PATIENCE, greet()).await.expect("a place");
    let mut byte = [0];
    let oldest = timeout(PATIENCE, strangers[0].read(&mut byte)).await;
    assert_eq!(oldest.expect("an end").unwrap_or(0), 0);
    // Who is known stays.
    first.write_all(HANDSHAKE).await.unwrap();
    timeout(PATIENCE, first.read_exact(&mut [0; 4])).await.expect("an answer").unwrap();
}

/// Waits until `done` holds.
async fn until(mut done: impl FnMut() -> bool) {
    let wait = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.expect("it happens");
}

#[tokio::test]
async fn an_agent_that_left_ends_though_its_client_is_gone() {
    let slow = Arc::new(Notify::new());
    let double = Double::that_leaves_slowly(&slow);
    let (_server, addr) = start("", double.clone()).await;
    let mut client = greeted(addr).await;
    client.write_all(&request("stream", 2, b"\x81\xa4Type\xa1*")).await.unwrap();
    expect(&mut client, &ok(2)).await;
    client.write_all(&request("leave", 3, b"")).await.unwrap();
    until(|| double.state().calls.iter().any(|call| call == "leave")).await;
    drop(client);
    let events = double.state().senders.pop().unwrap();
    let event =
        AgentEvent::User { ltime: 1, name: "e".into(), payload: Bytes::new(), coalesce: false };
    until(|| events.try_send(Arc::new(event.clone())).is_err() && events.is_closed()).await;
    assert!(!double.state().is_shut_down, "not before it has left");
    slow.notify_one();
    until(|| double.state().is_shut_down).await;
}
