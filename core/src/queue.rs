//! Transmit-limited broadcast queue.
//!
//! Fewest transmissions go first, then the largest that fits, then the newest. A broadcast about a subject replaces
//! an older one about the same subject. Source: memberlist, broadcast queue.

use core::cmp::Reverse;
use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::pool::NodeId;

/// Order in the queue: transmissions ascending, size descending, newest first.
type Key = (u32, Reverse<u32>, Reverse<u64>);

#[derive(Debug)]
struct Entry<T> {
    subject: Option<NodeId>,
    item: T,
}

/// Identifies one queued broadcast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ticket(u64);

/// What one [`BroadcastQueue::take`] may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Take {
    /// Bytes each message costs beyond its own length.
    pub(crate) overhead: usize,
    /// Bytes available, overheads included.
    pub(crate) room: usize,
    /// Most messages.
    pub(crate) parts_max: usize,
    /// Transmissions after which a broadcast is finished; 0 still means one.
    pub(crate) limit: u32,
}

/// What one [`BroadcastQueue::take`] used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Taken {
    /// Bytes, overheads included.
    pub(crate) bytes: usize,
    /// Messages.
    pub(crate) parts: usize,
}

/// The queue. `T` is a fact that its owner can write as a message of the length given to `push`.
#[derive(Debug)]
pub(crate) struct BroadcastQueue<T> {
    entries: BTreeMap<Key, Entry<T>>,
    by_subject: BTreeMap<NodeId, Key>,
    next_id: u64,
}

impl<T> Default for BroadcastQueue<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), by_subject: BTreeMap::new(), next_id: 0 }
    }
}

impl<T> BroadcastQueue<T> {
    /// Queued broadcasts.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is queued.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Queues `item`, whose message is `bytes` long. Returns its ticket and the broadcast it superseded.
    pub(crate) fn push(
        &mut self,
        subject: Option<NodeId>,
        bytes: usize,
        item: T,
    ) -> (Ticket, Option<T>) {
        let superseded = subject
            .and_then(|subject| self.by_subject.remove(&subject))
            .and_then(|key| self.entries.remove(&key))
            .map(|entry| entry.item);
        self.next_id += 1;
        let bytes = u32::try_from(bytes).expect("a broadcast is far below 4 GiB");
        let key = (0, Reverse(bytes), Reverse(self.next_id));
        self.insert(key, Entry { subject, item });
        (Ticket(self.next_id), superseded)
    }

    /// Whether the broadcast about `subject` with this ticket is still queued.
    pub(crate) fn is_queued(&self, subject: NodeId, ticket: Ticket) -> bool {
        self.by_subject.get(&subject).is_some_and(|key| key.2.0 == ticket.0)
    }

    /// Hands out messages that fit, each counting one transmission; `finished` gets those that reached the limit.
    pub(crate) fn take(
        &mut self,
        take: Take,
        mut emit: impl FnMut(&T),
        mut finished: impl FnMut(T),
    ) -> Taken {
        let mut taken = Taken::default();
        let (Some(mut tier), Some(last_tier)) = (
            self.entries.first_key_value().map(|(key, _)| key.0),
            self.entries.last_key_value().map(|(key, _)| key.0),
        ) else {
            return taken;
        };
        // Put back after the walk, so that nothing is taken twice in one call.
        let mut again: SmallVec<[(Key, Entry<T>); 8]> = SmallVec::new();
        while taken.parts < take.parts_max {
            let Some(free) = take.room.checked_sub(taken.bytes + take.overhead + 1) else { break };
            let largest = u32::try_from(free + 1).unwrap_or(u32::MAX);
            let from = (tier, Reverse(largest), Reverse(u64::MAX));
            let Some((&key, _)) = self.entries.range(from..).next() else { break };
            if key.0 != tier {
                if key.0 > last_tier {
                    break;
                }
                tier = key.0;
                continue;
            }
            let Some(entry) = self.remove(key) else { break };
            emit(&entry.item);
            taken.bytes += take.overhead + key.1.0 as usize;
            taken.parts += 1;
            if key.0 + 1 >= take.limit {
                finished(entry.item);
            } else {
                again.push(((key.0 + 1, key.1, key.2), entry));
            }
        }
        for (key, entry) in again {
            self.insert(key, entry);
        }
        taken
    }

    /// Drops broadcasts from the end of the order until `keep` remain. Returns how many were dropped.
    pub(crate) fn prune(&mut self, keep: usize) -> usize {
        let mut dropped = 0;
        while self.entries.len() > keep {
            let Some((_, entry)) = self.entries.pop_last() else { break };
            if let Some(subject) = entry.subject {
                self.by_subject.remove(&subject);
            }
            dropped += 1;
        }
        dropped
    }

    fn insert(&mut self, key: Key, entry: Entry<T>) {
        if let Some(subject) = entry.subject {
            self.by_subject.insert(subject, key);
        }
        self.entries.insert(key, entry);
    }

    fn remove(&mut self, key: Key) -> Option<Entry<T>> {
        let entry = self.entries.remove(&key)?;
        if let Some(subject) = entry.subject {
            self.by_subject.remove(&subject);
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests;
