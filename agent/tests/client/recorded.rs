//! Recordings of Serf, played again.

use serde::Deserialize;

use crate::data::{Step, recorded};
use crate::fake::{self, Frame};
use crate::support::{Outcome, interrupt_after, normal, run, serf};

/// Conversations with Serf's agent.
const RPC: &str = include_str!("../data/rpc.json");
/// Conversations of Serf's client with agents that answer in unusual ways.
const ODD: &str = include_str!("../data/odd_agent.json");

/// An agent that nobody runs.
const NOBODY: &str = "127.0.77.250:1";

#[derive(Deserialize)]
struct Conversations {
    conversations: Vec<Conversation>,
}

#[derive(Deserialize)]
struct Conversation {
    name: String,
    #[serde(default)]
    client: String,
    #[serde(default)]
    argv: Vec<String>,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    stdout_hex: String,
    #[serde(default)]
    exit: i32,
    #[serde(default)]
    sigint: bool,
    frames: Vec<Frame>,
}

fn steps(case: impl Fn(&str) -> bool) -> Vec<Step> {
    let cases = recorded().cases.into_iter().filter(|recorded| case(&recorded.case));
    cases.flat_map(|recorded| recorded.steps).collect()
}

/// Plays the agent's side; compares what the client sends byte for byte and what it prints line by line.
fn replay(conversation: Conversation) -> Result<(), String> {
    let Conversation { name, argv, mut stdout, stdout_hex, exit, sigint, mut frames, .. } =
        conversation;
    let requests = frames.iter().filter(|frame| frame.is_request());
    let sent: Vec<u8> = requests.flat_map(Frame::bytes).collect();
    let token = ["s3cret", "nope"].into_iter().find(|token| {
        name.starts_with("auth-") && sent.windows(token.len()).any(|part| part == token.as_bytes())
    });
    let sigint = sigint || name == "monitor";
    if argv.iter().any(|word| word == "json") {
        stdout = stdout.replace(",\n", "\n");
    }
    let expected = if stdout_hex.is_empty() {
        stdout.into_bytes()
    } else {
        Frame { dir: String::new(), hex: stdout_hex, event: None }.bytes()
    };
    if sigint {
        frames.push(Frame::until_the_client_ends());
    }
    // Some commands end before they connect.
    let agent = (!sent.is_empty()).then(|| fake::player(frames));
    let addr = agent.as_ref().map_or(NOBODY.to_owned(), |(addr, _)| addr.to_string());
    let mut command = serf();
    command.args(&argv[1..]).env("SERF_RPC_ADDR", addr);
    if let Some(token) = token {
        command.env("SERF_RPC_AUTH", token);
    }
    let Outcome { stdout, exit: status } = if sigint {
        let lines = expected.iter().filter(|&&byte| byte == b'\n').count();
        let last = usize::from(argv[1] == "reachability");
        interrupt_after(&mut command, lines - last)
    } else {
        run(&mut command)
    };
    let received =
        agent.map_or(Vec::new(), |(_, thread)| thread.join().expect("the fake agent ends"));
    if received != sent {
        return Err(format!("{name}: sent\n{received:02x?}, not\n{sent:02x?}"));
    }
    if status != Some(exit) || normal(&stdout) != normal(&expected) {
        let (stdout, expected) =
            (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&expected));
        return Err(format!("{name}: {status:?}\n{stdout}\n-- not {exit}\n{expected}"));
    }
    Ok(())
}

fn replay_all(recordings: &str, wanted: impl Fn(&Conversation) -> bool, least: usize) {
    let recordings: Conversations = serde_json::from_str(recordings).expect("recordings");
    let wanted: Vec<_> = recordings.conversations.into_iter().filter(wanted).collect();
    assert!(wanted.len() >= least, "only {} conversations", wanted.len());
    let failures: Vec<String> = wanted.into_iter().filter_map(|talk| replay(talk).err()).collect();
    assert!(failures.is_empty(), "{}\n{} failures", failures.join("\n\n"), failures.len());
}

#[test]
fn conversations_are_those_of_serf_s_client() {
    replay_all(RPC, |talk| talk.client == "go serf CLI 0.9.4", 35);
}

#[test]
fn unusual_answers_are_understood_as_by_serf_s_client() {
    // Only output tells that a client has got so far that it can be interrupted.
    let can_be_timed = |talk: &Conversation| !talk.sigint || !talk.stdout.trim().is_empty();
    replay_all(ODD, can_be_timed, 100);
}

#[test]
fn without_an_agent_the_errors_are_serf_s() {
    let steps = steps(|case| case == "no-agent");
    assert_eq!(steps.len(), 17);
    for Step { argv, env, stdout, exit, .. } in steps {
        let outcome = run(serf().args(&argv).envs(&env));
        assert_eq!(outcome, Outcome { stdout: stdout.into_bytes(), exit: Some(exit) }, "{argv:?}");
    }
}

#[test]
fn misuse_is_told_without_an_agent() {
    let mut steps = steps(|case| !matches!(case, "flag-errors" | "help-forms" | "rtt"));
    steps.retain(|step| {
        let is_told = |text: &str| step.stdout.contains(text);
        step.exit == 1
            && (is_told("\nUsage: serf ")
                || step.stdout.starts_with("Usage: serf ")
                || is_told("Only one of ")
                || is_told("Relay factor")
                || (is_told("Invalid tag") && step.argv[0] != "tags"))
            && step.argv[0] != "agent"
    });
    assert!(steps.len() >= 12, "only {} steps", steps.len());
    for Step { argv, stdout, exit, .. } in steps {
        let outcome = run(serf().args(&argv).env("SERF_RPC_ADDR", NOBODY));
        assert_eq!(outcome, Outcome { stdout: stdout.into_bytes(), exit: Some(exit) }, "{argv:?}");
    }
}

#[test]
fn a_token_is_shown_and_its_lack_is_told() {
    let members = b"\x81\xa7Members\x91\x84\xa4Addr\xc4\x04\x7f\x00\x4d\x0e\xa4Name\xa3n14\xa4Port\xcd\x1f\x0a\
        \xa6Status\xa5alive";
    let steps = steps(|case| case == "rpc-auth");
    assert_eq!(steps.len(), 17);
    for Step { argv, mut env, stdout, exit, .. } in steps {
        let (addr, agent) = fake::guarded("s3cret", members.to_vec());
        env.insert("SERF_RPC_ADDR".to_owned(), addr.to_string());
        let outcome = run(serf().args(&argv).envs(&env));
        assert_eq!(outcome, Outcome { stdout: stdout.into_bytes(), exit: Some(exit) }, "{argv:?}");
        agent.join().expect("the fake agent ends");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    use std::process::Stdio;

    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = serf();
    command.args(["event", "x"]).env("SERF_RPC_ADDR", NOBODY).stdout(writer).stderr(Stdio::piped());
    let output = command.output().expect("it runs");
    assert!(output.stderr.is_empty(), "{:?}", String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success());
}

#[test]
fn an_address_may_be_that_of_a_unix_socket() {
    let outcome = run(serf().args(["members", "-rpc-addr=unix:/nosuch/socket"]));
    let error = "Error connecting to Serf agent: dial unix /nosuch/socket: connect: no such file or directory\n";
    assert_eq!(outcome, Outcome { stdout: error.into(), exit: Some(1) });
}
