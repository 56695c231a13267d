//! What the application asks: join, leave, metadata, user events.

use core::net::SocketAddr;
use std::collections::VecDeque;

use super::{Node, Turn};
use crate::command::{Command, JoinFailure, OpError, Reply};
use crate::io::OpId;
use crate::serf::Life;

/// Joins in order; only the first one is under way.
#[derive(Debug, Default)]
pub(super) struct Joins {
    pub(super) asked: VecDeque<Join>,
}

#[derive(Debug)]
pub(super) struct Join {
    pub(super) op: OpId,
    pub(super) seeds: VecDeque<SocketAddr>,
    /// The seed under way.
    pub(super) seed: Option<SocketAddr>,
    pub(super) failures: Vec<(SocketAddr, JoinFailure)>,
    pub(super) contacted: u32,
    pub(super) replay_events: bool,
}

impl Joins {
    /// Whether the join under way does not want old user events.
    pub(super) fn ignores_old_events(&self) -> bool {
        self.asked.front().is_some_and(|join| !join.replay_events)
    }
}

impl Node {
    pub(super) fn on_command(&mut self, op: OpId, command: Command, turn: &mut Turn<'_>) {
        if let Command::Join { seeds, replay_events } = command {
            self.join(op, seeds, replay_events, turn);
            return;
        }
        let (serf, swim, mut cx) = self.serf(turn);
        let cx = &mut cx;
        match command {
            Command::Join { .. } => unreachable!("handled above"),
            Command::Leave => serf.leave(op, swim, cx),
            Command::ForceLeave { name, prune } => serf.force_leave(op, &name, prune, swim, cx),
            Command::SetTags(tags) => serf.set_tags(op, &tags, swim, cx),
            Command::UserEvent { name, payload, coalesce } => {
                serf.user_event(op, name, payload, coalesce, swim, cx);
            }
            Command::Query(params) => serf.query(op, params, swim, cx),
            Command::Respond { query, payload } => serf.respond(op, query, &payload, swim, cx),
            Command::Keys { op: key_op, relay_factor } => {
                serf.keys(op, &key_op, relay_factor, swim, cx);
            }
            Command::KeyringStored { query, error } => {
                serf.keyring_stored(op, query, error.as_deref(), swim, cx);
            }
        }
    }

    fn join(&mut self, op: OpId, seeds: Vec<SocketAddr>, replay_events: bool, turn: &mut Turn<'_>) {
        if self.serf.life != Life::Alive {
            turn.out.done(op, Err(OpError::NotAlive));
            return;
        }
        if seeds.is_empty() {
            turn.out.done(op, Err(OpError::NoSeeds));
            return;
        }
        let seeds = VecDeque::from(seeds);
        let (seed, failures, contacted) = (None, Vec::new(), 0);
        let join = Join { op, seeds, seed, failures, contacted, replay_events };
        self.joins.asked.push_back(join);
        if self.joins.asked.len() == 1 {
            self.try_next_seed(turn);
        }
    }

    /// One seed of the join under way answered, or did not.
    pub(super) fn on_seed_done(&mut self, failure: Option<JoinFailure>, turn: &mut Turn<'_>) {
        if let Some(join) = self.joins.asked.front_mut() {
            match (failure, join.seed.take()) {
                (Some(failure), Some(seed)) => join.failures.push((seed, failure)),
                _ => join.contacted += 1,
            }
            self.try_next_seed(turn);
        }
    }

    fn try_next_seed(&mut self, turn: &mut Turn<'_>) {
        while let Some(join) = self.joins.asked.front_mut() {
            if self.serf.life != Life::Alive {
                turn.out.done(join.op, Err(OpError::NotAlive));
                self.joins.asked.pop_front();
                continue;
            }
            if let Some(seed) = join.seeds.pop_front() {
                join.seed = Some(seed);
                self.dial_join(seed, turn);
                return;
            }
            let (op, contacted) = (join.op, join.contacted);
            if contacted == 0 {
                let failures = core::mem::take(&mut join.failures);
                turn.out.done(op, Err(OpError::JoinFailed { failures }));
            } else {
                let (serf, swim, mut cx) = self.serf(turn);
                serf.announce_join(swim, &mut cx);
                self.carry_out(turn);
                turn.out.done(op, Ok(Reply::Joined { contacted }));
            }
            self.joins.asked.pop_front();
        }
    }

    /// The node stops: joins under way are answered.
    pub(super) fn abort_joins(&mut self, turn: &mut Turn<'_>) {
        for join in core::mem::take(&mut self.joins).asked {
            turn.out.done(join.op, Err(OpError::ShutDown));
        }
    }
}
