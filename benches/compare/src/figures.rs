//! The figures: what each means, which direction is better, and what the first program has to reach.

use serde::{Serialize, Serializer};

/// A figure may be worse by this share and still count as no worse: what two runs of one program differ by.
const NOISE: f64 = 0.05;

/// What the first program (A) has to reach against the second (B). Medians are compared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// A is at most this share of B.
    Share(f64),
    /// A is at least this multiple of B.
    Times(f64),
    /// A is at most this, whatever B is.
    AtMost(f64),
    /// Lower is better; A at most B, within [`NOISE`].
    NotAbove,
    /// Higher is better; A at least B, within [`NOISE`].
    NotBelow,
    /// Shown without judgement.
    None,
}

impl Goal {
    /// As the report says it.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Share(share) => format!("A ≤ {share} × B"),
            Self::Times(times) => format!("A ≥ {times} × B"),
            Self::AtMost(most) => format!("A ≤ {most}"),
            Self::NotAbove => "A ≤ B".to_owned(),
            Self::NotBelow => "A ≥ B".to_owned(),
            Self::None => "–".to_owned(),
        }
    }

    /// Whether the medians `a` and `b` reach it; `None` if there is nothing to reach.
    pub(crate) fn met(self, a: f64, b: f64) -> Option<bool> {
        match self {
            Self::Share(share) => Some(a <= share * b),
            Self::Times(times) => Some(a >= times * b),
            Self::AtMost(most) => Some(a <= most),
            Self::NotAbove => Some(a <= b * (1.0 + NOISE)),
            Self::NotBelow => Some(a >= b * (1.0 - NOISE)),
            Self::None => None,
        }
    }
}

/// One line of the table.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Figure {
    /// Name in `results.json`, `SECTION.FIGURE`.
    pub(crate) key: &'static str,
    /// Name in the table.
    pub(crate) name: &'static str,
    /// Unit in the table.
    pub(crate) unit: &'static str,
    /// Decimals in the table.
    #[serde(skip)]
    pub(crate) decimals: usize,
    /// What has to be reached.
    #[serde(serialize_with = "words")]
    pub(crate) goal: Goal,
    /// What one value is.
    pub(crate) meaning: &'static str,
}

fn words<S: Serializer>(goal: &Goal, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(&goal.words())
}

macro_rules! figures {
    ($($key:literal $name:literal $unit:literal $decimals:literal $goal:expr, $meaning:literal;)*) => {
        &[$(Figure {
            key: $key, name: $name, unit: $unit, decimals: $decimals, goal: $goal,
            meaning: $meaning,
        }),*]
    };
}

