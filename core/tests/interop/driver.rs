//! A driver over real sockets: one `Node`, one UDP socket, one TCP listener, a thread for each, and a channel into the
//! loop that owns the node.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant as Clock};

use uwasa_core::command::{Command, OpError, Reply};
use uwasa_core::config::{Identity, Options};
use uwasa_core::coordinate::Coordinate;
use uwasa_core::event::{Event, MemberEventKind, UserEvent};
use uwasa_core::io::StreamInput;
use uwasa_core::io::{Cx, Input, OpId, Outbox, Output, StreamAction, StreamFailure, StreamId};
use uwasa_core::node::{Info, MemberView, Node};
use uwasa_core::pool::{NodeId, Pool};
use uwasa_core::stats::Stats;
use uwasa_core::time::Instant;
use uwasa_core::trace::{MemberStatus, Trace};

use crate::disk::Disk;

const DATAGRAM_BYTES_MAX: usize = 65_507;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Traces that a failure shows.
const TRACES_SHOWN: usize = 40;
const WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// What the driver loses on purpose.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Every datagram that arrives.
    pub(crate) datagrams_in: AtomicBool,
    /// Every datagram that answers one: acks and nacks. Gossip and own probes still go out.
    pub(crate) replies: AtomicBool,
    /// Everything that peers send on streams; they stay open and silent.
    pub(crate) streams_in: AtomicBool,
    /// Every datagram from and to this address.
    pub(crate) cut: OnceLock<SocketAddr>,
    /// Everything, both ways: the process looks frozen.
    pub(crate) all: AtomicBool,
}

/// One member as our node sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Seen {
    pub(crate) status: MemberStatus,
    pub(crate) status_ltime: u64,
    pub(crate) addr: SocketAddr,
    pub(crate) incarnation: u32,
    pub(crate) meta: Vec<u8>,
}

/// An application event, with names in place of ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    Member(MemberEventKind, String),
    User(UserEvent),
    Other(Event),
}

impl Told {
    fn user(&self) -> Option<&UserEvent> {
        if let Self::User(event) = self { Some(event) } else { None }
    }
}

/// Everything there is to know about our node at one moment.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) members: BTreeMap<String, Seen>,
    pub(crate) told: Vec<Told>,
    pub(crate) traces: Vec<Trace>,
    pub(crate) answers: BTreeMap<u64, Result<Reply, OpError>>,
    pub(crate) stats: Stats,
    pub(crate) info: Info,
    /// Our own coordinate and those of members that we have probed.
    pub(crate) coordinates: BTreeMap<String, Coordinate>,
    names: BTreeMap<NodeId, String>,
}

impl Debug for View {
    /// What helps after a failure: all state, but only the last of many traces.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { members, told, traces, stats, info, .. } = self;
        let last = &traces[traces.len().saturating_sub(TRACES_SHOWN)..];
        write!(f, "{members:#?}\n{info:?}\n{stats:?}\n{told:#?}\n{last:#?}")
    }
}

impl View {
    pub(crate) fn status(&self, name: &str) -> Option<MemberStatus> {
        self.members.get(name).map(|seen| seen.status)
    }

    pub(crate) fn name(&self, id: NodeId) -> &str {
        self.names.get(&id).map_or("", String::as_str)
    }

    /// Every delivery of the user event `name`.
    pub(crate) fn user_events(&self, name: &str) -> Vec<&UserEvent> {
        self.told.iter().filter_map(Told::user).filter(|event| &*event.name == name).collect()
    }
}

enum Message {
    Datagram(SocketAddr, Vec<u8>),
    Accepted(TcpStream),
    Dialed(u64, std::io::Result<TcpStream>),
    Data(u64, Vec<u8>),
    Finished(u64),
    Broken(u64),
    Command(u64, Command),
    Look(Sender<View>),
    Stop,
}

/// A running member of ours. Dropping it closes its sockets.
pub(crate) struct Driver {
    pub(crate) addr: SocketAddr,
    pub(crate) faults: Arc<Faults>,
    messages: Sender<Message>,
    stopped: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    ops: Cell<u64>,
}

impl Driver {
    /// Starts a member called `name` on these sockets, which share one address.
    pub(crate) fn start(name: &str, options: Options, udp: UdpSocket, tcp: TcpListener) -> Self {
        Self::start_with(name, options, udp, tcp, None)
    }

