//! What is true of each host over time: when its process ran, when it was paused, how healthy it thought it was.

use crate::fact::{End, Moment, Scene};
use crate::scenario::{Nanos, NodeIndex};

/// How often hosts are looked at for troubles that no fault announces the moment of.
const LOOK_EVERY: Nanos = 100_000_000;
/// Most spans kept.
const SPANS_MAX: usize = 50_000;

/// A time in which something was so; `until` is [`Nanos::MAX`] while it lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) node: NodeIndex,
    pub(crate) from: Nanos,
    pub(crate) until: Nanos,
    pub(crate) end: Option<End>,
}

/// Lives, pauses and health of all hosts.
#[derive(Debug)]
pub(crate) struct Spans {
    pub(crate) lives: Vec<Span>,
    pub(crate) pauses: Vec<Span>,
    pub(crate) health: Vec<(NodeIndex, Nanos, u32)>,
    /// By host: its latest life and its running pause, as indexes.
    life: Vec<Option<u32>>,
    paused: Vec<Option<u32>>,
    next_look: Nanos,
    /// When a fault was told of whose effect was not looked at yet.
    fault_at: Option<Nanos>,
}

impl Spans {
    pub(crate) fn new(hosts: usize) -> Self {
        Self {
            lives: Vec::new(),
            pauses: Vec::new(),
            health: Vec::new(),
            life: vec![None; hosts],
            paused: vec![None; hosts],
            next_look: 0,
            fault_at: None,
        }
    }

    /// Looks at the hosts if it is time to, or if a fault came just before. A fault is told before it acts.
    pub(crate) fn look(&mut self, now: Nanos, fault: bool, scene: Scene<'_>) {
        let fault_at = self.fault_at.take();
        if fault_at.is_some() || now >= self.next_look {
            self.next_look = now.saturating_add(LOOK_EVERY);
            self.look_at_all(fault_at.unwrap_or(now), scene);
        }
        self.fault_at = fault.then_some(now);
    }

    fn look_at_all(&mut self, now: Nanos, scene: Scene<'_>) {
        for (node, presence) in (0..).zip(&scene.fabric.presence) {
            let paused = presence.is_up() && !presence.is_responsive();
            let running = &mut self.paused[node as usize];
            match *running {
                None if paused && self.pauses.len() < SPANS_MAX => {
                    *running = u32::try_from(self.pauses.len()).ok();
                    self.pauses.push(Span { node, from: now, until: Nanos::MAX, end: None });
                }
                Some(index) if !paused => {
                    self.pauses[index as usize].until = now;
                    *running = None;
                }
                None | Some(_) => {}
            }
        }
    }

    pub(crate) fn started(&mut self, moment: Moment) {
        if self.lives.len() < SPANS_MAX {
            self.life[moment.node as usize] = u32::try_from(self.lives.len()).ok();
            let (node, from) = (moment.node, moment.at);
            self.lives.push(Span { node, from, until: Nanos::MAX, end: None });
        }
    }

    pub(crate) fn ended(&mut self, moment: Moment, end: End) {
        if let Some(index) = self.life[moment.node as usize] {
            let span = &mut self.lives[index as usize];
            (span.until, span.end) = (moment.at, Some(end));
        }
    }

    pub(crate) fn health(&mut self, moment: Moment, score: u32) {
        if self.health.len() < SPANS_MAX {
            self.health.push((moment.node, moment.at, score));
        }
    }

    /// When and how the latest process on a host ended, if none runs.
    pub(crate) fn down_since(&self, node: NodeIndex) -> Option<(Nanos, End)> {
        let index = (*self.life.get(node as usize)?)?;
        let span = &self.lives[index as usize];
        Some((span.until, span.end?))
    }

    /// Since when a process is paused or blocked.
    pub(crate) fn held_since(&self, node: NodeIndex) -> Option<Nanos> {
        let index = (*self.paused.get(node as usize)?)?;
        Some(self.pauses[index as usize].from)
    }
}
