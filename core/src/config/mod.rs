//! Settings of a node: public `Options` with presets, validated once into a sealed `Config`.

mod identity;
mod mutant;
mod rules;

use core::fmt;
use core::net::IpAddr;
use core::ops::Deref;
use core::time::Duration;

use ipnet::IpNet;
use thiserror::Error;

use crate::ids::Vsn;
use crate::keyring::Keyring;
pub use identity::{Identity, IdentityError, is_strict_name};
pub use mutant::Mutant;
use rules::Problems;

/// Largest metadata a member may announce, in bytes.
pub const META_BYTES_MAX: usize = 512;
/// Largest user event that any configuration may allow, in bytes.
pub const USER_EVENT_BYTES_CEILING: usize = 9_216;
/// Longest name of a peer that is kept or passed on, in bytes. The wire has no limit.
pub(crate) const NAME_BYTES_KEPT_MAX: usize = 1_024;
/// Longest label, in bytes.
pub const LABEL_BYTES_MAX: usize = 255;
/// Highest memberlist protocol version understood.
pub const PROTOCOL_VERSION_MAX: u8 = 5;
/// Lowest spoken Serf protocol version that may send queries.
pub const QUERY_SERF_PROTOCOL: u8 = 4;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Where periodic timers start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TimerPhase {
    /// Each timer at a phase drawn from the node's own stream: what a cluster looks like that was not booted in one
    /// instant.
    #[default]
    Random,
    /// First tick one full interval after start, as Go's tickers do. Nodes started in the same instant then gossip in
    /// lockstep.
    Aligned,
}

/// Switches for the parts of Lifeguard (Dadgar, Phillips, Currey 2018). By default all parts are on, as memberlist has
/// them; two more settings are for what the paper has otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifeguard {
    /// LHA-Probe: the probe window grows with the local health score; relays send nacks.
    pub local_health: bool,
    /// LHA-Suspicion: the suspicion timeout starts long and shrinks with independent confirmations. Off: fixed minimum.
    pub suspicion_shrink: bool,
    /// Buddy system: a ping to a suspected member carries the suspicion, so that it can refute at once.
    pub buddy: bool,
    /// LHA-Probe as in the paper: the local health score stretches the whole period, the wait for the direct ack and the
    /// time to the next probe with it. Off by default: memberlist stretches the window alone, and its ticks go on.
    pub scaled_period: bool,
    /// Confirmations that bring a suspicion to its shortest timeout, K; the paper has 3. `None`, the default: as
    /// memberlist, `suspicion_mult` − 2.
    pub confirmations: Option<u32>,
}

impl Default for Lifeguard {
    fn default() -> Self {
        Self {
            local_health: true,
            suspicion_shrink: true,
            buddy: true,
            scaled_period: false,
            confirmations: None,
        }
    }
}