/// All figures in the order of the table.
pub(crate) const FIGURES: &[Figure] = figures! {
    "start.answer" "start to first RPC answer" "ms" 1 Goal::NotAbove,
        "from starting the process to its answer to `handshake` and `stats`; connecting is tried every half millisecond; \
         an agent alone; median of the starts of a round";
    "start.members" "`members` on the command line" "ms" 1 Goal::NotAbove,
        "from starting `PROGRAM members` to its end, against an agent of the same program that is alone; median";
    "form.complete" "all join one seed: list complete" "s" 2 Goal::NotAbove,
        "N agents run alone, N−1 join the first by RPC at the same moment; until every agent counts N alive members in \
         `stats` (looked at every 25 ms); 60 if that was not reached";
    "form.missing5" "stragglers after 5 s" "agents" 0 Goal::NotAbove, "agents whose list lacks a member 5 s after the join";
    "form.missing60" "stragglers after 60 s" "agents" 0 Goal::NotAbove, "the same after 60 s";
    "idle.anonymous" "anonymous memory per agent" "MiB" 2 Goal::Share(0.25),
        "`Anonymous` of `/proc/PID/smaps_rollup` after the quiet time, no RPC connection open; median of the agents";
    "idle.resident" "resident memory per agent" "MiB" 2 Goal::None, "`Rss` of the same file, pages of the program file included; median of the agents";
    "idle.threads" "threads per agent" "" 0 Goal::AtMost(1.0), "threads of `/proc/PID/stat`; median of the agents";
    "idle.cpu" "processor time per agent and minute" "s" 4 Goal::Share(0.5),
        "user and system time of all agents over the idle window, divided by agents and minutes";
    "rpc.members" "`members` requests on one connection" "per s" 0 Goal::Times(2.0),
        "answers of N members; one request at a time: the next is sent when the answer is complete";
    "rpc.members_cpu" "processor time per `members` request" "µs" 1 Goal::None, "of the agent that answers, gossip included";
    "rpc.stats" "`stats` requests on one connection" "per s" 0 Goal::Times(2.0), "as for `members`";
    "rpc.stats_cpu" "processor time per `stats` request" "µs" 1 Goal::None, "of the agent that answers, gossip included";
    "spread.half" "event at 50 % of the agents" "ms" 0 Goal::NotAbove,
        "from sending the request for an event (64 bytes, not coalesced) to its record on the streams of half of the \
         agents, the sender included; 10,000 if not reached; median of the events of a round";
    "spread.most" "event at 95 %" "ms" 0 Goal::NotAbove, "the same for 95 % of the agents";
    "spread.all" "event at all agents" "ms" 0 Goal::NotAbove, "the same for all agents";
    "spread.coverage" "events delivered" "%" 2 Goal::NotBelow, "records that came within 10 s, of those that should come";
    "flood.accepted" "events accepted on one connection" "per s" 0 Goal::Times(2.0),
        "events (64 bytes, not coalesced) sent one request at a time to one agent, divided by the time until the last was answered";
    "flood.delivered" "flood delivered" "%" 2 Goal::NotBelow,
        "different events on the streams of all agents, of events × agents; until nothing has come for 3 s";
    "flood.cpu" "processor time per delivered event" "µs" 1 Goal::Share(0.5),
        "user and system time of all agents from the first event until nothing has come for 3 s, divided by the deliveries";
    "restart.by30" "restarted: complete after 30 s" "agents" 0 Goal::NotBelow,
        "after some events, which bring the snapshots to the disk, all agents are killed (SIGKILL) and started at once with the same command line and snapshot files, without a join; \
         agents that count N alive members 30 s after the first start";
    "restart.by60" "restarted: complete after 60 s" "agents" 0 Goal::NotBelow, "the same after 60 s";
    "restart.known" "restarted: members known at the end" "%" 1 Goal::NotBelow,
        "alive members that the agents count when all are complete or 60 s have passed, of N × N: one straggler leaves \
         nobody complete, islands leave this low";
    "restart.complete" "restarted: all complete" "s" 2 Goal::NotAbove, "until every agent counts N; 60 if that was not reached";
    "loss.failed_half" "kill -9 seen by 50 %" "s" 2 Goal::NotAbove,
        "from SIGKILL to the `member-failed` record on the streams of half of the other agents (coalesced, as Serf does: \
         1 s); 60 if not reached; median of the victims of a round";
    "loss.failed_all" "kill -9 seen by all" "s" 2 Goal::NotAbove, "the same for all other agents";
    "loss.left_half" "leave seen by 50 %" "s" 2 Goal::NotAbove,
        "from sending RPC `leave` to the `member-leave` record on the streams of half of the other agents (coalesced: 1 s)";
    "loss.left_all" "leave seen by all" "s" 2 Goal::NotAbove, "the same for all other agents";
    "loss.coverage" "failures and departures seen" "%" 2 Goal::NotBelow, "records that came within 60 s, of those that should come";
};

/// Median and extremes of the rounds.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Summary {
    /// Middle value; of an even number the mean of the two in the middle.
    pub(crate) median: f64,
    /// Smallest.
    pub(crate) min: f64,
    /// Largest.
    pub(crate) max: f64,
}

impl Summary {
    /// `None` without values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        Some(Self { median: median(&sorted)?, min, max })
    }
}

/// Median of values in any order; `None` without values.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn goals_judge_at_their_edges() {
        assert_eq!(Goal::Share(0.25).met(1.0, 4.0), Some(true));
        assert_eq!(Goal::Share(0.25).met(1.1, 4.0), Some(false));
        assert_eq!(Goal::Times(2.0).met(7.9, 4.0), Some(false));
        assert_eq!(Goal::NotAbove.met(0.0, 0.0), Some(true));
        assert_eq!(Goal::NotAbove.met(1.0, 0.0), Some(false));
        assert_eq!(Goal::NotBelow.met(51.0, 52.0), Some(true));
        assert_eq!(Goal::NotBelow.met(40.0, 52.0), Some(false));
        assert_eq!(Goal::None.met(1.0, 1.0), None);
    }

    #[test]
    fn keys_are_unique() {
        let keys: BTreeSet<_> = FIGURES.iter().map(|figure| figure.key).collect();
        assert_eq!(keys.len(), FIGURES.len());
    }
}
