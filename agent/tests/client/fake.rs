//! Agents that say what they are told to say.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

use serde::Deserialize;
use uwasa_core::wire::msgpack::{Dialect, Reader, Writer};

use crate::support::TIME_MAX;

/// Bytes in one direction, or what happened to the connection.
#[derive(Clone, Deserialize, Debug)]
pub(crate) struct Frame {
    pub(crate) dir: String,
    #[serde(default)]
    pub(crate) hex: String,
    #[serde(default)]
    pub(crate) event: Option<String>,
}

impl Frame {
    /// The agent waits for the end of the client.
    pub(crate) fn until_the_client_ends() -> Self {
        Self { dir: "C>A".to_owned(), hex: String::new(), event: Some(String::new()) }
    }

    pub(crate) fn is_request(&self) -> bool {
        self.dir == "C>A"
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let digits = self.hex.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16);
        digits.map(|pair| byte(pair).expect("hex")).collect()
    }
}

/// An agent that plays its side of a conversation with one client. Returns what it received.
pub(crate) fn player(frames: Vec<Frame>) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    serve(move |mut stream| {
        let mut received = Vec::new();
        for frame in frames {
            match (frame.is_request(), frame.event.is_some()) {
                (true, true) => {
                    let _ = stream.read_to_end(&mut received);
                }
                (true, false) => {
                    let mut part = vec![0; frame.bytes().len()];
                    if stream.read_exact(&mut part).is_err() {
                        break;
                    }
                    received.extend(part);
                }
                (false, true) => break,
                (false, false) => {
                    let _ = stream.write_all(&frame.bytes());
                }
            }
        }
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut received);
        received
    })
}

/// An agent that wants a token and refuses every request without it.
pub(crate) fn guarded(token: &'static str, members: Vec<u8>) -> (SocketAddr, JoinHandle<()>) {
    serve(move |mut stream| {
        let mut known = false;
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = stream.read(&mut buffer) {
            let mut reader = Reader::new(&buffer[..len]);
            let (mut command, mut seq) = (String::new(), 0);
            let header = reader.structure(&["Command", "Seq"], |reader, key| {
                match key {
                    b"Command" => command = reader.text()?.to_owned(),
                    _ => seq = reader.unsigned()?,
                }
                Ok(())
            });
            header.expect("a request");
            let shows = |token: &str| reader.rest().ends_with(token.as_bytes());
            let (error, body) = match command.as_str() {
                "handshake" => ("", &[][..]),
                "auth" if shows(token) => {
                    known = true;
                    ("", &[][..])
                }
                "auth" => ("Invalid authentication token", &[][..]),
                _ if !known => ("Authentication required", &[][..]),
                _ => ("", members.as_slice()),
            };
            let mut answer = Vec::new();
            let mut writer = Writer::new(&mut answer, Dialect::Rpc);
            writer.fixed_map(2);
            writer.text("Error");
            writer.text(error);
            writer.text("Seq");
            writer.unsigned(seq);
            answer.extend_from_slice(body);
            let _ = stream.write_all(&answer);
        }
    })
}

fn serve<T: Send + 'static>(
    play: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (SocketAddr, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let thread = thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a client");
        stream.set_read_timeout(Some(TIME_MAX)).expect("a time limit");
        play(stream)
    });
    (addr, thread)
}
