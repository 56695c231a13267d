//! User events: Lamport order and the ring that remembers them.
//!
//! Source: Serf, user events. An event is a duplicate if Lamport time, name and payload are equal.

use bytes::Bytes;
use smallvec::SmallVec;

use super::clock::LamportClock;
use crate::command::OpError;
use crate::config::{Config, USER_EVENT_BYTES_CEILING};
use crate::event::UserEvent;
use crate::msg::serf::UserEventMessage;
use crate::stats::{DropReason, Stats, bump};
use crate::wire::serf::{encode_user_event, user_event_len};

/// The events of one Lamport time.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) ltime: u64,
    pub(crate) events: SmallVec<[(Box<str>, Bytes); 1]>,
}

impl Slot {
    fn bytes(&self) -> usize {
        self.events.iter().map(|(name, payload)| name.len() + payload.len()).sum()
    }
}

/// Most different events of one Lamport time that are kept. Honest senders share a time only by chance.
const SLOT_EVENTS_MAX: usize = 256;
/// Most bytes of names and payloads in the ring: all of it travels in every push/pull, whose user state peers refuse
/// above 20 MiB.
const RING_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// User-event state of one node.
#[derive(Debug)]
pub(crate) struct UserEvents {
    clock: LamportClock,
    /// Events before this time are not wanted (set by a join that ignores old events).
    ltime_min: u64,
    slots: u32,
    /// Slot number is Lamport time modulo `slots`. As long as what was used of it: most nodes never see many events.
    ring: Vec<Option<Box<Slot>>>,
    /// Bytes of all names and payloads in the ring.
    ring_bytes: usize,
}

impl UserEvents {
    pub(crate) fn new(slots: u32) -> Self {
        Self {
            clock: LamportClock::default(),
            ltime_min: 0,
            slots,
            ring: Vec::new(),
            ring_bytes: 0,
        }
    }

    /// The event clock: the time the next own event will carry.
    pub(crate) fn time(&self) -> u64 {
        self.clock.time()
    }

    /// Events before this time are not wanted.
    #[cfg(test)]
    pub(crate) fn ltime_min(&self) -> u64 {
        self.ltime_min
    }

    /// A peer's event clock showed `next`.
    pub(crate) fn witness_next(&mut self, next: u64) -> bool {
        self.clock.witness_next(next)
    }

    /// Goes on from `last`, the last time used before a restart; older events were delivered then. Returns what was
    /// believed of it.
    pub(crate) fn restore(&mut self, last: u64) -> u64 {
        let last = self.clock.restore(last);
        self.ltime_min = last + 1;
        last
    }

    /// Events older than `ltime` are not wanted.
    pub(crate) fn ignore_before(&mut self, ltime: u64) {
        self.ltime_min = self.ltime_min.max(ltime);
    }

    /// Every ring slot in order, `None` for unused ones.
    pub(crate) fn slots(&self) -> impl ExactSizeIterator<Item = Option<&Slot>> {
        let used = self.ring.len();
        (0..self.slots as usize).map(
            move |index| {
                if index < used { self.ring[index].as_deref() } else { None }
            },
        )
    }

    /// Accepts an own event: checks sizes, remembers it, gives the message for the others. Nothing changes on error.
    pub(crate) fn send(
        &mut self,
        name: Box<str>,
        payload: Bytes,
        coalesce: bool,
        config: &Config,
        stats: &mut Stats,
    ) -> Result<(UserEvent, Bytes), OpError> {
        let limit = config.user_event_bytes_max.min(USER_EVENT_BYTES_CEILING);
        if self.clock.is_exhausted() {
            return Err(OpError::LamportTimeExhausted);
        }
        let ltime = self.clock.time();
        let message = UserEventMessage {
            ltime,
            name: &name,
            payload: Some(&*payload).filter(|bytes| !bytes.is_empty()),
            coalesce,
        };
        for size in [name.len() + payload.len(), user_event_len(&message)] {
            if size > limit {
                return Err(OpError::EventTooLarge { size, limit });
            }
        }
        let mut bytes = Vec::with_capacity(user_event_len(&message));
        encode_user_event(&message, &mut bytes);
        self.clock.increment();
        self.remember(ltime, &name, &payload);
        bump(&mut stats.events_delivered);
        Ok((UserEvent { ltime, name, payload, coalesce }, bytes.into()))
    }

    /// Looks at an event of the network; returns it if it is new and wanted.
    pub(crate) fn receive(
        &mut self,
        message: &UserEventMessage<'_>,
        stats: &mut Stats,
    ) -> Option<UserEvent> {
        // Witnessed before any other check: the clock moves even for events that are refused.
        if !self.clock.witness(message.ltime) {
            stats.drop(DropReason::LamportTime);
            return None;
        }
        let oldest = self.clock.time().saturating_sub(u64::from(self.slots));
        if message.ltime < self.ltime_min || message.ltime < oldest {
            stats.drop(DropReason::EventTooOld);
            return None;
        }
        let payload = message.payload.unwrap_or_default();
        let bytes = message.name.len() + payload.len();
        if bytes > USER_EVENT_BYTES_CEILING {
            stats.drop(DropReason::Invalid);
            return None;
        }
        let known = self.slot(message.ltime).is_some_and(|slot| {
            slot.events.iter().any(|(name, bytes)| **name == *message.name && *bytes == *payload)
        });
        if known {
            bump(&mut stats.event_duplicates);
            return None;
        }
        let crowded =
            self.slot(message.ltime).is_some_and(|slot| slot.events.len() >= SLOT_EVENTS_MAX);
        self.make_room(message.ltime, bytes);
        if crowded || self.ring_bytes + bytes > RING_BYTES_MAX {
            stats.drop(DropReason::EventsFull);
            return None;
        }
        let payload = Bytes::copy_from_slice(payload);
        self.remember(message.ltime, message.name, &payload);
        bump(&mut stats.events_delivered);
        Some(UserEvent {
            ltime: message.ltime,
            name: message.name.into(),
            payload,
            coalesce: message.coalesce,
        })
    }

    fn slot(&self, ltime: u64) -> Option<&Slot> {
        let slot = self.ring.get(self.index(ltime))?.as_deref()?;
        (slot.ltime == ltime).then_some(slot)
    }

    /// Gives up what no event can be compared with any more, if the bytes are needed.
    fn make_room(&mut self, ltime: u64, bytes: usize) {
        if self.ring_bytes + bytes <= RING_BYTES_MAX {
            return;
        }
        let oldest = self.clock.time().saturating_sub(u64::from(self.slots));
        for place in &mut self.ring {
            let gone = place.take_if(|slot| slot.ltime < oldest && slot.ltime != ltime);
            self.ring_bytes -= gone.map_or(0, |slot| slot.bytes());
        }
    }

    fn remember(&mut self, ltime: u64, name: &str, payload: &Bytes) {
        let index = self.index(ltime);
        if self.ring.len() <= index {
            self.ring.resize_with(index + 1, || None);
        }
        let event = (Box::from(name), payload.clone());
        self.ring_bytes += name.len() + payload.len();
        match &mut self.ring[index] {
            Some(slot) if slot.ltime == ltime => slot.events.push(event),
            other => {
                let events = SmallVec::from_buf([event]);
                let old = other.replace(Box::new(Slot { ltime, events }));
                self.ring_bytes -= old.map_or(0, |slot| slot.bytes());
            }
        }
    }

    fn index(&self, ltime: u64) -> usize {
        usize::try_from(ltime % u64::from(self.slots)).expect("below a u32")
    }
}

#[cfg(test)]
mod tests;
