//! Joining by addresses as users write them.

use super::{Agent, AgentError, Joined, addresses, errors};
use crate::driver::Request;

impl Agent {
    /// Joins by way of addresses as users write them (`ip`, `ip:port`, `host`, `name/addr`, …), one after the other.
    pub(crate) async fn join(&self, addresses: &[String], replay: bool) -> Joined {
        let list = addresses.join(" ");
        tracing::info!(target: "agent", "joining: [{list}] replay: {replay}");
        let joined = self.try_join(addresses, replay).await;
        if joined.contacted > 0 {
            tracing::info!(target: "agent", "joined: {} nodes", joined.contacted);
        }
        if let Some(error) = &joined.error {
            tracing::warn!(target: "agent", "error joining: {error}");
        }
        joined
    }

    async fn try_join(&self, words: &[String], replay: bool) -> Joined {
        let (mut seeds, mut troubles) = (Vec::new(), Vec::new());
        for word in words {
            match addresses::resolve(word, self.driver.bind_port).await {
                Ok(found) => seeds.extend(found),
                Err(error) => troubles.push(format!("Failed to resolve {word}: {error}")),
            }
        }
        if !seeds.is_empty() {
            let answer = self.driver.ask(|reply| Request::Join { seeds, replay, reply }).await;
            let answer = answer.unwrap_or_default();
            if answer.contacted > 0 {
                return Joined { contacted: answer.contacted, error: None };
            }
            if let Some(error) = answer.refused {
                return Joined { contacted: 0, error: Some(errors::general(error)) };
            }
            for (seed, failure) in answer.failures {
                let text = format!("Failed to join {}: {failure}", seed.ip());
                tracing::debug!(target: "memberlist", "{text}");
                troubles.push(text);
            }
        }
        let error = (!troubles.is_empty()).then(|| all_of(&troubles));
        Joined { contacted: 0, error }
    }
}

/// Several errors in one, as the peers' tools print them.
fn all_of(troubles: &[String]) -> AgentError {
    let count = troubles.len();
    let errors = if count == 1 { "error" } else { "errors" };
    let lines: String = troubles.iter().map(|text| format!("\t* {text}\n")).collect();
    AgentError(format!("{count} {errors} occurred:\n{lines}\n"))
}
