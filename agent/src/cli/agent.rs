//! `agent`: runs an agent until it is told to stop.

use std::process::ExitCode;

use super::call::Call;

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let _ = call;
    unimplemented!()
}
