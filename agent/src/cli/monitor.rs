//! `monitor`: shows log records and events as they come.

use std::process::ExitCode;

use super::call::Call;

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let _ = call;
    unimplemented!()
}
