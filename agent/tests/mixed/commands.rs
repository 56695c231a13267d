//! Every command of each program against the agent of the other: the answers are those that Serf gives about Serf.
//!
//! The bytes of single commands are compared elsewhere; here the two programs meet, so that what is random (order,
//! times, counters) is put in order or replaced first.

use serde_json::Value;

use crate::world::{Agent, Kind, Said, Wire, World, at_once, has_peer};

use Kind::{Ours, Peer};

/// Whose command line against whose agent; what the last one says is what all must say.
const PAIRS: [(Kind, Kind); 4] = [(Ours, Peer), (Peer, Ours), (Ours, Ours), (Peer, Peer)];

/// How output is made comparable.
type Norm = fn(&str) -> String;

const COMMANDS: [(&[&str], Norm); 44] = [
    (&["members"], lines),
    (&["members", "-detailed"], lines),
    (&["members", "-status=alive"], lines),
    (&["members", "-status", "failed|left"], lines),
    (&["members", "-name=n[12]"], lines),
    (&["members", "-role=web"], lines),
    (&["members", "-tag", "role=w.*", "-tag", "dc=east"], lines),
    (&["members", "-tag", "role="], lines),
    (&["members", "-name=nobody"], lines),
    (&["members", "-name=("], lines),
    (&["members", "-format=json"], json),
    (&["members", "-format=json", "-status=left"], json),
    (&["members", "-format=json", "-name=nobody"], json),
    (&["members", "-format=yaml"], lines),
    (&["members", "-rpc-auth=wrong"], lines),
    (&["info"], info),
    (&["info", "-format=json"], info_json),
    (&["event", "-coalesce=false", "deploy", "abc"], lines),
    (&["event", "deploy"], lines),
    (&["event", "deploy", ""], lines),
    (&["query", "-timeout=1s", "load", "x"], lines),
    (&["query", "-timeout=1s", "-no-ack", "load"], lines),
    (&["query", "-timeout=1s", "-node=n1", "load"], lines),
    (&["query", "-timeout=1s", "-tag=role=db", "load"], lines),
    (&["query", "-timeout=1s", "-relay-factor=3", "load"], lines),
    (&["query", "-timeout=1s", "-format=json", "load"], json),
    (&["query", "-timeout=1s", "-relay-factor=256", "load"], lines),
    (&["query", "_serf_other", "load"], lines),
    (&["query", "-format=xml", "load"], lines),
    (&["keys", "-list"], lines),
    (&["keys", "-install", "c2l4dGVlbiBieXRlIGtleQ=="], lines),
    (&["keys", "-use", "c2l4dGVlbiBieXRlIGtleQ=="], lines),
    (&["keys", "-remove", "c2l4dGVlbiBieXRlIGtleQ=="], lines),
    (&["keys", "-remove", "dGhpcnR5LXR3byBieXRlcyBtYWtlIGFuIEFFUyBrZXk="], lines),
    (&["keys", "-install", "short"], lines),
    (&["keys", "-install", "c2hvcnQ="], lines),
    (&["reachability"], lines),
    (&["rtt", "n2"], times),
    (&["rtt", "n2", "n1"], times),
    (&["rtt", "n2", "nobody"], times),
    (&["tags", "-set", "role=cache", "-delete", "dc", "-set", "a=b c"], lines),
    (&["tags", "-set", "novalue"], lines),
    (&["members", "-name=n1"], lines),
    (&["force-leave", "n3"], lines),
];

