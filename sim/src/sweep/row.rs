//! What a sweep keeps of one run: the key figures, one row of JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::check::Standing;
use crate::metrics::{Departure, EventSpread, SeedResult};
use crate::outcome::{PPM, bytes_per_second, count, seconds, share_reached};
use crate::scenario::Scenario;

/// The key figures of one run. Times in seconds; `null` where something never happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Index of the unit: index of the point times the number of seeds, plus the index of the seed.
    pub unit: usize,
    /// What the point changes.
    pub point: BTreeMap<String, Value>,
    /// The seed.
    pub seed: u64,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The key figures of one run, whatever it was run for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Hash of the resolved scenario, 16 hexadecimal digits.
    pub config_hash: String,
    /// Trace hash, 16 hexadecimal digits.
    pub trace_hash: String,
    /// Members.
    pub nodes: usize,
    /// Virtual time simulated.
    pub duration_s: f64,
    /// Whether every expectation held in this seed.
    pub held: bool,
    /// Verdict on each expectation, in order of the file.
    pub verdicts: Vec<Verdict>,
    /// Each invariant that was checked.
    pub invariants: Vec<Invariant>,
    /// Each user event, in order of sending.
    pub events: Vec<Event>,
    /// Each crash and leave, in order of time.
    pub departures: Vec<Gone>,
    /// Members that somebody declared failed while they were up and reachable.
    pub false_failed: usize,
    /// How often somebody declared such a member failed.
    pub false_failures: usize,
    /// Mean bytes sent per living node and second.
    pub bytes_per_node_second: Option<f64>,
    /// Datagrams sent, all nodes together.
    pub datagrams: u64,
    /// First lasting full agreement.
    pub converged_at_s: Option<f64>,
    /// Probe rounds that failed.
    pub probes_failed: u64,
    /// Suspicions started.
    pub suspicions: u64,
    /// Refutations.
    pub refutations: u64,
}

/// Verdict on one expectation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether it held.
    pub held: bool,
    /// When the needed share was reached, where there is such a moment.
    pub at_s: Option<f64>,
}

/// Verdict on one invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invariant {
    /// Its name.
    pub name: String,
    /// `pass`, `fail` or `unknown`.
    pub standing: String,
}

/// How one user event spread: times after sending until this share of the nodes had it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Half of the nodes.
    pub t50: Option<f64>,
    /// 95 %.
    pub t95: Option<f64>,
    /// 99 %.
    pub t99: Option<f64>,
    /// All.
    pub t100: Option<f64>,
    /// Datagrams per node while it spread.
    pub packets_per_node: f64,
}

/// How one crash or leave was noticed: times after it happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gone {
    /// Who.
    pub node: String,
    /// `crash` or `leave`.
    pub kind: String,
    /// First suspicion (crashes only).
    pub first_suspicion: Option<f64>,
    /// First observer that marked it.
    pub first: Option<f64>,
    /// Half of the observers.
    pub t50: Option<f64>,
    /// Every observer.
    pub t100: Option<f64>,
}

impl Figures {
    /// The key figures of one seed of `scenario`.
    #[must_use]
    pub fn of(scenario: &Scenario, result: &SeedResult) -> Self {
        let verdict =
            |it: &crate::metrics::Verdict| Verdict { held: it.held, at_s: it.at.map(seconds) };
        let mut failed: Vec<&str> =
            result.false_failures.iter().map(|failure| failure.subject.as_str()).collect();
        failed.sort_unstable();
        failed.dedup();
        Self {
            config_hash: format!("{:016x}", scenario.config_hash),
            trace_hash: format!("{:016x}", result.trace_hash),
            nodes: scenario.members().len(),
            duration_s: seconds(scenario.duration),
            held: result.verdicts.iter().all(|verdict| verdict.held),
            verdicts: result.verdicts.iter().map(verdict).collect(),
            invariants: result.invariants.iter().map(invariant).collect(),
            events: result.events.iter().map(event).collect(),
            departures: result.departures.iter().map(gone).collect(),
            false_failed: failed.len(),
            false_failures: result.false_failures.len(),
            bytes_per_node_second: bytes_per_second(result, scenario.series_bucket),
            datagrams: result.totals.datagrams_sent,
            converged_at_s: result.converged_at.map(seconds),
            probes_failed: result.totals.probes_failed,
            suspicions: result.totals.suspicions,
            refutations: result.totals.refutations,
        }
    }

