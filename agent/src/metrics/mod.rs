//! Telemetry: metrics in memory, to statsd and statsite, and for Prometheus.
//!
//! Code counts with the macros of the crate `metrics` (`counter!`, `gauge!`, `histogram!` for samples and timers in
//! milliseconds) under Serf's names without the prefix `serf-agent.`.
//!
//! Without a sink nothing runs: intervals begin when a value comes, and the process is looked at when somebody asks.

mod dump;
pub(crate) mod process;
mod prometheus;
mod push;
mod store;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use crate::go::errors::os_text;
use crate::task::spawn;
use push::Pending;
use store::{Recorder, Store};

/// How often the figures of the process go to statsd and statsite, as in Serf.
const COLLECT: Duration = Duration::from_secs(1);

/// Where metrics go, besides memory.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sinks {
    /// `host:port` of a statsd server (UDP).
    pub statsd: Option<String>,
    /// `host:port` of a statsite server (TCP).
    pub statsite: Option<String>,
    /// `host:port` where Prometheus finds `/metrics`; without a host, all IPv4 addresses.
    pub prometheus: Option<String>,
    /// Gauges carry the name of the host if there is a statsd or statsite server, as in Serf.
    pub hostname: bool,
}

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The address for Prometheus.
    #[error(
        "Error starting metrics listener on {address}: {}: give another -metrics-addr",
        os_text(error)
    )]
    Listen {
        /// As given.
        address: String,
        /// Why not.
        error: io::Error,
    },
    /// The process has a recorder of metrics already.
    #[error("Metrics are already recorded in this process")]
    Installed,
}

/// Running telemetry. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Telemetry {
    store: Arc<Store>,
    prometheus: Option<SocketAddr>,
}

impl Telemetry {
    /// All complete intervals of the last minute, as `SIGUSR1` shows them; empty before the first is complete.
    #[must_use]
    pub fn dump(&self) -> String {
        dump::text(&self.store)
    }

    /// Where Prometheus is answered.
    #[must_use]
    pub fn prometheus_addr(&self) -> Option<SocketAddr> {
        self.prometheus
    }
}

/// Starts telemetry and makes it the recorder of the whole process: for a process with one agent. To be called within
/// the runtime. Servers of statsd and statsite need not be there.
///
/// # Errors
///
/// The address for Prometheus cannot be listened on, or the process has a recorder already.
pub fn start(sinks: &Sinks) -> Result<Telemetry, TelemetryError> {
    let (telemetry, recorder) = build(sinks)?;
    metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::Installed)?;
    Ok(telemetry)
}

fn build(sinks: &Sinks) -> Result<(Telemetry, Recorder), TelemetryError> {
    let listener = sinks.prometheus.as_deref().map(listen).transpose()?;
    let pending = || Arc::new(Pending::default());
    let statsd = sinks.statsd.clone().map(|address| (address, pending()));
    let statsite = sinks.statsite.clone().map(|address| (address, pending()));
    let pushes: Vec<_> =
        [&statsd, &statsite].into_iter().flatten().map(|(_, to)| Arc::clone(to)).collect();
    let host = (sinks.hostname && !pushes.is_empty()).then(process::host).flatten();
    let store = Arc::new(Store::new(host, pushes));

    if statsd.is_some() || statsite.is_some() {
        spawn(collect(Arc::clone(&store)));
    }
    if let Some((address, to)) = statsd {
        spawn(push::statsd(Arc::clone(&store), to, address));
    }
    if let Some((address, to)) = statsite {
        spawn(push::statsite(Arc::clone(&store), to, address));
    }
    let mut prometheus = None;
    if let Some((listener, address)) = listener {
        prometheus = Some(address);
        spawn(prometheus::serve(Arc::clone(&store), listener));
    }
    Ok((Telemetry { store: Arc::clone(&store), prometheus }, Recorder(store)))
}

fn listen(address: &str) -> Result<(tokio::net::TcpListener, SocketAddr), TelemetryError> {
    let bind = || {
        let all = if address.starts_with(':') { "0.0.0.0" } else { "" };
        let listener = TcpListener::bind(format!("{all}{address}"))?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((tokio::net::TcpListener::from_std(listener)?, bound))
    };
    bind().map_err(|error| TelemetryError::Listen { address: address.to_owned(), error })
}

async fn collect(store: Arc<Store>) {
    loop {
        tokio::time::sleep(COLLECT).await;
        for (name, value) in process::runtime() {
            store.gauge(name, value);
        }
    }
}
