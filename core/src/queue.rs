//! Transmit-limited broadcast queue.
//!
//! Fewest transmissions go first, then the largest that fits, then the newest. A broadcast about a subject replaces
//! an older one about the same subject. Source: memberlist, broadcast queue.

#[cfg(feature = "bench")]
pub(crate) mod bench;

use std::collections::VecDeque;

use smallvec::SmallVec;

use crate::idmap::IdMap;
use crate::pool::NodeId;

/// Where a broadcast stands: transmissions so far, bytes of its message, number in order of queueing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Place {
    transmits: u32,
    bytes: u32,
    id: u64,
}

#[derive(Debug)]
struct Entry<T> {
    id: u64,
    subject: Option<NodeId>,
    item: T,
}

/// Broadcasts of one size and one number of transmissions, oldest first.
#[derive(Debug)]
struct Bucket<T> {
    bytes: u32,
    /// A deque, because what comes back from a walk comes newest first and belongs to the front.
    entries: VecDeque<Entry<T>>,
}

/// Buckets of one number of transmissions, smallest messages first; none is empty.
type Tier<T> = Vec<Bucket<T>>;

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
    /// Index is the number of transmissions so far.
    tiers: Vec<Tier<T>>,
    by_subject: IdMap<Place>,
    len: usize,
    last_id: u64,
    /// Broadcasts somebody waits for, and those of them that are not queued any more. Mostly empty.
    watched: SmallVec<[Ticket; 1]>,
    released: SmallVec<[Ticket; 1]>,
}

impl<T> Default for BroadcastQueue<T> {
    fn default() -> Self {
        Self {
            tiers: Vec::new(),
            by_subject: IdMap::default(),
            len: 0,
            last_id: 0,
            watched: SmallVec::new(),
            released: SmallVec::new(),
        }
    }
}

impl<T> BroadcastQueue<T> {
    /// Queued broadcasts.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is queued.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Every queued item.
    pub(crate) fn items(&self) -> impl Iterator<Item = &T> {
        let buckets = self.tiers.iter().flatten();
        buckets.flat_map(|bucket| &bucket.entries).map(|entry| &entry.item)
    }

    /// Queues `item`, whose message is `bytes` long. Returns its ticket and the broadcast it superseded.
    pub(crate) fn push(
        &mut self,
        subject: Option<NodeId>,
        bytes: usize,
        item: T,
    ) -> (Ticket, Option<T>) {
        let place = subject.and_then(|subject| self.by_subject.get(&subject).copied());
        let superseded = place.and_then(|place| self.remove(place)).map(|entry| {
            self.release(entry.id);
            entry.item
        });
        self.last_id += 1;
        let id = self.last_id;
        let bytes = u32::try_from(bytes).expect("a broadcast is far below 4 GiB");
        self.insert(Place { transmits: 0, bytes, id }, Entry { id, subject, item });
        (Ticket(id), superseded)
    }

    /// Has [`BroadcastQueue::next_released`] tell when the broadcast is not queued any more: transmitted to its limit,
    /// superseded or dropped.
    pub(crate) fn watch(&mut self, ticket: Ticket) {
        self.watched.push(ticket);
    }

    /// Stops watching.
    pub(crate) fn unwatch(&mut self, ticket: Ticket) {
        self.watched.retain(|watched| *watched != ticket);
        self.released.retain(|released| *released != ticket);
    }

    /// A watched broadcast that is not queued any more; each is told once.
    pub(crate) fn next_released(&mut self) -> Option<Ticket> {
        self.released.pop()
    }

    fn release(&mut self, id: u64) {
        if let Some(at) = self.watched.iter().position(|ticket| ticket.0 == id) {
            let ticket = self.watched.swap_remove(at);
            self.released.push(ticket);
        }
    }

