//! What papers count and a run's own results do not: probes per target, load per member and period, failure events.

use uwasa_core::event::MemberEventKind;
use uwasa_core::trace::{ProbeOutcome, Trace};

use crate::fact::{Arrived, Fact, Moment, Scene};
use crate::net::Power;
use crate::scenario::{Nanos, NodeIndex, Scenario};

/// Datagrams per member and period beyond which only "many" is kept.
const MANY: usize = 63;

/// A member was declared failed although its host was on and its process had neither ended nor been stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FalseEvent {
    /// When.
    pub at: Nanos,
    /// Who says so.
    pub observer: NodeIndex,
    /// About whom.
    pub subject: NodeIndex,
}

/// How often something was seen 0, 1, 2, … times; the last place stands for "or more".
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Histogram(Box<[u64; MANY + 1]>);

impl Default for Histogram {
    fn default() -> Self {
        Self(Box::new([0; MANY + 1]))
    }
}

impl Histogram {
    fn add(&mut self, value: u32) {
        let place = usize::try_from(value).unwrap_or(MANY).min(MANY);
        self.0[place] += 1;
    }

    /// Takes over what another one has.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0.iter()).for_each(|(into, from)| *into += from);
    }

    /// How often anything was counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Mean value; NaN if nothing was counted.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let sum: u64 = (0..).zip(self.0.iter()).map(|(value, count): (u64, _)| value * count).sum();
        sum as f64 / self.count() as f64
    }

    /// Share of values below `bound`; NaN if nothing was counted.
    #[must_use]
    pub fn share_below(&self, bound: usize) -> f64 {
        self.0.iter().take(bound).sum::<u64>() as f64 / self.count() as f64
    }
}

/// Counts of one run.
#[derive(Debug)]
pub struct Tally {
    /// A protocol period.
    period: Nanos,
    /// Number of the running period.
    current: u64,
    nodes: usize,
    sent_now: Vec<u32>,
    received_now: Vec<u32>,
    chosen_now: Vec<bool>,
    /// Own number of the latest probe of each observer.
    probes_of: Vec<u32>,
    /// By observer and target: the own number of its latest probe there, 0: none yet.
    latest_probe: Vec<u32>,
    /// Datagrams sent per member and period.
    pub sent: Histogram,
    /// Datagrams received per member and period.
    pub received: Histogram,
    /// Periods that are over, times members.
    pub member_periods: u64,
    /// Of these, those in which somebody chose the member as the target of a probe.
    pub chosen: u64,
    /// Probes begun.
    pub probes: u64,
    /// Probes that failed although the target ran.
    pub false_suspicions: u64,
    /// Most probes of one observer from one probe of a member to its next one.
    pub gap_max: u32,
    /// Every failure event about a member that had not failed, in order of time.
    pub false_events: Vec<FalseEvent>,
    /// Failure events about members that had failed.
    pub true_events: u64,
}

impl Tally {
    /// Nothing counted yet; a protocol period is the scenario's probe interval, or a second if it does not probe.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let nodes = scenario.nodes.len();
        let period = u64::try_from(scenario.config.probe_interval.as_nanos()).unwrap_or(u64::MAX);
        Self {
            period: if period == 0 { 1_000_000_000 } else { period },
            current: 0,
            nodes,
            sent_now: vec![0; nodes],
            received_now: vec![0; nodes],
            chosen_now: vec![false; nodes],
            probes_of: vec![0; nodes],
            latest_probe: vec![0; nodes * nodes],
            sent: Histogram::default(),
            received: Histogram::default(),
            member_periods: 0,
            chosen: 0,
            probes: 0,
            false_suspicions: 0,
            gap_max: 0,
            false_events: Vec::new(),
            true_events: 0,
        }
    }

    /// Something happened.
    pub fn hear(&mut self, moment: Moment, fact: &Fact<'_>, scene: Scene<'_>) {
        while moment.at / self.period > self.current {
            self.end_period();
        }
        let node = moment.node as usize;
        match fact {
            Fact::Sent { .. } => self.sent_now[node] += 1,
            Fact::Input(Arrived::Datagram { .. }) => self.received_now[node] += 1,
            Fact::Trace(Trace::ProbeStarted { target, .. }) => self.probe(node, target.0),
            Fact::Trace(Trace::ProbeEnded {
                target, outcome: ProbeOutcome::Failed { .. }, ..
            }) => {
                let runs = runs(scene, target.0);
                self.false_suspicions += u64::from(runs);
            }
            Fact::Trace(Trace::Member { kind: MemberEventKind::Failed, subject, .. }) => {
                if runs(scene, subject.0) {
                    let (at, observer) = (moment.at, moment.node);
                    let event = FalseEvent { at, observer, subject: subject.0 };
                    self.false_events.push(event);
                } else {
                    self.true_events += 1;
                }
            }
            Fact::Started { .. }
            | Fact::Ended(_)
            | Fact::LeaveAsked
            | Fact::Input(_)
            | Fact::Trace(_)
            | Fact::Event(_)
            | Fact::Asked { .. }
            | Fact::Done { .. }
            | Fact::Dropped { .. }
            | Fact::FaultBegan(_)
            | Fact::FaultEnded(_) => {}
        }
    }

    fn probe(&mut self, observer: usize, target: NodeIndex) {
        let target = target as usize;
        if target >= self.nodes {
            return;
        }
        self.probes += 1;
        self.chosen_now[target] = true;
        self.probes_of[observer] += 1;
        let number = self.probes_of[observer];
        let latest = &mut self.latest_probe[observer * self.nodes + target];
        if *latest > 0 {
            self.gap_max = self.gap_max.max(number - *latest);
        }
        *latest = number;
    }

    fn end_period(&mut self) {
        self.current += 1;
        for node in 0..self.nodes {
            self.sent.add(std::mem::take(&mut self.sent_now[node]));
            self.received.add(std::mem::take(&mut self.received_now[node]));
            self.chosen += u64::from(std::mem::take(&mut self.chosen_now[node]));
            self.member_periods += 1;
        }
    }
}

