//! Text in quotes as Go writes it.

use std::fmt::Write as _;

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// `%q`: quotes `text` with Go's escapes.
#[must_use]
pub(crate) fn quote(text: &str) -> String {
    quote_bytes(text.as_bytes())
}

/// `%q` of bytes: what is no UTF-8 is written as `\xNN`.
#[must_use]
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let mut quoted = String::with_capacity(bytes.len() + 2);
    quoted.push('"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            escape(c, &mut quoted);
        }
        for byte in chunk.invalid() {
            let _ = write!(quoted, "\\x{byte:02x}");
        }
    }
    quoted.push('"');
    quoted
}

fn escape(c: char, quoted: &mut String) {
    let short = match c {
        '"' | '\\' => c,
        '\x07' => 'a',
        '\x08' => 'b',
        '\x0c' => 'f',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\x0b' => 'v',
        _ if is_print(c) => {
            quoted.push(c);
            return;
        }
        _ => {
            let code = u32::from(c);
            let _ = match code {
                0..0x80 => write!(quoted, "\\x{code:02x}"),
                0x80..0x1_0000 => write!(quoted, "\\u{code:04x}"),
                0x1_0000.. => write!(quoted, "\\U{code:08x}"),
            };
            return;
        }
    };
    quoted.push('\\');
    quoted.push(short);
}

/// Go's `strconv.IsPrint`: letters, marks, numbers, punctuation, symbols, and of all blanks only the ASCII one.
fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    match c.general_category_group() {
        GeneralCategoryGroup::Letter
        | GeneralCategoryGroup::Mark
        | GeneralCategoryGroup::Number
        | GeneralCategoryGroup::Punctuation
        | GeneralCategoryGroup::Symbol => true,
        GeneralCategoryGroup::Separator | GeneralCategoryGroup::Other => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{quote, quote_bytes};

    #[test]
    fn text_is_escaped_as_go_escapes_it() {
        for (text, quoted) in [
            ("", r#""""#),
            ("plain text", r#""plain text""#),
            ("a\"b\\c'd", r#""a\"b\\c'd""#),
            ("\x07\x08\x0c\n\r\t\x0b", r#""\a\b\f\n\r\t\v""#),
            ("\0\x1b\x7f", r#""\x00\x1b\x7f""#),
            ("née ☺ 漢 😀", r#""née ☺ 漢 😀""#),
            ("\u{85}\u{a0}\u{ad}", r#""\u0085\u00a0\u00ad""#),
            ("\u{200b}\u{2028}\u{feff}\u{e000}", r#""\u200b\u2028\ufeff\ue000""#),
            ("\u{e0001}\u{10ffff}", r#""\U000e0001\U0010ffff""#),
            ("e\u{301}\u{fffd}", "\"e\u{301}\u{fffd}\""),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_written_in_hex() {
        assert_eq!(quote_bytes(b"a\xffb\xe2\x82c\xc3\xa9"), r#""a\xffb\xe2\x82cé""#);
        assert_eq!(quote_bytes(b"\xed\xa0\x80"), r#""\xed\xa0\x80""#);
    }
}
