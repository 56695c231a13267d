//! Which settings are tried: a coarse lattice, and what pencil and paper say about each of its points.

use serde::Serialize;

use super::{Ask, Want};
use crate::analytic::{
    DetectionFloor, RandomPhase, expected_misses, push_pull_period, transmit_limit,
};
use crate::outcome::{count, seconds};

/// The settings that decide how fast and how costly failures are found. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Setting {
    /// Period of probes.
    pub probe_interval_ms: u32,
    /// Wait for a direct ack.
    pub probe_timeout_ms: u32,
    /// Shortest suspicion in units of `log10(N)` probe intervals.
    pub suspicion_mult: u32,
    /// Longest suspicion in units of the shortest.
    pub suspicion_max_timeout_mult: u32,
    /// Period of gossip.
    pub gossip_interval_ms: u32,
    /// Targets per period.
    pub gossip_nodes: u32,
    /// Transmissions of one rumour in units of `log10(N)`.
    pub retransmit_mult: u32,
    /// Relays asked after a failed direct probe.
    pub indirect_checks: u32,
    /// Bound of local health.
    pub awareness_max_multiplier: u32,
    /// Base period of full state exchange.
    pub push_pull_interval_ms: u32,
}

impl Setting {
    /// The LAN profile, which is Serf's default.
    pub const LAN: Self = Self {
        probe_interval_ms: 1_000,
        probe_timeout_ms: 500,
        suspicion_mult: 4,
        suspicion_max_timeout_mult: 6,
        gossip_interval_ms: 200,
        gossip_nodes: 3,
        retransmit_mult: 4,
        indirect_checks: 3,
        awareness_max_multiplier: 8,
        push_pull_interval_ms: 30_000,
    };
    /// The WAN profile.
    pub const WAN: Self = Self {
        probe_interval_ms: 5_000,
        probe_timeout_ms: 3_000,
        suspicion_mult: 6,
        gossip_interval_ms: 500,
        gossip_nodes: 4,
        push_pull_interval_ms: 60_000,
        ..Self::LAN
    };
    /// The profile for nodes on one machine.
    pub const LOCAL: Self = Self {
        probe_timeout_ms: 200,
        suspicion_mult: 3,
        gossip_interval_ms: 100,
        retransmit_mult: 2,
        indirect_checks: 1,
        push_pull_interval_ms: 15_000,
        ..Self::LAN
    };

    /// Name and value of each key, as `config` of a scenario has them.
    #[must_use]
    pub fn pairs(&self) -> [(&'static str, String); 10] {
        let time = |ms: u32| format!("\"{ms}ms\"");
        [
            ("probe_interval", time(self.probe_interval_ms)),
            ("probe_timeout", time(self.probe_timeout_ms)),
            ("suspicion_mult", self.suspicion_mult.to_string()),
            ("suspicion_max_timeout_mult", self.suspicion_max_timeout_mult.to_string()),
            ("gossip_interval", time(self.gossip_interval_ms)),
            ("gossip_nodes", self.gossip_nodes.to_string()),
            ("retransmit_mult", self.retransmit_mult.to_string()),
            ("indirect_checks", self.indirect_checks.to_string()),
            ("awareness_max_multiplier", self.awareness_max_multiplier.to_string()),
            ("push_pull_interval", time(self.push_pull_interval_ms)),
        ]
    }

    /// `config = { … }` on one line.
    #[must_use]
    pub fn toml(&self) -> String {
        let pairs: Vec<String> =
            self.pairs().iter().map(|(key, value)| format!("{key} = {value}")).collect();
        format!("config = {{ {} }}", pairs.join(", "))
    }

    /// The profile of the agent that these settings are, if they are one.
    #[must_use]
    pub fn profile(&self) -> Option<&'static str> {
        let profiles = [("lan", Self::LAN), ("wan", Self::WAN), ("local", Self::LOCAL)];
        profiles.into_iter().find(|(_, setting)| setting == self).map(|(name, _)| name)
    }
}

/// What the formulas say about a setting. Good enough to choose what to simulate, and never used as a result.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Guess {
    /// Seconds until 95 of 100 crashes are known to everybody.
    pub detect_s: f64,
    /// Living nodes declared failed, per node and second.
    pub false_failure_rate: f64,
    /// Bytes per node and second.
    pub bytes: f64,
    /// Seconds until an event has reached half, 95 %, 99 % and all.
    pub event_s: [f64; 4],
}

/// Bytes of a ping and of an ack with its coordinate, of a rumour, and of a member in a full state exchange; rough means
/// of what the simulator sends.
const PING: f64 = 40.0;
const ACK: f64 = 110.0;
const RUMOUR: f64 = 60.0;
const STATE_ROW: f64 = 60.0;
/// Segments of a ping over a stream, each of which may be lost.
const STREAM_SEGMENTS: i32 = 4;

