//! What is kept in memory: the values of the last intervals, and totals since the start.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata,
    SharedString, Unit,
};

use super::push::Pending;
use crate::log::clock::Wall;

/// Length of an interval in seconds.
pub(super) const INTERVAL: i64 = 10;

/// Intervals kept, with the one under way.
const INTERVALS: usize = 6;

/// Seconds that intervals are kept.
const KEPT: i64 = 60;

/// Names kept: those of events and scripts are chosen by others.
const NAMES: usize = 1024;

/// Bytes of a name kept.
const NAME_BYTES: usize = 256;

/// Where values go whose names are too many.
const OTHER: &str = "other";

/// A moment on the wall clock and since the start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) wall: Wall,
    pub(super) uptime: Duration,
}

/// What a series is made of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Gauge,
    Counter,
    Sample,
}

impl Kind {
    const ALL: usize = 3;

    fn index(self) -> usize {
        match self {
            Self::Gauge => 0,
            Self::Counter => 1,
            Self::Sample => 2,
        }
    }
}

/// A name with what it came to since the start.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) kind: Kind,
    pub(super) name: Box<str>,
    pub(super) count: u64,
    pub(super) sum: f64,
    /// The last value: a gauge's.
    pub(super) last: f64,
}

/// A series within one interval.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aggregate {
    pub(super) count: u64,
    pub(super) sum: f64,
    sum_of_squares: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) last: f64,
    pub(super) updated: Moment,
}

impl Aggregate {
    fn new(updated: Moment) -> Self {
        let (min, max) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { count: 0, sum: 0.0, sum_of_squares: 0.0, min, max, last: 0.0, updated }
    }

    fn add(&mut self, value: f64, now: Moment) {
        self.count += 1;
        self.sum += value;
        self.sum_of_squares += value * value;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.last = value;
        self.updated = now;
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of ten seconds are small")]
    pub(super) fn mean(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }

    /// Standard deviation of a sample, as in Serf: divided by one less than the count.
    #[expect(clippy::cast_precision_loss, reason = "counts of ten seconds are small")]
    pub(super) fn deviation(&self) -> f64 {
        if self.count < 2 || self.min == self.max {
            return 0.0;
        }
        let count = self.count as f64;
        let squares = count * self.sum_of_squares - self.sum * self.sum;
        (squares.max(0.0) / (count * (count - 1.0))).sqrt()
    }
}

/// Ten seconds of values by series.
#[derive(Clone, Debug, Default)]
pub(super) struct Interval {
    /// Seconds since 1970, a multiple of [`INTERVAL`].
    pub(super) start: i64,
    pub(super) values: BTreeMap<usize, Aggregate>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    index: [HashMap<Box<str>, usize>; Kind::ALL],
    pub(super) series: Vec<Series>,
    pub(super) intervals: VecDeque<Interval>,
    line: String,
}

impl State {
    /// The series of a name; of [`OTHER`] once there are too many.
    fn register(&mut self, kind: Kind, name: &str) -> usize {
        let name = shortened(name);
        if let Some(&id) = self.index[kind.index()].get(name) {
            return id;
        }
        if self.series.len() >= NAMES && name != OTHER {
            return self.register(kind, OTHER);
        }
        let id = self.series.len();
        let name: Box<str> = name.into();
        self.series.push(Series { kind, name: name.clone(), count: 0, sum: 0.0, last: 0.0 });
        self.index[kind.index()].insert(name, id);
        id
    }

    /// The interval that began at `start`; forgets what is too old at that time.
    pub(super) fn interval(&mut self, start: i64) -> &mut Interval {
        while self.intervals.front().is_some_and(|first| first.start <= start - KEPT) {
            self.intervals.pop_front();
        }
        let mut at = self.intervals.partition_point(|interval| interval.start < start);
        if self.intervals.get(at).is_none_or(|interval| interval.start != start) {
            // A clock that jumps back must not let them grow.
            if self.intervals.len() > INTERVALS {
                self.intervals.clear();
                at = 0;
            }
            self.intervals.insert(at, Interval { start, ..Interval::default() });
        }
        &mut self.intervals[at]
    }

    fn add(&mut self, id: usize, value: f64, now: Moment) {
        let start = interval_of(now);
        let aggregate = self.interval(start).values.entry(id);
        aggregate.or_insert_with(|| Aggregate::new(now)).add(value, now);
        if let Some(series) = self.series.get_mut(id) {
            series.count += 1;
            series.sum += value;
            series.last = value;
        }
    }

