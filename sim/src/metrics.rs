//! What one run measured. Plain data: the world writes it, expectations and reports read it.

use serde::Serialize;

use crate::scenario::Nanos;

/// Result of one seed.
#[derive(Clone, Debug, Serialize)]
pub struct SeedResult {
    /// The seed.
    pub seed: u64,
    /// Running 64-bit xxh3 over every effect of every node in order: equal exactly when two runs did the same.
    #[serde(serialize_with = "hex64")]
    pub trace_hash: u64,
    /// Engine and protocol totals.
    pub totals: Totals,
    /// One entry per sent user event, in order of sending.
    pub events: Vec<EventSpread>,
    /// One entry per query of the workload that was sent, in order of sending.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub queries: Vec<QuerySpread>,
    /// One entry per crash or leave of a node.
    pub departures: Vec<Departure>,
    /// Share of (observer, subject) pairs of live nodes that see each other alive, over time.
    pub convergence: Vec<ConvergencePoint>,
    /// First time at which every live node saw exactly the live nodes and it stayed so until the next fault; `None`: never.
    pub converged_at: Option<Nanos>,
    /// Declared dead although up and reachable.
    pub false_failures: Vec<FalseFailure>,
    /// Errors of the network coordinates over time; empty if they are off or the run is too short for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub coordinates: Vec<CoordinateSample>,
    /// Mean bytes sent per live node in each bucket (datagrams and streams, wire payload without IP and UDP/TCP headers).
    pub bytes_per_node: Vec<f64>,
    /// Verdict for each expectation, in order of the scenario.
    pub verdicts: Vec<Verdict>,
    /// Verdict for each invariant; empty if nobody checked them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub invariants: Vec<crate::check::Invariant>,
    /// Observations worth a sentence in the summary (wrong address announced, and the like).
    pub notes: Vec<String>,
}

/// Totals of one run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Engine events processed.
    pub engine_events: u64,
    /// Datagrams sent by nodes.
    pub datagrams_sent: u64,
    /// Datagrams delivered.
    pub datagrams_delivered: u64,
    /// Lost by the loss model.
    pub datagrams_lost: u64,
    /// Lost to partitions, switched-off or unknown hosts.
    pub datagrams_unreachable: u64,
    /// Lost because a receive buffer was full.
    pub datagrams_overflowed: u64,
    /// Delivered twice.
    pub datagrams_duplicated: u64,
    /// Lost in bursts.
    #[serde(skip_serializing_if = "is_zero")]
    pub datagrams_burst: u64,
    /// Lost because they were too long for the way.
    #[serde(skip_serializing_if = "is_zero")]
    pub datagrams_too_long: u64,
    /// Damaged on their way.
    #[serde(skip_serializing_if = "is_zero")]
    pub datagrams_damaged: u64,
    /// Sent again by the network.
    #[serde(skip_serializing_if = "is_zero")]
    pub datagrams_replayed: u64,
    /// Bytes in sent datagrams.
    pub datagram_bytes: u64,
    /// Bytes sent on streams.
    pub stream_bytes: u64,
    /// Streams dialed.
    pub streams: u64,
    /// Probe rounds.
    pub probes: u64,
    /// Probe rounds that needed relays.
    pub probes_indirect: u64,
    /// Probe rounds that failed.
    pub probes_failed: u64,
    /// Suspicions started.
    pub suspicions: u64,
    /// Refutations.
    pub refutations: u64,
    /// Push/pull exchanges merged.
    pub push_pulls: u64,
    /// Malformed or refused input, all reasons together.
    pub dropped_input: u64,
    /// User events delivered to applications.
    pub events_delivered: u64,
    /// Queries of the workload that were sent.
    #[serde(skip_serializing_if = "is_zero")]
    pub queries: u64,
    /// Acks that came back, those to the protocol's own queries included.
    #[serde(skip_serializing_if = "is_zero")]
    pub query_acks: u64,
    /// Answers that came back, those to the protocol's own queries included.
    #[serde(skip_serializing_if = "is_zero")]
    pub query_responses: u64,
    /// Acks and answers that came again.
    #[serde(skip_serializing_if = "is_zero")]
    pub query_duplicates: u64,
    /// Messages passed on for others.
    #[serde(skip_serializing_if = "is_zero")]
    pub relayed: u64,
    /// Join and leave intents accepted.
    #[serde(skip_serializing_if = "is_zero")]
    pub intents_accepted: u64,
    /// Leaves that their subject refuted.
    #[serde(skip_serializing_if = "is_zero")]
    pub intents_refuted: u64,
    /// Member records erased.
    #[serde(skip_serializing_if = "is_zero")]
    pub member_reaps: u64,
    /// Failed members that came back soon.
    #[serde(skip_serializing_if = "is_zero")]
    pub flaps: u64,
    /// Changes of keyrings.
    #[serde(skip_serializing_if = "is_zero")]
    pub key_changes: u64,
    /// Processes started from a snapshot.
    #[serde(skip_serializing_if = "is_zero")]
    pub snapshot_restarts: u64,
    /// Votes about names.
    #[serde(skip_serializing_if = "is_zero")]
    pub conflict_votes: u64,
}

