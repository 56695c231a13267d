//! Integers in Go's notation: `10`, `0x1f`, `0b1`, `0o17`, `1_000`.

use std::num::IntErrorKind;

/// Why a text is no integer, in Go's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum IntegerError {
    /// Not an integer.
    #[error("parse error")]
    Syntax,
    /// Beyond 64 bits.
    #[error("value out of range")]
    Range,
}

/// Reads an integer as Go's `strconv.ParseInt` with base 0 does.
///
/// # Errors
///
/// See [`IntegerError`].
pub(crate) fn parse(text: &str) -> Result<i64, IntegerError> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = parse_unsigned(magnitude)?;
    if negative {
        0i64.checked_sub_unsigned(magnitude).ok_or(IntegerError::Range)
    } else {
        i64::try_from(magnitude).map_err(|_| IntegerError::Range)
    }
}

fn parse_unsigned(text: &str) -> Result<u64, IntegerError> {
    let (radix, digits) = split_radix(text);
    let plain = digits.replace('_', "");
    if plain.starts_with('+') {
        return Err(IntegerError::Syntax);
    }
    let value = match u64::from_str_radix(&plain, radix) {
        Ok(value) => value,
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => {
            return Err(IntegerError::Range);
        }
        Err(_) if text == "0" => 0,
        Err(_) => return Err(IntegerError::Syntax),
    };
    // An underscore stands between two digits; the prefix of the base counts as one.
    let separated = !text.starts_with('_') && !text.ends_with('_') && !text.contains("__");
    if separated { Ok(value) } else { Err(IntegerError::Syntax) }
}

/// The base that the prefix stands for, and what follows it. A prefix without anything behind it is none.
fn split_radix(text: &str) -> (u32, &str) {
    match text.as_bytes() {
        [b'0', b'b' | b'B', _, ..] => (2, &text[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &text[2..]),
        [b'0', b'x' | b'X', _, ..] => (16, &text[2..]),
        [b'0', ..] => (8, &text[1..]),
        _ => (10, text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{IntegerError, parse};

    #[test]
    fn every_notation_is_understood() {
        for (text, value) in [
            ("0", 0),
            ("-0", 0),
            ("+7", 7),
            ("10", 10),
            ("-10", -10),
            ("0x1f", 31),
            ("0X1F", 31),
            ("0b101", 5),
            ("0B1", 1),
            ("0o17", 15),
            ("0O17", 15),
            ("017", 15),
            ("00", 0),
            ("1_000", 1000),
            ("0x_1f", 31),
            ("0_7", 7),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
            ("-0x8000000000000000", i64::MIN),
        ] {
            assert_eq!(parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn nonsense_is_a_parse_error() {
        for text in [
            "", "+", "-", "--1", "++1", "-+1", "0x", "0b", "0o", "0x+1", "08", "0b2", "0xg", "_1",
            "1_", "1__0", "0_", "0x_", "0x1_", "_", "1 ", " 1", "1.5", "1e3", "abc", "é", "0é",
            "0xé", "١",
        ] {
            assert_eq!(parse(text), Err(IntegerError::Syntax), "{text}");
        }
    }

    #[test]
    fn beyond_64_bits_is_out_of_range() {
        for text in [
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999",
            "99999999999999999999x",
            "-99999999999999999999",
            "0xfffffffffffffffff",
        ] {
            assert_eq!(parse(text), Err(IntegerError::Range), "{text}");
        }
        // The digit that does not fit comes before the one that is none; here it is the other way round.
        assert_eq!(parse("9999999999999999999x"), Err(IntegerError::Syntax));
    }

    proptest! {
        #[test]
        fn any_integer_is_read_back(value: i64) {
            prop_assert_eq!(parse(&value.to_string()), Ok(value));
        }

        #[test]
        fn no_text_panics(text in "[-+]?0?[xXbBoO]?[0-9a-f_é]{0,24}") {
            let _ = parse(&text);
        }
    }
}
