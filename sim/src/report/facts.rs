//! What captions and model curves need to know about a scenario.

use std::path::Path;

use uwasa_core::config::TimerPhase;

use super::stats::number;
use crate::analytic::{DetectionFloor, RandomPhase, SerfCurve};
use crate::scenario::Scenario;

/// The scenario in the terms of the formulas; times in seconds.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    /// Nodes described.
    pub(super) nodes: usize,
    /// Regions they are in.
    pub(super) regions: usize,
    /// Loss averaged over all ordered pairs of nodes, 0 to 1.
    pub(super) loss: f64,
    /// Gossip fan-out.
    pub(super) fanout: u32,
    /// Gossip interval.
    pub(super) gossip: f64,
    /// Probe interval.
    pub(super) probe: f64,
    /// Suspicion multiplier.
    pub(super) suspicion_mult: u32,
    /// Transmit limit multiplier.
    pub(super) retransmit_mult: u32,
    /// Push/pull interval before scaling.
    pub(super) push_pull: f64,
    /// Whether timers are aligned to the start of each node.
    pub(super) aligned: bool,
}

impl Facts {
    /// Reads them off a scenario.
    pub(super) fn new(scenario: &Scenario) -> Self {
        let config = &scenario.config;
        Self {
            nodes: scenario.members().len(),
            regions: scenario.network.regions.len(),
            loss: mean_loss(scenario),
            fanout: config.gossip_nodes,
            gossip: config.gossip_interval.as_secs_f64(),
            probe: config.probe_interval.as_secs_f64(),
            suspicion_mult: config.suspicion_mult,
            retransmit_mult: config.retransmit_mult,
            push_pull: config.push_pull_interval.as_secs_f64(),
            aligned: config.timer_phase == TimerPhase::Aligned,
        }
    }

    /// Whether the formulas of dissemination mean anything here.
    pub(super) fn gossips(&self) -> bool {
        self.fanout > 0 && self.gossip > 0.0 && self.loss < 1.0
    }

    /// Serf's curve for so many nodes.
    pub(super) fn serf(&self, nodes: f64) -> SerfCurve {
        SerfCurve {
            nodes,
            fanout: f64::from(self.fanout),
            interval: self.gossip,
            loss: self.loss,
            failed: 0.0,
        }
    }

    /// The law of random phases for so many nodes.
    pub(super) fn push(&self, nodes: f64) -> RandomPhase {
        RandomPhase {
            nodes,
            fanout: f64::from(self.fanout),
            interval: self.gossip,
            loss: self.loss,
        }
    }

    /// The floor under crash detection for so many nodes.
    pub(super) fn floor(&self, nodes: f64) -> DetectionFloor {
        DetectionFloor {
            nodes,
            probe_interval: self.probe,
            suspicion_mult: f64::from(self.suspicion_mult),
        }
    }

    /// `random phases` or `lockstep`.
    pub(super) fn phase(&self) -> &'static str {
        if self.aligned { "timers in lockstep" } else { "timers at random phases" }
    }

    /// `60 nodes in 3 regions, 0 % loss, 100 seeds, timers at random phases`.
    pub(super) fn setting(&self, seeds: usize) -> String {
        let regions = match self.regions {
            0 | 1 => String::new(),
            several => format!(" in {}", counted(several, "region")),
        };
        format!(
            "{}{regions}, {} % loss, {}, {}",
            counted(self.nodes, "node"),
            trimmed(100.0 * self.loss, 2),
            counted(seeds, "seed"),
            self.phase()
        )
    }
}

/// `1 seed`, `10,000 nodes`.
pub(super) fn counted(count: usize, thing: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", super::axis::thousands(number(count), 0))
}

/// A number without trailing zeros.
pub(super) fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A path that says nothing about the machine nor about where the command was given: the file name, in `scenarios/`
/// if it is in a folder of this name.
pub(super) fn portable(scenario: &Scenario) -> String {
    let file = scenario.file.as_path();
    let name = file
        .file_name()
        .map_or_else(|| format!("{}.toml", scenario.name), |it| it.display().to_string());
    let folder = file.parent().and_then(Path::file_name);
    if folder.is_some_and(|it| it == "scenarios") { format!("scenarios/{name}") } else { name }
}

/// The place of an expectation, `file:line` or `file (--set)`, with the portable path in place of the one it was read
/// from.
pub(super) fn portable_place(scenario: &Scenario, place: &str) -> String {
    let file = portable(scenario);
    match place.rsplit(':').next().unwrap_or_default() {
        line if line == "0" || place.ends_with(" (--set)") => format!("{file} (--set)"),
        line => format!("{file}:{line}"),
    }
}

fn mean_loss(scenario: &Scenario) -> f64 {
    let regions = scenario.network.regions.len().max(1);
    let mut population = vec![0.0; regions];
    for node in &scenario.nodes {
        if let Some(count) = population.get_mut(usize::from(node.region)) {
            *count += 1.0;
        }
    }
    let (mut lost, mut pairs) = (0.0, 0.0);
    for (index, link) in scenario.network.links.iter().enumerate() {
        let (from, to) = (index / regions, index % regions);
        let (Some(&sources), Some(&targets)) = (population.get(from), population.get(to)) else {
            continue;
        };
        let weight: f64 = if from == to { sources * (targets - 1.0) } else { sources * targets };
        lost += weight.max(0.0) * f64::from(link.loss_ppm);
        pairs += weight.max(0.0);
    }
    if pairs > 0.0 { lost / pairs / 1e6 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_do_not_tell_where_the_command_was_given() {
        let text = "title = \"T\"\nnodes = 2\nduration = \"1s\"\n";
        for (given, shown) in [
            ("scenarios/x.toml", "scenarios/x.toml"),
            ("../scenarios/x.toml", "scenarios/x.toml"),
            ("./scenarios/./x.toml", "scenarios/x.toml"),
            ("/home/somebody/scenarios/x.toml", "scenarios/x.toml"),
            ("/home/somebody/x.toml", "x.toml"),
            ("secret/x.toml", "x.toml"),
            ("x.toml", "x.toml"),
        ] {
            let scenario = crate::scenario::parse(text, Path::new(given), &[]).unwrap();
            assert_eq!(portable(&scenario), shown, "{given}");
            assert_eq!(portable_place(&scenario, &format!("{given}:7")), format!("{shown}:7"));
            for place in [format!("{given}:0"), format!("{given} (--set)")] {
                assert_eq!(portable_place(&scenario, &place), format!("{shown} (--set)"));
            }
        }
    }
}
