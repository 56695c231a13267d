//! Tags as scenarios write them: `{ role = "db" }` for what a node says about itself, `{ role = "^web" }` for filters.

use regex::bytes::RegexBuilder;
use uwasa_core::tags::Tags;
use uwasa_core::wire;

use super::document::Value;
use super::field::Field;
use super::problem::Problems;
use crate::scenario::TagMatch;

/// Tags of a node, which fit into what it announces about itself.
pub(super) fn read(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<Tags> {
    let pairs = texts(field, "a table of texts such as { role = \"web\" }", problems)?;
    let tags: Tags = pairs.iter().map(|(name, value)| (*name, value.1)).collect();
    if let Err(error) = wire::tags::encode(&tags, SERF_PROTOCOL) {
        field.refuse(
            format!(
                "is {} bytes when encoded, and a node announces at most {}: shorten or remove some",
                error.len, error.limit
            ),
            problems,
        );
        return None;
    }
    Some(tags)
}

/// A protocol version in which all tags are announced; the older form is never longer.
const SERF_PROTOCOL: u8 = 5;

/// Conditions on tags, each a regular expression that is searched in the tag's value.
pub(super) fn filter(field: &Field<'_>, problems: &mut Problems<'_>) -> Option<Vec<TagMatch>> {
    let pairs = texts(field, "a table of expressions such as { role = \"^web\" }", problems)?;
    let mut matches = Vec::new();
    for (tag, (value, expr)) in pairs {
        match RegexBuilder::new(expr).unicode(false).build() {
            Ok(regex) => matches.push(TagMatch { tag: tag.into(), regex }),
            Err(_) => {
                value.refuse(
                    format!("\"{expr}\" is no regular expression: write one such as \"^web\""),
                    problems,
                );
                return None;
            }
        }
    }
    Some(matches)
}

/// The pairs of a table that holds nothing but text, in order of the file.
fn texts<'a>(
    field: &Field<'a>,
    wanted: &str,
    problems: &mut Problems<'_>,
) -> Option<Vec<(&'a str, (Field<'a>, &'a str))>> {
    let Value::Table(entries) = &field.item.value else {
        // Reports the wrong kind.
        let _ = field.table(wanted, problems);
        return None;
    };
    if entries.is_empty() {
        field.refuse(format!("is empty, and must be {wanted}"), problems);
        return None;
    }
    let mut pairs = Vec::new();
    for entry in entries {
        let value = Field { item: &entry.item, path: format!("{}.{}", field.path, entry.key) };
        field.refuse_controls(&entry.key, problems);
        let text = value.string("a string", problems)?;
        value.refuse_controls(text, problems);
        pairs.push((entry.key.as_str(), (value, text)));
    }
    Some(pairs)
}
