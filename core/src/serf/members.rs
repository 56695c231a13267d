//! Members as applications see them: status, failed and left lists, join and leave intents, reaping, reconnecting.
//!
//! Source: Serf, members; reap and reconnect. What separates a leave from a failure is only whether a leave intent was
//! accepted before SWIM declared the member dead.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::config::{Mutant, NAME_BYTES_KEPT_MAX};
use crate::event::{EventMember, MemberEventKind};
use crate::idmap::IdMap;
use crate::msg::serf::{JoinIntent, LeaveIntent};
use crate::pool::NodeId;
use crate::serf::{Life, Serf};
use crate::stats::{DropReason, bump};
use crate::swim::{Action, Record, Swim, SwimCx};
use crate::time::{Instant, duration_nanos, next_tick};
use crate::timers::TimerKind;
use crate::trace::{EventPath, IntentKind, MemberStatus, QueueKind, Trace};
use crate::wire::serf::encode_join_intent;

/// Members that failed or left, with the time it happened. A forced leave keeps the time of the failure.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    failed: BTreeSet<NodeId>,
    left: BTreeSet<NodeId>,
    since: IdMap<Instant>,
    /// When members that are to be pruned will be erased.
    prunes: IdMap<Instant>,
}

impl Departed {
    /// Members that failed.
    pub(crate) fn failed_len(&self) -> usize {
        self.failed.len()
    }

    /// Members that left.
    pub(crate) fn left_len(&self) -> usize {
        self.left.len()
    }

    /// Members that left, by id.
    pub(crate) fn left(&self) -> impl ExactSizeIterator<Item = NodeId> {
        self.left.iter().copied()
    }

    fn add(&mut self, id: NodeId, status: MemberStatus, now: Instant) {
        self.since.insert(id, now);
        self.list(status).insert(id);
    }

    fn list(&mut self, status: MemberStatus) -> &mut BTreeSet<NodeId> {
        if status == MemberStatus::Failed { &mut self.failed } else { &mut self.left }
    }

    /// Forgets a member; returns since when it was gone.
    fn remove(&mut self, id: NodeId) -> Option<Instant> {
        let since = self.since.remove(&id)?;
        if !self.failed.remove(&id) {
            self.left.remove(&id);
        }
        Some(since)
    }

    fn older(&self, list: &BTreeSet<NodeId>, now: Instant, age_max: u64) -> Vec<NodeId> {
        let age = |id: &NodeId| self.since.get(id).map_or(0, |&at| now.nanos_since(at));
        list.iter().copied().filter(|id| age(id) > age_max).collect()
    }
}

impl Serf {
    /// SWIM says a member is alive: it is new, or came back.
    pub(crate) fn on_joined(&mut self, id: NodeId, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        let old = swim.record(id);
        let (mut status, mut ltime) = (MemberStatus::Alive, old.map_or(0, |old| old.ltime));
        match old {
            None => {
                if let Some(intent) = self.intents.get(cx.pool.name(id)) {
                    // The member may have announced its leave before this node heard of it.
                    ltime = intent.ltime;
                    if intent.kind == IntentKind::Leave {
                        status = MemberStatus::Leaving;
                    }
                }
            }
            Some(old) => {
                self.spare(id, cx);
                let gone_since = self.departed.remove(id);
                let flap = duration_nanos(cx.config.flap_timeout);
                if old.status == MemberStatus::Failed
                    && gone_since.is_some_and(|at| cx.now.nanos_since(at) < flap)
                {
                    bump(&mut cx.stats.flaps);
                    cx.trace(Trace::Flapped { subject: id });
                }
            }
        }
        set_status(id, status, ltime, swim, cx);
        self.tell(MemberEventKind::Join, id, swim, cx);
    }

