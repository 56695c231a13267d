//! The commands with Serf's own agent, next to Serf's own commands.
//!
//! Needs `serf` on the path; without it these tests do nothing, unless `UWASA_REQUIRE_PEER=1`.

use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{Outcome, TIME_MAX, interrupt_after, normal, program, run, serf};

/// Serf's program.
const PEER: &str = "serf";

/// A running agent of Serf; ends with the test.
struct Agent {
    child: Child,
    ip: String,
}

impl Agent {
    /// An agent on an address that no other test run uses; `None` without the program.
    fn start(name: &str, index: u32, flags: &[&str]) -> Option<Self> {
        let [.., high, low] = std::process::id().to_be_bytes();
        let ip = format!("127.{}.{low}.{index}", 100 + high % 100);
        let mut command = program(PEER);
        command
            .args(["agent", &format!("-node={name}"), &format!("-bind={ip}")])
            .arg(format!("-rpc-addr={ip}:7373"))
            .args(flags)
            .stdout(Stdio::null());
        let Ok(child) = command.spawn() else {
            let required = std::env::var("UWASA_REQUIRE_PEER").is_ok_and(|value| value == "1");
            assert!(!required, "{PEER} is not on the path");
            return None;
        };
        let agent = Self { child, ip };
        agent.wait_until(|agent| TcpStream::connect(agent.rpc_addr()).is_ok());
        Some(agent)
    }

    fn rpc_addr(&self) -> String {
        format!("{}:7373", self.ip)
    }

