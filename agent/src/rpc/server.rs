//! The agent's side of RPC.

use std::io;

use crate::agent::Agent;
use crate::log::Log;

/// A listening server. Dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Server {}

impl Server {
    /// Listens on `addr` (`host:port`, or `unix:PATH`) and serves in tasks of its own. `auth`: the token that clients
    /// must show; empty: none.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub async fn start(addr: &str, auth: &str, agent: &Agent, log: &Log) -> io::Result<Self> {
        let _ = (addr, auth, agent, log);
        unimplemented!()
    }
}
