//! `Node`: the only place that holds bytes and state together, and that fixes the order of work inside one input.

mod commands;
mod info;
mod receive;
mod rejoin;
mod send;
mod state;
mod streams;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::command::OpError;
use crate::config::{Config, Identity};
use crate::coordinate::Coordinate;
use crate::event::Event;
use crate::ids::QueryId;
use crate::io::{Cx, Input, Outbox, Scratch};
use crate::keyring::Keyring;
use crate::pool::{NodeId, Pool, Profile};
use crate::rng::Rng;
use crate::serf::Serf;
use crate::snapshot::{Clocks, Restored};
use crate::stats::{Stats, bump, bump_by};
use crate::swim::{Action, Record, Swim, SwimCx};
use crate::time::Instant;
use crate::timers::{TimerKind, Timers};
use crate::trace::{MemberState, MemberStatus, Trace};
use crate::wire::packet::PacketRules;
use crate::wire::seal::Sealer;
use commands::Joins;
use rejoin::Rejoin;
use state::Said;
use streams::Streams;

pub use crate::swim::WarmView;
pub use info::Info;

/// One cluster member as a value.
#[derive(Debug)]
pub struct Node {
    now: Instant,
    config: Arc<Config>,
    swim: Swim,
    serf: Serf,
    timers: Timers,
    rng: Rng,
    stats: Stats,
    sealer: Sealer,
    streams: Streams,
    said: Said,
    joins: Joins,
    rejoin: Rejoin,
    /// The node has stopped itself and ignores all input.
    shut_down: bool,
}

/// A member as one observer sees it.
///
/// A record lives longer than the SWIM state below it: failed and left members are shown for a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MemberView<'a> {
    /// Who.
    pub id: NodeId,
    /// Name.
    pub name: &'a str,
    /// What the member says about itself.
    pub profile: &'a Profile,
    /// Status this observer shows.
    pub status: MemberStatus,
    /// Lamport time of the newest intent about it; 0: none.
    pub status_ltime: u64,
    /// Incarnation this observer holds; 0 without a SWIM state.
    pub incarnation: u32,
    /// SWIM state this observer holds; `None`: reaped there already.
    pub state: Option<MemberState>,
}

/// What one call may touch besides the node itself.
struct Turn<'a> {
    pool: &'a mut Pool,
    out: &'a mut Outbox,
    scratch: &'a mut Scratch,
}

impl Node {
    /// Builds a member that knows only itself. Its own `MemberJoin` is in `cx.out` afterwards.
    ///
    /// `seed` fixes every random choice, AES-GCM nonces included, so production must draw it from the operating
    /// system.
    pub fn new(config: Arc<Config>, me: Identity, seed: [u8; 32], cx: &mut Cx<'_>) -> Self {
        Self::build(config, Clocks::default(), seed, cx, |cx| Swim::new(&me, cx))
    }

    /// Builds a member that goes on from a snapshot: its clocks are ahead of what it said before, events and queries of
    /// then are not delivered again, and it joins the members it remembers, in random order, until one answers.
    ///
    /// `Options::snapshot` should be set; otherwise only the members count.
    pub fn restore(
        config: Arc<Config>,
        me: &Identity,
        seed: [u8; 32],
        restored: &Restored,
        cx: &mut Cx<'_>,
    ) -> Self {
        let mut node = Self::build(config, restored.clocks, seed, cx, |cx| Swim::new(me, cx));
        let remembered = restored.seeds(&me.name).map(|(_, addr)| addr).collect();
        let mut scratch = cx.out.take_scratch();
        node.rejoin(remembered, &mut Turn { pool: cx.pool, out: cx.out, scratch: &mut scratch });
        cx.out.return_scratch(scratch);
        node
    }

    /// Builds a member in the middle of a converged cluster: it knows everybody in `view` and has nothing to tell.
    ///
    /// `view` must contain `me`. No events are reported about the members already known.
    pub fn warm(
        config: Arc<Config>,
        me: &Identity,
        seed: [u8; 32],
        view: &WarmView,
        cx: &mut Cx<'_>,
    ) -> Self {
        Self::build(config, Clocks::default(), seed, cx, |cx| Swim::warm(me, view, cx))
    }

