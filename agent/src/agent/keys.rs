//! Operations on the keys of the whole cluster.

use uwasa_core::command::{Command, KeyOp, OpError, Reply};

use super::{Agent, AgentError, KeyOutcome, KeyRequest, errors};
use crate::go;

impl Agent {
    /// Changes or lists the keys of all members.
    pub(crate) async fn keys(&self, request: KeyRequest) -> KeyOutcome {
        let what = match &request {
            KeyRequest::Install(_) => "key installation",
            KeyRequest::Use(_) => "primary key change",
            KeyRequest::Remove(_) => "key removal",
            KeyRequest::List => "key listing",
        };
        tracing::info!(target: "agent", "Initiating {what}");
        let decoded = |key: &String| go::base64::decode(key).map(Into::into);
        let op = match &request {
            KeyRequest::Install(key) => decoded(key).map(KeyOp::Install),
            KeyRequest::Use(key) => decoded(key).map(KeyOp::Use),
            KeyRequest::Remove(key) => decoded(key).map(KeyOp::Remove),
            KeyRequest::List => Ok(KeyOp::List),
        };
        let op = match op {
            Ok(op) => op,
            Err(text) => {
                return KeyOutcome { error: Some(AgentError(text)), ..KeyOutcome::default() };
            }
        };
        match self.driver.command(Command::Keys { op, relay_factor: 0 }).await {
            Ok(Reply::Keys(report)) => KeyOutcome { report: *report, error: None },
            Err(OpError::KeysFailed(report)) => {
                KeyOutcome { error: Some(AgentError(report.to_string())), report: *report }
            }
            Ok(_) => KeyOutcome::default(),
            Err(error) => {
                KeyOutcome { error: Some(errors::general(error)), ..KeyOutcome::default() }
            }
        }
    }
}