    /// Hands out messages that fit, each counting one transmission; `finished` gets those that reached the limit.
    pub(crate) fn take(
        &mut self,
        take: Take,
        mut emit: impl FnMut(&T),
        mut finished: impl FnMut(T),
    ) -> Taken {
        let mut taken = Taken::default();
        // Put back after the walk, so that nothing is taken twice in one call.
        let mut again: SmallVec<[(Place, Entry<T>); 8]> = SmallVec::new();
        let mut transmits = 0;
        while (transmits as usize) < self.tiers.len() && taken.parts < take.parts_max {
            let Some(free) = take.room.checked_sub(taken.bytes + take.overhead + 1) else { break };
            let largest = u32::try_from(free + 1).unwrap_or(u32::MAX);
            let Some((bytes, entry)) = self.pop_largest(transmits, largest) else {
                transmits += 1;
                continue;
            };
            emit(&entry.item);
            taken.bytes += take.overhead + bytes as usize;
            taken.parts += 1;
            if transmits + 1 >= take.limit {
                if let Some(subject) = entry.subject {
                    self.by_subject.remove(&subject);
                }
                self.release(entry.id);
                finished(entry.item);
            } else {
                again.push((Place { transmits: transmits + 1, bytes, id: entry.id }, entry));
            }
        }
        for (place, entry) in again {
            self.insert(place, entry);
        }
        self.shrink();
        taken
    }

    /// Drops broadcasts from the end of the order until `keep` remain. Returns how many were dropped.
    pub(crate) fn prune(&mut self, keep: usize) -> usize {
        let mut dropped = 0;
        while self.len > keep {
            self.shrink();
            let Some(tier) = self.tiers.last_mut() else { break };
            let Some(smallest) = tier.first_mut() else { break };
            let entry = smallest.entries.pop_front();
            if smallest.entries.is_empty() {
                tier.remove(0);
            }
            if let Some(entry) = entry {
                if let Some(subject) = entry.subject {
                    self.by_subject.remove(&subject);
                }
                self.release(entry.id);
            }
            self.len -= 1;
            dropped += 1;
        }
        dropped
    }

    /// Takes out the newest of the largest messages of a tier that are at most `largest` bytes long.
    fn pop_largest(&mut self, transmits: u32, largest: u32) -> Option<(u32, Entry<T>)> {
        let tier = self.tiers.get_mut(transmits as usize)?;
        let at = tier.partition_point(|bucket| bucket.bytes <= largest).checked_sub(1)?;
        let bucket = &mut tier[at];
        let (bytes, entry) = (bucket.bytes, bucket.entries.pop_back()?);
        if bucket.entries.is_empty() {
            tier.remove(at);
        }
        self.len -= 1;
        Some((bytes, entry))
    }

    fn insert(&mut self, place: Place, entry: Entry<T>) {
        if let Some(subject) = entry.subject {
            self.by_subject.insert(subject, place);
        }
        let transmits = place.transmits as usize;
        if self.tiers.len() <= transmits {
            self.tiers.resize_with(transmits + 1, Vec::new);
        }
        let tier = &mut self.tiers[transmits];
        let at = tier.partition_point(|bucket| bucket.bytes < place.bytes);
        if tier.get(at).is_none_or(|bucket| bucket.bytes != place.bytes) {
            tier.insert(at, Bucket { bytes: place.bytes, entries: VecDeque::new() });
        }
        let entries = &mut tier[at].entries;
        let at = entries.partition_point(|other| other.id < place.id);
        entries.insert(at, entry);
        self.len += 1;
    }

    fn remove(&mut self, place: Place) -> Option<Entry<T>> {
        let tier = self.tiers.get_mut(place.transmits as usize)?;
        let bucket = tier.binary_search_by_key(&place.bytes, |bucket| bucket.bytes).ok()?;
        let entries = &mut tier[bucket].entries;
        let at = entries.binary_search_by_key(&place.id, |entry| entry.id).ok()?;
        let entry = entries.remove(at)?;
        if entries.is_empty() {
            tier.remove(bucket);
        }
        if let Some(subject) = entry.subject {
            self.by_subject.remove(&subject);
        }
        self.len -= 1;
        Some(entry)
    }

    /// Forgets empty tiers at the end; an empty queue holds no memory, since most nodes have nothing to tell.
    fn shrink(&mut self) {
        while self.tiers.last().is_some_and(Vec::is_empty) {
            self.tiers.pop();
        }
        if self.len == 0 {
            self.tiers = Vec::new();
            self.by_subject = IdMap::default();
        }
    }
}

#[cfg(test)]
mod tests;
