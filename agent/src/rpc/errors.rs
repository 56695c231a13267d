//! What clients and the log are told when something is refused: the texts that Serf's clients know.

/// No such command; the connection is closed.
pub(super) const UNSUPPORTED_COMMAND: &str = "Unsupported command";
/// The client speaks another version; it may try again.
pub(super) const UNSUPPORTED_VERSION: &str = "Unsupported IPC version";
/// A second handshake.
pub(super) const DUPLICATE_HANDSHAKE: &str = "Handshake already performed";
/// A command before the handshake; the connection is closed.
pub(super) const HANDSHAKE_REQUIRED: &str = "Handshake required";
/// A connection has one monitor at most.
pub(super) const MONITOR_EXISTS: &str = "Monitor already exists";
/// A stream's filter names no type of event.
pub(super) const INVALID_FILTER: &str = "Invalid event filter";
/// Another stream of the connection has this number.
pub(super) const STREAM_EXISTS: &str = "Stream with given sequence exists";
/// More streams than one connection may have. Serf has no such limit.
pub(super) const TOO_MANY_STREAMS: &str = "Too many streams";
/// An answer to a query that is over, or never was.
pub(super) const NO_SUCH_QUERY: &str = "No pending queries matching ID";
/// A command before the token was shown.
pub(super) const AUTH_REQUIRED: &str = "Authentication required";
/// The wrong token.
pub(super) const INVALID_AUTH: &str = "Invalid authentication token";

/// How an agent's refusal of an answer ends when the query's time is over.
pub(super) const PAST_DEADLINE: &str = "past the deadline";

/// Longest piece of a client's text that is repeated in the log, in bytes.
const SHOWN_MAX: usize = 256;

/// The start of a client's text, so that nobody fills the log with a few requests.
pub(super) fn shown(text: &str) -> &str {
    let mut end = text.len().min(SHOWN_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
