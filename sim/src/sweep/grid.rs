//! The grid of a sweep: axes of values, and the points they span.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One axis: a key of the scenario and the values it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// The key, as `--set` takes it: `network.loss`.
    pub key: String,
    /// The values as they were written, at least one, all different.
    pub values: Vec<String>,
}

impl FromStr for Axis {
    type Err = String;

    /// Reads `key=value,value`. Commas inside quotes and brackets belong to the value.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((key, values)) = text.split_once('=') else {
            return Err("has no values: write key=value,value as in network.loss=0,0.1".into());
        };
        let (key, values) = (key.trim(), split(values));
        if key.is_empty() {
            return Err("has no key: write key=value,value as in network.loss=0,0.1".into());
        }
        if key == "seeds" {
            return Err("seeds are no axis: every point runs with all of --seeds".into());
        }
        if values.iter().any(String::is_empty) {
            return Err("has an empty value: write values with one comma between them".into());
        }
        let twice = values.iter().enumerate().find(|(at, value)| values[..*at].contains(value));
        if let Some((_, value)) = twice {
            return Err(format!("has the value {value} twice: leave one out"));
        }
        Ok(Self { key: key.into(), values })
    }
}

/// Parts between the commas that are outside of quotes and brackets.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut part) = (Vec::new(), String::new());
    let (mut depth, mut quote) = (0_usize, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                parts.push(std::mem::take(&mut part).trim().to_owned());
                continue;
            }
            _ => {}
        }
        part.push(c);
    }
    parts.push(part.trim().to_owned());
    parts
}

/// One point of the grid: the value of each axis, in order of the axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point(pub Vec<(String, String)>);

impl Point {
    /// The changes that make a scenario this point, as `--set` takes them.
    #[must_use]
    pub fn sets(&self) -> Vec<String> {
        self.0.iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// Key and value for results: numbers and switches as such, all else as the text that was written.
    #[must_use]
    pub fn values(&self) -> BTreeMap<String, Value> {
        let value = |text: &str| match serde_json::from_str(text) {
            Ok(plain @ (Value::Number(_) | Value::Bool(_))) => plain,
            _ => Value::String(text.to_owned()),
        };
        self.0.iter().map(|(key, text)| (key.clone(), value(text))).collect()
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("the scenario as it is");
        }
        f.write_str(&self.sets().join(" "))
    }
}

/// All axes. The last one changes fastest from point to point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grid(pub Vec<Axis>);

impl Grid {
    /// How many points there are; 1 without any axis. Saturates.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().fold(1, |points, axis| points.saturating_mul(axis.values.len()))
    }

    /// Whether an axis has no value, so that there is no point.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The point with this index, counted from 0.
    #[must_use]
    pub fn point(&self, index: usize) -> Point {
        let mut rest = index;
        let mut values = Vec::new();
        for axis in self.0.iter().rev() {
            let value = axis.values.get(rest % axis.values.len().max(1)).cloned();
            values.push((axis.key.clone(), value.unwrap_or_default()));
            rest /= axis.values.len().max(1);
        }
        values.reverse();
        Point(values)
    }

    /// The key that two axes share, if any.
    #[must_use]
    pub fn key_twice(&self) -> Option<&str> {
        let earlier = |at: usize, key: &str| self.0[..at].iter().any(|axis| axis.key == key);
        let twice = self.0.iter().enumerate().find(|(at, axis)| earlier(*at, &axis.key));
        twice.map(|(_, axis)| axis.key.as_str())
    }
}

/// A part of a sweep: the units whose index leaves `part - 1` when divided by `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    /// Which part, from 1.
    pub part: usize,
    /// Of how many.
    pub of: usize,
}

impl Shard {
    /// The whole sweep.
    pub const WHOLE: Self = Self { part: 1, of: 1 };

    /// Whether the unit with this index belongs to this part.
    #[must_use]
    pub const fn holds(self, unit: usize) -> bool {
        unit % self.of == self.part - 1
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is no shard: write i/n with i from 1 to n, as in 3/8");
        let (part, of) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
        let (part, of) = (number(part)?, number(of)?);
        if part == 0 || part > of { Err(wrong()) } else { Ok(Self { part, of }) }
    }
}

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.part, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_axis_changes_fastest() {
        let grid =
            Grid(["nodes=16,64", "network.loss=0,0.1,0.25"].map(|it| it.parse().unwrap()).into());
        let points: Vec<String> = (0..grid.len()).map(|at| grid.point(at).to_string()).collect();
        assert_eq!(points.len(), 6);
        assert_eq!(points[0], "nodes=16 network.loss=0");
        assert_eq!(points[1], "nodes=16 network.loss=0.1");
        assert_eq!(points[3], "nodes=64 network.loss=0");
        assert_eq!(Grid::default().len(), 1);
    }

    #[test]
    fn commas_inside_quotes_and_brackets_belong_to_the_value() {
        let axis: Axis =
            "network.latency=1ms,{ low = \"1ms\", high = \"2ms\" },'a,b'".parse().unwrap();
        assert_eq!(axis.values, ["1ms", "{ low = \"1ms\", high = \"2ms\" }", "'a,b'"]);
    }

    #[test]
    fn wrong_axes_and_shards_say_what_to_write() {
        for (text, part) in [
            ("nodes", "write key=value"),
            ("=1", "has no key"),
            ("nodes=1,,2", "empty value"),
            ("nodes=1,2,1", "value 1 twice"),
            ("seeds=1,2", "--seeds"),
        ] {
            let error = text.parse::<Axis>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
        for text in ["0/4", "5/4", "1", "a/b", "1/0"] {
            assert!(text.parse::<Shard>().expect_err(text).contains("i from 1 to n"), "{text}");
        }
    }

    #[test]
    fn every_unit_belongs_to_exactly_one_shard() {
        let shards: Vec<Shard> = (1..=3).map(|part| Shard { part, of: 3 }).collect();
        for unit in 0..20 {
            assert_eq!(shards.iter().filter(|shard| shard.holds(unit)).count(), 1, "{unit}");
        }
        assert!((0..20).all(|unit| Shard::WHOLE.holds(unit)));
    }
}
