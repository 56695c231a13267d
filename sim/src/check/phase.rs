//! Ground truth about processes, and the two phases of a run: *safety* while anything disturbs it, *calm* from the last
//! disturbance on.
//!
//! A disturbance is: a fault begins or ends; a process starts (not those of a warm start) or ends; the application asks for
//! a join, a leave, a forced leave, other tags or other keys, or is answered. The world is calm from the last of them on if
//! no lasting fault is open, no name is contested, and the network itself loses nothing, has no limit of bandwidth and
//! brings every answer within the probe timeout. A scenario whose network never does that is never calm, and what is due
//! only in calm stays unknown. User events and queries disturb nobody.

use std::net::SocketAddr;

use uwasa_core::command::{Command, KeyOp, OpError, Reply};
use uwasa_core::pool::NodeId;
use uwasa_core::trace::{MemberState, MemberStatus};

use super::limits::Limits;
use super::{Kind, Map, PAIRS_NODES_MAX};
use crate::fact::{End, Fact, Moment, Scene};
use crate::scenario::{FaultKind, Latency, Link, Nanos, NodeIndex, Scenario, Start};

/// When after a disturbance it is noted who knows whom: after what happened in the same instant is over.
const SETTLE: Nanos = 1_000_000_000;

/// One host as the facts tell it.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// How often it was started.
    pub life: u32,
    /// Whether it runs.
    pub up: bool,
    /// When it was started last.
    pub started_at: Nanos,
    /// It was asked to leave in this life.
    pub leaving: bool,
    /// It was told that it has left, in this life: the Lamport time of its leave.
    pub left: Option<u64>,
    /// Who could hear that leave, with the life in which it could: it was live and the leaver knew it, and no fault was
    /// open from the request to the end of the leave.
    pub told: Vec<(NodeIndex, u32)>,
    /// How the last life ended.
    pub end: Option<End>,
    /// Somebody forced it out at some time.
    pub forced: bool,
    /// Somebody had it pruned at some time.
    pub pruned: bool,
}

/// A join under way, a success of which connects two hosts.
#[derive(Debug)]
struct Joining {
    node: NodeIndex,
    seeds: Vec<SocketAddr>,
}

/// Ground truth and calm.
#[derive(Debug)]
pub struct Phase {
    processes: Vec<Process>,
    limits: Option<Limits>,
    members: u32,
    /// Members that were started and do not run now.
    dead: usize,
    warm: bool,
    faithful: bool,
    /// Lasting faults that are open.
    open: u32,
    /// Hosts with the name of another that run.
    contested: u32,
    /// Keys were changed: who can read whom is not known here.
    rekeyed: bool,
    disturbed_at: Option<Nanos>,
    commands: Map<u64, Option<Joining>>,
    joined: Vec<(NodeIndex, NodeIndex)>,
    /// Groups of hosts that know of each other, by their smallest index; of the last disturbance.
    groups: Option<Vec<u32>>,
    /// Whether there are so few nodes that pairs of them are looked at: only those who judge pairs ask for groups.
    grouped: bool,
}

