//! The agent's configuration: flags and files, merged by Serf's rules.

pub(crate) mod address;
mod decode;
mod fields;
pub(crate) mod files;
mod flags;
pub(crate) mod interface;
pub(crate) mod json;
mod load;
mod options;
pub(crate) mod resolve;

use std::collections::BTreeMap;

pub(crate) use load::{LoadError, Loaded, level, load};

/// Nanoseconds of one second.
pub(crate) const SECOND: i64 = 1_000_000_000;

/// Settings of discovery by multicast DNS, the nested object `mdns`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct MdnsConfig {
    /// Interface to use; empty: that of `interface`.
    pub interface: String,
    /// Do not ask over IPv4.
    pub disable_ipv4: bool,
    /// Do not ask over IPv6.
    pub disable_ipv6: bool,
}

/// Everything that flags and files can say. Empty text, zero and false mean "not said", as in Serf.
///
/// Durations are nanoseconds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Config {
    /// Name of this node.
    pub node_name: String,
    /// Deprecated; becomes the tag `role`.
    pub role: String,
    /// Accepted without effect: coordinates stay on, as in Serf.
    pub disable_coordinates: bool,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Where tags are kept between starts.
    pub tags_file: String,
    /// Gossip address to listen on.
    pub bind: String,
    /// Network interface to listen on.
    pub interface: String,
    /// Gossip address that others are told.
    pub advertise: String,
    /// Encryption key in base64.
    pub encrypt_key: String,
    /// Where encryption keys are kept between starts.
    pub keyring_file: String,
    /// Least level logged.
    pub log_level: String,
    /// How log lines are written: `serf` or `json`.
    pub log_format: String,
    /// Address of the RPC listener, or `unix:PATH`.
    pub rpc_addr: String,
    /// Token that RPC clients must show.
    pub rpc_auth: String,
    /// Serf protocol version; not above zero: the newest.
    pub protocol: i64,
    /// Replay old user events after a join.
    pub replay_on_join: bool,
    /// Largest answer to a query, in bytes.
    pub query_response_size_limit: i64,
    /// Largest query, in bytes.
    pub query_size_limit: i64,
    /// Largest user event, in bytes.
    pub user_event_size_limit: i64,
    /// Addresses to join before the agent is up.
    pub start_join: Vec<String>,
    /// Addresses to join in the background until it works.
    pub retry_join: Vec<String>,
    /// Attempts after the first; 0: no limit.
    pub retry_max_attempts: i64,
    /// Wait between attempts.
    pub retry_interval: i64,
    /// Event handlers, `[FILTERS=]SCRIPT` each.
    pub event_handlers: Vec<String>,
    /// How long a handler may run; 0: no limit.
    pub handler_timeout: i64,
    /// Events that may wait for the handlers; 0: the built-in number.
    pub handler_queue: i64,
    /// Timing profile: `lan`, `wan` or `local`.
    pub profile: String,
    /// Where members and clocks are kept between starts.
    pub snapshot_path: String,
    /// Join again after a leave.
    pub rejoin_after_leave: bool,
    /// SIGTERM leaves.
    pub leave_on_terminate: bool,
    /// SIGINT does not leave.
    pub skip_leave_on_interrupt: bool,
    /// Cluster name for discovery; empty: no discovery.
    pub discover: String,
    /// Settings of discovery.
    pub mdns: MdnsConfig,
    /// Period of attempts to reach failed members.
    pub reconnect_interval: i64,
    /// Age at which failed members are erased.
    pub reconnect_timeout: i64,
    /// Age at which members that left are erased.
    pub tombstone_timeout: i64,
    /// Longest wait for a broadcast.
    pub broadcast_timeout: i64,
    /// Do not vote in name conflicts.
    pub disable_name_resolution: bool,
    /// Log to syslog too.
    pub enable_syslog: bool,
    /// Facility of syslog.
    pub syslog_facility: String,
    /// Compress messages. The flags alone decide.
    pub enable_compression: bool,
    /// `host:port` of statsite.
    pub statsite_addr: String,
    /// `host:port` of statsd.
    pub statsd_addr: String,
    /// `host:port` of the Prometheus endpoint.
    pub metrics_addr: String,
}

impl Config {
    /// What holds if nothing is said.
    #[must_use]
    pub(crate) fn defaults() -> Self {
        Self {
            bind: "0.0.0.0".into(),
            log_level: "INFO".into(),
            log_format: "serf".into(),
            rpc_addr: "127.0.0.1:7373".into(),
            protocol: 5,
            profile: "lan".into(),
            query_response_size_limit: 1_024,
            query_size_limit: 1_024,
            user_event_size_limit: 512,
            retry_interval: 30 * SECOND,
            broadcast_timeout: 5 * SECOND,
            syslog_facility: "LOCAL0".into(),
            ..Self::default()
        }
    }

    /// The time that a handler may run.
    #[must_use]
    pub(crate) fn handler_timeout(&self) -> Option<std::time::Duration> {
        positive(self.handler_timeout)
    }
}

/// A duration that is above zero.
pub(crate) fn positive(nanoseconds: i64) -> Option<std::time::Duration> {
    u64::try_from(nanoseconds).ok().filter(|&n| n > 0).map(std::time::Duration::from_nanos)
}
