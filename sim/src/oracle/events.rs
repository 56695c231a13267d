//! How user events spread.

use std::collections::BTreeMap;

use uwasa_core::event::UserEvent;
use uwasa_core::trace::EventPath;
use xxhash_rust::xxh3::Xxh3;

use super::matrix::NodeSet;
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
    /// Nodes that lived when it was sent.
    pub audience: NodeSet,
    /// Nodes it has reached.
    pub reached: NodeSet,
    /// Delay of each first delivery, in order.
    pub delays: Vec<Nanos>,
    by_push_pull: u32,
    packets_before: u64,
    packets_until_last: u64,
}

/// Every sent user event.
#[derive(Debug, Default)]
pub struct Events {
    sent: Vec<Sent>,
    /// From a hash of Lamport time, name and payload to the index in `sent`.
    index: BTreeMap<u64, u32>,
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
            reached: audience.emptied(),
            audience,
            delays: Vec::new(),
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
            self.index.insert(key, sending);
            self.sending = None;
        }
        let Some(&index) = self.index.get(&key) else { return };
        let path =
            self.paths.iter().find(|(ltime, _)| *ltime == event.ltime).map(|(_, path)| *path);
        let sent = &mut self.sent[index as usize];
        // A restarted node may be told again; only the first time counts.
        if !sent.reached.set(node, true) {
            return;
        }
        sent.delays.push(now - sent.sent_at);
        match path {
            Some(EventPath::PushPull) => sent.by_push_pull += 1,
            Some(EventPath::Gossip) => sent.packets_until_last = packets,
            Some(EventPath::Local) | None => {}
        }
    }

    /// The measurements, for the result.
    #[must_use]
    pub fn spreads(&self, name_of: impl Fn(NodeIndex) -> String) -> Vec<EventSpread> {
        self.sent
            .iter()
            .map(|sent| {
                let audience = sent.audience.len();
                let packets = sent.packets_until_last - sent.packets_before;
                EventSpread {
                    name: sent.name.clone(),
                    from: name_of(sent.from),
                    sent_at: sent.sent_at,
                    audience,
                    delays: sent.delays.clone(),
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
