//! The broadcast queue as `uwasa-benches` sees it: numbers in the place of facts.

use super::{BroadcastQueue, Take};
use crate::pool::NodeId;

/// A broadcast queue of numbers.
#[derive(Debug, Default)]
pub struct Queue(BroadcastQueue<u64>);

impl Queue {
    /// Queues one broadcast of `bytes`; true if it superseded one about the same subject.
    pub fn push(&mut self, subject: Option<NodeId>, bytes: usize, item: u64) -> bool {
        self.0.push(subject, bytes, item).1.is_some()
    }

    /// Fills one packet of `room` bytes; what was sent `limit` times goes to `finished`. Gives the number of messages.
    pub fn take(&mut self, room: usize, limit: u32, finished: &mut Vec<u64>) -> usize {
        let take = Take { overhead: 2, room, parts_max: 127, limit };
        let mut emitted = 0;
        self.0.take(take, |_item| emitted += 1, |item| finished.push(item));
        emitted
    }

    /// Drops the last broadcasts in order until `keep` are left.
    pub fn prune(&mut self, keep: usize) -> usize {
        self.0.prune(keep)
    }
}
