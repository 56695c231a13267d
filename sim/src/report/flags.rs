//! What a scenario does to its world, as short names on a time axis and as sentences.

use super::chart::Flag;
use super::facts::trimmed;
use super::stats::seconds;
use crate::scenario::{
    Claimed, Fault, FaultKind, KeyVerb, Nanos, NodeIndex, Scenario, Transport, WorkKind,
};

/// A name from outside, fit to be drawn: at most 32 characters, none of them a control character.
pub(super) fn named(name: &str) -> String {
    let mut kept: String =
        name.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).take(32).collect();
    if name.chars().nth(32).is_some() {
        kept.push('…');
    }
    kept
}

/// Everything that the scenario does, in order of time; what happens at the same time shares one flag.
pub(super) fn of(scenario: &Scenario) -> Vec<Flag> {
    let mut flags: Vec<(Nanos, String)> = Vec::new();
    for (at, label) in happenings(scenario) {
        match flags.last_mut() {
            Some(last) if last.0 == at => last.1 = format!("{}, {label}", last.1),
            _ => flags.push((at, label)),
        }
    }
    flags.into_iter().map(|(at, label)| Flag { label, x: seconds(at) }).collect()
}

/// The same as a sentence for the caption; empty if nothing happens.
pub(super) fn in_words(scenario: &Scenario) -> String {
    const MOST: usize = 24;
    let flags = of(scenario);
    if flags.is_empty() {
        return String::new();
    }
    let named = flags.iter().take(MOST);
    let parts: Vec<String> =
        named.map(|flag| format!("{}\u{a0}s: {}", trimmed(flag.x, 3), flag.label)).collect();
    let more = flags.len().saturating_sub(MOST);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    format!(" In order: {}{more}.", parts.join("; "))
}

/// What a fault is called when it begins, and when it ends; an empty end is not told.
fn fault_words(scenario: &Scenario, fault: &Fault) -> (String, &'static str) {
    match &fault.kind {
        FaultKind::Crash { nodes } => (format!("{} off", who(scenario, nodes)), ""),
        FaultKind::Restart { nodes, running, .. } => {
            let what = if *running { "restarted" } else { "back" };
            (format!("{} {what}", who(scenario, nodes)), "")
        }
        FaultKind::Pause { nodes, .. } => (format!("{} paused", who(scenario, nodes)), "resumed"),
        FaultKind::Block { nodes, .. } => {
            (format!("{} blocked", who(scenario, nodes)), "unblocked")
        }
        FaultKind::Slow { nodes, .. } => (format!("{} slow", who(scenario, nodes)), "fast again"),
        FaultKind::Clock { nodes, drift_ppm, .. } => {
            let end = if *drift_ppm == 0 { "" } else { "clock steady" };
            (format!("clock of {}", who(scenario, nodes)), end)
        }
        FaultKind::Move { node, to, .. } => {
            (format!("{} moves to {to}", named(scenario.node_name(*node))), "")
        }
        FaultKind::Rekey { nodes, .. } => (format!("other keys for {}", who(scenario, nodes)), ""),
        FaultKind::Partition { one_way: false, .. } => ("partition".into(), "healed"),
        FaultKind::Partition { one_way: true, .. } => ("one-way partition".into(), "healed"),
        FaultKind::Ring { .. } => ("ring".into(), "healed"),
        FaultKind::Cut { transport, .. } => {
            let what = match transport {
                Transport::Udp => "UDP cut",
                Transport::Tcp => "TCP cut",
                Transport::Both => "cut",
            };
            (what.into(), "healed")
        }
        FaultKind::Degrade(_) => ("network degraded".into(), "network restored"),
    }
}

/// Everything that the scenario does, in order of time.
pub(crate) fn happenings(scenario: &Scenario) -> Vec<(Nanos, String)> {
    let mut all = Vec::new();
    for fault in &scenario.faults {
        let (start, end) = fault_words(scenario, fault);
        all.push((fault.at, start));
        if let (Some(until), false) = (fault.until, end.is_empty()) {
            all.push((until, end.into()));
        }
    }
    for spec in &scenario.nodes {
        if let Some(claim) = spec.claim {
            let owner = named(scenario.node_name(claim.owner));
            let name = named(&spec.name);
            let label = match claim.what {
                Claimed::Name => format!("{name} claims the name {owner}"),
                Claimed::Address => format!("{name} takes the address of {owner}"),
            };
            all.push((claim.boot, label));
        }
    }
    for work in &scenario.workload {
        let ends = |nodes: &[NodeIndex]| if nodes.len() == 1 { "s" } else { "" };
        let label = match &work.kind {
            WorkKind::Event { name, .. } => format!("event {}", named(name)),
            WorkKind::Query(query) => format!("query {}", named(&query.name)),
            WorkKind::Leave { nodes, .. } => {
                format!("{} leave{}", who(scenario, nodes), ends(nodes))
            }
            WorkKind::Join { nodes, .. } => format!("{} join{}", who(scenario, nodes), ends(nodes)),
            WorkKind::SetTags { nodes, .. } => format!("new tags of {}", who(scenario, nodes)),
            WorkKind::Keys { verb, .. } => match verb {
                KeyVerb::Install => "key installed".into(),
                KeyVerb::Use => "key used".into(),
                KeyVerb::Remove => "key removed".into(),
                KeyVerb::List => "keys listed".into(),
            },
            WorkKind::ForceLeave { node, .. } => {
                format!("{} forced out", named(scenario.node_name(*node)))
            }
        };
        all.push((work.at, label));
    }
    all.sort_by_key(|(at, _)| *at);
    all
}

fn who(scenario: &Scenario, nodes: &[NodeIndex]) -> String {
    match nodes {
        [only] => named(scenario.node_name(*only)),
        several => format!("{} nodes", several.len()),
    }
}