    /// The same for a member that goes on from this snapshot file, if there is one, and keeps it.
    pub(crate) fn start_with(
        name: &str,
        options: Options,
        udp: UdpSocket,
        tcp: TcpListener,
        snapshot: Option<PathBuf>,
    ) -> Self {
        let addr = udp.local_addr().expect("a bound socket has an address");
        let (messages, inbox) = channel();
        let (faults, stopped) = (Arc::<Faults>::default(), Arc::<AtomicBool>::default());
        let threads = vec![
            spawn_datagrams(&udp, &messages, &stopped),
            spawn_accepts(tcp, &messages, &stopped),
            spawn_loop((name, addr, options), udp, (inbox, messages.clone()), &faults, snapshot),
        ];
        Self { addr, faults, messages, stopped, threads, ops: Cell::new(0) }
    }

    /// Hands a command to the node; the answer appears in [`View::answers`] under the returned number.
    pub(crate) fn command(&self, command: Command) -> u64 {
        let op = self.ops.get() + 1;
        self.ops.set(op);
        self.messages.send(Message::Command(op, command)).expect("the loop runs");
        op
    }

    pub(crate) fn look(&self) -> View {
        let (reply, view) = channel();
        self.messages.send(Message::Look(reply)).expect("the loop runs");
        view.recv().expect("the loop answers")
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes each thread; one that is gone already is no problem.
        let _ = self.messages.send(Message::Stop);
        let wake = UdpSocket::bind((self.addr.ip(), 0)).and_then(|udp| udp.send_to(&[], self.addr));
        let _ = TcpStream::connect_timeout(&self.addr, CONNECT_TIMEOUT);
        if wake.is_ok() {
            for thread in self.threads.drain(..) {
                let panicked = thread.join().is_err();
                assert!(!panicked || std::thread::panicking(), "a thread of the driver panicked");
            }
        }
    }
}

fn spawn_datagrams(
    udp: &UdpSocket,
    messages: &Sender<Message>,
    stopped: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let (udp, messages, stopped) =
        (udp.try_clone().expect("a second handle"), messages.clone(), Arc::clone(stopped));
    spawn(move || {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        while !stopped.load(Ordering::SeqCst) {
            let Ok((len, from)) = udp.recv_from(&mut buffer) else { continue };
            let _ = messages.send(Message::Datagram(from, buffer[..len].to_vec()));
        }
    })
}

fn spawn_accepts(
    tcp: TcpListener,
    messages: &Sender<Message>,
    stopped: &Arc<AtomicBool>,
) -> JoinHandle<()> {
    let (messages, stopped) = (messages.clone(), Arc::clone(stopped));
    spawn(move || {
        while !stopped.load(Ordering::SeqCst) {
            let Ok((stream, _)) = tcp.accept() else { continue };
            let _ = messages.send(Message::Accepted(stream));
        }
    })
}

fn spawn_loop(
    (name, addr, options): (&str, SocketAddr, Options),
    udp: UdpSocket,
    (inbox, messages): (Receiver<Message>, Sender<Message>),
    faults: &Arc<Faults>,
    snapshot: Option<PathBuf>,
) -> JoinHandle<()> {
    let me = Identity::new(name, addr).expect("a reachable identity");
    let config = Arc::new(Options { trace: true, ..options }.validate().expect("valid options"));
    let faults = Arc::clone(faults);
    spawn(move || {
        let (mut pool, mut out, origin) = (Pool::new(1), Outbox::new(), Clock::now());
        let mut cx = Cx { now: Instant::ZERO, pool: &mut pool, out: &mut out };
        let (node, disk) = match snapshot {
            None => (Node::new(config, me, seed(addr), &mut cx), None),
            Some(file) => {
                let (disk, restored) = Disk::open(file, config.rejoin_after_leave);
                (Node::restore(config, &me, seed(addr), &restored, &mut cx), Some(disk))
            }
        };
        let wires = Wires { udp, messages, streams: BTreeMap::new(), finished: Vec::new() };
        let seen = Record::default();
        Loop { node, pool, out, origin, wires, disk, seen, faults, accepted: 0 }.run(&inbox);
    })
}

/// Nonces must not repeat under one key, so every member gets its own seed.
fn seed(addr: SocketAddr) -> [u8; 32] {
    let mut seed = [7; 32];
    let text = format!("{addr}");
    seed[..text.len()].copy_from_slice(text.as_bytes());
    seed
}

