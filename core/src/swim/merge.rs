//! The alive, suspect and dead rules and refutation: the heart of the protocol.
//!
//! Source: memberlist, on_alive, on_suspect, on_dead, refute. Precedence at equal incarnation is asymmetric: alive
//! needs a greater incarnation, suspect and dead need one at least as great.

use core::net::SocketAddr;

use bytes::Bytes;

use crate::config::Mutant;
use crate::msg::swim::{Dead, Suspect};
use crate::pool::{NodeId, Profile, Vsn, WireAddr};
use crate::queue::Ticket;
use crate::stats::{DropReason, bump};
use crate::swim::suspicion::Suspicion;
use crate::swim::{Action, Fact, Member, Name, Swim, SwimCx, Upcall};
use crate::time::duration_nanos;
use crate::timers::TimerKind;
use crate::trace::{Accusation, Cause, MemberState, Trace};
use crate::wire::swim::{alive_len, dead_len, suspect_len};

/// Distinct version bytes kept in one table; a real cluster has a handful.
const VERSIONS_MAX: usize = 64;

/// A claim that somebody is alive, checked for form. The name may be unknown here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AliveClaim<'a> {
    pub(crate) name: &'a str,
    pub(crate) incarnation: u32,
    pub(crate) addr: WireAddr,
    pub(crate) port: u16,
    pub(crate) meta: &'a [u8],
    pub(crate) vsn: Vsn,
}

impl AliveClaim<'_> {
    fn profile(&self, node: NodeId) -> Profile {
        Profile {
            node,
            addr: self.addr,
            port: self.port,
            vsn: self.vsn,
            meta: Bytes::copy_from_slice(self.meta),
        }
    }
}

/// How a record stands towards a claimed address.
#[derive(PartialEq, Eq)]
enum Address {
    Same,
    TakeOver,
    Refused,
}

impl Swim {
    /// A claim about the own record made by this node itself: start, or new metadata.
    pub(super) fn on_own_alive(&mut self, profile: Profile, cx: &mut SwimCx<'_>) -> Ticket {
        let node = profile.node;
        let old = self.table.get(node);
        let profile = cx.pool.intern_profile(profile);
        let member = Member { profile, incarnation: self.incarnation, state: MemberState::Alive };
        self.accept_alive(node, old, member, Cause::Local, cx)
    }

    /// A claim of the network that somebody is alive. `known` is the id of the claim's name, if it has one.
    pub(crate) fn on_alive(
        &mut self,
        claim: &AliveClaim<'_>,
        known: Option<NodeId>,
        cause: Cause,
        cx: &mut SwimCx<'_>,
    ) {
        if self.has_left && known == Some(self.me) {
            return;
        }
        let Some((node, old)) = known.and_then(|node| Some((node, self.table.get(node)?))) else {
            self.on_alive_stranger(claim, cause, cx);
            return;
        };
        let address = self.compare_address(node, old, claim, cx);
        if address == Address::Refused {
            return;
        }
        if node == self.me {
            self.on_alive_about_me(claim, cx);
            return;
        }
        let mutated = match old.state {
            MemberState::Alive | MemberState::Suspect => {
                claim.incarnation < old.incarnation
                    && cx.config.is_mutant(Mutant::AcceptsOlderIncarnation)
            }
            MemberState::Dead | MemberState::Left => {
                claim.incarnation == old.incarnation
                    && cx.config.is_mutant(Mutant::AliveResurrectsDead)
            }
        };
        if address == Address::Same && claim.incarnation <= old.incarnation && !mutated {
            return;
        }
        let profile = claim.profile(node);
        let profile = if cx.config.is_mutant(Mutant::StaleProfileKept) {
            old.profile
        } else if self.has_room_for(&profile, cx) {
            cx.pool.intern_profile(profile)
        } else if address == Address::Same {
            // No room for what it says about itself now; that it is alive still counts.
            old.profile
        } else {
            return;
        };
        self.end_suspicion(node, cx);
        let member = Member { profile, incarnation: claim.incarnation, state: MemberState::Alive };
        self.accept_alive(node, Some(old), member, cause, cx);
    }

