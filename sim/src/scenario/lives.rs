//! Follows every node through crashes, restarts and leaves, and refuses what can only be a mistake: a restart of a
//! node that is up, an event from a node that is switched off.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::fault::Placed;
use super::nodes::Taker;
use super::problem::Problems;
use super::select::Names;
use super::units::format_duration;
use crate::scenario::{Fault, FaultKind, Nanos, NodeIndex, NodeSpec, Query, Start, Work, WorkKind};

#[derive(Clone, Copy)]
enum Life {
    Up,
    NotBooted,
    /// Switched off at this time.
    Off(Nanos),
    /// Has asked to leave; the process is gone from this time on.
    Leaving(Nanos),
}

/// Checks `faults` and `workload`, both in order of time.
pub(super) fn check(
    start: &Start,
    specs: &[NodeSpec],
    takers: &[Taker],
    faults: &[Placed<Fault>],
    workload: &[Placed<Work>],
    names: &Names,
    problems: &mut Problems<'_>,
) {
    let boot = specs.iter().enumerate().map(|(index, spec)| match (spec.claim, start) {
        (Some(claim), _) => claim.boot,
        (None, Start::Cold { boot, .. }) => boot.get(index).copied().unwrap_or(0),
        (None, Start::Warm) => 0,
    });
    let lives = specs.iter().map(|_| Life::NotBooted).collect();
    let claims = takers.iter().filter_map(|taker| {
        let claim = specs.get(taker.node as usize)?.claim?;
        Some((claim.boot, claim.owner, taker))
    });
    let mut claims: Vec<_> = claims.collect();
    claims.sort_by_key(|(at, ..)| *at);
    let strangers: BTreeSet<NodeIndex> = takers.iter().map(|taker| taker.node).collect();
    let holders = (0..).zip(specs).filter(|(node, _)| !strangers.contains(node));
    let mut walk = Walk {
        lives,
        boot: boot.collect(),
        names,
        told: BTreeSet::new(),
        addrs: holders.map(|(node, spec)| (spec.addr, node)).collect(),
        taken: BTreeMap::new(),
    };
    let mut works = workload.iter().peekable();
    let mut claims = claims.into_iter().peekable();
    for fault in faults {
        let at = fault.value.at;
        while let Some(work) = works.next_if(|work| work.value.at < at) {
            while let Some(claim) = claims.next_if(|claim| claim.0 <= work.value.at) {
                walk.take_over(claim, problems);
            }
            walk.work(work, problems);
        }
        while let Some(claim) = claims.next_if(|claim| claim.0 <= at) {
            walk.take_over(claim, problems);
        }
        walk.fault(fault, problems);
    }
    for work in works {
        while let Some(claim) = claims.next_if(|claim| claim.0 <= work.value.at) {
            walk.take_over(claim, problems);
        }
        walk.work(work, problems);
    }
    for claim in claims {
        walk.take_over(claim, problems);
    }
}

/// What a fault does to the process on a host.
#[derive(Clone, Copy)]
enum Effect {
    Ends,
    /// It starts; with `true` it may run until then.
    Starts(bool),
    /// It is started anew, elsewhere.
    Moves(SocketAddr),
    /// It suffers.
    Suffers,
}

struct Walk<'a> {
    lives: Vec<Life>,
    boot: Vec<Nanos>,
    names: &'a Names,
    /// Repeated work that has been refused: once is enough.
    told: BTreeSet<String>,
    /// Who has each address.
    addrs: BTreeMap<SocketAddr, NodeIndex>,
    /// Who has taken over the address of a node, and when.
    taken: BTreeMap<NodeIndex, (NodeIndex, Nanos)>,
}

