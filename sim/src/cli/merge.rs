//! `sim merge`: the parts of a sweep become the whole.

use std::path::PathBuf;

use clap::Args;

use super::{Console, Exit, sweep};
use crate::sweep::merge as join;

const EXAMPLES: &str = "\
Example:
  sim merge sweeps/part* --out sweeps/whole
      writes exactly the bytes that one sweep without --shard writes

Exit codes:
  0  done
  2  parts are missing, not finished, or not of one sweep; the output names them all
  3  a file could not be read or written";

/// Arguments of `sim merge`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct MergeArgs {
    /// Folders that `sim sweep --shard` wrote, all parts of one sweep
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Folder of the whole; made if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// No table
    #[arg(long)]
    quiet: bool,
}

pub(super) fn merge(args: &MergeArgs, console: &mut Console) -> Exit {
    match join(&args.dirs, &args.out) {
        Ok(table) => {
            if !args.quiet {
                table.lines().for_each(|line| console.line(line));
                console.line("");
                console.line(format!("results in {}", args.out.display()));
            }
            Exit::Met
        }
        Err(error) => sweep::failed(&error, console),
    }
}
