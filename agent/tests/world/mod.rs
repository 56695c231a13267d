//! Whole programs on loopback addresses of their own: agents, commands and terminals, for tests of clusters.
//!
//! Nothing here sleeps for a fixed time: everything that takes time is asked for until it is there, with a deadline.
//! Processes end with the value that started them, by their own id.
#![allow(dead_code, reason = "every test binary that includes this module uses another part of it")]

mod agent;
mod process;

use std::fmt::Debug;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{Builder, scope, sleep};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub(crate) use agent::{Agent, Heard, Spec};
pub(crate) use process::{Said, Terminal, run};

/// Until when a thing must have happened. Far more than it takes: a busy machine is not a defect.
const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(60);

/// The gossip port and the RPC port of every agent: each agent has an address of its own.
pub(crate) const GOSSIP_PORT: u16 = 7946;
pub(crate) const RPC_PORT: u16 = 7373;

/// A key of 32 bytes, and another one, as agents want to have them.
pub(crate) const KEY: &str = "dGhpcnR5LXR3byBieXRlcyBtYWtlIGFuIEFFUyBrZXk=";
pub(crate) const KEY_2: &str = "c2l4dGVlbiBieXRlIGtleQ==";

/// Whose program.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Ours, or the one that `UWASA_TRANSCRIPT_BIN` names: with Serf itself in its place, the tests are tested.
    Ours,
    /// Serf, as the system has it.
    Peer,
}

use Kind::{Ours, Peer};

/// Both ways to give two parts to two programs.
pub(crate) const BOTH_WAYS: [(Kind, Kind); 2] = [(Ours, Peer), (Peer, Ours)];

impl Kind {
    pub(crate) fn program(self) -> PathBuf {
        match self {
            Self::Ours => std::env::var_os("UWASA_TRANSCRIPT_BIN")
                .map_or_else(|| env!("CARGO_BIN_EXE_serf").into(), PathBuf::from),
            Self::Peer => "serf".into(),
        }
    }
}

/// Tells why a test does not run; not by `eprintln!`, which the test harness would swallow.
pub(crate) fn skip(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped {test}: {why}");
}

/// Whether what a test needs may be missing; `UWASA_REQUIRE_PEER=1` forbids it.
pub(crate) fn may_be_missing() -> bool {
    !std::env::var("UWASA_REQUIRE_PEER").is_ok_and(|value| value == "1")
}

/// Whether the peer is there. Without it the caller returns, unless the environment demands it.
pub(crate) fn has_peer(test: &str) -> bool {
    let found = Command::new(Peer.program()).arg("version").stdout(Stdio::null()).status().is_ok();
    if !found {
        assert!(may_be_missing(), "UWASA_REQUIRE_PEER=1, but there is no `serf` on PATH");
        skip(test, "no `serf` on PATH");
    }
    found
}

/// Asks until there is an answer; `what` names the thing that never came, and the last refusal tells how it was.
pub(crate) fn wait_for<T, E: Debug>(what: &str, mut ask: impl FnMut() -> Result<T, E>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(refusal) => {
                assert!(Instant::now() < end, "not within {DEADLINE:?}: {what}; {refusal:?}");
            }
        }
        sleep(PAUSE);
    }
}

/// A random port that is free for both protocols, below those that systems hand out by themselves.
fn free_port(ip: IpAddr) -> u16 {
    wait_for("a free port", || {
        let random = RandomState::new().hash_one(0) % 20_000;
        let port = 10_000 + u16::try_from(random).expect("below 20,000");
        UdpSocket::bind((ip, port))?;
        TcpListener::bind((ip, port))?;
        Ok::<_, io::Error>(port)
    })
}

/// Whether this system brings what is sent to the group of mDNS back to its members.
///
/// # Errors
///
/// Where it stopped: no route, no interface for groups, or silence.
pub(crate) fn multicast_works() -> io::Result<()> {
    let group = Ipv4Addr::new(224, 0, 0, 251);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED)?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.send_to(b"hello", (group, socket.local_addr()?.port()))?;
    socket.recv_from(&mut [0; 16]).map(drop)
}

/// Runs a test on several cases at once: most of the time of each is waiting.
pub(crate) fn at_once<T: Sync + Debug>(cases: &[T], test: impl Fn(&T) + Sync) {
    scope(|threads| {
        let test = &test;
        let running: Vec<_> = cases
            .iter()
            .map(|case| {
                let name = format!("{case:?}");
                let thread = Builder::new().name(name).spawn_scoped(threads, move || test(case));
                (case, thread.expect("a thread"))
            })
            .collect();
        let failed: Vec<_> = running
            .into_iter()
            .filter_map(|(case, thread)| thread.join().is_err().then_some(case))
            .collect();
        assert!(failed.is_empty(), "failed with {failed:?}; see above");
    });
}

/// How the agents of a world are set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wire {
    Plain,
    Encrypted,
    Uncompressed,
}

pub(crate) const WIRES: [Wire; 3] = [Wire::Plain, Wire::Encrypted, Wire::Uncompressed];

/// Every wire, both ways.
pub(crate) fn all_ways() -> Vec<(Wire, Kind, Kind)> {
    WIRES
        .into_iter()
        .flat_map(|wire| BOTH_WAYS.map(|(first, second)| (wire, first, second)))
        .collect()
}

/// A loopback network and a folder of one test: nobody else uses them, not even another run of the same test.
pub(crate) struct World {
    wire: Wire,
    network: [u8; 2],
    hosts: AtomicU8,
    folder: TempDir,
    /// Holds the network as long as the world is there.
    _claim: TcpListener,
}

impl World {
    pub(crate) fn new(wire: Wire) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (network, claim) = wait_for("a free loopback network", || {
            let random = RandomState::new().hash_one(0).to_le_bytes();
            // Three digits each: texts have the same columns in every world.
            let network = [random[0], random[1]].map(|byte| 100 + byte % 150);
            let ip = |host| Ipv4Addr::new(127, network[0], network[1], host);
            let claim = TcpListener::bind((ip(99), GOSSIP_PORT))?;
            UdpSocket::bind((ip(101), GOSSIP_PORT))?;
            TcpListener::bind((ip(101), RPC_PORT))?;
            Ok::<_, io::Error>((network, claim))
        });
        Self { wire, network, hosts: AtomicU8::new(100), folder, _claim: claim }
    }

    fn ip(&self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, self.network[0], self.network[1], host)
    }

    /// An address of this world where nobody is.
    pub(crate) fn empty_ip(&self) -> Ipv4Addr {
        self.ip(250)
    }

    /// A word that no other world has.
    pub(crate) fn unique(&self) -> String {
        format!("w{}x{}", self.network[0], self.network[1])
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file of this world and tells where it is.
    pub(crate) fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.path(file);
        std::fs::write(&path, text).expect("a file");
        path
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).unwrap_or_default()
    }

    /// An agent that is not started yet, with an address of its own.
    pub(crate) fn agent(&self, kind: Kind, name: &str) -> Spec<'_> {
        Spec::new(self, kind, name, self.ip(self.hosts.fetch_add(1, Ordering::Relaxed) + 1).into())
    }

    /// Waits until all these agents have this to say of a member: a status, or that it is not there.
    pub(crate) fn all_see(&self, agents: &[&Agent], name: &str, status: &str) {
        for agent in agents {
            agent.sees(name, status);
        }
    }
}
