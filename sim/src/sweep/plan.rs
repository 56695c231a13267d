//! What a sweep will do: every point checked before anything runs, and the manifest that tells one sweep from another.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::grid::{Grid, Point, Shard};
use crate::runner::world_bytes;
use crate::scenario::{Nanos, Scenario, ScenarioErrors, parse};
use crate::world;

/// Most units of one sweep.
const UNITS_MAX: usize = 1_000_000;
/// Version of the files that a sweep writes.
const SCHEMA: u32 = 1;

/// A small cluster with a crash, an event and a leave. Programs that give it the same trace hash behave the same, as far
/// as a short run can tell.
const CANARY: &str = r#"
title = "Canary"
nodes = 6
duration = "12s"
network = { latency = { low = "1ms", high = "5ms" }, loss = 0.05 }
work = [{ at = "1s", event = "canary" }, { at = "2s", leave = ["host2"] }]
fault = [{ at = "3s", crash = ["host3"] }]
"#;

/// What a sweep was asked to do.
#[derive(Clone, Debug)]
pub struct Order {
    /// The scenario file.
    pub file: PathBuf,
    /// Changes that apply to every point, `key=value`.
    pub sets: Vec<String>,
    /// The grid.
    pub grid: Grid,
    /// The seeds; `None`: those in the file.
    pub seeds: Option<Vec<u64>>,
    /// Which part of it.
    pub shard: Shard,
}

/// A checked sweep.
#[derive(Clone, Debug)]
pub struct Plan {
    order: Order,
    text: String,
    /// What is written beside the results.
    pub manifest: Manifest,
    /// Bytes and nodes of the largest world.
    pub largest: (u64, usize),
    /// Virtual time of each point.
    pub durations: Vec<Nanos>,
}

/// Says which sweep a folder holds. Two folders hold parts of one sweep exactly if all but `shard` is equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the files.
    pub schema: u32,
    /// Version of the program.
    pub version: String,
    /// Trace hash of a fixed small run: programs that behave differently differ here.
    pub behaviour: String,
    /// Name of the scenario.
    pub scenario: String,
    /// Hash of the resolved scenario and its expectations at every point.
    pub scenario_hash: String,
    /// The grid.
    pub grid: Grid,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Which part of the sweep.
    pub shard: Shard,
    /// Units of all parts together.
    pub units: usize,
}

impl Manifest {
    /// Indexes of the units of this part.
    pub fn own_units(&self) -> impl Iterator<Item = usize> {
        let shard = self.shard;
        (0..self.units).filter(move |unit| shard.holds(*unit))
    }

    /// Point and seed of a unit; `None` for an index that the sweep does not have.
    #[must_use]
    pub fn unit(&self, unit: usize) -> Option<(Point, u64)> {
        let seed = self.seeds.get(unit.checked_rem(self.seeds.len())?)?;
        (unit < self.units).then(|| (self.grid.point(unit / self.seeds.len()), *seed))
    }

    /// A unit in words: `nodes=64 network.loss=0.1, seed 3`.
    #[must_use]
    pub fn unit_in_words(&self, unit: usize) -> String {
        match self.unit(unit) {
            Some((point, seed)) => format!("{point}, seed {seed}"),
            None => format!("unit {unit}"),
        }
    }

    /// In what `other` is another sweep, one sentence each; the shard is not looked at.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, here: String, there: String| {
            if here != there {
                found.push(format!("{what}: {here} there, {there} here"));
            }
        };
        compare("format of the files", self.schema.to_string(), other.schema.to_string());
        compare("version of sim", self.version.clone(), other.version.clone());
        compare("behaviour of sim (trace hash)", self.behaviour.clone(), other.behaviour.clone());
        compare("scenario", self.scenario.clone(), other.scenario.clone());
        compare("grid", grid_in_words(&self.grid), grid_in_words(&other.grid));
        compare("seeds", seeds_in_words(&self.seeds), seeds_in_words(&other.seeds));
        if self.grid == other.grid {
            compare("scenario hash", self.scenario_hash.clone(), other.scenario_hash.clone());
        }
        found
    }
}

impl Plan {
    /// Checks every point.
    ///
    /// # Errors
    /// Every problem of the order and of every point, ready to print.
    pub fn new(order: Order) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        if let Some(key) = order.grid.key_twice() {
            problems.push(format!("--grid {key}: there twice: give all values to one --grid"));
        }
        let points = order.grid.len();
        let text = match fs::read_to_string(&order.file) {
            Ok(text) if problems.is_empty() && points <= UNITS_MAX => text,
            Ok(_) if points > UNITS_MAX => {
                problems
                    .push(format!("--grid: {points} points, and a sweep has at most {UNITS_MAX}"));
                return Err(problems);
            }
            Ok(_) => return Err(problems),
            Err(error) => {
                problems.push(format!("{}: cannot be read: {error}", order.file.display()));
                return Err(problems);
            }
        };
        let mut checked = Checked::default();
        for index in 0..points {
            let point = order.grid.point(index);
            match parse_point(&text, &order, &point) {
                Ok(scenario) => checked.take(scenario),
                Err(errors) => checked.refuse(&point, errors),
            }
        }
        problems.extend(checked.problems(&order.grid));
        let seeds = order.seeds.clone().unwrap_or_else(|| checked.seeds.clone());
        let units = points.saturating_mul(seeds.len());
        if units > UNITS_MAX {
            problems.push(format!(
                "--grid and --seeds: {points} points with {} seeds are {units} runs, and a sweep has at most {UNITS_MAX}",
                seeds.len()
            ));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let manifest = Manifest {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            behaviour: behaviour(),
            scenario: order.file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            scenario_hash: format!("{:016x}", checked.hasher.digest()),
            grid: order.grid.clone(),
            seeds,
            shard: order.shard,
            units,
        };
        let Checked { largest, durations, .. } = checked;
        Ok(Self { order, text, manifest, largest, durations })
    }

