//! A real agent and its log behind the server.

use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::{Level, dispatcher};
use uwasa_core::config::{Identity, Options};

use super::clients::{HANDSHAKE, PATIENCE, request};
use crate::agent::{Agent, Settings};
use crate::driver::Start;
use crate::log::Log;
use crate::rpc::server::Server;

fn agent(tcp: TcpListener, udp: UdpSocket) -> Agent {
    tcp.set_nonblocking(true).unwrap();
    udp.set_nonblocking(true).unwrap();
    let options = Options { trace: true, ..Options::local() };
    let start = Start {
        config: Arc::new(options.validate().unwrap()),
        identity: Identity::new("one", tcp.local_addr().unwrap()).unwrap(),
        udp,
        tcp,
        snapshot: None,
        keyring_file: None,
    };
    Agent::start(start, Settings::default()).unwrap()
}

/// Sends `requests` and waits for the last thing that must come of them.
async fn talk(client: &mut TcpStream, requests: &[u8], received: &mut Vec<u8>, last: &[u8]) {
    client.write_all(requests).await.unwrap();
    let all = async {
        while !received.windows(last.len()).any(|part| part == last) {
            assert_ne!(client.read_buf(received).await.unwrap(), 0, "closed");
        }
    };
    timeout(PATIENCE, all).await.unwrap_or_else(|_| panic!("no {last:?}"));
}

#[tokio::test]
async fn a_real_agent_streams_answers_and_leaves() {
    let (log, dispatch) = Log::quiet(Level::TRACE);
    let _default = dispatcher::set_default(&dispatch);
    let (tcp, udp) = loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            break (tcp, udp);
        }
    };
    let agent = agent(tcp, udp);
    // RPC listens on the node's port of another loopback address, which is free.
    let addr = format!("127.0.0.2:{}", agent.addr().port());
    let server = Server::start(&addr, "", &agent, &log).await.unwrap();
    let mut client = TcpStream::connect(&addr).await.unwrap();
    let (client, received) = (&mut client, &mut Vec::new());

    let monitor = request("monitor", 2, b"\x81\xa8LogLevel\xa4info");
    talk(
        client,
        &[HANDSHAKE, &monitor].concat(),
        received,
        b"agent.ipc: Accepted client: 127.0.0.1:",
    )
    .await;
    let requests = [
        request("stream", 3, b"\x81\xa4Type\xaauser,query"),
        request("event", 4, b"\x82\xa4Name\xa6deploy\xa7Payload\xc4\x01x"),
        request("query", 5, b"\x82\xa4Name\xa4load\xa7Timeout\xce\x1d\xcd\x65\x00"),
    ];
    talk(client, &requests.concat(), received, b"\xa4Name\xa6deploy\xa7Payload\xc4\x01x").await;
    talk(client, b"", received, b"\xa5Event\xa5query\xa2ID\x01").await;
    let respond = request("respond", 6, b"\x82\xa2ID\x01\xa7Payload\xa40.42");
    let answered = b"\x83\xa4From\xa3one\xa7Payload\xc4\x040.42\xa4Type\xa8response";
    talk(client, &respond, received, answered).await;
    talk(client, b"", received, b"\xa4Type\xa4done").await;
    let late = [&b"\x82\xa5Error\xbe"[..], b"No pending queries matching ID", b"\xa3Seq\x07"];
    let respond = request("respond", 7, b"\x82\xa2ID\x01\xa7Payload\xa40.42");
    talk(client, &respond, received, &late.concat()).await;

    talk(client, &request("leave", 8, b""), received, b"\x82\xa5Error\xa0\xa3Seq\x08").await;
    drop(server);
    let end = async { while client.read_buf(received).await.is_ok_and(|count| count > 0) {} };
    timeout(PATIENCE, end).await.expect("the connection ends with the server");
}
