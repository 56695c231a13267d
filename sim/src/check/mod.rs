//! Invariants of the protocol, checked while a run goes on: one per file, each with its source.
//!
//! A checker hears the kinds of [`Fact`] it names and says at the end whether the invariant held, was broken, or was never
//! put to the test. It must not trust what it judges: what it needs to know about nodes it keeps from the facts itself, or
//! takes from [`Phase`], which does the same for all of them. The table of checkers is docs/checkers.md.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "a checker is told the kinds of facts it names, and picks what it wants of them"
)]

mod ack_identity;
mod bounds;
mod calm;
mod causes;
mod convergence;
mod delivery;
mod detection;
mod dissemination;
mod drained;
mod edges;
mod incarnation;
mod lamport;
mod leave;
pub mod limits;
pub mod phase;
mod profile;
mod query;
pub mod replay;
mod resurrection;
mod self_view;
#[cfg(test)]
mod testing;
mod tombstone;
mod views;

use serde::Serialize;
use uwasa_core::trace::Trace;

use crate::fact::{Fact, Moment, Scene};
use crate::scenario::{Nanos, Scenario};
use phase::Phase;

/// Nodes above which invariants that keep something per pair of nodes are not checked.
pub const PAIRS_NODES_MAX: usize = 1_000;

/// Whether an invariant held in one run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It was put to the test and held.
    Pass,
    /// It was broken.
    Fail,
    /// Nothing in the run put it to the test.
    Unknown,
}

/// One break of an invariant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Violation {
    /// When.
    pub at: Nanos,
    /// What happened, in words with the names of the nodes.
    pub text: String,
}

/// What became of one invariant in one run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Invariant {
    /// Its name: `incarnation`.
    pub name: &'static str,
    /// Whether it held.
    pub standing: Standing,
    /// How often it was put to the test.
    pub exercised: u64,
    /// How often it was broken.
    pub violations: u64,
    /// The first break.
    pub first: Option<Violation>,
}

/// What a checker has found so far.
#[derive(Clone, Debug, Default)]
pub struct Finding {
    exercised: u64,
    violations: u64,
    first: Option<Violation>,
}

impl Finding {
    /// The invariant was put to the test.
    pub const fn exercise(&mut self) {
        self.exercised += 1;
    }

    /// It was broken; `text` is asked for the first time only.
    pub fn violate(&mut self, at: Nanos, text: impl FnOnce() -> String) {
        self.violations += 1;
        if self.first.is_none() {
            self.first = Some(Violation { at, text: text() });
        }
    }
}

/// What facts are about; a checker hears the kinds it names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Processes start, end, are asked to leave.
    Process,
    /// Inputs of nodes.
    Input,
    /// SWIM records: state, incarnation, suspicions, refutations.
    Record,
    /// Probe rounds.
    Probe,
    /// Serf statuses and intents.
    Status,
    /// User events and queries on their way.
    Message,
    /// Everything else that nodes trace.
    Other,
    /// What applications hear.
    Event,
    /// Commands and their answers.
    Command,
    /// Datagrams sent.
    Sent,
    /// Datagrams dropped at arrival.
    Dropped,
    /// Faults of the scenario.
    Fault,
}

const KINDS: usize = Kind::Fault as usize + 1;

impl Kind {
    fn of(fact: &Fact<'_>) -> Self {
        match fact {
            Fact::Started { .. } | Fact::Ended(_) | Fact::LeaveAsked => Self::Process,
            Fact::Input(_) => Self::Input,
            Fact::Trace(trace) => Self::of_trace(trace),
            Fact::Event(_) => Self::Event,
            Fact::Asked { .. } | Fact::Done { .. } => Self::Command,
            Fact::Sent { .. } => Self::Sent,
            Fact::Dropped { .. } => Self::Dropped,
            Fact::FaultBegan(_) | Fact::FaultEnded(_) => Self::Fault,
        }
    }

    const fn of_trace(trace: &Trace) -> Self {
        match trace {
            Trace::Edge { .. }
            | Trace::Record { .. }
            | Trace::Accused { .. }
            | Trace::Suspicion { .. }
            | Trace::Refuted { .. } => Self::Record,
            Trace::ProbeStarted { .. } | Trace::ProbeEnded { .. } => Self::Probe,
            Trace::Status { .. } | Trace::IntentAccepted { .. } => Self::Status,
            Trace::EventAccepted { .. } | Trace::QueryAccepted { .. } => Self::Message,
            Trace::ProbeIndirect { .. }
            | Trace::Health { .. }
            | Trace::Conflict { .. }
            | Trace::RejoinStarted { .. }
            | Trace::RejoinEnded { .. }
            | Trace::RejoinFailed
            | Trace::Reconnecting { .. }
            | Trace::KeyQuery { .. }
            | Trace::PushPullEnded { .. }
            | Trace::Member { .. }
            | Trace::IntentRefuted { .. }
            | Trace::QueryAnswered { .. }
            | Trace::QueryReplied { .. }
            | Trace::QueryEnded { .. }
            | Trace::Relayed
            | Trace::KeyringChanged { .. }
            | Trace::ConflictVote { .. }
            | Trace::Flapped { .. }
            | Trace::QueueDeep { .. } => Self::Other,
        }
    }
}

/// What a checker can look at besides the fact.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// The world as it is.
    pub scene: Scene<'a>,
    /// Ground truth about processes, and how calm the world is.
    pub phase: &'a Phase,
}

