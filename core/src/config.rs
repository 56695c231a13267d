//! Settings of a node: public `Options` with presets, validated once into a sealed `Config`.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::ops::Deref;
use core::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;
use thiserror::Error;

use crate::ids::Vsn;
use crate::keyring::Keyring;

/// Largest metadata a member may announce, in bytes.
pub const META_BYTES_MAX: usize = 512;
/// Largest user event that any configuration may allow, in bytes.
pub const USER_EVENT_BYTES_CEILING: usize = 9_216;
/// Longest label, in bytes.
pub const LABEL_BYTES_MAX: usize = 255;
/// Highest memberlist protocol version understood.
pub const PROTOCOL_VERSION_MAX: u8 = 5;

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

/// Switches for the parts of Lifeguard (Dadgar, Phillips, Currey 2018); all on by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lifeguard {
    /// LHA-Probe: the probe window grows with the local health score; relays send nacks.
    pub local_health: bool,
    /// LHA-Suspicion: the suspicion timeout starts long and shrinks with independent confirmations. Off: fixed minimum.
    pub suspicion_shrink: bool,
    /// Buddy system: a ping to a suspected member carries the suspicion, so that it can refute at once.
    pub buddy: bool,
}

impl Default for Lifeguard {
    fn default() -> Self {
        Self { local_health: true, suspicion_shrink: true, buddy: true }
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
    /// Cap on the wait of a leave for its broadcast. 5 s.
    pub broadcast_timeout: Duration,
    /// Slots of the user-event ring. 512.
    pub event_buffer: u32,
    /// Largest user event: name plus payload, and the encoded message. 512 bytes, at most 9,216.
    ///
    /// An event that does not fit one packet is delivered here and travels by push/pull only, as in Serf.
    pub user_event_bytes_max: usize,
    /// Most queued user events; the most transmitted are dropped first. 4,096.
    pub event_queue_max: usize,
    /// Most members kept; alive messages about others are dropped and counted. 131,072.
    ///
    /// Names and profiles of former members count too, at twice and four times this number.
    pub members_max: usize,
    /// Most streams that peers may hold open at once; further ones are reset. 1,024.
    pub streams_max: usize,
    /// Emit `Output::Trace`.
    pub trace: bool,
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
            event_buffer: 512,
            user_event_bytes_max: 512,
            event_queue_max: 4_096,
            members_max: 1 << 17,
            streams_max: 1_024,
            trace: false,
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

    fn check_counts(&self, problems: &mut Problems) {
        let range = |field, value: u64, low: u64, high: u64, problems: &mut Problems| {
            if !(low..=high).contains(&value) {
                problems.add(field, value, format!("must be {low} to {high}"));
            }
        };
        range("protocol_version", self.protocol_version.into(), 1, 5, problems);
        range("serf_protocol_version", self.serf_protocol_version.into(), 2, 5, problems);
        range("indirect_checks", self.indirect_checks.into(), 0, 64, problems);
        range("retransmit_mult", self.retransmit_mult.into(), 1, 1_000, problems);
        range("suspicion_mult", self.suspicion_mult.into(), 1, 1_000, problems);
        range(
            "suspicion_max_timeout_mult",
            self.suspicion_max_timeout_mult.into(),
            1,
            1_000,
            problems,
        );
        range("awareness_max_multiplier", self.awareness_max_multiplier.into(), 1, 1_000, problems);
        range("gossip_nodes", self.gossip_nodes.into(), 0, 64, problems);
        range("event_buffer", self.event_buffer.into(), 1, 1 << 20, problems);
        range("event_queue_max", self.event_queue_max as u64, 1, 1 << 20, problems);
        range("members_max", self.members_max as u64, 1, 1 << 20, problems);
        range("streams_max", self.streams_max as u64, 1, 1 << 16, problems);
    }

    fn check_times(&self, problems: &mut Problems) {
        let positive = |field, value: Duration, problems: &mut Problems| {
            if value.is_zero() || value > DURATION_MAX {
                problems.add(
                    field,
                    format!("{value:?}"),
                    "must be above 0 and at most 30 days".into(),
                );
            }
        };
        let bounded = |field, value: Duration, problems: &mut Problems| {
            if value > DURATION_MAX {
                problems.add(field, format!("{value:?}"), "must be at most 30 days".into());
            }
        };
        positive("tcp_timeout", self.tcp_timeout, problems);
        positive("probe_timeout", self.probe_timeout, problems);
        positive("broadcast_timeout", self.broadcast_timeout, problems);
        bounded("probe_interval", self.probe_interval, problems);
        bounded("gossip_interval", self.gossip_interval, problems);
        bounded("push_pull_interval", self.push_pull_interval, problems);
        bounded("gossip_to_the_dead", self.gossip_to_the_dead, problems);
        bounded("dead_node_reclaim", self.dead_node_reclaim, problems);
        if !self.probe_interval.is_zero() && self.probe_timeout > self.probe_interval {
            problems.add(
                "probe_timeout",
                format!("{:?}", self.probe_timeout),
                format!("must not exceed probe_interval ({:?})", self.probe_interval),
            );
        }
        for (field, value) in [
            ("probe_interval", self.probe_interval),
            ("gossip_interval", self.gossip_interval),
            ("push_pull_interval", self.push_pull_interval),
        ] {
            if !value.is_zero() && value < INTERVAL_MIN {
                problems.add(field, format!("{value:?}"), "must be 0 (off) or at least 1ms".into());
            }
        }
    }

    fn check_sizes(&self, problems: &mut Problems) {
        let least = PACKET_BYTES_MIN + self.wrapping_bytes();
        if !(least..=65_000).contains(&self.packet_bytes_max) {
            problems.add(
                "packet_bytes_max",
                self.packet_bytes_max,
                format!("must be {least} to 65000 bytes with this label and encryption"),
            );
        }
        if self.user_event_bytes_max > USER_EVENT_BYTES_CEILING {
            problems.add(
                "user_event_bytes_max",
                self.user_event_bytes_max,
                format!("must be at most {USER_EVENT_BYTES_CEILING} bytes"),
            );
        }
        if self.label.len() > LABEL_BYTES_MAX {
            problems.add(
                "label",
                format!("{} bytes", self.label.len()),
                format!("must be at most {LABEL_BYTES_MAX} bytes"),
            );
        }
    }
}

const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);
const INTERVAL_MIN: Duration = Duration::from_millis(1);
/// An alive message with full metadata and a longish name must fit one datagram.
const PACKET_BYTES_MIN: usize = 800;

