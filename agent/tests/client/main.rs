//! The commands that talk to an agent: against recordings of Serf, and against Serf's own agent.

#[path = "../transcripts/data.rs"]
mod data;
mod fake;
mod real;
mod recorded;
mod support;
mod watch;
#[path = "../world/mod.rs"]
mod world;