/// Whether the process of a member runs, be it slow or stopped for a moment.
fn runs(scene: Scene<'_>, node: NodeIndex) -> bool {
    scene.nodes.get(node as usize).is_some_and(Option::is_some)
        && matches!(scene.fabric.presence(node).power, Power::Up | Power::Paused)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::fact::Watchers;
    use crate::scenario::parse;
    use crate::world::World;

    fn tally(text: &str) -> Tally {
        let scenario = parse(text, Path::new("tally.toml"), &[]).expect("a scenario");
        let tally = Some(Tally::new(&scenario));
        let mut world = World::watched(&scenario, 1, Watchers { tally, ..Watchers::default() });
        world.run_until(scenario.duration);
        world.take_tally().expect("it was given")
    }

    #[test]
    fn a_calm_cluster_probes_everybody_and_accuses_nobody() {
        let tally = tally("title = \"t\"\nnodes = 10\nduration = \"60s\"\nstart = \"warm\"\n");
        assert!((580..=600).contains(&tally.probes), "{}", tally.probes);
        assert_eq!(
            (tally.false_suspicions, tally.false_events.len(), tally.true_events),
            (0, 0, 0)
        );
        assert!((9..=17).contains(&tally.gap_max), "a round or two: {}", tally.gap_max);
        // Pings and acks, and now and then a packet for coordinates or push/pull.
        assert!((1.9..2.3).contains(&tally.sent.mean()), "{}", tally.sent.mean());
        let chosen = tally.chosen as f64 / tally.member_periods as f64;
        assert!((0.55..0.75).contains(&chosen), "{chosen}");
    }

    #[test]
    fn a_crash_is_a_true_event_and_a_cut_a_false_one() {
        let cluster = "title = \"t\"\nnodes = 10\nduration = \"60s\"\nstart = \"warm\"\n";
        let crash = tally(&format!("{cluster}[[fault]]\nat = \"5s\"\ncrash = [\"host3\"]\n"));
        assert_eq!((crash.true_events, crash.false_events.len()), (9, 0));
        let cut = tally(&format!(
            "{cluster}[[fault]]\nat = \"5s\"\nuntil = \"40s\"\npartition = [[\"host3\"], [\"host1\", \"host2\", \"host4..host10\"]]\n"
        ));
        assert_eq!(cut.true_events, 0);
        let about = cut.false_events.iter().filter(|event| event.subject == 2).count();
        assert!(about >= 9, "{about} of 9 called it failed");
    }

    #[test]
    fn histograms_know_means_and_shares() {
        let mut one = Histogram::default();
        [0, 2, 4, 1_000].into_iter().for_each(|value| one.add(value));
        let mut both = Histogram::default();
        both.merge(&one);
        both.merge(&one);
        assert_eq!(both.count(), 8);
        assert!((one.share_below(5) - 0.75).abs() < 1e-12);
        assert!((one.mean() - (6.0 + 63.0) / 4.0).abs() < 1e-12);
    }
}
