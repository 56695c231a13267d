//! The table of set-ups as a whole: all cases, what is not run, and what may differ.

use crate::acts::{Case, Difference};
use crate::agent_cases::AGENT_CASES;
use crate::command_cases::COMMAND_CASES;

/// The set-ups of all cases.
pub(crate) fn cases() -> impl Iterator<Item = &'static Case> {
    AGENT_CASES.iter().chain(COMMAND_CASES)
}

/// Cases that are not run, with the reason.
pub(crate) static NOT_RUN: &[(&str, &str)] = &[];

/// Deliberate differences of this project's program from the recordings.
pub(crate) static DIFFERENCES: &[Difference] = &[];

/// Values of the recordings that depend on how busy the machine is.
pub(crate) static LOOSE: &[(&str, &str)] = &[
    ("health_score = 0", "health_score = {N}"),
    ("\"health_score\": \"0\"", "\"health_score\": \"{N}\""),
];
