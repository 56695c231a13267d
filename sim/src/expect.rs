//! Expectations of a scenario, judged when the clock passes them.

mod serf;

use std::collections::BTreeSet;

use uwasa_core::node::Node;
use uwasa_core::pool::{NodeId, Pool};
use uwasa_core::trace::MemberState;

use crate::metrics::Verdict;
use crate::oracle::{Asked, Gone, NodeSet, Oracle, Reach, Sent};
use crate::outcome::{PPM, state_word};
use crate::scenario::{ExpectKind, Nanos, NodeIndex, Scenario};

/// A time in words: `0.612 s`.
#[must_use]
pub fn seconds(nanos: Nanos) -> String {
    let millis = nanos / 1_000_000;
    format!("{}.{:03} s", millis / 1_000, millis % 1_000)
}

/// What judging needs to look at.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// Ground truth.
    pub oracle: &'a Oracle,
    /// The nodes; `None`: not running.
    pub nodes: &'a [Option<Node>],
    /// Names and profiles.
    pub pool: &'a Pool,
}

impl Scene<'_> {
    fn name(&self, node: NodeIndex) -> &str {
        &self.scenario.nodes[node as usize].name
    }

    /// Live members, in order.
    fn live(&self) -> impl Iterator<Item = NodeIndex> {
        let live = self.oracle.matrix().live();
        (0..self.scenario.members_len()).filter(|&node| live.contains(node))
    }

    fn state(&self, observer: NodeIndex, subject: NodeIndex) -> Option<MemberState> {
        self.nodes[observer as usize].as_ref()?.member_state(NodeId(subject))
    }
}

/// A moment at which one expectation is judged; `item` is the event or departure it is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Due {
    at: Nanos,
    expect: usize,
    item: usize,
}

/// All expectations of a run.
#[derive(Debug)]
pub struct Checks {
    dues: BTreeSet<Due>,
    next: Nanos,
    verdicts: Vec<Option<Verdict>>,
    /// Of each expectation, when each of its events or departures got far enough.
    times: Vec<Vec<Option<Nanos>>>,
    /// Of each expectation, how many of its events or departures met it.
    met: Vec<u32>,
    missed: Vec<Missed>,
}

/// An event or departure that missed its expectation. When it got far enough after all is told at the end of the run.
#[derive(Debug)]
struct Missed {
    expect: usize,
    item: usize,
    /// The nodes it was judged by.
    counted: NodeSet,
}

