//! `sim sweep`: a scenario at every point of a grid.

use std::path::PathBuf;

use clap::Args;

use super::run::Seeds;
use super::{Console, Exit, Sets, counted, progress};
use crate::runner;
use crate::sweep::{Axis, Grid, Order, Plan, Shard, Sweep, SweepError};

const EXAMPLES: &str = "\
Examples:
  sim sweep scenarios/52-nodes.toml --grid nodes=16,64,256 --grid network.loss=0,0.1,0.25 --out sweeps/loss
      nine points with the seeds of the file; start it again after a kill and it goes on where it stopped
  sim sweep scenarios/52-nodes.toml --grid config.gossip_nodes=2,3,4 --seeds 100 --shard 3/8 --out sweeps/part3
      the third of eight parts; `sim merge` joins them

A unit is one point with one seed; unit u belongs to shard i/n if u % n = i - 1. DIR holds afterwards:
  sweep.json     what was asked for; another sweep refuses the folder
  results.jsonl  one line of JSON per unit, in order
  table.csv      quantiles of every figure at every point
  table.md       the figures people look at first

Exit codes:
  0  done; expectations may have been missed: the table counts them
  2  the input is wrong, or DIR holds another sweep
  3  the machine failed: a file could not be written, threads are missing";

/// Arguments of `sim sweep`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SweepArgs {
    /// Scenario file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// An axis of the grid: network.loss=0,0.1,0.25. Commas inside quotes and brackets belong to the value
    #[arg(long, value_name = "KEY=VALUE,…")]
    grid: Vec<Axis>,
    /// Seeds instead of those in the file: a count (seeds 1 to N) or a range a..b
    #[arg(long, value_name = "N|a..b", value_parser = Seeds::parse)]
    seeds: Option<Seeds>,
    /// Units to run side by side; all cores unless given. The results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Only the i-th of n parts
    #[arg(long, value_name = "I/N", default_value = "1/1")]
    shard: Shard,
    /// Folder of results; made if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    sets: Sets,
    /// No progress and no table
    #[arg(long)]
    quiet: bool,
}

pub(super) fn sweep(args: &SweepArgs, console: &mut Console) -> Exit {
    let order = Order {
        file: args.file.clone(),
        sets: args.sets.sets.clone(),
        grid: Grid(args.grid.clone()),
        seeds: args.seeds.clone().map(|seeds| seeds.0),
        shard: args.shard,
    };
    let plan = match Plan::new(order) {
        Ok(plan) => plan,
        Err(problems) => return failed(&SweepError::Input(problems), console),
    };
    match run(&plan, args, console) {
        Ok(()) => Exit::Met,
        Err(error) => failed(&error, console),
    }
}

fn run(plan: &Plan, args: &SweepArgs, console: &mut Console) -> Result<(), SweepError> {
    let sweep = Sweep::open(plan, &args.out)?;
    let pending = sweep.pending();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = args.jobs.map_or(cores, usize::from);
    let available = runner::memory_available();
    let (bytes, nodes) = plan.largest;
    let jobs = runner::jobs_of((nodes, bytes), pending.len(), wanted, available);
    if let Some(limited) = jobs.limited.filter(|_| !args.quiet) {
        console.error(format!("{}: {limited}", plan.manifest.scenario));
    }
    let total = pending.iter().fold(0_u64, |sum, unit| sum.saturating_add(plan.duration(*unit)));
    let view = progress::Work {
        name: plan.manifest.scenario.clone(),
        noun: "units",
        runs: pending.len(),
        total,
    };
    let done = progress::shown_work(view, args.quiet, |progress| sweep.run(jobs.count, progress))?;
    if args.quiet {
        return Ok(());
    }
    let again = match done.resumed {
        0 => String::new(),
        resumed => format!(", {} of them from an earlier start", counted(resumed, "unit")),
    };
    let whole = if args.shard == Shard::WHOLE {
        String::new()
    } else {
        format!(" of shard {}", args.shard)
    };
    console.line(format!(
        "{}: {}{whole} at {}{again}",
        plan.manifest.scenario,
        counted(done.units, "unit"),
        counted(plan.manifest.grid.len(), "point")
    ));
    console.line("");
    done.table.lines().for_each(|line| console.line(line));
    console.line("");
    console.line(format!("results in {}", args.out.display()));
    if done.broken > 0 {
        console.line(format!("invariants were broken in {}", counted(done.broken, "unit")));
    }
    Ok(())
}

/// Prints what is wrong and says which exit code it means.
pub(super) fn failed(error: &SweepError, console: &mut Console) -> Exit {
    console.error(error.to_string());
    match error {
        SweepError::Input(_) => Exit::Input,
        SweepError::Disk { .. } | SweepError::Runs(_) | SweepError::Threads(_) => Exit::Failed,
    }
}