impl Totals {
    /// Adds the counters of another run. They saturate.
    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        for (into, from) in self.all_mut().into_iter().zip(other.all_mut()) {
            *into = into.saturating_add(*from);
        }
    }

    /// What only degradations do, in words.
    #[must_use]
    pub const fn hazards(&self) -> [(&'static str, u64); 4] {
        [
            ("Datagrams lost in bursts", self.datagrams_burst),
            ("Datagrams too long for the way", self.datagrams_too_long),
            ("Datagrams damaged on their way", self.datagrams_damaged),
            ("Datagrams sent again by the network", self.datagrams_replayed),
        ]
    }

    /// Every counter, by name once only: the compiler says if one is missing.
    fn all_mut(&mut self) -> [&mut u64; 34] {
        macro_rules! each {
            ($($counter:ident),* $(,)?) => {{
                let Self { $($counter),* } = self;
                [$($counter),*]
            }};
        }
        each! {
            engine_events,
            datagrams_sent,
            datagrams_delivered,
            datagrams_lost,
            datagrams_unreachable,
            datagrams_overflowed,
            datagrams_duplicated,
            datagrams_burst,
            datagrams_too_long,
            datagrams_damaged,
            datagrams_replayed,
            datagram_bytes,
            stream_bytes,
            streams,
            probes,
            probes_indirect,
            probes_failed,
            suspicions,
            refutations,
            push_pulls,
            dropped_input,
            events_delivered,
            queries,
            query_acks,
            query_responses,
            query_duplicates,
            relayed,
            intents_accepted,
            intents_refuted,
            member_reaps,
            flaps,
            key_changes,
            snapshot_restarts,
            conflict_votes,
        }
    }

    /// What the Serf layer counts, in words; a run that does without a feature has zeros there.
    #[must_use]
    pub const fn serf(&self) -> [(&'static str, u64); 12] {
        [
            ("Queries sent", self.queries),
            ("Acks to queries", self.query_acks),
            ("Answers to queries", self.query_responses),
            ("Acks and answers that came again", self.query_duplicates),
            ("Messages passed on for others", self.relayed),
            ("Join and leave intents accepted", self.intents_accepted),
            ("Leaves refuted", self.intents_refuted),
            ("Member records erased", self.member_reaps),
            ("Failed members that came back soon", self.flaps),
            ("Changes of keyrings", self.key_changes),
            ("Processes started from a snapshot", self.snapshot_restarts),
            ("Votes about names", self.conflict_votes),
        ]
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How one user event spread.
#[derive(Clone, Debug, Serialize)]
pub struct EventSpread {
    /// Name.
    pub name: String,
    /// Name of the sender.
    pub from: String,
    /// When it was sent.
    pub sent_at: Nanos,
    /// Live nodes that the sender saw as members when it was sent, itself included; less those that stopped before
    /// they had it.
    pub audience: u32,
    /// Delay after sending of each delivery in the audience, ascending; the sender's own 0 included.
    pub delays: Vec<Nanos>,
    /// Deliveries that came by push/pull.
    pub by_push_pull: u32,
    /// Datagrams sent by all nodes between sending and the last gossip delivery, per live node.
    pub packets_per_node: f64,
}

/// How one query was acked and answered.
#[derive(Clone, Debug, Serialize)]
pub struct QuerySpread {
    /// Name.
    pub name: String,
    /// Name of the node that asked.
    pub from: String,
    /// When it was sent.
    pub sent_at: Nanos,
    /// How long the asking node waited; `None`: the run ended first.
    pub ended_after: Option<Nanos>,
    /// Whether the asking node refused to send it.
    pub refused: bool,
    /// Acks; `None`: none were asked for.
    pub acks: Option<Replies>,
    /// Answers; `None`: applications do not answer this query.
    pub responses: Option<Replies>,
    /// Acks and answers that came again.
    pub duplicates: u32,
}

/// Acks or answers that came back.
#[derive(Clone, Debug, Serialize)]
pub struct Replies {
    /// Live nodes that matched when the query was sent; less those that stopped before they had replied.
    pub audience: u32,
    /// Delay after sending of each first reply, ascending.
    pub delays: Vec<Nanos>,
}

/// How far estimated round-trip times are off at one moment.
///
/// The true time is what a datagram and its answer take on average, jitter and reordering included, without loss and
/// without waiting behind other datagrams of the same host. Pairs whose nodes do not both live, or cannot reach each
/// other, are left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CoordinateSample {
    /// Time of the run.
    pub at: Nanos,
    /// Estimated from the coordinates that both nodes have at this moment.
    pub own: CoordinateErrors,
    /// Estimated by one of the two, from the coordinate that the other had when it was last probed; of pairs that have
    /// met. `None`: none has.
    pub cached: Option<CoordinateErrors>,
}

/// Relative errors, |estimate - true| / true, over pairs of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CoordinateErrors {
    /// Pairs.
    pub pairs: u32,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
}

/// How one crash or leave was noticed.
#[derive(Clone, Debug, Serialize)]
pub struct Departure {
    /// Who.
    pub node: String,
    /// `crash` or `leave`.
    pub kind: &'static str,
    /// When.
    pub at: Nanos,
    /// Live observers at that moment that knew the node; less those that stopped before they had noticed.
    pub observers: u32,
    /// Delay until each observer marked it failed (left), ascending; those that never did are missing.
    pub delays: Vec<Nanos>,
    /// Delay until the first observer suspected it (`crash` only).
    pub first_suspicion: Option<Nanos>,
}

/// One point of the convergence curve.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ConvergencePoint {
    /// Time of the run.
    pub at: Nanos,
    /// Share of pairs, 0 to 1; 1 if fewer than two nodes live, so that there is no pair.
    pub share: f64,
    /// Nodes that live.
    pub live: u64,
}

/// A node declared dead although up and reachable.
#[derive(Clone, Debug, Serialize)]
pub struct FalseFailure {
    /// When.
    pub at: Nanos,
    /// Who said so.
    pub observer: String,
    /// About whom.
    pub subject: String,
}

/// Verdict on one expectation.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it held in this seed.
    pub held: bool,
    /// What was measured, in words with units: `97 of 97 nodes after 0.612 s`.
    pub measured: String,
    /// When the needed share was reached: after sending (`event_coverage`, `query`), after the crash or leave
    /// (`detected`), after the start of the run (all others). `None`: never, or there is no such moment. Of several events or departures,
    /// that of the slowest.
    #[serde(rename = "at_s", serialize_with = "in_seconds")]
    pub at: Option<Nanos>,
}

fn in_seconds<S: serde::Serializer>(
    value: &Option<Nanos>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    value.map(crate::outcome::seconds).serialize(serializer)
}

fn hex64<S: serde::Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{value:016x}"))
}
