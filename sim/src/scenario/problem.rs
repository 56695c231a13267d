//! What is wrong with a scenario: every problem at once, each with its place, key, rule and fix.

use std::fmt;
use std::path::{Path, PathBuf};

/// Every problem of one scenario, ready to print: one message per line, in order of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioErrors {
    /// The file, as it was named.
    pub file: PathBuf,
    /// One message per problem, at least one: `scenarios/x.toml:14:1: fault[2].partition: …`.
    pub messages: Vec<String>,
}

impl fmt::Display for ScenarioErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.messages.join("\n"))
    }
}

impl std::error::Error for ScenarioErrors {}

/// Where a value was written. Ordered as problems are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// In the file; both count from 1.
    Text {
        /// Line.
        line: usize,
        /// Column, in characters.
        column: usize,
    },
    /// By the `--set` with this index.
    Flag(usize),
}

impl Place {
    /// Line in the file; 0 for a value that came from the command line.
    pub(super) fn line(self) -> usize {
        match self {
            Self::Text { line, .. } => line,
            Self::Flag(_) => 0,
        }
    }
}

/// Turns byte offsets into places.
pub(super) struct Lines {
    starts: Vec<usize>,
}

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self { starts: std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect() }
    }

    pub(super) fn place(&self, text: &str, offset: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let column = text.get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        Place::Text { line, column }
    }
}

/// Collects problems while a document is read.
pub(super) struct Problems<'a> {
    file: &'a Path,
    sets: &'a [String],
    found: Vec<(Place, String)>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(file: &'a Path, sets: &'a [String]) -> Self {
        Self { file, sets, found: Vec::new() }
    }

    /// A problem of the value under `path`.
    pub(super) fn add(&mut self, place: Place, path: &str, text: impl fmt::Display) {
        let whence = match place {
            Place::Text { line, column } => format!("{}:{line}:{column}", self.file.display()),
            Place::Flag(index) => {
                format!("--set {}", shortened(self.sets.get(index).map_or("", String::as_str)))
            }
        };
        let message = if path.is_empty() {
            format!("{whence}: {text}")
        } else {
            format!("{whence}: {path}: {text}")
        };
        let message = printable(&message);
        if !self.found.iter().any(|(_, known)| *known == message) {
            self.found.push((place, message));
        }
    }

    /// How many so far.
    pub(super) const fn len(&self) -> usize {
        self.found.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// All of them, in order of the file, those of the command line last.
    pub(super) fn into_errors(mut self) -> ScenarioErrors {
        self.found.sort_by_key(|(place, _)| *place);
        ScenarioErrors {
            file: self.file.to_owned(),
            messages: self.found.into_iter().map(|(_, message)| message).collect(),
        }
    }
}

/// The text with control characters written out: what a file says must not steer a terminal.
fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    text.chars().map(escaped).collect()
}

/// The text, or as much of it as one line of a message can take.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 120;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.into(),
    }
}

/// The candidate that `word` was most likely meant to be, if any is close.
pub(super) fn closest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = match word.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `a, b or c`.
pub(super) fn one_of<T: fmt::Display>(choices: &[T]) -> String {
    match choices {
        [] => String::new(),
        [only] => only.to_string(),
        [most @ .., last] => {
            let most: Vec<String> = most.iter().map(ToString::to_string).collect();
            format!("{} or {last}", most.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_not_bytes() {
        let text = "a = 1\nbµ = 2\n";
        let lines = Lines::new(text);
        assert_eq!(lines.place(text, 0), Place::Text { line: 1, column: 1 });
        assert_eq!(lines.place(text, 6), Place::Text { line: 2, column: 1 });
        assert_eq!(lines.place(text, 12), Place::Text { line: 2, column: 6 });
    }

    #[test]
    fn a_typo_finds_its_key_and_nonsense_finds_none() {
        let keys = ["duration", "nodes", "network"];
        assert_eq!(closest("durations", keys), Some("duration"));
        assert_eq!(closest("netwrok", keys), Some("network"));
        assert_eq!(closest("zebra", keys), None);
    }
}