    fn on_alive_stranger(&mut self, claim: &AliveClaim<'_>, cause: Cause, cx: &mut SwimCx<'_>) {
        if !cx.config.allows(claim.addr.ip()) {
            cx.stats.drop(DropReason::NotAllowed);
            return;
        }
        let known = cx.pool.find(claim.name);
        let names_full = cx.pool.names_len() >= cx.config.members_max.saturating_mul(2);
        if self.table.len() >= cx.config.members_max || (known.is_none() && names_full) {
            cx.stats.drop(DropReason::MembersFull);
            return;
        }
        // An unknown name has no profiles yet, so the room for one can be asked for before it is interned.
        let node = known.unwrap_or(NodeId(u32::MAX));
        if !self.has_room_for(&claim.profile(node), cx) {
            return;
        }
        let node = cx.pool.intern(claim.name);
        let profile = cx.pool.intern_profile(claim.profile(node));
        let member = Member { profile, incarnation: claim.incarnation, state: MemberState::Alive };
        self.accept_alive(node, None, member, cause, cx);
    }

    /// Whether a profile is known or may be added: a stream of invented metadata or versions must not eat the memory.
    fn has_room_for(&self, profile: &Profile, cx: &mut SwimCx<'_>) -> bool {
        if cx.pool.has_profile(profile) {
            return true;
        }
        if cx.pool.profiles_len() >= cx.config.members_max.saturating_mul(4) {
            cx.stats.drop(DropReason::MembersFull);
            return false;
        }
        let versions = self.table.versions();
        if versions.len() >= VERSIONS_MAX && versions.iter().all(|count| count.vsn != profile.vsn) {
            cx.stats.drop(DropReason::Invalid);
            return false;
        }
        true
    }

    fn compare_address(
        &self,
        node: NodeId,
        old: Member,
        claim: &AliveClaim<'_>,
        cx: &mut SwimCx<'_>,
    ) -> Address {
        let known = cx.pool.profile(old.profile);
        let mine = known.socket_addr();
        if known.addr == claim.addr && known.port == claim.port {
            return Address::Same;
        }
        if !cx.config.allows(claim.addr.ip()) {
            cx.stats.drop(DropReason::NotAllowed);
            return Address::Refused;
        }
        let age = self.table.changed_at(node).map_or(0, |at| cx.now.nanos_since(at));
        let reclaim = duration_nanos(cx.config.dead_node_reclaim);
        if old.state == MemberState::Left
            || (old.state == MemberState::Dead && reclaim > 0 && age > reclaim)
        {
            return Address::TakeOver;
        }
        bump(&mut cx.stats.conflicts);
        let theirs = SocketAddr::new(claim.addr.ip(), claim.port);
        cx.trace(Trace::Conflict { subject: node, mine, theirs });
        cx.actions.push(Action::Upcall(Upcall::Conflict { existing: node }));
        Address::Refused
    }

    fn on_alive_about_me(&mut self, claim: &AliveClaim<'_>, cx: &mut SwimCx<'_>) {
        let own = self.own();
        if claim.incarnation < own.incarnation {
            return;
        }
        self.end_suspicion(self.me, cx);
        let known = cx.pool.profile(own.profile);
        let same = claim.incarnation == own.incarnation
            && claim.meta == &*known.meta
            && claim.vsn == known.vsn;
        if !same {
            self.refute(Accusation::Alive, None, claim.incarnation, cx);
        }
    }

