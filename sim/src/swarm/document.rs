//! A scenario as a tree of TOML that can be built, changed and written out as a person would write it.

use toml::{Table, Value};

use crate::scenario::{Nanos, format_duration};

/// Keys whose values are blocks of their own, in the order in which they are written.
const BLOCKS: [&str; 5] = ["link", "node", "fault", "work", "expect"];
/// Keys that come first in the file and in each block, where they are there.
const FIRST: [&str; 9] =
    ["title", "description", "duration", "nodes", "start", "phase", "at", "for", "until"];

/// A scenario document.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Document(pub Table);

impl Document {
    /// Reads a text.
    ///
    /// # Errors
    /// What the TOML parser says.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error: toml::de::Error| error.to_string())
    }

    /// The text of the document. Equal documents have equal texts.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        let is_block = |key: &str, value: &Value| {
            BLOCKS.contains(&key)
                && value.as_array().is_some_and(|all| all.iter().all(Value::is_table))
        };
        let plain = self.0.iter().filter(|(key, value)| !is_block(key, value));
        lines(&plain.collect::<Vec<_>>(), &mut text);
        for key in BLOCKS {
            for block in self.blocks(key) {
                text.push_str(&format!("\n[[{key}]]\n"));
                lines(&block.iter().collect::<Vec<_>>(), &mut text);
            }
        }
        text
    }

    /// The blocks under `key`, such as `fault`.
    pub fn blocks<'a>(&'a self, key: &str) -> impl Iterator<Item = &'a Table> + use<'a> {
        let all = self.0.get(key).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        all.iter().filter_map(Value::as_table)
    }

    /// Replaces the blocks under `key`; none takes the key away.
    pub fn set_blocks(&mut self, key: &str, blocks: Vec<Table>) {
        if blocks.is_empty() {
            self.0.remove(key);
        } else {
            let values = blocks.into_iter().map(Value::Table).collect();
            self.0.insert(key.into(), Value::Array(values));
        }
    }
}

/// `key = value` for each, the usual keys first.
fn lines(pairs: &[(&String, &Value)], text: &mut String) {
    let rank = |key: &str| FIRST.iter().position(|first| *first == key).unwrap_or(FIRST.len());
    let mut pairs = pairs.to_vec();
    pairs.sort_by_key(|(key, _)| rank(key));
    for (key, value) in pairs {
        text.push_str(&format!("{key} = {value}\n"));
    }
}

/// A table of these pairs.
pub(crate) fn table<const N: usize>(pairs: [(&str, Value); N]) -> Table {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// A duration as scenarios write it.
pub(crate) fn span(nanos: Nanos) -> Value {
    Value::String(format_duration(nanos))
}

/// A share of so many millionths.
pub(crate) fn share(ppm: u32) -> Value {
    Value::Float(f64::from(ppm) / 1_000_000.0)
}

/// A list of texts.
pub(crate) fn texts<T: Into<String>>(all: impl IntoIterator<Item = T>) -> Value {
    Value::Array(all.into_iter().map(|text| Value::String(text.into())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_survives_its_own_text() {
        let text = "title = \"T\"\nduration = \"10s\"\nnodes = 3\n\n[network]\nloss = 0.25\n\n[[fault]]\nfor = \"1s\"\n\
                    at = \"2s\"\ndegrade = { loss = 0.5 }\n";
        let document = Document::parse(text).expect("valid TOML");
        let rendered = document.render();
        assert_eq!(Document::parse(&rendered), Ok(document));
        assert_eq!(
            rendered,
            "title = \"T\"\nduration = \"10s\"\nnodes = 3\nnetwork = { loss = 0.25 }\n\n[[fault]]\nat = \"2s\"\n\
             for = \"1s\"\ndegrade = { loss = 0.5 }\n"
        );
    }
}