impl Phase {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let strict = scenario.network.bandwidth == 0
            && scenario.network.links.iter().all(|link| is_strict(link, scenario))
            && scenario.nodes.iter().all(|spec| spec.addr == spec.advertise);
        Self {
            processes: vec![Process::default(); scenario.nodes.len()],
            limits: strict.then(|| Limits::of(scenario)).flatten(),
            members: scenario.members_len(),
            dead: 0,
            warm: matches!(scenario.start, Start::Warm),
            faithful: scenario.faults.iter().all(|fault| is_faithful(&fault.kind)),
            open: 0,
            contested: 0,
            rekeyed: false,
            disturbed_at: None,
            commands: Map::default(),
            joined: Vec::new(),
            groups: None,
            grouped: scenario.nodes.len() <= PAIRS_NODES_MAX,
        }
    }

    /// A host.
    #[must_use]
    pub fn process(&self, node: NodeIndex) -> &Process {
        &self.processes[node as usize]
    }

    /// The hosts with names of their own.
    #[must_use]
    pub fn members(&self) -> std::ops::Range<NodeIndex> {
        0..self.members
    }

    /// Whether a host runs and was not asked to leave.
    #[must_use]
    pub fn is_live(&self, node: NodeIndex) -> bool {
        self.processes.get(node as usize).is_some_and(|process| process.up && !process.leaving)
    }

    /// Hosts that were started and do not run now.
    #[must_use]
    pub const fn dead_len(&self) -> usize {
        self.dead
    }

    /// Since when nothing disturbs the world, with the bounds that hold from then on; `None`: something does.
    #[must_use]
    pub fn calm(&self) -> Option<(Nanos, &Limits)> {
        let calm = self.open == 0 && self.contested == 0 && !self.rekeyed;
        self.limits.as_ref().filter(|_| calm).map(|limits| (self.disturbed_at.unwrap_or(0), limits))
    }

    /// Whether nothing has ever disturbed the world.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.disturbed_at.is_none()
    }

    /// Whether the local clocks of nodes run true, and what arrives is what was sent, once or twice and in time.
    #[must_use]
    pub fn is_faithful(&self) -> bool {
        self.faithful
    }

    /// Whether two hosts can find each other: since the last disturbance one knows of the other, or of somebody who does.
    /// Never in a world of more than [`PAIRS_NODES_MAX`] nodes, where it is not looked at.
    #[must_use]
    pub fn connected(&self, one: NodeIndex, other: NodeIndex) -> bool {
        self.groups.as_ref().is_some_and(|groups| groups[one as usize] == groups[other as usize])
    }

    pub(super) fn hear(&mut self, kind: Kind, moment: Moment, fact: &Fact<'_>, scene: Scene<'_>) {
        match kind {
            Kind::Input => {
                let settled = self.disturbed_at.is_none_or(|at| moment.at >= at + SETTLE);
                if self.groups.is_none() && self.grouped && settled {
                    self.groups = Some(self.group(scene));
                }
            }
            Kind::Process => self.hear_process(moment, fact, scene),
            Kind::Command => self.hear_command(moment, fact, scene),
            Kind::Fault => self.hear_fault(moment.at, fact, scene.scenario),
            Kind::Record
            | Kind::Probe
            | Kind::Status
            | Kind::Message
            | Kind::Other
            | Kind::Event
            | Kind::Sent
            | Kind::Dropped => {}
        }
    }

    fn disturb(&mut self, at: Nanos) {
        self.disturbed_at = Some(at);
        self.groups = None;
    }

    fn hear_process(&mut self, moment: Moment, fact: &Fact<'_>, scene: Scene<'_>) {
        let process = &mut self.processes[moment.node as usize];
        let member = moment.node < self.members;
        let claim = scene.scenario.nodes[moment.node as usize].claim.is_some();
        match *fact {
            Fact::Started { life, .. } => {
                let old = std::mem::take(process);
                if member && old.life > 0 && !old.up {
                    self.dead -= 1;
                }
                let Process { forced, pruned, .. } = old;
                *process = Process {
                    life,
                    up: true,
                    started_at: moment.at,
                    forced,
                    pruned,
                    ..Process::default()
                };
                self.contested += u32::from(claim);
                if self.warm && moment.at == 0 {
                    return;
                }
            }
            Fact::Ended(end) => {
                self.dead += usize::from(member && process.up);
                process.up = false;
                process.end = Some(end);
                self.contested -= u32::from(claim);
                self.joined.retain(|&(one, other)| one != moment.node && other != moment.node);
            }
            _ => {
                process.leaving = true;
                self.processes[moment.node as usize].told = self.audience(moment.node, scene);
            }
        }
        self.disturb(moment.at);
    }

    /// Whom what a node gossips now reaches, if nothing happens to it on the way.
    fn audience(&self, node: NodeIndex, scene: Scene<'_>) -> Vec<(NodeIndex, u32)> {
        let Some(teller) = scene.nodes[node as usize].as_ref() else { return Vec::new() };
        if self.open > 0 || self.contested > 0 || self.rekeyed || self.limits.is_none() {
            return Vec::new();
        }
        let hears = |&other: &NodeIndex| {
            other != node
                && self.is_live(other)
                && teller.member_state(NodeId(other)) == Some(MemberState::Alive)
        };
        self.members().filter(hears).map(|other| (other, self.process(other).life)).collect()
    }

    /// Whether a host could hear the leave of another, and still runs in that life.
    #[must_use]
    pub fn was_told(&self, host: NodeIndex, subject: NodeIndex) -> bool {
        self.process(subject).told.contains(&(host, self.process(host).life))
    }

    fn hear_fault(&mut self, at: Nanos, fact: &Fact<'_>, scenario: &Scenario) {
        let (Fact::FaultBegan(index) | Fact::FaultEnded(index)) = *fact else { return };
        let kind = &scenario.faults[index as usize].kind;
        let lasting = is_lasting(kind);
        if let Fact::FaultBegan(_) = fact {
            self.rekeyed |= matches!(kind, FaultKind::Rekey { .. });
            self.open += u32::from(lasting);
            self.joined.clear();
            if lasting {
                self.silence();
            }
        } else {
            self.open -= u32::from(lasting);
        }
        self.disturb(at);
    }

    /// What is being said while a fault begins may be heard by nobody.
    fn silence(&mut self) {
        for process in self.processes.iter_mut().filter(|it| it.up && it.left.is_none()) {
            process.told.clear();
        }
    }

    fn hear_command(&mut self, moment: Moment, fact: &Fact<'_>, scene: Scene<'_>) {
        match *fact {
            Fact::Asked { op, command } => {
                let joining = match command {
                    Command::Join { seeds, .. } => {
                        Some(Joining { node: moment.node, seeds: seeds.clone() })
                    }
                    Command::ForceLeave { name, prune } => {
                        let named = scene.pool.find(name).map(|id| id.index());
                        if let Some(process) = named.and_then(|it| self.processes.get_mut(it)) {
                            process.forced = true;
                            process.pruned |= *prune;
                        }
                        None
                    }
                    Command::Keys { op, .. } => {
                        self.rekeyed |= !matches!(op, KeyOp::List);
                        None
                    }
                    Command::Leave | Command::SetTags(_) => None,
                    Command::UserEvent { .. }
                    | Command::Query(_)
                    | Command::Respond { .. }
                    | Command::KeyringStored { .. } => return,
                };
                self.commands.insert(op, joining);
                self.disturb(moment.at);
            }
            Fact::Done { op, result } => {
                let Some(joining) = self.commands.remove(&op) else { return };
                self.answered(moment.node, joining, result, scene);
                self.disturb(moment.at);
            }
            _ => {}
        }
    }

    fn answered(
        &mut self,
        node: NodeIndex,
        joining: Option<Joining>,
        result: &Result<Reply, OpError>,
        scene: Scene<'_>,
    ) {
        match (result, joining) {
            (Ok(Reply::Left), _) => {
                let state = scene.nodes[node as usize].as_ref();
                let own = state.and_then(|it| it.member(it.id(), scene.pool));
                self.processes[node as usize].left = own.map(|it| it.status_ltime);
            }
            (Ok(Reply::Joined { contacted }), Some(Joining { node, seeds }))
                if *contacted as usize == seeds.len() && self.open == 0 =>
            {
                let at = |addr: SocketAddr| {
                    (0_u32..).zip(&scene.scenario.nodes).find(|(_, it)| it.addr == addr)
                };
                let found = seeds.into_iter().filter_map(at).map(|(other, _)| (node, other));
                self.joined.extend(found);
            }
            _ => {}
        }
    }

    /// Who can find whom: by a record of a member that is not gone for good, or by a join that was answered.
    fn group(&self, scene: Scene<'_>) -> Vec<u32> {
        let mut roots: Vec<u32> = (0..).take(self.processes.len()).collect();
        let calls = !scene.scenario.config.reconnect_interval.is_zero();
        let mut apart = self.members().filter(|&one| self.is_live(one)).count();
        for one in self.members().filter(|&one| self.is_live(one)) {
            let Some(node) = scene.nodes[one as usize].as_ref() else { continue };
            if apart <= 1 {
                // Everybody can find everybody already.
                break;
            }
            for other in self.members().filter(|&other| other != one && self.is_live(other)) {
                let Some(view) = node.member(NodeId(other), scene.pool) else { continue };
                let knows = match view.status {
                    MemberStatus::Alive | MemberStatus::Leaving => true,
                    MemberStatus::Failed => calls,
                    MemberStatus::Left => false,
                };
                // Whoever is called elsewhere, as where it was before or a copy of it is, does not hear it.
                let there = view.profile.socket_addr() == scene.fabric.topology.advertise(other);
                if knows && there && unite(&mut roots, one, other) {
                    apart -= 1;
                }
            }
        }
        for &(one, other) in &self.joined {
            if self.is_live(one) && self.is_live(other) {
                unite(&mut roots, one, other);
            }
        }
        (0..).take(roots.len()).map(|node| root(&roots, node)).collect()
    }
}

