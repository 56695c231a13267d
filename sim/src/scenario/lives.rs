//! Follows every node through crashes, restarts and leaves, and refuses what can only be a mistake: a restart of a
//! node that is up, an event from a node that is switched off.

use std::collections::BTreeSet;

use super::fault::Placed;
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
    let mut walk = Walk { lives, boot: boot.collect(), names, told: BTreeSet::new() };
    let mut works = workload.iter().peekable();
    for fault in faults {
        while let Some(work) = works.next_if(|work| work.value.at < fault.value.at) {
            walk.work(work, problems);
        }
        walk.fault(fault, problems);
    }
    for work in works {
        walk.work(work, problems);
    }
}

struct Walk<'a> {
    lives: Vec<Life>,
    boot: Vec<Nanos>,
    names: &'a Names,
    /// Repeated work that has been refused: once is enough.
    told: BTreeSet<String>,
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

    fn fault(&mut self, fault: &Placed<Fault>, problems: &mut Problems<'_>) {
        let at = fault.value.at;
        let (key, nodes, running) = match &fault.value.kind {
            FaultKind::Crash { nodes } => ("crash", nodes, false),
            FaultKind::Restart { nodes, running, .. } => ("restart", nodes, *running),
            FaultKind::Pause { nodes, .. } => ("pause", nodes, false),
            FaultKind::Block { nodes, .. } => ("block", nodes, false),
            FaultKind::Partition { .. } | FaultKind::Degrade { .. } => return,
        };
        for node in nodes {
            let life = self.life(*node, at);
            let wrong = match (key, life) {
                ("restart", Life::Up) if running => None,
                ("restart", Life::Up) => {
                    Some("is up then: crash it, or let it leave, before".to_owned())
                }
                ("restart", Life::NotBooted) => Some(self.not_booted(*node)),
                ("crash", Life::Leaving(gone)) if gone <= at => Some(format!(
                    "has left and is gone since {}: restart it before, or crash it earlier",
                    format_duration(gone)
                )),
                ("restart", Life::Off(_) | Life::Leaving(_)) | (_, Life::Up | Life::Leaving(_)) => {
                    None
                }
                (_, other) => Some(self.absent(*node, other)),
            };
            if let Some(wrong) = wrong {
                self.refuse(
                    fault.place,
                    &format!("{}.{key}", fault.path),
                    *node,
                    at,
                    &wrong,
                    problems,
                );
            }
            match key {
                "crash" => self.lives[*node as usize] = Life::Off(at),
                "restart" => self.lives[*node as usize] = Life::Up,
                _ => {}
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