    /// SWIM says a member is dead or has left; which of the two, the intents decide.
    pub(crate) fn on_departed(&mut self, id: NodeId, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        let Some(old) = swim.record(id) else { return };
        let (status, kind) = match old.status {
            MemberStatus::Leaving if cx.config.is_mutant(Mutant::LeaveSeenAsFailure) => {
                (MemberStatus::Failed, MemberEventKind::Failed)
            }
            MemberStatus::Leaving => (MemberStatus::Left, MemberEventKind::Leave),
            MemberStatus::Alive => (MemberStatus::Failed, MemberEventKind::Failed),
            MemberStatus::Left | MemberStatus::Failed => return,
        };
        set_status(id, status, old.ltime, swim, cx);
        self.departed.add(id, status, cx.now);
        arm_reap(cx);
        if status == MemberStatus::Failed {
            self.arm_reconnect(cx);
        }
        self.tell(kind, id, swim, cx);
    }

    /// SWIM says the metadata of a member changed.
    pub(crate) fn on_updated(&mut self, id: NodeId, swim: &Swim, cx: &mut SwimCx<'_>) {
        self.tell(MemberEventKind::Update, id, swim, cx);
    }

    /// A join intent arrived; `message` is passed on as it is if it was news.
    pub(crate) fn on_join_message(
        &mut self,
        intent: &JoinIntent<'_>,
        message: &[u8],
        swim: &mut Swim,
        cx: &mut SwimCx<'_>,
    ) {
        if self.join_intent(intent, EventPath::Gossip, swim, cx) {
            let message = Bytes::copy_from_slice(message);
            self.outgoing.push(QueueKind::Intent, message, swim, cx);
        }
    }

    /// A leave intent arrived; `message` is passed on as it is if it was news.
    pub(crate) fn on_leave_message(
        &mut self,
        intent: &LeaveIntent<'_>,
        message: &[u8],
        swim: &mut Swim,
        cx: &mut SwimCx<'_>,
    ) {
        if self.leave_intent(intent, EventPath::Gossip, swim, cx) {
            let message = Bytes::copy_from_slice(message);
            self.outgoing.push(QueueKind::Intent, message, swim, cx);
        }
    }

    /// Tells everybody that this node is here: after a join, and against a leave that is not meant.
    pub(crate) fn announce_join(&mut self, swim: &mut Swim, cx: &mut SwimCx<'_>) -> u64 {
        let ltime = self.member_clock.time();
        let name: Box<str> = cx.pool.name(swim.me()).into();
        let intent = JoinIntent { ltime, node: &name };
        self.join_intent(&intent, EventPath::Local, swim, cx);
        let mut message = Vec::new();
        encode_join_intent(&intent, &mut message);
        self.outgoing.push(QueueKind::Intent, message.into(), swim, cx);
        ltime
    }

    /// True if the intent is to be passed on.
    pub(super) fn join_intent(
        &mut self,
        intent: &JoinIntent<'_>,
        path: EventPath,
        swim: &mut Swim,
        cx: &mut SwimCx<'_>,
    ) -> bool {
        let &JoinIntent { ltime, node } = intent;
        if !self.witness_member(ltime, cx) {
            return false;
        }
        let Some((id, old)) = find(node, swim, cx) else {
            return self.buffer_intent(node, IntentKind::Join, ltime, path, cx);
        };
        if ltime <= old.ltime {
            return false;
        }
        let status = match old.status {
            MemberStatus::Leaving => {
                self.spare(id, cx);
                MemberStatus::Alive
            }
            MemberStatus::Alive | MemberStatus::Left | MemberStatus::Failed => old.status,
        };
        set_status(id, status, ltime, swim, cx);
        accepted(Some(id), IntentKind::Join, ltime, path, cx);
        true
    }

