//! Output in a format that the user chose.

use serde::Serialize;

use super::rpc::Stop;
use crate::go;

/// Writes an answer in the format of that name: `text` as the caller makes it, or `json`; trimmed, as Serf does.
pub(super) fn encode<T: Serialize>(
    format: &str,
    answer: &T,
    text: impl FnOnce() -> String,
) -> Result<String, Stop> {
    match format {
        "text" => Ok(text().trim().to_owned()),
        "json" => Ok(go::json::pretty(answer)),
        _ => Err(Stop::Failed(format!("Encoding error: Invalid output format \"{format}\""))),
    }
}
