//! Datagrams in: unwrap, decode, check, hand to the layers.

use core::net::SocketAddr;

use super::{Node, Turn};
use crate::config::{Mutant, NAME_BYTES_KEPT_MAX, is_strict_name};
use crate::msg::serf::SerfMessageType;
use crate::msg::swim::{Alive, IndirectPing, MessageType, Ping, PushPullNode, Source};
use crate::pool::{Vsn, WireAddr};
use crate::stats::DropReason;
use crate::swim::{Action, AliveClaim, Name, RelayRequest, Send};
use crate::trace::Cause;
use crate::wire::msgpack::DecodeError;
use crate::wire::{serf, swim};

/// Largest metadata kept, in bytes. Senders keep to 512; receivers of the reference accept more.
const META_BYTES_KEPT_MAX: usize = 1_024;

impl Node {
    pub(super) fn on_datagram(&mut self, from: SocketAddr, bytes: &[u8], turn: &mut Turn<'_>) {
        let mut unpacked = core::mem::take(&mut turn.scratch.unpacked);
        let rules = super::packet_rules(&self.config, &self.sealer);
        unpacked.unpack(bytes, &rules, &mut self.stats);
        for index in 0..unpacked.len() {
            self.on_message(from, unpacked.message(bytes, index), turn);
        }
        turn.scratch.unpacked = unpacked;
    }

    fn on_message(&mut self, from: SocketAddr, message: &[u8], turn: &mut Turn<'_>) {
        let Some((&number, body)) = message.split_first() else {
            self.stats.drop(DropReason::Empty);
            return;
        };
        let handled = match MessageType::from_byte(number) {
            Some(MessageType::Ping) => {
                swim::decode_ping(body).map(|ping| self.on_ping(from, &ping, turn))
            }
            Some(MessageType::IndirectPing) => swim::decode_indirect_ping(body)
                .map(|request| self.on_indirect_ping(from, &request, turn)),
            Some(MessageType::Ack) => {
                swim::decode_ack(body).map(|ack| self.on_ack(ack.seq_no, ack.payload, turn))
            }
            Some(MessageType::Nack) => swim::decode_nack(body).map(|nack| {
                let (swim, mut cx) = self.swim(turn);
                swim.on_nack(nack.seq_no, &mut cx);
            }),
            Some(MessageType::Alive) => {
                swim::decode_alive(body).map(|alive| self.on_alive(from, &alive, turn))
            }
            Some(MessageType::Suspect) => swim::decode_suspect(body).map(|suspect| {
                self.on_accusation(suspect.node, suspect.from, suspect.incarnation, false, turn);
            }),
            Some(MessageType::Dead) => swim::decode_dead(body)
                .map(|dead| self.on_accusation(dead.node, dead.from, dead.incarnation, true, turn)),
            Some(MessageType::User) => {
                self.on_user_message(body, turn);
                Ok(())
            }
            Some(
                MessageType::PushPull
                | MessageType::Compound
                | MessageType::Compress
                | MessageType::Encrypt
                | MessageType::HasCrc
                | MessageType::Err
                | MessageType::Label,
            )
            | None => {
                self.stats.drop(DropReason::MessageType);
                Ok(())
            }
        };
        self.count_decode_error(handled);
    }

    fn on_ack(&mut self, seq_no: u32, payload: Option<&[u8]>, turn: &mut Turn<'_>) {
        let (swim, mut cx) = self.swim(turn);
        let Some((node, rtt)) = swim.on_ack(seq_no, &mut cx) else { return };
        if let Some(coordinates) = &mut self.serf.coordinates {
            let payload = payload.unwrap_or_default();
            coordinates.on_ping_complete(node, rtt, payload, &mut self.rng, &mut self.stats);
        }
    }

    fn count_decode_error(&mut self, handled: Result<(), DecodeError>) {
        if handled.is_err() {
            self.stats.drop(DropReason::Decode);
        }
    }

    fn on_ping(&mut self, from: SocketAddr, ping: &Ping<'_>, turn: &mut Turn<'_>) {
        if !self.is_me(ping.node, turn) {
            self.stats.drop(DropReason::WrongName);
            return;
        }
        let to = answer_address(&ping.source, from);
        turn.scratch.actions.push(Action::Send(Send::Ack {
            to,
            seq_no: ping.seq_no,
            coordinate: true,
        }));
        // Pings never wait: the ack leaves before the rest of the packet is read, so it does not carry back to the
        // pinger the very news that came with its ping, at the cost of the transmit budget.
        self.carry_out(turn);
    }

    /// Whether a message addressed by name is for this node; no name means anyone.
    pub(super) fn is_me(&self, name: &str, turn: &Turn<'_>) -> bool {
        self.config.is_mutant(Mutant::AckForAnyName)
            || name.is_empty()
            || name == turn.pool.name(self.swim.me())
    }

    fn on_indirect_ping(
        &mut self,
        from: SocketAddr,
        request: &IndirectPing<'_>,
        turn: &mut Turn<'_>,
    ) {
        // The name goes out again in a ping, which must fit a packet.
        let target = request
            .target
            .and_then(WireAddr::from_wire)
            .filter(|_| request.node.len() <= NAME_BYTES_KEPT_MAX);
        let Some(target) = target else {
            self.stats.drop(DropReason::Invalid);
            return;
        };
        let port = self.swim.fix_port(request.port, &self.config);
        let request = RelayRequest {
            asker: answer_address(&request.source, from),
            seq_no: request.seq_no,
            nack: request.nack,
            target: SocketAddr::new(target.ip(), port),
            name: Name::new(turn.pool, request.node),
        };
        let (swim, mut cx) = self.swim(turn);
        swim.on_indirect_ping(request, &mut cx);
    }

