//! Joins that the configuration asks for.

use std::time::Duration;

use crate::agent::Agent;
use crate::config::{Config, positive};
use crate::go::duration;

/// Joins in the background until it works.
///
/// # Errors
///
/// The last attempt that is allowed has failed.
pub(super) async fn retry(agent: &Agent, config: &Config) -> Result<(), Exhausted> {
    let wait = positive(config.retry_interval).unwrap_or(Duration::from_secs(1));
    let mut attempts = 0;
    loop {
        let replay = config.replay_on_join;
        tracing::info!(target: "agent", "Joining cluster...(replay: {replay})");
        let joined = agent.join(&config.retry_join, replay).await;
        let Some(error) = joined.error else {
            let contacted = joined.contacted;
            tracing::info!(target: "agent", "Join completed. Synced with {contacted} initial agents");
            return Ok(());
        };
        attempts += 1;
        if config.retry_max_attempts > 0 && attempts > config.retry_max_attempts {
            tracing::error!(target: "agent", "maximum retry join attempts made, exiting");
            return Err(Exhausted);
        }
        let shown = duration::format(config.retry_interval);
        tracing::warn!(target: "agent", "Join failed: {error}, retrying in {shown}");
        tokio::time::sleep(wait).await;
    }
}

/// No further attempt is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Exhausted;
