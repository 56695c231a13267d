//! Event handlers: scripts that run when events happen.

use std::sync::Arc;

use crate::agent::Agent;
use crate::filter::Filter;

/// One script and the event that starts it. A specification with several filters makes several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handler {
    /// When it runs.
    pub filter: Filter,
    /// What `/bin/sh -c` gets.
    pub script: Box<str>,
}

impl Handler {
    /// Reads `[FILTERS=]SCRIPT`.
    ///
    /// # Errors
    ///
    /// Serf's text: `Event 'member-foo' invoking 'x.sh'`.
    pub fn parse(spec: &str) -> Result<Vec<Self>, String> {
        let _ = spec;
        unimplemented!()
    }
}

/// Runs the handlers of one agent. Clones are handles to the same runner.
#[derive(Clone, Debug)]
pub struct Runner {
    shared: Arc<()>,
}

impl Runner {
    /// Starts the task that listens to `agent`'s events; it also logs `agent: Received event: …` for each.
    pub async fn start(agent: &Agent, handlers: Vec<Handler>) -> Self {
        let _ = (agent, handlers);
        unimplemented!()
    }

    /// Exchanges the handlers; takes effect with the next event.
    pub fn replace(&self, handlers: Vec<Handler>) {
        let _ = (&self.shared, handlers);
        unimplemented!()
    }
}