    fn build(
        config: Arc<Config>,
        restored: Clocks,
        seed: [u8; 32],
        cx: &mut Cx<'_>,
        start: impl FnOnce(&mut SwimCx<'_>) -> Swim,
    ) -> Self {
        let mut scratch = cx.out.take_scratch();
        let (mut rng, mut timers, mut stats) =
            (Rng::from_seed(seed), Timers::default(), Stats::default());
        let serf = Serf::new(&config, restored, &mut rng);
        let swim = start(&mut SwimCx {
            now: cx.now,
            config: &config,
            pool: cx.pool,
            rng: &mut rng,
            stats: &mut stats,
            timers: &mut timers,
            actions: &mut scratch.actions,
        });
        let mut node = Self {
            now: cx.now,
            serf,
            sealer: Sealer::new(&config.keyring),
            config,
            swim,
            timers,
            rng,
            stats,
            streams: Streams::default(),
            said: Said::default(),
            joins: Joins::default(),
            rejoin: Rejoin::default(),
            shut_down: false,
        };
        node.settle(&mut Turn { pool: cx.pool, out: cx.out, scratch: &mut scratch });
        cx.out.return_scratch(scratch);
        node
    }

    /// Advances by exactly one input. Never blocks, never fails; panics only on our own bugs.
    pub fn handle(&mut self, input: Input<'_>, cx: &mut Cx<'_>) {
        debug_assert!(cx.out.is_empty(), "drain the outbox after every call");
        if self.shut_down {
            if let Input::Command { op, .. } = input {
                cx.out.done(op, Err(OpError::ShutDown));
            }
            return;
        }
        self.now = self.now.max(cx.now);
        let mut scratch = cx.out.take_scratch();
        let mut turn = Turn { pool: cx.pool, out: cx.out, scratch: &mut scratch };
        match input {
            Input::Timeout => self.on_timeout(&mut turn),
            Input::Datagram { from, bytes } => {
                bump(&mut self.stats.datagrams_in);
                bump_by(&mut self.stats.datagram_bytes_in, bytes.len());
                self.on_datagram(from, bytes, &mut turn);
            }
            Input::Stream { id, event } => self.on_stream(id, event, &mut turn),
            Input::Command { op, command } => self.on_command(op, command, &mut turn),
        }
        self.settle(&mut turn);
        cx.out.return_scratch(scratch);
    }

    /// Stops without a goodbye: tells what coalescing holds back and the last clock for the snapshot, and answers every
    /// command that waits with [`OpError::ShutDown`]. All further input is ignored; peers will see a failure, unless a
    /// leave came first.
    pub fn stop(&mut self, cx: &mut Cx<'_>) {
        if self.shut_down {
            return;
        }
        let mut scratch = cx.out.take_scratch();
        self.halt(&mut Turn { pool: cx.pool, out: cx.out, scratch: &mut scratch });
        cx.out.return_scratch(scratch);
    }

    fn halt(&mut self, turn: &mut Turn<'_>) {
        self.shut_down = true;
        self.abort_joins(turn);
        let (serf, _, mut cx) = self.serf(turn);
        serf.stop(&mut cx);
        self.carry_out(turn);
    }

    /// Forgets what members said about themselves before they said what they say now. `pool` must serve this node alone,
    /// its outbox must be empty, and nobody else may hold a profile's id.
    pub fn forget_old_profiles(&self, pool: &mut Pool) {
        let held = self.swim.profiles().chain(self.serf.profiles());
        pool.retain_profiles(held.chain(self.streams.profiles()));
    }

    /// When to call with `Input::Timeout`, and which timer asks. `None`: not before another input.
    #[must_use]
    pub fn deadline(&self) -> Option<(Instant, TimerKind)> {
        if self.shut_down { None } else { self.timers.next() }
    }

    /// Tells the node that sends block, or no longer do: for simulators that show how memberlist behaves in this case.
    ///
    /// memberlist probes, gossips and exchanges states in a loop each. A loop whose send blocks is stuck in it, and so
    /// are its ticks, while timers of suspicions go on. What the node sends meanwhile is for the caller to hold back.
    /// Afterwards the caller lets it go, calls this with `false` and hands in [`Input::Timeout`].
    pub fn set_sends_block(&mut self, on: bool, now: Instant) {
        self.timers.set_sends_block(on, now);
    }

    /// A timer that sends when it fires has fired. A verdict about a probe sends nothing, unless the next probe follows.
    fn note_blocked(&mut self, kind: TimerKind) {
        let verdict = kind == TimerKind::ProbeWindow && !self.swim.is_probing();
        if !verdict {
            self.timers.sent(kind);
        }
    }

    /// The own id.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.swim.me()
    }

