//! Graceful leave in bounded steps, and the commands that wait for a broadcast.
//!
//! Source: Serf, local operations. A leave is: intent spread, departure spread, a last wait. Each wait has an end.

use crate::command::{OpError, Reply};
use crate::ids::OpId;
use crate::msg::serf::LeaveIntent;
use crate::queue::Ticket;
use crate::serf::{Life, Serf};
use crate::swim::{Action, Swim, SwimCx};
use crate::tags::Tags;
use crate::time::Instant;
use crate::timers::TimerKind;
use crate::trace::{EventPath, MemberStatus, QueueKind};
use crate::wire::serf::encode_leave_intent;
use crate::wire::tags;

/// The broadcast that somebody waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Broadcast {
    /// An intent of this layer.
    Intent(Ticket),
    /// A membership fact of SWIM.
    Fact(Ticket),
}

/// A command that is done when its broadcast is.
#[derive(Debug)]
struct Wait {
    op: OpId,
    broadcast: Broadcast,
    deadline: Instant,
    reply: Reply,
}

/// The steps of a leave.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Step {
    #[default]
    Idle,
    /// The leave intent is being transmitted.
    Intent(Ticket),
    /// The departure is being transmitted.
    Departure(Ticket),
    /// The last wait.
    Propagate,
}

/// A leave under way and everybody who waits for a broadcast.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    step: Step,
    leave_op: Option<OpId>,
    commands: Vec<Wait>,
}

impl Serf {
    /// Leaves the cluster for good.
    pub(crate) fn leave(&mut self, op: OpId, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        match self.life {
            Life::Alive => {}
            Life::Leaving => return done(op, Err(OpError::LeaveInProgress), cx),
            Life::Left => return done(op, Ok(Reply::Left), cx),
        }
        self.life = Life::Leaving;
        self.waiting.leave_op = Some(op);
        self.record_leave(cx);
        let name: Box<str> = cx.pool.name(swim.me()).into();
        let ticket = self.announce_leave(&name, false, swim, cx);
        match ticket.filter(|_| others_alive(swim)) {
            Some(ticket) => {
                self.outgoing.watch_intent(ticket);
                self.waiting.step = Step::Intent(ticket);
                cx.timers.set(TimerKind::Leave, cx.now + cx.config.broadcast_timeout);
            }
            None => self.depart(swim, cx),
        }
    }

    /// Announces that a member leaves; nothing is queued when nobody is there to be told.
    fn announce_leave(
        &mut self,
        name: &str,
        prune: bool,
        swim: &mut Swim,
        cx: &mut SwimCx<'_>,
    ) -> Option<Ticket> {
        let intent = LeaveIntent { ltime: self.member_clock.time(), node: name, prune };
        self.member_clock.increment();
        self.leave_intent(&intent, EventPath::Local, swim, cx);
        if !others_alive(swim) {
            return None;
        }
        let mut message = Vec::new();
        encode_leave_intent(&intent, &mut message);
        self.outgoing.push(QueueKind::Intent, message.into(), swim, cx)
    }

    fn depart(&mut self, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        match swim.leave(cx).filter(|_| swim.has_peers()) {
            Some(ticket) => {
                swim.watch(ticket);
                self.waiting.step = Step::Departure(ticket);
                cx.timers.set(TimerKind::Leave, cx.now + cx.config.broadcast_timeout);
            }
            None => self.propagate(cx),
        }
    }

    fn propagate(&mut self, cx: &mut SwimCx<'_>) {
        self.waiting.step = Step::Propagate;
        cx.timers.set(TimerKind::Leave, cx.now + cx.config.leave_propagate_delay);
    }

    /// The current step of the leave took long enough, or is complete.
    pub(crate) fn on_leave_timer(&mut self, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        cx.timers.clear(TimerKind::Leave);
        match self.waiting.step {
            Step::Idle => {}
            Step::Intent(ticket) => {
                self.outgoing.unwatch_intent(ticket);
                self.depart(swim, cx);
            }
            Step::Departure(ticket) => {
                swim.unwatch(ticket);
                self.propagate(cx);
            }
            Step::Propagate => {
                self.waiting.step = Step::Idle;
                self.life = Life::Left;
                if let Some(op) = self.waiting.leave_op.take() {
                    done(op, Ok(Reply::Left), cx);
                }
            }
        }
    }

