//! The command line: one file per command.

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command that `args` (the program's name first) ask for.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let _ = args.count();
    unimplemented!()
}
