//! The two servers that are told every value: statsd by UDP, statsite by TCP.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::store::{Kind, Store};

/// Counts what a server could not be told; only in memory and for Prometheus.
pub(super) const DROPPED: &str = "telemetry.dropped";

/// Bytes of a packet at most.
const PACKET: usize = 1400;

/// Bytes that wait for a server at most; further lines are dropped.
const PENDING_BYTES: usize = 1 << 16;

/// How long values are gathered.
const FLUSH: Duration = Duration::from_millis(100);

/// How long a server may take for a connection or a write.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pauses between attempts to connect grow from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Appends the line for a value: `NAME:%f|c`, `|g` or `|ms`.
pub(super) fn line(out: &mut String, host: Option<&str>, kind: Kind, name: &str, value: f64) {
    let clean = |c: char| if c == ' ' || c == ':' || c.is_control() { '_' } else { c };
    out.push_str("serf-agent.");
    if let (Kind::Gauge, Some(host)) = (kind, host) {
        out.extend(host.chars().map(clean));
        out.push('.');
    }
    out.extend(name.chars().map(clean));
    let mark = match kind {
        Kind::Gauge => "g",
        Kind::Counter => "c",
        Kind::Sample => "ms",
    };
    let _ = writeln!(out, ":{value:.6}|{mark}");
}

/// Lines that wait for a server.
#[derive(Debug, Default)]
pub(super) struct Pending {
    text: Mutex<String>,
    wake: Notify,
}

impl Pending {
    /// Adds a line; false if there is no room.
    pub(super) fn push(&self, line: &str) -> bool {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        if text.len() + line.len() > PENDING_BYTES {
            return false;
        }
        if text.is_empty() {
            self.wake.notify_one();
        }
        text.push_str(line);
        true
    }

    /// All lines, a while after the first came.
    async fn gather(&self) -> String {
        loop {
            self.wake.notified().await;
            sleep(FLUSH).await;
            let text =
                std::mem::take(&mut *self.text.lock().unwrap_or_else(PoisonError::into_inner));
            if !text.is_empty() {
                return text;
            }
        }
    }
}

/// Parts of whole lines, each of at most [`PACKET`] bytes unless one line is longer.
fn packets(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let limit = rest.len().min(PACKET);
        let newline = |part: &[u8]| part.iter().rposition(|byte| *byte == b'\n');
        let end = match newline(&rest.as_bytes()[..limit]) {
            _ if rest.is_empty() => return None,
            Some(end) => end + 1,
            None => rest.find('\n').map_or(rest.len(), |end| end + 1),
        };
        let (packet, after) = rest.split_at(end);
        rest = after;
        Some(packet)
    })
}

/// Tells a statsd server. Each packet that cannot be sent is dropped.
pub(super) async fn statsd(store: Arc<Store>, pending: Arc<Pending>, address: String) {
    let mut socket = None;
    loop {
        let text = pending.gather().await;
        if socket.is_none() {
            socket = timeout(PATIENCE, udp(&address)).await.ok().flatten();
        }
        let mut failed = socket.is_none();
        if let Some(socket) = &socket {
            for packet in packets(&text) {
                failed |= socket.send(packet.as_bytes()).await.is_err();
            }
        }
        if failed {
            store.count_in_memory(DROPPED);
            socket = None;
        }
    }
}

async fn udp(address: &str) -> Option<UdpSocket> {
    let server = lookup_host(address).await.ok()?.next()?;
    let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any.parse::<SocketAddr>().ok()?).await.ok()?;
    socket.connect(server).await.ok()?;
    Some(socket)
}

/// Tells a statsite server, and connects again when the connection is lost. What could not be sent is dropped.
pub(super) async fn statsite(store: Arc<Store>, pending: Arc<Pending>, address: String) {
    let mut stream: Option<TcpStream> = None;
    let mut pause = PAUSES.0;
    loop {
        let text = pending.gather().await;
        if stream.as_ref().is_some_and(is_closed) {
            stream = None;
        }
        if stream.is_none() {
            stream =
                timeout(PATIENCE, TcpStream::connect(&address)).await.ok().and_then(Result::ok);
        }
        let sent = match &mut stream {
            Some(stream) => timeout(PATIENCE, stream.write_all(text.as_bytes())).await,
            None => Ok(Err(std::io::ErrorKind::NotConnected.into())),
        };
        if matches!(sent, Ok(Ok(()))) {
            pause = PAUSES.0;
            continue;
        }
        stream = None;
        store.count_in_memory(DROPPED);
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// A server sends nothing; the end of the stream is all there is to read, and a write would still succeed once.
fn is_closed(stream: &TcpStream) -> bool {
    !matches!(stream.try_read(&mut [0; 64]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_serfs() {
        let cases = [
            (Kind::Counter, "serf.member.join", 1.0, "serf-agent.serf.member.join:1.000000|c\n"),
            (
                Kind::Sample,
                "memberlist.gossip",
                0.040_28,
                "serf-agent.memberlist.gossip:0.040280|ms\n",
            ),
            (
                Kind::Gauge,
                "runtime.sys_bytes",
                12_958_736.0,
                "serf-agent.vm.runtime.sys_bytes:12958736.000000|g\n",
            ),
            (
                Kind::Counter,
                "serf.events.a b:c/d\nü|x",
                2.0,
                "serf-agent.serf.events.a_b_c/d_ü|x:2.000000|c\n",
            ),
        ];
        for (kind, name, value, expected) in cases {
            let mut out = String::new();
            line(&mut out, Some("vm"), kind, name, value);
            assert_eq!(out, expected);
        }
        let mut out = String::new();
        line(&mut out, None, Kind::Gauge, "x", 0.0);
        assert_eq!(out, "serf-agent.x:0.000000|g\n");
    }

    #[test]
    fn packets_hold_whole_lines() {
        let lines = format!("{}\n", "ü".repeat(299)).repeat(10);
        let all: Vec<&str> = packets(&lines).collect();
        assert_eq!(all.iter().map(|packet| packet.len()).collect::<Vec<_>>(), [1198; 5]);
        assert_eq!(all.concat(), lines);
        let long = format!("{}\nb\n", "a".repeat(2000));
        assert_eq!(packets(&long).map(str::len).collect::<Vec<_>>(), [2001, 2]);
        assert_eq!(packets("").count(), 0);
        let exact = "a".repeat(1399) + "\n";
        assert_eq!(packets(&exact).collect::<Vec<_>>(), [exact.as_str()]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let pending = Pending::default();
        let line = "x".repeat(1023) + "\n";
        assert_eq!((0..100).filter(|_| pending.push(&line)).count(), 64);
    }
}
