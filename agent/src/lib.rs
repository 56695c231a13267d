//! Cluster agent: HashiCorp Serf's agent, command line and RPC on Uwasa's gossip core.
//!
//! One task ([`driver`]) owns the node; everything else talks to it through [`agent::Agent`]. Nothing here knows the
//! gossip protocol, and nothing but the driver touches the node.

pub mod agent;
pub mod cli;
pub mod config;
mod descriptors;
pub mod driver;
pub mod event;
pub mod file;
pub mod filter;
pub mod go;
pub mod handlers;
pub mod keyring_file;
pub mod life;
pub mod log;
pub mod mdns;
pub mod metrics;
pub mod rpc;
pub mod swarm;
pub mod tags_file;
pub mod task;

use std::process::ExitCode;

/// The whole program: reads the command line and runs it.
#[must_use]
pub fn main() -> ExitCode {
    cli::main(std::env::args_os())
}