/// Lines in order; in each line the columns, and the tags of the last one in order.
fn lines(text: &str) -> String {
    let line = |line: &str| {
        let mut columns: Vec<_> = line.split("  ").map(str::to_owned).collect();
        for column in &mut columns {
            // A column that is followed by a shorter one starts with blanks here.
            let text = column.trim_start();
            if text.contains('=') {
                let mut tags: Vec<_> = text.split(',').collect();
                tags.sort_unstable();
                *column = " ".repeat(column.len() - text.len()) + &tags.join(",");
            }
        }
        // Blanks at the end depend on which line is the last one.
        columns.join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<_> = text.lines().map(line).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Numbers that measure something.
fn times(text: &str) -> String {
    let word =
        |word: &str| if word.parse::<f64>().is_ok() { "{F}".to_owned() } else { word.into() };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// JSON with its lists in order; objects have their keys in order anyway.
fn json(text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    for list in value.as_object_mut().into_iter().flat_map(|map| map.values_mut()) {
        if let Some(list) = list.as_array_mut() {
            list.sort_by_key(Value::to_string);
        }
    }
    format!("{value:#}")
}

/// Whether a figure must agree; the others are counters and facts of the process.
fn is_comparable(section: &str, key: &str) -> bool {
    match section {
        "runtime" => matches!(key, "os" | "arch" | "cpu_count"),
        "serf" => matches!(key, "encrypted" | "failed" | "left" | "members" | "coordinate_resets"),
        _ => true,
    }
}

fn info(text: &str) -> String {
    let mut section = String::new();
    let line = |line: &str| match line.strip_prefix('\t').and_then(|line| line.split_once(" = ")) {
        Some((key, _)) if !is_comparable(&section, key) => format!("\t{key} = {{N}}"),
        Some(_) => line.to_owned(),
        None => {
            section = line.trim_end_matches(':').to_owned();
            line.to_owned()
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn info_json(text: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
    for (section, figures) in value.as_object_mut().into_iter().flatten() {
        for (key, figure) in figures.as_object_mut().into_iter().flatten() {
            if !is_comparable(section, key) {
                *figure = "{N}".into();
            }
        }
    }
    format!("{value:#}")
}

/// The world that is asked: n1 is the agent in question, n2 and n4 are Serf's, n3 has failed, n5 has left.
fn world_of(world: &World, kind: Kind) -> (Agent, [Agent; 4]) {
    let answer = "query:load=echo $SERF_SELF_NAME: $(cat)";
    let n1 = world.agent(kind, "n1").tag("role=web").tag("dc=east").handler(answer);
    let n1 = n1.handler("user:deploy=true").handler("member-join,member-leave=true").start();
    let n2 = world.agent(Peer, "n2").tag("role=db").handler(answer).joining(&n1).start();
    let mut n3 = world.agent(Peer, "n3").tag("role=web").joining(&n1).start();
    let n4 = world.agent(Peer, "n4").joining(&n1).start();
    let mut n5 = world.agent(Peer, "n5").tag("role=web,<&>").joining(&n1).start();
    let all = [&n1, &n2, &n4];
    for name in ["n1", "n2", "n3", "n4", "n5"] {
        world.all_see(&all, name, "alive");
    }
    n3.halt();
    assert_eq!(n5.interrupt(), Some(0));
    world.all_see(&all, "n3", "failed");
    world.all_see(&all, "n5", "left");
    (n1, [n2, n3, n4, n5])
}

/// Whether a member's answer to a key query was lost: it came in a datagram, or not in time.
fn lacks_an_answer(said: &Said) -> bool {
    ["1/3 nodes", "2/3 nodes"].iter().any(|it| said.stdout.contains(it) || said.stderr.contains(it))
}

/// One command, comparable: without the numbers of this world's network. Key commands can be given again, and are if an
/// answer was lost.
fn ask(world: &World, agent: &Agent, by: Kind, words: &[&str], norm: Norm) -> String {
    let mut said = agent.told_by(by, words);
    for _ in 0..2 {
        if lacks_an_answer(&said) {
            said = agent.told_by(by, words);
        }
    }
    let network = agent.ip.to_string();
    let network = network.rsplit_once('.').expect("an IPv4 address").0;
    let folder = world.folder().to_str().expect("a text");
    let Said { stdout, stderr, code } = said;
    let stdout = norm(&stdout.replace(network, "127.NET").replace(folder, "{DIR}"));
    let words = words.join(" ").replace(network, "127.NET");
    format!("$ serf {words}\n{stdout}\n{stderr}exit {code:?}")
}

#[test]
fn every_command_works_with_the_others_agent() {
    if !has_peer("every_command_works_with_the_others_agent") {
        return;
    }
    let results = std::sync::Mutex::new(Vec::new());
    at_once(&PAIRS, |&(by, kind)| {
        let world = World::new(Wire::Encrypted);
        let (n1, others) = world_of(&world, kind);
        let mut answers: Vec<_> =
            COMMANDS.iter().map(|(words, norm)| ask(&world, &n1, by, words, *norm)).collect();
        let n2 = others[0].ip.to_string();
        let empty = world.empty_ip().to_string();
        for words in [&["join", &n2][..], &["join", "-replay", &n2, &empty], &["join", &empty]] {
            answers.push(ask(&world, &n1, by, words, str::to_owned));
        }
        for words in [&["force-leave", "-prune", "n3"][..], &["members", "-name=n3"], &["leave"]] {
            answers.push(ask(&world, &n1, by, words, str::to_owned));
        }
        others[0].sees("n1", "left");
        results.lock().expect("no panic").push(((by, kind), answers));
    });
    let results = results.into_inner().expect("no panic");
    let of = |pair| &results.iter().find(|(it, _)| *it == pair).expect("a result").1;
    let wants = of((Peer, Peer));
    let mut differences = String::new();
    for pair in &PAIRS[..3] {
        for (got, want) in of(*pair).iter().zip(wants) {
            if got != want {
                differences += &format!("{pair:?}\n{got}\n--- instead of\n{want}\n===\n");
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}
