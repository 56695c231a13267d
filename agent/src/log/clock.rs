//! Local time as log lines, syslog records and dumps show it. The zone is read once per process, from `TZ` or
//! `/etc/localtime`, as Go does.

use std::fmt::Write as _;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tz::{DateTime, LocalTimeType, TimeZone, UtcDateTime};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The zone belongs to the process, not to an agent.
static ZONE: OnceLock<TimeZone> = OnceLock::new();

/// `TZ` may name a file or a rule; an empty or unreadable one is UTC.
fn read_zone() -> TimeZone {
    let zone = match std::env::var("TZ") {
        Ok(name) if name.is_empty() => Ok(TimeZone::utc()),
        Ok(name) => TimeZone::from_posix_tz(&name),
        Err(_) => TimeZone::local(),
    };
    zone.unwrap_or_else(|_| TimeZone::utc())
}

/// A moment on the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Wall {
    /// Whole seconds since 1970.
    pub(crate) seconds: i64,
    /// Nanoseconds beyond them.
    pub(crate) nanos: u32,
}

impl Wall {
    /// The present moment.
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: since.subsec_nanos(),
        }
    }

    /// This moment in the zone of the process.
    pub(crate) fn local(self) -> Local {
        self.within(ZONE.get_or_init(read_zone))
    }

    fn within(self, zone: &TimeZone) -> Local {
        let kind = zone.find_local_time_type(self.seconds).copied();
        let kind = kind.unwrap_or_else(|_| LocalTimeType::utc());
        let time = DateTime::from_timespec_and_local(self.seconds, self.nanos, kind);
        Local(time.unwrap_or_else(|_| epoch()))
    }
}

/// What a time beyond the calendar is shown as.
fn epoch() -> DateTime {
    let start =
        UtcDateTime::from_timespec(0, 0).and_then(|utc| utc.project(TimeZone::utc().as_ref()));
    start.expect("1970 is within the calendar")
}

/// A date and time of day with its offset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local(DateTime);

impl Local {
    /// Appends `2026/11/22 08:08:39`.
    pub(crate) fn log(self, out: &mut String) {
        let t = self.0;
        let _ = write!(out, "{:04}/{:02}/{:02} ", t.year(), t.month(), t.month_day());
        self.time_of_day(out);
    }

    /// Appends `Nov  2 08:08:39`.
    pub(crate) fn syslog(self, out: &mut String) {
        let month = MONTHS.get(usize::from(self.0.month()).wrapping_sub(1)).unwrap_or(&"Jan");
        let _ = write!(out, "{month} {:>2} ", self.0.month_day());
        self.time_of_day(out);
    }

    /// Appends `2026-11-22T08:08:39.000123+01:00`.
    pub(crate) fn rfc3339(self, out: &mut String) {
        self.date(out, 'T');
        let _ = write!(out, ".{:06}", self.0.nanoseconds() / 1_000);
        self.offset(out, ":");
    }

    /// Appends `2026-11-22 08:08:39.1 +0100 CET`, as Go prints a time: no fraction when it is zero.
    pub(crate) fn go(self, out: &mut String) {
        self.date(out, ' ');
        let nanos = self.0.nanoseconds();
        if nanos != 0 {
            let fraction = format!("{nanos:09}");
            let _ = write!(out, ".{}", fraction.trim_end_matches('0'));
        }
        out.push(' ');
        self.offset(out, "");
        let _ = write!(out, " {}", self.0.local_time_type().time_zone_designation());
    }

    fn date(self, out: &mut String, separator: char) {
        let t = self.0;
        let _ = write!(out, "{:04}-{:02}-{:02}{separator}", t.year(), t.month(), t.month_day());
        self.time_of_day(out);
    }

    fn time_of_day(self, out: &mut String) {
        let t = self.0;
        let _ = write!(out, "{:02}:{:02}:{:02}", t.hour(), t.minute(), t.second());
    }

    fn offset(self, out: &mut String, separator: &str) {
        let seconds = self.0.local_time_type().ut_offset();
        let sign = if seconds < 0 { '-' } else { '+' };
        let minutes = seconds.unsigned_abs() / 60;
        let _ = write!(out, "{sign}{:02}{separator}{:02}", minutes / 60, minutes % 60);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

    fn text(zone: &str, seconds: i64, nanos: u32, write: fn(Local, &mut String)) -> String {
        let mut out = String::new();
        write(Wall { seconds, nanos }.within(&TimeZone::from_posix_tz(zone).unwrap()), &mut out);
        out
    }

    #[test]
    fn forms() {
        // 2026-11-02 07:08:09 UTC.
        let at = 1_793_603_289;
        assert_eq!(text(BERLIN, at, 0, Local::log), "2026/11/02 08:08:09");
        assert_eq!(text(BERLIN, at, 0, Local::syslog), "Nov  2 08:08:09");
        assert_eq!(text(BERLIN, at, 123_456, Local::rfc3339), "2026-11-02T08:08:09.000123+01:00");
        assert_eq!(text(BERLIN, at, 0, Local::go), "2026-11-02 08:08:09 +0100 CET");
        assert_eq!(text(BERLIN, at, 500, Local::go), "2026-11-02 08:08:09.0000005 +0100 CET");
        assert_eq!(text("XXX3:30", at, 0, Local::go), "2026-11-02 03:38:09 -0330 XXX");
    }

    #[test]
    fn the_offset_follows_daylight_saving() {
        // 2026-10-25 00:59:59 UTC is the last second of summer time.
        assert_eq!(text(BERLIN, 1_792_889_999, 0, Local::log), "2026/10/25 02:59:59");
        assert_eq!(text(BERLIN, 1_792_890_000, 0, Local::log), "2026/10/25 02:00:00");
    }

    #[test]
    fn times_beyond_the_calendar_do_not_fail() {
        assert_eq!(text("UTC0", i64::MAX, 0, Local::log), "1970/01/01 00:00:00");
    }
}
