//! `sim validate`: checks scenario files without running them.

use std::path::PathBuf;

use clap::Args;

use super::{Console, Exit, Sets, counted};
use crate::scenario::{format_duration, load};

/// Arguments of `sim validate`.
#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    sets: Sets,
}

pub(super) fn validate(args: &ValidateArgs, console: &mut Console) -> Exit {
    let mut exit = Exit::Met;
    for file in &args.files {
        match load(file, &args.sets.sets) {
            Ok(scenario) => console.line(format!(
                "{}: fine ({}, {}, {}, {}, config {:016x})",
                file.display(),
                counted(scenario.members().len(), "node"),
                format_duration(scenario.duration),
                counted(scenario.seeds.len(), "seed"),
                counted(scenario.expects.len(), "expectation"),
                scenario.config_hash
            )),
            Err(errors) => {
                console.error(errors.to_string());
                exit = Exit::Input;
            }
        }
    }
    exit
}