impl Checks {
    /// Nothing is judged yet.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let mut this = Self {
            dues: BTreeSet::new(),
            next: Nanos::MAX,
            verdicts: vec![None; scenario.expects.len()],
            times: vec![Vec::new(); scenario.expects.len()],
            met: vec![0; scenario.expects.len()],
            missed: Vec::new(),
        };
        for (expect, spec) in scenario.expects.iter().enumerate() {
            let at = match spec.kind {
                ExpectKind::ConvergedBy { by }
                | ExpectKind::JoinedThenFailed { by, .. }
                | ExpectKind::Keys { by, .. }
                | ExpectKind::Tags { by, .. }
                | ExpectKind::Status { by, .. }
                | ExpectKind::Queues { by, .. }
                | ExpectKind::ShutDown { by, .. } => by,
                ExpectKind::StateAt { at, .. } => at,
                ExpectKind::NoFalseFailures
                | ExpectKind::ToldOnce { .. }
                | ExpectKind::Up { .. }
                | ExpectKind::Coordinates { .. } => scenario.duration,
                ExpectKind::EventCoverage { .. }
                | ExpectKind::Query { .. }
                | ExpectKind::Detected { .. } => continue,
            };
            this.add(Due { at, expect, item: 0 });
        }
        this
    }

    /// The next moment at which something is judged. What happens at that moment itself still counts.
    #[must_use]
    pub const fn next(&self) -> Nanos {
        self.next
    }

    fn add(&mut self, due: Due) {
        self.dues.insert(due);
        self.next = self.next.min(due.at);
    }

    /// Event number `item` was sent.
    pub fn event_sent(&mut self, scenario: &Scenario, item: usize, sent: &Sent) {
        for (expect, spec) in scenario.expects.iter().enumerate() {
            if let ExpectKind::EventCoverage { event, within, .. } = &spec.kind
                && *event == sent.name
            {
                self.add(Due { at: sent.sent_at.saturating_add(*within), expect, item });
            }
        }
    }

    /// Query number `item` was sent.
    pub fn query_sent(&mut self, scenario: &Scenario, item: usize, asked: &Asked) {
        for (expect, spec) in scenario.expects.iter().enumerate() {
            if let ExpectKind::Query { query, within: Some(within), .. } = &spec.kind
                && *query == asked.name
            {
                self.add(Due { at: asked.sent_at.saturating_add(*within), expect, item });
            }
        }
    }

    /// Query number `item` is over: what is expected of it by then is judged.
    pub fn query_ended(&mut self, scenario: &Scenario, item: usize, asked: &Asked) {
        let Some(at) = asked.ended_at else { return };
        for (expect, spec) in scenario.expects.iter().enumerate() {
            if let ExpectKind::Query { query, within: None, .. } = &spec.kind
                && *query == asked.name
            {
                self.add(Due { at, expect, item });
            }
        }
    }

    /// Departure number `item` began.
    pub fn departed(&mut self, scenario: &Scenario, item: usize, gone: &Gone) {
        for (expect, spec) in scenario.expects.iter().enumerate() {
            if let ExpectKind::Detected { node, state, within, .. } = spec.kind
                && node == gone.node
                && state == gone.state
            {
                self.add(Due { at: gone.at.saturating_add(within), expect, item });
            }
        }
    }

    /// Judges everything that is due by `until`.
    pub fn judge_until(&mut self, until: Nanos, scene: Scene<'_>) {
        while let Some(due) = self.dues.first().copied().filter(|due| due.at <= until) {
            self.dues.remove(&due);
            let verdict = judge(due, scene);
            self.met[due.expect] += u32::from(verdict.held);
            match reaches_of(due.expect, due.item, scene).first() {
                Some((reach, _)) if !verdict.held => {
                    let counted = reach.steady().clone();
                    self.missed.push(Missed { expect: due.expect, item: due.item, counted });
                }
                _ => self.times[due.expect].push(verdict.at),
            }
            let kept = &mut self.verdicts[due.expect];
            // With several events or departures the first miss stands; otherwise the last success is told.
            if kept.as_ref().is_none_or(|kept| kept.held) {
                *kept = Some(verdict);
            }
        }
        self.next = self.dues.first().map_or(Nanos::MAX, |due| due.at);
    }

    /// All verdicts. What never became due was not exercised and does not hold.
    #[must_use]
    pub fn finish(mut self, scene: Scene<'_>) -> Vec<Verdict> {
        self.judge_until(Nanos::MAX, scene);
        for Missed { expect, item, counted } in &self.missed {
            let times = reaches_of(*expect, *item, scene)
                .into_iter()
                .map(|(reach, ppm)| reach.time_of(counted, needed(counted.len(), ppm)));
            self.times[*expect].push(slowest(times));
        }
        let expects = scene.scenario.expects.iter();
        let reached = self.times.into_iter().zip(self.met);
        self.verdicts
            .into_iter()
            .zip(reached)
            .zip(expects)
            .map(|((verdict, (times, met)), expect)| match (verdict, &expect.kind) {
                (Some(verdict), &ExpectKind::EventCoverage { events_ppm, .. })
                    if events_ppm < PPM =>
                {
                    share_of_events(&verdict, met, times, events_ppm)
                }
                (Some(verdict), _) => Verdict { at: slowest(times.into_iter()), ..verdict },
                (None, kind) => unexercised(kind, scene),
            })
            .collect()
    }
}

/// The verdict about an expectation that a share of the events may miss; `first` is the one about the first that did.
fn share_of_events(
    first: &Verdict,
    met: u32,
    times: Vec<Option<Nanos>>,
    events_ppm: u32,
) -> Verdict {
    let sent = u32::try_from(times.len()).unwrap_or(u32::MAX);
    let needed = needed(sent, events_ppm);
    let mut times: Vec<Nanos> = times.into_iter().flatten().collect();
    times.sort_unstable();
    let mut measured = format!("{met} of {sent} events, of {needed} needed");
    if met < sent {
        measured += &format!("; the first to miss: {}", first.measured);
    }
    Verdict { held: met >= needed, measured, at: times.get(needed as usize - 1).copied() }
}

