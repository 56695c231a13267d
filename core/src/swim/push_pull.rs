//! Anti-entropy: when full state is exchanged, which exchanges are refused, and how the remote state is merged.

use crate::config::Mutant;
use crate::math::push_pull_interval;
use crate::pool::{NodeId, Vsn};
use crate::swim::{AliveClaim, Name, Send, Swim, SwimCx};
use crate::time::duration_nanos;
use crate::timers::TimerKind;
use crate::trace::{Cause, MemberState};

/// One entry of a remote state, checked for form.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RemoteEntry<'a> {
    pub(crate) claim: AliveClaim<'a>,
    pub(crate) state: MemberState,
}

/// Version bytes that occur in a remote state; `None` stands for missing or short ones.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RemoteVersions {
    pub(crate) vsn: Option<Vsn>,
    pub(crate) alive: bool,
}

/// The ranges every member of a merged cluster must speak.
struct Ranges {
    low: u8,
    high: u8,
    delegate_low: u8,
    delegate_high: u8,
}

impl Ranges {
    fn narrow(&mut self, vsn: Vsn) {
        self.low = self.low.max(vsn.protocol_min());
        self.high = self.high.min(vsn.protocol_max());
        self.delegate_low = self.delegate_low.max(vsn.delegate_min());
        self.delegate_high = self.delegate_high.min(vsn.delegate_max());
    }

    fn admit(&self, vsn: Vsn) -> bool {
        (self.low..=self.high).contains(&vsn.protocol_current())
            && (self.delegate_low..=self.delegate_high).contains(&vsn.delegate_current())
    }
}

impl Swim {
    /// The schedule starts with a random part of the period, so that nodes booted together do not exchange together.
    pub(super) fn stagger_push_pull(&self, cx: &mut SwimCx<'_>) {
        let base = duration_nanos(cx.config.push_pull_interval);
        if base > 0 {
            let offset = cx.rng.stagger(base);
            cx.timers.set(TimerKind::PushPull, cx.now.plus_nanos(offset));
        }
    }

    /// Re-arms the period, counted from now, with the current size of the table.
    pub(crate) fn schedule_push_pull(&self, cx: &mut SwimCx<'_>) {
        let base = duration_nanos(cx.config.push_pull_interval);
        if base > 0 {
            let wait = push_pull_interval(base, self.table.len());
            cx.timers.set(TimerKind::PushPull, cx.now.plus_nanos(wait));
        }
    }

    pub(super) fn on_push_pull_tick(&mut self, cx: &mut SwimCx<'_>) {
        if !core::mem::replace(&mut self.push_pull_staggered, true) {
            // Only now does the scaled wait begin: the table has grown since the start.
            self.schedule_push_pull(cx);
            return;
        }
        let me = self.me;
        let peer = self.table.random(1, cx.rng, |table, id| {
            id != me && table.get(id).is_some_and(|member| member.state == MemberState::Alive)
        });
        match peer.first().and_then(|&id| self.table.get(id)) {
            Some(member) => {
                // Armed again when the exchange has ended.
                cx.timers.clear(TimerKind::PushPull);
                cx.send(Send::PushPull { to: member.profile });
            }
            None => self.schedule_push_pull(cx),
        }
    }

    /// Whether a remote state speaks versions that every member here can live with, and the other way round.
    ///
    /// Alive members narrow the ranges, members in every state must lie within. Source: memberlist, version check.
    pub(crate) fn admits_versions(&self, remote: &[RemoteVersions]) -> bool {
        let mut ranges = Ranges { low: 0, high: 255, delegate_low: 0, delegate_high: 255 };
        for vsn in remote.iter().filter(|entry| entry.alive).filter_map(|entry| entry.vsn) {
            ranges.narrow(vsn);
        }
        for count in self.table.versions().iter().filter(|count| count.alive > 0) {
            ranges.narrow(count.vsn);
        }
        // An entry without versions counts as speaking version 0.
        remote.iter().all(|entry| ranges.admit(entry.vsn.unwrap_or_default()))
            && self.table.versions().iter().all(|count| ranges.admit(count.vsn))
    }

    /// Merges one remote entry; `known` is the id of its name, if it has one.
    ///
    /// Dead and suspect become a suspicion of our own, so that the member may still refute it.
    pub(crate) fn merge_entry(
        &mut self,
        entry: &RemoteEntry<'_>,
        known: Option<NodeId>,
        cx: &mut SwimCx<'_>,
    ) {
        if cx.config.is_mutant(Mutant::PushPullIgnored) {
            return;
        }
        let incarnation = entry.claim.incarnation;
        match (entry.state, known) {
            (MemberState::Alive, _) => self.on_alive(&entry.claim, known, Cause::PushPull, cx),
            (MemberState::Left, Some(node)) => {
                self.on_dead(node, incarnation, &Name::Known(node), Cause::PushPull, cx);
            }
            (MemberState::Dead | MemberState::Suspect, Some(node)) => {
                let me = Name::Known(self.me);
                self.on_suspect(node, incarnation, &me, Cause::PushPull, cx);
            }
            (_, None) => {}
        }
    }
}
