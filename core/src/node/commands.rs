//! What the application asks: join, leave, metadata, user events.

use core::net::SocketAddr;
use std::collections::VecDeque;

use super::{Node, Turn};
use crate::command::{Command, OpError, Reply};
use crate::io::OpId;
use crate::trace::EventPath;

/// Joins in order; only the first one is under way.
#[derive(Debug, Default)]
pub(super) struct Joins(VecDeque<Join>);

#[derive(Debug)]
struct Join {
    op: OpId,
    seeds: VecDeque<SocketAddr>,
    tried: u32,
    contacted: u32,
    replay_events: bool,
}

impl Joins {
    /// Whether the join under way does not want old user events.
    pub(super) fn ignores_old_events(&self) -> bool {
        self.0.front().is_some_and(|join| !join.replay_events)
    }
}

impl Node {
    pub(super) fn on_command(&mut self, op: OpId, command: Command, turn: &mut Turn<'_>) {
        match command {
            Command::Join { seeds, replay_events } => self.join(op, seeds, replay_events, turn),
            Command::Leave => self.leave(op, turn),
            Command::ForceLeave { .. }
            | Command::SetTags(_)
            | Command::Query(_)
            | Command::Respond { .. }
            | Command::Keys { .. }
            | Command::KeyringStored { .. } => {}
            Command::UserEvent { name, payload, coalesce } => {
                let (config, stats) = (&self.config, &mut self.stats);
                let sent = self.serf.events.send(name, payload, coalesce, config, stats);
                let result = sent.map(|event| {
                    let ltime = event.ltime;
                    self.deliver(event, EventPath::Local, turn);
                    self.carry_out(turn);
                    Reply::EventSent { ltime }
                });
                turn.out.done(op, result);
            }
        }
    }

    fn join(&mut self, op: OpId, seeds: Vec<SocketAddr>, replay_events: bool, turn: &mut Turn<'_>) {
        if self.swim.has_left() {
            turn.out.done(op, Err(OpError::NotAlive));
            return;
        }
        if seeds.is_empty() {
            turn.out.done(op, Err(OpError::NoSeeds));
            return;
        }
        let seeds = VecDeque::from(seeds);
        self.joins.0.push_back(Join { op, seeds, tried: 0, contacted: 0, replay_events });
        if self.joins.0.len() == 1 {
            self.try_next_seed(turn);
        }
    }

    /// One seed of the join under way answered, or did not.
    pub(super) fn on_seed_done(&mut self, answered: bool, turn: &mut Turn<'_>) {
        if let Some(join) = self.joins.0.front_mut() {
            join.contacted += u32::from(answered);
            self.try_next_seed(turn);
        }
    }

    fn try_next_seed(&mut self, turn: &mut Turn<'_>) {
        while let Some(join) = self.joins.0.front_mut() {
            if self.swim.has_left() {
                turn.out.done(join.op, Err(OpError::NotAlive));
                self.joins.0.pop_front();
                continue;
            }
            if let Some(seed) = join.seeds.pop_front() {
                join.tried += 1;
                self.dial_join(seed, turn);
                return;
            }
            let result = match join.contacted {
                0 => Err(OpError::JoinFailed { tried: join.tried }),
                contacted => Ok(Reply::Joined { contacted }),
            };
            turn.out.done(join.op, result);
            self.joins.0.pop_front();
        }
    }

    fn leave(&mut self, op: OpId, turn: &mut Turn<'_>) {
        if self.leave_op.is_some() {
            turn.out.done(op, Err(OpError::LeaveInProgress));
        } else if self.swim.has_left() {
            turn.out.done(op, Ok(Reply::Left));
        } else {
            self.leave_op = Some(op);
            let (swim, mut cx) = self.swim(turn);
            swim.leave(&mut cx);
        }
    }

    pub(super) fn on_leave_done(&mut self, turn: &mut Turn<'_>) {
        if let Some(op) = self.leave_op.take() {
            turn.out.done(op, Ok(Reply::Left));
        }
    }
}
