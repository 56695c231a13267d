//! How user events spread.

use std::collections::BTreeMap;

use uwasa_core::event::UserEvent;
use uwasa_core::trace::EventPath;
use xxhash_rust::xxh3::Xxh3;

use super::matrix::NodeSet;
use super::reach::Reach;
use crate::metrics::EventSpread;
use crate::scenario::{Nanos, NodeIndex};

/// One sent user event.
#[derive(Debug)]
pub struct Sent {
    /// Name.
    pub name: String,
    /// Sender.
    pub from: NodeIndex,
    /// When.
    pub sent_at: Nanos,
    /// Whom it has reached, of the live nodes that the sender saw as members when it was sent, itself included.
    pub reach: Reach,
    /// When it came to nodes outside the audience: they booted or joined later.
    outside: Vec<(Nanos, NodeIndex)>,
    /// Nodes that delivered it once more, as often as they did.
    again: Vec<NodeIndex>,
    by_push_pull: u32,
    packets_before: u64,
    packets_until_last: u64,
}

impl Sent {
    /// How often `node` has delivered it, in all its lives.
    #[must_use]
    pub fn deliveries(&self, node: NodeIndex) -> usize {
        let again = self.again.iter().filter(|other| **other == node).count();
        usize::from(self.has_come_to(node)) + again
    }

    fn has_come_to(&self, node: NodeIndex) -> bool {
        self.reach.times().iter().chain(&self.outside).any(|(_, other)| *other == node)
    }
}

/// Every sent user event.
#[derive(Debug, Default)]
pub struct Events {
    sent: Vec<Sent>,
    /// From a hash of Lamport time, name and payload to the indexes in `sent`, in order of sending.
    index: BTreeMap<u64, Vec<u32>>,
    /// Pairs of sendings that are one event for the protocol: the first and the later one.
    twins: Vec<(u32, u32)>,
    /// Being sent right now: its Lamport time is not known yet.
    sending: Option<u32>,
    /// Paths of events accepted in the current input.
    paths: Vec<(u64, EventPath)>,
}

