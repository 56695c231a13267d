//! Replays the recorded RPC conversations, byte for byte as the clients sent them, against a live agent of the `serf`
//! program (or of the one that `UWASA_TRANSCRIPT_BIN` names) and compares the answers.
#![allow(clippy::unwrap_used, reason = "a test may stop at what must not happen")]

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;

#[path = "rpc_live/answer_tests.rs"]
mod answer_tests;
#[path = "rpc_live/answers.rs"]
mod answers;
#[path = "transcripts/stage.rs"]
#[allow(dead_code, reason = "the transcripts use more of it")]
mod stage;

use answers::{Message, alike, field, messages, take_objects};
use stage::{PATIENCE, Program, is_ours};

#[derive(Deserialize)]
struct Recorded {
    agent_log_lines_seen: Vec<String>,
    conversations: Vec<Conversation>,
}

#[derive(Deserialize)]
struct Conversation {
    name: String,
    client: String,
    agent: String,
    frames: Vec<Frame>,
}

#[derive(Deserialize)]
struct Frame {
    dir: Direction,
    /// Absent where a side closed.
    hex: Option<String>,
}

#[derive(Deserialize, PartialEq, Eq)]
enum Direction {
    #[serde(rename = "C>A")]
    ToAgent,
    #[serde(rename = "A>C")]
    FromAgent,
}

/// Conversations that share an agent, in their order.
struct Group {
    name: &'static str,
    agent: &'static str,
    /// How the clients' names start; empty for any.
    client: &'static str,
    /// Flags of the peer n62, which only the agents called n60 have.
    peer: Option<&'static [&'static str]>,
    /// Commands given before the first conversation.
    prepare: &'static [&'static [&'static str]],
    /// Which of the recorded log lines come from these conversations.
    logs: fn(&str) -> bool,
}

/// A pattern that only the command line sent.
const BAD_PATTERN: &str = "missing closing ): `^($`";

const GROUPS: &[Group] = &[
    Group {
        name: "n60/go",
        agent: "n60",
        client: "go",
        peer: Some(&[]),
        prepare: &[],
        logs: |l| l.contains(BAD_PATTERN),
    },
    Group {
        name: "n60/python",
        agent: "n60",
        client: "python",
        peer: Some(&["-tag", "z=1"]),
        prepare: &[],
        logs: |_| false,
    },
    Group {
        name: "n60/npm",
        agent: "n60",
        client: "npm",
        peer: Some(&["-tag", "z=venv05"]),
        prepare: &[],
        logs: |_| false,
    },
    Group {
        name: "n60/raw",
        agent: "n60",
        client: "raw",
        peer: Some(&["-tag", "z=venv05"]),
        prepare: &[&["tags", "-set", "x=y", "-rpc-addr=127.0.77.60:7373"]],
        logs: |l| !l.contains(BAD_PATTERN),
    },
    Group { name: "n64", agent: "n64", client: "", peer: None, prepare: &[], logs: |_| false },
    Group { name: "n65", agent: "n65", client: "", peer: None, prepare: &[], logs: |_| false },
];

const AT60: &str = "-rpc-addr=127.0.77.60:7373";
const ASK: &[&str] = &["query", "-timeout=800ms", AT60];
const TELL: &[&str] = &["event", "-coalesce=false", AT60];

/// What others do while a stream is open, by conversation.
const MEANWHILE: &[(&str, &[&[&[&str]]])] = &[
    ("monitor", &[&[TELL, &["deploy", "v1"]], &[ASK, &["load", "q"]]]),
    ("py-stream", &[&[&["event", AT60, "x"]], &[TELL, &["deploy", "v1"]], &[ASK, &["load", "q"]]]),
    ("js-respond", &[&[ASK, &["other", "q"]]]),
    ("stream-empty-type", &[&[TELL, &["x", "y"]]]),
    ("stream-member-events", &[&[&["tags", "-set", "q=1", "-rpc-addr=127.0.77.62:7373"]]]),
    ("stream-respond", &[&[ASK, &["ask", "me"]]]),
    ("stream-respond-too-big", &[&[ASK, &["ask"]]]),
];