    /// True if the intent is to be passed on.
    pub(super) fn leave_intent(
        &mut self,
        intent: &LeaveIntent<'_>,
        path: EventPath,
        swim: &mut Swim,
        cx: &mut SwimCx<'_>,
    ) -> bool {
        let &LeaveIntent { ltime, node, prune } = intent;
        if !self.witness_member(ltime, cx) {
            return false;
        }
        if path != EventPath::Local && cx.config.is_mutant(Mutant::IntentsIgnored) {
            return false;
        }
        let Some((id, old)) = find(node, swim, cx) else {
            return self.buffer_intent(node, IntentKind::Leave, ltime, path, cx);
        };
        if ltime <= old.ltime {
            return false;
        }
        if id == swim.me() && self.life == Life::Alive {
            bump(&mut cx.stats.intents_refuted);
            let ltime = self.announce_join(swim, cx);
            cx.trace(Trace::IntentRefuted { ltime });
            return false;
        }
        let status = match old.status {
            MemberStatus::Alive | MemberStatus::Leaving => MemberStatus::Leaving,
            MemberStatus::Failed | MemberStatus::Left => MemberStatus::Left,
        };
        // The Lamport time moves even when the status does not; otherwise two members pass on each other's leave for
        // ever.
        set_status(id, status, ltime, swim, cx);
        accepted(Some(id), IntentKind::Leave, ltime, path, cx);
        if old.status == MemberStatus::Failed {
            self.departed.failed.remove(&id);
            self.departed.left.insert(id);
            self.tell(MemberEventKind::Leave, id, swim, cx);
        }
        if prune {
            self.prune(id, status, swim, cx);
        }
        true
    }

    fn witness_member(&mut self, ltime: u64, cx: &mut SwimCx<'_>) -> bool {
        if cx.config.is_mutant(Mutant::LamportNotWitnessed) {
            return true;
        }
        let sane = self.member_clock.witness(ltime);
        if !sane {
            cx.stats.drop(DropReason::LamportTime);
        }
        self.arm_snapshot_clock(cx);
        sane
    }

    fn buffer_intent(
        &mut self,
        name: &str,
        kind: IntentKind,
        ltime: u64,
        path: EventPath,
        cx: &mut SwimCx<'_>,
    ) -> bool {
        if name.len() > NAME_BYTES_KEPT_MAX {
            cx.stats.drop(DropReason::Invalid);
            return false;
        }
        let new = self.intents.upsert(name, kind, ltime, cx.now, cx.stats);
        if new {
            accepted(None, kind, ltime, path, cx);
            arm_reap(cx);
        }
        new
    }

    /// Erases a member that is to be forgotten: at once, or after its departure had time to spread.
    fn prune(&mut self, id: NodeId, status: MemberStatus, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        if status == MemberStatus::Left {
            self.erase(id, swim, cx);
        } else {
            let wait = cx.config.broadcast_timeout + cx.config.leave_propagate_delay;
            let at = *self.departed.prunes.entry(id).or_insert(cx.now + wait);
            cx.timers.add(at, TimerKind::Prune(id));
        }
    }

    /// A member came back: it is not pruned any more.
    fn spare(&mut self, id: NodeId, cx: &mut SwimCx<'_>) {
        if let Some(at) = self.departed.prunes.remove(&id) {
            cx.timers.cancel(at, TimerKind::Prune(id));
        }
    }

    /// The wait of a prune is over. A member that came back in the meantime was spared.
    pub(crate) fn on_prune_timer(&mut self, id: NodeId, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        self.departed.prunes.remove(&id);
        let status = swim.record(id).map(|record| record.status);
        if matches!(status, Some(MemberStatus::Leaving | MemberStatus::Left)) {
            self.erase(id, swim, cx);
        }
    }

    fn erase(&mut self, id: NodeId, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        let Some(old) = swim.record(id) else { return };
        self.departed.remove(id);
        self.spare(id, cx);
        if let Some(coordinates) = &mut self.coordinates {
            coordinates.forget(id);
        }
        self.tell(MemberEventKind::Reap, id, swim, cx);
        swim.erase_record(id);
        cx.trace(Trace::Status { subject: id, from: Some(old.status), to: None, ltime: old.ltime });
    }

    /// The periodic search for what is too old.
    pub(crate) fn on_reap(&mut self, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        cx.timers.clear(TimerKind::Reap);
        let age = duration_nanos;
        let (departed, now, config) = (&self.departed, cx.now, cx.config);
        let failed_age = match config.is_mutant(Mutant::ReapsTooEarly) {
            true => 0,
            false => age(config.reconnect_timeout),
        };
        let mut old = departed.older(&departed.failed, now, failed_age);
        old.extend(departed.older(&departed.left, now, age(config.tombstone_timeout)));
        for id in old {
            self.erase(id, swim, cx);
        }
        self.intents.expire(now, age(config.recent_intent_timeout));
        if !self.departed.since.is_empty() || !self.intents.is_empty() {
            arm_reap(cx);
        }
    }

