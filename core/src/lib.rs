//! Sans-IO gossip core of Uwasa: memberlist's SWIM with Lifeguard, and the Serf layer over it, as one state machine.
//!
//! A cluster member is a value: [`node::Node`]. Hand it one [`io::Input`] and the time; it changes itself and pushes
//! effects into an [`io::Outbox`] you own. It has no socket, thread, clock, logger or global, so an agent can feed one
//! from real sockets and a simulator ten thousand from a virtual network.
//!
//! The run loop of a driver:
//!
//! 1. call [`node::Node::handle`] with one input,
//! 2. pop every effect from the outbox and carry it out,
//! 3. read [`node::Node::deadline`] and wait until then or for the next input.
//!
//! ```
//! use std::sync::Arc;
//! use uwasa_core::config::{Identity, Options};
//! use uwasa_core::io::{Cx, Input, Outbox};
//! use uwasa_core::node::Node;
//! use uwasa_core::pool::Pool;
//! use uwasa_core::time::Instant;
//!
//! let config = Arc::new(Options::lan().validate()?);
//! let me = Identity::new("host1", "192.168.33.10:7946".parse()?)?;
//! let (mut pool, mut out) = (Pool::new(1), Outbox::new());
//! let mut cx = Cx { now: Instant::ZERO, pool: &mut pool, out: &mut out };
//! let mut node = Node::new(config, me, [7; 32], &mut cx);
//! while cx.out.pop().is_some() {}
//!
//! let (at, _why) = node.deadline().ok_or("timers run from the start")?;
//! node.handle(Input::Timeout, &mut Cx { now: at, pool: &mut pool, out: &mut out });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench {
    //! What `uwasa-benches` measures although it is no part of the API: the broadcast queue is private to a node, and
    //! through a node its cost drowns in that of packets. Behind a feature, so that nobody depends on it by accident.

    pub use crate::queue::bench::Queue;
}
pub mod command;
pub mod config;
pub mod coordinate;
pub mod event;
mod idmap;
mod ids;
pub mod io;
pub mod keyring;
pub mod math;
pub mod msg;
pub mod node;
pub mod pattern {
    //! Regular expressions with the meaning they have in Go, within bounds.

    pub use crate::serf::filter::{Limits, PatternError, Refusal, TagPattern};
}
pub mod pool;
mod queue;
pub mod rng;
mod serf;
pub mod snapshot;
pub mod stats;
mod swim;
pub mod tags;
#[cfg(test)]
mod testing;
pub mod time;
pub mod timers;
pub mod trace;
pub mod wire;
