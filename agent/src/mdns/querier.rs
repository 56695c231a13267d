//! Asks at start and every minute who is there, and joins the members found.

use core::future::{Future, pending};
use core::pin::Pin;
use core::time::Duration;
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hickory_proto::op::Message;
use hickory_proto::rr::Name;
use metrics::counter;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::browse::{Browse, question};
use super::net::{Family, Interface};
use super::{MAX_PACKET, Settings};
use crate::agent::Joined;
use crate::go::errors::os_text;

/// Time from one round of asking to the next.
const INTERVAL: Duration = Duration::from_secs(60);

/// How long one round listens.
const LISTEN: Duration = Duration::from_secs(1);

/// How long nothing new must be found before the members are joined.
const QUIET: Duration = Duration::from_millis(100);

/// How many addresses are remembered as seen. When that many are known all are forgotten: to join a member once more
/// harms nobody.
const MAX_SEEN: usize = 4096;

/// How many addresses are joined in one go. Further ones are dropped, and found again in the next round.
const MAX_PENDING: usize = 4096;

/// Asks, and remembers whom it found.
#[derive(Debug)]
pub(super) struct Querier {
    service: Option<Name>,
    families: Vec<Family>,
    interface: Option<Interface>,
    asking: Arc<AtomicBool>,
    round: Option<Round>,
    next_round: Instant,
    seen: HashSet<SocketAddr>,
    pending: Vec<SocketAddr>,
    quiet_at: Option<Instant>,
}

/// A round of asking that is under way.
#[derive(Debug)]
struct Round {
    browse: Browse,
    sockets: Vec<(Family, UdpSocket)>,
    buffers: [Vec<u8>; 2],
    until: Instant,
}

/// What woke the querier.
enum Wake {
    Heard(Message),
    Malformed,
    Joined(Joined),
    Time,
}

impl Querier {
    /// Asks about `service`; `None`: the name of the cluster cannot be asked for. `asking` is set while it listens.
    pub(super) fn new(
        service: Option<Name>,
        settings: &Settings,
        interface: Option<Interface>,
        asking: Arc<AtomicBool>,
    ) -> Self {
        let families = [(Family::V4, settings.disable_ipv4), (Family::V6, settings.disable_ipv6)];
        Self {
            service,
            families: families.into_iter().filter(|f| !f.1).map(|f| f.0).collect(),
            interface,
            asking,
            round: None,
            next_round: Instant::now(),
            seen: HashSet::new(),
            pending: Vec::new(),
            quiet_at: None,
        }
    }

    /// Asks and joins for ever. `heard` brings the messages that came in on port 5353.
    pub(super) async fn run<J, F>(mut self, mut heard: mpsc::Receiver<Message>, join: J)
    where
        J: Fn(Vec<String>) -> F + Send + 'static,
        F: Future<Output = Joined> + Send + 'static,
    {
        let mut joining: Option<Pin<Box<F>>> = None;
        loop {
            let until = self.wake_at(joining.is_some());
            let wake = tokio::select! {
                joined = finished(&mut joining) => Wake::Joined(joined),
                () = sleep_until(until) => Wake::Time,
                Some(message) = heard.recv() => Wake::Heard(message),
                wake = next_packet(&mut self.round) => wake,
            };
            match wake {
                Wake::Heard(message) => self.hear(&message),
                Wake::Malformed => counter!("agent.mdns.malformed").increment(1),
                Wake::Joined(joined) => {
                    joining = None;
                    report(&joined);
                }
                Wake::Time => {
                    let now = Instant::now();
                    self.turn(now);
                    if joining.is_none() && self.quiet_at.is_some_and(|quiet| quiet <= now) {
                        joining = Some(Box::pin(join(self.take_pending())));
                    }
                }
            }
            // A flood of answers must not keep other tasks waiting.
            tokio::task::yield_now().await;
        }
    }

    /// The next moment at which there is something to do. A running join delays the next one.
    fn wake_at(&self, joining: bool) -> Instant {
        let round = self.round.as_ref().map_or(self.next_round, |round| round.until);
        match self.quiet_at {
            Some(quiet) if !joining => quiet.min(round),
            Some(_) | None => round,
        }
    }

    /// Begins and ends rounds.
    fn turn(&mut self, now: Instant) {
        if self.round.as_ref().is_some_and(|round| round.until <= now) {
            self.asking.store(false, Ordering::Relaxed);
            self.round = None;
        }
        if self.round.is_none() && self.next_round <= now {
            self.next_round = now + INTERVAL;
            match self.ask(now) {
                Ok(round) => {
                    self.asking.store(true, Ordering::Relaxed);
                    self.round = Some(round);
                }
                Err(error) => {
                    tracing::error!(
                        target: "agent.mdns",
                        "Failed to poll for new hosts: {error}"
                    );
                }
            }
        }
    }