/// A pause before a frame (counted in the recording) that has to come after a deadline.
///
/// Before `py-stream` the coalesced event of the conversation before has to be over: that takes 3 s at most.
const LATE: &[(&str, usize, u64)] = &[("py-stream", 0, 3200), ("stream-respond", 10, 1200)];

/// Conversations that this project's agent takes another way on purpose, with the reason and what it does not log.
const DIFFERENCES: &[(&str, &str, &str)] = &[(
    "header-command-bin",
    "text may be written as bytes, as newer versions of Serf read it; the tests of `rpc::request` show it",
    "readContainerLen: Unrecognized descriptor byte: hex: c4, dec: 196",
)];

/// The recorder put the tags back after this conversation.
const RESTORE: &[(&str, &[&str])] = &[("tags", &["tags", "-set", "dc=east", "-delete", "a", AT60])];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    let private = stage::private_networks();
    let threads = if private { GROUPS.len() } else { 1 };
    arguments.test_threads = Some(arguments.test_threads.unwrap_or(threads).min(threads));
    let mut trials = answer_tests::trials();
    trials.push(Trial::test("every_conversation_is_replayed", every_conversation_is_replayed));
    trials.extend(
        GROUPS.iter().map(|group| Trial::test(group.name, move || attempt(group, private))),
    );
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A group that real time spoilt, on a busy machine for instance, is played again from the start.
fn attempt(group: &'static Group, private: bool) -> Result<(), Failed> {
    let play = || stage::in_private_network(private, || play(group));
    let again = |why: String| {
        eprintln!("{}, first attempt: {why}", group.name);
        play()
    };
    play().or_else(again).map_err(Failed::from)
}

fn recorded() -> Recorded {
    serde_json::from_str(include_str!("data/rpc.json")).unwrap()
}

impl Group {
    fn has(&self, conversation: &Conversation) -> bool {
        conversation.agent == self.agent && conversation.client.starts_with(self.client)
    }
}

fn every_conversation_is_replayed() -> Result<(), Failed> {
    for conversation in recorded().conversations {
        let count = GROUPS.iter().filter(|g| g.has(&conversation)).count();
        if count != 1 {
            return Err(format!("{} is in {count} groups", conversation.name).into());
        }
    }
    Ok(())
}

fn play(group: &Group) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    std::fs::write(dir.path().join("auth.json"), "{\"rpc_auth\": \"s3cret\"}")
        .map_err(|e| e.to_string())?;
    let run = |argv: &[&str]| {
        let argv: Vec<String> = argv.iter().map(|a| (*a).to_owned()).collect();
        Program::start(dir.path(), &argv, &BTreeMap::new())
    };
    let mut agent = run(&[AGENT, agent_flags(group.agent)].concat());
    let up = |program: &Program, text: &str| {
        let seen = program.wait_stdout(PATIENCE, |out| out.contains(text));
        if seen { Ok(()) } else { Err(format!("{text:?} does not come:\n{}", program.stdout())) }
    };
    up(&agent, "==> Log data will now stream in")?;
    let peer = group.peer.map(|flags| run(&[AGENT, N62, flags].concat()));
    up(&agent, "agent: Received event: member-join")?;
    if let Some(peer) = &peer {
        up(peer, "agent: Received event: member-join")?;
        until(|| succeeds(run(&["rtt", AT60, "n62", "n60"])))?;
    }
    for argv in group.prepare {
        until(|| succeeds(run(argv)))?;
        up(&agent, "agent: Received event: member-update")?;
    }
    let mut errors = Vec::new();
    let recorded = recorded();
    let differs = |c: &Conversation| is_ours() && DIFFERENCES.iter().any(|d| d.0 == c.name);
    for conversation in recorded.conversations.iter().filter(|c| group.has(c) && !differs(c)) {
        if let Err(error) = converse(conversation, &run) {
            errors.push(format!("{}: {error}", conversation.name));
        }
        for (_, argv) in RESTORE.iter().filter(|r| r.0 == conversation.name) {
            until(|| succeeds(run(argv)))?;
        }
    }
    if group.client == "raw" && agent.wait(PATIENCE) != Some(0) {
        errors.push("the agent does not end with status 0 after `leave`".to_owned());
    }
    let log = agent.stdout();
    let logged = recorded.agent_log_lines_seen.iter().filter(|l| (group.logs)(l));
    let logged = logged.filter(|l| !is_ours() || !DIFFERENCES.iter().any(|d| l.ends_with(d.2)));
    errors.extend(logged.filter(|l| !log.contains(*l)).map(|l| format!("not logged: {l}")));
    if errors.is_empty() { Ok(()) } else { Err(errors.join("\n\n")) }
}