    /// The scenario of a point.
    ///
    /// # Errors
    /// None for a point of this plan, which was checked.
    pub fn scenario(&self, point: &Point) -> Result<Scenario, ScenarioErrors> {
        parse_point(&self.text, &self.order, point)
    }

    /// Virtual time of a unit.
    #[must_use]
    pub fn duration(&self, unit: usize) -> Nanos {
        let point = unit.checked_div(self.manifest.seeds.len()).unwrap_or(0);
        self.durations.get(point).copied().unwrap_or(0)
    }
}

fn parse_point(text: &str, order: &Order, point: &Point) -> Result<Scenario, ScenarioErrors> {
    let sets: Vec<String> = order.sets.iter().cloned().chain(point.sets()).collect();
    parse(text, &order.file, &sets)
}

/// What the points have in common, and what is wrong with them.
#[derive(Default)]
struct Checked {
    hasher: Xxh3,
    seeds: Vec<u64>,
    /// Bytes and nodes of the largest world.
    largest: (u64, usize),
    durations: Vec<Nanos>,
    /// Each message once, in order, with the first point that has it and how many have it.
    refused: Vec<(String, Point, usize)>,
    known: BTreeMap<String, usize>,
}

impl Checked {
    fn take(&mut self, scenario: Scenario) {
        self.hasher.update(&scenario.config_hash.to_le_bytes());
        for expect in &scenario.expects {
            self.hasher.update(format!("{:?} {}\n", expect.kind, expect.seeds_ppm).as_bytes());
        }
        let largest = (world_bytes(&scenario), scenario.nodes.len());
        self.largest = self.largest.max(largest);
        self.durations.push(scenario.duration);
        if self.seeds.is_empty() {
            self.seeds = scenario.seeds;
        }
    }

    fn refuse(&mut self, point: &Point, errors: ScenarioErrors) {
        for message in errors.messages {
            let at = *self.known.entry(message.clone()).or_insert(self.refused.len());
            match self.refused.get_mut(at) {
                Some((_, _, points)) => *points += 1,
                None => self.refused.push((message, point.clone(), 1)),
            }
        }
    }

    fn problems(&self, grid: &Grid) -> Vec<String> {
        let of_axis = |message: &str| {
            let flag = message.strip_prefix("--set ");
            let axis = |flag: &str| grid.0.iter().any(|axis| flag.starts_with(&axis.key));
            flag.filter(|flag| axis(flag)).map(|flag| format!("--grid {flag}"))
        };
        let words = |(message, first, count): &(String, Point, usize)| {
            // The message says all if it names the value itself.
            if let Some(message) = of_axis(message) {
                return message;
            }
            match count {
                _ if *count == grid.len() => message.clone(),
                1 => format!("{message} (at {first})"),
                2 => format!("{message} (at {first} and 1 other point)"),
                more => format!("{message} (at {first} and {} other points)", more - 1),
            }
        };
        self.refused.iter().map(words).collect()
    }
}

/// Trace hash of the small run that every manifest carries.
fn behaviour() -> String {
    match parse(CANARY, Path::new("canary.toml"), &[]) {
        Ok(scenario) => format!("{:016x}", world::run(&scenario, 1, &mut |_| {}).trace_hash),
        Err(errors) => errors.to_string(),
    }
}

fn grid_in_words(grid: &Grid) -> String {
    if grid.0.is_empty() {
        return "none".into();
    }
    let axis = |axis: &super::grid::Axis| format!("{}={}", axis.key, axis.values.join(","));
    grid.0.iter().map(axis).collect::<Vec<String>>().join(" ")
}

/// `1..20`, `3, 7, 10..12`.
fn seeds_in_words(seeds: &[u64]) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &seed in seeds {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(seed) => *last = seed,
            _ => runs.push((seed, seed)),
        }
    }
    let words = |&(low, high): &(u64, u64)| {
        if low == high { low.to_string() } else { format!("{low}..{high}") }
    };
    runs.iter().map(words).collect::<Vec<String>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canary_is_a_scenario() {
        assert_eq!(behaviour().len(), 16, "{}", behaviour());
        assert_eq!(behaviour(), behaviour());
    }

    #[test]
    fn seeds_are_told_as_ranges() {
        assert_eq!(seeds_in_words(&[3, 7, 8, 9, 1]), "3, 7..9, 1");
    }
}
