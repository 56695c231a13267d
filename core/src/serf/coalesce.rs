//! Coalescing: member events and user events are collected for a while and delivered together.
//!
//! Source: Serf, event pipeline. A window opens with its first event. It closes when the quantum is over, or earlier if
//! no event came for the quiescent period. Events of other kinds are not held back, so they overtake collected ones.

use core::mem;
use core::time::Duration;
use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::event::{Event, EventMember, MemberEvent, MemberEventKind, UserEvent};
use crate::ids::{NodeId, ProfileId};
use crate::time::Instant;

/// Most user events that are held back; one more, and all are delivered early.
const USER_EVENTS_MAX: usize = 4_096;

/// Collects member events: of each member only the newest counts, and only if it is news.
///
/// Unlike in Serf an event is forgotten once delivered; Serf repeats an update at every later flush.
#[derive(Debug)]
pub(crate) struct MemberCoalescer {
    window: Window,
    pending: BTreeMap<NodeId, (MemberEventKind, EventMember)>,
    /// What was delivered last about each member, by its number. A reaped member stays: if it comes back only to be
    /// reaped within one window, there is nothing to tell. One byte for each name, of which there are at most as many
    /// as the pool takes.
    last: Vec<Option<MemberEventKind>>,
}

impl MemberCoalescer {
    /// A coalescer with these periods, the longest and the quiet time; `None`, deliver at once, if one is zero.
    pub(crate) fn new(quantum: Duration, quiescent: Duration) -> Option<Self> {
        let window = Window::new(quantum, quiescent)?;
        Some(Self { window, pending: BTreeMap::new(), last: Vec::new() })
    }

    /// Takes an event.
    pub(crate) fn push(&mut self, event: &MemberEvent, now: Instant) {
        self.window.extend(now);
        for member in &event.members {
            self.pending.insert(member.node, (event.kind, *member));
        }
    }

    /// The profiles of those who wait.
    pub(crate) fn profiles(&self) -> impl Iterator<Item = ProfileId> {
        self.pending.values().map(|(_, member)| member.profile)
    }

    /// When to flush; `None` if nothing waits.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.window.deadline()
    }

    /// Closes the window: one event for each kind, in order of the kinds, with its members in order of their numbers.
    pub(crate) fn flush(&mut self) -> Vec<Event> {
        self.window.close();
        let mut kinds: BTreeMap<MemberEventKind, SmallVec<[EventMember; 1]>> = BTreeMap::new();
        for (node, (kind, member)) in mem::take(&mut self.pending) {
            let is_news = self.deliver(node, kind) != Some(kind);
            if is_news || kind == MemberEventKind::Update {
                kinds.entry(kind).or_default().push(member);
            }
        }
        let events = kinds.into_iter().map(|(kind, members)| MemberEvent { kind, members });
        events.map(Event::Members).collect()
    }

    /// Notes what is delivered about a member; returns what was before.
    fn deliver(&mut self, node: NodeId, kind: MemberEventKind) -> Option<MemberEventKind> {
        if self.last.len() <= node.index() {
            self.last.resize(node.index() + 1, None);
        }
        self.last[node.index()].replace(kind)
    }
}

/// Collects user events that allow it: of each name only those with the greatest Lamport time count.
#[derive(Debug)]
pub(crate) struct UserCoalescer {
    window: Window,
    /// By name; all events of one name have the same Lamport time and stay in order of arrival.
    pending: BTreeMap<Box<str>, SmallVec<[UserEvent; 1]>>,
    pending_events: usize,
}

impl UserCoalescer {
    /// A coalescer with these periods, the longest and the quiet time; `None`, deliver at once, if one is zero.
    pub(crate) fn new(quantum: Duration, quiescent: Duration) -> Option<Self> {
        let window = Window::new(quantum, quiescent)?;
        Some(Self { window, pending: BTreeMap::new(), pending_events: 0 })
    }

    /// Takes an event. Returns what is to be delivered now: the event itself if it does not allow to be held back,
    /// all earlier ones if too many wait, mostly nothing.
    #[must_use]
    pub(crate) fn push(&mut self, event: UserEvent, now: Instant) -> Vec<Event> {
        if !event.coalesce {
            return vec![Event::User(event)];
        }
        let early = if self.pending_events >= USER_EVENTS_MAX { self.flush() } else { Vec::new() };
        self.window.extend(now);
        let newest = self.pending.entry(event.name.clone()).or_default();
        let newest_time = newest.first().map_or(0, |first| first.ltime);
        if event.ltime > newest_time {
            self.pending_events -= newest.len();
            newest.clear();
        }
        if event.ltime >= newest_time {
            self.pending_events += 1;
            newest.push(event);
        }
        early
    }

    /// When to flush; `None` if nothing waits.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.window.deadline()
    }

    /// Closes the window: the collected events in order of their names.
    pub(crate) fn flush(&mut self) -> Vec<Event> {
        self.window.close();
        self.pending_events = 0;
        mem::take(&mut self.pending).into_values().flatten().map(Event::User).collect()
    }
}

/// The time during which events are collected.
#[derive(Debug)]
struct Window {
    quantum: Duration,
    quiescent: Duration,
    open: Option<Ends>,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    quantum: Instant,
    quiescent: Instant,
}

impl Window {
    fn new(quantum: Duration, quiescent: Duration) -> Option<Self> {
        let active = !quantum.is_zero() && !quiescent.is_zero();
        active.then_some(Self { quantum, quiescent, open: None })
    }

    fn extend(&mut self, now: Instant) {
        let quantum = self.open.map_or(now + self.quantum, |ends| ends.quantum);
        self.open = Some(Ends { quantum, quiescent: now + self.quiescent });
    }

    fn close(&mut self) {
        self.open = None;
    }

    fn deadline(&self) -> Option<Instant> {
        self.open.map(|ends| ends.quantum.min(ends.quiescent))
    }
}

#[cfg(test)]
mod tests;
