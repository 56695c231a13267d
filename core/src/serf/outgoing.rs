//! The broadcast queues of the Serf layer: intents, queries and user events, drained in this order.
//!
//! Entries are complete messages and all different: nothing supersedes anything. Source: Serf, broadcast queues.

use bytes::Bytes;

use crate::config::Config;
use crate::math::retransmit_limit;
use crate::queue::{BroadcastQueue, Take, Taken, Ticket};
use crate::stats::{bump, bump_by};
use crate::swim::{Swim, SwimCx};
use crate::time::{duration_nanos, next_tick};
use crate::timers::TimerKind;
use crate::trace::{QueueKind, Trace};

const KINDS: [QueueKind; 3] = [QueueKind::Intent, QueueKind::Query, QueueKind::Event];

/// What waits to be gossiped.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// Whether nothing waits: asked for every packet.
    empty: bool,
    /// Boxed: mostly empty, and what a node touches for every packet is better kept together.
    queues: Box<[BroadcastQueue<Bytes>; 3]>,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self { empty: true, queues: Default::default() }
    }
}

impl Outgoing {
    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.empty
    }

    /// Messages that wait in one queue.
    pub(crate) fn len(&self, kind: QueueKind) -> usize {
        self.queues[kind as usize].len()
    }

    /// Queues a message, Serf type byte included. No ticket: it fits no packet.
    pub(crate) fn push(
        &mut self,
        kind: QueueKind,
        message: Bytes,
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) -> Option<Ticket> {
        // The byte in front of it says "user message".
        let bytes = message.len() + 1;
        if bytes + 2 > cx.config.gossip_room() {
            // It would never fit a packet and only take the place of others.
            bump(&mut cx.stats.broadcasts_pruned);
            return None;
        }
        let queue = &mut self.queues[kind as usize];
        // The limit holds at all times, not only every queue_check_interval. Room is made before: what is new stays.
        let dropped = queue.prune(cx.config.queue_limit(swim.records_len()).saturating_sub(1));
        let (ticket, _none) = queue.push(None, bytes, message);
        bump_by(&mut cx.stats.broadcasts_pruned, dropped);
        self.empty = false;
        swim.arm_gossip(cx);
        arm_check(cx);
        Some(ticket)
    }

    /// Hands out messages that fit, most urgent queue first. `take.overhead` counts the user-message byte already.
    pub(crate) fn take(&mut self, take: Take, mut emit: impl FnMut(&Bytes)) -> Taken {
        let mut taken = Taken::default();
        for queue in self.queues.iter_mut() {
            if queue.is_empty() {
                continue;
            }
            let take = Take {
                room: take.room.saturating_sub(taken.bytes),
                parts_max: take.parts_max - taken.parts,
                ..take
            };
            let more = queue.take(take, &mut emit, |_finished| ());
            taken.bytes += more.bytes;
            taken.parts += more.parts;
        }
        self.note_empty();
        taken
    }

    /// Transmissions after which a message is finished: `n` counts all members Serf knows, in every status.
    pub(crate) fn transmit_limit(swim: &Swim, config: &Config) -> u32 {
        retransmit_limit(config.retransmit_mult, swim.records_len())
    }

    /// Has [`Outgoing::next_released`] tell when an intent is not queued any more.
    pub(crate) fn watch_intent(&mut self, ticket: Ticket) {
        self.queues[QueueKind::Intent as usize].watch(ticket);
    }

    /// Stops watching an intent.
    pub(crate) fn unwatch_intent(&mut self, ticket: Ticket) {
        self.queues[QueueKind::Intent as usize].unwatch(ticket);
    }

    /// A watched intent that is transmitted to its limit or was dropped.
    pub(crate) fn next_released(&mut self) -> Option<Ticket> {
        self.queues[QueueKind::Intent as usize].next_released()
    }

    /// The periodic look at the depths.
    pub(crate) fn on_check(&mut self, swim: &Swim, cx: &mut SwimCx<'_>) {
        cx.timers.clear(TimerKind::QueueCheck);
        let limit = cx.config.queue_limit(swim.records_len());
        for (queue, kind) in self.queues.iter_mut().zip(KINDS) {
            if queue.len() >= cx.config.queue_depth_warning {
                let depth = u32::try_from(queue.len()).unwrap_or(u32::MAX);
                cx.trace(Trace::QueueDeep { queue: kind, depth });
            }
            // The limit may have shrunk with the cluster.
            let dropped = queue.prune(limit);
            bump_by(&mut cx.stats.broadcasts_pruned, dropped);
        }
        self.note_empty();
        if !self.empty {
            arm_check(cx);
        }
    }

    fn note_empty(&mut self) {
        self.empty = self.queues.iter().all(BroadcastQueue::is_empty);
    }
}

/// The look at the depths is armed only while something waits.
fn arm_check(cx: &mut SwimCx<'_>) {
    let interval = duration_nanos(cx.config.queue_check_interval);
    if interval > 0 && !cx.timers.is_set(TimerKind::QueueCheck) {
        cx.timers.set(TimerKind::QueueCheck, next_tick(cx.now, interval, 0));
    }
}
