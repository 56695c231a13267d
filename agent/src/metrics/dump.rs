//! The text that `SIGUSR1` writes: all complete intervals.

use std::fmt::Write as _;

use super::process;
use super::store::{Aggregate, INTERVAL, Kind, Series, Store, interval_of};
use crate::log::clock::Wall;

/// Complete intervals, oldest first; in each the gauges, counters and samples by name. The figures of the process are
/// those of now, and shown in the last interval.
pub(super) fn text(store: &Store) -> String {
    let now = store.now();
    let current = interval_of(now);
    let mut out = String::new();
    let runtime = process::runtime();
    let mut state = store.lock();
    if now.uptime.as_secs() >= INTERVAL.unsigned_abs() {
        for (name, value) in runtime {
            state.gauge_in(current - INTERVAL, name, value, now);
        }
    }
    state.interval(current);
    for interval in state.intervals.iter().filter(|interval| interval.start < current) {
        let mut head = String::from("[");
        Wall { seconds: interval.start, nanos: 0 }.local().go(&mut head);
        head.push(']');
        let values = interval.values.iter();
        let mut lines: Vec<(&Series, &Aggregate)> = values
            .filter_map(|(&id, value)| state.series.get(id).map(|series| (series, value)))
            .collect();
        lines.sort_by(|(a, _), (b, _)| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        for (series, value) in lines {
            out.push_str(&head);
            line(&mut out, store.host.as_deref(), series, value);
        }
    }
    out
}

fn line(out: &mut String, host: Option<&str>, series: &Series, value: &Aggregate) {
    out.push_str(match series.kind {
        Kind::Gauge => "[G] 'serf-agent.",
        Kind::Counter => "[C] 'serf-agent.",
        Kind::Sample => "[S] 'serf-agent.",
    });
    if let (Kind::Gauge, Some(host)) = (series.kind, host) {
        let _ = write!(out, "{host}.");
    }
    out.extend(series.name.chars().map(|c| if c == ' ' || c.is_control() { '_' } else { c }));
    out.push_str("': ");
    match series.kind {
        Kind::Gauge => {
            let _ = writeln!(out, "{:.3}", value.last);
        }
        Kind::Counter | Kind::Sample => aggregate(out, value),
    }
}

fn aggregate(out: &mut String, value: &Aggregate) {
    let _ = write!(out, "Count: {} ", value.count);
    let deviation = value.deviation();
    if deviation != 0.0 {
        let (min, mean, max) = (value.min, value.mean(), value.max);
        let _ = write!(out, "Min: {min:.3} Mean: {mean:.3} Max: {max:.3} Stddev: {deviation:.3} ");
    }
    let _ = write!(out, "Sum: {:.3} LastUpdated: ", value.sum);
    value.updated.wall.local().go(out);
    let uptime = value.updated.uptime;
    let _ = writeln!(out, " m=+{}.{:09}", uptime.as_secs(), uptime.subsec_nanos());
}