    /// Every known member, itself included, in every status, in order of id.
    pub fn members<'a>(&'a self, pool: &'a Pool) -> impl Iterator<Item = MemberView<'a>> {
        self.swim.records().map(|(id, record)| self.view(id, record, pool))
    }

    /// One known member, in every status; `None` if this node has no record of it.
    #[must_use]
    pub fn member<'a>(&'a self, id: NodeId, pool: &'a Pool) -> Option<MemberView<'a>> {
        self.swim.record(id).map(|record| self.view(id, record, pool))
    }

    fn view<'a>(&'a self, id: NodeId, record: Record, pool: &'a Pool) -> MemberView<'a> {
        let member = self.swim.member(id);
        MemberView {
            id,
            name: pool.name(id),
            profile: pool.profile(record.profile),
            status: record.status,
            status_ltime: record.ltime,
            incarnation: member.map_or(0, |member| member.incarnation),
            state: member.map(|member| member.state),
        }
    }

    /// The status this node shows for a member; `None` if it has no record of it.
    #[must_use]
    pub fn member_status(&self, id: NodeId) -> Option<MemberStatus> {
        self.swim.record(id).map(|record| record.status)
    }

    /// The SWIM state this node holds for a member; `None` if it does not know it, or has reaped it.
    #[must_use]
    pub fn member_state(&self, id: NodeId) -> Option<MemberState> {
        self.swim.member(id).map(|member| member.state)
    }

    /// Known members in every status, itself included.
    #[must_use]
    pub fn members_len(&self) -> usize {
        self.swim.records_len()
    }

    /// Members that SWIM counts as alive, suspects and this node included.
    #[must_use]
    pub fn alive_len(&self) -> usize {
        self.swim.alive_len()
    }

    /// Queued membership facts.
    #[must_use]
    pub fn facts_len(&self) -> usize {
        self.swim.broadcasts_len()
    }

