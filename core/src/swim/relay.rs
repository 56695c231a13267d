//! Probing on behalf of others: needs no membership of target or asker.

use core::net::SocketAddr;

use crate::stats::DropReason;
use crate::swim::{Name, Send, Swim, SwimCx};
use crate::time::Instant;
use crate::timers::TimerKind;

/// Most relayed probes at once; a flood of requests beyond it is dropped and counted.
const RELAYS_MAX: usize = 4_096;

/// One probe relayed for somebody.
#[derive(Debug)]
pub(super) struct Relay {
    asker: SocketAddr,
    asker_seq_no: u32,
    nack: bool,
    deadline: Instant,
}

/// A decoded, checked request to probe somebody else.
#[derive(Debug)]
pub(crate) struct RelayRequest {
    pub(crate) asker: SocketAddr,
    pub(crate) seq_no: u32,
    pub(crate) nack: bool,
    pub(crate) target: SocketAddr,
    pub(crate) name: Name,
}

impl Swim {
    /// Pings the target under an own number and remembers whom to tell.
    pub(crate) fn on_indirect_ping(&mut self, request: RelayRequest, cx: &mut SwimCx<'_>) {
        if self.relays.len() >= RELAYS_MAX {
            cx.stats.drop(DropReason::RelaysFull);
            return;
        }
        let seq_no = self.next_seq_no();
        let deadline = cx.now + cx.config.probe_timeout;
        let relay = Relay {
            asker: request.asker,
            asker_seq_no: request.seq_no,
            nack: request.nack,
            deadline,
        };
        self.relays.insert(seq_no, relay);
        cx.timers.add(deadline, TimerKind::Relay(seq_no));
        cx.send(Send::RelayedPing { to: request.target, name: request.name, seq_no });
    }

    /// Passes an ack on, if it belongs to a relayed probe.
    pub(super) fn on_relayed_ack(&mut self, seq_no: u32, cx: &mut SwimCx<'_>) -> bool {
        let Some(relay) = self.relays.remove(&seq_no) else { return false };
        cx.timers.cancel(relay.deadline, TimerKind::Relay(seq_no));
        cx.send(Send::Ack { to: relay.asker, seq_no: relay.asker_seq_no, coordinate: false });
        true
    }

    /// The target stayed silent for the probe timeout.
    pub(super) fn on_relay_timeout(&mut self, seq_no: u32, cx: &mut SwimCx<'_>) {
        let Some(relay) = self.relays.remove(&seq_no) else { return };
        cx.timers.cancel(relay.deadline, TimerKind::Relay(seq_no));
        if relay.nack {
            cx.send(Send::Nack { to: relay.asker, seq_no: relay.asker_seq_no });
        }
    }
}
