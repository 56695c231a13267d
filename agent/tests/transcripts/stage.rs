//! Where a case is played: a network of its own, a working directory, and the programs started there.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::CloneFlags;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything that must happen is waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

const INSIDE: &str = "UWASA_TRANSCRIPT_INSIDE";

/// The program under test.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("UWASA_TRANSCRIPT_BIN")
        .map_or_else(|| env!("CARGO_BIN_EXE_serf").into(), PathBuf::from)
}

/// Whether the program under test is this project's own one.
pub(crate) fn is_ours() -> bool {
    std::env::var_os("UWASA_TRANSCRIPT_BIN").is_none()
}

/// Whether every case can have a network of its own; without that they share one and must run one after another.
///
/// An ordinary user gets the right by starting the tests again in a user namespace; that call does not return then.
pub(crate) fn private_networks() -> bool {
    let allowed = thread::spawn(|| {
        nix::sched::unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).is_ok()
    });
    if allowed.join().unwrap() {
        return true;
    }
    let flags = ["--map-root-user", "--net", "--mount"];
    let possible =
        Command::new("unshare").args(flags).args(["ip", "link", "set", "lo", "up"]).output();
    if std::env::var_os(INSIDE).is_some() || !possible.is_ok_and(|o| o.status.success()) {
        return false;
    }
    let me = std::env::current_exe().unwrap();
    let mut again = Command::new("unshare");
    again.args(flags).arg("--").arg(me).args(std::env::args_os().skip(1)).env(INSIDE, "1");
    std::process::exit(again.status().unwrap().code().unwrap_or(1));
}

/// Runs in a thread whose network (and mounts) nobody else sees; programs it starts inherit them.
pub(crate) fn in_private_network<T: Send + 'static>(
    private: bool,
    run: impl FnOnce() -> T + Send + 'static,
) -> T {
    let thread = thread::spawn(move || {
        if private {
            nix::sched::unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS).unwrap();
            let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
            assert!(up.success(), "the loopback device cannot be switched on");
        }
        run()
    });
    match thread.join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// A running program with what it has written so far; killed when dropped.
pub(crate) struct Program {
    child: Child,
    stdout: Output,
    stderr: Output,
    ended: Option<ExitStatus>,
}

/// What a finished program left.
pub(crate) struct Finished {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Exit status, or the negative number of the signal.
    pub(crate) exit: i32,
}

#[derive(Clone, Default)]
struct Output(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    closed: bool,
}

impl Output {
    fn fill(mut from: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let sink = output.clone();
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                let read = from.read(&mut chunk).unwrap_or(0);
                let mut state = sink.0.0.lock().unwrap();
                state.bytes.extend_from_slice(&chunk[..read]);
                state.closed = read == 0;
                sink.0.1.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        output
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().unwrap().bytes).into_owned()
    }

    /// Waits until the text so far passes the test, or the writer has closed it.
    fn wait(&self, patience: Duration, done: impl Fn(&str) -> bool) -> bool {
        let deadline = Instant::now() + patience;
        let mut state = self.0.0.lock().unwrap();
        loop {
            if done(&String::from_utf8_lossy(&state.bytes)) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return false;
            }
            state = self.0.1.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Program {
    /// Starts the program under test with nothing in its environment but the search path and `env`.
    pub(crate) fn start(dir: &Path, argv: &[String], env: &BTreeMap<String, String>) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut command = Command::new(binary());
        command.args(argv).env_clear().env("PATH", path).envs(env).current_dir(dir);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = Output::fill(child.stdout.take().unwrap());
        let stderr = Output::fill(child.stderr.take().unwrap());
        Self { child, stdout, stderr, ended: None }
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// Waits for a standard output that passes the test.
    pub(crate) fn wait_stdout(&self, patience: Duration, done: impl Fn(&str) -> bool) -> bool {
        self.stdout.wait(patience, done)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).unwrap();
        kill(Pid::from_raw(id), signal).unwrap();
    }

    /// The exit status if it ends in time.
    pub(crate) fn wait(&mut self, patience: Duration) -> Option<i32> {
        let deadline = Instant::now() + patience;
        while self.ended.is_none() && Instant::now() < deadline {
            self.ended = self.child.try_wait().unwrap();
            if self.ended.is_none() {
                thread::sleep(Duration::from_millis(10));
            }
        }
        self.ended.map(|status| status.code().unwrap_or_else(|| -status.signal().unwrap_or(0)))
    }

    /// Waits for the end and takes everything; a child of it may still hold the pipes, so they are not waited for long.
    pub(crate) fn finish(mut self, patience: Duration) -> Option<Finished> {
        let exit = self.wait(patience)?;
        for output in [&self.stdout, &self.stderr] {
            output.wait(Duration::from_millis(500), |_| false);
        }
        Some(Finished { stdout: self.stdout.text(), stderr: self.stderr.text(), exit })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
