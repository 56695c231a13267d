//! Tags: what a member says about itself, as ordered pairs of text.

use std::collections::BTreeMap;
use std::collections::btree_map;

/// Tags of a member, in order of their names. Unique names; empty values are values.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Tags(BTreeMap<Box<str>, Box<str>>);

impl Tags {
    /// No tags.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Sets `name` to `value`, replacing an earlier value.
    pub fn insert(&mut self, name: &str, value: &str) {
        self.0.insert(name.into(), value.into());
    }

    /// Removes `name`; false if there was no such tag.
    pub fn remove(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| &**value)
    }

    /// Number of tags.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All tags, in order of their names.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter(self.0.iter())
    }
}

/// Tags in order of their names.
#[derive(Clone, Debug)]
pub struct Iter<'a>(btree_map::Iter<'a, Box<str>, Box<str>>);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (&**name, &**value))
    }
}

impl<'a> IntoIterator for &'a Tags {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Tags {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        Self(pairs.map(|(name, value)| (name.as_ref().into(), value.as_ref().into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_unique_and_ordered() {
        let mut tags: Tags = [("role", "web"), ("dc", "east")].into_iter().collect();
        tags.insert("role", "db");
        assert_eq!(tags.iter().collect::<Vec<_>>(), [("dc", "east"), ("role", "db")]);
        assert_eq!(tags.get("role"), Some("db"));
        assert!(tags.remove("dc"));
        assert!(!tags.remove("dc"));
        assert_eq!(tags.len(), 1);
    }
}