    /// Datagrams sent per member and second.
    #[must_use]
    pub fn datagrams_per_node_second(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a mean needs no 53 bits")]
        let datagrams = self.datagrams as f64;
        datagrams / (count(self.nodes) * self.duration_s).max(f64::MIN_POSITIVE)
    }

    /// How many invariants were broken.
    #[must_use]
    pub fn broken(&self) -> usize {
        self.invariants.iter().filter(|invariant| invariant.standing == "fail").count()
    }

    /// Every figure as a named number, several of one kind together: `event.deploy.t95` holds that of every event named
    /// deploy. In a fixed order.
    #[must_use]
    pub fn samples(&self) -> Vec<(String, Vec<Option<f64>>)> {
        let mut samples = Samples::default();
        for event in &self.events {
            let name = &event.name;
            samples.add(format!("event.{name}.t50"), event.t50);
            samples.add(format!("event.{name}.t95"), event.t95);
            samples.add(format!("event.{name}.t99"), event.t99);
            samples.add(format!("event.{name}.t100"), event.t100);
            samples.add(format!("event.{name}.packets_per_node"), Some(event.packets_per_node));
        }
        for gone in &self.departures {
            let kind = &gone.kind;
            if kind == "crash" {
                samples.add("crash.first_suspicion".into(), gone.first_suspicion);
            }
            samples.add(format!("{kind}.first"), gone.first);
            samples.add(format!("{kind}.t50"), gone.t50);
            samples.add(format!("{kind}.t100"), gone.t100);
        }
        samples.add("false_failed".into(), Some(count(self.false_failed)));
        samples.add("false_failures".into(), Some(count(self.false_failures)));
        samples.add("bytes_per_node_second".into(), self.bytes_per_node_second);
        samples.add("datagrams_per_node_second".into(), Some(self.datagrams_per_node_second()));
        samples.add("converged_at".into(), self.converged_at_s);
        samples.add("held".into(), Some(if self.held { 1.0 } else { 0.0 }));
        samples.add("invariants_broken".into(), Some(count(self.broken())));
        samples.0
    }
}

#[derive(Default)]
struct Samples(Vec<(String, Vec<Option<f64>>)>);

impl Samples {
    fn add(&mut self, name: String, value: Option<f64>) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None => self.0.push((name, vec![value])),
        }
    }
}

fn invariant(invariant: &crate::check::Invariant) -> Invariant {
    let standing = match invariant.standing {
        Standing::Pass => "pass",
        Standing::Fail => "fail",
        Standing::Unknown => "unknown",
    };
    Invariant { name: invariant.name.to_owned(), standing: standing.into() }
}

fn event(event: &EventSpread) -> Event {
    let reached = |ppm| share_reached(&event.delays, event.audience, ppm).map(seconds);
    Event {
        name: event.name.clone(),
        t50: reached(PPM / 2),
        t95: reached(PPM / 100 * 95),
        t99: reached(PPM / 100 * 99),
        t100: reached(PPM),
        packets_per_node: event.packets_per_node,
    }
}

fn gone(gone: &Departure) -> Gone {
    let reached = |ppm| share_reached(&gone.delays, gone.observers, ppm).map(seconds);
    Gone {
        node: gone.node.clone(),
        kind: gone.kind.to_owned(),
        first_suspicion: gone.first_suspicion.map(seconds),
        first: gone.delays.first().copied().map(seconds),
        t50: reached(PPM / 2),
        t100: reached(PPM),
    }
}
