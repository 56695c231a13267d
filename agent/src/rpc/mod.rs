//! Serf's RPC: msgpack over TCP or a Unix socket.

pub mod client;
pub mod server;
