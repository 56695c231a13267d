//! Ground truth: who really lives, and what the observers' own traces say about it.
//!
//! Every number is kept up to date edge by edge, so that reading one never means walking the cluster.

mod coordinates;
mod events;
mod matrix;
mod queries;
mod reach;
mod series;

pub use coordinates::{Coordinates, Within};
pub use events::{Events, Sent};
pub use matrix::{Matrix, NodeSet};
pub use queries::{Asked, Queries};
pub use reach::Reach;
pub use series::{ByteSeries, Curve};

use uwasa_core::node::Node;
use uwasa_core::rng::Rng;
use uwasa_core::trace::{Cause, MemberState, Trace};

use crate::metrics::{Departure, FalseFailure};
use crate::net::Fabric;
use crate::scenario::{ExpectKind, Nanos, NodeIndex, Scenario};

/// Nodes with a wrong address beyond which their sightings are not kept.
const WRONG_ADDRESSES_WATCHED: usize = 32;

/// A crash or leave of a node, and who has noticed.
#[derive(Debug)]
pub struct Gone {
    /// Who.
    pub node: NodeIndex,
    /// [`MemberState::Dead`] for a crash, [`MemberState::Left`] for a leave.
    pub state: MemberState,
    /// When.
    pub at: Nanos,
    /// Who has noticed, of the live nodes that knew it at that moment.
    pub noticed: Reach,
    first_suspicion: Option<Nanos>,
}

/// What one observer saw of one watched subject.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sighting {
    /// When it first took it for a member.
    pub joined: Option<Nanos>,
    /// When it first declared it dead after that.
    pub failed: Option<Nanos>,
}

/// Everything measured about membership and events.
#[derive(Debug)]
pub struct Oracle {
    matrix: Matrix,
    changed: bool,
    exact_since: Option<Nanos>,
    converged_at: Option<Nanos>,
    boots_left: usize,
    gone: Vec<Gone>,
    /// The latest departure of each node while it is away.
    away: Vec<Option<u32>>,
    /// Incarnations of each node whose death was first declared when it was true.
    true_deaths: Vec<Vec<u32>>,
    false_failures: Vec<(Nanos, NodeIndex, NodeIndex)>,
    /// Per watched subject, what each observer saw.
    sightings: Vec<Option<Box<[Sighting]>>>,
    /// Nodes that have shut themselves down, and when.
    shut_downs: Vec<(Nanos, NodeIndex)>,
    /// User events.
    pub events: Events,
    /// Queries.
    pub queries: Queries,
    /// Network coordinates.
    pub coordinates: Coordinates,
    /// Bytes sent over time.
    pub bytes: ByteSeries,
    /// The convergence curve.
    pub curve: Curve,
}

impl Oracle {
    /// Nobody lives yet; `boots` members will be started by the start plan. What is sampled is drawn from `rng`.
    #[must_use]
    pub fn new(scenario: &Scenario, boots: usize, rng: &mut Rng) -> Self {
        let nodes = scenario.members_len();
        let count = nodes as usize;
        let mut this = Self {
            matrix: Matrix::new(nodes),
            changed: false,
            exact_since: None,
            converged_at: None,
            boots_left: boots,
            gone: Vec::new(),
            away: vec![None; count],
            true_deaths: vec![Vec::new(); count],
            false_failures: Vec::new(),
            sightings: vec![None; count],
            shut_downs: Vec::new(),
            events: Events::default(),
            queries: Queries::default(),
            coordinates: Coordinates::new(scenario, rng),
            bytes: ByteSeries::new(scenario.series_bucket),
            curve: Curve::new(scenario.duration),
        };
        this.watch_subjects(scenario);
        this
    }

    fn watch_subjects(&mut self, scenario: &Scenario) {
        let count = self.away.len();
        let wrong =
            (0_u32..).zip(scenario.members()).filter(|(_, spec)| spec.addr != spec.advertise);
        let mut watched: Vec<_> =
            wrong.map(|(node, _)| node).take(WRONG_ADDRESSES_WATCHED).collect();
        for expect in &scenario.expects {
            if let ExpectKind::JoinedThenFailed { subject, .. } = expect.kind {
                watched.push(subject);
            }
        }
        for subject in watched {
            self.sightings[subject as usize] = Some(vec![Sighting::default(); count].into());
        }
    }

    /// Who sees whom.
    #[must_use]
    pub const fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// Every crash and leave so far.
    #[must_use]
    pub fn gone(&self) -> &[Gone] {
        &self.gone
    }

    /// How often a live, reachable node was declared dead.
    #[must_use]
    pub const fn false_failures_len(&self) -> usize {
        self.false_failures.len()
    }

    /// The first of them: when, who said so, about whom.
    #[must_use]
    pub fn first_false_failure(&self) -> Option<(Nanos, NodeIndex, NodeIndex)> {
        self.false_failures.first().copied()
    }

    /// Since when every live node has seen exactly the live nodes; `None`: it does not.
    #[must_use]
    pub const fn exact_since(&self) -> Option<Nanos> {
        self.exact_since
    }

