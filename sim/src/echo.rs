//! The bare engine: nodes that only echo, to measure the queue and the network without the protocol.

use std::net::SocketAddr;

use crate::net::{Fabric, Happening, Presence};
use crate::scenario::{Nanos, NodeIndex, Scenario};

/// How often each node sends.
const PERIOD: Nanos = 100_000_000;
const PING: [u8; 64] = [0; 64];
const ECHO: [u8; 64] = [1; 64];

/// A world whose nodes ping a random other one ten times a second and echo what they get.
#[derive(Debug)]
pub struct EchoWorld {
    fabric: Fabric,
    addrs: Vec<SocketAddr>,
    events: u64,
}

impl EchoWorld {
    /// The nodes and the network of `scenario`; its faults, workload and protocol settings are ignored.
    #[must_use]
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut fabric = Fabric::new(scenario, key);
        fabric.presence.fill(Presence::running(1));
        let addrs: Vec<_> = scenario.nodes.iter().map(|spec| spec.addr).collect();
        for (node, _) in (0..).zip(&addrs) {
            let phase = fabric.uplinks.rng(node).below(PERIOD);
            fabric.queue.push(phase, Happening::Wake(node));
        }
        Self { fabric, addrs, events: 0 }
    }

    /// Runs to `until` and returns the number of engine events since the start.
    pub fn run_until(&mut self, until: Nanos) -> u64 {
        while let Some((at, happening)) = self.fabric.queue.pop_until(until) {
            self.fabric.now = at;
            self.events += 1;
            match happening {
                Happening::Wake(node) => self.on_wake(node),
                Happening::Packet(packet) => self.on_packet(packet),
                Happening::Stream { .. }
                | Happening::Phase { .. }
                | Happening::Boot(_)
                | Happening::Join { .. }
                | Happening::Lonely { .. }
                | Happening::Exit { .. }
                | Happening::Fault(_)
                | Happening::FaultEnd(_)
                | Happening::Work(_) => {}
            }
        }
        self.events
    }

    fn on_wake(&mut self, node: NodeIndex) {
        let to = self.fabric.uplinks.rng(node).index(self.addrs.len());
        self.fabric.send_datagram(node, self.addrs[to], &PING);
        self.fabric.queue.push(self.fabric.now + PERIOD, Happening::Wake(node));
    }

    fn on_packet(&mut self, index: u32) {
        let packet = self.fabric.packets.get(index);
        let (from, to, ping) = (packet.from, packet.to, packet.bytes == PING);
        self.fabric.packets.release(index);
        self.fabric.totals.datagrams_delivered += 1;
        if ping && from != to {
            self.fabric.send_datagram(to, self.addrs[from as usize], &ECHO);
        }
    }
}
