//! Clusters of our agents and Serf's, whole programs over loopback: what one side does, the other must see, and each
//! command line must work with the other's agent.
//!
//! The peer is the `serf` on PATH, used as a black box. Without it every test here is skipped with one line, unless
//! `UWASA_REQUIRE_PEER=1` demands it. `UWASA_TRANSCRIPT_BIN` names another program to be tested in place of ours.

#[path = "mixed/commands.rs"]
mod commands;
#[path = "mixed/conflicts.rs"]
mod conflicts;
#[path = "mixed/discovery.rs"]
mod discovery;
#[path = "mixed/events.rs"]
mod events;
#[path = "mixed/failures.rs"]
mod failures;
#[path = "mixed/ipv6.rs"]
mod ipv6;
#[path = "mixed/keys.rs"]
mod keys;
#[path = "mixed/membership.rs"]
mod membership;
#[path = "mixed/monitors.rs"]
mod monitors;
#[path = "mixed/queries.rs"]
mod queries;
#[path = "mixed/serfclient.rs"]
mod serfclient;
#[path = "mixed/snapshots.rs"]
mod snapshots;
mod world;