    fn wait_until(&self, done: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < TIME_MAX, "it takes too long");
            sleep(Duration::from_millis(50));
        }
    }

    fn ours(&self, words: &[&str]) -> Outcome {
        run(serf().args(words).env("SERF_RPC_ADDR", self.rpc_addr()))
    }

    fn theirs(&self, words: &[&str]) -> Outcome {
        run(program(PEER).args(words).env("SERF_RPC_ADDR", self.rpc_addr()))
    }

    /// Runs both programs; their outputs have the same lines.
    fn compare(&self, words: &[&str]) {
        let (ours, theirs) = (self.ours(words), self.theirs(words));
        assert_eq!(lines(words, &ours), lines(words, &theirs), "{words:?}");
        assert_eq!(ours.exit, theirs.exit, "{words:?}");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Without figures that change by themselves, and without commas that depend on the order of a JSON list.
fn lines(words: &[&str], outcome: &Outcome) -> Vec<String> {
    const FIGURES: [&str; 6] =
        ["goroutines", "event_time", "query_time", "event_queue", "query_queue", "intent_queue"];
    let mut lines = normal(&outcome.stdout);
    lines.retain(|line| !FIGURES.iter().any(|figure| line.contains(figure)));
    if words.contains(&"-format=json") {
        for line in &mut lines {
            line.truncate(line.trim_end_matches(',').len());
        }
        lines.sort();
    }
    lines
}

/// Two agents that know each other.
fn cluster(index: u32) -> Option<(Agent, Agent)> {
    let handlers =
        ["-event-handler=query:load=echo 0.5", "-event-handler=query:bin=printf '\\377\\n\\n'"];
    let tags = ["-tag=role=web", "-tag=dc=east", "-tag=wide=日本"];
    let one = Agent::start("n1", index, &[&handlers[..], &tags].concat())?;
    let two = Agent::start("n2", index + 1, &["-tag=odd=a|b\nc"])?;
    assert_eq!(one.ours(&["join", &two.ip]).exit, Some(0));
    one.wait_until(|one| one.ours(&["members"]).stdout.windows(2).any(|part| part == b"n2"));
    Some((one, two))
}

#[test]
fn looking_shows_what_serf_s_commands_show() {
    let Some((one, _two)) = cluster(1) else { return };
    for words in [
        &["members"][..],
        &["members", "-detailed"],
        &["members", "-format=json"],
        &["members", "-format=json", "-detailed", "-name=n1"],
        &["members", "-name=n2"],
        &["members", "-name=n1|n2"],
        &["members", "-name="],
        &["members", "-status=alive"],
        &["members", "-status=failed"],
        &["members", "-status=failed", "-format=json"],
        &["members", "-tag=role=w.*", "-tag=dc=east"],
        &["members", "-tag=role=db", "-tag=role=web"],
        &["members", "-tag=role="],
        &["members", "-tag=odd=a.*"],
        &["members", "-role=web"],
        &["members", "-name=("],
        &["members", "-format="],
        &["members", "-format=yaml"],
        &["info"],
        &["info", "-format=json"],
        &["info", "-format=bogus"],
        &["rtt", "n1", "n2"],
        &["rtt", "n2"],
        &["rtt", "nosuch"],
        &["rtt", "n1", "no\"such"],
        &["rtt"],
        &["keys", "-list"],
        &["keys", "-install=AAAA"],
        &["keys", "-use=%%%"],
        &["monitor", "-log-level=bogus"],
    ] {
        one.compare(words);
    }
}

#[test]
fn asking_gives_what_serf_s_commands_give() {
    let Some((one, _two)) = cluster(3) else { return };
    for words in [
        &["query", "-timeout=700ms", "load"][..],
        &["query", "-timeout=700ms", "load", "payload"],
        &["query", "-timeout=700ms", "bin"],
        &["query", "-timeout=700ms", "-format=json", "bin"],
        &["query", "-timeout=700ms", "-format=json", "-node=nosuch", "load"],
        &["query", "-timeout=700ms", "-no-ack", "-tag=role=w", "load"],
        &["query", "-timeout=700ms", "-node=n1", "-node=n2", ""],
        &["query", "-timeout=-1s", "load"],
        &["query", "-relay-factor=0x100", "load"],
        &["query", "-format=xml", "load"],
        &["query", "_serf_x"],
        &["reachability"],
        &["reachability", "-verbose"],
    ] {
        one.compare(words);
    }
}

#[test]
fn acting_says_what_serf_s_commands_say() {
    let Some((one, two)) = cluster(5) else { return };
    let big = "x".repeat(600);
    let big_tag = format!("big={big}");
    for words in [
        &["event", "deploy"][..],
        &["event", "-coalesce=F", "it's", ""],
        &["event", "big", &big],
        &["tags", "-set=a=b=c", "-set=e=", "-delete=dc"],
        &["tags", "-set", &big_tag],
        &["tags", "-set=noequals"],
        &["members", "-name=n1"],
        &["join", &two.ip],
        &["join", "-replay", &two.ip, "127.0.0.1:1"],
        &["join", "127.0.0.1:1"],
        &["join", ""],
        &["force-leave", "nosuch"],
        &["force-leave", "-prune", "nosuch"],
        &["force-leave", ""],
    ] {
        one.compare(words);
    }
    assert_eq!(
        two.ours(&["leave"]),
        Outcome { stdout: b"Graceful leave complete\n".to_vec(), exit: Some(0) }
    );
    let theirs = one.theirs(&["leave"]);
    assert_eq!(theirs, Outcome { stdout: b"Graceful leave complete\n".to_vec(), exit: Some(0) });
}

#[test]
fn a_monitor_shows_log_and_events_until_it_is_interrupted() {
    let Some(one) = Agent::start("n1", 7, &[]) else { return };
    one.wait_until(|one| !one.ours(&["members"]).stdout.is_empty());
    let addr = one.rpc_addr();
    let monitor = std::thread::spawn(move || {
        let mut command = serf();
        command.args(["monitor", "-log-level=err"]).env("SERF_RPC_ADDR", addr);
        interrupt_after(&mut command, 6)
    });
    let start = Instant::now();
    while !monitor.is_finished() {
        assert!(start.elapsed() < TIME_MAX, "the event does not arrive");
        assert_eq!(one.ours(&["event", "-coalesce=false", "deploy", "v1"]).exit, Some(0));
        sleep(Duration::from_millis(200));
    }
    let outcome = monitor.join().expect("it ran");
    assert_eq!(outcome.exit, Some(0));
    let text = String::from_utf8_lossy(&outcome.stdout);
    assert!(
        text.contains("Event Info:\n\tCoalesce: false\n\tEvent: \"user\"\n\tLTime: "),
        "{text}"
    );
    assert!(text.contains("\n\tName: \"deploy\"\n\tPayload: []byte{0x76, 0x31}\n"), "{text}");
}
