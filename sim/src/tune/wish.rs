//! What is wished for, and under which conditions, as the command line writes it.

use std::str::FromStr;

use crate::scenario::{Nanos, format_duration, parse_duration, parse_size};

/// Of so many crashes in a thousand every living node must know in time.
pub(super) const CRASHES_PER_MILLE: u32 = 950;

/// One wish.
#[derive(Clone, Debug, PartialEq)]
pub enum Want {
    /// Of 100 crashes, 95 are known to every living node within this time.
    Detect(Nanos),
    /// Living nodes declared failed, per node and second.
    FalseFailures {
        /// Per node and second.
        rate: f64,
        /// As it was written: `1/node-week`.
        text: String,
    },
    /// Mean bytes sent per node and second.
    Bytes {
        /// Per node and second.
        rate: f64,
        /// As it was written: `20kB/s`.
        text: String,
    },
    /// A user event reaches this share of the nodes within this time.
    Event {
        /// Millionths of the nodes.
        share_ppm: u32,
        /// After sending.
        within: Nanos,
    },
}

const SPANS: [(&str, f64); 6] = [
    ("second", 1.0),
    ("minute", 60.0),
    ("hour", 3_600.0),
    ("day", 86_400.0),
    ("week", 604_800.0),
    ("year", 31_557_600.0),
];

impl FromStr for Want {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = "known wishes are detect=5s, false-failures=1/node-week, bytes=20kB/s, t50=, t95=, t99=, t100=1s";
        let (key, value) = text.split_once('=').ok_or_else(|| format!("has no value: {known}"))?;
        let value = value.trim();
        let time = || match parse_duration(value) {
            Ok(0) => Err("must be longer than 0s".to_owned()),
            other => other,
        };
        match key.trim() {
            "detect" => time().map(Self::Detect),
            "false-failures" => {
                failure_rate(value).map(|rate| Self::FalseFailures { rate, text: value.into() })
            }
            "bytes" => {
                let bytes = parse_size(value)?;
                if bytes == 0 {
                    return Err(
                        "must be more than 0B/s: a node that sends nothing notices nothing".into(),
                    );
                }
                #[expect(clippy::cast_precision_loss, reason = "a rate needs no 53 bits")]
                let rate = bytes as f64;
                Ok(Self::Bytes { rate, text: value.into() })
            }
            "t50" => time().map(|within| Self::Event { share_ppm: 500_000, within }),
            "t95" => time().map(|within| Self::Event { share_ppm: 950_000, within }),
            "t99" => time().map(|within| Self::Event { share_ppm: 990_000, within }),
            "t100" => time().map(|within| Self::Event { share_ppm: 1_000_000, within }),
            other => Err(format!("\"{other}\" is no wish: {known}")),
        }
    }
}

/// `1/node-week` as a rate per node and second.
fn failure_rate(text: &str) -> Result<f64, String> {
    let wrong = || format!("\"{text}\" is no rate: write one such as 1/node-week or 0.1/node-day");
    let (number, span) = text.split_once("/node-").ok_or_else(wrong)?;
    let number: f64 = number.trim().parse().map_err(|_| wrong())?;
    let span = span.trim();
    let (_, seconds) = SPANS.iter().find(|(name, _)| *name == span).ok_or_else(|| {
        let names = SPANS.map(|(name, _)| name).join(", ");
        format!("\"{text}\" has the unknown span \"{span}\": write one of {names}")
    })?;
    if !number.is_finite() || number <= 0.0 {
        return Err(format!(
            "\"{text}\" cannot be shown by any number of runs: write a rate above 0"
        ));
    }
    Ok(number / seconds)
}

impl Want {
    /// The wish in words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Detect(within) => {
                format!(
                    "95 of 100 crashes are known to every node within {}",
                    format_duration(*within)
                )
            }
            Self::FalseFailures { text, .. } => {
                format!("at most {text} living nodes declared failed")
            }
            Self::Bytes { text, .. } => format!("at most {text} sent per node"),
            Self::Event { share_ppm, within } => format!(
                "an event reaches {} % of the nodes within {}",
                share_ppm / 10_000,
                format_duration(*within)
            ),
        }
    }
}