    fn arm_reconnect(&self, cx: &mut SwimCx<'_>) {
        let interval = duration_nanos(cx.config.reconnect_interval);
        if interval > 0 && !cx.timers.is_set(TimerKind::Reconnect) {
            let next = next_tick(cx.now, interval, self.reconnect_phase);
            cx.timers.set(TimerKind::Reconnect, next);
        }
    }

    /// The periodic attempt to reach a failed member: on average the cluster tries each once per interval.
    pub(crate) fn on_reconnect(&self, swim: &Swim, cx: &mut SwimCx<'_>) {
        cx.timers.clear(TimerKind::Reconnect);
        let failed = self.departed.failed.len();
        let mutated = cx.config.is_mutant(Mutant::ReconnectNever);
        if failed == 0 || self.life != Life::Alive || mutated {
            return;
        }
        self.arm_reconnect(cx);
        let alive = swim.records_len() - failed - self.departed.left.len();
        // The chance is failed to alive, and certain when more failed than live.
        if cx.rng.index(alive.max(1)) >= failed {
            return;
        }
        let chosen = self.departed.failed.iter().nth(cx.rng.index(failed));
        if let Some(record) = chosen.and_then(|&id| swim.record(id)) {
            bump(&mut cx.stats.reconnects);
            let profile = cx.pool.profile(record.profile);
            let (subject, to) = (profile.node, profile.socket_addr());
            cx.trace(Trace::Reconnecting { subject, to });
            cx.actions.push(Action::Reconnect { to });
        }
    }

    /// Tells the application, the snapshot and the taps what happened to a member that has a record.
    fn tell(&mut self, kind: MemberEventKind, id: NodeId, swim: &Swim, cx: &mut SwimCx<'_>) {
        let Some(Record { profile, status, .. }) = swim.record(id) else { return };
        bump(match kind {
            MemberEventKind::Join => &mut cx.stats.member_joins,
            MemberEventKind::Leave => &mut cx.stats.member_leaves,
            MemberEventKind::Failed => &mut cx.stats.member_failures,
            MemberEventKind::Update => &mut cx.stats.member_updates,
            MemberEventKind::Reap => &mut cx.stats.member_reaps,
        });
        cx.trace(Trace::Member { kind, subject: id, profile });
        self.record_member(kind, id, profile, cx);
        let member = EventMember { node: id, profile, status };
        self.deliver_member(kind, member, cx);
    }
}

/// Writes status and Lamport time; tells the taps if the status changed.
fn set_status(id: NodeId, status: MemberStatus, ltime: u64, swim: &mut Swim, cx: &mut SwimCx<'_>) {
    let from = swim.record(id).map(|record| record.status);
    swim.set_record(id, status, ltime);
    if from != Some(status) {
        cx.trace(Trace::Status { subject: id, from, to: Some(status), ltime });
    }
}

fn accepted(
    subject: Option<NodeId>,
    kind: IntentKind,
    ltime: u64,
    path: EventPath,
    cx: &mut SwimCx<'_>,
) {
    bump(&mut cx.stats.intents_accepted);
    cx.trace(Trace::IntentAccepted { subject, kind, ltime, path });
}

fn find(name: &str, swim: &Swim, cx: &SwimCx<'_>) -> Option<(NodeId, Record)> {
    let id = cx.pool.find(name)?;
    Some((id, swim.record(id)?))
}

/// The search for old records is armed only while there is something that grows old.
fn arm_reap(cx: &mut SwimCx<'_>) {
    let interval = duration_nanos(cx.config.reap_interval);
    if interval > 0 && !cx.timers.is_set(TimerKind::Reap) {
        cx.timers.set(TimerKind::Reap, next_tick(cx.now, interval, 0));
    }
}
