//! `sim overlay`: what real agents measured over what the simulator says.

use std::path::PathBuf;

use clap::Args;

use super::run::{Seeds, simulate};
use super::{Console, Exit, Sets, load_all};
use crate::report::overlay::{self, OverlayError};

/// Arguments of `sim overlay`.
#[derive(Debug, Args)]
pub(super) struct OverlayArgs {
    /// Scenario file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Measurements: lines of the reports that `agent swarm -report` writes, of any number of runs
    #[arg(long, value_name = "FILE")]
    measured: PathBuf,
    /// Seeds instead of those in the file: a count (seeds 1 to N) or a range a..b
    #[arg(long, value_name = "N|a..b", value_parser = Seeds::parse)]
    seeds: Option<Seeds>,
    /// Where the pictures go
    #[arg(long, value_name = "DIR", default_value = "reports/validation")]
    out: PathBuf,
    #[command(flatten)]
    sets: Sets,
}

pub(super) fn overlay(args: &OverlayArgs, console: &mut Console) -> Exit {
    let files = std::slice::from_ref(&args.file);
    let Some(scenarios) = load_all(files, &args.sets.sets, console) else { return Exit::Input };
    let mut exit = Exit::Met;
    for scenario in &scenarios {
        let seeds = args.seeds.as_ref().map_or(scenario.seeds.as_slice(), |seeds| &seeds.0);
        let results = match simulate(scenario, seeds, None, None, false, console) {
            Ok((results, _, _)) => results,
            Err(error) => {
                console.error(format!("{}: {error}", scenario.file.display()));
                return Exit::Failed;
            }
        };
        match overlay::write(scenario, &results, &args.measured, &args.out) {
            Ok(overlay) => {
                console.line(&overlay.table);
                overlay.files.iter().for_each(|file| console.line(file.display().to_string()));
            }
            Err(error) => {
                console.error(error.to_string());
                exit = exit.max(match error {
                    OverlayError::Measured(_) => Exit::Input,
                    OverlayError::Report(_) => Exit::Failed,
                });
            }
        }
    }
    exit
}