impl Guess {
    /// The guess for one setting.
    #[must_use]
    pub fn new(ask: &Ask, setting: &Setting) -> Self {
        let nodes = f64::from(ask.nodes);
        let interval = f64::from(setting.probe_interval_ms) / 1e3;
        let push = RandomPhase {
            nodes,
            fanout: f64::from(setting.gossip_nodes),
            interval: f64::from(setting.gossip_interval_ms) / 1e3,
            loss: ask.loss,
        }
        .with_probes(interval);
        let floor = DetectionFloor {
            nodes,
            probe_interval: interval,
            suspicion_mult: f64::from(setting.suspicion_mult),
        };
        // Up to a multiplier of 2 no confirmation is waited for, and every suspicion is the shortest; above, a suspicion
        // that nobody shares lasts longest.
        let patience = if setting.suspicion_mult > 2 {
            floor.suspicion() * f64::from(setting.suspicion_max_timeout_mult)
        } else {
            floor.suspicion()
        };
        let limit = transmit_limit(setting.retransmit_mult, ask.nodes);
        let suspicions = failed_probe(ask, setting) / interval;
        let away = 1.0 - push.share_at(patience / 2.0).clamp(0.0, 1.0);
        let missed = (expected_misses(nodes, limit, ask.loss) + nodes * away).min(1.0);
        let probes = (PING + ACK) / interval;
        let rumours = suspicions * nodes * 2.0 * f64::from(limit) * RUMOUR;
        let states = 2.0 * nodes * STATE_ROW
            / push_pull_period(f64::from(setting.push_pull_interval_ms) / 1e3, nodes);
        Self {
            detect_s: floor.time_of(0.95) + push.time_of_all(),
            false_failure_rate: suspicions * missed,
            bytes: probes + rumours + states,
            event_s: push.milestones(),
        }
    }

    /// How badly the wishes are missed, with some room for what a formula does not know; 0: not at all.
    #[must_use]
    pub fn penalty(&self, ask: &Ask) -> f64 {
        let over = |ratio: f64, room: f64| (ratio / room - 1.0).max(0.0);
        let penalty = |want: &Want| match want {
            Want::Detect(within) => 4.0 * over(self.detect_s / seconds(*within), 0.85),
            Want::FalseFailures { rate, .. } => {
                libm::log10((self.false_failure_rate / rate * 10.0).max(1.0))
            }
            Want::Bytes { rate, .. } => over(self.bytes / rate, 0.7),
            Want::Event { share_ppm, within } => {
                let [half, most, nearly, all] = self.event_s;
                let time = match share_ppm {
                    0..=500_000 => half,
                    500_001..=950_000 => most,
                    950_001..=990_000 => nearly,
                    _ => all,
                };
                4.0 * over(time / seconds(*within), 0.85)
            }
        };
        ask.wants.iter().map(penalty).sum()
    }
}

/// How likely the probe of a living node fails over every path: directly, by relays, and over a stream.
fn failed_probe(ask: &Ask, setting: &Setting) -> f64 {
    let arrives = 1.0 - ask.loss;
    let direct = 1.0 - libm::pow(arrives, 2.0);
    let relayed = 1.0 - libm::pow(arrives, 4.0);
    let stream = 1.0 - libm::pow(arrives, f64::from(STREAM_SEGMENTS));
    direct * libm::pow(relayed, f64::from(setting.indirect_checks)) * stream
}

/// The settings worth a simulation, best guess first, at most `most`; the profiles of the agent are always among them.
#[must_use]
pub(super) fn candidates(ask: &Ask, most: usize) -> Vec<(Setting, Guess)> {
    let mut guessed: Vec<(f64, Setting, Guess)> = lattice(ask)
        .into_iter()
        .map(|setting| {
            let guess = Guess::new(ask, &setting);
            (guess.penalty(ask), setting, guess)
        })
        .collect();
    guessed.sort_by(|(a, left, guess), (b, right, other)| {
        a.total_cmp(b).then(guess.bytes.total_cmp(&other.bytes)).then(left.cmp(right))
    });
    let mut chosen: Vec<(Setting, Guess)> = Vec::new();
    let classes = |setting: &Setting| {
        (setting.probe_interval_ms, setting.suspicion_mult, setting.suspicion_max_timeout_mult)
    };
    // Two of each class, so that one corner of the lattice does not take all places.
    for (_, setting, guess) in guessed {
        let like = chosen.iter().filter(|(other, _)| classes(other) == classes(&setting)).count();
        if chosen.len() < most.saturating_sub(3) && like < 2 {
            chosen.push((setting, guess));
        }
    }
    for profile in [Setting::LAN, Setting::WAN, Setting::LOCAL] {
        if chosen.iter().all(|(setting, _)| *setting != profile) {
            let guess = Guess::new(ask, &profile);
            chosen.push((profile, guess));
        }
    }
    chosen
}

