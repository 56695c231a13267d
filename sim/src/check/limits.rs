//! How long things may take in a calm world: every bound in one place, from the protocol's own formulas.
//!
//! With T the probe interval, N the members, B the longest suspicion (no confirmation came), L the transmit limit, g the
//! gossip interval, P the push/pull period at this size, R the reconnect interval and M the limit of health scores:
//!
//! - a member is probed by *somebody* within K = min(2N - 1, 30) rounds: the ring gives 2N - 1 for each single observer
//!   (SWIM 4.3), and that nobody at all probes it in 30 rounds has a chance of e^-30;
//! - a round takes T, or T times the health multiplier; with one dead member relays still send their nacks, so the
//!   multiplier is at most 2, with more it is M; scores left over from before are gone after M rounds;
//! - news spreads in (L + log2 N + 2) g, and what gossip misses comes with push/pull: one period after the first, random
//!   one, and another for who asked somebody that had missed it too;
//! - who takes all others for failed calls one of them within R.

use uwasa_core::math::{push_pull_interval, retransmit_limit, suspicion_timeout};

use crate::scenario::{Nanos, Scenario};

/// Rounds after which somebody has probed a given member, whatever the size of the cluster.
const ROUNDS_MAX: u64 = 30;
/// Time for the last datagrams, streams and queues on top of every bound.
const SLACK: Nanos = 2_000_000_000;

/// Bounds of one scenario, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    probe: Nanos,
    rounds: u64,
    health: u64,
    suspicion: Nanos,
    spread: Nanos,
    push_pull_first: Nanos,
    push_pull: Nanos,
    reconnect: Nanos,
}

impl Limits {
    /// The bounds of a scenario; `None`: it switches off a part of the protocol that they need, or does not let all members
    /// in.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Option<Self> {
        let config = &scenario.config;
        let nanos = |duration: std::time::Duration| Nanos::try_from(duration.as_nanos()).ok();
        let (probe, gossip) = (nanos(config.probe_interval)?, nanos(config.gossip_interval)?);
        let base = nanos(config.push_pull_interval)?;
        let members = scenario.members().len();
        let complete = config.cidrs_allowed.is_empty() && config.members_max >= members;
        if probe == 0 || gossip == 0 || base == 0 || config.gossip_nodes == 0 || !complete {
            return None;
        }
        let shortest = suspicion_timeout(config.suspicion_mult, members, probe);
        let limit = u64::from(retransmit_limit(config.retransmit_mult, members));
        let doublings = u64::from(usize::BITS - members.leading_zeros());
        Some(Self {
            probe,
            rounds: ROUNDS_MAX.min((members as u64 * 2).saturating_sub(1).max(1)),
            health: u64::from(config.awareness_max_multiplier).max(1),
            suspicion: shortest.saturating_mul(config.suspicion_max_timeout_mult.into()),
            spread: gossip.saturating_mul(limit + doublings + 2),
            push_pull_first: base,
            push_pull: push_pull_interval(base, members),
            reconnect: nanos(config.reconnect_interval)?,
        })
    }

    /// Longest round of a probe.
    #[must_use]
    pub const fn window(&self) -> Nanos {
        self.probe.saturating_mul(self.health + 1).saturating_add(SLACK)
    }

    /// Until nobody takes one of the `dead` members for alive.
    #[must_use]
    pub fn detection(&self, dead: usize) -> Nanos {
        let multiplier = if dead <= 1 { self.health.min(2) } else { self.health };
        let rounds = (self.rounds + 1).saturating_mul(multiplier).saturating_add(self.health);
        let found = self.probe.saturating_mul(rounds).saturating_add(self.suspicion);
        found.saturating_add(self.dissemination())
    }

    /// Until everybody has a piece of news.
    #[must_use]
    pub const fn dissemination(&self) -> Nanos {
        let rounds = self.push_pull.saturating_mul(2).saturating_add(self.push_pull_first);
        self.spread.saturating_mul(2).saturating_add(rounds).saturating_add(SLACK)
    }

    /// Until all views are equal to the truth, `dead` members being away.
    #[must_use]
    pub fn convergence(&self, dead: usize) -> Nanos {
        self.detection(dead).saturating_add(self.reconnect).saturating_add(self.dissemination())
    }

    /// Until a queue to which nothing is added is empty.
    #[must_use]
    pub const fn drain(&self) -> Nanos {
        self.spread.saturating_mul(4).saturating_add(SLACK)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::parse;

    fn limits(config: &str, nodes: usize) -> Option<Limits> {
        let text =
            format!("title = \"t\"\nnodes = {nodes}\nduration = \"9s\"\nconfig = {config}\n");
        Limits::of(&parse(&text, Path::new("t.toml"), &[]).expect("a valid scenario"))
    }

    #[test]
    fn five_nodes_with_lan_settings() {
        let limits = limits("{}", 5).expect("everything is on");
        // (9 + 1) rounds of at most 2 s, 8 s for old scores, 24 s of suspicion, then 94.4 s at most to spread it.
        let spread = 2 * 9 * 200 + 2_000 + 90_000;
        assert_eq!(limits.dissemination() / 1_000_000, spread);
        assert_eq!(limits.detection(1) / 1_000_000, 20_000 + 8_000 + 24_000 + spread);
        assert!(limits.detection(2) > limits.detection(1));
        assert!(limits.convergence(0) > limits.detection(0));
    }

    #[test]
    fn nothing_is_due_without_the_parts_that_bring_it() {
        assert_eq!(limits("{ probe_interval = \"0s\" }", 5), None);
        assert_eq!(limits("{ gossip_nodes = 0 }", 5), None);
        assert_eq!(limits("{ push_pull_interval = \"0s\" }", 5), None);
    }
}
