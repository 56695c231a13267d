//! Starts of the agent that were recorded with Serf: what it says, and how it ends, byte for byte.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

#[path = "transcripts/data.rs"]
mod data;

use data::Step;

/// The network of the recordings; each test has one of its own.
const RECORDED_NET: &str = "127.0.77.";
const PATIENCE: Duration = Duration::from_secs(20);

/// A directory with the recorded files, and a network.
struct World {
    dir: TempDir,
    net: String,
}

impl World {
    /// `test` must differ between the tests of this file: they run at the same time.
    fn new(test: u8) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let files: BTreeMap<String, String> =
            serde_json::from_str(include_str!("data/startup_files.json")).unwrap();
        for (name, content) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        let process = std::process::id();
        let net =
            format!("127.{}.{}.", 100 + process / 16 % 100, process % 16 * 16 + u32::from(test));
        Self { dir, net }
    }

    fn fit(&self, text: &str) -> String {
        text.replace(RECORDED_NET, &self.net).replace("{DIR}", self.dir.path().to_str().unwrap())
    }

    /// The recorded steps of a case, in this world.
    fn steps(&self, case: &str) -> Vec<Step> {
        let mut steps = data::steps(case);
        for step in &mut steps {
            for text in step.argv.iter_mut().chain([&mut step.stdout, &mut step.stderr]) {
                *text = self.fit(text);
            }
        }
        steps
    }
}

/// A running agent whose standard output is read line by line.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    seen: String,
}

impl Running {
    fn start(words: &[String]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_serf"))
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            while stdout.read_line(&mut line).unwrap() > 0 {
                if sender.send(std::mem::take(&mut line)).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: String::new() }
    }

    /// Reads on until a line holds `text`.
    fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    self.seen.push_str(&without_time(&line));
                    if line.contains(text) {
                        return;
                    }
                }
                Err(error) => panic!("no {text:?} ({error}) in:\n{}", self.seen),
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Reads to the end: standard output, standard error and the status.
    fn end(mut self) -> (String, String, i32) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push_str(&without_time(&line)),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("no end of:\n{}", self.seen),
            }
        }
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let status = self.child.wait().unwrap();
        let killed = std::os::unix::process::ExitStatusExt::signal(&status).map(|n| -n);
        let exit = status.code().or(killed).unwrap();
        (std::mem::take(&mut self.seen), stderr, exit)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The placeholder of the recordings in place of a log line's time.
fn without_time(line: &str) -> String {
    let is_time = |text: &str| {
        let shape = text.bytes().map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
        shape.eq(*b"0000/00/00 00:00:00")
    };
    match (line.get(..4), line.get(4..23), line.get(23..)) {
        (Some("    "), Some(time), Some(rest)) if is_time(time) => format!("    {{TS}}{rest}"),
        _ => line.to_owned(),
    }
}

/// Lines whose place depends on how tasks take turns are left out.
fn settled(stdout: &str) -> String {
    stdout.split_inclusive('\n').filter(|line| !line.contains("Received event")).collect()
}

fn check(step: &Step, ended: (String, String, i32)) {
    let (stdout, stderr, exit) = ended;
    assert_eq!(settled(&stdout), settled(&step.stdout), "{:?}", step.argv);
    assert_eq!(stderr, step.stderr, "{:?}", step.argv);
    assert_eq!(exit, step.exit, "{:?}", step.argv);
}

#[test]
fn configuration_errors() {
    let world = World::new(1);
    let steps = world.steps("agent-config-errors");
    assert_eq!(steps.len(), 33);
    // Keys that only newer versions of Serf know, and accept.
    let newer = |step: &Step| {
        step.argv
            .last()
            .is_some_and(|word| word.ends_with("e16.json") || word.ends_with("e17.json"))
    };
    for step in steps.iter().filter(|step| !newer(step)) {
        check(step, Running::start(&step.argv).end());
    }
}

#[test]
fn startup_errors() {
    let world = World::new(2);
    let steps = world.steps("agent-startup-errors");
    assert_eq!(steps.len(), 25);
    for step in &steps {
        check(step, Running::start(&step.argv).end());
    }
}

#[test]
fn busy_ports() {
    let world = World::new(3);
    let steps = world.steps("agent-busy-ports");
    let host = format!("{}30", world.net);
    let listen = |port: u16| TcpListener::bind((host.as_str(), port)).unwrap();
    let gossip = listen(7_946);
    check(&steps[0], Running::start(&steps[0].argv).end());
    drop(gossip);
    let rpc = listen(7_373);
    check(&steps[1], Running::start(&steps[1].argv).end());
    drop(rpc);
    check(&steps[2], Running::start(&steps[2].argv).end());
}

