//! The commands that talk to an agent: against recordings of Serf, and against Serf's own agent.

mod fake;
mod real;
mod recorded;
mod support;
mod watch;