/// Whether a fault goes on until it ends; the others happen in one instant.
const fn is_lasting(kind: &FaultKind) -> bool {
    match kind {
        FaultKind::Crash { .. }
        | FaultKind::Restart { .. }
        | FaultKind::Move { .. }
        | FaultKind::Rekey { .. } => false,
        FaultKind::Pause { .. }
        | FaultKind::Block { .. }
        | FaultKind::Slow { .. }
        | FaultKind::Clock { .. }
        | FaultKind::Partition { .. }
        | FaultKind::Ring { .. }
        | FaultKind::Cut { .. }
        | FaultKind::Degrade(_) => true,
    }
}

/// Whether under this fault local clocks run true, and whatever arrives was sent just so.
const fn is_faithful(kind: &FaultKind) -> bool {
    match kind {
        FaultKind::Clock { .. } => false,
        FaultKind::Degrade(how) => {
            how.corrupt_ppm.is_none() && how.truncate_ppm.is_none() && how.replay_ppm.is_none()
        }
        FaultKind::Crash { .. }
        | FaultKind::Restart { .. }
        | FaultKind::Pause { .. }
        | FaultKind::Block { .. }
        | FaultKind::Slow { .. }
        | FaultKind::Move { .. }
        | FaultKind::Rekey { .. }
        | FaultKind::Partition { .. }
        | FaultKind::Ring { .. }
        | FaultKind::Cut { .. } => true,
    }
}

fn root(roots: &[u32], mut node: u32) -> u32 {
    while roots[node as usize] != node {
        node = roots[node as usize];
    }
    node
}

/// Makes one group of those of two hosts; false: they are in the same.
fn unite(roots: &mut [u32], one: u32, other: u32) -> bool {
    let (one, other) = (root(roots, one), root(roots, other));
    roots[one.max(other) as usize] = one.min(other);
    one != other
}

/// Whether a link loses nothing and brings every answer to a ping in time.
fn is_strict(link: &Link, scenario: &Scenario) -> bool {
    let slowest = match &link.latency {
        Latency::Constant(nanos) => *nanos,
        Latency::Uniform { high, .. } => *high,
        Latency::LogNormal { median, table, .. } => table.last().copied().unwrap_or(*median),
    };
    let held_back = if link.reorder_ppm > 0 { link.reorder_delay } else { 0 };
    let one_way = slowest.saturating_add(link.jitter).saturating_add(held_back);
    let timeout = scenario.config.probe_timeout.as_nanos();
    link.loss_ppm == 0 && u128::from(one_way) * 2 < timeout
}