#[derive(Default)]
struct Record {
    told: Vec<Told>,
    traces: Vec<Trace>,
    answers: BTreeMap<u64, Result<Reply, OpError>>,
}

/// The sending half.
struct Wires {
    udp: UdpSocket,
    messages: Sender<Message>,
    streams: BTreeMap<u64, TcpStream>,
    /// Streams on which we said that we send no more.
    finished: Vec<u64>,
}

impl Wires {
    fn act(&mut self, id: u64, action: &StreamAction<'_>) {
        match *action {
            StreamAction::Dial { to } => {
                let messages = self.messages.clone();
                spawn(move || {
                    let dialed = TcpStream::connect_timeout(&to, CONNECT_TIMEOUT);
                    let _ = messages.send(Message::Dialed(id, dialed));
                });
            }
            StreamAction::Send(bytes) => {
                // A broken stream shows up at its reader, too.
                let _ = self.streams.get_mut(&id).map(|stream| stream.write_all(bytes));
            }
            StreamAction::Finish => {
                let _ = self.streams.get(&id).map(|stream| stream.shutdown(Shutdown::Write));
                self.finished.push(id);
            }
            StreamAction::Reset => self.forget(id),
        }
    }

    fn forget(&mut self, id: u64) {
        if let Some(stream) = self.streams.remove(&id) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.finished.retain(|&finished| finished != id);
    }

    /// Keeps a stream and starts its reader.
    fn keep(&mut self, id: u64, stream: TcpStream) {
        stream.set_write_timeout(Some(WRITE_TIMEOUT)).expect("the timeout is not zero");
        let mut reading = stream.try_clone().expect("a second handle");
        self.streams.insert(id, stream);
        let messages = self.messages.clone();
        spawn(move || {
            let mut buffer = vec![0; 4_096];
            loop {
                let message = match reading.read(&mut buffer) {
                    Ok(0) => Message::Finished(id),
                    Ok(len) => Message::Data(id, buffer[..len].to_vec()),
                    Err(_) => Message::Broken(id),
                };
                let last = !matches!(message, Message::Data(..));
                if messages.send(message).is_err() || last {
                    return;
                }
            }
        });
    }
}

struct Loop {
    node: Node,
    pool: Pool,
    out: Outbox,
    origin: Clock,
    wires: Wires,
    disk: Option<Disk>,
    seen: Record,
    faults: Arc<Faults>,
    accepted: u64,
}

impl Loop {
    fn run(mut self, inbox: &Receiver<Message>) {
        self.drain(false);
        loop {
            let deadline = self.node.deadline().map_or(Instant::MAX, |(at, _)| at);
            let wait = (deadline - self.now()).min(Duration::from_secs(1));
            match inbox.recv_timeout(wait) {
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return self.stop(),
                Ok(message) => self.on_message(message),
                Err(RecvTimeoutError::Timeout) => {}
            }
            // A busy inbox must not starve the timers.
            if deadline <= self.now() {
                self.feed(Input::Timeout);
            }
        }
    }

    /// The end of our process: without a goodbye, but the snapshot is complete.
    fn stop(&mut self) {
        let now = self.now();
        self.node.stop(&mut Cx { now, pool: &mut self.pool, out: &mut self.out });
        self.drain(false);
        if let Some(disk) = &mut self.disk {
            disk.shut_down();
        }
    }

    fn now(&self) -> Instant {
        Instant::ZERO + self.origin.elapsed()
    }