impl Events {
    /// Every sent event, in order of sending.
    #[must_use]
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }

    /// A node is about to send an event; its number.
    pub fn begin(
        &mut self,
        now: Nanos,
        from: NodeIndex,
        name: &str,
        audience: NodeSet,
        packets: u64,
    ) -> u32 {
        let event = u32::try_from(self.sent.len()).expect("fewer than 2^32 events");
        self.sent.push(Sent {
            name: name.into(),
            from,
            sent_at: now,
            reach: Reach::new(audience),
            outside: Vec::new(),
            again: Vec::new(),
            by_push_pull: 0,
            packets_before: packets,
            packets_until_last: packets,
        });
        event
    }

    /// The input that sends event `event` is being handled until [`Events::end_input`].
    pub const fn sending(&mut self, event: u32) {
        self.sending = Some(event);
    }

    /// One input was handled completely.
    pub fn end_input(&mut self) {
        self.sending = None;
        self.paths.clear();
    }

    /// A node accepted an event for the first time.
    pub fn accepted(&mut self, ltime: u64, path: EventPath) {
        self.paths.push((ltime, path));
    }

    /// A node delivered an event to its application. `packets`: datagrams sent by all nodes so far.
    pub fn delivered(&mut self, now: Nanos, node: NodeIndex, event: &UserEvent, packets: u64) {
        let key = key_of(event);
        if let Some(sending) = self.sending
            && self.sent[sending as usize].from == node
            && *self.sent[sending as usize].name == *event.name
        {
            self.sending = None;
            self.file(key, sending);
        }
        let Some(same) = self.index.get(&key) else { return };
        let path =
            self.paths.iter().find(|(ltime, _)| *ltime == event.ltime).map(|(_, path)| *path);
        for &index in same {
            let sent = &mut self.sent[index as usize];
            // A restarted node may be told again; only the first time counts.
            if !sent.reach.hear(node, now - sent.sent_at) {
                if sent.has_come_to(node) {
                    sent.again.push(node);
                } else {
                    sent.outside.push((now - sent.sent_at, node));
                }
                continue;
            }
            match path {
                Some(EventPath::PushPull) => sent.by_push_pull += 1,
                Some(EventPath::Gossip) => sent.packets_until_last = packets,
                Some(EventPath::Local) | None => {}
            }
        }
    }

    /// Sending `event` has become known to the protocol as `key`. If that is an event which was sent before (same
    /// Lamport time, name and payload), nobody delivers it twice: who has the one has the other.
    fn file(&mut self, key: u64, event: u32) {
        let same = self.index.entry(key).or_default();
        if let Some(&first) = same.first() {
            self.twins.push((first, event));
            let first = &self.sent[first as usize];
            let sent_at = first.sent_at;
            let steady = first.reach.steady();
            let times = first.reach.times().iter().filter(|(_, node)| steady.contains(*node));
            let mut times: Vec<_> = times.chain(&first.outside).copied().collect();
            times.sort_unstable();
            let sent = &mut self.sent[event as usize];
            for (delay, node) in times {
                sent.reach.hear(node, (sent_at + delay).saturating_sub(sent.sent_at));
            }
        }
        same.push(event);
    }

    /// A node crashes, leaves or is restarted.
    pub fn stopped(&mut self, node: NodeIndex) {
        for sent in &mut self.sent {
            sent.reach.stopped(node);
        }
    }

    /// Pairs of sendings that the protocol cannot tell apart.
    pub fn twins(&self) -> impl Iterator<Item = (&Sent, &Sent)> {
        self.twins.iter().map(|&(a, b)| (&self.sent[a as usize], &self.sent[b as usize]))
    }

    /// The measurements, for the result.
    #[must_use]
    pub fn spreads(&self, name_of: impl Fn(NodeIndex) -> String) -> Vec<EventSpread> {
        self.sent
            .iter()
            .map(|sent| {
                let audience = sent.reach.audience();
                let packets = sent.packets_until_last - sent.packets_before;
                EventSpread {
                    name: sent.name.clone(),
                    from: name_of(sent.from),
                    sent_at: sent.sent_at,
                    audience,
                    delays: sent.reach.delays(),
                    by_push_pull: sent.by_push_pull,
                    packets_per_node: packets as f64 / f64::from(audience.max(1)),
                }
            })
            .collect()
    }
}

fn key_of(event: &UserEvent) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&event.ltime.to_le_bytes());
    hash.update(&(event.name.len() as u64).to_le_bytes());
    hash.update(event.name.as_bytes());
    hash.update(&event.payload);
    hash.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(list: &[NodeIndex]) -> NodeSet {
        let mut set = NodeSet::new(4);
        for &node in list {
            set.set(node, true);
        }
        set
    }

    fn event(ltime: u64) -> UserEvent {
        UserEvent { ltime, name: "deploy".into(), payload: vec![1].into(), coalesce: false }
    }

    fn send(events: &mut Events, now: Nanos, from: NodeIndex, audience: &[NodeIndex], ltime: u64) {
        let number = events.begin(now, from, "deploy", nodes(audience), 0);
        events.sending(number);
        events.delivered(now, from, &event(ltime), 0);
        events.end_input();
    }

    #[test]
    fn two_sendings_of_one_event_share_their_deliveries() {
        let mut events = Events::default();
        send(&mut events, 100, 0, &[0, 1, 3], 7);
        events.delivered(150, 2, &event(7), 0);
        send(&mut events, 200, 1, &[0, 1, 2, 3], 7);
        events.delivered(300, 3, &event(7), 0);
        let delays: Vec<_> = events.sent().iter().map(|sent| sent.reach.delays()).collect();
        assert_eq!(delays, [vec![0, 100, 200], vec![0, 0, 0, 100]]);
        let twins: Vec<_> = events.twins().map(|(a, b)| (a.from, b.from)).collect();
        assert_eq!(twins, [(0, 1)]);
    }

    #[test]
    fn a_delivery_outside_the_audience_is_not_counted() {
        let mut events = Events::default();
        send(&mut events, 100, 0, &[0, 1], 7);
        events.delivered(150, 2, &event(7), 0);
        assert_eq!(events.sent()[0].reach.delays(), [0]);
        assert_eq!(events.twins().count(), 0);
    }
}
