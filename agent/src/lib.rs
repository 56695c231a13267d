//! Cluster agent: HashiCorp Serf's agent, command line and RPC on Uwasa's gossip core.
//!
//! One task (`driver`) owns the node; everything else talks to it through `agent::Agent`. Nothing here knows the
//! gossip protocol, and nothing but the driver touches the node.

mod agent;
mod cli;
mod config;
mod descriptors;
mod driver;
mod event;
mod file;
mod filter;
mod go;
mod handlers;
mod keyring_file;
mod life;
mod log;
pub mod mdns;
pub mod metrics;
pub mod rpc;
pub mod swarm;
mod tags_file;
pub mod task;

use std::process::ExitCode;

/// The whole program: reads the command line and runs it.
#[must_use]
pub fn main() -> ExitCode {
    cli::main(std::env::args_os())
}
