//! How the log shows what a client wants to send.

use std::borrow::Cow;

use uwasa_core::config::USER_EVENT_BYTES_CEILING;

use crate::go;

/// No event is longer, whatever the configuration, in bytes.
pub(super) const EVENT_BYTES_MAX: usize = USER_EVENT_BYTES_CEILING;
/// No query is longer, in bytes.
pub(super) const QUERY_BYTES_MAX: usize = 65_000;
/// Longest piece that is shown of something longer than that, in bytes.
const PIECE_BYTES: usize = 256;

/// A name and its payload in quotes: whole up to `limit` bytes together, so that nobody fills the log with what cannot
/// be sent.
pub(super) fn shown<'n>(name: &'n str, payload: &[u8], limit: usize) -> (Cow<'n, str>, String) {
    let most = if name.len() + payload.len() > limit { PIECE_BYTES } else { limit };
    let piece = |text: &[u8]| text.len().min(most);
    let called = String::from_utf8_lossy(&name.as_bytes()[..piece(name.as_bytes())]);
    (called, go::quote::quote_bytes(&payload[..piece(payload)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_be_sent_is_cut() {
        let (name, payload) = ("n".repeat(216), "p".repeat(9_000));
        let (called, quoted) = shown(&name, payload.as_bytes(), EVENT_BYTES_MAX);
        assert_eq!((&*called, quoted), (&*name, format!("\"{payload}\"")));
        let payload = "p".repeat(9_001);
        let (called, quoted) = shown(&name, payload.as_bytes(), EVENT_BYTES_MAX);
        assert_eq!((&*called, quoted), (&*name, format!("\"{}\"", "p".repeat(256))));
        let long = "é".repeat(100_000);
        let (called, quoted) = shown(&long, b"", QUERY_BYTES_MAX);
        assert_eq!((called.len(), &*quoted), (256, "\"\""));
    }
}
