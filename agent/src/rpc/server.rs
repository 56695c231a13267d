//! The agent's side of RPC.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep};

use super::backend::{Backend, Running};
use super::listener::{Client, Listener, SocketFile};
use super::outlet::Outlet;
use super::session::Session;
use super::streams::{Connection, Pending, Task};
use crate::agent::Agent;
use crate::log::Log;

/// Connections at the same time. A silent one costs about 2 KiB here and as much in the system, so this many fit
/// anywhere, and no program that forgets to close its connections fills the memory.
const CONNECTIONS_MAX: usize = 16_384;
/// How long nobody is accepted after the system could not.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The least time between two log records about clients that could not be let in.
const WARNING_INTERVAL: Duration = Duration::from_secs(1);

/// A listening server. Dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Server {
    /// Connections end when this is gone.
    _open: watch::Sender<()>,
    _acceptor: Task,
    _file: Option<SocketFile>,
}

impl Server {
    /// Listens on `addr` (`host:port`, or `unix:PATH`) and serves in tasks of its own. `auth`: the token that clients
    /// must show; empty: none.
    ///
    /// # Errors
    ///
    /// The operating system's, in the words of Go: `listen tcp 127.0.0.1:7373: bind: address already in use`.
    pub async fn start(addr: &str, auth: &str, agent: &Agent, log: &Log) -> io::Result<Self> {
        let (listener, file) = Listener::bind(addr).await?;
        let backend = Running { agent: agent.clone(), log: log.clone() };
        Ok(Self::serve(listener, file, auth, backend))
    }

    /// Serves on an open listener.
    pub(super) fn serve<B: Backend>(
        listener: Listener,
        file: Option<SocketFile>,
        auth: &str,
        backend: B,
    ) -> Self {
        let (open, closing) = watch::channel(());
        let door = Door {
            listener,
            backend,
            token: auth.into(),
            closing,
            places: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            warned: None,
        };
        Self { _open: open, _acceptor: Task::spawn(door.run()), _file: file }
    }
}

/// Lets clients in.
struct Door<B> {
    listener: Listener,
    backend: B,
    token: Arc<str>,
    closing: watch::Receiver<()>,
    places: Arc<Semaphore>,
    /// When a client that could not be let in was last logged.
    warned: Option<Instant>,
}

impl<B: Backend> Door<B> {
    async fn run(mut self) {
        loop {
            match self.listener.accept().await {
                Ok(client) => self.admit(client),
                Err(error) if is_of_one_client(&error) => {}
                Err(error) => {
                    metrics::counter!("agent.ipc.accept_failed").increment(1);
                    if self.may_warn() {
                        tracing::error!(target: "agent.ipc", "Failed to accept client: {error}");
                    }
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&mut self, client: Client) {
        let label = &client.label;
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            metrics::counter!("agent.ipc.refused").increment(1);
            if self.may_warn() {
                tracing::warn!(target: "agent.ipc", "Too many clients, refusing: {label}");
            }
            return;
        };
        metrics::counter!("agent.ipc.accept").increment(1);
        tracing::info!(target: "agent.ipc", "Accepted client: {label}");
        let (backend, token) = (self.backend.clone(), Arc::clone(&self.token));
        let served = connection(client, backend, token, self.closing.clone(), place);
        // In a box, because wrapping a future takes its size twice.
        crate::task::spawn(Box::pin(served));
    }

    fn may_warn(&mut self) -> bool {
        let due = self.warned.is_none_or(|warned| warned.elapsed() >= WARNING_INTERVAL);
        if due {
            self.warned = Some(Instant::now());
        }
        due
    }
}

/// Whether a failure to accept concerns only the client that was to be accepted.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
    )
}

/// Serves one client until it goes, does not read what it is sent, or the server is closed.
async fn connection<B: Backend>(
    client: Client,
    backend: B,
    token: Arc<str>,
    mut closing: watch::Receiver<()>,
    _place: OwnedSemaphorePermit,
) {
    let connection = Arc::new(Connection {
        outlet: Outlet::new(client.writer),
        client: client.label,
        local: client.local,
        pending: Mutex::new(Pending::default()),
    });
    let mut session = Session::new(backend, token, Arc::clone(&connection), client.reader);
    tokio::select! {
        biased;
        () = session.run() => {}
        () = connection.outlet.failed() => {}
        _ = closing.changed() => {}
    }
}
