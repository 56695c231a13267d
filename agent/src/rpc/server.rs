//! The agent's side of RPC.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

use super::backend::{Backend, Running};
use super::listener::{Accepted, Listener, SocketFile};
use super::session::Session;
use super::streams::{Connection, Task};
use crate::agent::Agent;
use crate::descriptors;
use crate::log::Log;

/// Connections at the same time. A silent one costs about 2 KiB here and as much in the system, so this many fit
/// anywhere, and no program that forgets to close its connections fills the memory. Fewer if there are not enough file
/// descriptors.
const CONNECTIONS_MAX: usize = 16_384;
/// How long nobody is accepted after the system could not.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Strangers that are never looked through.
const SWEEP_MIN: usize = 16;
/// The least time between two log records about clients that could not be let in.
const WARNING_INTERVAL: Duration = Duration::from_secs(1);

/// A listening server. Dropping it closes the listener and every connection.
#[derive(Debug)]
pub(crate) struct Server {
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
    pub(crate) async fn start(
        addr: &str,
        auth: &str,
        agent: &Agent,
        log: &Log,
    ) -> io::Result<Self> {
        let (listener, file) = Listener::bind(addr).await?;
        let backend = Running { agent: agent.clone(), log: log.clone() };
        let places = CONNECTIONS_MAX.min(descriptors::for_clients());
        Ok(Self::serve(listener, file, auth, backend, places))
    }

    /// Serves up to `places` clients at the same time on an open listener.
    pub(super) fn serve<B: Backend>(
        listener: Listener,
        file: Option<SocketFile>,
        auth: &str,
        backend: B,
        places: usize,
    ) -> Self {
        let (open, closing) = watch::channel(());
        let door = Door {
            listener,
            backend,
            token: auth.into(),
            closing,
            places: Arc::new(Semaphore::new(places)),
            strangers: VecDeque::new(),
            sweep_at: SWEEP_MIN,
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
    /// Clients that may not have shown yet that they are any, the oldest first.
    strangers: VecDeque<Weak<Connection>>,
    /// How many of them make it worth to look which are none any more.
    sweep_at: usize,
    /// When a client that could not be let in was last logged.
    warned: Option<Instant>,
}

impl<B: Backend> Door<B> {
    async fn run(mut self) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => self.admit(accepted).await,
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

    async fn admit(&mut self, accepted: Accepted) {
        let Accepted { reader, writer, client, local } = accepted;
        let Some(place) = self.place().await else {
            metrics::counter!("agent.ipc.refused").increment(1);
            if self.may_warn() {
                tracing::warn!(target: "agent.ipc", "Too many clients, refusing: {client}");
            }
            return;
        };
        metrics::counter!("agent.ipc.accept").increment(1);
        tracing::info!(target: "agent.ipc", "Accepted client: {client}");
        let (backend, token) = (self.backend.clone(), Arc::clone(&self.token));
        let connection = Arc::new(Connection::new(writer, client, local));
        self.remember(&connection);
        let session = Session::new(backend, token, connection, reader);
        let served = serve(place, session, self.closing.clone());
        // In a box, because wrapping a future takes its size twice.
        crate::task::spawn(Box::pin(served));
    }

    /// A place for one more client; if there is none, that of the stranger who has waited longest.
    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        let mut oldest = core::iter::from_fn(|| self.strangers.pop_front());
        let stranger =
            oldest.find_map(|stranger| stranger.upgrade().filter(|s| s.is_stranger()))?;
        metrics::counter!("agent.ipc.evicted").increment(1);
        stranger.outlet.give_up();
        drop(stranger);
        timeout(ACCEPT_PAUSE, Arc::clone(&self.places).acquire_owned()).await.ok()?.ok()
    }

    fn remember(&mut self, connection: &Arc<Connection>) {
        let is_stranger =
            |known: &Weak<Connection>| known.upgrade().is_some_and(|known| known.is_stranger());
        if self.strangers.len() >= self.sweep_at {
            self.strangers.retain(is_stranger);
            self.sweep_at = 2 * self.strangers.len() + SWEEP_MIN;
        }
        self.strangers.push_back(Arc::downgrade(connection));
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

/// Serves one client until it goes, does not read what it is sent, has to make room, or the server is closed. The place
/// comes first so that it goes last: after the descriptor.
async fn serve<B: Backend>(
    _place: OwnedSemaphorePermit,
    mut session: Session<B>,
    mut closing: watch::Receiver<()>,
) {
    let connection = session.connection();
    tokio::select! {
        biased;
        () = session.run() => {}
        () = connection.outlet.given_up() => {}
        _ = closing.changed() => {}
    }
}
