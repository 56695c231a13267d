//! File descriptors: how many the process may have, and what share of them strangers can take.
//!
//! Half of them are for RPC clients and a quarter for streams that peers open. The rest is never given away: scripts,
//! own connections, telemetry and files find some left, whoever connects.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the process's limit as far as it is allowed to, as programs in Go do. Scripts inherit it.
pub(crate) fn raise_limit() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::debug!(target: "agent", "Failed to raise the limit of open files: {error}");
    }
}

/// Descriptors that RPC clients may take; at least one.
pub(crate) fn for_clients() -> usize {
    (limit() / 2).max(1)
}

/// Descriptors that streams of peers may take; at least one.
pub(crate) fn for_peers() -> usize {
    (limit() / 4).max(1)
}

/// The present limit.
pub(crate) fn limit() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE);
    limit.map_or(usize::MAX, |(soft, _)| usize::try_from(soft).unwrap_or(usize::MAX))
}