    /// Forces a failed member out; whoever is alive after all will refute.
    pub(crate) fn force_leave(
        &mut self,
        op: OpId,
        name: &str,
        prune: bool,
        swim: &mut Swim,
        cx: &mut SwimCx<'_>,
    ) {
        if self.life != Life::Alive {
            return done(op, Err(OpError::NotAlive), cx);
        }
        match self.announce_leave(name, prune, swim, cx) {
            Some(ticket) => {
                self.outgoing.watch_intent(ticket);
                self.wait(op, Broadcast::Intent(ticket), Reply::LeaveForced, cx);
            }
            None => done(op, Ok(Reply::LeaveForced), cx),
        }
    }

    /// Replaces the own tags.
    pub(crate) fn set_tags(&mut self, op: OpId, tags: &Tags, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        if self.life != Life::Alive {
            return done(op, Err(OpError::NotAlive), cx);
        }
        let meta = match tags::encode(tags, cx.config.serf_protocol_version) {
            Ok(meta) => meta,
            Err(error) => {
                let (size, limit) = (error.len, error.limit);
                return done(op, Err(OpError::TagsTooLarge { size, limit }), cx);
            }
        };
        let ticket = swim.set_meta(meta, cx);
        if swim.has_peers() {
            swim.watch(ticket);
            self.wait(op, Broadcast::Fact(ticket), Reply::TagsSet, cx);
        } else {
            done(op, Ok(Reply::TagsSet), cx);
        }
    }

    fn wait(&mut self, op: OpId, broadcast: Broadcast, reply: Reply, cx: &mut SwimCx<'_>) {
        let deadline = cx.now + cx.config.broadcast_timeout;
        cx.timers.add(deadline, TimerKind::Broadcast(op));
        self.waiting.commands.push(Wait { op, broadcast, deadline, reply });
    }

    /// A command's broadcast took too long.
    pub(crate) fn on_broadcast_timer(&mut self, op: OpId, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        let commands = &mut self.waiting.commands;
        let Some(at) = commands.iter().position(|wait| wait.op == op) else { return };
        match commands.remove(at).broadcast {
            Broadcast::Intent(ticket) => self.outgoing.unwatch_intent(ticket),
            Broadcast::Fact(ticket) => swim.unwatch(ticket),
        }
        done(op, Err(OpError::BroadcastTimeout), cx);
    }

    /// The node stops: whatever waits is answered.
    pub(super) fn abort_waits(&mut self, cx: &mut SwimCx<'_>) {
        let Waiting { leave_op, commands, .. } = core::mem::take(&mut self.waiting);
        for op in leave_op.into_iter().chain(commands.into_iter().map(|wait| wait.op)) {
            done(op, Err(OpError::ShutDown), cx);
        }
    }

    /// Looks which of the awaited broadcasts are over.
    pub(crate) fn check_broadcasts(&mut self, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        if self.waiting.step == Step::Idle && self.waiting.commands.is_empty() {
            return;
        }
        while let Some(ticket) = self.outgoing.next_released() {
            self.on_released(Broadcast::Intent(ticket), swim, cx);
        }
        while let Some(ticket) = swim.next_released() {
            self.on_released(Broadcast::Fact(ticket), swim, cx);
        }
    }

    fn on_released(&mut self, broadcast: Broadcast, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        let commands = &mut self.waiting.commands;
        if let Some(at) = commands.iter().position(|wait| wait.broadcast == broadcast) {
            let wait = commands.remove(at);
            cx.timers.cancel(wait.deadline, TimerKind::Broadcast(wait.op));
            return done(wait.op, Ok(wait.reply), cx);
        }
        match (self.waiting.step, broadcast) {
            (Step::Intent(awaited), Broadcast::Intent(ticket)) if awaited == ticket => {
                self.depart(swim, cx);
            }
            (Step::Departure(awaited), Broadcast::Fact(ticket)) if awaited == ticket => {
                self.propagate(cx);
            }
            _ => {}
        }
    }
}

/// Whether anybody else is there to be told.
fn others_alive(swim: &Swim) -> bool {
    let own = swim.record(swim.me()).map(|record| record.status);
    let alive = swim.status_count(MemberStatus::Alive);
    alive > usize::from(own == Some(MemberStatus::Alive))
}

fn done(op: OpId, result: Result<Reply, OpError>, cx: &mut SwimCx<'_>) {
    cx.actions.push(Action::Done { op, result });
}
