//! The real thing: `serf agent` processes, their logs, and the `serf` command line against them.

use std::fmt::{Debug, Write as _};
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(20);

/// What a handler script prints for each user event; see [`delivery`].
const HANDLER: &str = r#"user=echo "got $SERF_USER_EVENT $SERF_USER_LTIME <$(cat)>""#;

/// What a handler script prints for each member event; see [`handled`].
const MEMBERS: &str = "member-join,member-leave,member-failed,member-update,member-reap=\
                       while read -r name rest; do echo \"heard $SERF_EVENT $name.\"; done";

/// What an agent answers to the query `load`.
const ANSWERS: &str = r#"query:load=echo "$SERF_SELF_NAME got <$(cat)>""#;

/// Whether the peer is there. Without it the caller returns, unless the environment demands it.
pub(crate) fn is_installed(test: &str) -> bool {
    let found = Command::new("serf").arg("version").stdout(Stdio::null()).status().is_ok();
    if !found {
        let demanded = std::env::var("UWASA_REQUIRE_PEER").is_ok_and(|value| value == "1");
        assert!(!demanded, "UWASA_REQUIRE_PEER=1, but there is no `serf` on PATH");
        // Not `eprintln!`: the test harness would swallow it.
        let _ = writeln!(std::io::stderr(), "skipped {test}: no `serf` on PATH");
    }
    found
}

/// Asks until there is an answer; `what` names the thing that never came.
pub(crate) fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    wait_for_with(what, &mut (), |()| ask())
}

/// The same with something that a failure shows besides: what `ask` saw last.
pub(crate) fn wait_for_with<T, S: Debug>(
    what: &str,
    seen: &mut S,
    mut ask: impl FnMut(&mut S) -> Option<T>,
) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask(seen) {
            return answer;
        }
        assert!(Instant::now() < end, "not within {DEADLINE:?}: {what}; {seen:?}");
        pause();
    }
}

/// Lets others work before the next look.
pub(crate) fn pause() {
    sleep(PAUSE);
}

/// Both sockets of a member at an address that a stopped member had.
pub(crate) fn bind_again(addr: SocketAddr) -> (UdpSocket, TcpListener) {
    let what = format!("{addr} is free again");
    wait_for(&what, || UdpSocket::bind(addr).ok().zip(TcpListener::bind(addr).ok()))
}

/// A loopback network of one test: nobody else uses these addresses, not even another run of the same test.
pub(crate) struct Network {
    high: u8,
    test: u8,
}

impl Network {
    pub(crate) fn new(test: u8) -> Self {
        let high = u8::try_from(std::process::id() % 200).expect("below 200");
        Self { high: high + 50, test }
    }

    fn ip(&self, host: u8) -> IpAddr {
        Ipv4Addr::new(127, self.high, self.test, host).into()
    }

    /// Both sockets of a member, on one free port.
    pub(crate) fn bind(&self, host: u8) -> (UdpSocket, TcpListener) {
        wait_for("a port free for UDP and TCP", || {
            let udp = UdpSocket::bind((self.ip(host), 0)).expect("a loopback address");
            let tcp = TcpListener::bind(udp.local_addr().expect("it is bound")).ok()?;
            Some((udp, tcp))
        })
    }

    /// Two different free addresses.
    fn free(&self, host: u8) -> [SocketAddr; 2] {
        [self.bind(host), self.bind(host)].map(|(udp, _)| udp.local_addr().expect("it is bound"))
    }
}

/// How to start an agent.
#[derive(Default)]
pub(crate) struct Setup<'a> {
    /// The key in base64.
    pub(crate) key: Option<&'a str>,
    pub(crate) no_compression: bool,
    pub(crate) join: Option<SocketAddr>,
    /// In the form `name=value`.
    pub(crate) tags: &'a [&'a str],
    /// Instead of the name made from the host number.
    pub(crate) name: Option<&'a str>,
    /// Instead of a free address.
    pub(crate) addr: Option<SocketAddr>,
    pub(crate) snapshot: Option<&'a Path>,
    /// Join the members of the snapshot even after a leave.
    pub(crate) rejoin: bool,
}

