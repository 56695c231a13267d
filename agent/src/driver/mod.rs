//! The one task that owns a node: bytes, time and requests in, effects out.
//!
//! Nothing else touches the node. Everything that comes in waits in a bounded queue of its own: requests make their
//! senders wait, streams are not read until their bytes were taken, and datagrams wait in the socket, where the system
//! drops the newest. One turn of the loop takes a bounded number of each, and of datagrams no more than a bounded time
//! takes, so none can starve another or the timers. When a turn leaves datagrams behind, all other tasks come first:
//! the runtime has one thread, and a socket that always has more would never give it back.

mod disk;
mod keys;
mod narrate;
mod requests;
mod streams;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use metrics::histogram;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{mpsc, watch};
use uwasa_core::config::{Config, Identity};
use uwasa_core::event::{Event, EventMember};
use uwasa_core::io::{Cx, Input, OpId, Outbox, Output, QueryId};
use uwasa_core::keyring::Keyring;
use uwasa_core::node::Node;
use uwasa_core::pool::{Pool, Profile};
use uwasa_core::time::Instant;
use uwasa_core::timers::TimerKind;
use uwasa_core::trace::Trace;
use uwasa_core::wire::tags;

use crate::agent::QueryRecord;
use crate::event::{AgentEvent, Member, MemberStatus};
use crate::go::address::canonical;
use crate::task;
use disk::Disk;
use keys::KeyringFile;
use narrate::{Narrator, milliseconds};
use requests::Pending;
pub(crate) use requests::{Handle, Request, Subscriber};
use streams::{StreamEvent, Streams};

/// Requests that wait; further senders wait with them.
const REQUESTS: usize = 256;
/// What one turn takes of each kind of input.
const BATCH: usize = 64;
/// What the datagrams of one turn may take. One that unpacks to a mebibyte takes milliseconds.
const BATCH_TIME: Duration = Duration::from_millis(1);
/// Profiles beyond twice those in use, before those that are not are forgotten.
const OLD_PROFILES: usize = 1_024;
/// The largest UDP payload.
const DATAGRAM_BYTES_MAX: usize = 65_507;

/// What a driver needs to start.
#[derive(Debug)]
pub(crate) struct Start {
    /// The node's settings; `trace` should be on, the log is made of traces.
    pub config: Arc<Config>,
    /// Who the node is.
    pub identity: Identity,
    /// Bound, nonblocking, on the same address as `tcp`.
    pub udp: std::net::UdpSocket,
    /// Listening, nonblocking.
    pub tcp: std::net::TcpListener,
    /// The snapshot file to go on from and to keep.
    pub snapshot: Option<PathBuf>,
    /// The file that keeps the keyring.
    pub keyring_file: Option<PathBuf>,
}

/// Starts a node and the task that drives it.
///
/// # Errors
///
/// A socket or the snapshot cannot be used.
pub(crate) fn start(start: Start) -> io::Result<Handle> {
    let udp = UdpSocket::from_std(start.udp)?;
    let tcp = TcpListener::from_std(start.tcp)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let (sender, requests) = mpsc::channel(REQUESTS);
    let (ended, watch) = watch::channel(None);
    let (mut pool, mut out, origin) = (Pool::new(pool_seed(&seed)), Outbox::new(), Clock::now());
    let mut cx = Cx { now: Instant::ZERO, pool: &mut pool, out: &mut out };
    let (config, me) = (start.config, start.identity);
    let handle = Handle::new(&me, Arc::clone(&config), sender, watch);
    let (resolves_conflicts, streams_max) = (config.name_conflict_resolution, config.streams_max);
    let disk = start.snapshot.map(|path| Disk::open(&path, &config)).transpose()?;
    let node = match &disk {
        None => Node::new(config, me, seed, &mut cx),
        Some((_, restored)) => Node::restore(config, &me, seed, restored, &mut cx),
    };
    let remembered = disk.as_ref().map(|(_, restored)| {
        restored.seeds(&handle.name).map(|(name, addr)| (addr, name.to_owned())).collect()
    });
    let remembered = remembered.unwrap_or_default();
    let (disk, disk_failures) = disk.map_or_else(|| (None, None), |(disk, _)| disk.split());
    let driver = Driver {
        narrator: Narrator::new(&node, handle.addr, resolves_conflicts, remembered),
        node,
        pool,
        out,
        origin,
        family: Family::of(&udp)?,
        udp,
        streams: Streams::new(tcp, streams_max),
        disk,
        keyring_file: start.keyring_file.map(KeyringFile::new),
        behind: false,
        profiles_max: OLD_PROFILES,
        subscribers: Vec::new(),
        pending: BTreeMap::new(),
        ops: 0,
        own: handle.clone(),
        ended,
    };
    task::spawn(driver.run(requests, disk_failures));
    Ok(handle)
}

/// The seed of the pool's hash tables, apart from the node's own.
fn pool_seed(seed: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *seed;
    u64::from_be_bytes([a, b, c, d, e, f, g, h]).rotate_left(17) ^ 0x9e37_79b9_7f4a_7c15
}