/// Every combination of the values that are tried.
fn lattice(ask: &Ask) -> Vec<Setting> {
    let mut all = Vec::new();
    let round_trip = 2.0 * seconds(ask.latency.1) * 1e3;
    for probe_interval_ms in [200, 250, 300, 400, 500, 700, 1_000, 1_500, 2_000, 5_000] {
        for probe_timeout_ms in [probe_interval_ms / 4, probe_interval_ms / 2] {
            if f64::from(probe_timeout_ms) < 1.5 * round_trip {
                continue;
            }
            for (suspicion_mult, suspicion_max_timeout_mult) in
                [(2, 6), (3, 3), (3, 6), (3, 10), (4, 6), (5, 6), (6, 6), (8, 6)]
            {
                for (gossip_interval_ms, gossip_nodes) in
                    [(100, 2), (100, 3), (100, 4), (200, 3), (200, 4), (200, 6), (500, 4), (500, 6)]
                {
                    for retransmit_mult in [3, 4, 6] {
                        for indirect_checks in [1, 3, 5, 8] {
                            all.push(Setting {
                                probe_interval_ms,
                                probe_timeout_ms,
                                suspicion_mult,
                                suspicion_max_timeout_mult,
                                gossip_interval_ms,
                                gossip_nodes,
                                retransmit_mult,
                                indirect_checks,
                                awareness_max_multiplier: 8,
                                push_pull_interval_ms: 30_000,
                            });
                        }
                    }
                }
            }
        }
    }
    all
}

/// The variants of a setting that the lattice leaves out: without local health, and with other full exchanges.
#[must_use]
pub(super) fn variants(ask: &Ask, setting: &Setting) -> Vec<(Setting, Guess)> {
    let changed = [
        Setting { awareness_max_multiplier: 2, ..setting.clone() },
        Setting { push_pull_interval_ms: 60_000, ..setting.clone() },
        Setting { push_pull_interval_ms: 15_000, ..setting.clone() },
    ];
    changed.into_iter().map(|setting| (setting.clone(), Guess::new(ask, &setting))).collect()
}

/// How many settings the formulas looked at.
#[must_use]
pub(super) fn looked_at(ask: &Ask) -> f64 {
    count(lattice(ask).len())
}

#[cfg(test)]
mod tests {
    use uwasa_core::config::Options;

    use super::*;

    /// The constants here are the profiles that the agent knows.
    #[test]
    fn profiles_are_those_of_the_core() {
        for (setting, options) in [
            (Setting::LAN, Options::lan()),
            (Setting::WAN, Options::wan()),
            (Setting::LOCAL, Options::local()),
        ] {
            let ms = |duration: std::time::Duration| duration.as_millis();
            assert_eq!(u128::from(setting.probe_interval_ms), ms(options.probe_interval));
            assert_eq!(u128::from(setting.probe_timeout_ms), ms(options.probe_timeout));
            assert_eq!(u128::from(setting.gossip_interval_ms), ms(options.gossip_interval));
            assert_eq!(u128::from(setting.push_pull_interval_ms), ms(options.push_pull_interval));
            assert_eq!(setting.suspicion_mult, options.suspicion_mult);
            assert_eq!(setting.suspicion_max_timeout_mult, options.suspicion_max_timeout_mult);
            assert_eq!(setting.gossip_nodes, options.gossip_nodes);
            assert_eq!(setting.retransmit_mult, options.retransmit_mult);
            assert_eq!(setting.indirect_checks, options.indirect_checks);
            assert_eq!(setting.awareness_max_multiplier, options.awareness_max_multiplier);
        }
    }

    #[test]
    fn a_wish_for_speed_leaves_out_what_cannot_be_fast() {
        let ask = Ask {
            nodes: 1_000,
            loss: 0.1,
            latency: (500_000, 3_000_000),
            pauses: None,
            wants: vec!["detect=5s".parse().unwrap()],
            seeds: vec![1],
            budget: 10,
        };
        let chosen = candidates(&ask, 20);
        assert_eq!(chosen.len(), 20);
        assert!(chosen[0].1.detect_s < 5.0, "{:?}", chosen[0]);
        assert!(Guess::new(&ask, &Setting::LAN).penalty(&ask) > 1.0);
        assert!(chosen.iter().any(|(setting, _)| *setting == Setting::LAN), "for comparison");
    }
}
