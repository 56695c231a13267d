//! Time series: the convergence curve and bytes per node.

use crate::metrics::ConvergencePoint;
use crate::scenario::Nanos;

/// Coarse points over the whole run.
const COARSE_POINTS: u64 = 200;
/// Step in the second after a disturbance.
const FINE_STEP: Nanos = 20_000_000;
/// How long a disturbance is watched closely.
const FINE_WINDOW: Nanos = 1_000_000_000;
/// Disturbances that are watched closely; later ones only on the coarse grid.
const FINE_WINDOWS: u32 = 10;

/// The convergence curve, sampled when the share changes but never more often than a step allows.
#[derive(Debug)]
pub struct Curve {
    points: Vec<ConvergencePoint>,
    step: Nanos,
    next: Nanos,
    fine_until: Nanos,
    fine_left: u32,
    /// The last change that fell between two samples.
    skipped: Option<ConvergencePoint>,
}

impl Curve {
    /// An empty curve of a run this long.
    #[must_use]
    pub fn new(duration: Nanos) -> Self {
        Self {
            points: Vec::new(),
            step: (duration / COARSE_POINTS).max(1),
            next: 0,
            fine_until: 0,
            fine_left: FINE_WINDOWS,
            skipped: None,
        }
    }

    /// Something happens that makes the next second interesting.
    pub fn disturb(&mut self, now: Nanos) {
        if self.fine_left > 0 && now >= self.fine_until {
            self.fine_left -= 1;
            self.fine_until = now.saturating_add(FINE_WINDOW);
            self.next = self.next.min(now);
        }
    }

    /// The share is now `share`.
    pub fn record(&mut self, at: Nanos, share: f64) {
        let point = ConvergencePoint { at, share };
        if at < self.next {
            self.skipped = Some(point);
            return;
        }
        // The value before a jump belongs to the curve as well.
        self.points.extend(self.skipped.take());
        self.points.push(point);
        let step = if at < self.fine_until { FINE_STEP.min(self.step) } else { self.step };
        self.next = at.saturating_add(step);
    }

    /// The points, the last change included.
    #[must_use]
    pub fn finish(mut self) -> Vec<ConvergencePoint> {
        self.points.extend(self.skipped.take());
        self.points
    }
}

/// Bytes sent per live node and bucket.
#[derive(Debug)]
pub struct ByteSeries {
    width: Nanos,
    /// Bytes, and live nodes times nanoseconds.
    buckets: Vec<(u64, u128)>,
    end: Nanos,
    live: u64,
    since: Nanos,
}

impl ByteSeries {
    /// An empty series with buckets of `width` nanoseconds.
    #[must_use]
    pub fn new(width: Nanos) -> Self {
        let width = width.max(1);
        Self { width, buckets: vec![(0, 0)], end: width, live: 0, since: 0 }
    }

    /// `bytes` more bytes were sent.
    pub fn add(&mut self, now: Nanos, bytes: usize) {
        if now >= self.end {
            self.advance(now);
        }
        if let Some(bucket) = self.buckets.last_mut() {
            bucket.0 += bytes as u64;
        }
    }

    /// The number of live nodes changes to `live`.
    pub fn set_live(&mut self, now: Nanos, live: u64) {
        self.advance(now);
        self.live = live;
    }

    fn advance(&mut self, now: Nanos) {
        while now >= self.end {
            self.account(self.end);
            self.end += self.width;
            self.buckets.push((0, 0));
        }
        self.account(now);
    }

    fn account(&mut self, until: Nanos) {
        if let Some(bucket) = self.buckets.last_mut() {
            bucket.1 += u128::from(self.live) * u128::from(until - self.since);
        }
        self.since = until;
    }

    /// Mean bytes per live node in each bucket of a run that ended at `end`.
    #[must_use]
    pub fn finish(mut self, end: Nanos) -> Vec<f64> {
        self.advance(end);
        let last = self.end - self.width;
        if end == last {
            self.buckets.pop();
        }
        let width = self.width as f64;
        self.buckets
            .iter()
            .map(
                |&(bytes, lived)| {
                    if lived == 0 { 0.0 } else { bytes as f64 * width / lived as f64 }
                },
            )
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_between_samples_are_coalesced_but_the_last_one_stays() {
        let mut curve = Curve::new(200);
        for at in 0..100 {
            curve.record(at / 10, 0.1);
        }
        curve.record(150, 0.5);
        curve.record(150, 1.0);
        let points = curve.finish();
        assert!(points.len() < 25, "{} points", points.len());
        assert_eq!(points.last().map(|point| (point.at, point.share)), Some((150, 1.0)));
    }

    #[test]
    fn bytes_are_divided_by_the_nodes_that_lived() {
        let mut series = ByteSeries::new(10);
        series.set_live(0, 2);
        series.add(1, 100);
        series.set_live(15, 1);
        series.add(16, 30);
        assert_eq!(series.finish(20), [50.0, 20.0]);
    }
}
