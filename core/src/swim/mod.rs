//! SWIM with Lifeguard as memberlist runs it: who is a member, who is alive, and how the others hear of it.
//!
//! `Swim` knows no bytes and no Serf. It takes decoded messages and timers, and pushes [`Action`]s in causal order.

mod awareness;
mod gossip;
mod merge;
mod probe;
mod push_pull;
mod relay;
mod suspicion;
mod table;
#[cfg(test)]
mod tests;

use core::net::SocketAddr;
use std::collections::BTreeMap;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::command::{OpError, Reply};
use crate::config::{Config, Identity, TimerPhase};
use crate::event::{Event, ShutDownReason};
use crate::idmap::IdMap;
use crate::ids::{OpId, QueryId};
use crate::keyring::Keyring;
use crate::pool::{NodeId, Pool, Profile, ProfileId, WireAddr};
use crate::queue::{BroadcastQueue, Ticket};
use crate::rng::Rng;
use crate::snapshot::Record as SnapshotRecord;
use crate::stats::Stats;
use crate::time::{Instant, duration_nanos};
use crate::timers::{TimerKind, Timers};
use crate::trace::{Cause, MemberState, MemberStatus, Trace};

use awareness::Awareness;
pub(crate) use merge::AliveClaim;
use probe::ProbeRound;
pub(crate) use push_pull::{RemoteEntry, RemoteVersions};
use relay::Relay;
pub(crate) use relay::RelayRequest;
use suspicion::Suspicion;
use table::MemberTable;
pub(crate) use table::{Member, Record};

/// What one call may touch besides `Swim` itself.
pub(crate) struct SwimCx<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a Config,
    pub(crate) pool: &'a mut Pool,
    pub(crate) rng: &'a mut Rng,
    pub(crate) stats: &'a mut Stats,
    pub(crate) timers: &'a mut Timers,
    pub(crate) actions: &'a mut Vec<Action>,
}

impl SwimCx<'_> {
    pub(crate) fn trace(&mut self, trace: Trace) {
        if self.config.trace {
            self.actions.push(Action::Trace(trace));
        }
    }

    pub(crate) fn send(&mut self, send: Send) {
        self.actions.push(Action::Send(send));
    }
}

/// A member's name as a message carries it: only accepted members have an id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Name {
    Known(NodeId),
    Unknown(Box<str>),
}

impl Name {
    pub(crate) fn new(pool: &Pool, name: &str) -> Self {
        pool.find(name).map_or_else(|| Self::Unknown(name.into()), Self::Known)
    }

    pub(crate) fn known(&self) -> Option<NodeId> {
        match self {
            Self::Known(id) => Some(*id),
            Self::Unknown(_) => None,
        }
    }

    pub(crate) fn as_str<'a>(&'a self, pool: &'a Pool) -> &'a str {
        match self {
            Self::Known(id) => pool.name(*id),
            Self::Unknown(name) => name,
        }
    }

    pub(crate) fn id(&self) -> Option<NodeId> {
        match self {
            Self::Known(id) => Some(*id),
            Self::Unknown(_) => None,
        }
    }
}

/// A membership fact waiting to be gossiped; it becomes a message when it is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fact {
    Alive { profile: ProfileId, incarnation: u32 },
    Suspect { node: NodeId, incarnation: u32, from: Name },
    Dead { node: NodeId, incarnation: u32, from: Name },
}

/// An effect, in causal order.
#[derive(Debug)]
pub(crate) enum Action {
    Trace(Trace),
    Event(Event),
    Send(Send),
    /// News for the layer above.
    Upcall(Upcall),
    /// A line for the snapshot.
    Persist(SnapshotRecord),
    /// The keyring changed; the answer to the query may wait until it is stored.
    KeyringChanged {
        keyring: Keyring,
        answers: Option<QueryId>,
    },
    /// Try to reach a failed member.
    Reconnect {
        to: SocketAddr,
    },
    /// The node stops itself.
    ShutDown(ShutDownReason),
    /// A command is done.
    Done {
        op: OpId,
        result: Result<Reply, OpError>,
    },
}

