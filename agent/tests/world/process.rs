//! Child processes: commands that end by themselves, and terminals that somebody looks at while they run.

use std::ffi::OsStr;
use std::fs::{File, read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{DEADLINE, Kind, wait_for};

/// What a command said.
#[derive(PartialEq, Eq, Clone, Debug)]
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl Said {
    /// Its output; the command must have succeeded.
    pub(crate) fn well(self) -> String {
        assert!(self.code == Some(0) && self.stderr.is_empty(), "a command failed: {self:?}");
        self.stdout
    }
}

/// A command of one of the programs, without the caller's own RPC settings.
pub(crate) fn command<S: AsRef<OsStr>>(kind: Kind, words: &[S]) -> Command {
    let mut command = Command::new(kind.program());
    command.args(words).env_remove("SERF_RPC_ADDR").env_remove("SERF_RPC_AUTH");
    command.stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run(folder: &Path, command: Command) -> Said {
    let mut terminal = Terminal::open(folder, command);
    let code = terminal.ends();
    Said { stdout: terminal.shown(), stderr: terminal.shown_as_error(), code }
}

/// A running process; what it writes lands in files. Dropping it kills it.
pub(crate) struct Terminal {
    child: Child,
    about: String,
    files: [std::path::PathBuf; 2],
}

impl Terminal {
    pub(crate) fn open(folder: &Path, mut command: Command) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let files = ["stdout", "stderr"].map(|name| folder.join(format!("{number}.{name}")));
        let [stdout, stderr] = files.each_ref().map(|path| File::create(path).expect("a file"));
        let about = format!("{command:?}");
        let child = command.stdout(stdout).stderr(stderr).spawn();
        Self { child: child.unwrap_or_else(|error| panic!("{about}: {error}")), about, files }
    }

    /// What it wrote so far, to stdout.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&read(&self.files[0]).expect("its output")).into_owned()
    }

    pub(crate) fn shown_as_error(&self) -> String {
        String::from_utf8_lossy(&read(&self.files[1]).expect("its output")).into_owned()
    }

    /// Waits until a text was written; tells everything up to now.
    pub(crate) fn shows(&self, text: &str) -> String {
        self.shows_times(text, 1)
    }

    pub(crate) fn shows_times(&self, text: &str, times: usize) -> String {
        let what = format!("{text:?} shown by {}", self.about);
        wait_for(&what, || {
            let shown = self.shown();
            if shown.matches(text).count() >= times { Ok(shown) } else { Err(shown) }
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.id().try_into().expect("an id"));
        kill(id, signal).expect("it is still there");
    }

    /// Waits for the end; the exit status, or nothing when a signal ended it.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.ended() {
                return status.code();
            }
            if Instant::now() > end {
                panic!("{} does not end; it wrote {}", self.about, self.shown());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("its status")
    }

    /// Ends it at once, without a chance to tell anybody.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.kill();
    }
}