    fn accept_alive(
        &mut self,
        node: NodeId,
        old: Option<Member>,
        member: Member,
        cause: Cause,
        cx: &mut SwimCx<'_>,
    ) -> Ticket {
        match old {
            None => self.table.insert(node, member, cx.now, cx.pool, cx.rng),
            Some(_) => self.table.update(node, member, cx.now, cx.pool),
        }
        let ticket = self.broadcast_alive(node, member, cx);
        trace_record(node, member, cx);
        let before = old.map(|old| old.state);
        if before != Some(MemberState::Alive) {
            cx.trace(Trace::Edge {
                subject: node,
                from: before,
                to: Some(MemberState::Alive),
                incarnation: member.incarnation,
                cause,
            });
        }
        match before {
            None | Some(MemberState::Dead | MemberState::Left) => {
                cx.actions.push(Action::Upcall(Upcall::Joined(node)));
            }
            Some(MemberState::Alive | MemberState::Suspect) => {
                let meta = |member: Member| &cx.pool.profile(member.profile).meta;
                if old.is_some_and(|old| meta(old) != meta(member)) {
                    cx.actions.push(Action::Upcall(Upcall::Updated(node)));
                }
            }
        }
        ticket
    }

    /// Answers an accusation with a greater incarnation.
    fn refute(
        &mut self,
        accusation: Accusation,
        from: Option<NodeId>,
        accused: u32,
        cx: &mut SwimCx<'_>,
    ) {
        cx.trace(Trace::Accused { accused });
        if cx.config.is_mutant(Mutant::NoRefutation) {
            return;
        }
        // At the top of the range nobody accepts a refutation any more; saturating keeps the record sane.
        self.incarnation = if cx.config.is_mutant(Mutant::RefutesWithSameIncarnation) {
            accused
        } else {
            self.incarnation.saturating_add(1).max(accused.saturating_add(1))
        };
        let member = Member { incarnation: self.incarnation, ..self.own() };
        self.table.update(self.me, member, cx.now, cx.pool);
        trace_record(self.me, member, cx);
        bump(&mut cx.stats.refutations);
        cx.trace(Trace::Refuted { accusation, from, accused, incarnation: self.incarnation });
        self.change_health(1, cx);
        self.broadcast_alive(self.me, member, cx);
    }

    /// Somebody (`from`) suspects `node`.
    pub(crate) fn on_suspect(
        &mut self,
        node: NodeId,
        incarnation: u32,
        from: &Name,
        cause: Cause,
        cx: &mut SwimCx<'_>,
    ) {
        let Some(old) = self.table.get(node) else { return };
        if incarnation < old.incarnation {
            return;
        }
        if self.suspicions.contains_key(&node) {
            self.confirm_suspicion(node, incarnation, from, cx);
            return;
        }
        if old.state != MemberState::Alive {
            return;
        }
        if node == self.me {
            self.refute(Accusation::Suspect, from.known(), incarnation, cx);
            return;
        }
        let member = Member { incarnation, state: MemberState::Suspect, ..old };
        self.table.update(node, member, cx.now, cx.pool);
        self.broadcast_suspect(node, incarnation, from, cx);
        bump(&mut cx.stats.suspicions);
        cx.trace(Trace::Edge {
            subject: node,
            from: Some(old.state),
            to: Some(MemberState::Suspect),
            incarnation,
            cause,
        });
        let accuser = cx.pool.hash_name(from.as_str(cx.pool));
        let suspicion = Suspicion::new(cx.config, self.table.len(), accuser, cx.now);
        cx.timers.add(suspicion.deadline(), TimerKind::Suspicion(node));
        trace_suspicion(node, &suspicion, cx);
        self.suspicions.insert(node, suspicion);
    }

    fn confirm_suspicion(
        &mut self,
        node: NodeId,
        incarnation: u32,
        from: &Name,
        cx: &mut SwimCx<'_>,
    ) {
        let accuser = cx.pool.hash_name(from.as_str(cx.pool));
        let Some(suspicion) = self.suspicions.get_mut(&node) else { return };
        let before = suspicion.deadline();
        if !suspicion.confirm(accuser) {
            return;
        }
        cx.timers.cancel(before, TimerKind::Suspicion(node));
        // A deadline that moved into the past fires with the next look at the timers.
        cx.timers.add(suspicion.deadline(), TimerKind::Suspicion(node));
        trace_suspicion(node, suspicion, cx);
        self.broadcast_suspect(node, incarnation, from, cx);
    }

