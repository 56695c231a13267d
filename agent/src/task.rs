//! Tasks of one agent: they log where their agent logs, and they are counted, so that a leak shows.

use core::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinHandle;
use tracing::instrument::WithSubscriber as _;

static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Counts a task for as long as it lives.
struct Counted;

impl Counted {
    fn new() -> Self {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Starts a task that inherits the caller's log. All tasks of the agent are started here.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let counted = Counted::new();
    tokio::spawn(
        async move {
            let _counted = counted;
            future.await
        }
        .with_current_subscriber(),
    )
}

/// Tasks of this process that live now, those of every agent in it together.
#[must_use]
pub fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}
