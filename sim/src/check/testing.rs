//! Histories by hand: a quiet world in which a test says what happens.

use std::path::Path;

use uwasa_core::command::{Command, Reply};
use uwasa_core::io::Input;
use uwasa_core::pool::{NodeId, ProfileId};
use uwasa_core::trace::{
    Accusation, Cause, EventPath, IntentKind, MemberState, MemberStatus, ProbeOutcome, Trace,
};

use super::{Invariant, Invariants, Standing};
use crate::fact::{End, Fact, Moment, Scene, Watchers};
use crate::scenario::{Nanos, NodeIndex, Scenario, parse};
use crate::world::World;

/// One checker and a warm world of a few nodes that stand still.
pub(super) struct Stand {
    world: World<'static>,
    scenario: &'static Scenario,
    invariants: Option<Invariants>,
    verdict: Option<Invariant>,
    at: Nanos,
}

fn scenario(nodes: usize, seconds: u64, rest: &str) -> &'static Scenario {
    let config = "config = { snapshot = true }";
    let text = format!(
        "title = \"t\"\nnodes = {nodes}\nduration = \"{seconds}s\"\nstart = \"warm\"\n{config}\n{rest}"
    );
    let scenario = parse(&text, Path::new("t.toml"), &[]).expect("a valid scenario");
    Box::leak(Box::new(scenario))
}

impl Stand {
    pub(super) fn new(name: &str, nodes: usize) -> Self {
        let scenario = scenario(nodes, 10_000, "");
        Self::of(name, World::new(scenario, 1), scenario)
    }

    fn of(name: &str, world: World<'static>, scenario: &'static Scenario) -> Self {
        let invariants = Some(Invariants::some(scenario, |it| it == name));
        let mut stand = Self { world, scenario, invariants, verdict: None, at: 0 };
        for node in 0..scenario.members_len() {
            stand.hear(node, &Fact::Started { life: 1, restored: None });
        }
        stand.wait(10_000_000_000);
        stand.hear(0, &Fact::Input(crate::fact::Arrived::Timeout));
        stand
    }

    /// A real run of three nodes.
    pub(super) fn run(name: &str, rest: &str, seconds: u64) -> Self {
        let scenario = scenario(3, seconds, rest);
        let invariants = Some(Invariants::some(scenario, |it| it == name));
        let mut world = World::watched(scenario, 1, Watchers { invariants, ..Watchers::default() });
        world.run_until(scenario.duration);
        let verdict = world.finish().invariants.pop();
        Self { world: World::new(scenario, 1), scenario, invariants: None, verdict, at: 0 }
    }

    /// A quiet world with the nodes as a real run of three has them at a time before its end, both in seconds.
    pub(super) fn after(name: &str, rest: &str, (until, end): (u64, u64)) -> Self {
        let mut world = World::new(scenario(3, end, rest), 1);
        world.run_until(until * 1_000_000_000);
        Self::of(name, world, scenario(3, 10_000, ""))
    }

