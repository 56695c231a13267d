//! The recorded cases as they lie in `tests/data`.

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

pub(crate) fn files() -> Files {
    serde_json::from_str(include_str!("../data/cli-files.json")).unwrap()
}