/// Why the driver ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// It was asked to.
    Stopped,
    /// The node shut itself down.
    ByItself,
}

struct Driver {
    node: Node,
    pool: Pool,
    out: Outbox,
    origin: Clock,
    udp: UdpSocket,
    family: Family,
    streams: Streams,
    narrator: Narrator,
    disk: Option<Disk>,
    keyring_file: Option<KeyringFile>,
    /// The last turn left datagrams in the socket.
    behind: bool,
    /// As many profiles in the pool make it worth to forget old ones.
    profiles_max: usize,
    subscribers: Vec<Subscriber>,
    pending: BTreeMap<u64, Pending>,
    ops: u64,
    /// For work outside the loop that reports back.
    own: Handle,
    ended: watch::Sender<Option<Ended>>,
}

/// Whether the loop goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    End(Ended),
}

impl Driver {
    async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut disk_failures: Option<mpsc::Receiver<io::Error>>,
    ) {
        let mut flow = self.drain();
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let mut alarm = pin!(tokio::time::sleep_until(self.wall(Instant::ZERO)));
        while flow == Flow::On {
            let deadline = self.next_deadline();
            // Registered again only when it moved: that wakes the runtime's timer.
            if deadline != Instant::MAX && alarm.deadline() != self.wall(deadline) {
                alarm.as_mut().reset(self.wall(deadline));
            }
            let (mut request, mut event) = (None, None);
            tokio::select! {
                biased;
                received = requests.recv() => request = received,
                received = self.streams.next() => event = Some(received),
                ready = self.udp.readable() => {
                    // An error of the socket shows again when it is read.
                    let _ = ready;
                }
                error = disk_failure(&mut disk_failures) => self.on_disk_failure(&error),
                () = &mut alarm, if deadline != Instant::MAX => {}
            }
            flow = self.turn(request, event, &mut requests, &mut buffer);
            self.narrator.count_drops(self.node.stats());
            self.forget_old_profiles();
            if self.behind {
                tokio::task::yield_now().await;
            }
        }
        let Flow::End(how) = flow else { unreachable!("the loop ends so") };
        self.shut_down(how).await;
    }

    /// One turn: what woke the loop, a batch of whatever else waits, and the timers.
    fn turn(
        &mut self,
        request: Option<Request>,
        event: Option<StreamEvent>,
        requests: &mut mpsc::Receiver<Request>,
        buffer: &mut [u8],
    ) -> Flow {
        let mut next = request;
        for _ in 0..BATCH {
            let Some(request) = next.take().or_else(|| requests.try_recv().ok()) else { break };
            if let end @ Flow::End(_) = self.on_request(request) {
                return end;
            }
        }
        let mut next = event;
        for _ in 0..BATCH {
            let Some(event) = next.take().or_else(|| self.streams.try_next()) else { break };
            if let end @ Flow::End(_) = self.on_stream_event(event) {
                return end;
            }
        }
        if let end @ Flow::End(_) = self.receive_datagrams(buffer) {
            return end;
        }
        self.fire_timers()
    }

    fn receive_datagrams(&mut self, buffer: &mut [u8]) -> Flow {
        let start = Clock::now();
        let (mut count, mut sum, mut flow) = (0, 0, Flow::On);
        self.behind = true;
        while flow == Flow::On && count < BATCH as u64 && start.elapsed() < BATCH_TIME {
            let Ok((len, from)) = self.udp.try_recv_from(buffer) else {
                self.behind = false;
                break;
            };
            let from = canonical(from);
            let bytes = buffer.get(..len).unwrap_or_default();
            (count, sum) = (count + 1, sum + len as u64);
            flow = self.feed(Input::Datagram { from, bytes });
            self.narrator.packet_done(from, self.node.stats());
        }
        if count > 0 {
            self.narrator.counters.datagrams.increment(count);
            self.narrator.counters.udp_received.increment(sum);
        }
        flow
    }

    /// Every change of a member's tags makes a new profile; the old ones must not fill the pool for ever.
    fn forget_old_profiles(&mut self) {
        if self.pool.profiles_len() >= self.profiles_max {
            self.node.forget_old_profiles(&mut self.pool);
            self.profiles_max = 2 * self.pool.profiles_len() + OLD_PROFILES;
        }
    }

    /// A time of the node as one of the runtime.
    fn wall(&self, at: Instant) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + Duration::from_nanos(at.as_nanos()))
    }

    /// When the loop must wake if nothing happens.
    fn next_deadline(&self) -> Instant {
        let node = self.node.deadline().map_or(Instant::MAX, |(at, _)| at);
        let disk = self.disk.as_ref().and_then(Disk::flush_due);
        node.min(disk.unwrap_or(Instant::MAX))
    }

    fn fire_timers(&mut self) -> Flow {
        let now = self.now();
        if let Some(disk) = &mut self.disk {
            disk.flush_if_due(now);
        }
        let Some((_, kind)) = self.node.deadline().filter(|(at, _)| *at <= now) else {
            return Flow::On;
        };
        let flow = self.feed(Input::Timeout);
        if kind == TimerKind::Gossip {
            let spent = Duration::from_nanos(self.now().nanos_since(now));
            histogram!("memberlist.gossip").record(milliseconds(spent));
        }
        flow
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    /// Hands one input to the node and carries out what follows.
    fn feed(&mut self, input: Input<'_>) -> Flow {
        let now = self.now();
        let mut cx = Cx { now, pool: &mut self.pool, out: &mut self.out };
        self.node.handle(input, &mut cx);
        self.drain()
    }

    fn drain(&mut self) -> Flow {
        let mut flow = Flow::On;
        let now = self.now();
        while let Some(output) = self.out.pop() {
            match output {
                Output::Datagram { to, bytes } => {
                    // Best effort: what the socket does not take now is lost, as on the network.
                    match self.udp.try_send_to(bytes, self.family.fit(to)) {
                        Ok(_) => self.narrator.counters.udp_sent.increment(bytes.len() as u64),
                        Err(error) => self.narrator.send_failed(to, &error),
                    }
                }
                Output::Stream { id, action } => self.streams.act(id, &action, &self.narrator),
                Output::Event(event) => match event_of(event, &self.pool) {
                    Told::Everyone(event) => {
                        narrate::count(&event);
                        requests::publish(&mut self.subscribers, event, &mut self.narrator);
                    }
                    Told::Asker { op, record } => requests::record(&self.pending, op.0, record),
                    Told::Keyring { keyring, answers } => {
                        if let Some(file) = &mut self.keyring_file {
                            file.store(keyring, answers, self.own.clone());
                        }
                    }
                    Told::End => flow = Flow::End(Ended::ByItself),
                },
                Output::Done { op, result } => {
                    if let Some(pending) = self.pending.remove(&op.0) {
                        requests::done(pending, result, &mut self.streams);
                    }
                }
                Output::Persist(record) => {
                    if let Some(disk) = &mut self.disk {
                        disk.append(&record, now);
                    }
                }
                Output::Trace(trace) => {
                    self.narrator.tell(&trace, &self.pool);
                    if matches!(trace, Trace::ProbeEnded { .. })
                        && let Some(own) = self.node.coordinate(self.node.id())
                    {
                        histogram!("serf.coordinate.adjustment-ms")
                            .record(own.adjustment * 1_000.0);
                    }
                }
            }
        }
        flow
    }
}