/// What SWIM tells the Serf layer, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Upcall {
    /// A member became alive: it is new, or was dead or left.
    Joined(NodeId),
    /// A member became dead or left; the two are not told apart here.
    Departed(NodeId),
    /// The metadata of a member that is not dead or left changed.
    Updated(NodeId),
    /// Somebody claims the name of `existing` from another address.
    Conflict { existing: NodeId },
}

/// Something to send; `node` turns it into bytes.
#[derive(Debug)]
pub(crate) enum Send {
    Ping {
        target: ProfileId,
        seq_no: u32,
    },
    /// A ping to a suspect together with the suspicion, so that it can refute at once (Lifeguard, buddy system).
    PingSuspect {
        target: ProfileId,
        seq_no: u32,
        incarnation: u32,
    },
    IndirectPing {
        relay: ProfileId,
        target: ProfileId,
        seq_no: u32,
        nack: bool,
    },
    /// A ping on behalf of somebody else.
    RelayedPing {
        to: SocketAddr,
        name: Name,
        seq_no: u32,
    },
    Ack {
        to: SocketAddr,
        seq_no: u32,
        /// Carry the own coordinate; acks passed on for others carry none.
        coordinate: bool,
    },
    /// A message of the Serf layer to one member, in a datagram of its own.
    User(Box<UserSend>),
    Nack {
        to: SocketAddr,
        seq_no: u32,
    },
    Gossip {
        to: ProfileId,
    },
    StreamPing {
        target: ProfileId,
        seq_no: u32,
        deadline: Instant,
    },
    PushPull {
        to: ProfileId,
    },
}

/// One message to one member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct UserSend {
    pub(crate) to: SocketAddr,
    /// The member, if it is known: decides about the checksum.
    pub(crate) member: Option<ProfileId>,
    pub(crate) message: Bytes,
}

/// The membership state machine of one node.
#[derive(Debug)]
pub(crate) struct Swim {
    me: NodeId,
    bind_port: u16,
    /// Own incarnation; only this node raises it.
    incarnation: u32,
    last_seq_no: u32,
    has_left: bool,
    table: MemberTable,
    suspicions: IdMap<Suspicion>,
    awareness: Awareness,
    probe: Option<ProbeRound>,
    probe_missed: bool,
    relays: BTreeMap<u32, Relay>,
    queue: BroadcastQueue<Fact>,
    gossip_phase: u64,
    /// The random wait before the first push/pull period is over.
    push_pull_staggered: bool,
}

impl Swim {
    /// Starts: the own record at incarnation 1, its broadcast, and the timers.
    pub(crate) fn new(me: &Identity, cx: &mut SwimCx<'_>) -> Self {
        let id = cx.pool.intern(&me.name);
        let mut swim = Self::empty(id, me.bind_port, MemberTable::default(), cx);
        swim.incarnation = 1;
        swim.on_own_alive(profile_of(id, me, cx.config), cx);
        swim
    }

    /// Starts in the middle of a converged cluster, with nothing to tell.
    pub(crate) fn warm(me: &Identity, view: &WarmView, cx: &mut SwimCx<'_>) -> Self {
        let id = cx.pool.find(&me.name).expect("the view was built from every identity");
        let mut table = view.table.clone();
        table.shuffle(cx.rng);
        let mut swim = Self::empty(id, me.bind_port, table, cx);
        swim.incarnation = 1;
        swim
    }

    fn empty(me: NodeId, bind_port: u16, table: MemberTable, cx: &mut SwimCx<'_>) -> Self {
        let mut swim = Self {
            me,
            bind_port,
            incarnation: 0,
            last_seq_no: 0,
            has_left: false,
            table,
            suspicions: IdMap::default(),
            awareness: Awareness::new(cx.config.awareness_max_multiplier),
            probe: None,
            probe_missed: false,
            relays: BTreeMap::new(),
            queue: BroadcastQueue::default(),
            gossip_phase: 0,
            push_pull_staggered: false,
        };
        swim.start_timers(cx);
        swim
    }

