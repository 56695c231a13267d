//! Axes: where a value lies, which numbers are written, and how.

use super::stats::number;

/// Decades up to which a logarithmic axis has room for 2 and 5 between powers of ten.
const DECADES_WITH_STEPS: f64 = 4.0;

/// A linear axis from zero, or a logarithmic one from `start`.
#[derive(Clone, Debug, Default)]
pub(super) struct Axis {
    /// Quantity and unit.
    pub(super) label: String,
    /// Where a logarithmic axis starts; 0: linear.
    start: f64,
    /// Whether something below the start of a logarithmic axis is drawn at its start.
    below: bool,
    /// Where it ends.
    pub(super) end: f64,
    /// Written behind every number: ` %`.
    suffix: &'static str,
    /// Largest number written; ticks beyond are left out (0: no limit).
    last_tick: f64,
}

impl Axis {
    /// An axis in percent, with a little air above 100.
    pub(super) fn percent(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            end: 104.0,
            suffix: " %",
            last_tick: 100.0,
            ..Self::default()
        }
    }

    /// An axis from 0 to `end`.
    pub(super) fn to(label: &str, end: f64) -> Self {
        Self { label: label.to_owned(), end, ..Self::default() }
    }

    /// A logarithmic axis; both ends must be positive. `below`: what is less than `start`, zero too, is drawn there.
    pub(super) fn logarithmic(label: &str, start: f64, end: f64, below: bool) -> Self {
        Self { label: label.to_owned(), start, end, below, ..Self::default() }
    }

    /// How far along the axis `value` lies, 0 to 1; what is outside lies at the nearer end.
    pub(super) fn place(&self, value: f64) -> f64 {
        let share = if self.start > 0.0 {
            libm::log10(value.max(self.start) / self.start) / self.decades()
        } else {
            value / self.end
        };
        share.clamp(0.0, 1.0)
    }

    fn decades(&self) -> f64 {
        libm::log10(self.end / self.start)
    }

    /// The numbers that are written.
    pub(super) fn ticks(&self, about: u32) -> Vec<f64> {
        if self.start > 0.0 {
            return self.powers();
        }
        let step = nice_step(self.end / f64::from(about));
        let last = if self.last_tick > 0.0 { self.last_tick } else { self.end };
        (0..=50_u32)
            .map(|count| f64::from(count) * step)
            .take_while(|&at| at <= last * (1.0 + 1e-9))
            .collect()
    }

    fn powers(&self) -> Vec<f64> {
        let factors: &[f64] =
            if self.decades() <= DECADES_WITH_STEPS { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let first = libm::floor(libm::log10(self.start));
        (0..12_u32)
            .map(|power| libm::pow(10.0, first + f64::from(power)))
            .flat_map(|power| factors.iter().map(move |factor| factor * power))
            .filter(|&at| at >= self.start * (1.0 - 1e-9))
            .take_while(|&at| at <= self.end * (1.0 + 1e-9))
            .collect()
    }

    /// One of `ticks` as text.
    pub(super) fn number(&self, value: f64, ticks: &[f64]) -> String {
        let step = if self.start > 0.0 { value } else { ticks.get(1).copied().unwrap_or(1.0) };
        let decimals = (0..6_usize)
            .find(|&digits| {
                let scaled = step * libm::pow(10.0, number(digits));
                (scaled - libm::round(scaled)).abs() < 1e-6
            })
            .unwrap_or(6);
        let least = self.below && value <= self.start * (1.0 + 1e-9);
        let prefix = if least { "≤ " } else { "" };
        format!("{prefix}{}{}", thousands(value, decimals), self.suffix)
    }
}

/// A number with commas between groups of three digits.
pub(crate) fn thousands(value: f64, decimals: usize) -> String {
    let plain = format!("{value:.decimals$}");
    let (sign, plain) = plain.strip_prefix('-').map_or(("", plain.as_str()), |rest| ("-", rest));
    let (whole, fraction) = plain.split_once('.').map_or((plain, ""), |(w, f)| (w, f));
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", group_digits(whole))
}

/// Puts commas between groups of three digits.
pub(super) fn group_digits(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `least`.
pub(super) fn nice_step(least: f64) -> f64 {
    if !(least.is_finite() && least > 0.0) {
        return 1.0;
    }
    let power = libm::pow(10.0, libm::floor(libm::log10(least)));
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|&step| step >= least * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

/// The end of an axis that goes at least to `end`: a multiple of about a tenth of its own size.
pub(super) fn round_up(end: f64) -> f64 {
    let step = nice_step(end / 11.0);
    step * libm::ceil(end / step - 1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers() {
        let ticks = |end: f64| {
            let axis = Axis::to("", end);
            let ticks = axis.ticks(11);
            ticks.iter().map(|&tick| axis.number(tick, &ticks)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ticks(2.2), "0.0 0.2 0.4 0.6 0.8 1.0 1.2 1.4 1.6 1.8 2.0 2.2");
        assert_eq!(ticks(1.0), "0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0");
        assert_eq!(ticks(60.0), "0 10 20 30 40 50 60");
        assert_eq!(ticks(16_000.0), "0 2,000 4,000 6,000 8,000 10,000 12,000 14,000 16,000");
        assert_eq!(ticks(0.0), "0");
        assert_eq!(thousands(-1_234_567.891, 1), "-1,234,567.9");
        assert_eq!(Axis::percent("").ticks(6), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
    }

    #[test]
    fn logarithmic_axes_write_powers() {
        let ticks = |start: f64, end: f64| {
            let axis = Axis::logarithmic("", start, end, start < 2.0);
            let ticks = axis.ticks(6);
            ticks.iter().map(|&tick| axis.number(tick, &ticks)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ticks(10.0, 2_000.0), "10 20 50 100 200 500 1,000 2,000");
        assert_eq!(ticks(1.0, 200_000.0), "≤ 1 10 100 1,000 10,000 100,000");
        let axis = Axis::logarithmic("", 10.0, 1_000.0, false);
        assert_eq!(
            [0.0, 10.0, 100.0, 1e3, 1e6].map(|at| axis.place(at)),
            [0.0, 0.0, 0.5, 1.0, 1.0]
        );
        assert_eq!([-1.0, 5.0, 20.0].map(|at| Axis::to("", 10.0).place(at)), [0.0, 0.5, 1.0]);
    }
}