    /// Asks over every IP that works.
    ///
    /// # Errors
    ///
    /// None does. The text is Go's.
    fn ask(&self, now: Instant) -> Result<Round, String> {
        let service = self.service.as_ref().ok_or("dns: bad rdata")?;
        let mut failure = None;
        let mut sockets = Vec::new();
        for &family in &self.families {
            let Ok(socket) = family.asker(self.interface) else { continue };
            match send(&socket, family, service) {
                Ok(()) => sockets.push((family, socket)),
                Err(error) => {
                    let error = go_error(family, &socket, &error);
                    tracing::debug!(target: "agent.mdns", "Cannot ask: {error}");
                    failure.get_or_insert(error);
                }
            }
        }
        if sockets.is_empty() {
            let text = "failed to bind to any unicast udp port";
            return Err(failure.unwrap_or_else(|| text.to_owned()));
        }
        Ok(Round {
            browse: Browse::new(service.clone()),
            sockets,
            buffers: [vec![0; MAX_PACKET], vec![0; MAX_PACKET]],
            until: now + LISTEN,
        })
    }

    fn hear(&mut self, message: &Message) {
        let Some(round) = &mut self.round else { return };
        let learnt = round.browse.take(message);
        for instance in &learnt.ask {
            for (family, socket) in &round.sockets {
                if send(socket, *family, instance).is_err() {
                    counter!("agent.mdns.dropped").increment(1);
                }
            }
        }
        for address in learnt.found {
            self.found(address);
        }
    }

    fn found(&mut self, address: SocketAddr) {
        if self.seen.contains(&address) {
            return;
        }
        if self.pending.len() >= MAX_PENDING {
            counter!("agent.mdns.dropped").increment(1);
            return;
        }
        if self.seen.len() >= MAX_SEEN {
            self.seen = HashSet::new();
        }
        self.seen.insert(address);
        self.pending.push(address);
        self.quiet_at = Some(Instant::now() + QUIET);
    }

    fn take_pending(&mut self) -> Vec<String> {
        self.quiet_at = None;
        core::mem::take(&mut self.pending).iter().map(SocketAddr::to_string).collect()
    }
}

/// The next packet that comes in on the sockets of a round; never, if there is none.
async fn next_packet(round: &mut Option<Round>) -> Wake {
    let Some(Round { sockets, buffers, .. }) = round else { return pending().await };
    let [first, second] = buffers;
    let received = tokio::select! {
        received = receive(sockets.first(), first) => received,
        received = receive(sockets.get(1), second) => received,
    };
    Message::from_vec(received).map_or(Wake::Malformed, Wake::Heard)
}

/// The next packet of a socket. One that is missing or fails is silent until the next wake-up, so that a lasting failure
/// costs nothing.
async fn receive<'a>(socket: Option<&(Family, UdpSocket)>, buffer: &'a mut [u8]) -> &'a [u8] {
    let Some((_, socket)) = socket else { return pending().await };
    match socket.recv(buffer).await {
        Ok(length) => &buffer[..length],
        Err(_) => pending().await,
    }
}

async fn finished<F: Future>(joining: &mut Option<Pin<Box<F>>>) -> F::Output {
    match joining {
        Some(join) => join.await,
        None => pending().await,
    }
}

fn send(socket: &UdpSocket, family: Family, name: &Name) -> io::Result<()> {
    let id = u16::try_from(getrandom::u32()? & 0xffff).unwrap_or_default();
    let packet = question(name.clone(), id).to_vec().map_err(io::Error::other)?;
    // A socket that was just made can be written to, but its runtime does not know it yet: so not `try_send_to`.
    socket2::SockRef::from(socket).send_to(&packet, &family.group().into())?;
    Ok(())
}

/// Go's text for a question that could not be sent.
fn go_error(family: Family, socket: &UdpSocket, error: &io::Error) -> String {
    let text = os_text(error);
    let local = socket.local_addr().map(|local| local.to_string()).unwrap_or_default();
    format!("write {} {local}->{}: sendto: {text}", family.network(), family.group())
}

fn report(joined: &Joined) {
    match &joined.error {
        Some(error) => tracing::error!(target: "agent.mdns", "Failed to join: {error}"),
        None => tracing::info!(target: "agent.mdns", "Joined {} hosts", joined.contacted),
    }
}