    fn on_alive(&mut self, from: SocketAddr, alive: &Alive<'_>, turn: &mut Turn<'_>) {
        if !self.config.allows(from.ip()) {
            self.stats.drop(DropReason::NotAllowed);
            return;
        }
        let fields = PushPullNode {
            name: alive.node,
            addr: alive.addr,
            port: alive.port,
            meta: alive.meta,
            incarnation: alive.incarnation,
            state: 0,
            vsn: alive.vsn,
        };
        let Some(claim) = self.check_claim(&fields).filter(|claim| claim.incarnation > 0) else {
            self.stats.drop(DropReason::Invalid);
            return;
        };
        let known = turn.pool.find(claim.name);
        let (swim, mut cx) = self.swim(turn);
        swim.on_alive(&claim, known, Cause::Gossip { from: None }, &mut cx);
    }

    /// The claim in an alive message or push/pull entry, unless it breaks a rule of form.
    ///
    /// Stricter than Go, which stores members it can never probe or crashes on short version bytes.
    pub(super) fn check_claim<'a>(&self, entry: &PushPullNode<'a>) -> Option<AliveClaim<'a>> {
        let addr = WireAddr::from_wire(entry.addr?)?;
        let vsn = Vsn(entry.vsn?.try_into().ok()?);
        let versions_sane = vsn.protocol_min() > 0 && vsn.protocol_min() <= vsn.protocol_max();
        let meta = entry.meta.unwrap_or_default();
        let name_sane = (1..=NAME_BYTES_KEPT_MAX).contains(&entry.name.len())
            && (!self.config.validate_node_names || is_strict_name(entry.name));
        (versions_sane && name_sane && meta.len() <= META_BYTES_KEPT_MAX).then_some(AliveClaim {
            name: entry.name,
            incarnation: entry.incarnation,
            addr,
            port: self.swim.fix_port(entry.port, &self.config),
            meta,
            vsn,
        })
    }

    fn on_accusation(
        &mut self,
        node: &str,
        from: &str,
        incarnation: u32,
        dead: bool,
        turn: &mut Turn<'_>,
    ) {
        let Some(node) = turn.pool.find(node) else { return };
        if from.len() > NAME_BYTES_KEPT_MAX {
            // It would be kept in a broadcast that fits no packet.
            self.stats.drop(DropReason::Invalid);
            return;
        }
        let from = Name::new(turn.pool, from);
        let cause = Cause::Gossip { from: from.id() };
        let (swim, mut cx) = self.swim(turn);
        if dead {
            swim.on_dead(node, incarnation, &from, cause, &mut cx);
        } else {
            swim.on_suspect(node, incarnation, &from, cause, &mut cx);
        }
    }

    /// A message of the Serf layer, by datagram or by stream.
    pub(super) fn on_user_message(&mut self, message: &[u8], turn: &mut Turn<'_>) {
        let Some((&number, body)) = message.split_first() else {
            self.stats.drop(DropReason::Empty);
            return;
        };
        let handled = match SerfMessageType::from_byte(number) {
            Some(SerfMessageType::Leave) => serf::decode_leave_intent(body).map(|intent| {
                let (serf, swim, mut cx) = self.serf(turn);
                serf.on_leave_message(&intent, message, swim, &mut cx);
            }),
            Some(SerfMessageType::Join) => serf::decode_join_intent(body).map(|intent| {
                let (serf, swim, mut cx) = self.serf(turn);
                serf.on_join_message(&intent, message, swim, &mut cx);
            }),
            Some(SerfMessageType::UserEvent) => serf::decode_user_event(body).map(|event| {
                let (serf, swim, mut cx) = self.serf(turn);
                serf.on_user_event_message(&event, message, swim, &mut cx);
            }),
            Some(SerfMessageType::Query) => serf::decode_query(body).map(|query| {
                let (serf, swim, mut cx) = self.serf(turn);
                serf.on_query_message(&query, message, swim, &mut cx);
            }),
            Some(SerfMessageType::QueryResponse) => {
                serf::decode_query_response(body).map(|response| {
                    let (serf, swim, mut cx) = self.serf(turn);
                    serf.on_response_message(&response, swim, &mut cx);
                })
            }
            Some(SerfMessageType::Relay) => {
                let (serf, swim, mut cx) = self.serf(turn);
                serf.on_relay_message(body, swim, &mut cx);
                Ok(())
            }
            Some(
                SerfMessageType::PushPull
                | SerfMessageType::ConflictResponse
                | SerfMessageType::KeyRequest
                | SerfMessageType::KeyResponse,
            )
            | None => {
                self.stats.drop(DropReason::SerfMessageType);
                Ok(())
            }
        };
        self.count_decode_error(handled);
    }
}

/// Acks go to the address the asker names, and to the packet's source only if it names none.
fn answer_address(source: &Source<'_>, from: SocketAddr) -> SocketAddr {
    match WireAddr::from_wire(source.addr) {
        Some(addr) if source.port != 0 => SocketAddr::new(addr.ip(), source.port),
        _ => from,
    }
}
