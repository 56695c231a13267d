//! Discovery against the real agent, in a network namespace of its own.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs::File;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use uwasa_agent::agent::Joined;
use uwasa_agent::mdns::{Discovery, Options};

mod world;

/// A network with one device on which multicast works: the loopback device does not pass on that of IPv6.
const SETUP: &str = "ip link set lo up \
    && ip link add near type veth peer name far \
    && ip addr add 10.0.0.1/24 dev near \
    && ip link set near up && ip link set far up \
    && echo 1 > /proc/sys/net/ipv6/conf/far/disable_ipv6 \
    && ip addr add fe80::1/64 dev near nodad \
    && ip route add 224.0.0.0/4 dev near";

/// Set in the namespace.
const INSIDE: &str = "UWASA_DISCOVER_INSIDE";

const PATIENCE: Duration = Duration::from_secs(20);

/// Ends the process that it holds.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn isolated(script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--map-root-user", "sh", "-c", script]);
    command
}

/// Why the test cannot run here.
fn missing() -> Option<&'static str> {
    let works = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
    };
    if !works(Command::new("serf").arg("version")) {
        return Some("no serf");
    }
    (!works(&mut isolated(SETUP))).then_some("no right to make a network namespace")
}

#[test]
fn finds_and_is_found_by_serf() {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(inside());
    }
    if let Some(reason) = missing() {
        assert!(world::may_be_missing(), "UWASA_REQUIRE_PEER=1, but there is {reason}");
        return world::skip("finds_and_is_found_by_serf", reason);
    }
    let script = format!("{SETUP} && exec \"$0\" --exact finds_and_is_found_by_serf --nocapture");
    let status =
        isolated(&script).arg(std::env::current_exe().unwrap()).env(INSIDE, "1").status().unwrap();
    assert!(status.success());
}

/// Discovery that tells what it would join.
fn discover(
    node: &str,
    addr: &str,
    disable: (bool, bool),
) -> (Discovery, mpsc::UnboundedReceiver<Vec<String>>) {
    let options = Options {
        cluster: "demo".to_owned(),
        addr: addr.parse::<SocketAddr>().unwrap(),
        interface: None,
        disable_ipv4: disable.0,
        disable_ipv6: disable.1,
        replay: false,
    };
    let (tell, joins) = mpsc::unbounded_channel();
    let discovery = Discovery::start_with(node, options, move |addresses: Vec<String>| {
        tell.send(addresses).unwrap();
        async { Joined { contacted: 1, error: None } }
    });
    (discovery.unwrap(), joins)
}

async fn next(joins: &mut mpsc::UnboundedReceiver<Vec<String>>) -> Vec<String> {
    let mut join = tokio::time::timeout(PATIENCE, joins.recv()).await.unwrap().unwrap();
    join.sort();
    join
}

async fn inside() {
    let (_first, mut joins) = discover("first one", "127.0.0.2:7950", (false, false));
    assert_eq!(next(&mut joins).await, ["127.0.0.2:7950"], "finds itself");

    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let serf = Command::new("serf")
        .args(["agent", "-node=real", "-bind=127.0.0.1:7946", "-rpc-addr=127.0.0.1:7373"])
        .arg("-discover=demo")
        .stdout(File::create(&log).unwrap())
        .spawn();
    let _serf = Killed(serf.unwrap());
    let started = Instant::now();
    let line = loop {
        let text = std::fs::read_to_string(&log).unwrap();
        if let Some(line) = text.lines().find(|line| line.contains("joining: [")) {
            break line.to_owned();
        }
        assert!(started.elapsed() < PATIENCE, "not found: {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(line.contains("127.0.0.2:7950"), "{line}");

    for (number, disable) in [(3, (true, false)), (4, (false, true))] {
        let own = format!("127.0.0.{number}:7950");
        let (_own, mut joins) = discover("other.one", &own, disable);
        assert_eq!(next(&mut joins).await, ["127.0.0.1:7946", "127.0.0.2:7950", &own]);
    }
}
