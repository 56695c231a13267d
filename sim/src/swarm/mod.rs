//! Whole random scenarios, each from one seed.
//!
//! A seed first decides which faults, features and workloads exist at all (swarm testing: Groce and others, ISSTA 2012),
//! then draws what happens as a plain list of actions with times. The result is a scenario text like any other.

pub mod campaign;
pub mod document;
mod draft;
mod draw;
mod faults;
mod shape;
mod tally;
pub mod trial;
mod work;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use toml::Value;

pub use tally::Tally;

use crate::scenario::{Nanos, format_duration};
use document::Document;
use draft::Draft;
use draw::Draws;

/// What every scenario of a swarm has in common.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// How many nodes; 2 to 64. Small clusters are drawn more often.
    pub nodes: RangeInclusive<u32>,
    /// A planted protocol bug, by name.
    pub mutant: Option<String>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { nodes: 3..=16, mutant: None }
    }
}

/// A random scenario.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The seed that it was made from; the run has the same.
    pub seed: u64,
    /// The scenario.
    pub document: Document,
    /// What is in it, in words: `fault crash`, `config encrypt`, `work query`.
    pub labels: BTreeSet<&'static str>,
}

/// Makes the scenario of a seed. It depends on nothing else but `bounds`, and the parser accepts it.
#[must_use]
pub fn generate(seed: u64, bounds: &Bounds) -> Generated {
    let draws = Draws::new(seed);
    let mut labels = BTreeSet::new();
    let shape = shape::draw(&draws, bounds, &mut labels);
    let mut draft = Draft::new(&shape, labels);
    faults::draw(&draws, &shape, &mut draft);
    work::draw(&draws, &shape, &mut draft);
    let duration = draft.calm.saturating_add(shape.calm);
    let mut document = Document::default();
    let head = [
        ("title", Value::String(format!("Swarm, seed {seed}"))),
        ("description", Value::String(description(draft.calm))),
        ("duration", document::span(duration)),
        ("nodes", Value::Integer(shape.nodes.into())),
    ];
    document.0.extend(document::table(head));
    document.0.extend(shape.top);
    let Draft { faults, works, hosts, labels, .. } = draft;
    document.set_blocks("link", shape.links);
    document.set_blocks("node", shape.blocks.into_iter().chain(hosts).collect());
    document.set_blocks("fault", in_time(faults));
    document.set_blocks("work", in_time(works));
    Generated { seed, document, labels }
}

fn description(calm: Nanos) -> String {
    format!("Made by sim swarm. Faults end by {}; what follows is calm.", format_duration(calm))
}

fn in_time(mut blocks: Vec<(Nanos, toml::Table)>) -> Vec<toml::Table> {
    blocks.sort_by_key(|(at, _)| *at);
    blocks.into_iter().map(|(_, block)| block).collect()
}
