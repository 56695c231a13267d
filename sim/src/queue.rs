//! The event queue: a total order by (time, sequence), served by a timing wheel with an overflow heap.
//!
//! Two events at the same nanosecond come out in the order they were pushed, so a run depends on nothing but its
//! pushes. The wheel holds the next two virtual seconds, which is nearly everything a gossip cluster plans; what lies
//! further ahead waits in a heap and moves into the wheel as it turns.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::scenario::Nanos;

/// Width of one slot: 2^18 ns, about a quarter of a millisecond.
const SLOT_BITS: u32 = 18;
/// Number of slots; a power of two. The wheel spans 2.1 virtual seconds.
const SLOTS: usize = 8_192;
const WORDS: usize = SLOTS / 64;
const SUMMARIES: usize = WORDS / 64;
/// End of a linked list.
const NIL: u32 = u32::MAX;

/// One pending event outside the wheel.
#[derive(Clone, Copy, Debug)]
struct Entry<T> {
    at: Nanos,
    sequence: u64,
    payload: T,
}

impl<T> Entry<T> {
    const fn key(&self) -> (Nanos, u64) {
        (self.at, self.sequence)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl<T> Eq for Entry<T> {}
impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// One pending event inside the wheel: 32 bytes with a 12-byte payload.
#[derive(Clone, Copy, Debug)]
struct Cell<T> {
    at: Nanos,
    sequence: u64,
    payload: T,
    next: u32,
}

/// Pending events, popped in order of time and then of pushing.
#[derive(Debug)]
pub struct EventQueue<T> {
    /// Storage of the wheel's lists; freed cells form the list that starts at `free`.
    cells: Vec<Cell<T>>,
    free: u32,
    heads: Box<[u32]>,
    /// One bit per slot that is not empty, and one bit per word of those.
    occupied: [u64; WORDS],
    summary: [u64; SUMMARIES],
    /// The slot being served, counted from time zero.
    cursor: u64,
    /// Events of the served slot, latest first.
    current: Vec<Entry<T>>,
    /// Events pushed into the served slot (or before it) after it was sorted.
    late: BinaryHeap<Reverse<Entry<T>>>,
    /// Events beyond the wheel.
    overflow: BinaryHeap<Reverse<Entry<T>>>,
    sequence: u64,
    len: usize,
}

impl<T: Copy> Default for EventQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Copy> EventQueue<T> {
    /// An empty queue that stands at time zero.
    #[must_use]
    pub fn new() -> Self {
        Self {
            cells: Vec::new(),
            free: NIL,
            heads: vec![NIL; SLOTS].into_boxed_slice(),
            occupied: [0; WORDS],
            summary: [0; SUMMARIES],
            cursor: 0,
            current: Vec::new(),
            late: BinaryHeap::new(),
            overflow: BinaryHeap::new(),
            sequence: 0,
            len: 0,
        }
    }

    /// Number of pending events.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is pending.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an event. It comes after every pending event of the same time.
    pub fn push(&mut self, at: Nanos, payload: T) {
        let sequence = self.sequence;
        self.sequence += 1;
        self.len += 1;
        let slot = at >> SLOT_BITS;
        if slot <= self.cursor {
            self.late.push(Reverse(Entry { at, sequence, payload }));
        } else if slot - self.cursor < SLOTS as u64 {
            self.link(slot, Cell { at, sequence, payload, next: NIL });
        } else {
            self.overflow.push(Reverse(Entry { at, sequence, payload }));
        }
    }

    /// The next event, if its time is at most `limit`.
    pub fn pop_until(&mut self, limit: Nanos) -> Option<(Nanos, T)> {
        loop {
            let late_first = match (self.current.last(), self.late.peek()) {
                (Some(_), None) => false,
                (Some(sorted), Some(Reverse(late))) => late < sorted,
                (None, Some(_)) => true,
                (None, None) => {
                    if !self.advance(limit) {
                        return None;
                    }
                    continue;
                }
            };
            return if late_first { self.pop_late(limit) } else { self.pop_sorted(limit) };
        }
    }

    fn pop_late(&mut self, limit: Nanos) -> Option<(Nanos, T)> {
        if self.late.peek().is_none_or(|Reverse(entry)| entry.at > limit) {
            return None;
        }
        let Reverse(entry) = self.late.pop()?;
        self.len -= 1;
        Some((entry.at, entry.payload))
    }

    fn pop_sorted(&mut self, limit: Nanos) -> Option<(Nanos, T)> {
        let entry = *self.current.last()?;
        if entry.at > limit {
            return None;
        }
        self.current.pop();
        self.len -= 1;
        Some((entry.at, entry.payload))
    }

    /// Moves to the next slot with events and sorts it; false if there is none that starts by `limit`.
    fn advance(&mut self, limit: Nanos) -> bool {
        let next = match self.next_occupied() {
            Some(slot) => slot,
            // Everything in the overflow lies beyond the wheel, so it comes next only if the wheel is empty.
            None => match self.overflow.peek() {
                Some(Reverse(entry)) => entry.at >> SLOT_BITS,
                None => return false,
            },
        };
        if next << SLOT_BITS > limit {
            return false;
        }
        self.cursor = next;
        self.unlink(next);
        self.refill();
        self.current.sort_unstable_by(|a, b| b.cmp(a));
        true
    }

    /// Brings in from the overflow what the wheel now reaches.
    fn refill(&mut self) {
        while let Some(Reverse(entry)) = self.overflow.peek() {
            let slot = entry.at >> SLOT_BITS;
            if slot - self.cursor >= SLOTS as u64 {
                return;
            }
            let Some(Reverse(entry)) = self.overflow.pop() else { return };
            if slot == self.cursor {
                self.current.push(entry);
            } else {
                let Entry { at, sequence, payload } = entry;
                self.link(slot, Cell { at, sequence, payload, next: NIL });
            }
        }
    }

    fn link(&mut self, slot: u64, mut cell: Cell<T>) {
        let slot = slot_index(slot);
        cell.next = self.heads[slot];
        let index = if self.free == NIL {
            let index = u32::try_from(self.cells.len()).expect("fewer than 2^32 pending events");
            self.cells.push(cell);
            index
        } else {
            let index = self.free;
            self.free = self.cells[index as usize].next;
            self.cells[index as usize] = cell;
            index
        };
        self.heads[slot] = index;
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.summary[slot / 4_096] |= 1 << (slot / 64 % 64);
    }

    /// Moves the events of `slot` into `current`, unsorted.
    fn unlink(&mut self, slot: u64) {
        let slot = slot_index(slot);
        let mut index = self.heads[slot];
        while index != NIL {
            let cell = self.cells[index as usize];
            self.current.push(Entry {
                at: cell.at,
                sequence: cell.sequence,
                payload: cell.payload,
            });
            self.cells[index as usize].next = self.free;
            self.free = index;
            index = cell.next;
        }
        self.heads[slot] = NIL;
        self.occupied[slot / 64] &= !(1 << (slot % 64));
        if self.occupied[slot / 64] == 0 {
            self.summary[slot / 4_096] &= !(1 << (slot / 64 % 64));
        }
    }

    /// The first slot after the cursor that is not empty, going once around.
    fn next_occupied(&self) -> Option<u64> {
        let start = slot_index(self.cursor + 1);
        let found = self.scan(start).or_else(|| self.scan(0))?;
        let distance = (found + SLOTS - start) % SLOTS;
        Some(self.cursor + 1 + distance as u64)
    }

    /// The first occupied slot index at or after `from`.
    fn scan(&self, from: usize) -> Option<usize> {
        let word = from / 64;
        let rest = self.occupied[word] & (u64::MAX << (from % 64));
        if rest != 0 {
            return Some(word * 64 + rest.trailing_zeros() as usize);
        }
        // Bits of the words after this one only; the shift is split because a shift by 64 is not defined.
        let mut mask = (u64::MAX << (word % 64)) << 1;
        for group in word / 64..SUMMARIES {
            let words = self.summary[group] & mask;
            if words != 0 {
                let word = group * 64 + words.trailing_zeros() as usize;
                return Some(word * 64 + self.occupied[word].trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }
}

fn slot_index(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).expect("an index below 8,192 fits")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_times_come_out_in_the_order_of_pushing() {
        let mut queue = EventQueue::new();
        for name in [1_u32, 2, 3] {
            queue.push(5_000_000_000, name);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.pop_until(Nanos::MAX)).collect();
        assert_eq!(order, [(5_000_000_000, 1), (5_000_000_000, 2), (5_000_000_000, 3)]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_limit_holds_back_later_events_and_earlier_pushes_still_come_first() {
        let mut queue = EventQueue::new();
        queue.push(900_000_000, 'b');
        assert_eq!(queue.pop_until(899_999_999), None);
        queue.push(1_000, 'a');
        assert_eq!(queue.pop_until(899_999_999), Some((1_000, 'a')));
        assert_eq!(queue.pop_until(900_000_000), Some((900_000_000, 'b')));
    }

    #[test]
    fn a_cell_with_a_small_payload_takes_32_bytes() {
        assert_eq!(size_of::<Cell<[u32; 3]>>(), 32);
    }

    #[derive(Clone, Debug)]
    enum Op {
        Push(u64),
        Pop,
        PopUntil(u64),
    }

    fn delay() -> impl Strategy<Value = u64> {
        prop_oneof![
            Just(0_u64),
            0..1_000_u64,
            0..2_000_000_u64,
            0..3_000_000_000_u64,
            0..600_000_000_000_u64,
        ]
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            3 => delay().prop_map(Op::Push),
            2 => Just(Op::Pop),
            1 => delay().prop_map(Op::PopUntil),
        ]
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_sorted_map(ops in prop::collection::vec(op(), 1..400)) {
            let mut queue = EventQueue::new();
            let mut model = BTreeMap::new();
            let (mut now, mut sequence) = (0, 0_u64);
            for op in ops {
                let limit = match op {
                    Op::Push(delay) => {
                        queue.push(now + delay, sequence);
                        model.insert((now + delay, sequence), ());
                        sequence += 1;
                        continue;
                    }
                    Op::Pop => Nanos::MAX,
                    Op::PopUntil(delay) => now + delay,
                };
                let expected = model
                    .first_key_value()
                    .map(|(&key, ())| key)
                    .filter(|&(at, _)| at <= limit);
                prop_assert_eq!(queue.pop_until(limit), expected);
                if let Some(key) = expected {
                    model.remove(&key);
                    now = key.0;
                } else if limit != Nanos::MAX {
                    now = limit;
                }
                prop_assert_eq!(queue.len(), model.len());
            }
        }
    }
}