#[test]
fn a_port_that_is_busy_for_udp_alone_is_told() {
    let world = World::new(4);
    let host = format!("{}30", world.net);
    let _gossip = UdpSocket::bind((host.as_str(), 7_946)).unwrap();
    let words = ["agent", "-node=n", "-bind", &host].map(str::to_owned);
    let (stdout, _, exit) = Running::start(&words).end();
    let text = format!(
        "Failed to start UDP listener on \"{host}\" port 7946: listen udp {host}:7946: bind: address already in use"
    );
    assert!(stdout.contains(&text), "{stdout}");
    assert_eq!(exit, 1);
}

/// The banner, up to the first log lines. Recordings on `127.0.0.1` and `::1` are left out: others use these ports.
#[test]
fn banners() {
    let world = World::new(5);
    let steps = world.steps("agent-banner");
    for (index, step) in
        steps.iter().enumerate().filter(|(index, _)| !matches!(index, 8 | 9 | 11 | 12))
    {
        let mut running = Running::start(&step.argv);
        if step.exit == -9 {
            let last = step.stdout.trim_end().lines().last().unwrap();
            running.wait_for(last.rsplit("] ").next().unwrap());
            let seen = running.seen.clone();
            assert_eq!(settled(seen.trim_end()), settled(step.stdout.trim_end()), "{index}");
        } else {
            check(step, running.end());
        }
    }
}

#[test]
fn signals() {
    use Signal::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
    let world = World::new(6);
    let steps = world.steps("agent-signals");
    let sent: [&[Signal]; 8] = [
        &[SIGINT],
        &[SIGTERM],
        &[SIGTERM],
        &[SIGINT],
        &[SIGINT, SIGINT],
        &[SIGINT, SIGTERM],
        &[SIGINT, SIGHUP],
        &[SIGUSR1, SIGINT],
    ];
    for (step, signals) in steps.iter().zip(sent) {
        let mut running = Running::start(&step.argv);
        running.wait_for("Received event: member-join");
        for (index, &signal) in signals.iter().enumerate() {
            if index > 0 && signals[0] != SIGUSR1 {
                running.wait_for("serf: EventMemberLeave");
            }
            running.signal(signal);
        }
        let mut ended = running.end();
        if signals[0] == SIGUSR1 {
            // Whether an interval is complete depends on the time of day.
            ended.1.clear();
        }
        check(step, ended);
    }
}

#[test]
fn a_quit_signal_ends_the_process_at_once() {
    let world = World::new(7);
    let step = &world.steps("agent-signals")[8];
    let mut running = Running::start(&step.argv);
    running.wait_for("Received event: member-join");
    running.signal(Signal::SIGQUIT);
    let (_, stderr, exit) = running.end();
    assert!(stderr.starts_with("SIGQUIT: quit\n"), "{stderr}");
    assert_eq!(exit, 2);
}

/// The second recording of reloads: a bad level keeps the old one, and the rest is taken over.
#[test]
fn a_reload_takes_over_all_but_a_bad_level() {
    let world = World::new(8);
    let step = &world.steps("agent-reload")[1];
    let file = world.dir.path().join("hup").join("a.json");
    let write = |path: &Path, text: &str| fs::write(path, text).unwrap();
    fs::create_dir(file.parent().unwrap()).unwrap();
    write(&file, r#"{"leave_on_terminate": true}"#);
    let mut running = Running::start(&step.argv);
    running.wait_for("Received event: member-join");
    write(&file, r#"{"log_level": "nope", "tags": {"v": "3"}}"#);
    running.signal(Signal::SIGHUP);
    running.wait_for("serf: EventMemberUpdate");
    running.signal(Signal::SIGTERM);
    check(step, running.end());
}

#[test]
fn a_reload_that_fails_keeps_everything() {
    let world = World::new(9);
    let host = format!("{}30", world.net);
    let file = world.dir.path().join("a.json");
    fs::write(&file, r#"{"leave_on_terminate": true}"#).unwrap();
    let words =
        ["agent", "-node=n", "-bind", &host, "-rpc-addr", &format!("{host}:0"), "-config-file"];
    let words: Vec<String> =
        words.into_iter().chain([file.to_str().unwrap()]).map(str::to_owned).collect();
    let mut running = Running::start(&words);
    running.wait_for("Received event: member-join");
    fs::write(&file, r#"{"oops": 1}"#).unwrap();
    running.signal(Signal::SIGHUP);
    running.wait_for("==> Failed to reload configs");
    assert!(running.seen.contains("* '' has invalid keys: oops\n"), "{}", running.seen);
    running.signal(Signal::SIGTERM);
    running.wait_for("==> Gracefully shutting down agent...");
    assert_eq!(running.end().2, 0);
}
