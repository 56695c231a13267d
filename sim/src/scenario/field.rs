//! Reading tables and typed values from a document; every refusal names key, value, rule and fix.

use super::document::{Entry, Item, Value};
use super::problem::{Place, Problems, closest, one_of};
use super::units::{parse_duration, parse_share, parse_size};
use crate::scenario::Nanos;

/// A value and the path that leads to it.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    pub(super) item: &'a Item,
    pub(super) path: String,
}

impl<'a> Field<'a> {
    pub(super) fn place(&self) -> Place {
        self.item.place
    }

    /// Reports a problem of this value.
    pub(super) fn refuse(&self, text: impl std::fmt::Display, problems: &mut Problems<'_>) {
        problems.add(self.item.place, &self.path, text);
    }

    fn wrong_kind(&self, wanted: &str, problems: &mut Problems<'_>) {
        self.refuse(format!("is {}, and must be {wanted}", self.item.value.kind()), problems);
    }

    pub(super) fn string(&self, wanted: &str, problems: &mut Problems<'_>) -> Option<&'a str> {
        if let Value::String(text) = &self.item.value {
            return Some(text);
        }
        self.wrong_kind(wanted, problems);
        None
    }

    pub(super) fn boolean(&self, problems: &mut Problems<'_>) -> Option<bool> {
        if let Value::Bool(value) = self.item.value {
            return Some(value);
        }
        self.wrong_kind("true or false", problems);
        None
    }

    /// A whole number in `low..=high`.
    pub(super) fn integer(&self, low: u64, high: u64, problems: &mut Problems<'_>) -> Option<u64> {
        let Value::Integer(number) = self.item.value else {
            self.wrong_kind(&format!("a whole number from {low} to {high}"), problems);
            return None;
        };
        match u64::try_from(number) {
            Ok(value) if (low..=high).contains(&value) => Some(value),
            _ => {
                self.refuse(
                    format!("{number} is out of range: write a number from {low} to {high}"),
                    problems,
                );
                None
            }
        }
    }

    pub(super) fn duration(&self, problems: &mut Problems<'_>) -> Option<Nanos> {
        let text = match &self.item.value {
            Value::String(text) => text,
            Value::Integer(number) if *number < 0 => {
                self.refuse(
                    format!(
                        "{number} is negative and has no unit: durations are strings from \"0s\" up"
                    ),
                    problems,
                );
                return None;
            }
            Value::Integer(number) => {
                self.refuse(
                    format!(
                        "{number} has no unit: write \"{number}s\" for seconds or \"{number}ms\" for milliseconds"
                    ),
                    problems,
                );
                return None;
            }
            Value::Float(number) => {
                self.refuse(
                    format!("{number} has no unit: write \"{number}s\" for seconds"),
                    problems,
                );
                return None;
            }
            Value::Bool(_) | Value::Other(_) | Value::Array(_) | Value::Table(_) => {
                self.wrong_kind("a duration such as \"1.5s\"", problems);
                return None;
            }
        };
        parse_duration(text).map_err(|error| self.refuse(error, problems)).ok()
    }

    /// A duration above zero.
    pub(super) fn positive(&self, problems: &mut Problems<'_>) -> Option<Nanos> {
        let nanos = self.duration(problems)?;
        if nanos == 0 {
            self.refuse("must be longer than \"0s\"", problems);
            return None;
        }
        Some(nanos)
    }

    /// Bytes: a whole number or a size such as `64KiB`.
    pub(super) fn size(&self, problems: &mut Problems<'_>) -> Option<u64> {
        match &self.item.value {
            Value::Integer(number) => match u64::try_from(*number) {
                Ok(bytes) => Some(bytes),
                Err(_) => {
                    self.refuse(format!("{number} is negative: sizes start at 0"), problems);
                    None
                }
            },
            Value::String(text) => {
                parse_size(text).map_err(|error| self.refuse(error, problems)).ok()
            }
            Value::Float(_)
            | Value::Bool(_)
            | Value::Other(_)
            | Value::Array(_)
            | Value::Table(_) => {
                self.wrong_kind("a size such as \"64KiB\"", problems);
                None
            }
        }
    }

    /// A share from 0 to 1, in millionths.
    pub(super) fn share(&self, problems: &mut Problems<'_>) -> Option<u32> {
        let value = match self.item.value {
            Value::Float(value) => value,
            Value::Integer(0) => 0.0,
            Value::Integer(1) => 1.0,
            Value::Integer(value) => {
                self.refuse(
                    format!(
                        "{value} is out of range: a share is a number from 0 to 1; for 25 % write 0.25"
                    ),
                    problems,
                );
                return None;
            }
            Value::String(_)
            | Value::Bool(_)
            | Value::Other(_)
            | Value::Array(_)
            | Value::Table(_) => {
                self.wrong_kind("a share from 0 to 1, such as 0.25", problems);
                return None;
            }
        };
        parse_share(value).map_err(|error| self.refuse(error, problems)).ok()
    }

    /// A share that an expectation may ask for: one that rounds to nothing would hold whatever happens.
    pub(super) fn expected_share(&self, problems: &mut Problems<'_>) -> Option<u32> {
        let share = self.share(problems)?;
        if share == 0 {
            self.refuse(
                "expects nothing (it rounds to 0 millionths): write a share from 0.000001 to 1, or leave the block out",
                problems,
            );
            return None;
        }
        Some(share)
    }

    /// Refuses control characters, which would garble terminals and reports.
    pub(super) fn refuse_controls(&self, text: &str, problems: &mut Problems<'_>) {
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            self.refuse(
                format!(
                    "has the control character U+{:04X} in it: names are printable, leave it out",
                    u32::from(control)
                ),
                problems,
            );
        }
    }