    fn on_message(&mut self, message: Message) {
        match message {
            Message::Datagram(from, bytes) => {
                let lost = suffers(&self.faults.all)
                    || suffers(&self.faults.datagrams_in)
                    || self.faults.cut.get() == Some(&from);
                if !lost {
                    self.feed(Input::Datagram { from, bytes: &bytes });
                }
            }
            Message::Accepted(stream) => self.on_accepted(stream),
            Message::Dialed(id, Ok(stream)) => {
                self.wires.keep(id, stream);
                self.feed_stream(id, StreamInput::Connected);
            }
            Message::Dialed(id, Err(error)) => {
                let refused = error.kind() == std::io::ErrorKind::ConnectionRefused;
                let failure =
                    if refused { StreamFailure::Refused } else { StreamFailure::Unreachable };
                self.feed_stream(id, StreamInput::Failed(failure));
            }
            Message::Data(id, bytes) => {
                let inbound = id % 2 == 1;
                let lost = suffers(&self.faults.all) || inbound && suffers(&self.faults.streams_in);
                if !lost {
                    self.feed_stream(id, StreamInput::Data(&bytes));
                }
            }
            Message::Finished(id) => {
                if self.wires.finished.contains(&id) {
                    self.wires.forget(id);
                }
                self.feed_stream(id, StreamInput::Finished);
            }
            Message::Broken(id) => {
                self.wires.forget(id);
                self.feed_stream(id, StreamInput::Failed(StreamFailure::Reset));
            }
            Message::Command(op, command) => {
                self.feed(Input::Command { op: OpId(op), command });
            }
            Message::Look(reply) => {
                let _ = reply.send(self.view());
            }
            Message::Stop => unreachable!("the caller takes it"),
        }
    }

    fn on_accepted(&mut self, stream: TcpStream) {
        let Ok(from) = stream.peer_addr() else { return };
        let id = 2 * self.accepted + 1;
        self.accepted += 1;
        self.wires.keep(id, stream);
        self.feed_stream(id, StreamInput::Accepted { from });
    }

    fn feed_stream(&mut self, id: u64, event: StreamInput<'_>) {
        self.feed(Input::Stream { id: StreamId(id), event });
    }

    fn feed(&mut self, input: Input<'_>) {
        let replying = matches!(input, Input::Datagram { .. });
        let now = self.now();
        let mut cx = Cx { now, pool: &mut self.pool, out: &mut self.out };
        self.node.handle(input, &mut cx);
        self.drain(replying);
    }

    fn drain(&mut self, replying: bool) {
        let silent = suffers(&self.faults.all);
        let no_datagrams = silent || replying && suffers(&self.faults.replies);
        let now = self.now();
        while let Some(output) = self.out.pop() {
            match output {
                Output::Datagram { to, bytes } => {
                    if !no_datagrams && self.faults.cut.get() != Some(&to) {
                        // Best effort, as UDP is.
                        let _ = self.wires.udp.send_to(bytes, to);
                    }
                }
                Output::Stream { action: StreamAction::Send(_), .. } if silent => {}
                Output::Stream { id, action } => self.wires.act(id.0, &action),
                Output::Event(event) => self.seen.told.push(named(event, &self.pool)),
                Output::Done { op, result } => {
                    let earlier = self.seen.answers.insert(op.0, result);
                    assert_eq!(earlier, None, "command {op:?} was answered twice");
                }
                Output::Persist(record) => {
                    if let Some(disk) = &mut self.disk {
                        disk.append(&record, now);
                    }
                }
                Output::Trace(trace) => self.seen.traces.push(trace),
            }
        }
    }

    fn view(&self) -> View {
        let seen = |m: &MemberView<'_>| Seen {
            status: m.status,
            status_ltime: m.status_ltime,
            addr: m.profile.socket_addr(),
            incarnation: m.incarnation,
            meta: m.profile.meta.to_vec(),
        };
        let members = || self.node.members(&self.pool);
        let coordinate = |m: MemberView<'_>| Some((m.name.to_owned(), self.node.coordinate(m.id)?));
        View {
            members: members().map(|m| (m.name.to_owned(), seen(&m))).collect(),
            told: self.seen.told.clone(),
            traces: self.seen.traces.clone(),
            answers: self.seen.answers.clone(),
            stats: self.node.stats().clone(),
            info: self.node.info(),
            coordinates: members().filter_map(coordinate).collect(),
            names: members().map(|m| (m.id, m.name.to_owned())).collect(),
        }
    }
}

fn suffers(fault: &AtomicBool) -> bool {
    fault.load(Ordering::SeqCst)
}

fn named(event: Event, pool: &Pool) -> Told {
    let name = |id| pool.name(id).to_owned();
    match event {
        Event::Members(event) => Told::Member(event.kind, name(event.members[0].node)),
        Event::User(event) => Told::User(event),
        Event::Query(_)
        | Event::QueryAck { .. }
        | Event::QueryResponse { .. }
        | Event::KeyringChanged { .. }
        | Event::ShutDown(_) => Told::Other(event),
    }
}
