//! The figures that Serf shows under `info`.

use super::Node;
use crate::trace::QueueKind;

/// State of a node in the figures that Serf's `info` shows, in its words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// Records in every status, the own one included.
    pub members: usize,
    /// Members that failed.
    pub failed: usize,
    /// Members that left.
    pub left: usize,
    /// Local health; 0 is healthy.
    pub health_score: u32,
    /// Lamport time the next own intent will carry.
    pub member_time: u64,
    /// Lamport time the next own user event will carry.
    pub event_time: u64,
    /// Lamport time the next own query will carry.
    pub query_time: u64,
    /// Queued intents.
    pub intent_queue: usize,
    /// Queued user events.
    pub event_queue: usize,
    /// Queued queries.
    pub query_queue: usize,
    /// Whether there is a keyring.
    pub encrypted: bool,
    /// How often the own coordinate has started anew; `None` when coordinates are switched off.
    pub coordinate_resets: Option<u64>,
}

impl Info {
    /// Names and values as Serf's clients see them, in order of the names.
    #[must_use]
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = vec![
            ("encrypted", self.encrypted.to_string()),
            ("event_queue", self.event_queue.to_string()),
            ("event_time", self.event_time.to_string()),
            ("failed", self.failed.to_string()),
            ("health_score", self.health_score.to_string()),
            ("intent_queue", self.intent_queue.to_string()),
            ("left", self.left.to_string()),
            ("member_time", self.member_time.to_string()),
            ("members", self.members.to_string()),
            ("query_queue", self.query_queue.to_string()),
            ("query_time", self.query_time.to_string()),
        ];
        if let Some(resets) = self.coordinate_resets {
            pairs.insert(0, ("coordinate_resets", resets.to_string()));
        }
        pairs
    }
}

impl Node {
    /// The figures that Serf shows under `info`.
    #[must_use]
    pub fn info(&self) -> Info {
        Info {
            members: self.swim.records_len(),
            failed: self.serf.departed.failed_len(),
            left: self.serf.departed.left_len(),
            health_score: self.swim.health(),
            member_time: self.serf.member_clock.time(),
            event_time: self.serf.events.time(),
            query_time: self.serf.queries.time(),
            intent_queue: self.serf.outgoing.len(QueueKind::Intent),
            event_queue: self.serf.outgoing.len(QueueKind::Event),
            query_queue: self.serf.outgoing.len(QueueKind::Query),
            encrypted: self.serf.keyring.is_enabled(),
            coordinate_resets: self.serf.coordinates.as_ref().map(|own| own.resets()),
        }
    }
}