const AGENT: &[&str] = &["agent"];
const N62: &[&str] = &[
    "-node=n62",
    "-bind=127.0.77.62",
    "-rpc-addr=127.0.77.62:7373",
    "-join=127.0.77.60",
    "-event-handler=query:load=echo 0.17",
];

fn agent_flags(name: &str) -> &'static [&'static str] {
    match name {
        "n60" => &[
            "-node=n60",
            "-bind=127.0.77.60",
            "-rpc-addr=127.0.77.60:7373",
            "-tag",
            "role=web",
            "-tag",
            "dc=east",
            "-event-handler=query:load=echo 0.42",
        ],
        "n64" => &[
            "-node=n64",
            "-bind=127.0.77.64",
            "-rpc-addr=127.0.77.64:7373",
            "-encrypt=HvY8ubRZMgafUOWvrOadwOckVa1wN3QWAo46FVKbVN8=",
        ],
        _ => &[
            "-node=n65",
            "-bind=127.0.77.65",
            "-rpc-addr=127.0.77.65:7373",
            "-config-file=auth.json",
        ],
    }
}

fn succeeds(program: Program) -> bool {
    program.finish(PATIENCE).is_some_and(|f| f.exit == 0)
}

fn until(done: impl Fn() -> bool) -> Result<(), String> {
    let deadline = Instant::now() + 2 * PATIENCE;
    while !done() {
        if Instant::now() > deadline {
            return Err("the set-up does not succeed".to_owned());
        }
        sleep(Duration::from_millis(200));
    }
    Ok(())
}

fn converse(conversation: &Conversation, run: &impl Fn(&[&str]) -> Program) -> Result<(), String> {
    let octet = conversation.agent.trim_start_matches('n');
    let stream = TcpStream::connect(format!("127.0.77.{octet}:7373")).map_err(|e| e.to_string())?;
    let mut line = Line { stream, bytes: Vec::new(), pending: Vec::new() };
    let mut others = Vec::new();
    for (number, frame) in conversation.frames.iter().enumerate() {
        let fail = |e: String| format!("frame {number}: {e}");
        if let Some((.., ms)) = LATE.iter().find(|l| l.0 == conversation.name && l.1 == number) {
            sleep(Duration::from_millis(*ms));
        }
        match (&frame.dir, &frame.hex) {
            (Direction::ToAgent, Some(hex)) => {
                line.stream.write_all(&bytes(hex)).map_err(|e| fail(e.to_string()))?
            }
            (Direction::ToAgent, None) => line.stream.shutdown(Shutdown::Write).unwrap_or(()),
            (Direction::FromAgent, None) => line.wait_end().map_err(fail)?,
            (Direction::FromAgent, Some(hex)) => {
                let expected = messages(take_objects(&mut bytes(hex)));
                let streaming = expected.iter().any(is_event);
                line.expect(expected, || {
                    let meanwhile =
                        MEANWHILE.iter().filter(|m| streaming && m.0 == conversation.name);
                    others.extend(meanwhile.flat_map(|m| m.1).map(|argv| run(&argv.concat())));
                })
                .map_err(fail)?;
            }
        }
    }
    Ok(())
}

