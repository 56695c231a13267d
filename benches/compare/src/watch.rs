//! Subscriptions to the events of every agent, with the time each record arrived.

use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use uwasa_core::wire::msgpack::{DecodeError, Reader};

use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::rpc::{Header, Input};

/// Stack of a thread that only reads and decodes.
const STACK: usize = 256 * 1024;

/// What a record tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// A user event with this number in its payload.
    Event(u64),
    /// These members failed.
    Failed(Vec<String>),
    /// These members left.
    Left(Vec<String>),
}

/// A record of one agent.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Position of the agent in the cluster when the watch began.
    pub(crate) agent: usize,
    /// When its bytes were read.
    pub(crate) at: Instant,
    /// What it tells.
    pub(crate) told: Told,
}

/// Open subscriptions; dropping closes them. The threads hand over what one read brought as one batch; the queue between
/// has no bound, because a reader that waits would make the agent drop records.
#[derive(Debug)]
pub(crate) struct Watch {
    batches: Receiver<Vec<Arrival>>,
    streams: Vec<TcpStream>,
    threads: Vec<JoinHandle<()>>,
}

impl Watch {
    /// Subscribes to user events, failures and departures at every agent.
    pub(crate) fn open(cluster: &Cluster) -> Result<Self, Failure> {
        let (sender, batches) = channel();
        let mut watch = Self { batches, streams: Vec::new(), threads: Vec::new() };
        for (agent, client) in cluster.clients()?.into_iter().enumerate() {
            let (stream, input) = client.stream("user,member-failed,member-leave")?;
            let closer = stream.try_clone().map_err(Failure::system("stream"))?;
            let sender = sender.clone();
            let thread = std::thread::Builder::new()
                .stack_size(STACK)
                .spawn(move || read(agent, stream, input, &sender))
                .map_err(Failure::system("thread"))?;
            watch.streams.push(closer);
            watch.threads.push(thread);
        }
        Ok(watch)
    }

    /// What arrives next, at most until `deadline`; empty: nothing came.
    pub(crate) fn next(&self, deadline: Instant) -> Vec<Arrival> {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.batches.recv_timeout(left) {
            Ok(batch) => batch,
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => {
                // All connections are gone; the caller's loop ends at its deadline.
                std::thread::sleep(left);
                Vec::new()
            }
        }
    }

    /// Waits until `wanted` agents told what `heard` looks for, or `limit` has passed since `start`. Times since
    /// `start`, in ascending order.
    pub(crate) fn until(
        &self,
        start: Instant,
        limit: Duration,
        wanted: usize,
        heard: impl Fn(&Arrival) -> bool,
    ) -> Vec<Duration> {
        let mut times: Vec<Option<Duration>> = vec![None; self.streams.len()];
        let deadline = start + limit;
        let mut count = 0;
        while count < wanted && Instant::now() < deadline {
            for arrival in self.next(deadline) {
                if times[arrival.agent].is_none() && heard(&arrival) {
                    times[arrival.agent] = Some(arrival.at.saturating_duration_since(start));
                    count += 1;
                }
            }
        }
        let mut times: Vec<Duration> = times.into_iter().flatten().collect();
        times.sort_unstable();
        times
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for stream in &self.streams {
            let _closed = stream.shutdown(Shutdown::Both);
        }
        for thread in self.threads.drain(..) {
            let _ended = thread.join();
        }
    }
}

/// Reads records until the connection ends.
fn read(agent: usize, mut stream: TcpStream, mut input: Input, out: &Sender<Vec<Arrival>>) {
    loop {
        let at = Instant::now();
        let mut batch = Vec::new();
        while let Ok(Some(range)) = input.objects(2) {
            if let Ok(Some(told)) = record(input.bytes(range)) {
                batch.push(Arrival { agent, at, told });
            }
        }
        if !batch.is_empty() && out.send(batch).is_err() {
            return;
        }
        if !input.fill(&mut stream).unwrap_or(false) {
            return;
        }
    }
}

/// Decodes header and body of one record; `None` for events this tool does not ask for.
fn record(bytes: &[u8]) -> Result<Option<Told>, DecodeError> {
    let mut reader = Reader::new(bytes);
    Header::read(&mut reader)?;
    let (mut event, mut payload, mut members): (&[u8], &[u8], _) = (b"", b"", Vec::new());
    for _ in 0..reader.map()? {
        match reader.key()? {
            b"Event" => event = reader.bytes_or_empty()?,
            b"Payload" => payload = reader.bytes_or_empty()?,
            b"Members" => members = names(&mut reader)?,
            _ => reader.skip()?,
        }
    }
    Ok(match event {
        b"user" => number(payload).map(Told::Event),
        b"member-failed" => Some(Told::Failed(members)),
        b"member-leave" => Some(Told::Left(members)),
        _ => None,
    })
}

fn names(reader: &mut Reader<'_>) -> Result<Vec<String>, DecodeError> {
    let mut names = Vec::new();
    for _ in 0..reader.array()? {
        for _ in 0..reader.map()? {
            match reader.key()? {
                b"Name" => names.push(reader.text()?.to_owned()),
                _ => reader.skip()?,
            }
        }
    }
    Ok(names)
}

/// Bytes of the payload of every event this tool sends.
const PAYLOAD_BYTES: usize = 64;
/// Hexadecimal digits at its start.
const DIGITS: usize = 16;

/// A payload that carries a number.
pub(crate) fn payload(number: u64) -> Vec<u8> {
    format!("{number:0DIGITS$x}{:.<1$}", "", PAYLOAD_BYTES - DIGITS).into_bytes()
}

fn number(payload: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(payload.get(..DIGITS)?).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uwasa_core::wire::msgpack::{Dialect, Writer};

    #[test]
    fn a_payload_has_64_bytes_and_its_number_comes_back() {
        let bytes = payload(4_711);
        assert_eq!((bytes.len(), number(&bytes)), (64, Some(4_711)));
        assert_eq!(number(b"short"), None);
    }

    #[test]
    fn records_of_members_and_of_foreign_events_are_read() {
        let told = |event: &str| {
            let mut bytes = Vec::new();
            let mut out = Writer::new(&mut bytes, Dialect::Rpc);
            out.fixed_map(2);
            out.text("Error");
            out.text("");
            out.text("Seq");
            out.unsigned(2);
            out.fixed_map(2);
            out.text("Event");
            out.text(event);
            out.text("Members");
            out.array(1);
            out.fixed_map(2);
            out.text("Addr");
            out.bytes(Some(&[127, 0, 0, 1]));
            out.text("Name");
            out.text("n7");
            record(&bytes).expect("a whole record")
        };
        assert_eq!(told("member-failed"), Some(Told::Failed(vec!["n7".to_owned()])));
        assert_eq!(told("member-leave"), Some(Told::Left(vec!["n7".to_owned()])));
        assert_eq!(told("member-join"), None);
    }
}
