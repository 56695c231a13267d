//! Datagrams out: one message or a batch of gossip, then piggybacked facts while they fit.

use core::net::SocketAddr;

use super::{Node, Turn, packet_rules};
use crate::config::Mutant;
use crate::msg::swim::{Ack, Dead, IndirectPing, MessageType, Nack, Ping, Source, Suspect};
use crate::pool::{Pool, ProfileId};
use crate::queue::Take;
use crate::serf::outgoing::Outgoing;
use crate::stats::{bump, bump_by};
use crate::swim::{Fact, Send, UserSend};
use crate::wire::coordinate::encode_ping_payload;
use crate::wire::packet::{PARTS_MAX, Packer, gossip_room, piggyback_room};
use crate::wire::swim;

/// Lowest announced protocol maximum of a peer that understands checksums.
const CRC_PROTOCOL: u8 = 5;
/// A part costs its two length bytes in a compound; a user message one type byte more.
const FACT_OVERHEAD: usize = 2;
const USER_OVERHEAD: usize = 3;

impl Node {
    /// Turns one action into a datagram or a dialed stream.
    pub(super) fn send(&mut self, send: Send, turn: &mut Turn<'_>) {
        match send {
            Send::StreamPing { target, seq_no, deadline } => {
                self.dial_ping(target, seq_no, deadline, turn);
            }
            Send::PushPull { to } => self.dial_push_pull(to, turn),
            Send::Gossip { to } => self.send_gossip(to, turn),
            Send::PingSuspect { target, seq_no, incarnation } => {
                self.send_ping_suspect(target, seq_no, incarnation, turn);
            }
            Send::Ping { target, seq_no } => {
                let profile = turn.pool.profile(target);
                let to = profile.socket_addr();
                self.push_ping(
                    turn.pool.name(profile.node),
                    seq_no,
                    turn.pool,
                    &mut turn.scratch.packer,
                );
                self.send_with_piggyback(to, turn);
            }
            Send::RelayedPing { to, name, seq_no } => {
                let name = name.as_str(turn.pool);
                self.push_ping(name, seq_no, turn.pool, &mut turn.scratch.packer);
                self.send_with_piggyback(to, turn);
            }
            Send::IndirectPing { relay, target, seq_no, nack } => {
                self.push_indirect_ping(target, seq_no, nack, turn);
                let to = turn.pool.profile(relay).socket_addr();
                self.send_with_piggyback(to, turn);
            }
            Send::Ack { to, seq_no, coordinate } => {
                self.push_ack(seq_no, coordinate, turn);
                self.send_with_piggyback(to, turn);
            }
            Send::User(send) => {
                let UserSend { to, member, message } = *send;
                let packer = &mut turn.scratch.packer;
                packer.clear();
                packer.push(|out| {
                    out.push(MessageType::User as u8);
                    out.extend_from_slice(&message);
                });
                let crc = member.is_some_and(|member| wants_crc(turn.pool, member));
                self.seal_and_send(to, crc, turn);
            }
            Send::Nack { to, seq_no } => {
                let packer = &mut turn.scratch.packer;
                packer.clear();
                packer.push(|out| swim::encode_nack(&Nack { seq_no }, out));
                self.send_with_piggyback(to, turn);
            }
        }
    }

    fn push_ack(&self, seq_no: u32, coordinate: bool, turn: &mut Turn<'_>) {
        let packer = &mut turn.scratch.packer;
        packer.clear();
        match &self.serf.coordinates {
            Some(coordinates) if coordinate => {
                let payload = &mut turn.scratch.message;
                payload.clear();
                encode_ping_payload(&coordinates.own(), payload);
                let payload = Some(payload.as_slice());
                packer.push(|out| swim::encode_ack(&Ack { seq_no, payload }, out));
            }
            _ => packer.push(|out| swim::encode_ack(&Ack { seq_no, payload: None }, out)),
        }
    }

    fn push_ping(&self, name: &str, seq_no: u32, pool: &Pool, packer: &mut Packer) {
        let source = self.source(pool);
        packer.clear();
        packer.push(|out| swim::encode_ping(&Ping { seq_no, node: name, source }, out));
    }

    fn push_indirect_ping(&self, target: ProfileId, seq_no: u32, nack: bool, turn: &mut Turn<'_>) {
        let profile = turn.pool.profile(target);
        let request = IndirectPing {
            seq_no,
            target: Some(profile.addr.as_bytes()),
            port: profile.port,
            node: turn.pool.name(profile.node),
            nack,
            source: self.source(turn.pool),
        };
        turn.scratch.packer.clear();
        turn.scratch.packer.push(|out| swim::encode_indirect_ping(&request, out));
    }

