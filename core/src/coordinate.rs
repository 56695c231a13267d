//! Network coordinates (Vivaldi): estimates of round-trip times between members that never talked.
//!
//! Source: Serf, network coordinates. Values are in seconds, errors have no unit. The order of the floating-point
//! operations is part of the algorithm: every machine, and the Go implementation, gets the same bits.

use thiserror::Error;

use crate::rng::Rng;

/// Dimensions of the Euclidean part of a coordinate.
pub const DIMENSIONS: usize = 8;

/// Largest round-trip time that counts, in nanoseconds: 10 s.
pub const RTT_MAX: i64 = 10 * NANOS_PER_SECOND;

/// Largest error, and that of a coordinate that knows nothing.
const ERROR_MAX: f64 = 1.5;
/// How far one sample may move the error (CE).
const ERROR_GAIN: f64 = 0.25;
/// How far one sample may move the position (CC).
const POSITION_GAIN: f64 = 0.25;
/// Smallest height of an own coordinate after a move, in seconds.
const HEIGHT_MIN: f64 = 10.0e-6;
/// Distance at which the pull towards the origin reaches its full strength, in seconds.
const GRAVITY_RHO: f64 = 150.0;
/// Lengths below this count as zero, in seconds.
const ZERO_THRESHOLD: f64 = 1.0e-6;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// A member's place in the space of round-trip times.
///
/// Coordinates of peers may hold any finite numbers, also a negative error or height.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Coordinate {
    /// Euclidean position, in seconds per axis.
    pub vec: [f64; DIMENSIONS],
    /// How little the owner trusts it: 0 is certain, 1.5 knows nothing.
    pub error: f64,
    /// Correction for what the space cannot express, in seconds; of either sign.
    pub adjustment: f64,
    /// Time from the owner to the network's core, in seconds.
    pub height: f64,
}

impl Coordinate {
    /// Where everyone starts, and where gravity pulls to.
    pub const ORIGIN: Self =
        Self { vec: [0.0; DIMENSIONS], error: ERROR_MAX, adjustment: 0.0, height: HEIGHT_MIN };

    /// The estimated round-trip time between two members, in nanoseconds, cut off towards zero.
    ///
    /// Honest coordinates give a positive number. Negative heights can make it negative, and what does not fit an
    /// `i64`, or is not a number, is `i64::MIN`, as on Go's usual machines. The algorithm itself works with this number.
    #[must_use]
    pub fn distance(&self, other: &Self) -> i64 {
        let raw = self.raw_distance(other);
        let adjusted = raw + self.adjustment + other.adjustment;
        nanoseconds(if adjusted > 0.0 { adjusted } else { raw })
    }

    /// Whether every number is finite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.vec.iter().chain([&self.error, &self.adjustment, &self.height]).all(|n| n.is_finite())
    }

    /// Distance without adjustments, in seconds.
    fn raw_distance(&self, other: &Self) -> f64 {
        magnitude(&self.difference(other)) + self.height + other.height
    }

    /// [`Coordinate::distance`] in seconds.
    fn distance_seconds(&self, other: &Self) -> f64 {
        seconds(self.distance(other))
    }

    fn difference(&self, other: &Self) -> [f64; DIMENSIONS] {
        let mut difference = self.vec;
        for (own, other) in difference.iter_mut().zip(other.vec) {
            *own -= other;
        }
        difference
    }

    /// Moves away from `other` by `force` seconds; towards it if negative.
    fn push(&mut self, force: f64, other: &Self, rng: &mut Rng) {
        let mut direction = self.difference(other);
        let distance = magnitude(&direction);
        if distance > ZERO_THRESHOLD {
            scale(&mut direction, 1.0 / distance);
            let height = (self.height + other.height) * force / distance + self.height;
            self.height = at_least(height, HEIGHT_MIN);
        } else {
            direction = random_direction(rng);
        }
        for (own, direction) in self.vec.iter_mut().zip(direction) {
            *own += direction * force;
        }
    }
}

impl Default for Coordinate {
    fn default() -> Self {
        Self::ORIGIN
    }
}

/// Why a sample or a coordinate was refused; nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
pub enum Rejected {
    /// A number of the coordinate is infinite or not a number.
    #[error("the coordinate has a number that is not finite")]
    NotFinite,
    /// The round-trip time is negative or above [`RTT_MAX`].
    #[error("the round-trip time is not within 0 to 10 s")]
    RoundTripTime,
}

/// The last round-trip times to one peer: the filter against outliers. Keeps `KEPT` of them.
#[derive(Clone, Copy, Debug)]
pub struct Latencies<const KEPT: usize = 3> {
    /// Seconds, newest last; places not used yet are at the front and hold NaN.
    samples: [f64; KEPT],
}

impl<const KEPT: usize> Default for Latencies<KEPT> {
    fn default() -> Self {
        Self { samples: [f64::NAN; KEPT] }
    }
}

impl<const KEPT: usize> Latencies<KEPT> {
    /// Adds a time in seconds and returns the median, the upper one of an even number.
    fn filter(&mut self, sample: f64) -> f64 {
        self.samples.rotate_left(1);
        if let Some(newest) = self.samples.last_mut() {
            *newest = sample;
        }
        // In the total order NaN comes last.
        let mut sorted = self.samples;
        sorted.sort_unstable_by(f64::total_cmp);
        let used = sorted.iter().filter(|sample| !sample.is_nan()).count();
        sorted.get(used / 2).copied().unwrap_or(sample)
    }
}

