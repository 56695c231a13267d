//! Answers questions on port 5353, and passes on answers while the querier listens.

use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hickory_proto::op::Message;
use metrics::counter;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::MAX_PACKET;
use super::zone::Zone;

/// How many packets are taken before others get their turn.
const BURST: usize = 16;

/// How many replies are sent in a second.
const MAX_REPLIES: u32 = 1000;

/// How long to wait when the socket fails, so that a lasting failure costs nothing.
const PAUSE: Duration = Duration::from_secs(1);

/// One socket that answers.
#[derive(Debug)]
pub(super) struct Responder {
    socket: UdpSocket,
    zone: Arc<Zone>,
    asking: Arc<AtomicBool>,
    to_querier: mpsc::Sender<Message>,
    second: Instant,
    replies: u32,
}

impl Responder {
    /// Messages with answers go to `to_querier` as long as `asking` is set.
    pub(super) fn new(
        socket: UdpSocket,
        zone: Arc<Zone>,
        asking: Arc<AtomicBool>,
        to_querier: mpsc::Sender<Message>,
    ) -> Self {
        Self { socket, zone, asking, to_querier, second: Instant::now(), replies: 0 }
    }

    /// Answers for ever.
    pub(super) async fn run(mut self) {
        loop {
            let outcome = match self.socket.readable().await {
                Ok(()) => self.burst(),
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => tokio::task::yield_now().await,
                Err(error) => {
                    tracing::debug!(target: "agent.mdns", "Cannot listen: {error}");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Takes what waits, within bounds. The buffer lives no longer than that: an idle agent needs none.
    fn burst(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; MAX_PACKET];
        for _ in 0..BURST {
            match self.socket.try_recv_from(&mut buffer) {
                Ok((length, from)) => self.packet(&buffer[..length], from),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn packet(&mut self, packet: &[u8], from: SocketAddr) {
        let asking = self.asking.load(Ordering::Relaxed);
        let questions = packet.get(4..6) != Some(&[0, 0]);
        if !questions && !asking {
            return;
        }
        let Ok(message) = Message::from_vec(packet) else {
            counter!("agent.mdns.malformed").increment(1);
            return;
        };
        for reply in self.zone.answer(&message) {
            self.reply(&reply, from);
        }
        let answers = !(message.answers.is_empty() && message.additionals.is_empty());
        if asking && answers && self.to_querier.try_send(message).is_err() {
            counter!("agent.mdns.dropped").increment(1);
        }
    }

    /// Sends a reply to whoever asked. What cannot be sent at once is dropped.
    fn reply(&mut self, reply: &Message, to: SocketAddr) {
        if self.second.elapsed() >= Duration::from_secs(1) {
            self.second = Instant::now();
            self.replies = 0;
        }
        let sent = self.replies < MAX_REPLIES
            && reply.to_vec().is_ok_and(|packet| self.socket.try_send_to(&packet, to).is_ok());
        if sent {
            self.replies += 1;
        } else {
            counter!("agent.mdns.dropped").increment(1);
        }
    }
}
