//! `keygen`: a new key for encrypting gossip.

use std::process::ExitCode;

use super::call::{Call, print};
use crate::go::base64;

/// Bytes of a key: AES-256.
const KEY_LENGTH: usize = 32;

/// Runs the command; words do not matter.
pub(super) fn run(_call: &Call<'_>) -> ExitCode {
    let mut key = [0; KEY_LENGTH];
    match getrandom::fill(&mut key) {
        Ok(()) => {
            print(&format!("{}\n", base64::encode(&key)));
            ExitCode::SUCCESS
        }
        Err(error) => {
            print(&format!("Error reading random data: {error}\n"));
            ExitCode::FAILURE
        }
    }
}