    /// What `observer` saw of `subject`, if that subject is watched.
    #[must_use]
    pub fn sighting(&self, observer: NodeIndex, subject: NodeIndex) -> Option<Sighting> {
        Some(self.sightings[subject as usize].as_ref()?[observer as usize])
    }

    /// Whether ground truth is about `node`: it has a name of its own.
    #[must_use]
    pub fn is_member(&self, node: NodeIndex) -> bool {
        (node as usize) < self.away.len()
    }

    /// When `node` first shut itself down.
    #[must_use]
    pub fn shut_down_at(&self, node: NodeIndex) -> Option<Nanos> {
        self.shut_downs.iter().find(|(_, who)| *who == node).map(|(at, _)| *at)
    }

    /// A node shuts itself down.
    pub fn shut_down(&mut self, now: Nanos, node: NodeIndex) {
        self.shut_downs.push((now, node));
    }

    /// The warm start: everybody lives and sees everybody.
    pub fn start_warm(&mut self) {
        self.matrix.fill();
        self.bytes.set_live(0, self.matrix.live_count());
        self.changed = true;
        self.settle(0);
    }

    /// A process starts with an empty view: the `life`th on its host, counted from 1.
    pub fn started(&mut self, now: Nanos, node: NodeIndex, life: u32) {
        if !self.is_member(node) {
            return;
        }
        if life == 1 {
            self.boots_left = self.boots_left.saturating_sub(1);
        }
        self.away[node as usize] = None;
        self.matrix.clear_row(node);
        self.set_live(now, node, true);
    }

    /// A node crashes or begins to leave.
    pub fn departed(&mut self, now: Nanos, node: NodeIndex, state: MemberState) {
        if !self.is_member(node) || !self.matrix.live().contains(node) {
            return;
        }
        self.set_live(now, node, false);
        let observers = self.matrix.observers_of(node);
        let index = u32::try_from(self.gone.len()).expect("fewer than 2^32 departures");
        self.away[node as usize] = Some(index);
        self.gone.push(Gone {
            node,
            state,
            at: now,
            noticed: Reach::new(observers),
            first_suspicion: None,
        });
    }

    /// A process is replaced at once: no departure anybody should notice.
    pub fn replaced(&mut self, now: Nanos, node: NodeIndex) {
        if self.is_member(node) {
            self.set_live(now, node, false);
        }
    }

    fn set_live(&mut self, now: Nanos, node: NodeIndex, live: bool) {
        self.matrix.set_live(node, live);
        if !live {
            self.events.stopped(node);
            self.queries.stopped(node);
            for gone in &mut self.gone {
                gone.noticed.stopped(node);
            }
        }
        self.bytes.set_live(now, self.matrix.live_count());
        self.changed = true;
    }

    /// A fault begins or ends: what had converged by now counts.
    pub fn disturbed(&mut self, now: Nanos) {
        if self.converged_at.is_none() {
            self.converged_at = self.exact_since;
        }
        self.curve.disturb(now);
    }

    /// A state change of `observer`.
    pub fn trace(&mut self, observer: NodeIndex, trace: &Trace, fabric: &Fabric) {
        if !self.is_member(observer) {
            return;
        }
        match *trace {
            Trace::Edge { subject, from, to, incarnation, cause } => {
                let subject = subject.0;
                if self.is_member(subject) {
                    let edge = Edge { observer, subject, incarnation, cause };
                    self.edge(&edge, from, to, fabric);
                }
            }
            Trace::EventAccepted { ltime, path } => self.events.accepted(ltime, path),
            Trace::QueryAccepted { .. } | Trace::QueryReplied { .. } => self.queries.trace(trace),
            Trace::ProbeStarted { .. }
            | Trace::ProbeIndirect { .. }
            | Trace::ProbeEnded { .. }
            | Trace::Suspicion { .. }
            | Trace::Refuted { .. }
            | Trace::Health { .. }
            | Trace::Conflict { .. }
            | Trace::PushPullEnded { .. }
            | Trace::Status { .. }
            | Trace::Member { .. }
            | Trace::IntentAccepted { .. }
            | Trace::IntentRefuted { .. }
            | Trace::QueryAnswered { .. }
            | Trace::QueryEnded { .. }
            | Trace::Relayed
            | Trace::KeyringChanged { .. }
            | Trace::ConflictVote { .. }
            | Trace::Flapped { .. }
            | Trace::RejoinStarted { .. }
            | Trace::RejoinEnded { .. }
            | Trace::RejoinFailed
            | Trace::Reconnecting { .. }
            | Trace::KeyQuery { .. }
            | Trace::QueueDeep { .. } => {}
        }
    }

    /// One input was handled completely: what it sent is known by now.
    pub fn end_input(&mut self) {
        self.events.end_input();
        self.queries.end_input();
    }