    /// One of the given words.
    pub(super) fn word<T: Copy>(
        &self,
        choices: &[(&str, T)],
        problems: &mut Problems<'_>,
    ) -> Option<T> {
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let text = self.string(&one_of(&names), problems)?;
        let found = choices.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            self.refuse(format!("\"{text}\" is not known: write {}", one_of(&names)), problems);
        }
        found.map(|(_, value)| *value)
    }

    pub(super) fn list(&self, wanted: &str, problems: &mut Problems<'_>) -> Option<Vec<Self>> {
        if let Value::Array(items) = &self.item.value {
            return Some(
                items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| Field { item, path: format!("{}[{index}]", self.path) })
                    .collect(),
            );
        }
        self.wrong_kind(wanted, problems);
        None
    }

    pub(super) fn table(&self, wanted: &str, problems: &mut Problems<'_>) -> Option<Table<'a>> {
        if let Value::Table(entries) = &self.item.value {
            let place = self.item.place;
            return Some(Table { entries, path: self.path.clone(), place, known: Vec::new() });
        }
        self.wrong_kind(wanted, problems);
        None
    }
}

/// A table being read. It remembers which keys were asked for; the others are unknown.
pub(super) struct Table<'a> {
    entries: &'a [Entry],
    path: String,
    place: Place,
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Path of a key in this table.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.into() } else { format!("{}.{key}", self.path) }
    }

    pub(super) fn field(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.known.push(key);
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Field { item: &entry.item, path: self.path_of(key) })
    }

    /// A key that must be there; `example` shows how to write it.
    pub(super) fn required(
        &mut self,
        key: &'static str,
        example: &str,
        problems: &mut Problems<'_>,
    ) -> Option<Field<'a>> {
        let field = self.field(key);
        if field.is_none() {
            problems.add(self.place, &self.path, format!("`{key}` is missing: add {example}"));
        }
        field
    }

    /// Exactly one of the given keys, which say what the table is about.
    pub(super) fn exactly_one(
        &mut self,
        keys: &[&'static str],
        problems: &mut Problems<'_>,
    ) -> Option<(&'static str, Field<'a>)> {
        let found: Vec<_> =
            keys.iter().filter_map(|key| self.field(key).map(|field| (*key, field))).collect();
        if let [only] = found.as_slice() {
            return Some(only.clone());
        }
        let has = if found.is_empty() {
            "has none of them".into()
        } else {
            let names: Vec<_> = found.iter().map(|(key, _)| *key).collect();
            format!("has {}", names.join(" and "))
        };
        // A misspelt one is reported as an unknown key with a suggestion, which says more.
        if !found.is_empty() || !self.has_close_stranger(keys) {
            problems.add(
                self.place,
                &self.path,
                format!("needs exactly one of {}, and {has}", one_of(keys)),
            );
        }
        None
    }

    fn has_close_stranger(&self, keys: &[&'static str]) -> bool {
        self.entries.iter().any(|entry| {
            !self.known.contains(&entry.key.as_str())
                && closest(&entry.key, keys.iter().copied()).is_some()
        })
    }

    /// Reports every key that was never asked for. `hints` explain keys that people expect here.
    pub(super) fn finish(self, hints: &[(&str, &str)], problems: &mut Problems<'_>) {
        for entry in self.entries {
            let key = entry.key.as_str();
            if self.known.contains(&key) {
                continue;
            }
            let hint = hints.iter().find(|(name, _)| *name == key).map(|(_, hint)| *hint);
            let advice = match (hint, closest(key, self.known.iter().copied())) {
                (Some(hint), _) => hint.to_owned(),
                (None, Some(close)) => format!("did you mean `{close}`?"),
                (None, None) => format!("known keys are {}", self.known_keys()),
            };
            problems.add(entry.key_place, &self.path_of(key), format!("unknown key: {advice}"));
        }
    }

    fn known_keys(&self) -> String {
        let mut keys = self.known.clone();
        keys.sort_unstable();
        keys.dedup();
        keys.join(", ")
    }
}