    /// Sets a gauge within the interval that began at `start`.
    pub(super) fn gauge_in(&mut self, start: i64, name: &str, value: f64, now: Moment) {
        let id = self.register(Kind::Gauge, name);
        let aggregate = self.interval(start).values.entry(id);
        aggregate.or_insert_with(|| Aggregate::new(now)).add(value, now);
    }
}

/// The first [`NAME_BYTES`] bytes of a name, to a whole character.
fn shortened(name: &str) -> &str {
    let mut end = name.len().min(NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name.get(..end).unwrap_or_default()
}

/// The start of the interval in which a moment lies.
pub(super) fn interval_of(now: Moment) -> i64 {
    now.wall.seconds - now.wall.seconds.rem_euclid(INTERVAL)
}

/// All metrics of one process.
pub(super) struct Store {
    clock: Box<dyn Fn() -> Moment + Send + Sync>,
    /// Put into the names of gauges.
    pub(super) host: Option<Box<str>>,
    pushes: Vec<Arc<Pending>>,
    state: Mutex<State>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Store {
    pub(super) fn new(host: Option<Box<str>>, pushes: Vec<Arc<Pending>>) -> Self {
        let start = Instant::now();
        let clock = move || Moment { wall: Wall::now(), uptime: start.elapsed() };
        Self::with_clock(host, pushes, Box::new(clock))
    }

    pub(super) fn with_clock(
        host: Option<Box<str>>,
        pushes: Vec<Arc<Pending>>,
        clock: Box<dyn Fn() -> Moment + Send + Sync>,
    ) -> Self {
        Self { clock, host, pushes, state: Mutex::default() }
    }

    pub(super) fn now(&self) -> Moment {
        (self.clock)()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a gauge by its name.
    pub(super) fn gauge(&self, name: &str, value: f64) {
        let id = self.lock().register(Kind::Gauge, name);
        self.record(id, |_| value);
    }

    /// Counts something that the servers must not be told: that telling them failed.
    pub(super) fn count_in_memory(&self, name: &str) {
        let now = self.now();
        let mut state = self.lock();
        let id = state.register(Kind::Counter, name);
        state.add(id, 1.0, now);
    }

    fn record(&self, id: usize, value: impl FnOnce(&Series) -> f64) {
        let now = self.now();
        let mut state = self.lock();
        let Some(series) = state.series.get(id) else { return };
        let value = value(series);
        // One such value would spoil every sum that follows.
        if !value.is_finite() {
            return;
        }
        state.add(id, value, now);
        if self.pushes.is_empty() {
            return;
        }
        let mut line = std::mem::take(&mut state.line);
        line.clear();
        if let Some(series) = state.series.get(id) {
            super::push::line(&mut line, self.host.as_deref(), series.kind, &series.name, value);
        }
        let kept = self.pushes.iter().filter(|to| to.push(&line)).count();
        state.line = line;
        drop(state);
        if kept < self.pushes.len() {
            self.count_in_memory(super::push::DROPPED);
        }
    }
}

/// The recorder behind the macros of the crate `metrics`. Labels are not used.
#[derive(Debug)]
pub(super) struct Recorder(pub(super) Arc<Store>);

impl Recorder {
    fn handle(&self, kind: Kind, key: &Key) -> Arc<Handle> {
        let id = self.0.lock().register(kind, key.name());
        Arc::new(Handle { store: Arc::clone(&self.0), id })
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.handle(Kind::Counter, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.handle(Kind::Gauge, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.handle(Kind::Sample, key))
    }
}

/// One series of a store.
struct Handle {
    store: Arc<Store>,
    id: usize,
}

#[expect(clippy::cast_precision_loss, reason = "Serf's counters are floating point too")]
impl CounterFn for Handle {
    fn increment(&self, value: u64) {
        self.store.record(self.id, |_| value as f64);
    }

    fn absolute(&self, value: u64) {
        self.store.record(self.id, |series| (value as f64 - series.sum).max(0.0));
    }
}

impl GaugeFn for Handle {
    fn increment(&self, value: f64) {
        self.store.record(self.id, |series| series.last + value);
    }

    fn decrement(&self, value: f64) {
        self.store.record(self.id, |series| series.last - value);
    }

    fn set(&self, value: f64) {
        self.store.record(self.id, |_| value);
    }
}

impl HistogramFn for Handle {
    fn record(&self, value: f64) {
        self.store.record(self.id, |_| value);
    }
}
