//! The commands with Serf's own agent, next to Serf's own commands.
//!
//! Needs `serf` on the path; without it these tests do nothing, unless `UWASA_REQUIRE_PEER=1`.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{TIME_MAX, interrupt_after, normal, serf};
use crate::world::Kind::{Ours, Peer};
use crate::world::{Agent, Said, Wire, World, has_peer};

/// Runs both programs; their outputs have the same lines.
fn compare(agent: &Agent, words: &[&str]) {
    let [ours, theirs] = [Ours, Peer].map(|kind| agent.told_by(kind, words));
    assert_eq!(lines(words, &ours), lines(words, &theirs), "{words:?}");
    assert_eq!(ours.code, theirs.code, "{words:?}");
}

/// Without figures that change by themselves, and without commas that depend on the order of a JSON list.
fn lines(words: &[&str], said: &Said) -> Vec<String> {
    const FIGURES: [&str; 6] =
        ["goroutines", "event_time", "query_time", "event_queue", "query_queue", "intent_queue"];
    let mut lines = normal(said.stdout.as_bytes());
    lines.retain(|line| !FIGURES.iter().any(|figure| line.contains(figure)));
    if words.contains(&"-format=json") {
        for line in &mut lines {
            line.truncate(line.trim_end_matches(',').len());
        }
        lines.sort();
    }
    lines
}

/// Two agents of Serf that know each other.
fn cluster(world: &World) -> (Agent, Agent) {
    let one = world
        .agent(Peer, "n1")
        .handler("query:load=echo 0.5")
        .handler("query:bin=printf '\\377\\n\\n'")
        .tag("role=web")
        .tag("dc=east")
        .tag("wide=日本")
        .start();
    let two = world.agent(Peer, "n2").tag("odd=a|b\nc").start();
    one.told_by(Ours, &["join", &two.ip.to_string()]).well();
    one.sees("n2", "alive");
    (one, two)
}

#[test]
fn looking_shows_what_serf_s_commands_show() {
    if !has_peer("looking_shows_what_serf_s_commands_show") {
        return;
    }
    let world = World::new(Wire::Plain);
    let (one, _two) = cluster(&world);
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
        compare(&one, words);
    }
}

#[test]
fn asking_gives_what_serf_s_commands_give() {
    if !has_peer("asking_gives_what_serf_s_commands_give") {
        return;
    }
    let world = World::new(Wire::Plain);
    let (one, _two) = cluster(&world);
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
        compare(&one, words);
    }
}

#[test]
fn acting_says_what_serf_s_commands_say() {
    if !has_peer("acting_says_what_serf_s_commands_say") {
        return;
    }
    let world = World::new(Wire::Plain);
    let (one, two) = cluster(&world);
    let big = "x".repeat(600);
    let big_tag = format!("big={big}");
    let two_ip = two.ip.to_string();
    for words in [
        &["event", "deploy"][..],
        &["event", "-coalesce=F", "it's", ""],
        &["event", "big", &big],
        &["tags", "-set=a=b=c", "-set=e=", "-delete=dc"],
        &["tags", "-set", &big_tag],
        &["tags", "-set=noequals"],
        &["members", "-name=n1"],
        &["join", &two_ip],
        &["join", "-replay", &two_ip, "127.0.0.1:1"],
        &["join", "127.0.0.1:1"],
        &["join", ""],
        &["force-leave", "nosuch"],
        &["force-leave", "-prune", "nosuch"],
        &["force-leave", ""],
    ] {
        compare(&one, words);
    }
    for (agent, kind) in [(&two, Ours), (&one, Peer)] {
        assert_eq!(agent.told_by(kind, &["leave"]).well(), "Graceful leave complete\n");
    }
}

#[test]
fn a_monitor_shows_log_and_events_until_it_is_interrupted() {
    if !has_peer("a_monitor_shows_log_and_events_until_it_is_interrupted") {
        return;
    }
    let world = World::new(Wire::Plain);
    let one = world.agent(Peer, "n1").start();
    let addr = one.rpc.to_string();
    let monitor = std::thread::spawn(move || {
        let mut command = serf();
        command.args(["monitor", "-log-level=err"]).env("SERF_RPC_ADDR", addr);
        interrupt_after(&mut command, 6)
    });
    let start = Instant::now();
    while !monitor.is_finished() {
        assert!(start.elapsed() < TIME_MAX, "the event does not arrive");
        one.told_by(Ours, &["event", "-coalesce=false", "deploy", "v1"]).well();
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
