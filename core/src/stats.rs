//! Saturating counters, one per drop reason.

/// Why a piece of input was dropped without effect.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(usize)]
pub enum DropReason {
    /// Zero bytes, before or after unwrapping.
    Empty,
    /// Label header missing, malformed or not ours.
    Label,
    /// No key opens it, or it is not encrypted while encryption is required.
    Decrypt,
    /// Checksum mismatch.
    Checksum,
    /// Compressed data is malformed, too large, or nested too deep.
    Decompress,
    /// Compound header or part is malformed, or nested too deep.
    Compound,
    /// Message number unknown or not allowed on this transport.
    MessageType,
    /// Message body does not decode.
    Decode,
    /// Decodes, but breaks a rule (empty name, incarnation 0, bad address or version bytes).
    Invalid,
    /// Ping or stream ping for another node's name.
    WrongName,
    /// Address not in the allow-list.
    NotAllowed,
    /// Ack or nack nobody waits for.
    UnknownSeqNo,
    /// The member table is full.
    MembersFull,
    /// Push/pull refused by version rules.
    Version,
    /// Stream cap reached.
    StreamsFull,
    /// Too many probes to relay at once.
    RelaysFull,
    /// User event older than the buffer or the minimum time.
    EventTooOld,
    /// The event buffer is full, or too many events share one Lamport time.
    EventsFull,
    /// Lamport time beyond any sane value.
    LamportTime,
    /// Serf message of a type that is not carried by itself, or unknown.
    SerfMessageType,
    /// Intents about unknown names fill their buffer.
    IntentsFull,
    /// Query older than the buffer or the minimum time.
    QueryTooOld,
    /// Too many queries share one Lamport time, too many wait to be answered, or too many names replied to one.
    QueriesFull,
    /// Ack or answer to no query of ours, or after its end.
    UnknownQuery,
    /// Relay request whose content is no ack or answer, or whose address is no address.
    Relay,
    /// Coordinate that is malformed, of another version, or refused by the algorithm.
    Coordinate,
}

impl DropReason {
    /// Number of reasons.
    pub const COUNT: usize = Self::Coordinate as usize + 1;

    /// Every reason with its name in reports.
    pub const ALL: [(Self, &'static str); Self::COUNT] = [
        (Self::Empty, "empty"),
        (Self::Label, "label"),
        (Self::Decrypt, "decrypt"),
        (Self::Checksum, "checksum"),
        (Self::Decompress, "decompress"),
        (Self::Compound, "compound"),
        (Self::MessageType, "message_type"),
        (Self::Decode, "decode"),
        (Self::Invalid, "invalid"),
        (Self::WrongName, "wrong_name"),
        (Self::NotAllowed, "not_allowed"),
        (Self::UnknownSeqNo, "unknown_seq_no"),
        (Self::MembersFull, "members_full"),
        (Self::Version, "version"),
        (Self::StreamsFull, "streams_full"),
        (Self::RelaysFull, "relays_full"),
        (Self::EventTooOld, "event_too_old"),
        (Self::EventsFull, "events_full"),
        (Self::LamportTime, "lamport_time"),
        (Self::SerfMessageType, "serf_message_type"),
        (Self::IntentsFull, "intents_full"),
        (Self::QueryTooOld, "query_too_old"),
        (Self::QueriesFull, "queries_full"),
        (Self::UnknownQuery, "unknown_query"),
        (Self::Relay, "relay"),
        (Self::Coordinate, "coordinate"),
    ];
}

/// Counters of one node since its start. They saturate, they never wrap.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Datagrams sent.
    pub datagrams_out: u64,
    /// Bytes in received datagrams.
    pub datagram_bytes_in: u64,
    /// Bytes in sent datagrams.
    pub datagram_bytes_out: u64,
    /// Bytes received on streams.
    pub stream_bytes_in: u64,
    /// Bytes sent on streams.
    pub stream_bytes_out: u64,
    /// Probe rounds started.
    pub probes: u64,
    /// Probe rounds whose direct ping was not answered in time.
    pub probes_indirect: u64,
    /// Probe rounds not answered at all.
    pub probes_failed: u64,
    /// Suspicions started here, by own probe or by message.
    pub suspicions: u64,
    /// Members declared dead by an own suspicion timer.
    pub deaths_declared: u64,
    /// Accusations refuted.
    pub refutations: u64,
    /// Push/pull exchanges merged.
    pub push_pulls: u64,
    /// Push/pull exchanges that failed or were refused.
    pub push_pulls_failed: u64,
    /// Name conflicts seen.
    pub conflicts: u64,
    /// User events delivered to the application.
    pub events_delivered: u64,
    /// User events seen again.
    pub event_duplicates: u64,
    /// Broadcasts dropped by the queue's depth limit.
    pub broadcasts_pruned: u64,
    /// Members that joined, as the application hears it.
    pub member_joins: u64,
    /// Members that left.
    pub member_leaves: u64,
    /// Members that failed.
    pub member_failures: u64,
    /// Members that changed tags or address.
    pub member_updates: u64,
    /// Member records erased.
    pub member_reaps: u64,
    /// Failed members that came back within `flap_timeout`.
    pub flaps: u64,
    /// Join and leave intents that were new here.
    pub intents_accepted: u64,
    /// Leaves of this node that it refuted.
    pub intents_refuted: u64,
    /// Queries that were new here.
    pub queries_accepted: u64,
    /// Queries seen again.
    pub query_duplicates: u64,
    /// Queries delivered to the application.
    pub queries_delivered: u64,
    /// Answers given to queries.
    pub query_answers: u64,
    /// Acks to own queries.
    pub query_acks: u64,
    /// Answers to own queries.
    pub query_responses: u64,
    /// Acks that came again, or were not asked for.
    pub query_duplicate_acks: u64,
    /// Answers that came again.
    pub query_duplicate_responses: u64,
    /// Messages passed on for others.
    pub relayed: u64,
    /// Votes about the own name.
    pub conflict_votes: u64,
    /// Attempts to reach failed members.
    pub reconnects: u64,
    /// Round-trip times that improved the own coordinate.
    pub coordinate_updates: u64,
    /// Times the own coordinate had become infinite and started anew.
    pub coordinate_resets: u64,
    drops: [u64; DropReason::COUNT],
}

impl Stats {
    /// How often input was dropped for `reason`.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize]
    }

    /// Drops of every kind together.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.drops.iter().fold(0, |sum, &count| sum.saturating_add(count))
    }

    pub(crate) fn drop(&mut self, reason: DropReason) {
        let count = &mut self.drops[reason as usize];
        *count = count.saturating_add(1);
    }
}

/// Adds one, saturating.
pub(crate) fn bump(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

/// Adds `amount`, saturating.
pub(crate) fn bump_by(counter: &mut u64, amount: usize) {
    *counter = counter.saturating_add(amount as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed_at_its_own_place() {
        for (index, (reason, _)) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
    }

    #[test]
    fn counters_saturate() {
        let mut stats = Stats::default();
        stats.drops[DropReason::Empty as usize] = u64::MAX;
        stats.drop(DropReason::Empty);
        assert_eq!(stats.dropped(DropReason::Empty), u64::MAX);
        assert_eq!(stats.dropped_total(), u64::MAX);
    }
}