    fn scene(&self) -> Scene<'_> {
        Scene {
            scenario: self.scenario,
            nodes: &self.world.nodes,
            pool: &self.world.pool,
            fabric: &self.world.fabric,
        }
    }

    pub(super) fn wait(&mut self, nanos: Nanos) {
        self.at += nanos;
    }

    pub(super) fn hear(&mut self, node: NodeIndex, fact: &Fact<'_>) {
        let mut invariants = self.invariants.take().expect("not finished");
        invariants.hear(Moment { at: self.at, node }, fact, self.scene());
        self.invariants = Some(invariants);
    }

    pub(super) fn trace(&mut self, node: NodeIndex, trace: Trace) {
        self.hear(node, &Fact::Trace(&trace));
    }

    /// The node is gone without anybody being told.
    pub(super) fn stop(&mut self, node: NodeIndex) {
        self.world.nodes[node as usize] = None;
    }

    /// A member asks to leave, is told that it has left, and is gone.
    pub(super) fn leave(&mut self, node: NodeIndex) {
        self.hear(node, &Fact::LeaveAsked);
        self.hear(node, &Fact::Asked { op: 3, command: &Command::Leave });
        self.hear(node, &Fact::Done { op: 3, result: &Ok(Reply::Left) });
        self.stop(node);
        self.hear(node, &Fact::Ended(End::Quit));
    }

    /// The subject itself reaches this incarnation.
    pub(super) fn refuted(&mut self, node: NodeIndex, incarnation: u32) {
        let profile = self.profile_of(node);
        self.trace(node, alive(node, incarnation, &profile));
    }

    /// The profile of a member in this world.
    pub(super) fn profile_of(&self, node: NodeIndex) -> ProfileId {
        let pool = &self.world.pool;
        let owner = self.world.nodes[node as usize].as_ref().expect("it runs");
        let profile = owner.member(NodeId(node), pool).expect("it knows itself").profile.clone();
        let mut ids = (0..).map(ProfileId);
        ids.find(|id| *pool.profile(*id) == profile).expect("it is interned")
    }

    /// Has the node itself queue news.
    pub(super) fn tell_tags(&mut self, node: NodeIndex) {
        let command = Command::SetTags(uwasa_core::tags::Tags::default());
        let input = Input::Command { op: uwasa_core::io::OpId(1), command };
        self.world.feed(node, input);
    }

    /// Has one node force another one out, and nobody hear of it.
    pub(super) fn force_leave(&mut self, node: NodeIndex, other: NodeIndex) {
        let name = self.scenario.protocol_name(other).into();
        let command = Command::ForceLeave { name, prune: false };
        self.world.feed(node, Input::Command { op: uwasa_core::io::OpId(2), command });
    }

    fn verdict(&mut self) -> Invariant {
        if let Some(verdict) = &self.verdict {
            return verdict.clone();
        }
        let mut invariants = self.invariants.take().expect("not finished");
        let verdict = invariants.verdicts(self.at, self.scene()).pop().expect("one checker");
        self.invariants = Some(invariants);
        verdict
    }

    pub(super) fn passes(&mut self) -> bool {
        self.verdict().standing == Standing::Pass
    }

    pub(super) fn is_unknown(&mut self) -> bool {
        self.verdict().standing == Standing::Unknown
    }

    pub(super) fn violations(&mut self) -> u64 {
        self.verdict().violations
    }

    pub(super) fn fails_with(&mut self, text: &str) -> bool {
        let verdict = self.verdict();
        let found = verdict.first.is_some_and(|first| first.text.contains(text));
        verdict.standing == Standing::Fail && found
    }
}

pub(super) fn edge_by(
    subject: u32,
    from: MemberState,
    to: Option<MemberState>,
    incarnation: u32,
    cause: Cause,
) -> Trace {
    Trace::Edge { subject: NodeId(subject), from: Some(from), to, incarnation, cause }
}

/// An edge with a cause that can bring it.
pub(super) fn edge(
    subject: u32,
    from: MemberState,
    to: Option<MemberState>,
    incarnation: u32,
) -> Trace {
    let cause = if to.is_none() { Cause::Reap } else { Cause::Gossip { from: None } };
    edge_by(subject, from, to, incarnation, cause)
}

pub(super) fn alive(subject: u32, incarnation: u32, profile: &ProfileId) -> Trace {
    Trace::Record { subject: NodeId(subject), incarnation, profile: *profile }
}

pub(super) fn refutation(accused: u32, incarnation: u32) -> Trace {
    Trace::Refuted { accusation: Accusation::Suspect, from: None, accused, incarnation }
}

pub(super) fn status(subject: u32, from: Option<MemberStatus>, to: Option<MemberStatus>) -> Trace {
    Trace::Status { subject: NodeId(subject), from, to, ltime: 1 }
}

pub(super) fn intent(subject: u32, kind: IntentKind, ltime: u64) -> Trace {
    let path = EventPath::Gossip;
    Trace::IntentAccepted { subject: Some(NodeId(subject)), kind, ltime, path }
}

pub(super) fn event_accepted(ltime: u64, path: EventPath) -> Trace {
    Trace::EventAccepted { ltime, path }
}

pub(super) fn probe_failed(target: u32, seq_no: u32) -> Trace {
    let outcome = ProbeOutcome::Failed { nacks_expected: 0, nacks_received: 0 };
    Trace::ProbeEnded { target: NodeId(target), seq_no, outcome }
}

pub(super) fn probe_acked(target: u32) -> Trace {
    Trace::ProbeEnded {
        target: NodeId(target),
        seq_no: 1,
        outcome: ProbeOutcome::Direct { rtt: 1 },
    }
}
