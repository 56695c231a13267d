//! Time series: the convergence curve and bytes per node.

use crate::metrics::ConvergencePoint;
use crate::scenario::Nanos;

/// Steps that the whole run is divided into where nothing special happens.
const COARSE_STEPS: u64 = 200;
/// Shortest step, right after the start or a disturbance.
const FINE_STEP: Nanos = 1_000_000;
/// After the start or a disturbance, a step is this fraction of the time since, so that every phase is drawn equally
/// well at its own scale: 5 ms after a second, 50 ms after ten.
const FINE_STEPS: u64 = 200;
/// Disturbances that are watched closely; later ones only on the coarse grid.
const WATCHED: u32 = 10;
/// Points beyond which only the coarse grid is left.
const MOST_FINE_POINTS: usize = 3_000;

/// The convergence curve, sampled when the share changes but never more often than a step allows.
#[derive(Debug)]
pub struct Curve {
    points: Vec<ConvergencePoint>,
    coarse: Nanos,
    /// The start, or the last disturbance that is watched closely.
    origin: Nanos,
    next: Nanos,
    watched_left: u32,
    /// The last change that fell between two samples.
    skipped: Option<ConvergencePoint>,
}

impl Curve {
    /// An empty curve of a run this long. Its start is watched closely.
    #[must_use]
    pub fn new(duration: Nanos) -> Self {
        Self {
            points: Vec::new(),
            coarse: (duration / COARSE_STEPS).max(1),
            origin: 0,
            next: 0,
            watched_left: WATCHED,
            skipped: None,
        }
    }

    /// Something happens that makes the time from now on interesting.
    pub fn disturb(&mut self, now: Nanos) {
        if self.watched_left > 0 && now > self.origin {
            self.watched_left -= 1;
            self.origin = now;
            self.next = self.next.min(now);
        }
    }

    /// Of the pairs of the `live` nodes, the share that is now `share` see each other.
    pub fn record(&mut self, at: Nanos, share: f64, live: u64) {
        let point = ConvergencePoint { at, share, live };
        if let Some(last) = self.points.last_mut()
            && last.at == at
        {
            *last = point;
            return;
        }
        if at < self.next {
            self.skipped = Some(point);
            return;
        }
        let step = self.step(at);
        // The plateau before a jump belongs to the curve as well; what changes all the time has none.
        self.points.extend(self.skipped.take().filter(|before| at - before.at >= step));
        self.points.push(point);
        self.next = at.saturating_add(step);
    }

    fn step(&self, at: Nanos) -> Nanos {
        if self.points.len() >= MOST_FINE_POINTS {
            return self.coarse;
        }
        (at.saturating_sub(self.origin) / FINE_STEPS).max(FINE_STEP).min(self.coarse)
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

    const MILLI: Nanos = 1_000_000;

    #[test]
    fn changes_between_samples_are_coalesced_but_the_last_one_stays() {
        let mut curve = Curve::new(200);
        for at in 0..100 {
            curve.record(at / 10, 0.1, 2);
        }
        curve.record(150, 0.5, 2);
        curve.record(150, 1.0, 2);
        let points = curve.finish();
        assert!(points.len() < 25, "{} points", points.len());
        assert_eq!(points.last().map(|point| (point.at, point.share)), Some((150, 1.0)));
    }

    #[test]
    fn the_start_counts_from_everything_that_happens_in_its_instant() {
        let mut curve = Curve::new(1_000 * MILLI);
        for (live, share) in [(1, 1.0), (2, 0.0), (3, 0.0)] {
            curve.record(0, share, live);
        }
        let points = curve.finish();
        assert_eq!(points.len(), 1);
        assert_eq!((points[0].live, points[0].share.to_bits()), (3, 0.0_f64.to_bits()));
    }

    #[test]
    fn starts_and_disturbances_are_watched_at_their_own_scale() {
        let mut curve = Curve::new(180_000 * MILLI);
        for at in 0..60_000 {
            if at == 30_000 {
                curve.disturb(at * MILLI);
            }
            curve.record(at * MILLI, 0.5, 2);
        }
        let points = curve.finish();
        assert!(points.len() < MOST_FINE_POINTS, "{} points", points.len());
        let gap_at = |at: Nanos| {
            let after = points.partition_point(|point| point.at <= at * MILLI);
            (points[after].at - points[after - 1].at) / MILLI
        };
        assert_eq!([100, 10_500, 29_000, 31_000, 40_500].map(gap_at), [1, 53, 145, 5, 53]);
    }

    #[test]
    fn a_run_without_rest_ends_on_the_coarse_grid() {
        let mut curve = Curve::new(600_000 * MILLI);
        for at in 0..600_000 {
            if at % 30_000 == 0 {
                curve.disturb(at * MILLI);
            }
            curve.record(at * MILLI, 0.5, 2);
        }
        let points = curve.finish();
        assert!(points.len() < MOST_FINE_POINTS + 210, "{} points", points.len());
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