/// All settings of a node. Start from a preset, change fields, then [`Options::validate`].
#[derive(Clone, PartialEq, Debug)]
pub struct Options {
    /// Spoken memberlist protocol version, 1 to 5. Default 2.
    pub protocol_version: u8,
    /// Spoken delegate (Serf) protocol version, 2 to 5. Default 5.
    pub serf_protocol_version: u8,
    /// Connect and I/O deadline of streams. LAN 10 s, WAN 30 s, local 1 s.
    pub tcp_timeout: Duration,
    /// Relays asked per failed direct probe. LAN 3, WAN 3, local 1.
    pub indirect_checks: u32,
    /// Transmit limit multiplier: a broadcast is sent `retransmit_mult * ceil(log10(n + 1))` times. 4, 4, 2.
    pub retransmit_mult: u32,
    /// Suspicion timeout multiplier. 4, 6, 3.
    pub suspicion_mult: u32,
    /// Longest suspicion timeout as a multiple of the shortest. 6.
    pub suspicion_max_timeout_mult: u32,
    /// Base period of full state exchange, stretched for more than 32 members; zero disables. 30 s, 60 s, 15 s.
    pub push_pull_interval: Duration,
    /// Period of probes; zero disables. 1 s, 5 s, 1 s.
    pub probe_interval: Duration,
    /// Wait for a direct ack before relays are asked; also how long a relay waits. 500 ms, 3 s, 200 ms.
    pub probe_timeout: Duration,
    /// Ping over a stream when the direct probe fails. Default on.
    pub tcp_pings: bool,
    /// Local health scores are `0..awareness_max_multiplier`. 8.
    pub awareness_max_multiplier: u32,
    /// Period of gossip; zero disables. 200 ms, 500 ms, 100 ms.
    pub gossip_interval: Duration,
    /// Targets per gossip tick (fanout); zero disables. 3, 4, 3.
    pub gossip_nodes: u32,
    /// How long the dead are gossiped to, and the age at which dead and left records are reaped. 30 s, 60 s, 15 s.
    pub gossip_to_the_dead: Duration,
    /// With a keyring: refuse what is not encrypted. Default on.
    pub verify_incoming: bool,
    /// With a keyring: encrypt what is sent. Default on.
    pub verify_outgoing: bool,
    /// LZW compression. Default on.
    pub compression: bool,
    /// Packing target of datagrams in bytes, without the 5-byte checksum header. 1,400.
    pub packet_bytes_max: usize,
    /// Age after which a dead member's name may be claimed from another address; zero: never.
    pub dead_node_reclaim: Duration,
    /// Networks that members may have addresses in. Empty: all.
    pub cidrs_allowed: Vec<IpNet>,
    /// Cluster label, at most 255 bytes; empty: none.
    pub label: String,
    /// The label was checked and stripped in front of this node.
    pub skip_inbound_label_check: bool,
    /// Encryption keys; an empty ring means plaintext.
    pub keyring: Keyring,
    /// Lifeguard switches.
    pub lifeguard: Lifeguard,
    /// Where periodic timers start.
    pub timer_phase: TimerPhase,
    /// Longest wait of a leave, a forced leave or new tags for their broadcast. 5 s.
    pub broadcast_timeout: Duration,
    /// Last wait of a leave, for the news to spread. 1 s.
    pub leave_propagate_delay: Duration,
    /// Longest time that member events are collected before they are delivered together; zero, or a zero
    /// `quiescent_period`: each at once. Zero (agents of Serf: 3 s).
    pub coalesce_period: Duration,
    /// Quiet time after which collected member events are delivered. Zero (agents of Serf: 1 s).
    pub quiescent_period: Duration,
    /// As `coalesce_period`, for user events that allow it. Zero (agents of Serf: 3 s).
    pub user_coalesce_period: Duration,
    /// As `quiescent_period`, for user events that allow it. Zero (agents of Serf: 1 s).
    pub user_quiescent_period: Duration,
    /// Period of the search for records to erase; zero: never. 15 s.
    pub reap_interval: Duration,
    /// Period of attempts to reach failed members; zero: never. 30 s.
    pub reconnect_interval: Duration,
    /// Age at which failed members are erased. 24 h.
    pub reconnect_timeout: Duration,
    /// Age at which members that left are erased. 24 h.
    pub tombstone_timeout: Duration,
    /// A failed member that comes back sooner counts as flapping. 60 s.
    pub flap_timeout: Duration,
    /// Age at which intents about unknown members are forgotten. 5 min.
    pub recent_intent_timeout: Duration,
    /// Period of the look at the depth of the queues; zero: never. 30 s.
    pub queue_check_interval: Duration,
    /// Depth of a queue from which `Trace::QueueDeep` warns. 128 messages.
    pub queue_depth_warning: usize,
    /// Most messages in each queue of intents, queries and events; the most transmitted are dropped first. 4,096.
    pub queue_depth_max: usize,
    /// Unless zero, replaces `queue_depth_max` by twice the number of members, but at least this. 0.
    pub queue_depth_min: usize,
    /// Slots of the user-event ring. 512.
    pub event_buffer: u32,
    /// Largest user event: name plus payload, and the encoded message. 512 bytes, at most 9,216.
    ///
    /// An event that does not fit one packet is delivered here and travels by push/pull only, as in Serf.
    pub user_event_bytes_max: usize,
    /// Slots of the query ring. 512.
    pub query_buffer: u32,
    /// Default query timeout: `gossip_interval * query_timeout_mult * ceil(log10(n + 1))`. 16.
    pub query_timeout_mult: u32,
    /// Largest encoded query, filters included. 1,024 bytes.
    pub query_bytes_max: usize,
    /// Largest encoded answer to a query, relay header included. 1,024 bytes.
    pub query_response_bytes_max: usize,
    /// Emit `Output::Persist`, and ignore events and queries that are older than the restored clocks. Off.
    pub snapshot: bool,
    /// A leave keeps the members in the snapshot, so that the next start joins them again. Off.
    pub rejoin_after_leave: bool,
    /// Vote when another node claims the own name, and shut down if the vote is lost. On.
    pub name_conflict_resolution: bool,
    /// Estimate network coordinates and send the own one with every ack. On.
    pub coordinates: bool,
    /// Key queries are answered only after `Command::KeyringStored`. Off.
    pub keyring_file: bool,
    /// Refuse names with characters outside `A-Z a-z 0-9 - .` or above 128 bytes, the own one and those of others. Off.
    pub validate_node_names: bool,
    /// Most members kept; alive messages about others are dropped and counted. 131,072.
    ///
    /// Names of former members count too, at twice this number, and profiles at four times, those that were not forgotten
    /// (a node can forget old profiles).
    pub members_max: usize,
    /// Most streams that peers may hold open at once; further ones are reset. 1,024.
    pub streams_max: usize,
    /// Emit `Output::Trace`.
    pub trace: bool,
    /// A planted bug that the checkers of the simulator must find.
    #[cfg(feature = "mutants")]
    pub mutant: Option<Mutant>,
}