/// Nodes that stop for a moment, again and again: a share of all, each with a length of its own from a log-normal
/// distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pauses {
    /// Share of the nodes, 0 to 1.
    pub share: f64,
    /// Median length.
    pub on: Nanos,
    /// 99th percentile of the lengths.
    pub p99: Nanos,
    /// Time between two pauses of a node.
    pub off: Nanos,
}

impl FromStr for Pauses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut share, mut on, mut p99, mut off) = (None, None, None, None);
        for part in text.split(',') {
            let form = "write share=0.02,on=300ms,p99=2s,off=10s";
            let (key, value) =
                part.split_once('=').ok_or(format!("\"{part}\" has no value: {form}"))?;
            let time = || match parse_duration(value) {
                Ok(0) => Err(format!("{key} must be longer than 0s")),
                other => other.map(Some),
            };
            match key.trim() {
                "share" => share = Some(loss(value)?),
                "on" => on = time()?,
                "p99" => p99 = time()?,
                "off" => off = time()?,
                other => return Err(format!("\"{other}\" is unknown: {form}")),
            }
        }
        let missing = |key: &str| format!("has no {key}: write share=0.02,on=300ms,p99=2s,off=10s");
        let on = on.ok_or_else(|| missing("on"))?;
        let p99 = p99.unwrap_or(on);
        if p99 < on {
            return Err("p99 must not be shorter than on, the median".into());
        }
        let share = share.ok_or_else(|| missing("share"))?;
        Ok(Self { share, on, p99, off: off.ok_or_else(|| missing("off"))? })
    }
}

/// A share of lost datagrams or of nodes, 0 to below 1.
///
/// # Errors
/// The rule and the fix in words.
pub fn loss(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err(format!("\"{text}\" is no share below 1: write one such as 0.1 for 10 %")),
    }
}

/// One-way delay as median and 99th percentile: `500us,3ms`.
///
/// # Errors
/// The rule and the fix in words.
pub fn latency(text: &str) -> Result<(Nanos, Nanos), String> {
    let (median, p99) = text
        .split_once(',')
        .ok_or_else(|| format!("\"{text}\" needs median and 99th percentile: write 500us,3ms"))?;
    let (median, p99) = (parse_duration(median)?, parse_duration(p99)?);
    if median == 0 || p99 < median {
        return Err(format!(
            "\"{text}\": the median must be above 0s and not above the 99th percentile"
        ));
    }
    Ok((median, p99))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_as_people_write_them() {
        assert_eq!("detect=5s".parse(), Ok(Want::Detect(5_000_000_000)));
        let Ok(Want::FalseFailures { rate, .. }) = "false-failures=1/node-week".parse() else {
            panic!("a rate")
        };
        assert!((rate * 604_800.0 - 1.0).abs() < 1e-12);
        let Ok(Want::Bytes { rate, .. }) = "bytes=20kB/s".parse() else { panic!("a rate") };
        assert!((rate - 20_000.0).abs() < 1e-9);
        assert_eq!("t95=1s".parse(), Ok(Want::Event { share_ppm: 950_000, within: 1_000_000_000 }));
        assert_eq!(latency("500us,3ms"), Ok((500_000, 3_000_000)));
        let pauses: Pauses = "share=0.02,on=300ms,p99=2s,off=10s".parse().expect("pauses");
        assert_eq!((pauses.on, pauses.p99), (300_000_000, 2_000_000_000));
    }

    #[test]
    fn wrong_wishes_say_what_to_write() {
        for (text, part) in [
            ("detect", "has no value"),
            ("detect=5", "no unit"),
            ("detect=0s", "longer than 0s"),
            ("speed=5s", "known wishes"),
            ("false-failures=1/week", "1/node-week"),
            ("false-failures=0/node-week", "above 0"),
            ("false-failures=1/node-fortnight", "unknown span"),
            ("bytes=20", "no size"),
        ] {
            let error = text.parse::<Want>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(loss("10").is_err() && loss("-0.1").is_err() && loss("0.1").is_ok());
        assert!(latency("1ms").is_err() && latency("3ms,1ms").is_err());
        assert!("share=0.1,on=1s".parse::<Pauses>().expect_err("no off").contains("has no off"));
    }
}
