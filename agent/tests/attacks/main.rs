//! Bad input is an ordinary day: an agent under attack goes on answering its own clients, keeps its memory bounded, stays
//! in the cluster, and counts what it threw away.
//!
//! Every attack hits an agent of its own, one attack at a time. `UWASA_HEAVY=1` makes them larger.

#![expect(clippy::unwrap_used, reason = "tests, with helpers outside of functions marked as such")]

mod connections;
mod datagrams;
mod floods;
mod handlers;
mod outputs;
mod rpc;
mod siege;
