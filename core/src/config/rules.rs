//! The rules that settings must keep.

use core::fmt;
use core::time::Duration;

use super::{ConfigError, LABEL_BYTES_MAX, Options, USER_EVENT_BYTES_CEILING};

const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);
const INTERVAL_MIN: Duration = Duration::from_millis(1);
/// Encrypted and labelled, a message of this size still fits a UDP datagram.
const MESSAGE_BYTES_MAX: usize = 65_000;
/// An alive message with full metadata and a longish name must fit one datagram.
const PACKET_BYTES_MIN: usize = 800;

pub(super) struct Problems(pub(super) Vec<ConfigError>);

impl Problems {
    fn add(&mut self, field: &'static str, value: impl fmt::Display, rule: String) {
        self.0.push(ConfigError { field, value: value.to_string(), rule });
    }
}

impl Options {
    pub(super) fn check_counts(&self, problems: &mut Problems) {
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
        range(
            "lifeguard.confirmations",
            self.lifeguard.confirmations.unwrap_or(0).into(),
            0,
            64,
            problems,
        );
        range("gossip_nodes", self.gossip_nodes.into(), 0, 64, problems);
        range("event_buffer", self.event_buffer.into(), 1, 1 << 20, problems);
        range("query_buffer", self.query_buffer.into(), 1, 1 << 20, problems);
        range("query_timeout_mult", self.query_timeout_mult.into(), 1, 10_000, problems);
        range("queue_depth_warning", self.queue_depth_warning as u64, 1, 1 << 20, problems);
        range("queue_depth_max", self.queue_depth_max as u64, 1, 1 << 20, problems);
        range("queue_depth_min", self.queue_depth_min as u64, 0, 1 << 20, problems);
        range("members_max", self.members_max as u64, 1, 1 << 20, problems);
        range("streams_max", self.streams_max as u64, 1, 1 << 16, problems);
    }

    pub(super) fn check_times(&self, problems: &mut Problems) {
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
        for (field, value) in [
            ("dead_node_reclaim", self.dead_node_reclaim),
            ("leave_propagate_delay", self.leave_propagate_delay),
            ("coalesce_period", self.coalesce_period),
            ("quiescent_period", self.quiescent_period),
            ("user_coalesce_period", self.user_coalesce_period),
            ("user_quiescent_period", self.user_quiescent_period),
            ("reap_interval", self.reap_interval),
            ("reconnect_interval", self.reconnect_interval),
            ("reconnect_timeout", self.reconnect_timeout),
            ("tombstone_timeout", self.tombstone_timeout),
            ("flap_timeout", self.flap_timeout),
            ("recent_intent_timeout", self.recent_intent_timeout),
            ("queue_check_interval", self.queue_check_interval),
        ] {
            bounded(field, value, problems);
        }
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
            ("reap_interval", self.reap_interval),
            ("reconnect_interval", self.reconnect_interval),
            ("queue_check_interval", self.queue_check_interval),
        ] {
            if !value.is_zero() && value < INTERVAL_MIN {
                problems.add(field, format!("{value:?}"), "must be 0 (off) or at least 1ms".into());
            }
        }
    }

    pub(super) fn check_sizes(&self, problems: &mut Problems) {
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
        for (field, value) in [
            ("query_bytes_max", self.query_bytes_max),
            ("query_response_bytes_max", self.query_response_bytes_max),
        ] {
            if value > MESSAGE_BYTES_MAX {
                problems.add(field, value, format!("must be at most {MESSAGE_BYTES_MAX} bytes"));
            }
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
