//! The Serf layer over SWIM. So far: user events and the clocks that order them.

pub(crate) mod clock;
pub(crate) mod coordinates;
pub(crate) mod events;
pub(crate) mod filter;

use clock::LamportClock;
use events::UserEvents;

use crate::config::Config;

/// Serf state of one node.
#[derive(Debug)]
pub(crate) struct Serf {
    /// Orders join and leave intents; carried in push/pull.
    pub(crate) member_clock: LamportClock,
    /// Orders queries; carried in push/pull.
    pub(crate) query_clock: LamportClock,
    /// User events with their own clock.
    pub(crate) events: UserEvents,
}

impl Serf {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            member_clock: LamportClock::default(),
            query_clock: LamportClock::default(),
            events: UserEvents::new(config.event_buffer),
        }
    }
}