    fn edge(
        &mut self,
        edge: &Edge,
        from: Option<MemberState>,
        to: Option<MemberState>,
        fabric: &Fabric,
    ) {
        let &Edge { observer, subject, .. } = edge;
        if observer == subject {
            return;
        }
        self.changed |= self.matrix.set(observer, subject, is_member(to));
        if is_member(to) && !is_member(from) {
            self.note_sighting(edge, fabric.now, true);
        }
        match to {
            Some(MemberState::Suspect) => self.note_suspicion(edge, fabric.now),
            Some(state @ (MemberState::Dead | MemberState::Left)) => {
                self.note_departure(edge, state, fabric.now);
                if state == MemberState::Dead {
                    self.note_sighting(edge, fabric.now, false);
                    self.judge_death(edge, fabric);
                }
            }
            Some(MemberState::Alive) | None => {}
        }
    }

    fn note_sighting(&mut self, edge: &Edge, now: Nanos, joined: bool) {
        let Some(row) = &mut self.sightings[edge.subject as usize] else { return };
        let sighting = &mut row[edge.observer as usize];
        if joined {
            sighting.joined.get_or_insert(now);
        } else if sighting.joined.is_some() {
            sighting.failed.get_or_insert(now);
        }
    }

    fn note_suspicion(&mut self, edge: &Edge, now: Nanos) {
        if let Some(index) = self.away[edge.subject as usize] {
            let gone = &mut self.gone[index as usize];
            if gone.state == MemberState::Dead {
                gone.first_suspicion.get_or_insert(now - gone.at);
            }
        }
    }

    fn note_departure(&mut self, edge: &Edge, state: MemberState, now: Nanos) {
        if let Some(index) = self.away[edge.subject as usize] {
            let gone = &mut self.gone[index as usize];
            if gone.state == state {
                gone.noticed.hear(edge.observer, now - gone.at);
            }
        }
    }

    /// A death is false if its subject lives, runs unhindered and is reachable both ways. Word of a death that was true when it was
    /// first declared may still travel after its subject is back; that is no new mistake.
    fn judge_death(&mut self, edge: &Edge, fabric: &Fabric) {
        let &Edge { observer, subject, incarnation, cause } = edge;
        let innocent = self.matrix.live().contains(subject)
            && fabric.presence(subject).is_responsive()
            && fabric.topology.is_mutually_reachable(observer, subject);
        let true_deaths = &mut self.true_deaths[subject as usize];
        if !innocent {
            if !true_deaths.contains(&incarnation) {
                true_deaths.push(incarnation);
            }
            return;
        }
        let second_hand = match cause {
            Cause::Gossip { .. } | Cause::PushPull => true,
            Cause::Probe { .. } | Cause::SuspicionTimer | Cause::Local | Cause::Reap => false,
        };
        if !(second_hand && true_deaths.contains(&incarnation)) {
            self.false_failures.push((fabric.now, observer, subject));
        }
    }

    /// Takes every sample of the coordinates that is due by `until`, of the nodes as they are now.
    pub fn sample_coordinates(&mut self, until: Nanos, nodes: &[Option<Node>], fabric: &Fabric) {
        let live = self.matrix.live();
        self.coordinates.sample_until(until, live, nodes, &fabric.topology);
    }

    /// One input was handled completely: reads the new state if anything changed.
    pub fn settle(&mut self, now: Nanos) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        if self.boots_left == 0 && self.matrix.is_exact() {
            self.exact_since.get_or_insert(now);
        } else {
            self.exact_since = None;
        }
        let (pairs, seen) = self.matrix.pairs();
        let share = if pairs == 0 { 1.0 } else { seen as f64 / pairs as f64 };
        self.curve.record(now, share, self.matrix.live_count());
    }

    /// When the cluster first converged and stayed so until the next fault or the end.
    #[must_use]
    pub fn converged_at(&self) -> Option<Nanos> {
        self.converged_at.or(self.exact_since)
    }

    /// Departures, for the result.
    #[must_use]
    pub fn departures(&self, name_of: impl Fn(NodeIndex) -> String) -> Vec<Departure> {
        self.gone
            .iter()
            .map(|gone| Departure {
                node: name_of(gone.node),
                kind: if gone.state == MemberState::Left { "leave" } else { "crash" },
                at: gone.at,
                observers: gone.noticed.audience(),
                delays: gone.noticed.delays(),
                first_suspicion: gone.first_suspicion,
            })
            .collect()
    }

    /// False failures, for the result.
    #[must_use]
    pub fn false_failures(&self, name_of: impl Fn(NodeIndex) -> String) -> Vec<FalseFailure> {
        self.false_failures
            .iter()
            .map(|&(at, observer, subject)| FalseFailure {
                at,
                observer: name_of(observer),
                subject: name_of(subject),
            })
            .collect()
    }
}

/// Who changed its mind about whom, and why.
#[derive(Clone, Copy, Debug)]
struct Edge {
    observer: NodeIndex,
    subject: NodeIndex,
    incarnation: u32,
    cause: Cause,
}

const fn is_member(state: Option<MemberState>) -> bool {
    matches!(state, Some(MemberState::Alive | MemberState::Suspect))
}
