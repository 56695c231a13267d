//! A capsule: one readable file with everything that is needed to see a broken invariant again.

use std::path::Path;

use serde::Deserialize;
use thiserror::Error;
use toml::Value;

use crate::scenario::{Nanos, format_duration};
use crate::swarm::document::Document;
use crate::swarm::trial::Failure;

/// Version of the format.
const FORMAT: u32 = 1;
/// First line of every capsule.
const HEAD: &str = "# A run that broke an invariant. See it again: sim replay FILE. Make it smaller: sim shrink FILE.";

/// The commit that this program was built from: 40 hexadecimal digits, or `unknown`.
pub const COMMIT: &str = env!("UWASA_COMMIT");

/// A run that broke an invariant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capsule {
    /// Version of the program that wrote it.
    pub version: String,
    /// Commit of the program that wrote it, or `unknown`.
    pub commit: String,
    /// Seed of the run.
    pub seed: u64,
    /// Its trace hash; `None`: it panicked before it had one.
    pub hash: Option<u64>,
    /// The broken invariant.
    pub invariant: String,
    /// When it was broken first, as a duration.
    pub at: String,
    /// How, in words.
    pub text: String,
    /// The scenario.
    pub scenario: String,
}

/// Why a file is no capsule.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CapsuleError {
    /// It is no TOML, or a key is missing or of the wrong kind.
    #[error("{0}")]
    Syntax(String),
    /// It was written by another version of the program.
    #[error(
        "format {0} is not known: this program reads format {FORMAT}; use the version that wrote it"
    )]
    Format(u32),
    /// The hash is no number.
    #[error("hash = \"{0}\" is no hash: it has 16 hexadecimal digits")]
    Hash(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    capsule: Head,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    version: String,
    commit: String,
    seed: u64,
    hash: Option<String>,
    invariant: String,
    at: String,
    text: String,
    scenario: String,
}

impl Capsule {
    /// The capsule of a run by this program.
    #[must_use]
    pub fn new(scenario: &str, seed: u64, hash: Option<u64>, failure: &Failure) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            commit: COMMIT.into(),
            seed,
            hash,
            invariant: failure.invariant.clone(),
            at: format_duration(failure.at),
            text: failure.text.clone(),
            scenario: scenario.into(),
        }
    }

    /// Whether a text claims to be a capsule and not a scenario.
    #[must_use]
    pub fn is_one(text: &str) -> bool {
        text.lines().any(|line| line.trim() == "[capsule]")
    }

    /// Reads a capsule.
    ///
    /// # Errors
    /// [`CapsuleError`] in words.
    pub fn parse(text: &str) -> Result<Self, CapsuleError> {
        let file: File =
            toml::from_str(text).map_err(|error| CapsuleError::Syntax(error.to_string()))?;
        let head = file.capsule;
        if head.format != FORMAT {
            return Err(CapsuleError::Format(head.format));
        }
        let hash = match head.hash {
            Some(text) => {
                Some(u64::from_str_radix(&text, 16).map_err(|_| CapsuleError::Hash(text.clone()))?)
            }
            None => None,
        };
        Ok(Self {
            version: head.version,
            commit: head.commit,
            seed: head.seed,
            hash,
            invariant: head.invariant,
            at: head.at,
            text: head.text,
            scenario: head.scenario,
        })
    }

    /// The text of the file.
    #[must_use]
    pub fn render(&self) -> String {
        let quoted = |text: &str| Value::String(text.into()).to_string();
        // A literal keeps the scenario readable; what cannot stand in one is escaped.
        let plain = |c: char| c == '\n' || !c.is_control();
        let scenario = if self.scenario.contains("'''") || !self.scenario.chars().all(plain) {
            quoted(&self.scenario)
        } else {
            format!("'''\n{}'''", self.scenario)
        };
        let hash = self.hash.map_or_else(String::new, |hash| format!("hash = \"{hash:016x}\"\n"));
        format!(
            "{HEAD}\n\n[capsule]\nformat = {FORMAT}\nversion = {}\ncommit = {}\nseed = {}\n\
             {hash}invariant = {}\nat = {}\ntext = {}\nscenario = {scenario}\n",
            quoted(&self.version),
            quoted(&self.commit),
            self.seed,
            quoted(&self.invariant),
            quoted(&self.at),
            quoted(&self.text),
        )
    }

    /// The command that shows the run again.
    #[must_use]
    pub fn replay_command(file: &Path) -> String {
        format!("sim replay {}", file.display())
    }
}

/// How large a scenario text is: hosts, `[[fault]]` blocks, and virtual time; `None`: the parser refuses it.
#[must_use]
pub fn size(text: &str) -> Option<(usize, usize, Nanos)> {
    let scenario = crate::scenario::parse(text, Path::new("capsule.toml"), &[]).ok()?;
    let faults = Document::parse(text).ok()?.blocks("fault").count();
    Some((scenario.nodes.len(), faults, scenario.duration))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capsule(scenario: &str) -> Capsule {
        let failure =
            Failure { invariant: "incarnation".into(), at: 1_500_000_000, text: "\"a\"\nb".into() };
        Capsule::new(scenario, 7, Some(0xab), &failure)
    }

    #[test]
    fn a_capsule_survives_its_own_text() {
        for scenario in ["title = \"T\"\n", "title = '''T'''\n", "title = \"µ\"\r\n"] {
            let capsule = capsule(scenario);
            assert!(Capsule::is_one(&capsule.render()));
            assert_eq!(Capsule::parse(&capsule.render()), Ok(capsule));
        }
    }

    #[test]
    fn a_scenario_is_no_capsule_and_a_later_format_is_refused() {
        assert!(!Capsule::is_one("title = \"T\"\n"));
        let text = capsule("").render().replace("format = 1", "format = 2");
        assert_eq!(Capsule::parse(&text), Err(CapsuleError::Format(2)));
    }
}