    /// The keys in use.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.serf.keyring
    }

    /// The coordinate of a member: the own one, or that of a member this node has probed. `None` for others, and when
    /// coordinates are switched off.
    #[must_use]
    pub fn coordinate(&self, id: NodeId) -> Option<Coordinate> {
        let coordinates = self.serf.coordinates.as_ref()?;
        if id == self.swim.me() { Some(coordinates.own()) } else { coordinates.of(id) }
    }

    /// The estimated round-trip time between two members in nanoseconds, without a packet being sent; `None` unless the
    /// coordinates of both are known here. See [`Coordinate::distance`] for absurd peers.
    #[must_use]
    pub fn rtt(&self, one: NodeId, other: NodeId) -> Option<i64> {
        Some(self.coordinate(one)?.distance(&self.coordinate(other)?))
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Splits off what the SWIM layer works with.
    fn swim<'a>(&'a mut self, turn: &'a mut Turn<'_>) -> (&'a mut Swim, SwimCx<'a>) {
        let (_, swim, cx) = self.serf(turn);
        (swim, cx)
    }

    /// Splits off what the Serf layer works with.
    fn serf<'a>(&'a mut self, turn: &'a mut Turn<'_>) -> (&'a mut Serf, &'a mut Swim, SwimCx<'a>) {
        let cx = SwimCx {
            now: self.now,
            config: &self.config,
            pool: turn.pool,
            rng: &mut self.rng,
            stats: &mut self.stats,
            timers: &mut self.timers,
            actions: &mut turn.scratch.actions,
        };
        (&mut self.serf, &mut self.swim, cx)
    }

    fn on_timeout(&mut self, turn: &mut Turn<'_>) {
        while let Some((due, kind)) = self.deadline().filter(|(due, _)| *due <= self.now) {
            // Fixed timers are set anew by whoever handles them; a keyed one is spent, whatever its handler does.
            self.timers.cancel(due, kind);
            match kind {
                TimerKind::Stream(id) => self.on_stream_timeout(id, turn),
                TimerKind::Rejoin => self.look_again(turn),
                TimerKind::Gossip if !self.has_broadcasts() => {
                    self.timers.clear(TimerKind::Gossip);
                }
                TimerKind::ProbeWindow
                | TimerKind::ProbeTick
                | TimerKind::Gossip
                | TimerKind::PushPull
                | TimerKind::Suspicion(_)
                | TimerKind::Relay(_) => {
                    let (swim, mut cx) = self.swim(turn);
                    swim.on_timer(due, kind, &mut cx);
                    self.note_blocked(kind);
                }
                TimerKind::Reap
                | TimerKind::Reconnect
                | TimerKind::QueueCheck
                | TimerKind::Coalesce
                | TimerKind::UserCoalesce
                | TimerKind::SnapshotClock
                | TimerKind::Leave
                | TimerKind::Broadcast(_)
                | TimerKind::Prune(_)
                | TimerKind::QueryEnd(_)
                | TimerKind::QueryExpiry(_) => {
                    let (serf, swim, mut cx) = self.serf(turn);
                    serf.on_timer(kind, swim, &mut cx);
                }
            }
            self.carry_out(turn);
        }
    }

    /// Ends one input: carries out what is left and keeps gossip ticking while something is queued.
    fn settle(&mut self, turn: &mut Turn<'_>) {
        self.carry_out(turn);
        let (serf, swim, mut cx) = self.serf(turn);
        serf.check_broadcasts(swim, &mut cx);
        self.carry_out(turn);
        if self.has_broadcasts() && !self.timers.is_set(TimerKind::Gossip) {
            let (swim, mut cx) = self.swim(turn);
            swim.arm_gossip(&mut cx);
        }
    }

    fn has_broadcasts(&self) -> bool {
        self.swim.has_broadcasts() || !self.serf.outgoing.is_empty()
    }

    /// Turns actions into effects, in order, until none is left.
    fn carry_out(&mut self, turn: &mut Turn<'_>) {
        while !turn.scratch.actions.is_empty() {
            let mut batch = core::mem::take(&mut turn.scratch.actions);
            for action in batch.drain(..) {
                match action {
                    Action::Trace(trace) => turn.out.trace(trace),
                    Action::Event(event) => turn.out.event(event),
                    Action::Send(send) => self.send(send, turn),
                    Action::Upcall(upcall) => {
                        let (serf, swim, mut cx) = self.serf(turn);
                        serf.on_upcall(upcall, swim, &mut cx);
                    }
                    Action::Persist(record) => turn.out.persist(record),
                    Action::KeyringChanged { keyring, answers } => {
                        self.on_keyring_changed(keyring, answers, turn);
                    }
                    Action::Reconnect { to } => self.dial_reconnect(to, turn),
                    Action::ShutDown(reason) => {
                        self.halt(turn);
                        turn.out.event(Event::ShutDown(reason));
                        // Whatever else was to happen does not.
                        return;
                    }
                    Action::Done { op, result } => turn.out.done(op, result),
                }
            }
            if turn.scratch.actions.is_empty() {
                // Keeps the capacity for the next input.
                turn.scratch.actions = batch;
            }
        }
    }

    fn on_keyring_changed(
        &mut self,
        keyring: Keyring,
        answers: Option<QueryId>,
        turn: &mut Turn<'_>,
    ) {
        self.sealer = Sealer::new(&keyring);
        if self.config.trace {
            let keys = u32::try_from(keyring.keys().len()).unwrap_or(u32::MAX);
            turn.out.trace(Trace::KeyringChanged { keys });
        }
        turn.out.event(Event::KeyringChanged { keyring, answers });
    }

    fn rules(&self) -> PacketRules<'_> {
        packet_rules(&self.config, &self.sealer)
    }
}

/// How packets are wrapped and unwrapped under these settings.
fn packet_rules<'a>(config: &'a Config, sealer: &'a Sealer) -> PacketRules<'a> {
    PacketRules {
        label: &config.label,
        skip_inbound_label_check: config.skip_inbound_label_check,
        sealer,
        seal_version: u8::from(config.protocol_version >= 2),
        verify_incoming: config.verify_incoming,
        verify_outgoing: config.verify_outgoing,
        compression: config.compression,
    }
}
