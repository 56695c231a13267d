//! JSON as Go writes it: two blanks of indent, `<`, `>`, `&` and U+2028/9 escaped.

use serde::Serialize;

/// Writes `value` with an indent of two blanks and without a final newline.
///
/// Maps keep the order in which they serialize; `BTreeMap` gives Go's. Text that came from bytes which are no UTF-8 must
/// hold U+FFFD per bad byte already; see [`lossy`]. A value that JSON cannot hold is written as `null`.
#[must_use]
pub(crate) fn pretty<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_else(|_| "null".to_owned());
    escape(&text)
}

/// Replaces what Go escapes otherwise. All of it occurs within strings only, so the structure need not be known.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            // Go escapes only those that stand for a bad byte; here nearly all do.
            '\u{fffd}' => escaped.push_str("\\ufffd"),
            '\\' => match chars.next() {
                Some('b') => escaped.push_str("\\u0008"),
                Some('f') => escaped.push_str("\\u000c"),
                Some(other) => escaped.extend(['\\', other]),
                None => escaped.push('\\'),
            },
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Bytes as the text that Go's encoder writes: each byte that is not part of valid UTF-8 becomes U+FFFD.
#[must_use]
pub(crate) fn lossy(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('\u{fffd}', chunk.invalid().len()));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::{lossy, pretty};

    #[test]
    fn structure_is_indented_by_two_blanks() {
        #[derive(Serialize)]
        struct Document {
            name: &'static str,
            port: u16,
            tags: BTreeMap<&'static str, &'static str>,
            none: Option<Vec<u8>>,
            list: Vec<u8>,
            empty: BTreeMap<String, String>,
        }
        let document = Document {
            name: "n1",
            port: 7946,
            tags: BTreeMap::from([("b", "2"), ("a", "1"), ("B", "3")]),
            none: None,
            list: vec![1, 2],
            empty: BTreeMap::new(),
        };
        assert_eq!(
            pretty(&document),
            "{\n  \"name\": \"n1\",\n  \"port\": 7946,\n  \"tags\": {\n    \"B\": \"3\",\n    \"a\": \"1\",\n    \
             \"b\": \"2\"\n  },\n  \"none\": null,\n  \"list\": [\n    1,\n    2\n  ],\n  \"empty\": {}\n}"
        );
    }

    #[test]
    fn strings_are_escaped_as_go_escapes_them() {
        for (text, json) in [
            ("a\"b\\c/", r#""a\"b\\c/""#),
            ("\n\r\t", r#""\n\r\t""#),
            ("\x08\x0c\0\x1f\x7f", "\"\\u0008\\u000c\\u0000\\u001f\x7f\""),
            ("\\b\\f", r#""\\b\\f""#),
            ("<a href='x'>&", r#""\u003ca href='x'\u003e\u0026""#),
            ("\u{2028}\u{2029}", r#""\u2028\u2029""#),
            ("née 漢 😀", r#""née 漢 😀""#),
        ] {
            assert_eq!(pretty(&text), json);
        }
    }

    #[test]
    fn keys_are_escaped_too() {
        assert_eq!(pretty(&BTreeMap::from([("<", "")])), "{\n  \"\\u003c\": \"\"\n}");
    }

    #[test]
    fn every_bad_byte_counts() {
        assert_eq!(lossy(b"a\xffb"), "a\u{fffd}b");
        assert_eq!(lossy(b"\xe2\x82c"), "\u{fffd}\u{fffd}c");
        assert_eq!(lossy(b"\xed\xa0\x80"), "\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(lossy("née".as_bytes()), "née");
        assert_eq!(pretty(&lossy(b"\xff\xfe")), r#""\ufffd\ufffd""#);
    }
}
