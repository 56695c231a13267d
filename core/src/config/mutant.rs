//! Planted protocol bugs: what a checker of the simulator must catch. Without the feature `mutants` none of them is built.

/// One planted bug.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mutant {
    /// An alive message with a lower incarnation replaces a record.
    AcceptsOlderIncarnation,
    /// An alive message with the incarnation of the death brings the dead back.
    AliveResurrectsDead,
    /// An accused node does not refute.
    NoRefutation,
    /// An accused node refutes with the incarnation that was accused.
    RefutesWithSameIncarnation,
    /// A user event is delivered twice.
    EventDeliveredTwice,
    /// A user event is passed on with another name.
    EventForwardedChanged,
    /// The member clock does not move past what was seen.
    LamportNotWitnessed,
    /// A second copy of an ack or answer counts too.
    QueryAnswerCountedTwice,
    /// Every query matches, whatever its filters say.
    FilterIgnored,
    /// A member that announced its leave is seen to fail.
    LeaveSeenAsFailure,
    /// A suspect is never declared dead.
    SuspicionNeverExpires,
    /// A failed probe declares its target dead at once.
    DeadWithoutSuspicion,
    /// What a push/pull says about members is not merged.
    PushPullIgnored,
    /// Broadcasts are sent without end.
    TransmitLimitIgnored,
    /// The member with the greatest id is never probed.
    ProbeSkipsLast,
    /// A ping for another name is acked.
    AckForAnyName,
    /// The leave intents of others are ignored.
    IntentsIgnored,
    /// Failed members are never called again.
    ReconnectNever,
    /// A node that goes on from its snapshot forgets the clocks in it.
    SnapshotForgetsClock,
    /// A claim with a greater incarnation is accepted, and the profile in it is not.
    StaleProfileKept,
    /// Records of failed members are erased at the first search for old ones.
    ReapsTooEarly,
    /// Gossip packets are filled to twice their size.
    PacketsTooLarge,
}

impl Mutant {
    /// Every mutant, with its name in scenarios.
    pub const ALL: [(Self, &'static str); 22] = [
        (Self::AcceptsOlderIncarnation, "accepts_older_incarnation"),
        (Self::AliveResurrectsDead, "alive_resurrects_dead"),
        (Self::NoRefutation, "no_refutation"),
        (Self::RefutesWithSameIncarnation, "refutes_with_same_incarnation"),
        (Self::EventDeliveredTwice, "event_delivered_twice"),
        (Self::EventForwardedChanged, "event_forwarded_changed"),
        (Self::LamportNotWitnessed, "lamport_not_witnessed"),
        (Self::QueryAnswerCountedTwice, "query_answer_counted_twice"),
        (Self::FilterIgnored, "filter_ignored"),
        (Self::LeaveSeenAsFailure, "leave_seen_as_failure"),
        (Self::SuspicionNeverExpires, "suspicion_never_expires"),
        (Self::DeadWithoutSuspicion, "dead_without_suspicion"),
        (Self::PushPullIgnored, "push_pull_ignored"),
        (Self::TransmitLimitIgnored, "transmit_limit_ignored"),
        (Self::ProbeSkipsLast, "probe_skips_last"),
        (Self::AckForAnyName, "ack_for_any_name"),
        (Self::IntentsIgnored, "intents_ignored"),
        (Self::ReconnectNever, "reconnect_never"),
        (Self::SnapshotForgetsClock, "snapshot_forgets_clock"),
        (Self::StaleProfileKept, "stale_profile_kept"),
        (Self::ReapsTooEarly, "reaps_too_early"),
        (Self::PacketsTooLarge, "packets_too_large"),
    ];

    /// Its name in scenarios: `no_refutation`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(mutant, _)| *mutant == self).map_or("", |(_, name)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_has_a_name_of_its_own() {
        let mut names: Vec<_> = Mutant::ALL.iter().map(|(mutant, _)| mutant.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Mutant::ALL.len());
        assert!(!names.contains(&""));
    }
}
