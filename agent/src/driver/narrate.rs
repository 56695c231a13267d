//! The node's traces as log records and metrics, in Serf's words.

use std::io;
use std::net::SocketAddr;

use metrics::{Counter, counter, histogram};
use uwasa_core::event::MemberEventKind;
use uwasa_core::pool::Pool;
use uwasa_core::trace::{MemberStatus, ProbeOutcome, Trace};

/// Counters that every packet touches.
pub(super) struct Counters {
    pub(super) udp_sent: Counter,
    pub(super) udp_received: Counter,
    pub(super) tcp_accept: Counter,
    pub(super) tcp_connect: Counter,
    pub(super) tcp_sent: Counter,
}

/// Tells what the node does.
pub(super) struct Narrator {
    pub(super) counters: Counters,
}

impl Narrator {
    pub(super) fn new() -> Self {
        Self {
            counters: Counters {
                udp_sent: counter!("memberlist.udp.sent"),
                udp_received: counter!("memberlist.udp.received"),
                tcp_accept: counter!("memberlist.tcp.accept"),
                tcp_connect: counter!("memberlist.tcp.connect"),
                tcp_sent: counter!("memberlist.tcp.sent"),
            },
        }
    }

    /// A datagram that the system did not take.
    pub(super) fn send_failed(&self, to: SocketAddr, error: &io::Error) {
        counter!("memberlist.udp.dropped").increment(1);
        if error.kind() != io::ErrorKind::WouldBlock {
            tracing::debug!(target: "memberlist", "Failed to send UDP packet to {to}: {error}");
        }
    }

    pub(super) fn tell(&mut self, trace: &Trace, pool: &Pool) {
        let _ = (trace, pool, MemberEventKind::Join, MemberStatus::Alive, ProbeOutcome::Late);
        histogram!("serf.queue.Event").record(0.0);
    }
}