    fn start_timers(&mut self, cx: &mut SwimCx<'_>) {
        let phase = |interval: u64, cx: &mut SwimCx<'_>| match cx.config.timer_phase {
            TimerPhase::Random => cx.rng.stagger(interval),
            TimerPhase::Aligned => interval,
        };
        let probe = duration_nanos(cx.config.probe_interval);
        if probe > 0 {
            let first = cx.now.plus_nanos(phase(probe, cx));
            cx.timers.set(TimerKind::ProbeTick, first);
        }
        let gossip = duration_nanos(cx.config.gossip_interval);
        if gossip > 0 {
            self.gossip_phase = cx.now.plus_nanos(phase(gossip, cx)).as_nanos() % gossip;
        }
        self.stagger_push_pull(cx);
    }

    /// The own id.
    pub(crate) fn me(&self) -> NodeId {
        self.me
    }

    /// The own record.
    pub(crate) fn own(&self) -> Member {
        self.table.get(self.me).expect("a node always knows itself")
    }

    /// The local health score.
    pub(crate) fn health(&self) -> u32 {
        self.awareness.score()
    }

    /// Every known member, by id.
    pub(crate) fn members(&self) -> impl Iterator<Item = (NodeId, Member)> {
        self.table.iter()
    }

    /// Every profile that is held here.
    pub(crate) fn profiles(&self) -> impl Iterator<Item = ProfileId> {
        let queued = self.queue.items().filter_map(|fact| match fact {
            Fact::Alive { profile, .. } => Some(*profile),
            Fact::Suspect { .. } | Fact::Dead { .. } => None,
        });
        let probed = self.probe.iter().map(ProbeRound::profile);
        self.table.profiles().chain(queued).chain(probed)
    }

    /// What is known about `id`.
    pub(crate) fn member(&self, id: NodeId) -> Option<Member> {
        self.table.get(id)
    }

    /// What the Serf layer keeps about `id`.
    pub(crate) fn record(&self, id: NodeId) -> Option<Record> {
        self.table.record(id)
    }

    /// Every Serf record, by id.
    pub(crate) fn records(&self) -> impl Iterator<Item = (NodeId, Record)> {
        self.table.records()
    }

    /// Up to `k` distinct random members whose records pass `filter`, out of those that SWIM still knows.
    pub(crate) fn random_members(
        &self,
        k: usize,
        rng: &mut Rng,
        filter: impl Fn(NodeId, Record) -> bool,
    ) -> SmallVec<[NodeId; 4]> {
        self.table
            .random(k, rng, |table, id| table.record(id).is_some_and(|record| filter(id, record)))
    }

    /// Serf records in every status, the own one included.
    pub(crate) fn records_len(&self) -> usize {
        self.table.records_len()
    }

    /// Serf records in `status`.
    pub(crate) fn status_count(&self, status: MemberStatus) -> usize {
        self.table.status_count(status)
    }

    /// Writes the Serf record of a member that SWIM knows, or that has a record already.
    pub(crate) fn set_record(&mut self, id: NodeId, status: MemberStatus, ltime: u64) {
        self.table.set_record(id, status, ltime);
    }

    /// Gives a member a profile without a SWIM record.
    #[cfg(test)]
    pub(crate) fn plant(&mut self, id: NodeId, profile: ProfileId) {
        self.table.plant(id, profile);
    }

    /// Erases a Serf record.
    pub(crate) fn erase_record(&mut self, id: NodeId) {
        self.table.erase_record(id);
    }

    /// Grows with every change of what is known about anybody.
    pub(crate) fn version(&self) -> u64 {
        self.table.version()
    }

    /// Whether some member is suspected: its record may change by what others repeat.
    pub(crate) fn has_suspects(&self) -> bool {
        self.table.count(MemberState::Suspect) > 0
    }

    /// Members SWIM counts as alive, suspects and the own one included.
    pub(crate) fn alive_len(&self) -> usize {
        self.table.count(MemberState::Alive) + self.table.count(MemberState::Suspect)
    }

    /// Known members in every state, self included.
    pub(crate) fn members_len(&self) -> usize {
        self.table.len()
    }

    /// Whether anybody else is alive or suspect: somebody to tell.
    pub(crate) fn has_peers(&self) -> bool {
        let own = usize::from(self.own().state <= MemberState::Suspect);
        self.table.count(MemberState::Alive) + self.table.count(MemberState::Suspect) > own
    }

    /// A received port, with 0 replaced by the own bind port.
    pub(crate) fn fix_port(&self, port: u16, config: &Config) -> u16 {
        if port == 0 || config.protocol_version == 1 { self.bind_port } else { port }
    }

    fn next_seq_no(&mut self) -> u32 {
        self.last_seq_no = self.last_seq_no.wrapping_add(1);
        self.last_seq_no
    }

    fn change_health(&mut self, delta: i64, cx: &mut SwimCx<'_>) {
        if cx.config.lifeguard.local_health && self.awareness.apply(delta) {
            cx.trace(Trace::Health { score: self.awareness.score() });
        }
    }

    /// Replaces the own metadata and tells everybody. The ticket of the broadcast can be watched.
    pub(crate) fn set_meta(&mut self, meta: Bytes, cx: &mut SwimCx<'_>) -> Ticket {
        self.incarnation = self.incarnation.saturating_add(1);
        let profile = Profile { meta, ..cx.pool.profile(self.own().profile).clone() };
        self.on_own_alive(profile, cx)
    }

    /// Announces the own departure. The ticket of the broadcast can be watched.
    pub(crate) fn leave(&mut self, cx: &mut SwimCx<'_>) -> Option<Ticket> {
        self.has_left = true;
        let me = self.me;
        self.on_dead(me, self.incarnation, &Name::Known(me), Cause::Local, cx)
    }

    /// Has [`Swim::next_released`] tell when a broadcast is over.
    pub(crate) fn watch(&mut self, ticket: Ticket) {
        self.queue.watch(ticket);
    }

    /// Stops watching a broadcast.
    pub(crate) fn unwatch(&mut self, ticket: Ticket) {
        self.queue.unwatch(ticket);
    }

    /// A watched broadcast that is over.
    pub(crate) fn next_released(&mut self) -> Option<Ticket> {
        self.queue.next_released()
    }

    /// Handles one timer of this layer that was due at `due`.
    pub(crate) fn on_timer(&mut self, due: Instant, kind: TimerKind, cx: &mut SwimCx<'_>) {
        match kind {
            TimerKind::ProbeWindow => self.on_probe_window(cx),
            TimerKind::ProbeTick => self.on_probe_tick(due, cx),
            TimerKind::Gossip => self.on_gossip_tick(cx),
            TimerKind::PushPull => self.on_push_pull_tick(cx),
            TimerKind::Suspicion(id) => self.on_suspicion_expired(id, cx),
            TimerKind::Relay(seq_no) => self.on_relay_timeout(seq_no, cx),
            TimerKind::Leave
            | TimerKind::Reap
            | TimerKind::Reconnect
            | TimerKind::Rejoin
            | TimerKind::QueueCheck
            | TimerKind::Coalesce
            | TimerKind::UserCoalesce
            | TimerKind::SnapshotClock
            | TimerKind::Broadcast(_)
            | TimerKind::Prune(_)
            | TimerKind::QueryEnd(_)
            | TimerKind::QueryExpiry(_)
            | TimerKind::Stream(_) => unreachable!("{kind:?} belongs to another layer"),
        }
    }
}

/// A converged view that warm nodes start from: everybody alive at incarnation 1.
#[derive(Clone, Debug)]
pub struct WarmView {
    table: MemberTable,
}

impl WarmView {
    /// The view of a cluster with exactly these members, all with the settings of `config`.
    pub fn new(config: &Config, members: &[Identity], pool: &mut Pool) -> Self {
        let mut table = MemberTable::default();
        // Each node shuffles its own copy; the order in the template does not matter.
        let mut rng = Rng::from_seed([0; 32]);
        for identity in members {
            let node = pool.intern(&identity.name);
            let profile = pool.intern_profile(profile_of(node, identity, config));
            let member = Member { profile, incarnation: 1, state: MemberState::Alive };
            table.insert(node, member, Instant::ZERO, pool, &mut rng);
            table.set_record(node, MemberStatus::Alive, 0);
        }
        table.share();
        Self { table }
    }
}

fn profile_of(node: NodeId, identity: &Identity, config: &Config) -> Profile {
    Profile {
        node,
        addr: WireAddr::from(identity.addr),
        port: identity.port,
        vsn: config.vsn(),
        meta: identity.meta.clone(),
    }
}
