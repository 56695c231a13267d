//! What can go wrong while two programs are compared.

use std::io;

/// Ends a section, not the run: the other sections still say something.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The operating system refused something.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// An agent answered with an error or with something that cannot be read.
    #[error("{agent}: {what}")]
    Answer {
        /// Name or RPC address of the agent.
        agent: String,
        /// The error.
        what: String,
    },
    /// The cluster did not come together in time, so there is nothing to measure.
    #[error("{0}")]
    Cluster(String),
}

impl Failure {
    /// For `map_err`: an operating system's error with what was tried.
    pub(crate) fn system(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::System { what, source }
    }
}
