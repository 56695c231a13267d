//! The broadcast queue as `uwasa-benches` sees it: numbers in the place of facts.

use super::{BroadcastQueue, Take, Taken};
use crate::pool::NodeId;

/// A broadcast queue of numbers.
#[derive(Debug, Default)]
pub struct Queue(BroadcastQueue<u64>);

impl Queue {
    /// Queues one broadcast of `bytes`; true if it superseded one about the same subject.
    pub fn push(&mut self, subject: Option<NodeId>, bytes: usize, item: u64) -> bool {
        self.0.push(subject, bytes, item).1.is_some()
    }

    /// Fills one packet of `room` bytes. Nothing is ever finished, so that the depth stays; gives the number of
    /// messages and their sum.
    pub fn take(&mut self, room: usize) -> (usize, u64) {
        let take = Take { overhead: 2, room, parts_max: 127, limit: u32::MAX };
        let mut sum = 0_u64;
        let Taken { parts, .. } =
            self.0.take(take, |item| sum = sum.wrapping_add(*item), |_finished| ());
        (parts, sum)
    }

    /// Drops the last broadcasts in order until `keep` are left.
    pub fn prune(&mut self, keep: usize) -> usize {
        self.0.prune(keep)
    }
}
