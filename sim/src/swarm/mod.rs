//! Whole random scenarios, each from one seed.
//!
//! A seed first decides which faults, features and workloads exist at all (swarm testing: Groce and others, ISSTA 2012),
//! then draws what happens as a plain list of actions with times. The result is a scenario text like any other.

pub mod campaign;
pub mod document;
mod draft;
mod draw;
mod faults;
mod last;
mod shape;
mod tally;
pub mod trial;
mod work;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;

use toml::Value;

pub use tally::{Tally, Verdicts};

use crate::check::limits::Limits;
use crate::scenario::{Nanos, format_duration, parse};
use document::Document;
use draft::Draft;
use draw::{Draws, SECOND};

/// Longest calm.
const CALM_MAX: Nanos = 300 * SECOND;
/// What a calm has on top of what is due in it.
const CALM_MARGIN: Nanos = 5 * SECOND;

/// What every scenario of a swarm has in common.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// How many nodes; 3 to 64. Small clusters are drawn more often.
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
    last::draw(&draws, &shape, &mut draft);
    let mut document = Document::default();
    let head = [
        ("title", Value::String(format!("Swarm, seed {seed}"))),
        ("description", Value::String(description(draft.calm))),
        ("duration", document::span(draft.calm.saturating_add(CALM_MAX))),
        ("nodes", Value::Integer(shape.nodes.into())),
    ];
    document.0.extend(document::table(head));
    document.0.extend(shape.top);
    let stay = draft.free(draft.calm, Nanos::MAX);
    let gone = draft.gone_len();
    let Draft { faults, works, hosts, mut labels, calm, .. } = draft;
    document.set_blocks("link", shape.links);
    document.set_blocks("node", shape.blocks.into_iter().chain(hosts).collect());
    document.set_blocks("fault", in_time(faults));
    let mut works = in_time(works);
    document.set_blocks("work", works.clone());
    let due = Due::of(&document, gone);
    let mut end = calm.saturating_add(due.agreed);
    if let Some(event) = due.spread.and_then(|_| work::late(&draws, &stay, end)) {
        labels.insert("work event in agreement");
        end = end.saturating_add(due.spread.unwrap_or(0)).next_multiple_of(SECOND);
        works.push(event);
        document.set_blocks("work", works);
    }
    document.0.insert("duration".into(), document::span(end));
    Generated { seed, document, labels }
}

/// How long the calm must be for everything to fall due in it.
struct Due {
    /// Until all agree. Slow settings in large clusters get less: there it stays unknown.
    agreed: Nanos,
    /// Until an event that is sent then has reached everybody; `None`: it is not known when all agree.
    spread: Option<Nanos>,
}

impl Due {
    /// Of a scenario in which so many nodes go for good.
    fn of(document: &Document, gone: usize) -> Self {
        let parsed = parse(&document.render(), Path::new("swarm.toml"), &[]);
        let limits = parsed.ok().as_ref().and_then(Limits::of);
        let agreed = limits.map_or(CALM_MAX, |limits| limits.convergence(gone.max(1)));
        let agreed = agreed.saturating_add(CALM_MARGIN);
        let spread = limits.filter(|_| agreed <= CALM_MAX);
        Self {
            agreed: agreed.min(CALM_MAX).next_multiple_of(SECOND),
            spread: spread.map(|limits| limits.dissemination().saturating_add(CALM_MARGIN)),
        }
    }
}

fn description(calm: Nanos) -> String {
    format!("Made by sim swarm. Faults end by {}; what follows is calm.", format_duration(calm))
}

fn in_time(mut blocks: Vec<(Nanos, toml::Table)>) -> Vec<toml::Table> {
    blocks.sort_by_key(|(at, _)| *at);
    blocks.into_iter().map(|(_, block)| block).collect()
}
