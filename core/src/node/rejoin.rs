//! Joining again the members that a snapshot remembers.
//!
//! First as Serf does: in random order, until one answers. Members that start at the same time can form islands that way,
//! none of which knows of another: each of them has joined one of its own. So, unlike in Serf, every remembered member
//! that is still unknown a little later is tried once more, one after the other; the first that answers makes one of two
//! islands.

use core::net::SocketAddr;

use super::{Node, Turn};
use crate::pool::Pool;
use crate::serf::Life;
use crate::time::SECOND;
use crate::timers::TimerKind;
use crate::trace::Trace;

/// When the second look begins. The first attempts are over by then, and the news of them has spread.
const SECOND_LOOK_AFTER: u64 = 5 * SECOND;
/// Pause between two attempts of the second look, so that a thousand members that are gone cost little.
const SECOND_LOOK_INTERVAL: u64 = SECOND;

/// Attempts to join remembered members.
#[derive(Debug, Default)]
pub(super) struct Rejoin {
    /// Not tried yet, the next one last.
    first: Vec<SocketAddr>,
    /// Not looked at a second time yet.
    second: Vec<SocketAddr>,
    /// The one under way.
    under_way: Option<SocketAddr>,
    /// Whether the first attempts are over.
    looks_again: bool,
}

impl Node {
    /// Joins the members that a snapshot remembers, one after the other in random order, until one answers.
    pub(super) fn rejoin(&mut self, mut remembered: Vec<SocketAddr>, turn: &mut Turn<'_>) {
        self.rng.shuffle(&mut remembered);
        if !remembered.is_empty() {
            self.timers.set(TimerKind::Rejoin, self.now.plus_nanos(SECOND_LOOK_AFTER));
        }
        self.rejoin.second.clone_from(&remembered);
        self.rejoin.first = remembered;
        self.try_next_remembered(turn);
    }

    /// A remembered member answered, or did not.
    pub(super) fn on_rejoin_done(&mut self, answered: bool, turn: &mut Turn<'_>) {
        if let Some(to) = self.rejoin.under_way.take() {
            self.trace(Trace::RejoinEnded { to, joined: answered }, turn);
        }
        if answered || self.serf.life != Life::Alive {
            self.rejoin.first = Vec::new();
            self.rejoin.looks_again = true;
        }
        if !self.rejoin.looks_again {
            self.try_next_remembered(turn);
        }
    }

    fn try_next_remembered(&mut self, turn: &mut Turn<'_>) {
        match self.rejoin.first.pop() {
            Some(to) => self.try_remembered(to, turn),
            None => {
                self.rejoin.looks_again = true;
                self.trace(Trace::RejoinFailed, turn);
            }
        }
    }

    /// The timer of the second look: tries the next remembered member that is unknown.
    pub(super) fn look_again(&mut self, turn: &mut Turn<'_>) {
        self.timers.clear(TimerKind::Rejoin);
        if self.serf.life != Life::Alive {
            self.rejoin.second = Vec::new();
        }
        if self.rejoin.looks_again && self.rejoin.under_way.is_none() {
            while let Some(to) = self.rejoin.second.pop() {
                if !self.knows(to, turn.pool) {
                    self.try_remembered(to, turn);
                    break;
                }
            }
        }
        if !self.rejoin.second.is_empty() {
            self.timers.set(TimerKind::Rejoin, self.now.plus_nanos(SECOND_LOOK_INTERVAL));
        }
    }

    fn try_remembered(&mut self, to: SocketAddr, turn: &mut Turn<'_>) {
        self.rejoin.under_way = Some(to);
        self.trace(Trace::RejoinStarted { to }, turn);
        self.dial_rejoin(to, turn);
    }

    /// Whether some member, in whatever state, has this address: what is known is taken care of by the protocol.
    fn knows(&self, addr: SocketAddr, pool: &Pool) -> bool {
        self.members(pool).any(|member| member.profile.socket_addr() == addr)
    }

    fn trace(&self, trace: Trace, turn: &mut Turn<'_>) {
        if self.config.trace {
            turn.out.trace(trace);
        }
    }
}
