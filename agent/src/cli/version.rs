//! `version`: which version this is, and which protocol versions it speaks.

use std::process::ExitCode;

use super::call::{Call, Program, print};

/// What Serf 0.9.4 calls itself; scripts that ask for the version know it.
const SERF_VERSION: &str = "0.8.2-dev";

/// Runs the command; words do not matter.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let version = match call.program() {
        Program::Own => env!("CARGO_PKG_VERSION"),
        Program::Serf => SERF_VERSION,
    };
    print(&format!("{version}\nAgent Protocol: 5 (Understands back to: 2)\n"));
    ExitCode::SUCCESS
}
