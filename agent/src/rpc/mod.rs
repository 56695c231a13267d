//! Serf's RPC: msgpack over TCP or a Unix socket.

mod backend;
pub mod client;
mod errors;
mod filter;
mod inbox;
mod listener;
mod outlet;
mod records;
mod request;
pub(crate) mod server;
mod session;
mod streams;
#[cfg(test)]
mod tests;
mod wording;
