//! A scenario while it is drawn: its actions, and who is up when.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::document::{span, table, texts};
use super::draw::{Dice, SECOND};
use super::shape::Shape;
use crate::scenario::Nanos;

/// A node is left alone for so long before it goes and after it comes.
const MARGIN: Nanos = SECOND;
/// Attempts to find a moment at which an action is possible.
const ATTEMPTS: u32 = 8;

/// Actions so far.
#[derive(Debug)]
pub(super) struct Draft {
    /// Faults with their times.
    pub(super) faults: Vec<(Nanos, Table)>,
    /// Work with its times.
    pub(super) works: Vec<(Nanos, Table)>,
    /// Hosts that start under another's name or address.
    pub(super) hosts: Vec<Table>,
    /// What is in the scenario.
    pub(super) labels: BTreeSet<&'static str>,
    /// When the first action may be.
    pub(super) begin: Nanos,
    /// When the last fault ends.
    pub(super) calm: Nanos,
    boots: Vec<Nanos>,
    /// Times in which a node is not up, or will not do what is asked of it.
    away: Vec<Vec<(Nanos, Nanos)>>,
}

impl Draft {
    pub(super) fn new(shape: &Shape, labels: BTreeSet<&'static str>) -> Self {
        Self {
            faults: Vec::new(),
            works: Vec::new(),
            hosts: Vec::new(),
            labels,
            begin: shape.begin,
            calm: shape.begin + shape.rough,
            boots: shape.boots.clone(),
            away: vec![Vec::new(); shape.boots.len()],
        }
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.boots.len()
    }

    /// Whether a node is up from `from` to `until`.
    pub(super) fn is_free(&self, node: usize, from: Nanos, until: Nanos) -> bool {
        let clear = |(gone, back): &(Nanos, Nanos)| {
            until.saturating_add(MARGIN) < *gone || back.saturating_add(MARGIN) < from
        };
        self.boots[node].saturating_add(MARGIN) <= from && self.away[node].iter().all(clear)
    }

    /// Nodes that are up from `from` to `until`.
    pub(super) fn free(&self, from: Nanos, until: Nanos) -> Vec<usize> {
        (0..self.len()).filter(|node| self.is_free(*node, from, until)).collect()
    }

    /// How many nodes go for good.
    pub(super) fn gone_len(&self) -> usize {
        let for_good =
            |away: &&Vec<(Nanos, Nanos)>| away.iter().any(|(_, back)| *back == Nanos::MAX);
        self.away.iter().filter(for_good).count()
    }

    /// Keeps others from using these nodes in that time.
    pub(super) fn take(&mut self, nodes: &[usize], from: Nanos, until: Nanos) {
        for node in nodes {
            self.away[*node].push((from, until));
        }
    }

    /// A time before the calm at which something of this length can begin.
    pub(super) fn moment(&self, dice: &mut Dice, length: Nanos) -> Nanos {
        let last = self.calm.saturating_sub(length).max(self.begin);
        dice.time(self.begin, last)
    }

    /// A time from which up to `count` nodes are up for `length`, and these nodes.
    pub(super) fn chance(
        &self,
        dice: &mut Dice,
        count: usize,
        length: Nanos,
    ) -> Option<(Nanos, Vec<usize>)> {
        for _ in 0..ATTEMPTS {
            let at = self.moment(dice, length);
            let free = self.free(at, at.saturating_add(length));
            let chosen = dice.some(free.len(), count);
            if !chosen.is_empty() {
                return Some((at, chosen.into_iter().map(|index| free[index]).collect()));
            }
        }
        None
    }

    /// A node that is up at this time.
    pub(super) fn one_up(&self, dice: &mut Dice, at: Nanos) -> Option<usize> {
        let free = self.free(at, at.saturating_add(MARGIN));
        (!free.is_empty()).then(|| dice.pick(&free))
    }

    /// Adds a fault of one instant.
    pub(super) fn fault<const N: usize>(&mut self, at: Nanos, what: [(&str, Value); N]) {
        self.faults.push((at, block(at, what)));
    }

    /// Adds a fault that lasts until the given time.
    pub(super) fn lasting<const N: usize>(
        &mut self,
        at: Nanos,
        until: Nanos,
        what: [(&str, Value); N],
    ) {
        let mut block = block(at, what);
        block.insert("until".into(), span(until));
        self.faults.push((at, block));
    }

    /// Adds a piece of work.
    pub(super) fn work<const N: usize>(&mut self, at: Nanos, what: [(&str, Value); N]) {
        self.works.push((at, block(at, what)));
    }
}

fn block<const N: usize>(at: Nanos, what: [(&str, Value); N]) -> Table {
    let mut block = table(what);
    block.insert("at".into(), span(at));
    block
}

/// The name of a node.
pub(super) fn name(node: usize) -> String {
    format!("host{}", node + 1)
}

/// A list of nodes as scenarios write it; all of them as `*`.
pub(super) fn nodes(chosen: &[usize], len: usize) -> Value {
    if chosen.len() == len { texts(["*"]) } else { texts(chosen.iter().map(|node| name(*node))) }
}