/// A core event, by who is to hear it.
enum Told {
    Everyone(AgentEvent),
    Asker { op: OpId, record: QueryRecord },
    Keyring { keyring: Keyring, answers: Option<QueryId> },
    End,
}

fn event_of(event: Event, pool: &Pool) -> Told {
    match event {
        Event::Members(event) => {
            let member = |m: &EventMember| {
                describe(pool.name(m.node), pool.profile(m.profile), Some(m.status))
            };
            let members = event.members.iter().map(member).collect();
            Told::Everyone(AgentEvent::Members { kind: event.kind, members })
        }
        Event::User(event) => Told::Everyone(AgentEvent::User {
            ltime: event.ltime,
            name: event.name,
            payload: event.payload,
            coalesce: event.coalesce,
        }),
        Event::Query(query) => Told::Everyone(AgentEvent::Query {
            id: query.id,
            name: query.name,
            payload: query.payload,
        }),
        Event::QueryAck { op, from } => Told::Asker { op, record: QueryRecord::Ack { from } },
        Event::QueryResponse { op, from, payload } => {
            Told::Asker { op, record: QueryRecord::Response { from, payload } }
        }
        Event::KeyringChanged { keyring, answers } => Told::Keyring { keyring, answers },
        Event::ShutDown(_) => Told::End,
    }
}

/// The member that `start` will be.
pub(crate) fn describe_self(start: &Start) -> Member {
    let me = &start.identity;
    Member {
        name: me.name.clone(),
        addr: Some(me.addr),
        port: me.port,
        tags: tags::decode(&me.meta),
        status: Some(MemberStatus::Alive),
        vsn: start.config.vsn(),
    }
}

fn describe(name: &str, profile: &Profile, status: Option<MemberStatus>) -> Member {
    Member {
        name: name.into(),
        addr: Some(profile.addr.ip()),
        port: profile.port,
        tags: tags::decode(&profile.meta),
        status,
        vsn: profile.vsn,
    }
}

/// Waits for the disk to fail; for ever without a snapshot.
async fn disk_failure(failures: &mut Option<mpsc::Receiver<io::Error>>) -> io::Error {
    if let Some(failures) = failures
        && let Some(error) = failures.recv().await
    {
        return error;
    }
    std::future::pending().await
}

/// Which addresses the socket takes: one that serves both families wants IPv4 in IPv6's clothes.
#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn of(udp: &UdpSocket) -> io::Result<Self> {
        Ok(if udp.local_addr()?.is_ipv6() { Self::V6 } else { Self::V4 })
    }

    fn fit(self, to: SocketAddr) -> SocketAddr {
        match (self, to) {
            (Self::V6, SocketAddr::V4(v4)) => {
                SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
            }
            _ => to,
        }
    }
}

#[cfg(test)]
mod tests;
