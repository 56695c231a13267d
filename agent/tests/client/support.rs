//! Running the program, and comparing what it prints.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use regex::Regex;

/// Longest time that anything in these tests may take.
pub(crate) const TIME_MAX: Duration = Duration::from_secs(60);

/// What a run gave.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: Vec<u8>,
    pub(crate) exit: Option<i32>,
}

/// The program under test, without the caller's settings.
pub(crate) fn serf() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_serf"));
    command.env_remove("SERF_RPC_ADDR").env_remove("SERF_RPC_AUTH").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let output = command.output().expect("the program starts");
    Outcome { stdout: output.stdout, exit: output.status.code() }
}

/// Runs a command, and interrupts it when it has printed as many lines as it should.
pub(crate) fn interrupt_after(command: &mut Command, lines: usize) -> Outcome {
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let (enough, wait) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        for _ in 0..lines {
            let _ = stdout.read_until(b'\n', &mut bytes);
        }
        let _ = enough.send(());
        let _ = stdout.read_to_end(&mut bytes);
        bytes
    });
    let _ = wait.recv_timeout(TIME_MAX);
    let pid = Pid::from_raw(child.id().try_into().expect("a process id"));
    kill(pid, Signal::SIGINT).expect("it runs");
    let exit = child.wait().expect("it ends").code();
    Outcome { stdout: reader.join().expect("it was read"), exit }
}

/// The lines of an output, sorted, without what varies from run to run.
pub(crate) fn normal(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let replaced = [
        (r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d", "{TS}"),
        (r"\d+\.\d\d\d ms", "{MS} ms"),
        (r"\d+\.\d\d sec", "{S2} sec"),
        (r"127\.0\.0\.1:\d{5}", "127.0.0.1:{PORT}"),
    ]
    .into_iter()
    .fold(text.into_owned(), |text, (pattern, placeholder)| {
        Regex::new(pattern).expect("a pattern").replace_all(&text, placeholder).into_owned()
    });
    let mut lines: Vec<String> = replaced.split('\n').map(with_sorted_tags).collect();
    lines.sort();
    lines
}

/// The tags of a member come in random order.
fn with_sorted_tags(line: &str) -> String {
    let words = line.split(' ').map(|word| {
        let mut tags: Vec<&str> = word.split(',').collect();
        if tags.iter().all(|tag| tag.contains('=')) {
            tags.sort_unstable();
        }
        tags.join(",")
    });
    words.collect::<Vec<_>>().join(" ")
}
