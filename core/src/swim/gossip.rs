//! Gossip: when it ticks, whom it goes to, and which facts ride along.

use crate::config::{Config, Mutant};
use crate::math::retransmit_limit;
use crate::pool::NodeId;
use crate::queue::{Take, Taken};
use crate::swim::{Fact, MemberTable, Send, Swim, SwimCx};
use crate::time::{Instant, duration_nanos, next_tick};
use crate::timers::TimerKind;
use crate::trace::MemberState;

impl Swim {
    /// Arms the gossip tick, if it is not armed: ticks happen only while something is queued, their phase is fixed.
    pub(crate) fn arm_gossip(&self, cx: &mut SwimCx<'_>) {
        if cx.timers.is_set(TimerKind::Gossip) || cx.config.gossip_nodes == 0 {
            return;
        }
        let interval = duration_nanos(cx.config.gossip_interval);
        if interval > 0 {
            let next = next_tick(cx.now, interval, self.gossip_phase);
            cx.timers.set(TimerKind::Gossip, next);
        }
    }

    /// Chooses the targets of one gossip tick; `node` fills one packet for each from what is queued.
    pub(super) fn on_gossip_tick(&mut self, cx: &mut SwimCx<'_>) {
        cx.timers.clear(TimerKind::Gossip);
        let (me, now) = (self.me, cx.now);
        let dead_for = duration_nanos(cx.config.gossip_to_the_dead);
        let targets = self.table.random(cx.config.gossip_nodes as usize, cx.rng, |table, id| {
            id != me
                && table
                    .get(id)
                    .is_some_and(|member| hears_gossip(table, id, member.state, now, dead_for))
        });
        for target in targets {
            if let Some(member) = self.table.get(target) {
                cx.send(Send::Gossip { to: member.profile });
            }
        }
    }

    /// Whether facts are queued.
    pub(crate) fn has_broadcasts(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Queued facts.
    pub(crate) fn broadcasts_len(&self) -> usize {
        self.queue.len()
    }

    /// How often each broadcast is sent in a table of the current size.
    pub(crate) fn transmit_limit(&self, config: &Config) -> u32 {
        if config.is_mutant(Mutant::TransmitLimitIgnored) {
            return u32::MAX;
        }
        retransmit_limit(config.retransmit_mult, self.table.len())
    }

    /// Hands out facts that fit.
    pub(crate) fn take_broadcasts(&mut self, take: Take, emit: impl FnMut(&Fact)) -> Taken {
        self.queue.take(take, emit, |_finished| ())
    }
}

/// Suspects must hear of it to refute; the recently dead too. Those who left are not told.
fn hears_gossip(
    table: &MemberTable,
    id: NodeId,
    state: MemberState,
    now: Instant,
    dead_for: u64,
) -> bool {
    match state {
        MemberState::Alive | MemberState::Suspect => true,
        MemberState::Dead => table.changed_at(id).is_some_and(|at| now.nanos_since(at) <= dead_for),
        MemberState::Left => false,
    }
}
