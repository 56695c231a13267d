//! Memberlist's rules of dissemination in a hundred lines, written from the protocol's description alone: no core, no
//! simulator, so that an error in either cannot hide in both.
//!
//! A member that has the update sends it to three distinct random others at each gossip tick, until it has sent it
//! `4 * ceil(log10(n + 1))` times; every packet to every target counts once. With probes, one ping and its ack per
//! member and second carry it too and count as well. Nothing else is queued.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

const FANOUT: usize = 3;
const INTERVAL: u64 = 200_000_000;
const PROBE_INTERVAL: u64 = 1_000_000_000;
/// One-way delay.
const DELAY: u64 = 500_000;
/// Nothing spreads by gossip after this, if nothing is lost: the slowest budget is used up in two seconds.
const END: u64 = 3_000_000_000;
/// Parts of a whole in which losses are given.
const MILLION: u64 = 1_000_000;

/// When the members' ticks come, and what carries the update besides gossip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// All ticks in the same instant, half an interval after the update was sent.
    Lockstep,
    /// Ticks at random phases.
    RandomPhases,
    /// Random phases, and probes that carry the update.
    WithProbes,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Arrival { to: usize },
    Gossip { node: usize },
    Probe { node: usize },
    Ping { from: usize, to: usize, carries: bool },
}

struct Rumour {
    rng: ChaCha8Rng,
    model: Model,
    /// Packets lost of a million.
    loss_ppm: u64,
    end: u64,
    agenda: BinaryHeap<Reverse<(u64, Step)>>,
    /// Transmissions each member still has; `None`: it does not know the update.
    left: Vec<Option<u32>>,
    /// When who heard of it, ascending.
    heard: Vec<(u64, usize)>,
}

/// Delays after sending at which the members of a cluster of `nodes` hear the update, ascending, the sender's own 0
/// included; those that never hear it are missing. Of a million packets `loss_ppm`, less than all, are lost.
#[must_use]
pub fn spread(model: Model, nodes: usize, loss_ppm: u32, seed: u64) -> Vec<u64> {
    let mut rumour = Rumour::new(model, nodes, loss_ppm, ChaCha8Rng::seed_from_u64(seed));
    rumour.hear(0, 0);
    rumour.play();
    rumour.heard.into_iter().map(|(delay, _)| delay).collect()
}

/// Delays after the first verdict at which the members of a cluster of `nodes` hold a suspect for failed, ascending, the
/// first one's own 0 included. Everybody's suspicion starts when it hears of it, by random phases and probes without
/// loss, and lasts equally long; the word of the death spreads by the same rules from all whose suspicion is over.
#[must_use]
pub fn verdicts(nodes: usize, seed: u64) -> Vec<u64> {
    let rng = ChaCha8Rng::seed_from_u64(seed);
    let mut suspicion = Rumour::new(Model::WithProbes, nodes, 0, rng);
    suspicion.hear(0, 0);
    suspicion.play();
    let mut death = Rumour::new(Model::WithProbes, nodes, 0, suspicion.rng);
    for (delay, node) in suspicion.heard {
        death.plan(delay, Step::Arrival { to: node });
    }
    death.play();
    death.heard.into_iter().map(|(delay, _)| delay).collect()
}

/// Transmissions per member and update: `4 * ceil(log10(n + 1))`, four times the number of digits.
fn budget(nodes: usize) -> u32 {
    4 * (nodes.ilog10() + 1)
}

impl Rumour {
    fn new(model: Model, nodes: usize, loss_ppm: u32, rng: ChaCha8Rng) -> Self {
        let loss_ppm = u64::from(loss_ppm).min(MILLION - 1);
        let mut rumour = Self {
            rng,
            model,
            loss_ppm,
            end: END * MILLION / (MILLION - loss_ppm),
            agenda: BinaryHeap::new(),
            left: vec![None; nodes],
            heard: Vec::new(),
        };
        if model == Model::WithProbes {
            for node in 0..nodes {
                let phase = rumour.below(PROBE_INTERVAL);
                rumour.plan(phase, Step::Probe { node });
            }
        }
        rumour
    }

    fn play(&mut self) {
        while let Some(Reverse((now, step))) = self.agenda.pop() {
            match step {
                Step::Arrival { to } => self.hear(now, to),
                Step::Gossip { node } => self.gossip(now, node),
                Step::Probe { node } => self.probe(now, node),
                Step::Ping { from, to, carries } => {
                    // Answered before the rest of the packet is looked at.
                    if self.transmit(to) {
                        self.deliver(now, from);
                    }
                    if carries {
                        self.hear(now, to);
                    }
                }
            }
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        // The modulus favours small numbers by less than 2^-30.
        self.rng.next_u64() % bound
    }

    fn plan(&mut self, at: u64, step: Step) {
        if at < self.end {
            self.agenda.push(Reverse((at, step)));
        }
    }

    /// One packet; to a member that knows already it is spent for nothing.
    fn deliver(&mut self, now: u64, to: usize) {
        if self.left[to].is_none() && !self.loses() {
            self.plan(now + DELAY, Step::Arrival { to });
        }
    }

    fn loses(&mut self) -> bool {
        self.loss_ppm > 0 && self.below(MILLION) < self.loss_ppm
    }

    fn other(&mut self, node: usize) -> usize {
        let others = self.left.len() - 1;
        let drawn = usize::try_from(self.below(others as u64)).expect("an index");
        if drawn < node { drawn } else { drawn + 1 }
    }

    fn hear(&mut self, now: u64, node: usize) {
        if self.left[node].is_some() {
            return;
        }
        self.heard.push((now, node));
        self.left[node] = Some(budget(self.left.len()));
        // A phase that is drawn now is as random as one that was fixed before.
        let wait = match self.model {
            Model::Lockstep => INTERVAL - (now + INTERVAL / 2) % INTERVAL,
            Model::RandomPhases | Model::WithProbes => self.below(INTERVAL) + 1,
        };
        self.plan(now + wait, Step::Gossip { node });
    }

    /// Uses up one transmission, if there is one.
    fn transmit(&mut self, node: usize) -> bool {
        match &mut self.left[node] {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }

    fn gossip(&mut self, now: u64, node: usize) {
        let mut targets = Vec::with_capacity(FANOUT);
        while targets.len() < FANOUT.min(self.left.len() - 1) {
            let target = self.other(node);
            if !targets.contains(&target) {
                targets.push(target);
            }
        }
        for to in targets {
            if self.transmit(node) {
                self.deliver(now, to);
            }
        }
        if self.left[node] > Some(0) {
            self.plan(now + INTERVAL, Step::Gossip { node });
        }
    }

    fn probe(&mut self, now: u64, node: usize) {
        let (to, carries) = (self.other(node), self.transmit(node));
        if !self.loses() {
            self.plan(now + DELAY, Step::Ping { from: node, to, carries });
        }
        self.plan(now + PROBE_INTERVAL, Step::Probe { node });
    }
}
