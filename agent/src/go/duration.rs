//! Durations in Go's notation: `1h15m30.918s`.

use std::fmt::Write as _;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// One more than the largest duration: the magnitude of the smallest one.
const LIMIT: u64 = 1 << 63;

/// Reads a duration as Go's `time.ParseDuration` does.
///
/// # Errors
///
/// Go's text, such as `time: invalid duration "xyz"`.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if magnitude == "0" {
        return Ok(0);
    }
    let total = total(magnitude).map_err(|error| error.describe(text))?;
    let signed =
        if negative { 0i64.checked_sub_unsigned(total) } else { i64::try_from(total).ok() };
    signed.ok_or_else(|| ParseError::Invalid.describe(text))
}

enum ParseError<'a> {
    Invalid,
    MissingUnit,
    UnknownUnit(&'a str),
}

impl ParseError<'_> {
    fn describe(&self, text: &str) -> String {
        let text = quote(text);
        match self {
            Self::Invalid => format!("time: invalid duration {text}"),
            Self::MissingUnit => format!("time: missing unit in duration {text}"),
            Self::UnknownUnit(unit) => {
                format!("time: unknown unit {} in duration {text}", quote(unit))
            }
        }
    }
}

/// The sum of all numbers with units; at most [`LIMIT`].
fn total(mut rest: &str) -> Result<u64, ParseError<'_>> {
    if rest.is_empty() {
        return Err(ParseError::Invalid);
    }
    let mut total = 0u64;
    while !rest.is_empty() {
        let (whole, after) = split_digits(rest);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => split_digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(ParseError::Invalid);
        }
        let value =
            if whole.is_empty() { 0 } else { whole.parse().map_err(|_| ParseError::Invalid)? };
        let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
        // Go refuses a number beyond its limit before it looks at the unit.
        if value > LIMIT {
            return Err(ParseError::Invalid);
        }
        let (name, after) = after.split_at(end);
        let unit = unit(name)?;
        total = value
            .checked_mul(unit)
            .filter(|whole| *whole <= LIMIT)
            .and_then(|whole| whole.checked_add(part(fraction, unit)))
            .filter(|sum| *sum <= LIMIT)
            .and_then(|sum| total.checked_add(sum))
            .filter(|sum| *sum <= LIMIT)
            .ok_or(ParseError::Invalid)?;
        rest = after;
    }
    Ok(total)
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn unit(name: &str) -> Result<u64, ParseError<'_>> {
    match name {
        "" => Err(ParseError::MissingUnit),
        "ns" => Ok(1),
        // Both the micro sign and the Greek letter.
        "us" | "\u{b5}s" | "\u{3bc}s" => Ok(MICROSECOND),
        "ms" => Ok(MILLISECOND),
        "s" => Ok(SECOND),
        "m" => Ok(MINUTE),
        "h" => Ok(HOUR),
        _ => Err(ParseError::UnknownUnit(name)),
    }
}

/// The digits behind the point in nanoseconds, rounded as Go rounds. Digits that no longer fit 63 bits do not count.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "Go computes the fraction in floating point, and the outcome is below one unit"
)]
fn part(digits: &str, unit: u64) -> u64 {
    let mut value = 0u64;
    let mut scale = 1f64;
    for digit in digits.bytes().map(|byte| u64::from(byte - b'0')) {
        if value > (LIMIT - 1) / 10 {
            break;
        }
        let next = value * 10 + digit;
        if next > LIMIT {
            break;
        }
        value = next;
        scale *= 10.0;
    }
    (value as f64 * (unit as f64 / scale)) as u64
}

/// Quotes as Go's package `time` does, which is not as `%q` does: whatever is not printable ASCII is written byte by byte.
fn quote(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if c < ' ' || !c.is_ascii() {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(quoted, "\\x{byte:02x}");
            }
        } else {
            if matches!(c, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(c);
        }
    }
    quoted.push('"');
    quoted
}