    fn send_ping_suspect(
        &mut self,
        target: ProfileId,
        seq_no: u32,
        incarnation: u32,
        turn: &mut Turn<'_>,
    ) {
        let profile = turn.pool.profile(target);
        let (to, crc) = (profile.socket_addr(), wants_crc(turn.pool, target));
        let node = turn.pool.name(profile.node);
        let packer = &mut turn.scratch.packer;
        self.push_ping(node, seq_no, turn.pool, packer);
        let from = turn.pool.name(self.swim.me());
        packer.push(|out| swim::encode_suspect(&Suspect { incarnation, node, from }, out));
        self.seal_and_send(to, crc, turn);
    }

    /// Where peers shall send their answers.
    pub(super) fn source<'a>(&self, pool: &'a Pool) -> Source<'a> {
        let profile = pool.profile(self.swim.own().profile);
        Source { addr: profile.addr.as_bytes(), port: profile.port, node: pool.name(profile.node) }
    }

    /// One packet of a gossip tick; nothing is sent when nothing is left to tell.
    fn send_gossip(&mut self, to: ProfileId, turn: &mut Turn<'_>) {
        turn.scratch.packer.clear();
        let doubled = usize::from(self.config.is_mutant(Mutant::PacketsTooLarge)) + 1;
        let room = gossip_room(self.config.packet_bytes_max * doubled, &self.rules());
        self.push_broadcasts(room, turn);
        if !turn.scratch.packer.is_empty() {
            let crc = wants_crc(turn.pool, to);
            let to = turn.pool.profile(to).socket_addr();
            self.seal_and_send(to, crc, turn);
        }
    }

    fn send_with_piggyback(&mut self, to: SocketAddr, turn: &mut Turn<'_>) {
        if self.has_broadcasts() {
            let len = turn.scratch.packer.bytes_len();
            let room = piggyback_room(self.config.packet_bytes_max, len, &self.rules());
            self.push_broadcasts(room, turn);
        }
        // The peer is addressed by address alone, so its protocol is not looked up and no checksum is added.
        self.seal_and_send(to, false, turn);
    }

    /// Adds membership facts, then intents, queries and user events, while they fit into `room` bytes.
    fn push_broadcasts(&mut self, room: usize, turn: &mut Turn<'_>) {
        let (pool, packer) = (&*turn.pool, &mut turn.scratch.packer);
        let parts_max = PARTS_MAX - packer.count();
        let limit = self.swim.transmit_limit(&self.config);
        let take = Take { overhead: FACT_OVERHEAD, room, parts_max, limit };
        let facts = self.swim.take_broadcasts(take, |fact| {
            packer.push(|out| encode_fact(fact, pool, out));
        });
        let left = room.saturating_sub(facts.bytes);
        if left <= USER_OVERHEAD || self.serf.outgoing.is_empty() {
            return;
        }
        let parts_max = parts_max - facts.parts;
        let limit = Outgoing::transmit_limit(&self.swim, &self.config);
        // The length kept in the queues counts the user-message byte already.
        let take = Take { overhead: USER_OVERHEAD - 1, room: left, parts_max, limit };
        self.serf.outgoing.take(take, |message| {
            packer.push(|out| {
                out.push(MessageType::User as u8);
                out.extend_from_slice(message);
            });
        });
    }

    fn seal_and_send(&mut self, to: SocketAddr, crc: bool, turn: &mut Turn<'_>) {
        let rules = packet_rules(&self.config, &self.sealer);
        let packet = turn.scratch.packer.seal(&rules, crc, &mut self.rng);
        bump(&mut self.stats.datagrams_out);
        bump_by(&mut self.stats.datagram_bytes_out, packet.len());
        turn.out.datagram(to, packet);
    }
}

fn wants_crc(pool: &Pool, peer: ProfileId) -> bool {
    pool.profile(peer).vsn.protocol_max() >= CRC_PROTOCOL
}

fn encode_fact(fact: &Fact, pool: &Pool, out: &mut Vec<u8>) {
    match fact {
        Fact::Alive { profile, incarnation } => {
            swim::encode_alive(&pool.alive_message(*profile, *incarnation), out);
        }
        Fact::Suspect { node, incarnation, from } => {
            let (incarnation, node) = (*incarnation, pool.name(*node));
            swim::encode_suspect(&Suspect { incarnation, node, from: from.as_str(pool) }, out);
        }
        Fact::Dead { node, incarnation, from } => {
            let (incarnation, node) = (*incarnation, pool.name(*node));
            swim::encode_dead(&Dead { incarnation, node, from: from.as_str(pool) }, out);
        }
    }
}
