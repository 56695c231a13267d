//! Durations, byte sizes and shares as people write them. Integers all the way, so nothing is rounded by accident.

use crate::scenario::Nanos;

/// The longest duration a scenario may name: 30 days.
pub(super) const DURATION_MAX: Nanos = 30 * 24 * 3_600 * 1_000_000_000;

/// Millionths in one.
pub(super) const PPM: u32 = 1_000_000;

const DURATION_UNITS: [(&str, u64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

const SIZE_UNITS: [(&str, u64); 8] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Reads `1.5s`, `200ms`, `1h30m`. The error is the rule and the fix in words.
pub fn parse_duration(text: &str) -> Result<Nanos, String> {
    let trimmed = text.trim();
    if trimmed.starts_with('-') {
        return Err(format!("\"{text}\" is negative: durations start at \"0s\""));
    }
    if trimmed.is_empty() {
        return Err("is empty: write a duration such as \"1.5s\"".into());
    }
    let mut total: u128 = 0;
    let mut rest = trimmed;
    while !rest.is_empty() {
        let (number, after) = split_at(rest, |c| !c.is_ascii_digit() && c != '.');
        let (unit, next) = split_at(after, |c| c.is_ascii_digit() || c == '.');
        let unit = unit.trim();
        if number.is_empty() {
            return Err(format!("\"{text}\" is no duration: write one such as \"1.5s\""));
        }
        if unit.is_empty() {
            return Err(format!(
                "\"{text}\" has no unit: write \"{number}s\" for seconds or \"{number}ms\" for milliseconds"
            ));
        }
        let Some((_, size)) = DURATION_UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!(
                "\"{text}\" has the unknown unit \"{unit}\": write ns, us, ms, s, m, h or d, as in \"1.5s\""
            ));
        };
        if is_huge(number) {
            return Err(too_long(text));
        }
        let part = scaled(number, *size)
            .ok_or_else(|| format!("\"{text}\" is no duration: write one such as \"1.5s\""))?;
        total = total.saturating_add(part);
        rest = next;
    }
    match u64::try_from(total) {
        Ok(nanos) if nanos <= DURATION_MAX => Ok(nanos),
        _ => Err(too_long(text)),
    }
}

fn too_long(text: &str) -> String {
    format!("\"{text}\" is too long: at most \"30d\" (30 days)")
}

/// Reads `64KiB`, `1.5MB`, `100kB/s`. The error is the rule and the fix in words.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let plain = text.trim().trim_end_matches("/s");
    let wrong = || format!("\"{text}\" is no size: write bytes as in \"64KiB\" or \"1500B\"");
    let (number, unit) = split_at(plain, |c| !c.is_ascii_digit() && c != '.');
    let unit = unit.trim();
    if plain.starts_with('-') {
        return Err(format!("\"{text}\" is negative: sizes start at \"0B\""));
    }
    let (_, size) = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let bytes = scaled(number, *size).ok_or_else(wrong)?;
    u64::try_from(bytes).map_err(|_| format!("\"{text}\" is too large"))
}

/// A share from 0 to 1 in millionths. The error is the rule and the fix in words.
pub(super) fn parse_share(value: f64) -> Result<u32, String> {
    if value.is_nan() || value < 0.0 {
        return Err(format!("{value} is no share: write a number from 0 to 1, for example 0.25"));
    }
    if value > 1.0 {
        let hint = if value <= 100.0 {
            format!("for {value} % write {}", value / 100.0)
        } else {
            "for 25 % write 0.25".into()
        };
        return Err(format!("{value} is out of range: a share is a number from 0 to 1; {hint}"));
    }
    let millionths = libm::round(value * f64::from(PPM));
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and 1,000,000")]
    #[expect(clippy::cast_sign_loss, reason = "not negative")]
    let millionths = millionths as u32;
    Ok(millionths)
}

/// Shortest way to write a duration: `1.5s`, `200ms`, `10m`.
#[must_use]
pub fn format_duration(nanos: Nanos) -> String {
    if nanos == 0 {
        return "0s".into();
    }
    for (unit, size) in [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000)] {
        // People count seconds for a good while: 90s and 180s, but 10m.
        let enough = if unit == "m" { 10 } else { 1 };
        if nanos.is_multiple_of(size) && nanos / size >= enough {
            return format!("{}{unit}", nanos / size);
        }
    }
    for (unit, size) in [("s", 1_000_000_000_u64), ("ms", 1_000_000), ("us", 1_000), ("ns", 1)] {
        if nanos >= size {
            let (whole, part) = (nanos / size, nanos % size);
            let digits = size.ilog10() as usize;
            let text = format!("{whole}.{part:0digits$}");
            return format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'));
        }
    }
    format!("{nanos}ns")
}

fn split_at(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

/// Whether a number is right, and has more digits before its point than [`scaled`] takes.
fn is_huge(number: &str) -> bool {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && digits(part) && whole.trim_start_matches('0').len() > 18
}

/// `number` (decimal digits with at most one point) times `unit`; fractions below one are cut off.
fn scaled(number: &str, unit: u64) -> Option<u128> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || !digits(whole) || !digits(part) {
        return None;
    }
    let value = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() };
    let fraction = value(part)? * u128::from(unit) / 10_u128.pow(u32::try_from(part.len()).ok()?);
    Some(value(whole)? * u128::from(unit) + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        for (text, nanos) in [
            ("1.5s", 1_500_000_000),
            ("200ms", 200_000_000),
            ("10us", 10_000),
            ("500µs", 500_000),
            ("2m", 120_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("0s", 0),
            (" 30d ", DURATION_MAX),
            (".5s", 500_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn wrong_durations_say_what_to_write() {
        for (text, part) in [
            ("5", "write \"5s\""),
            ("-2s", "negative"),
            ("5 sec", "unknown unit \"sec\""),
            ("31d", "at most \"30d\""),
            ("s", "write one such as"),
            ("1.2.3s", "write one such as"),
            ("99999999999999999999s", "is too long: at most \"30d\""),
            ("", "is empty"),
        ] {
            let error = parse_duration(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_as_people_write_them() {
        assert_eq!(parse_size("64KiB"), Ok(65_536));
        assert_eq!(parse_size("1.5MB"), Ok(1_500_000));
        assert_eq!(parse_size("100kB/s"), Ok(100_000));
        assert!(parse_size("64").expect_err("no unit").contains("64KiB"));
        assert!(parse_size("-1B").expect_err("negative").contains("negative"));
    }

    #[test]
    fn shares_are_millionths() {
        assert_eq!(parse_share(0.25), Ok(250_000));
        assert_eq!(parse_share(1.0), Ok(PPM));
        assert!(parse_share(25.0).expect_err("percent").contains("write 0.25"));
        assert!(parse_share(-0.1).is_err());
        assert!(parse_share(f64::NAN).is_err());
    }

    #[test]
    fn durations_print_as_they_are_written() {
        for text in ["0s", "1.5s", "200ms", "10us", "10m", "180s", "1h", "1.000001s", "7ns"] {
            let nanos = parse_duration(text).expect("a duration");
            assert_eq!(format_duration(nanos), text);
        }
    }
}