/// Writes nanoseconds as Go does: `1s`, `1m30s`, `1h0m0s`, `500ms`.
#[must_use]
pub(crate) fn format(nanoseconds: i64) -> String {
    let magnitude = nanoseconds.unsigned_abs();
    let mut text = String::new();
    if nanoseconds < 0 {
        text.push('-');
    }
    let _ = match magnitude {
        0 => text.write_str("0s"),
        1..MICROSECOND => write!(text, "{magnitude}ns"),
        MICROSECOND..MILLISECOND => write!(text, "{}\u{b5}s", decimal(magnitude, MICROSECOND)),
        MILLISECOND..SECOND => write!(text, "{}ms", decimal(magnitude, MILLISECOND)),
        SECOND.. => {
            let hours = magnitude / HOUR;
            let minutes = magnitude % HOUR / MINUTE;
            let seconds = decimal(magnitude % MINUTE, SECOND);
            match (hours, minutes) {
                (0, 0) => write!(text, "{seconds}s"),
                (0, _) => write!(text, "{minutes}m{seconds}s"),
                _ => write!(text, "{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    text
}

/// `value / unit` with as many decimals as it takes; `unit` is a power of 1000.
fn decimal(value: u64, unit: u64) -> String {
    let whole = value / unit;
    let fraction = value % unit;
    if fraction == 0 {
        return whole.to_string();
    }
    // The leading 1 of `unit + fraction` keeps the zeros behind the point.
    let digits = (unit + fraction).to_string();
    format!("{whole}.{}", digits[1..].trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{format, parse};

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("-0", 0),
            ("+0", 0),
            ("0s", 0),
            ("5s", 5_000_000_000),
            ("-5s", -5_000_000_000),
            ("1h15m30.918s", 4_530_918_000_000),
            ("1.5h", 5_400_000_000_000),
            (".5s", 500_000_000),
            ("1.s", 1_000_000_000),
            ("300ms", 300_000_000),
            ("12us", 12_000),
            ("12\u{b5}s", 12_000),
            ("12\u{3bc}s", 12_000),
            ("7ns", 7),
            ("0.3333333333333333333h", 1_200_000_000_000),
            ("0.9223372036854775807h", 3_320_413_933_267),
            ("0.100000000000000000000h", 360_000_000_000),
            ("1.00000000000000000000001s", 1_000_000_000),
            ("9007199254740993ns", 9_007_199_254_740_993),
            ("9223372036854775807ns", i64::MAX),
            ("9223372036854775.807us", i64::MAX),
            ("-9223372036854775808ns", i64::MIN),
            ("2562047h47m16.854775807s", i64::MAX),
            ("1m1m", 120_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(nanoseconds), "{text}");
        }
    }

    #[test]
    fn errors_are_go_s() {
        for (text, error) in [
            ("", r#"time: invalid duration """#),
            ("-", r#"time: invalid duration "-""#),
            ("+", r#"time: invalid duration "+""#),
            ("xyz", r#"time: invalid duration "xyz""#),
            (".", r#"time: invalid duration ".""#),
            (".s", r#"time: invalid duration ".s""#),
            ("+-5s", r#"time: invalid duration "+-5s""#),
            (" 5s", r#"time: invalid duration " 5s""#),
            ("30", r#"time: missing unit in duration "30""#),
            ("5s3", r#"time: missing unit in duration "5s3""#),
            ("5x", r#"time: unknown unit "x" in duration "5x""#),
            ("1e3s", r#"time: unknown unit "e" in duration "1e3s""#),
            ("5\u{b5}", r#"time: unknown unit "\xc2\xb5" in duration "5\xc2\xb5""#),
            ("a\u{1}\"\\", "time: invalid duration \"a\\x01\\\"\\\\\""),
            ("9223372036854775808ns", r#"time: invalid duration "9223372036854775808ns""#),
            ("9223372036854775809", r#"time: invalid duration "9223372036854775809""#),
            ("9223372036854775808", r#"time: missing unit in duration "9223372036854775808""#),
            ("-9223372036854775809ns", r#"time: invalid duration "-9223372036854775809ns""#),
            ("99999999999999999999h", r#"time: invalid duration "99999999999999999999h""#),
            ("3000000h", r#"time: invalid duration "3000000h""#),
            ("2562047h47m16.854775808s", r#"time: invalid duration "2562047h47m16.854775808s""#),
        ] {
            assert_eq!(parse(text), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn durations_are_written_as_go_writes_them() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (1, "1ns"),
            (1_100, "1.1\u{b5}s"),
            (2_200_000, "2.2ms"),
            (500_000_000, "500ms"),
            (1_000_000_000, "1s"),
            (1_500_000_000, "1.5s"),
            (1_000_000_001, "1.000000001s"),
            (90_000_000_000, "1m30s"),
            (60_000_000_000, "1m0s"),
            (245_001_000_000, "4m5.001s"),
            (3_600_000_000_000, "1h0m0s"),
            (18_367_001_000_000, "5h6m7.001s"),
            (-1_500_000_000, "-1.5s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(format(nanoseconds), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanoseconds: i64) {
            prop_assert_eq!(parse(&format(nanoseconds)), Ok(nanoseconds));
        }

        #[test]
        fn what_is_written_is_read_back_when_small(nanoseconds in -10_000_000_000i64..10_000_000_000) {
            prop_assert_eq!(parse(&format(nanoseconds)), Ok(nanoseconds));
        }

        #[test]
        fn no_text_panics(text in "[-+]?([0-9]{0,22}[.]?[0-9]{0,22}(ns|us|µs|ms|s|m|h|é)?){0,3}") {
            let _ = parse(&text);
        }
    }
}
