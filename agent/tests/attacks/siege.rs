//! An agent under attack, a second one that watches it, and a client that wants its answers meanwhile.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use uwasa_agent::rpc::client::Client;

/// Longest time that anything in these tests may take.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(30);
/// Longest time a client may wait for one answer. A turn of the agent takes about a millisecond; the rest is for
/// attackers and the agent sharing two processors.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(1);
/// Half of the answers must come within this time.
const ROUND_TRIP_MEDIAN: Duration = Duration::from_millis(100);
/// Time between two requests.
const PAUSE: Duration = Duration::from_millis(5);

/// Attacks would disturb each other's measurements.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
static ADDRESSES: AtomicU8 = AtomicU8::new(1);

/// Whether attacks are to be large.
pub(crate) fn heavy() -> bool {
    std::env::var("UWASA_HEAVY").is_ok_and(|value| value == "1")
}

/// A running agent; ends with the test.
pub(crate) struct Agent {
    child: Child,
    ip: Ipv4Addr,
    dir: TempDir,
}

impl Agent {
    /// An agent on an address that no other test run uses.
    pub(crate) fn start(name: &str, flags: &[&str]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_serf")), name, flags, None)
    }

    /// As [`Agent::start`], by a command that ends with the program, and with a standard output of its own.
    pub(crate) fn start_by(
        mut command: Command,
        name: &str,
        flags: &[&str],
        stdout: Option<Stdio>,
    ) -> Self {
        let [.., high, low] = std::process::id().to_be_bytes();
        let ip = Ipv4Addr::new(127, 10 + high % 90, low, ADDRESSES.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::tempdir().unwrap();
        let log = || File::create(dir.path().join("log")).unwrap().into();
        command
            .args([
                "agent",
                "-profile=local",
                &format!("-node={name}"),
                &format!("-bind={ip}:7946"),
            ])
            .args([&format!("-rpc-addr={ip}:7373"), &format!("-metrics-addr={ip}:9000")])
            .args(flags)
            .env("HERE", dir.path())
            .stdin(Stdio::null())
            .stdout(stdout.unwrap_or_else(log))
            .stderr(File::create(dir.path().join("stderr")).unwrap());
        let agent = Self { child: command.spawn().unwrap(), ip, dir };
        wait_until("it starts", || TcpStream::connect(agent.rpc()).is_ok());
        agent
    }

    pub(crate) fn rpc(&self) -> SocketAddr {
        (self.ip, 7373).into()
    }

    pub(crate) fn gossip(&self) -> SocketAddr {
        (self.ip, 7946).into()
    }

    pub(crate) fn telemetry(&self) -> SocketAddr {
        (self.ip, 9000).into()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.file("log")).unwrap()).into_owned()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// A counter; zero while nothing was counted.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        let name = format!("serf_agent_{}_total ", name.replace('.', "_"));
        let page = page(self.telemetry());
        assert!(page.starts_with("HTTP/1.1 200 OK"), "{page}");
        let value = page.lines().find_map(|line| line.strip_prefix(&name));
        value.map_or(0, |value| value.parse().unwrap())
    }

    /// Resident memory in KiB.
    fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches("kB").trim().parse().unwrap()
    }

    /// Processor time used.
    fn processor(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Runs one request on a connection of its own.
    pub(crate) fn ask<T>(&self, request: impl AsyncFnOnce(&mut Client) -> T) -> T {
        let addr = self.rpc().to_string();
        runtime().block_on(async {
            let whole = async { request(&mut Client::connect(&addr, "").await.unwrap()).await };
            tokio::time::timeout(TIME_MAX, whole).await.expect("an answer")
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// What Prometheus gets.
fn page(addr: SocketAddr) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(TIME_MAX)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < TIME_MAX, "in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// What was seen during an attack.
pub(crate) struct Witness {
    round_trips: Vec<Duration>,
    memory_before: u64,
    /// The most resident memory, in KiB.
    pub(crate) memory_peak: u64,
    memory_after: u64,
    processor: Duration,
    time: Duration,
}

impl Witness {
    fn quantile(&self, share: f64) -> Duration {
        let last = self.round_trips.len() - 1;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        self.round_trips[(last as f64 * share) as usize]
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory_before, memory_peak, memory_after, processor, time, .. } = self;
        let [half, most, all] = [0.5, 0.99, 1.0].map(|share| self.quantile(share));
        write!(
            f,
            "{} answers in {time:.1?}, p50 {half:.1?}, p99 {most:.1?}, max {all:.1?}; \
             RSS {memory_before} -> {memory_peak} -> {memory_after} KiB; processor {processor:.1?}",
            self.round_trips.len()
        )
    }
}

/// A victim and its neighbour, who knows it as alive.
pub(crate) struct Siege {
    pub(crate) victim: Agent,
    neighbour: Agent,
    _alone: MutexGuard<'static, ()>,
}

impl Siege {
    pub(crate) fn lay(flags: &[&str]) -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        Self::around(Agent::start("victim", flags), &[], alone)
    }

    /// With a key.
    pub(crate) fn lay_encrypted(key: &str) -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        Self::around(Agent::start("victim", &[key]), &[key], alone)
    }

    pub(crate) fn lay_by(command: Command, flags: &[&str], stdout: Option<Stdio>) -> Self {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        Self::around(Agent::start_by(command, "victim", flags, stdout), &[], alone)
    }

    fn around(victim: Agent, flags: &[&str], alone: MutexGuard<'static, ()>) -> Self {
        let neighbour = Agent::start("neighbour", flags);
        let seed = [victim.gossip().to_string()];
        neighbour.ask(async |client| client.join(&seed, false).await).expect("they join");
        Self { victim, neighbour, _alone: alone }
    }

    /// Attacks while an ordinary client asks for members and figures, and checks that it was answered in time, that
    /// memory stayed below `memory_max` KiB, and that the neighbour saw nothing.
    pub(crate) fn endure(
        &mut self,
        memory_max: u64,
        attack: impl FnOnce(&Agent) + Send,
    ) -> Witness {
        let victim = &self.victim;
        let (begun, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let mut witness = thread::scope(|scope| {
            let witness = scope.spawn(|| runtime().block_on(look_on(victim, &begun, &over)));
            // Also if the attack panics: the scope waits for the witness.
            let ends = Ends(&over);
            wait_until("the client is answered", || begun.load(Ordering::Relaxed));
            attack(victim);
            drop(ends);
            witness.join().expect("the client is answered")
        });
        witness.memory_after = self.victim.memory();
        eprintln!("{witness}");
        assert!(self.victim.ended().is_none(), "the agent has ended");
        assert!(witness.quantile(1.0) < ROUND_TRIP_MAX, "{witness}");
        assert!(witness.quantile(0.5) < ROUND_TRIP_MEDIAN, "{witness}");
        assert!(witness.memory_peak < memory_max, "{witness}");
        assert_eq!(self.neighbour.counted("serf.member.failed"), 0, "it was declared failed");
        witness
    }
}

/// Tells the witness that the attack is over when it goes.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn look_on(victim: &Agent, begun: &AtomicBool, over: &AtomicBool) -> Witness {
    let (start, memory, processor) = (Instant::now(), victim.memory(), victim.processor());
    let mut witness = Witness {
        round_trips: Vec::new(),
        memory_before: memory,
        memory_peak: memory,
        memory_after: memory,
        processor,
        time: Duration::ZERO,
    };
    let addr = victim.rpc().to_string();
    let mut client = Client::connect(&addr, "").await.expect("a connection");
    for round in 0_u32.. {
        let asked = Instant::now();
        let answer = async {
            if round % 2 == 0 {
                assert!(client.members().await.expect("members").len() >= 2);
            } else {
                assert!(client.stats().await.expect("figures").contains_key("serf"));
            }
        };
        tokio::time::timeout(TIME_MAX, answer).await.expect("an answer");
        witness.round_trips.push(asked.elapsed());
        witness.memory_peak = witness.memory_peak.max(victim.memory());
        if over.load(Ordering::Relaxed) && witness.round_trips.len() >= 2 {
            break;
        }
        begun.store(true, Ordering::Relaxed);
        tokio::time::sleep(PAUSE).await;
    }
    witness.round_trips.sort_unstable();
    witness.processor = victim.processor() - processor;
    witness.time = start.elapsed();
    witness
}
