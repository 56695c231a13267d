//! What the process uses, and what it may use.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::descriptors;

/// Descriptors of an agent: two sockets, and the streams of a busy moment.
const FILES_PER_AGENT: usize = 6;
/// Descriptors of the process itself.
const FILES_OWN: usize = 64;

/// Raises the limit of open files as far as the process may.
///
/// # Errors
///
/// The limit is too low for `nodes` agents: a text that says so.
pub fn raise_file_limit(nodes: usize) -> Result<(), String> {
    descriptors::raise_limit();
    let limit = descriptors::limit();
    let needed = FILES_OWN + FILES_PER_AGENT * nodes;
    if limit < needed {
        return Err(format!(
            "{nodes} agents need {needed} open files and the process may have {limit}: raise the limit (ulimit -n) \
             or run fewer agents"
        ));
    }
    Ok(())
}

/// Processor time of the process so far, of all threads.
pub(super) fn cpu() -> Duration {
    let nanoseconds = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
        usage.user_time().num_nanoseconds() + usage.system_time().num_nanoseconds()
    });
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0))
}
