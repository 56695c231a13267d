//! `sim replay`: one seed again, looked at closely.

use std::path::PathBuf;

use clap::Args;

use super::{Console, Exit, Sets, load_all, run, summary};

/// Arguments of `sim replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Scenario file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The seed to run
    #[arg(long, value_name = "S")]
    seed: u64,
    #[command(flatten)]
    sets: Sets,
}

pub(super) fn replay(args: &ReplayArgs, console: &mut Console) -> Exit {
    let files = std::slice::from_ref(&args.file);
    let Some(scenarios) = load_all(files, &args.sets.sets, console) else { return Exit::Input };
    let mut exit = Exit::Met;
    for scenario in &scenarios {
        match run::simulate(scenario, &[args.seed], Some(1), None, false, console) {
            Ok((results, outcome, _)) => {
                for line in
                    results.iter().flat_map(|result| summary::of_seed(scenario, &outcome, result))
                {
                    console.line(line);
                }
                // One seed decides here, whatever share of many would have been enough.
                let held = results.iter().flat_map(|it| &it.verdicts).all(|verdict| verdict.held);
                let broken = outcome.invariants.iter().any(|invariant| invariant.fail > 0);
                if !held || broken {
                    exit = exit.max(Exit::Missed);
                }
            }
            Err(error) => {
                console.error(format!("{}: {error}", scenario.file.display()));
                exit = exit.max(Exit::Failed);
            }
        }
    }
    exit
}
