//! The frame of the command line, compared with recordings of Serf: dispatch, usage, help, flag errors, `version`,
//! `keygen`; and what the program shows under its own name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Output};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

#[path = "transcripts/data.rs"]
mod data;

/// Stands in recordings for a key of 44 base64 characters.
const KEY: &str = "{KEY44}";

fn run<S: AsRef<OsStr>>(program: &str, words: &[S]) -> Output {
    Command::new(program)
        .args(words)
        .env_remove("SERF_RPC_ADDR")
        .env_remove("SERF_RPC_AUTH")
        .output()
        .expect("the program starts")
}

fn serf<S: AsRef<OsStr>>(words: &[S]) -> Output {
    run(env!("CARGO_BIN_EXE_serf"), words)
}

fn own<S: AsRef<OsStr>>(words: &[S]) -> Output {
    run(env!("CARGO_BIN_EXE_agent"), words)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// The bytes with a key replaced by its placeholder, where a key is due.
fn with_placeholder(stdout: &[u8], due: bool) -> String {
    let stdout = text(stdout);
    match stdout.strip_suffix('\n') {
        Some(key) if due && STANDARD.decode(key).is_ok_and(|key| key.len() == 32) => {
            format!("{KEY}\n")
        }
        _ => stdout.to_owned(),
    }
}

/// Runs all steps of a recorded case and tells all that differ at once.
fn replay(case: &str, steps: usize) {
    let recorded = data::steps(case);
    assert_eq!(recorded.len(), steps);
    let mut differences = Vec::new();
    for step in &recorded {
        let got = serf(&step.argv);
        let stdout = with_placeholder(&got.stdout, step.stdout.contains(KEY));
        let got = (stdout.as_str(), text(&got.stderr), got.status.code());
        let want = (step.stdout.as_str(), step.stderr.as_str(), Some(step.exit));
        if got != want {
            differences
                .push(format!("serf {}\n got: {got:?}\nwant: {want:?}", step.argv.join(" ")));
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {steps} steps differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

#[test]
fn top_level() {
    replay("top-level", 17);
}

#[test]
fn help_forms() {
    replay("help-forms", 7);
}

#[test]
fn help_texts() {
    replay("help-texts", 15);
}

#[test]
fn flag_errors() {
    replay("flag-errors", 12);
}

#[test]
fn keygen() {
    replay("keygen", 2);
    assert_ne!(serf(&["keygen"]).stdout, serf(&["keygen"]).stdout);
}

/// The agent's flag errors are not among the recorded ones; they mark the help as the agent marks all it prints.
#[test]
fn flag_errors_of_the_agent() {
    let got = serf(&["agent", "-bogus"]);
    let help = serf(&["agent", "-h"]);
    assert_eq!(text(&got.stderr), "flag provided but not defined: -bogus\n");
    assert_eq!(text(&got.stdout), format!("==> {}", text(&help.stderr)));
    assert_eq!(got.status.code(), Some(1));
}

/// Go has no line for a call for help that only the flags understand.
#[test]
fn help_with_a_value_is_a_silent_flag_error() {
    let got = serf(&["members", "-h=1"]);
    assert_eq!(text(&got.stderr), "");
    assert_eq!(got.stdout, serf(&["members", "-h"]).stderr);
    assert_eq!(got.status.code(), Some(1));
}

#[test]
fn the_own_name_shows_what_serf_does_not_have() {
    let usage = own(&["-h"]);
    let usage = text(&usage.stderr);
    assert!(usage.starts_with("Usage: agent [--version] [--help] <command> [<args>]\n"), "{usage}");
    let commands: Vec<&str> = usage
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(commands.is_sorted());
    assert_eq!(commands.len(), 17);
    assert!(commands.contains(&"run") && commands.contains(&"swarm"), "{usage}");

    let help = own(&["run", "-h"]);
    let help = text(&help.stderr);
    assert!(help.starts_with("Usage: agent run [options]\n"), "{help}");
    assert!(help.contains("\nAdditional options:\n\n  -"), "{help}");

    let version = own(&["version"]);
    assert_eq!(
        text(&version.stdout),
        concat!(env!("CARGO_PKG_VERSION"), "\nAgent Protocol: 5 (Understands back to: 2)\n")
    );
}

#[test]
fn own_commands_work_under_serf_s_name_too() {
    assert_eq!(serf(&["run", "-h"]).stderr, serf(&["agent", "-h"]).stderr);
    let swarm = serf(&["swarm", "-h"]);
    assert!(text(&swarm.stderr).starts_with("Usage: serf swarm "));
    assert_eq!(swarm.status.code(), Some(0));
}

#[test]
fn words_that_are_no_utf_8_are_ordinary_words() {
    let bad = OsStr::from_bytes(b"a\xffb");
    assert_eq!(serf(&[bad]).status.code(), Some(127));
    assert_eq!(serf(&[OsStr::new("version"), bad]).status.code(), Some(0));
}
