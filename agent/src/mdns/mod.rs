//! Discovery by multicast DNS: what is announced, what is asked, and the tasks that do it.
//!
//! Each agent answers questions about its cluster on port 5353, and asks who else is there, at start and every minute.

mod browse;
mod name;
mod net;
mod querier;
mod responder;
#[cfg(test)]
mod tests;
mod zone;

use core::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::agent::Agent;
pub use crate::agent::{AgentError, Joined};
use crate::task;

use querier::Querier;
use responder::Responder;
use zone::Zone;

/// The largest packet of multicast DNS, in bytes.
const MAX_PACKET: usize = 9000;

/// How many messages heard on port 5353 may wait for the querier. The newest is dropped.
const MAX_HEARD: usize = 64;

/// What to announce and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Name of the cluster.
    pub cluster: String,
    /// The advertised gossip address.
    pub addr: SocketAddr,
    /// The interface to use; `None`: the system's choice.
    pub interface: Option<String>,
    /// Do not ask over IPv4.
    pub disable_ipv4: bool,
    /// Do not ask over IPv6.
    pub disable_ipv6: bool,
    /// Replay old user events after a join.
    pub replay: bool,
}

/// Running discovery. Dropping it ends it.
#[derive(Debug)]
pub struct Discovery {
    tasks: Vec<JoinHandle<()>>,
}

impl Discovery {
    /// Starts to answer, and to ask and join.
    ///
    /// # Errors
    ///
    /// No multicast listener could be started.
    #[expect(
        clippy::unused_async,
        reason = "sockets belong to a runtime: only to be called in one"
    )]
    pub(crate) async fn start(agent: &Agent, settings: Settings) -> io::Result<Self> {
        let joiner = agent.clone();
        let replay = settings.replay;
        Self::start_with(agent.name(), settings, move |addresses: Vec<String>| {
            let agent = joiner.clone();
            async move { agent.join(&addresses, replay).await }
        })
    }

    /// The same for a node that joins in its own way: `join` gets the addresses (`ip:port`) found since the last call,
    /// and is not called again before it is done.
    ///
    /// # Errors
    ///
    /// No multicast listener could be started.
    pub fn start_with<J, F>(node: &str, settings: Settings, join: J) -> io::Result<Self>
    where
        J: Fn(Vec<String>) -> F + Send + 'static,
        F: Future<Output = Joined> + Send + 'static,
    {
        let interface = settings.interface.as_deref().map(net::Interface::find).transpose()?;
        let listeners = net::listeners(interface);
        if listeners.is_empty() {
            return Err(io::Error::other("No multicast listeners could be started"));
        }
        let host = nix::unistd::gethostname()?;
        let zone =
            Arc::new(Zone::new(&settings.cluster, node, &host.to_string_lossy(), settings.addr));
        let asking = Arc::new(AtomicBool::new(false));
        let (to_querier, heard) = mpsc::channel(MAX_HEARD);
        let mut tasks: Vec<_> = listeners
            .into_iter()
            .map(|socket| {
                let to_querier = to_querier.clone();
                let responder =
                    Responder::new(socket, Arc::clone(&zone), Arc::clone(&asking), to_querier);
                task::spawn(responder.run())
            })
            .collect();
        let querier = Querier::new(zone.service().cloned(), &settings, interface, asking);
        tasks.push(task::spawn(querier.run(heard, join)));
        Ok(Self { tasks })
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
