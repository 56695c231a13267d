//! `agent`: runs an agent until it is told to stop.

use std::process::ExitCode;

use super::call::{Call, print, print_error};
use crate::life;

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    life::run(call.words()).unwrap_or_else(|error| {
        if !error.0.is_empty() {
            print_error(&format!("{error}\n"));
        }
        // What the agent prints goes through its own writer, which marks it.
        print(&format!("==> {}", call.help()));
        ExitCode::FAILURE
    })
}
