//! A plain RPC client: one request at a time, and records of streams.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use uwasa_core::wire::msgpack::{DecodeError, DecodeErrorKind, Dialect, Reader, Writer};

use crate::failure::Failure;

/// How long an agent may take to answer a request that it answers at once when well.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Between two attempts to connect to an agent that is starting.
const CONNECT_PAUSE: Duration = Duration::from_micros(500);
/// What one read takes at most; also the size of the buffer until an answer is larger.
const CHUNK: usize = 64 * 1024;
/// A larger answer is an error: 1,000 members take a quarter of this.
const ANSWER_MAX: usize = 4 * 1024 * 1024;

/// Bytes received and not yet used.
#[derive(Debug)]
pub(crate) struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    fn new() -> Self {
        Self { bytes: vec![0; CHUNK], start: 0, end: 0 }
    }

    /// Waits for more bytes; `Ok(false)`: the agent has closed the connection.
    pub(crate) fn fill(&mut self, stream: &mut TcpStream) -> io::Result<bool> {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.bytes.len() {
            if self.end >= ANSWER_MAX {
                return Err(io::Error::other("an answer without end"));
            }
            self.bytes.resize(self.end * 2, 0);
        }
        let count = stream.read(&mut self.bytes[self.end..])?;
        self.end += count;
        Ok(count > 0)
    }

    /// Where the next `count` whole objects lie, until the next [`Input::fill`]; `None` if they are not all there yet.
    pub(crate) fn objects(&mut self, count: usize) -> Result<Option<Range<usize>>, DecodeError> {
        let mut reader = Reader::new(&self.bytes[self.start..self.end]);
        for _ in 0..count {
            match reader.skip() {
                Ok(()) => {}
                Err(error) if error.kind == DecodeErrorKind::End => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        let from = self.start;
        self.start += reader.offset();
        Ok(Some(from..self.start))
    }

    /// What lies there.
    pub(crate) fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.bytes[range]
    }
}

/// One connection, past its handshake.
#[derive(Debug)]
pub(crate) struct Client {
    addr: SocketAddr,
    stream: TcpStream,
    input: Input,
    out: Vec<u8>,
    seq: u64,
}

impl Client {
    /// Tries until the handshake is answered or `within` has passed.
    pub(crate) fn connect(addr: SocketAddr, within: Duration) -> Result<Self, Failure> {
        let deadline = Instant::now() + within;
        loop {
            match Self::attempt(addr) {
                Ok(client) => return Ok(client),
                Err(failure) if Instant::now() >= deadline => return Err(failure),
                Err(_) => std::thread::sleep(CONNECT_PAUSE),
            }
        }
    }

    fn attempt(addr: SocketAddr) -> Result<Self, Failure> {
        let what = || Failure::system(format!("connecting to {addr}"));
        let stream = TcpStream::connect_timeout(&addr, ANSWER_WITHIN).map_err(what())?;
        stream.set_nodelay(true).map_err(what())?;
        stream.set_read_timeout(Some(ANSWER_WITHIN)).map_err(what())?;
        let mut client = Self { addr, stream, input: Input::new(), out: Vec::new(), seq: 0 };
        client.call("handshake", 0, |body| {
            body.fixed_map(1);
            body.text("Version");
            body.unsigned(1);
        })?;
        Ok(client)
    }

    /// For commands that take longer than others: `leave`, `join`.
    pub(crate) fn answer_within(&self, time: Duration) -> Result<(), Failure> {
        self.stream.set_read_timeout(Some(time)).map_err(Failure::system("read timeout"))
    }

    /// Sends one request and waits for the answer, of which `bodies` (0 or 1) objects follow the header; returns those.
    pub(crate) fn call(
        &mut self,
        command: &str,
        bodies: usize,
        body: impl FnOnce(&mut Writer<'_>),
    ) -> Result<&[u8], Failure> {
        self.seq += 1;
        self.out.clear();
        let mut writer = Writer::new(&mut self.out, Dialect::Rpc);
        writer.fixed_map(2);
        writer.text("Command");
        writer.text(command);
        writer.text("Seq");
        writer.unsigned(self.seq);
        body(&mut writer);
        let addr = self.addr;
        let broken = |source| Failure::System { what: format!("{command} to {addr}"), source };
        self.stream.write_all(&self.out).map_err(broken)?;
        let wrong = |what| Failure::Answer { agent: addr.to_string(), what };
        let range = loop {
            match self.input.objects(1 + bodies) {
                Ok(Some(range)) => break range,
                Ok(None) => {}
                Err(error) => return Err(wrong(error.to_string())),
            }
            if !self.input.fill(&mut self.stream).map_err(broken)? {
                return Err(wrong(format!("closed the connection on {command}")));
            }
        };
        let mut reader = Reader::new(self.input.bytes(range));
        let header = Header::read(&mut reader).map_err(|error| wrong(error.to_string()))?;
        match header.error {
            "" => Ok(reader.rest()),
            error => Err(wrong(error.to_owned())),
        }
    }

    /// Sends a user event that is not coalesced.
    pub(crate) fn event(&mut self, name: &str, payload: &[u8]) -> Result<(), Failure> {
        self.call("event", 0, |body| {
            body.fixed_map(3);
            body.text("Name");
            body.text(name);
            body.text("Payload");
            body.bytes(Some(payload));
            body.text("Coalesce");
            body.boolean(false);
        })?;
        Ok(())
    }

    /// Joins the agent at this gossip address (`ip:port`).
    pub(crate) fn join(&mut self, seed: &str) -> Result<(), Failure> {
        self.call("join", 1, |body| {
            body.fixed_map(2);
            body.text("Existing");
            body.array(1);
            body.text(seed);
            body.text("Replay");
            body.boolean(false);
        })?;
        Ok(())
    }

    /// How many members the agent knows that have neither failed nor left, itself included.
    pub(crate) fn alive(&mut self) -> Result<usize, Failure> {
        let agent = self.addr.to_string();
        let body = self.call("stats", 1, |_| {})?;
        alive(body).ok_or_else(|| Failure::Answer { agent, what: "stats without counts".into() })
    }

    /// Subscribes to these events and hands the connection over for reading records.
    pub(crate) fn stream(mut self, filter: &str) -> Result<(TcpStream, Input), Failure> {
        self.call("stream", 0, |body| {
            body.fixed_map(1);
            body.text("Type");
            body.text(filter);
        })?;
        self.stream.set_read_timeout(None).map_err(Failure::system("read timeout"))?;
        Ok((self.stream, self.input))
    }
}

/// What precedes every answer and record.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    /// Empty: none.
    pub(crate) error: &'a str,
}

impl<'a> Header<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut error = "";
        for _ in 0..reader.map()? {
            match reader.key()? {
                b"Error" => error = reader.text()?,
                _ => reader.skip()?,
            }
        }
        Ok(Self { error })
    }
}

fn alive(body: &[u8]) -> Option<usize> {
    let mut reader = Reader::new(body);
    let (mut members, mut failed, mut left) = (None, None, None);
    for _ in 0..reader.map().ok()? {
        if reader.key().ok()? != b"serf" {
            reader.skip().ok()?;
            continue;
        }
        for _ in 0..reader.map().ok()? {
            let key = reader.key().ok()?;
            let value = reader.text().ok()?.parse::<usize>().ok();
            match key {
                b"members" => members = value,
                b"failed" => failed = value,
                b"left" => left = value,
                _ => {}
            }
        }
    }
    members?.checked_sub(failed?)?.checked_sub(left?)
}
