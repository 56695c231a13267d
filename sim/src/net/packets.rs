//! Datagrams in flight, in slots that are used again.

use crate::scenario::{Nanos, NodeIndex};

/// One datagram in flight.
#[derive(Debug)]
pub struct Packet {
    /// Sender.
    pub from: NodeIndex,
    /// Receiver.
    pub to: NodeIndex,
    /// Payload.
    pub bytes: Vec<u8>,
    /// Unique in the run, in order of sending; a replay carries that of the original.
    pub serial: u64,
    /// When it was sent; of a replay, the original.
    pub sent_at: Nanos,
    /// It does not arrive as it was sent.
    pub damaged: bool,
    /// The network sends it again.
    pub replayed: bool,
    /// When its last byte leaves the sender.
    departure: Nanos,
    /// The sender's machine was switched off before.
    cut: bool,
    /// Arrivals still to come.
    arrivals: u8,
}

impl Packet {
    /// Whether it has left its sender; false: the sender's machine was switched off first.
    #[must_use]
    pub const fn departed(&self) -> bool {
        !self.cut
    }
}

/// When a datagram sets out, and its number.
#[derive(Clone, Copy, Debug, Default)]
pub struct Posted {
    /// Unique in the run, in order of sending.
    pub serial: u64,
    /// When its sender handed it over.
    pub sent_at: Nanos,
    /// When its last byte leaves the sender.
    pub departure: Nanos,
}

/// Datagrams in flight. Slots keep their buffers, so a steady state allocates nothing.
#[derive(Debug, Default)]
pub struct Packets {
    slots: Vec<Packet>,
    free: Vec<u32>,
}

impl Packets {
    /// Copies `bytes` in, which leave at `departure`; `arrivals` releases will free the slot.
    pub fn store(
        &mut self,
        (from, to): (NodeIndex, NodeIndex),
        bytes: &[u8],
        Posted { serial, sent_at, departure }: Posted,
        arrivals: u8,
    ) -> u32 {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.bytes.clear();
            slot.bytes.extend_from_slice(bytes);
            (slot.from, slot.to, slot.arrivals) = (from, to, arrivals);
            (slot.serial, slot.sent_at) = (serial, sent_at);
            (slot.departure, slot.cut) = (departure, false);
            (slot.damaged, slot.replayed) = (false, false);
            return index;
        }
        let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 packets in flight");
        let bytes = bytes.to_vec();
        self.slots.push(Packet {
            from,
            to,
            bytes,
            serial,
            sent_at,
            damaged: false,
            replayed: false,
            departure,
            cut: false,
            arrivals,
        });
        index
    }

    /// The packet in slot `index`.
    #[must_use]
    pub fn get(&self, index: u32) -> &Packet {
        &self.slots[index as usize]
    }

    pub(super) fn get_mut(&mut self, index: u32) -> &mut Packet {
        &mut self.slots[index as usize]
    }

    /// What `from` would have sent after `now` never leaves it.
    pub(super) fn cut(&mut self, from: NodeIndex, now: Nanos) {
        let waiting = |slot: &&mut Packet| slot.from == from && slot.departure > now;
        for slot in self.slots.iter_mut().filter(waiting) {
            slot.cut = true;
        }
    }

    /// What is on its way to `to` does not reach it any more: it has moved away.
    pub fn strand(&mut self, to: NodeIndex) {
        for slot in self.slots.iter_mut().filter(|slot| slot.to == to) {
            slot.cut = true;
        }
    }

    /// One arrival of slot `index` is dealt with.
    pub fn release(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        slot.arrivals -= 1;
        if slot.arrivals == 0 {
            self.free.push(index);
        }
    }
}
