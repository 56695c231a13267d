//! Lifeguard's five configurations against anomalies that come and go.

use super::PapersError;
use super::lab::Lab;
use super::sheet::Sheet;

/// Runs everything.
pub(super) fn reproduce(_lab: &Lab<'_>) -> Result<Sheet, PapersError> {
    Ok(Sheet::new("lifeguard", "Lifeguard"))
}