impl Options {
    /// Settings for nodes in one data centre (memberlist's LAN profile, Serf's default).
    #[must_use]
    pub fn lan() -> Self {
        Self {
            protocol_version: 2,
            serf_protocol_version: 5,
            tcp_timeout: Duration::from_secs(10),
            indirect_checks: 3,
            retransmit_mult: 4,
            suspicion_mult: 4,
            suspicion_max_timeout_mult: 6,
            push_pull_interval: Duration::from_secs(30),
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            tcp_pings: true,
            awareness_max_multiplier: 8,
            gossip_interval: Duration::from_millis(200),
            gossip_nodes: 3,
            gossip_to_the_dead: Duration::from_secs(30),
            verify_incoming: true,
            verify_outgoing: true,
            compression: true,
            packet_bytes_max: 1_400,
            dead_node_reclaim: Duration::ZERO,
            cidrs_allowed: Vec::new(),
            label: String::new(),
            skip_inbound_label_check: false,
            keyring: Keyring::default(),
            lifeguard: Lifeguard::default(),
            timer_phase: TimerPhase::Random,
            broadcast_timeout: Duration::from_secs(5),
            leave_propagate_delay: Duration::from_secs(1),
            coalesce_period: Duration::ZERO,
            quiescent_period: Duration::ZERO,
            user_coalesce_period: Duration::ZERO,
            user_quiescent_period: Duration::ZERO,
            reap_interval: Duration::from_secs(15),
            reconnect_interval: Duration::from_secs(30),
            reconnect_timeout: DAY,
            tombstone_timeout: DAY,
            flap_timeout: Duration::from_secs(60),
            recent_intent_timeout: Duration::from_secs(300),
            queue_check_interval: Duration::from_secs(30),
            queue_depth_warning: 128,
            queue_depth_max: 4_096,
            queue_depth_min: 0,
            event_buffer: 512,
            user_event_bytes_max: 512,
            query_buffer: 512,
            query_timeout_mult: 16,
            query_bytes_max: 1_024,
            query_response_bytes_max: 1_024,
            snapshot: false,
            rejoin_after_leave: false,
            name_conflict_resolution: true,
            coordinates: true,
            keyring_file: false,
            validate_node_names: false,
            members_max: 1 << 17,
            streams_max: 1_024,
            trace: false,
            #[cfg(feature = "mutants")]
            mutant: None,
        }
    }

    /// Settings for nodes across wide-area links (memberlist's WAN profile).
    #[must_use]
    pub fn wan() -> Self {
        Self {
            tcp_timeout: Duration::from_secs(30),
            suspicion_mult: 6,
            push_pull_interval: Duration::from_secs(60),
            probe_interval: Duration::from_secs(5),
            probe_timeout: Duration::from_secs(3),
            gossip_interval: Duration::from_millis(500),
            gossip_nodes: 4,
            gossip_to_the_dead: Duration::from_secs(60),
            ..Self::lan()
        }
    }

    /// Settings for nodes on one machine (memberlist's Local profile).
    #[must_use]
    pub fn local() -> Self {
        Self {
            tcp_timeout: Duration::from_secs(1),
            indirect_checks: 1,
            retransmit_mult: 2,
            suspicion_mult: 3,
            push_pull_interval: Duration::from_secs(15),
            probe_timeout: Duration::from_millis(200),
            gossip_interval: Duration::from_millis(100),
            gossip_to_the_dead: Duration::from_secs(15),
            ..Self::lan()
        }
    }