impl Walk<'_> {
    fn life(&self, node: NodeIndex, at: Nanos) -> Life {
        let index = node as usize;
        let booted = self.boot[index] <= at;
        match self.lives[index] {
            Life::NotBooted if booted => Life::Up,
            life @ (Life::Up | Life::NotBooted | Life::Off(_) | Life::Leaving(_)) => life,
        }
    }

    /// A host takes over an address, which nobody must use any more.
    fn take_over(
        &mut self,
        (at, owner, taker): (Nanos, NodeIndex, &Taker),
        problems: &mut Problems<'_>,
    ) {
        let wrong = match (self.taken.get(&owner), self.life(owner, at)) {
            (Some((other, _)), _) => {
                Some(format!("has lost its address to {} before", self.names.name(*other)))
            }
            (None, Life::Off(_)) => None,
            (None, Life::Leaving(gone)) if gone < at => None,
            (None, Life::NotBooted) => Some(self.not_booted(owner)),
            (None, Life::Up | Life::Leaving(_)) => {
                Some("still uses its address then: crash it before, or choose a later `at`".into())
            }
        };
        if let Some(wrong) = wrong {
            self.refuse(taker.place, &format!("{}.takes", taker.path), owner, at, &wrong, problems);
            return;
        }
        self.taken.insert(owner, (taker.node, at));
        for holder in self.addrs.values_mut().filter(|holder| **holder == owner) {
            *holder = taker.node;
        }
    }

    fn fault(&mut self, fault: &Placed<Fault>, problems: &mut Problems<'_>) {
        let at = fault.value.at;
        let (key, nodes, effect) = match &fault.value.kind {
            FaultKind::Crash { nodes } => ("crash", nodes.as_slice(), Effect::Ends),
            FaultKind::Restart { nodes, running, .. } => {
                ("restart", nodes.as_slice(), Effect::Starts(*running))
            }
            FaultKind::Rekey { nodes, .. } => ("rekey", nodes.as_slice(), Effect::Starts(true)),
            FaultKind::Move { node, to, .. } => {
                ("move", std::slice::from_ref(node), Effect::Moves(*to))
            }
            FaultKind::Pause { nodes, .. } => ("pause", nodes.as_slice(), Effect::Suffers),
            FaultKind::Block { nodes, .. } => ("block", nodes.as_slice(), Effect::Suffers),
            FaultKind::Slow { nodes, .. } => ("slow", nodes.as_slice(), Effect::Suffers),
            FaultKind::Clock { nodes, .. } => ("clock", nodes.as_slice(), Effect::Suffers),
            FaultKind::Partition { .. }
            | FaultKind::Ring { .. }
            | FaultKind::Cut { .. }
            | FaultKind::Degrade(_) => return,
        };
        for &node in nodes {
            if let Some(wrong) = self.wrong(effect, node, at) {
                let path = format!("{}.{key}", fault.path);
                self.refuse(fault.place, &path, node, at, &wrong, problems);
            }
            match effect {
                Effect::Ends => self.lives[node as usize] = Life::Off(at),
                Effect::Starts(_) => self.lives[node as usize] = Life::Up,
                Effect::Moves(to) => {
                    self.addrs.retain(|_, holder| *holder != node);
                    self.addrs.entry(to).or_insert(node);
                }
                Effect::Suffers => {}
            }
        }
    }

    /// Why this cannot happen to `node` then.
    fn wrong(&self, effect: Effect, node: NodeIndex, at: Nanos) -> Option<String> {
        let life = self.life(node, at);
        match (effect, life) {
            (Effect::Starts(_), _) if self.taken.contains_key(&node) => {
                let (taker, since) = self.taken[&node];
                Some(format!(
                    "has lost its address to {} at {}: leave it off",
                    self.names.name(taker),
                    format_duration(since)
                ))
            }
            (Effect::Starts(false), Life::Up) => {
                Some("is up then: crash it, or let it leave, before".to_owned())
            }
            (Effect::Ends, Life::Leaving(gone)) if gone <= at => Some(format!(
                "has left and is gone since {}: restart it before, or crash it earlier",
                format_duration(gone)
            )),
            (Effect::Moves(to), Life::Up) => self.addrs.get(&to).map(|holder| {
                format!(
                    "cannot move to {to}, the address of {}: choose one that nobody has",
                    self.names.name(*holder)
                )
            }),
            (Effect::Moves(_), Life::Leaving(_)) => {
                Some("has left before: move it earlier, or restart it first".to_owned())
            }
            (Effect::Starts(_), Life::Up | Life::Off(_) | Life::Leaving(_))
            | (Effect::Ends | Effect::Suffers, Life::Up | Life::Leaving(_)) => None,
            (Effect::Starts(_), Life::NotBooted) => Some(self.not_booted(node)),
            (Effect::Ends | Effect::Moves(_) | Effect::Suffers, Life::Off(_) | Life::NotBooted) => {
                Some(self.absent(node, life))
            }
        }
    }

    fn work(&mut self, work: &Placed<Work>, problems: &mut Problems<'_>) {
        let at = work.value.at;
        let mut gone = at;
        let (key, nodes) = match &work.value.kind {
            WorkKind::Event { from, .. }
            | WorkKind::Query(Query { from, .. })
            | WorkKind::Keys { from, .. }
            | WorkKind::ForceLeave { from, .. } => ("from", from.as_slice()),
            WorkKind::Leave { nodes, exit_after } => {
                gone = at.saturating_add(*exit_after);
                ("leave", nodes.as_slice())
            }
            WorkKind::Join { nodes, .. } => ("join", nodes.as_slice()),
            WorkKind::SetTags { nodes, .. } => ("nodes", nodes.as_slice()),
        };
        for node in nodes {
            let life = self.life(*node, at);
            if let Life::Off(_) | Life::NotBooted = life
                && (key != "from" || self.told.insert(work.path.clone()))
            {
                let wrong = self.absent(*node, life);
                self.refuse(
                    work.place,
                    &format!("{}.{key}", work.path),
                    *node,
                    at,
                    &wrong,
                    problems,
                );
            }
            if key == "leave" && !matches!(life, Life::Off(_)) {
                self.lives[*node as usize] = Life::Leaving(gone);
            }
        }
    }

    fn absent(&self, node: NodeIndex, life: Life) -> String {
        match life {
            Life::Off(since) => {
                format!("is switched off since {}: restart it before", format_duration(since))
            }
            Life::NotBooted | Life::Up | Life::Leaving(_) => self.not_booted(node),
        }
    }

    fn not_booted(&self, node: NodeIndex) -> String {
        let boot = self.boot[node as usize];
        format!("boots only at {}: choose a later time", format_duration(boot))
    }

    fn refuse(
        &self,
        place: super::problem::Place,
        path: &str,
        node: NodeIndex,
        at: Nanos,
        wrong: &str,
        problems: &mut Problems<'_>,
    ) {
        let name = self.names.name(node);
        problems.add(place, path, format!("at {}: {name} {wrong}", format_duration(at)));
    }
}