struct Problems(Vec<ConfigError>);

impl Problems {
    fn add(&mut self, field: &'static str, value: impl fmt::Display, rule: String) {
        self.0.push(ConfigError { field, value: value.to_string(), rule });
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

/// Who a node is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// Unique name.
    pub name: Box<str>,
    /// Announced address.
    pub addr: IpAddr,
    /// Announced port.
    pub port: u16,
    /// Port this node listens on; stands in for a received port of 0.
    pub bind_port: u16,
    /// Initial metadata (Serf: encoded tags).
    pub meta: Bytes,
}

impl Identity {
    /// An identity announcing `addr`, listening on the same port, without metadata.
    ///
    /// # Errors
    /// [`IdentityError`] if the name is empty or longer than 255 bytes, the port is 0, or the address unspecified.
    pub fn new(name: &str, addr: SocketAddr) -> Result<Self, IdentityError> {
        if name.is_empty() || name.len() > OWN_NAME_BYTES_MAX {
            return Err(IdentityError::Name { len: name.len() });
        }
        if addr.port() == 0 {
            return Err(IdentityError::Port);
        }
        if addr.ip().is_unspecified() {
            return Err(IdentityError::Unspecified { addr: addr.ip() });
        }
        Ok(Self {
            name: name.into(),
            addr: addr.ip(),
            port: addr.port(),
            bind_port: addr.port(),
            meta: Bytes::new(),
        })
    }

    /// The same identity with metadata.
    ///
    /// # Errors
    /// [`IdentityError::Meta`] if `meta` is longer than 512 bytes.
    pub fn with_meta(self, meta: Bytes) -> Result<Self, IdentityError> {
        if meta.len() > META_BYTES_MAX {
            return Err(IdentityError::Meta { len: meta.len() });
        }
        Ok(Self { meta, ..self })
    }
}

const OWN_NAME_BYTES_MAX: usize = 255;

/// A refused identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum IdentityError {
    /// Empty or too long.
    #[error("node name is {len} bytes, it must be 1 to 255 bytes")]
    Name {
        /// Length found.
        len: usize,
    },
    /// Port 0 cannot be announced.
    #[error("the announced port is 0: choose the port that peers can reach")]
    Port,
    /// The unspecified address cannot be announced.
    #[error("{addr} cannot be announced: choose the address that peers can reach")]
    Unspecified {
        /// The address.
        addr: IpAddr,
    },
    /// Too large.
    #[error("metadata is {len} bytes, the limit is 512 bytes")]
    Meta {
        /// Length found.
        len: usize,
    },
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
