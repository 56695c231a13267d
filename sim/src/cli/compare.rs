//! `sim compare`: two scenarios over the same seeds.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::run::{Seeds, simulate};
use super::{Console, Exit, counted};
use crate::compare::{Metric, PAIRS_WANTED, compare as paired, unpaired};
use crate::outcome::figure;
use crate::scenario::{Scenario, load};
use crate::sweep::Figures;

const EXAMPLES: &str = "\
Examples:
  sim compare scenarios/52-nodes.toml --set-b config.suspicion_mult=6 --seeds 50
      the same scenario with and without a change
  sim compare before.toml after.toml --seeds 40 --json
      two files, for machines

Every seed runs on both sides, and the differences are taken seed by seed: B minus A, the mean with a 95 % interval
(bootstrap), the number of seeds in which B is lower and higher, and p of the sign test.

Exit codes:
  0  compared
  2  the input is wrong
  3  the machine failed";

/// Arguments of `sim compare`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CompareArgs {
    /// Scenario file of side A
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Scenario file of side B; A once more unless given
    #[arg(value_name = "B")]
    b: Option<PathBuf>,
    /// Seeds instead of those in A: a count (seeds 1 to N) or a range a..b
    #[arg(long, value_name = "N|a..b", value_parser = Seeds::parse)]
    seeds: Option<Seeds>,
    /// Seeds to run side by side; all cores unless given. The results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Change a value on both sides: network.loss=0.25
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Change a value of A only
    #[arg(long = "set-a", value_name = "KEY=VALUE")]
    sets_a: Vec<String>,
    /// Change a value of B only
    #[arg(long = "set-b", value_name = "KEY=VALUE")]
    sets_b: Vec<String>,
    /// Print the comparison as JSON and nothing else
    #[arg(long)]
    json: bool,
    /// No progress
    #[arg(long)]
    quiet: bool,
}

/// The comparison as `--json` prints it.
#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    a: Side<'a>,
    b: Side<'a>,
    seeds: &'a [u64],
    metrics: &'a [Metric],
    /// Figures that only one side has.
    only_a: &'a [String],
    only_b: &'a [String],
}

#[derive(Serialize)]
struct Side<'a> {
    file: &'a PathBuf,
    sets: &'a [String],
    config_hash: String,
}

pub(super) fn compare(args: &CompareArgs, console: &mut Console) -> Exit {
    let sets = |own: &[String]| [args.sets.as_slice(), own].concat();
    let sets = [sets(&args.sets_a), sets(&args.sets_b)];
    let files = [&args.a, args.b.as_ref().unwrap_or(&args.a)];
    if args.b.is_none() && sets[0] == sets[1] {
        console.error("both sides are the same: name a second file, or give --set-a or --set-b");
        return Exit::Input;
    }
    let loaded = [load(files[0], &sets[0]), load(files[1], &sets[1])];
    for errors in loaded.iter().filter_map(|loaded| loaded.as_ref().err()) {
        console.error(errors.to_string());
    }
    let [Ok(a), Ok(b)] = loaded else { return Exit::Input };
    let seeds = args.seeds.as_ref().map_or_else(|| a.seeds.clone(), |seeds| seeds.0.clone());
    let mut figures = Vec::new();
    for scenario in [&a, &b] {
        match simulate(scenario, &seeds, args.jobs, None, args.json || args.quiet, console) {
            Ok((results, ..)) => figures
                .push(results.iter().map(|it| Figures::of(scenario, it)).collect::<Vec<Figures>>()),
            Err(error) => {
                console.error(format!("{}: {error}", scenario.file.display()));
                return Exit::Failed;
            }
        }
    }
    let metrics = paired(&figures[0], &figures[1]);
    let [only_a, only_b] = unpaired(&figures[0], &figures[1]);
    if args.json {
        let side = |scenario: &'_ Scenario| format!("{:016x}", scenario.config_hash);
        let document = Document {
            schema: 1,
            a: Side { file: files[0], sets: &sets[0], config_hash: side(&a) },
            b: Side { file: files[1], sets: &sets[1], config_hash: side(&b) },
            seeds: &seeds,
            metrics: &metrics,
            only_a: &only_a,
            only_b: &only_b,
        };
        match serde_json::to_string(&document) {
            Ok(text) => console.line(text),
            Err(error) => console.error(format!("the comparison has no JSON form: {error}")),
        }
        return Exit::Met;
    }
    for (letter, file, sets) in [("A", files[0], &sets[0]), ("B", files[1], &sets[1])] {
        let sets: String = sets.iter().map(|set| format!(" --set {set}")).collect();
        console.line(format!("{letter}: {}{sets}", file.display()));
    }
    console.line(format!("{}, the same on both sides", counted(seeds.len(), "seed")));
    console.line("");
    table(&metrics).iter().for_each(|line| console.line(line));
    for (letter, names) in [("A", &only_a), ("B", &only_b)] {
        if !names.is_empty() {
            console.line(format!("only in {letter}: {}", names.join(", ")));
        }
    }
    if seeds.len() < PAIRS_WANTED {
        console.line(format!(
            "fewer than {PAIRS_WANTED} seeds: the intervals are narrower than they should be"
        ));
    }
    Exit::Met
}

fn table(metrics: &[Metric]) -> Vec<String> {
    let width = metrics.iter().map(|metric| metric.name.len()).max().unwrap_or(0);
    let line = |metric: &Metric| {
        let decimals = if metric.unit == "B/s" { 0 } else { 3 };
        let side = |value: Option<f64>| figure(value, decimals, "");
        format!(
            "{:width$}  {:>9} -> {:>9}  {}",
            metric.name,
            side(metric.a.median),
            side(metric.b.median),
            metric.words
        )
    };
    let head = format!("{:width$}  {:>9} -> {:>9}  {}", "", "median A", "median B", "B against A");
    std::iter::once(head).chain(metrics.iter().map(line)).collect()
}
