//! The recorded cases as they lie in `tests/data`.
#![allow(dead_code, reason = "every test binary that includes this module uses another part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;

use serde::Deserialize;

/// `cli.json`.
#[derive(Deserialize)]
pub(crate) struct Recorded {
    pub(crate) cases: Vec<RecordedCase>,
}

/// One case: a cluster and the commands given to it.
#[derive(Deserialize)]
pub(crate) struct RecordedCase {
    pub(crate) case: String,
    pub(crate) steps: Vec<Step>,
}

/// One command, or one run of an agent.
#[derive(Deserialize)]
pub(crate) struct Step {
    pub(crate) argv: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Exit status; the negative number of the signal that ended it.
    pub(crate) exit: i32,
}

/// `cli-files.json`: per case the files it was given and the further captures, by label in the order taken.
pub(crate) type Files = BTreeMap<String, BTreeMap<String, Vec<String>>>;

pub(crate) fn recorded() -> Recorded {
    serde_json::from_str(include_str!("../data/cli.json")).unwrap()
}

/// The steps of one case.
pub(crate) fn steps(case: &str) -> Vec<Step> {
    let found = recorded().cases.into_iter().find(|recorded| recorded.case == case);
    found.unwrap_or_else(|| panic!("a case {case}")).steps
}

pub(crate) fn files() -> Files {
    serde_json::from_str(include_str!("../data/cli-files.json")).unwrap()
}
