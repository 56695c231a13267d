//! What Prometheus reads: the totals as text, by a server of HTTP that knows one page.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::process;
use super::store::{Kind, Series, Store};
use crate::task::spawn;

/// Connections served at the same time; further ones are closed and counted.
const CONNECTIONS: usize = 8;

/// Bytes of a request's head at most.
const HEAD: usize = 8192;

/// How long a connection may take in all.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers Prometheus.
pub(super) async fn serve(store: Arc<Store>, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors: the next attempt would fail at once.
            sleep(Duration::from_secs(1)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            store.count_in_memory("telemetry.prometheus.refused");
            continue;
        };
        let store = Arc::clone(&store);
        spawn(async move {
            let _place = place;
            let _ = timeout(PATIENCE, answer(&store, stream)).await;
        });
    }
}

async fn answer(store: &Store, mut stream: TcpStream) {
    let Some(head) = read_head(&mut stream).await else { return };
    let (status, body) = respond(store, &head);
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    if stream.write_all(text.as_bytes()).await.is_ok() {
        let _ = stream.shutdown().await;
    }
}

/// The head of a request; nothing if it is too long or cut off.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(512);
    let mut limited = stream.take(u64::try_from(HEAD).ok()?);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if limited.read_buf(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

fn respond(store: &Store, head: &[u8]) -> (&'static str, String) {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next(), words.next().unwrap_or_default());
    let path = target.split(|byte| *byte == b'?').next();
    match (method, path) {
        (Some(b"GET"), Some(b"/metrics")) => ("200 OK", text(store)),
        (Some(b"GET"), _) => ("404 Not Found", "See /metrics.\n".to_owned()),
        _ => ("405 Method Not Allowed", "Only GET.\n".to_owned()),
    }
}

/// The totals in the text format of Prometheus, sorted by name.
pub(super) fn text(store: &Store) -> String {
    let mut families: BTreeMap<String, Series> = BTreeMap::new();
    {
        let state = store.lock();
        for series in &state.series {
            merge(&mut families, series);
        }
    }
    let mut out = String::new();
    for (name, series) in &families {
        family(&mut out, name, series);
    }
    own_figures(&mut out, store);
    out
}

/// Different names may become the same one; a name that comes twice would make the whole page void.
fn merge(families: &mut BTreeMap<String, Series>, series: &Series) {
    let mut name = String::from("serf_agent_");
    name.extend(series.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }));
    if series.kind == Kind::Counter {
        name.push_str("_total");
    }
    let Some(known) = families.get_mut(&name) else {
        families.insert(name, series.clone());
        return;
    };
    if known.kind == series.kind {
        known.count += series.count;
        known.sum += series.sum;
        known.last = series.last;
    }
}

fn family(out: &mut String, name: &str, series: &Series) {
    let _ = match series.kind {
        Kind::Gauge => writeln!(out, "# TYPE {name} gauge\n{name} {}", series.last),
        Kind::Counter => writeln!(out, "# TYPE {name} counter\n{name} {}", series.sum),
        Kind::Sample => writeln!(
            out,
            "# TYPE {name} summary\n{name}_sum {}\n{name}_count {}",
            series.sum, series.count
        ),
    };
}

/// The figures of the process; those of Prometheus' own have its names.
fn own_figures(out: &mut String, store: &Store) {
    let memory = process::memory();
    let uptime = store.now().uptime.as_secs_f64();
    let mut gauge = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(out, "# TYPE {name} gauge\n{name} {value}");
        }
    };
    gauge("process_resident_memory_bytes", memory.resident.map(|bytes| bytes.to_string()));
    gauge("process_open_fds", process::open_files().map(|count| count.to_string()));
    gauge("uwasa_anonymous_memory_bytes", memory.anonymous.map(|bytes| bytes.to_string()));
    gauge("uwasa_tasks", Some(crate::task::live().to_string()));
    gauge("uwasa_uptime_seconds", Some(format!("{uptime:.3}")));
}