/// The last of the times; `None` if one of them never came, or there is none.
fn slowest(times: impl Iterator<Item = Option<Nanos>>) -> Option<Nanos> {
    times.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// What event, query or departure `item` has come to, and the share of nodes that expectation number `expect` asks for.
/// A query may be expected to be acked and answered; both are about the same nodes.
fn reaches_of(expect: usize, item: usize, scene: Scene<'_>) -> Vec<(&Reach, u32)> {
    match scene.scenario.expects[expect].kind {
        ExpectKind::EventCoverage { coverage_ppm, .. } => {
            vec![(&scene.oracle.events.sent()[item].reach, coverage_ppm)]
        }
        ExpectKind::Query { acks_ppm, responses_ppm, .. } => {
            let asked = &scene.oracle.queries.asked()[item];
            let acks = acks_ppm.map(|ppm| (&asked.acks, ppm));
            acks.into_iter().chain(responses_ppm.map(|ppm| (&asked.responses, ppm))).collect()
        }
        ExpectKind::Detected { coverage_ppm, .. } => {
            vec![(&scene.oracle.gone()[item].noticed, coverage_ppm)]
        }
        ExpectKind::NoFalseFailures
        | ExpectKind::ConvergedBy { .. }
        | ExpectKind::StateAt { .. }
        | ExpectKind::JoinedThenFailed { .. }
        | ExpectKind::Coordinates { .. }
        | ExpectKind::Keys { .. }
        | ExpectKind::Tags { .. }
        | ExpectKind::Status { .. }
        | ExpectKind::ToldOnce { .. }
        | ExpectKind::Queues { .. }
        | ExpectKind::ShutDown { .. }
        | ExpectKind::Up { .. } => Vec::new(),
    }
}

fn unexercised(kind: &ExpectKind, scene: Scene<'_>) -> Verdict {
    let measured = match kind {
        ExpectKind::EventCoverage { event, .. } => format!("event `{event}` was never sent"),
        ExpectKind::Detected { node, state, .. } => {
            let what = if *state == MemberState::Left { "left" } else { "crashed" };
            format!("{} never {what}", scene.name(*node))
        }
        ExpectKind::Query { query, .. } => serf::unexercised_query(query, scene),
        ExpectKind::NoFalseFailures
        | ExpectKind::ConvergedBy { .. }
        | ExpectKind::StateAt { .. }
        | ExpectKind::JoinedThenFailed { .. }
        | ExpectKind::Coordinates { .. }
        | ExpectKind::Keys { .. }
        | ExpectKind::Tags { .. }
        | ExpectKind::Status { .. }
        | ExpectKind::ToldOnce { .. }
        | ExpectKind::Queues { .. }
        | ExpectKind::ShutDown { .. }
        | ExpectKind::Up { .. } => "the run ended before it was due".into(),
    };
    Verdict { held: false, measured, at: None }
}

fn judge(due: Due, scene: Scene<'_>) -> Verdict {
    match &scene.scenario.expects[due.expect].kind {
        &ExpectKind::EventCoverage { coverage_ppm, within, .. } => {
            judge_coverage(&scene.oracle.events.sent()[due.item], coverage_ppm, within)
        }
        &ExpectKind::Detected { coverage_ppm, within, .. } => {
            judge_detection(&scene.oracle.gone()[due.item], coverage_ppm, within, scene)
        }
        ExpectKind::NoFalseFailures => judge_false_failures(scene),
        &ExpectKind::ConvergedBy { by } => judge_convergence(by, scene),
        &ExpectKind::StateAt { observer, subject, state, at } => {
            judge_state(at, observer, subject, state, scene)
        }
        &ExpectKind::JoinedThenFailed { observer, subject, by } => {
            judge_accident(observer, subject, by, scene)
        }
        &ExpectKind::Query { acks_ppm, responses_ppm, .. } => serf::judge_query(
            &scene.oracle.queries.asked()[due.item],
            acks_ppm,
            responses_ppm,
            due.at,
        ),
        &ExpectKind::Coordinates { share_ppm, error_ppm, by } => {
            serf::judge_coordinates(share_ppm, error_ppm, by, scene)
        }
        ExpectKind::Keys { count, primary, by } => {
            serf::judge_keys(*count, primary.as_deref(), *by, scene)
        }
        ExpectKind::Tags { nodes, tags, by } => serf::judge_tags(nodes, tags, *by, scene),
        &ExpectKind::Status { subject, status, by } => {
            serf::judge_status(subject, status, by, scene)
        }
        &ExpectKind::ShutDown { node, by } => serf::judge_shut_down(node, by, scene),
        ExpectKind::ToldOnce { event, nodes } => serf::judge_told_once(event, nodes, scene),
        &ExpectKind::Queues { most, by } => serf::judge_queues(most, by, scene),
        ExpectKind::Up { nodes } => serf::judge_up(nodes, scene),
    }
}

/// How many of `total` are needed for a share of `ppm` millionths, rounded up.
pub(crate) fn quota(total: u32, ppm: u32) -> u32 {
    let product = u64::from(total) * u64::from(ppm);
    u32::try_from(product.div_ceil(u64::from(PPM))).unwrap_or(u32::MAX)
}

/// The same, but one at least: nothing is shown by nobody.
fn needed(total: u32, ppm: u32) -> u32 {
    quota(total, ppm).max(1)
}

fn judge_coverage(sent: &Sent, ppm: u32, within: Nanos) -> Verdict {
    let (audience, reached) = (sent.reach.steady().len(), sent.reach.steady_heard());
    let needed = needed(audience, ppm);
    let at = sent.reach.time_of(sent.reach.steady(), needed);
    let mut measured = format!("{reached} of {audience} nodes after {}", seconds(within));
    if let Some(at) = at {
        measured += &format!("; the {} needed after {}", nodes(needed), seconds(at));
    }
    Verdict { held: at.is_some(), measured, at }
}

fn judge_detection(gone: &Gone, ppm: u32, within: Nanos, scene: Scene<'_>) -> Verdict {
    let steady = gone.noticed.steady();
    let (observers, noticed) = (steady.len(), gone.noticed.steady_heard());
    let at = gone.noticed.time_of(steady, needed(observers, ppm));
    let word = if gone.state == MemberState::Left { "left" } else { "failed" };
    let mut measured = format!(
        "{noticed} of {observers} observers marked {} {word} within {}",
        scene.name(gone.node),
        seconds(within)
    );
    let delays = || gone.noticed.delays_among(steady);
    if let (Some(first), Some(last)) = (delays().next(), delays().last()) {
        measured += &format!(" (first after {}, last after {})", seconds(first), seconds(last));
    }
    Verdict { held: at.is_some(), measured, at }
}

fn judge_false_failures(scene: Scene<'_>) -> Verdict {
    let count = scene.oracle.false_failures_len();
    let measured = match scene.oracle.first_false_failure() {
        None => "0 false failures".to_string(),
        Some((at, observer, subject)) => format!(
            "{count} false failure{}, the first at {}: {} declared {} dead",
            if count == 1 { "" } else { "s" },
            seconds(at),
            scene.name(observer),
            scene.name(subject)
        ),
    };
    Verdict { held: count == 0, measured, at: None }
}

/// Every live node must see the live nodes and nobody else as members, alive or suspect: a suspect is still a member.
fn judge_convergence(by: Nanos, scene: Scene<'_>) -> Verdict {
    let matrix = scene.oracle.matrix();
    let live = matrix.live_count();
    if let Some(since) = scene.oracle.exact_since() {
        let measured = format!("all {live} live nodes see each other since {}", seconds(since));
        return Verdict { held: true, measured, at: Some(since) };
    }
    let (pairs, seen) = matrix.pairs();
    let measured = format!(
        "at {}: {seen} of {pairs} pairs of live nodes see each other, {} entries for departed nodes",
        seconds(by),
        matrix.stale()
    );
    Verdict { held: false, measured, at: None }
}

fn judge_state(
    at: Nanos,
    observer: Option<NodeIndex>,
    subject: NodeIndex,
    wanted: Option<MemberState>,
    scene: Scene<'_>,
) -> Verdict {
    let observers: Vec<_> = match observer {
        Some(observer) => vec![observer],
        None => scene.live().filter(|&node| node != subject).collect(),
    };
    let running = |observer: &&NodeIndex| scene.nodes[**observer as usize].is_some();
    let agree = |observer: &&NodeIndex| scene.state(**observer, subject) == wanted;
    let agreeing = observers.iter().filter(running).filter(agree).count();
    let word = state_word(wanted);
    let subject_name = scene.name(subject);
    let mut measured = format!(
        "at {}: {agreeing} of {} observers see {subject_name} as {word}",
        seconds(at),
        observers.len()
    );
    let odd = observers.iter().find(|observer| !(running(observer) && agree(observer)));
    if let Some(&odd) = odd {
        let seen = match &scene.nodes[odd as usize] {
            Some(_) => state_word(scene.state(odd, subject)),
            None => "nothing: it is not running",
        };
        measured += &format!("; {} sees {seen}", scene.name(odd));
    }
    let held = !observers.is_empty() && agreeing == observers.len();
    Verdict { held, measured, at: held.then_some(at) }
}

fn judge_accident(observer: NodeIndex, subject: NodeIndex, by: Nanos, scene: Scene<'_>) -> Verdict {
    let sighting = scene.oracle.sighting(observer, subject).unwrap_or_default();
    let (who, whom) = (scene.name(observer), scene.name(subject));
    let (held, measured) = match (sighting.joined, sighting.failed) {
        (Some(joined), Some(failed)) => (
            failed <= by,
            format!("{who} saw {whom} join at {} and fail at {}", seconds(joined), seconds(failed)),
        ),
        (Some(joined), None) => (
            false,
            format!("{who} saw {whom} join at {}, not fail by {}", seconds(joined), seconds(by)),
        ),
        (None, _) => (false, format!("{who} had not seen {whom} join by {}", seconds(by))),
    };
    Verdict { held, measured, at: sighting.failed }
}

fn nodes(count: u32) -> String {
    if count == 1 { "1 node".into() } else { format!("{count} nodes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_seconds_with_milliseconds() {
        assert_eq!(seconds(612_400_000), "0.612 s");
        assert_eq!(seconds(61_000_000_000), "61.000 s");
    }

    #[test]
    fn a_quota_is_rounded_up() {
        assert_eq!(quota(52, 950_000), 50);
        assert_eq!(quota(52, 1_000_000), 52);
        assert_eq!(quota(0, 950_000), 0);
    }
}
