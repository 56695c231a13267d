//! How much is measured and how long things may take.

use std::time::Duration;

/// Sizes and times of a run; both programs get the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Agents of a cluster.
    pub(crate) agents: usize,
    /// Times each program is measured.
    pub(crate) rounds: usize,
    /// Quiet time before memory is read.
    pub(crate) settle: Duration,
    /// Length of the idle measurement.
    pub(crate) window: Duration,
    /// Length of each RPC throughput measurement.
    pub(crate) throughput: Duration,
    /// Agents started one after the other, and calls of the command line.
    pub(crate) starts: usize,
    /// Single events sent.
    pub(crate) events: usize,
    /// Events thrown at one agent.
    pub(crate) flood: u32,
    /// Agents killed, and agents that leave.
    pub(crate) losses: usize,
}

/// How long an event may take to reach all agents.
pub(crate) const EVENT_LIMIT: Duration = Duration::from_secs(10);
/// How long a cluster may take to form or come back, and a failure or departure to be seen by all.
pub(crate) const CLUSTER_LIMIT: Duration = Duration::from_secs(60);
/// An event flood is over when nothing has arrived for so long.
pub(crate) const FLOOD_QUIET: Duration = Duration::from_secs(3);
/// How long the rest of a flood may take after the last event was sent.
pub(crate) const FLOOD_LIMIT: Duration = Duration::from_secs(120);

impl Pace {
    /// For figures that mean something.
    pub(crate) fn full(agents: usize, rounds: usize) -> Self {
        Self {
            agents,
            rounds,
            settle: Duration::from_secs(30),
            window: Duration::from_secs(60),
            throughput: Duration::from_secs(3),
            starts: 15,
            events: 20,
            flood: 5_000,
            losses: 3,
        }
    }

    /// To see that the tool runs, in less than a minute; the figures mean little.
    pub(crate) fn quick() -> Self {
        Self {
            agents: 5,
            rounds: 1,
            settle: Duration::from_secs(1),
            window: Duration::from_secs(2),
            throughput: Duration::from_millis(300),
            starts: 3,
            events: 3,
            flood: 200,
            losses: 1,
        }
    }
}