fn is_event(message: &Message) -> bool {
    message.body.as_ref().is_some_and(|b| field(&b.value, "Event").is_some())
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// A connection with what has been read and not yet compared.
struct Line {
    stream: TcpStream,
    bytes: Vec<u8>,
    pending: Vec<answers::Object>,
}

impl Line {
    /// Reads once; `false` at the end of the stream.
    fn read(&mut self, patience: Duration) -> Result<bool, String> {
        let mut chunk = [0; 16384];
        self.stream.set_read_timeout(Some(patience)).map_err(|e| e.to_string())?;
        match self.stream.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(read) => {
                self.bytes.extend_from_slice(&chunk[..read]);
                self.pending.append(&mut take_objects(&mut self.bytes));
                Ok(true)
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Err("no answer".to_owned())
            }
            Err(e) if e.kind() == ErrorKind::ConnectionReset => Ok(false),
            Err(e) => Err(e.to_string()),
        }
    }

    /// Reads until the end; records that were on their way may still come.
    fn wait_end(&mut self) -> Result<(), String> {
        while self.read(PATIENCE).map_err(|e| format!("the agent does not close: {e}"))? {}
        let unexpected =
            messages(std::mem::take(&mut self.pending)).into_iter().find(|m| m.body.is_none());
        unexpected.map_or(Ok(()), |m| Err(format!("not expected: {}", m.header.value)))
    }

    /// Reads messages until all expected ones have come: the response first, records after it in any order, `done` last.
    fn expect(
        &mut self,
        mut expected: Vec<Message>,
        after_response: impl FnOnce(),
    ) -> Result<(), String> {
        let mut after_response = Some(after_response);
        let mut logs = expected.iter().any(Message::is_log);
        expected.retain(|m| !m.is_log());
        while !expected.is_empty() || logs {
            for seen in self.complete() {
                if seen.is_log() {
                    logs = false;
                    continue;
                }
                if seen.is_spurious() {
                    continue;
                }
                let only_first = after_response.is_some();
                // A stream that was open before may tell at any time.
                let may_come =
                    |at: usize, e: &Message| at == 0 || !only_first || !same_seq(&expected[0], e);
                let at = (0..expected.len())
                    .find(|&at| may_come(at, &expected[at]) && alike(&expected[at], &seen));
                let Some(at) = at else {
                    return Err(format!(
                        "not expected: {}\nopen: {}",
                        show(&seen),
                        expected.iter().map(show).collect::<String>()
                    ));
                };
                let matched = expected.remove(at);
                if matched.is_done() && expected.iter().any(|e| e.body.is_some()) {
                    return Err(format!(
                        "done before {}",
                        expected.iter().map(show).collect::<String>()
                    ));
                }
                if at == 0
                    && let Some(act) = after_response.take()
                {
                    act();
                }
            }
            if (!expected.is_empty() || logs) && !self.read(PATIENCE)? {
                return Err(format!(
                    "closed before {}",
                    expected.iter().map(show).collect::<String>()
                ));
            }
        }
        Ok(())
    }

    /// The messages that are complete: a header whose body may still be on its way is not.
    fn complete(&mut self) -> Vec<Message> {
        if !self.pending.is_empty() {
            // Header and body leave in one write; a gap of this length means that there is no body.
            while matches!(self.read(Duration::from_millis(30)), Ok(true)) {}
        }
        messages(std::mem::take(&mut self.pending))
    }
}

fn same_seq(a: &Message, b: &Message) -> bool {
    field(&a.header.value, "Seq") == field(&b.header.value, "Seq")
}

fn show(message: &Message) -> String {
    let body = message.body.as_ref().map(|b| b.value.to_string()).unwrap_or_default();
    format!("\n  {} {body}", message.header.value)
}