    /// The six version bytes this node announces.
    #[must_use]
    pub fn vsn(&self) -> Vsn {
        Vsn([1, PROTOCOL_VERSION_MAX, self.protocol_version, 2, 5, self.serf_protocol_version])
    }

    /// Whether this planted bug is in effect; never without the feature `mutants`.
    #[cfg(feature = "mutants")]
    pub(crate) fn is_mutant(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether this planted bug is in effect; never without the feature `mutants`.
    #[cfg(not(feature = "mutants"))]
    #[inline]
    #[expect(clippy::unused_self, reason = "the same call with and without the feature")]
    pub(crate) const fn is_mutant(&self, _mutant: Mutant) -> bool {
        false
    }

    /// Bytes of a datagram that label and encryption take.
    fn wrapping_bytes(&self) -> usize {
        let label = if self.label.is_empty() { 0 } else { 2 + self.label.len() };
        let seal = match (self.keyring.is_enabled(), self.protocol_version) {
            (false, _) => 0,
            (true, 1) => 45,
            (true, _) => 29,
        };
        label + seal
    }

    /// Bytes that messages may take in one gossip datagram. Source: memberlist, room.
    #[must_use]
    pub fn gossip_room(&self) -> usize {
        self.packet_bytes_max.saturating_sub(2 + self.wrapping_bytes())
    }

    /// Most messages a queue of intents, queries or events may hold in a cluster of `members`.
    #[must_use]
    pub fn queue_limit(&self, members: usize) -> usize {
        if self.queue_depth_min == 0 {
            self.queue_depth_max
        } else {
            self.queue_depth_min.max(members.saturating_mul(2))
        }
    }

    /// Whether the allow-list admits a member at `addr`; an empty list admits all.
    #[must_use]
    pub fn allows(&self, addr: IpAddr) -> bool {
        self.cidrs_allowed.is_empty()
            || self.cidrs_allowed.iter().any(|net| net.contains(&addr.to_canonical()))
    }

    /// All problems at once, each with field, value, rule and unit.
    ///
    /// # Errors
    /// [`ConfigErrors`] listing every broken rule; at least one.
    pub fn validate(self) -> Result<Config, ConfigErrors> {
        let mut problems = Problems(Vec::new());
        self.check_counts(&mut problems);
        self.check_times(&mut problems);
        self.check_sizes(&mut problems);
        if problems.0.is_empty() { Ok(Config(self)) } else { Err(ConfigErrors(problems.0)) }
    }
}

/// One broken rule.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{field} = {value}: {rule}")]
pub struct ConfigError {
    /// Which field of [`Options`].
    pub field: &'static str,
    /// The refused value with its unit.
    pub value: String,
    /// The rule it breaks.
    pub rule: String,
}

/// Every broken rule of one [`Options::validate`] call.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// Validated, immutable settings. Reads like [`Options`].
#[derive(Clone, PartialEq, Debug)]
pub struct Config(Options);

impl Deref for Config {
    type Target = Options;
    fn deref(&self) -> &Options {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_are_valid() {
        for options in [Options::lan(), Options::wan(), Options::local()] {
            assert!(options.validate().is_ok());
        }
    }

    #[test]
    fn every_problem_is_reported_with_field_value_and_rule() {
        let options = Options {
            protocol_version: 9,
            probe_timeout: Duration::from_secs(2),
            packet_bytes_max: 10,
            label: "x".repeat(300),
            ..Options::lan()
        };
        let errors = options.validate().expect_err("four rules are broken");
        let fields: Vec<_> = errors.0.iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["protocol_version", "probe_timeout", "packet_bytes_max", "label"]);
        assert!(errors.to_string().contains("protocol_version = 9: must be 1 to 5"), "{errors}");
    }

    #[test]
    fn a_default_node_announces_serf_versions() {
        assert_eq!(Options::lan().vsn(), Vsn([1, 5, 2, 2, 5, 5]));
    }

    #[test]
    fn identities_must_be_reachable() {
        let addr = |text: &str| text.parse().expect("a socket address");
        assert!(Identity::new("a", addr("10.0.0.1:7946")).is_ok());
        assert_eq!(Identity::new("", addr("10.0.0.1:7946")), Err(IdentityError::Name { len: 0 }));
        assert_eq!(Identity::new("a", addr("10.0.0.1:0")), Err(IdentityError::Port));
        assert!(matches!(
            Identity::new("a", addr("0.0.0.0:7946")),
            Err(IdentityError::Unspecified { .. })
        ));
    }
}
