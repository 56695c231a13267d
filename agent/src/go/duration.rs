//! Durations in Go's notation: `1h15m30.918s`.

/// Reads a duration as Go's `time.ParseDuration` does.
///
/// # Errors
///
/// Go's text, such as `time: invalid duration "xyz"`.
pub fn parse(text: &str) -> Result<i64, String> {
    let _ = text;
    unimplemented!()
}

/// Writes nanoseconds as Go does: `1s`, `1m30s`, `1h0m0s`, `500ms`.
#[must_use]
pub fn format(nanoseconds: i64) -> String {
    let _ = nanoseconds;
    unimplemented!()
}