    /// A suspicion ran out: the suspect is dead.
    pub(super) fn on_suspicion_expired(&mut self, node: NodeId, cx: &mut SwimCx<'_>) {
        self.end_suspicion(node, cx);
        let Some(member) = self.table.get(node) else { return };
        let mutated = cx.config.is_mutant(Mutant::SuspicionNeverExpires);
        if member.state == MemberState::Suspect && !mutated {
            bump(&mut cx.stats.deaths_declared);
            let from = Name::Known(self.me);
            self.on_dead(node, member.incarnation, &from, Cause::SuspicionTimer, cx);
        }
    }

    /// `node` is dead, or leaves if it says so itself. Returns the ticket of the broadcast, if one was queued.
    pub(crate) fn on_dead(
        &mut self,
        node: NodeId,
        incarnation: u32,
        from: &Name,
        cause: Cause,
        cx: &mut SwimCx<'_>,
    ) -> Option<Ticket> {
        let old = self.table.get(node)?;
        if incarnation < old.incarnation {
            return None;
        }
        self.end_suspicion(node, cx);
        if matches!(old.state, MemberState::Dead | MemberState::Left) {
            return None;
        }
        if node == self.me && !self.has_left {
            self.refute(Accusation::Dead, from.known(), incarnation, cx);
            return None;
        }
        let leaves = *from == Name::Known(node);
        let state = if leaves { MemberState::Left } else { MemberState::Dead };
        self.table.update(node, Member { incarnation, state, ..old }, cx.now, cx.pool);
        let bytes =
            dead_len(&Dead { incarnation, node: cx.pool.name(node), from: from.as_str(cx.pool) });
        let fact = Fact::Dead { node, incarnation, from: from.clone() };
        let ticket = self.broadcast(node, bytes, fact, cx);
        cx.trace(Trace::Edge {
            subject: node,
            from: Some(old.state),
            to: Some(state),
            incarnation,
            cause,
        });
        cx.actions.push(Action::Upcall(Upcall::Departed(node)));
        Some(ticket)
    }

    fn end_suspicion(&mut self, node: NodeId, cx: &mut SwimCx<'_>) {
        if let Some(suspicion) = self.suspicions.remove(&node) {
            cx.timers.cancel(suspicion.deadline(), TimerKind::Suspicion(node));
        }
    }

    fn broadcast_alive(&mut self, node: NodeId, member: Member, cx: &mut SwimCx<'_>) -> Ticket {
        let Member { profile, incarnation, .. } = member;
        let bytes = alive_len(&cx.pool.alive_message(profile, incarnation));
        self.broadcast(node, bytes, Fact::Alive { profile, incarnation }, cx)
    }

    fn broadcast_suspect(
        &mut self,
        node: NodeId,
        incarnation: u32,
        from: &Name,
        cx: &mut SwimCx<'_>,
    ) {
        let bytes = suspect_len(&Suspect {
            incarnation,
            node: cx.pool.name(node),
            from: from.as_str(cx.pool),
        });
        let fact = Fact::Suspect { node, incarnation, from: from.clone() };
        self.broadcast(node, bytes, fact, cx);
    }

    fn broadcast(
        &mut self,
        subject: NodeId,
        bytes: usize,
        fact: Fact,
        cx: &mut SwimCx<'_>,
    ) -> Ticket {
        let (ticket, _superseded) = self.queue.push(Some(subject), bytes, fact);
        self.arm_gossip(cx);
        ticket
    }
}

fn trace_record(subject: NodeId, member: Member, cx: &mut SwimCx<'_>) {
    let Member { profile, incarnation, .. } = member;
    cx.trace(Trace::Record { subject, incarnation, profile });
}

fn trace_suspicion(node: NodeId, suspicion: &Suspicion, cx: &mut SwimCx<'_>) {
    let (confirmations, confirmations_max) = suspicion.confirmations();
    let deadline = suspicion.deadline();
    cx.trace(Trace::Suspicion { subject: node, confirmations, confirmations_max, deadline });
}