impl Stage<'_> {
    /// The name of a host in the scenario.
    #[must_use]
    pub fn host(&self, node: u32) -> &str {
        self.scene.scenario.node_name(node)
    }

    /// The id that the node on a host has in the protocol, while it runs.
    #[must_use]
    pub fn own_id(&self, node: u32) -> Option<uwasa_core::pool::NodeId> {
        self.scene.nodes.get(node as usize)?.as_ref().map(uwasa_core::node::Node::id)
    }

    /// The name of a member in the protocol.
    #[must_use]
    pub fn member(&self, id: uwasa_core::pool::NodeId) -> &str {
        self.scene.pool.name(id)
    }
}

/// One invariant.
pub trait Checker: std::fmt::Debug + Send {
    /// Its name, as scenarios and reports call it.
    fn name(&self) -> &'static str;

    /// The kinds of facts it wants to hear.
    fn hears(&self) -> &'static [Kind];

    /// Something happened.
    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding);

    /// The run is over, at this time.
    fn finish(&mut self, _at: Nanos, _stage: Stage<'_>, _finding: &mut Finding) {}
}

/// What checkers remember. Nothing depends on the order of entries; the hasher is fixed all the same.
type Map<K, V> = hashbrown::HashMap<K, V, foldhash::fast::FixedState>;
type Set<K> = hashbrown::HashSet<K, foldhash::fast::FixedState>;

type Builder = fn(&Scenario) -> Box<dyn Checker>;

/// Name, how it is built, and whether it keeps something per pair of nodes.
const CHECKERS: [(&str, Builder, bool); 18] = [
    ("incarnation", |_| Box::<incarnation::Checker>::default(), true),
    ("edges", |_| Box::<edges::Checker>::default(), true),
    ("resurrection", |_| Box::<resurrection::Checker>::default(), true),
    ("self_view", |_| Box::<self_view::Checker>::default(), false),
    ("profile", |_| Box::<profile::Checker>::default(), false),
    ("lamport", |scenario| Box::new(lamport::Checker::new(scenario)), false),
    ("delivery", |_| Box::<delivery::Checker>::default(), false),
    ("query", |_| Box::<query::Checker>::default(), false),
    ("bounds", |scenario| Box::new(bounds::Checker::new(scenario)), false),
    ("causes", |_| Box::<causes::Checker>::default(), true),
    ("leave", |_| Box::<leave::Checker>::default(), true),
    ("tombstone", |scenario| Box::new(tombstone::Checker::new(scenario)), true),
    ("ack_identity", |scenario| Box::new(ack_identity::Checker::new(scenario)), false),
    ("convergence", |_| Box::<convergence::Checker>::default(), true),
    ("detection", |_| Box::<detection::Checker>::default(), true),
    ("dissemination", |_| Box::<dissemination::Checker>::default(), true),
    ("calm", |_| Box::<calm::Checker>::default(), false),
    ("drained", |_| Box::<drained::Checker>::default(), false),
];

/// The names of all invariants, in the order of verdicts.
#[must_use]
pub fn names() -> Vec<&'static str> {
    CHECKERS.iter().map(|(name, ..)| *name).collect()
}

/// All checkers of one run.
#[derive(Debug)]
pub struct Invariants {
    checkers: Vec<(Box<dyn Checker>, Finding)>,
    /// Who hears what.
    by_kind: [Vec<usize>; KINDS],
    phase: Phase,
}

impl Invariants {
    /// Every checker that the scenario does not exclude; in a very large one only those that keep nothing per pair of
    /// nodes.
    #[must_use]
    pub fn all(scenario: &Scenario) -> Self {
        Self::some(scenario, |name| !scenario.unchecked.iter().any(|it| it == name))
    }

    /// The checkers whose names pass `wanted`.
    #[must_use]
    pub fn some(scenario: &Scenario, wanted: impl Fn(&str) -> bool) -> Self {
        let large = scenario.nodes.len() > PAIRS_NODES_MAX;
        let checkers: Vec<_> = CHECKERS
            .iter()
            .filter(|(name, _, pairs)| wanted(name) && !(large && *pairs))
            .map(|(_, build, _)| (build(scenario), Finding::default()))
            .collect();
        let mut by_kind: [Vec<usize>; KINDS] = std::array::from_fn(|_| Vec::new());
        for (index, (checker, _)) in checkers.iter().enumerate() {
            for kind in checker.hears() {
                by_kind[*kind as usize].push(index);
            }
        }
        Self { checkers, by_kind, phase: Phase::new(scenario) }
    }

    /// Tells every checker that wants to hear it.
    pub fn hear(&mut self, moment: Moment, fact: &Fact<'_>, scene: Scene<'_>) {
        let kind = Kind::of(fact);
        self.phase.hear(kind, moment, fact, scene);
        let Self { checkers, by_kind, phase } = self;
        for &index in &by_kind[kind as usize] {
            let (checker, finding) = &mut checkers[index];
            checker.hear(moment, fact, Stage { scene, phase }, finding);
        }
    }

    /// The verdicts, in the order of the checkers, of those that were built.
    #[must_use]
    pub fn finish(mut self, at: Nanos, scene: Scene<'_>) -> Vec<Invariant> {
        self.verdicts(at, scene)
    }

    fn verdicts(&mut self, at: Nanos, scene: Scene<'_>) -> Vec<Invariant> {
        let stage = Stage { scene, phase: &self.phase };
        let judge = |(checker, finding): &mut (Box<dyn Checker>, Finding)| {
            let mut finding = finding.clone();
            checker.finish(at, stage, &mut finding);
            let standing = match (finding.violations, finding.exercised) {
                (0, 0) => Standing::Unknown,
                (0, _) => Standing::Pass,
                _ => Standing::Fail,
            };
            let Finding { exercised, violations, first } = finding;
            Invariant { name: checker.name(), standing, exercised, violations, first }
        };
        self.checkers.iter_mut().map(judge).collect()
    }
}