/// The own coordinate and what improves it. Averages the adjustment over `WINDOW` samples; 0 turns it off.
#[derive(Clone, Debug, Default)]
pub struct Vivaldi<const WINDOW: usize = 20> {
    own: Coordinate,
    /// The last errors of the estimate, in seconds; absent before the first sample.
    window: Option<Box<[f64; WINDOW]>>,
    /// Where in the window the next error goes.
    next: usize,
    resets: u64,
}

impl<const WINDOW: usize> Vivaldi<WINDOW> {
    /// The own coordinate. Its numbers are always finite.
    #[must_use]
    pub fn own(&self) -> &Coordinate {
        &self.own
    }

    /// How often the own coordinate had stopped being finite and started anew.
    #[must_use]
    pub fn resets(&self) -> u64 {
        self.resets
    }

    /// Puts the own coordinate elsewhere; what the adjustment is computed from stays.
    ///
    /// # Errors
    /// [`Rejected::NotFinite`].
    pub fn set(&mut self, own: Coordinate) -> Result<(), Rejected> {
        if !own.is_finite() {
            return Err(Rejected::NotFinite);
        }
        self.own = own;
        Ok(())
    }

    /// Learns from one round trip of `rtt` nanoseconds to the peer that is at `other` and whose filter is `latencies`.
    ///
    /// A peer may send absurd numbers. If they make the own coordinate infinite, it starts anew at the origin, and does
    /// so again until its infinite error has left the window.
    ///
    /// # Errors
    /// [`Rejected`]; neither the coordinate nor the filter has changed then.
    pub fn update<const KEPT: usize>(
        &mut self,
        latencies: &mut Latencies<KEPT>,
        other: &Coordinate,
        rtt: i64,
        rng: &mut Rng,
    ) -> Result<(), Rejected> {
        if !other.is_finite() {
            return Err(Rejected::NotFinite);
        }
        if !(0..=RTT_MAX).contains(&rtt) {
            return Err(Rejected::RoundTripTime);
        }
        let rtt = latencies.filter(seconds(rtt));
        self.approach(rtt, other, rng);
        self.adjust(rtt, other);
        self.gravitate(rng);
        if !self.own.is_finite() {
            self.resets = self.resets.saturating_add(1);
            self.own = Coordinate::ORIGIN;
        }
        Ok(())
    }

    /// Moves the position, height and error so that the distance to `other` comes closer to `rtt` seconds.
    fn approach(&mut self, rtt: f64, other: &Coordinate, rng: &mut Rng) {
        let own = &mut self.own;
        let distance = own.distance_seconds(other);
        let rtt = at_least(rtt, ZERO_THRESHOLD);
        let wrong = (distance - rtt).abs() / rtt;
        let total_error = at_least(own.error + other.error, ZERO_THRESHOLD);
        let weight = own.error / total_error;
        let gain = ERROR_GAIN * weight;
        own.error = at_most(gain * wrong + own.error * (1.0 - gain), ERROR_MAX);
        own.push(POSITION_GAIN * weight * (rtt - distance), other, rng);
    }

    /// Averages what is left of the error; the average is always over the whole window.
    fn adjust(&mut self, rtt: f64, other: &Coordinate) {
        if WINDOW == 0 {
            return;
        }
        let window = self.window.get_or_insert_with(|| Box::new([0.0; WINDOW]));
        window[self.next] = rtt - self.own.raw_distance(other);
        self.next = (self.next + 1) % WINDOW;
        let sum = window.iter().fold(0.0, |sum, error| sum + error);
        self.own.adjustment = sum / (2.0 * WINDOW as f64);
    }

    /// Pulls the position towards the origin, lest the whole cluster drifts away.
    fn gravitate(&mut self, rng: &mut Rng) {
        let pull = Coordinate::ORIGIN.distance_seconds(&self.own) / GRAVITY_RHO;
        self.own.push(-(pull * pull), &Coordinate::ORIGIN, rng);
    }
}

fn magnitude(vec: &[f64; DIMENSIONS]) -> f64 {
    vec.iter().fold(0.0, |sum, part| sum + part * part).sqrt()
}

fn scale(vec: &mut [f64; DIMENSIONS], factor: f64) {
    for part in vec {
        *part *= factor;
    }
}

/// A vector of length 1.
fn random_direction(rng: &mut Rng) -> [f64; DIMENSIONS] {
    let mut direction = core::array::from_fn(|_| rng.centered());
    let length = magnitude(&direction);
    if length > ZERO_THRESHOLD {
        scale(&mut direction, 1.0 / length);
        direction
    } else {
        let mut first_axis = [0.0; DIMENSIONS];
        first_axis[0] = 1.0;
        first_axis
    }
}

/// `value`, or `low` if that is larger. Unlike `f64::max` it lets NaN through, which the final check then sees.
fn at_least(value: f64, low: f64) -> f64 {
    if value < low { low } else { value }
}

/// `value`, or `high` if that is smaller; lets NaN through.
fn at_most(value: f64, high: f64) -> f64 {
    if value > high { high } else { value }
}

/// Whole nanoseconds, cut off towards zero; `i64::MIN` for what does not fit.
fn nanoseconds(seconds: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let nanos = seconds * 1e9;
    if !(-LIMIT..LIMIT).contains(&nanos) {
        return i64::MIN;
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range; cutting off is the formula")]
    let whole = nanos as i64;
    whole
}

/// Seconds of whole nanoseconds, the two parts converted one by one.
fn seconds(nanos: i64) -> f64 {
    (nanos / NANOS_PER_SECOND) as f64 + (nanos % NANOS_PER_SECOND) as f64 / 1e9
}

#[cfg(test)]
mod tests;