/// A running agent. Dropping it kills the process; after a failure its log is printed.
pub(crate) struct Agent {
    pub(crate) name: String,
    pub(crate) addr: SocketAddr,
    rpc: SocketAddr,
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Agent {
    /// Starts an agent on `host` of the network and waits until it answers.
    pub(crate) fn start(network: &Network, host: u8, setup: &Setup<'_>) -> Self {
        let name = setup.name.map_or_else(|| format!("go{host}"), str::to_owned);
        let [free, rpc] = network.free(host);
        let addr = setup.addr.unwrap_or(free);
        let mut command = Command::new("serf");
        command.args(["agent", "-profile=local", "-log-level=debug", "-event-handler", HANDLER]);
        command
            .args(["-event-handler", MEMBERS, "-event-handler", ANSWERS])
            .arg(format!("-node={name}"));
        command.arg(format!("-bind={addr}")).arg(format!("-rpc-addr={rpc}"));
        command.args(setup.key.map(|key| format!("-encrypt={key}")));
        command.args(setup.no_compression.then_some("-disable-compression"));
        command.args(setup.join.map(|seed| format!("-join={seed}")));
        command.args(setup.tags.iter().map(|tag| format!("-tag={tag}")));
        command.args(setup.snapshot.map(|file| format!("-snapshot={}", file.display())));
        command.args(setup.rejoin.then_some("-rejoin"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("serf starts");
        let log = Arc::default();
        collect(child.stdout.take().expect("it is piped"), &log);
        collect(child.stderr.take().expect("it is piped"), &log);
        let mut agent = Self { name, addr, rpc, child, log };
        wait_for("the agent answers", || {
            let ended = agent.child.try_wait().expect("it is our child");
            assert_eq!(ended, None, "{} ended", agent.name);
            agent.members()
        });
        agent
    }

    /// Kills the process without any goodbye, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is our child");
        self.child.wait().expect("it is our child");
    }

    /// Sends the process a signal, `TERM` for example: the agent then shuts down without a leave.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.expect("kill runs").success(), "{signal} reaches {}", self.name);
    }

    /// Waits until the process has ended by itself.
    pub(crate) fn wait_for_end(&mut self) {
        let what = format!("{} ends", self.name);
        wait_for(&what, || self.child.try_wait().expect("it is our child"));
    }

    /// Runs `serf <command> -rpc-addr=… <args>`.
    pub(crate) fn serf(&self, command: &str, args: &[&str]) -> Output {
        let rpc = format!("-rpc-addr={}", self.rpc);
        let mut serf = Command::new("serf");
        serf.arg(command).arg(rpc).args(args).stdin(Stdio::null());
        serf.output().expect("serf runs")
    }

    /// Runs a command that must succeed, and tells what it prints.
    pub(crate) fn must(&self, command: &str, args: &[&str]) -> String {
        let output = self.serf(command, args);
        assert!(output.status.success(), "serf {command}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// What `serf info` shows about the Serf layer under this key.
    pub(crate) fn info(&self, key: &str) -> Option<u64> {
        let output = self.serf("info", &["-format=json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        answer["serf"][key].as_str()?.parse().ok()
    }

    /// The members of `serf members -format=json`, or nothing while the agent does not answer.
    fn members(&self) -> Option<Vec<Value>> {
        let output = self.serf("members", &["-format=json"]);
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        answer["members"].as_array().cloned()
    }

    /// What the agent shows about one member.
    pub(crate) fn member(&self, name: &str) -> Option<Value> {
        self.members()?.into_iter().find(|member| member["name"] == name)
    }

    /// The status the agent shows for one member.
    pub(crate) fn status(&self, name: &str) -> Option<String> {
        self.member(name)?["status"].as_str().map(str::to_owned)
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().expect("no reader panics").clone()
    }

    /// Waits until the log contains `text`. Returns in how many lines it then does.
    pub(crate) fn wait_for_log(&self, text: &str) -> usize {
        let what = format!("{} logs: {text}", self.name);
        wait_for(&what, || Some(self.logged(text)).filter(|&lines| lines > 0))
    }

    /// What the Serf layer of the agent reported about one member, in order: `Join`, `Leave`, `Failed`, `Update`, `Reap`.
    pub(crate) fn story(&self, name: &str) -> Vec<String> {
        let log = self.log();
        let event = |line: &str| {
            let (kind, rest) = line.split_once("serf: EventMember")?.1.split_once(": ")?;
            // The address follows, except for updates.
            let about = rest.strip_prefix(name)?;
            (about.is_empty() || about.starts_with(' '))
                .then(|| kind.trim_end_matches(" (forced)").to_owned())
        };
        log.lines().filter_map(event).collect()
    }

    /// How many lines of the log contain `text`.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have left already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- log of {} ----\n{}", self.name, self.log());
        }
    }
}

fn collect(pipe: impl Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            // Our own polling would drown the rest.
            if line.contains("agent.ipc: Accepted client") {
                continue;
            }
            let mut log = log.lock().expect("no reader panics");
            writeln!(log, "{line}").expect("a string takes everything");
        }
    });
}

/// What an agent logs when its handler saw this event: the whole event, as the agent decoded it.
pub(crate) fn delivery(name: &str, ltime: u64, payload: &str) -> String {
    format!("script output: got {name} {ltime} <{payload}>")
}

/// What an agent logs when its handler saw this kind of event about a member. Events that come soon after each other
/// reach the handler together, in one log entry of several lines.
pub(crate) fn handled(kind: &str, name: &str) -> String {
    format!("heard member-{kind} {name}.")
}

/// Complaints of an agent about bytes it got: nothing of ours may ever cause one.
pub(crate) fn complaints(log: &str) -> Vec<&str> {
    const SIGNS: [&str; 6] =
        ["decode", "decrypt", "decompress", "checksum", "not supported", "invalid"];
    let complains = |line: &&str| {
        // Our own command lines hang up on agents.
        let line = line.to_lowercase();
        !line.contains("agent.ipc")
            && (line.contains("[warn]") || line.contains("[err"))
            && SIGNS.iter().any(|sign| line.contains(sign))
    };
    log.lines().filter(complains).collect()
}
