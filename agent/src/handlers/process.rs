//! One run of a script: the shell, its pipes, its end.

use core::future::Future;
use core::pin::pin;
use core::time::Duration;
use std::borrow::Cow;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};

use crate::go::errors::os_text;

/// Bytes of output that are kept: the last ones.
pub(super) const OUTPUT: usize = 8192;

/// Bytes read at once at least.
const CHUNK: usize = 4096;

/// How a run ended.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Finished {
    /// The last [`OUTPUT`] bytes that it wrote; `None` if it did not even start.
    pub(super) output: Option<Vec<u8>>,
    /// Why it failed, in Go's words: `exit status 3`, `signal: killed`.
    pub(super) error: Option<String>,
}

/// Runs `/bin/sh -c script` until the shell has ended and nobody can write to its output any more. With a `timeout`, the
/// shell gets a process group, and all of it is killed when the time is up. Dropping the future leaves the script alone.
pub(super) async fn run(
    script: &str,
    environment: &[(String, String)],
    stdin: &[u8],
    timeout: Option<Duration>,
) -> Finished {
    let (mut child, mut output) = match start(script, environment, timeout.is_some()) {
        Ok(started) => started,
        Err(error) => return Finished { output: None, error: Some(error) },
    };
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    let input = child.stdin.take();
    let mut tail = Vec::new();
    let error = match timeout {
        None => {
            let end = async { tokio::try_join!(collect(&mut output, &mut tail), wait(&mut child)) };
            let end = feed_until(input, stdin, end).await;
            end.map_or_else(Some, |((), status)| failure(status))
        }
        Some(limit) => {
            // The shell is reaped last: until then nobody else can get the number of its group.
            let end = async {
                collect(&mut output, &mut tail).await?;
                wait(&mut child).await
            };
            match tokio::time::timeout(limit, feed_until(input, stdin, end)).await {
                Ok(end) => end.map_or_else(Some, failure),
                Err(_) => Some(kill(&mut child, group, limit).await),
            }
        }
    };
    Finished { output: Some(tail), error }
}

/// Starts the shell. Both its outputs are one pipe, so what it writes keeps its order.
fn start(
    script: &str,
    environment: &[(String, String)],
    own_group: bool,
) -> Result<(Child, pipe::Receiver), String> {
    if environment.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
        return Err("exec: environment variable contains NUL".to_owned());
    }
    let no_pipe = |error| format!("pipe2: {}", os_text(&error));
    let (reader, writer) = io::pipe().map_err(no_pipe)?;
    let stderr = writer.try_clone().map_err(no_pipe)?;
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(writer).stderr(stderr);
    if own_group {
        command.process_group(0);
    }
    let child =
        command.spawn().map_err(|error| format!("fork/exec /bin/sh: {}", os_text(&error)))?;
    let output = pipe::Receiver::from_owned_fd(reader.into()).map_err(no_pipe)?;
    Ok((child, output))
}

/// Reads until all writers are gone.
async fn collect(output: &mut pipe::Receiver, tail: &mut Vec<u8>) -> Result<(), String> {
    loop {
        tail.reserve(CHUNK);
        let read = output.read_buf(tail).await;
        if read.map_err(|error| format!("read |0: {}", os_text(&error)))? == 0 {
            return Ok(());
        }
        tail.drain(..tail.len().saturating_sub(OUTPUT));
    }
}

async fn wait(child: &mut Child) -> Result<ExitStatus, String> {
    child.wait().await.map_err(|error| format!("wait: {}", os_text(&error)))
}

/// Writes `payload` until `end` comes; what a script does not read is its own business.
async fn feed_until<T>(
    input: Option<ChildStdin>,
    payload: &[u8],
    end: impl Future<Output = T>,
) -> T {
    let mut end = pin!(end);
    tokio::select! {
        biased;
        () = feed(input, payload) => end.await,
        end = &mut end => {
            log_broken_input("file already closed");
            end
        }
    }
}

async fn feed(input: Option<ChildStdin>, payload: &[u8]) {
    if let (Some(mut input), false) = (input, payload.is_empty())
        && let Err(error) = input.write_all(payload).await
    {
        log_broken_input(&os_text(&error));
    }
}

fn log_broken_input(why: &str) {
    tracing::error!(target: "", "Error writing payload: write |1: {why}");
}

/// Kills the group and reaps the shell.
async fn kill(child: &mut Child, group: Option<Pid>, limit: Duration) -> String {
    if let Some(group) = group
        && let Err(error) = killpg(group, Signal::SIGKILL)
    {
        tracing::warn!(target: "agent", "Failed to kill process group {group}: {error}");
    }
    match wait(child).await {
        Ok(_) => format!("timed out after {limit:?}"),
        Err(error) => error,
    }
}

/// What Go says of a status; `None` for success.
pub(super) fn failure(status: ExitStatus) -> Option<String> {
    if let Some(signal) = status.signal() {
        let core = if status.core_dumped() { " (core dumped)" } else { "" };
        return Some(format!("signal: {}{core}", signal_name(signal)));
    }
    status.code().filter(|&code| code != 0).map(|code| format!("exit status {code}"))
}

/// Go's names of the signals that end a process.
fn signal_name(signal: i32) -> Cow<'static, str> {
    Cow::Borrowed(match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        10 => "user defined signal 1",
        11 => "segmentation fault",
        12 => "user defined signal 2",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        16 => "stack fault",
        24 => "CPU time limit exceeded",
        25 => "file size limit exceeded",
        26 => "virtual timer expired",
        27 => "profiling timer expired",
        29 => "I/O possible",
        30 => "power failure",
        31 => "bad system call",
        other => return Cow::Owned(format!("signal {other}")),
    })
}
