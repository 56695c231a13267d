//! Figures as the reports write them.

/// Seconds, to the hundredth.
pub(super) fn secs(value: f64) -> String {
    figure(value, 2)
}

/// A ratio, to the hundredth.
pub(super) fn ratio(value: f64) -> String {
    figure(value, 2)
}

/// A figure with that many decimals; a dash if there is none.
pub(super) fn figure(value: f64, decimals: usize) -> String {
    if value.is_finite() { format!("{value:.decimals$}") } else { "–".into() }
}

/// A count with commas.
pub(super) fn size(count: u32) -> String {
    crate::report::thousands(f64::from(count), 0)
}

/// A share in percent.
pub(super) fn percent(share: f64, decimals: usize) -> String {
    if share.is_finite() { format!("{:.decimals$} %", 100.0 * share) } else { "–".into() }
}
