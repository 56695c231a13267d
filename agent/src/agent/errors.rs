//! The core's errors in the words that Serf's clients know.

use uwasa_core::command::OpError;

use super::AgentError;

/// Events, queries, and whatever has no words of its own.
pub(super) fn general(error: OpError) -> AgentError {
    AgentError(match error {
        OpError::EventTooLarge { limit, .. } => {
            format!("encoded user event exceeds configured limit of {limit} bytes after encoding")
        }
        OpError::QueryTooLarge { limit, .. } => format!("query exceeds limit of {limit} bytes"),
        OpError::QueryUnsupported { .. } => "Feature not supported".to_owned(),
        OpError::TagsTooLarge { limit, .. } => {
            format!("Encoded length of tags exceeds limit of {limit} bytes")
        }
        OpError::NotAlive => "Serf can't Join after Leave or Shutdown".to_owned(),
        OpError::LeaveInProgress => "Leave already in progress".to_owned(),
        OpError::ResponseTooLarge { .. }
        | OpError::RelayTooLarge { .. }
        | OpError::AlreadyAnswered
        | OpError::QueryOver
        | OpError::JoinFailed { .. }
        | OpError::NoSeeds
        | OpError::LamportTimeExhausted
        | OpError::BroadcastTimeout
        | OpError::BadFilter { .. }
        | OpError::QueriesFull { .. }
        | OpError::KeysFailed(_)
        | OpError::ShutDown => error.to_string(),
    })
}

/// Answers to queries.
pub(super) fn response(error: OpError) -> AgentError {
    let text = if let OpError::ResponseTooLarge { limit, .. } = error {
        format!("response exceeds limit of {limit} bytes")
    } else if let OpError::RelayTooLarge { limit, .. } = error {
        format!("relayed response exceeds limit of {limit} bytes")
    } else if error == OpError::AlreadyAnswered {
        "response already sent".to_owned()
    } else if error == OpError::QueryOver {
        "response is past the deadline".to_owned()
    } else {
        general(error).0
    };
    AgentError(format!("failed to respond to key query: {text}"))
}

/// Forcing a member out.
pub(super) fn removal(error: OpError) -> AgentError {
    timed_out(error, "timed out broadcasting node removal")
}

/// Changing tags.
pub(super) fn update(error: OpError) -> AgentError {
    timed_out(error, "timeout waiting for update broadcast")
}

/// Leaving.
pub(super) fn leave(error: OpError) -> AgentError {
    if error == OpError::NotAlive {
        return AgentError("Leave called after Shutdown".to_owned());
    }
    timed_out(error, "timeout while waiting for graceful leave")
}

fn timed_out(error: OpError, text: &str) -> AgentError {
    if error == OpError::BroadcastTimeout { AgentError(text.to_owned()) } else { general(error) }
}
