//! What the commands that talk to an agent share: flags, connection, output, and how they end.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{ArgMatches, Command};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::call::{Call, print};
use crate::go::flags;
use crate::rpc::client::{Client, ClientError, Texts};

/// Where an agent listens if nobody says otherwise.
const ADDR: &str = "127.0.0.1:7373";

/// Exit status of a program whose output nobody reads, as a shell sees it: 128 and the number of SIGPIPE.
const BROKEN_PIPE: u8 = 141;

/// A command that ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// It failed; what went wrong.
    Failed(String),
    /// It was called in a wrong way; what is wrong, before the help text.
    Usage(&'static str),
    /// It was called without anything to do; the help text is all there is to say.
    Help,
    /// It failed, and has said so or has nothing to say.
    Silent,
    /// Its output cannot be written.
    Output(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// How a command ends.
pub(super) type Outcome = Result<(), Stop>;

/// The flags that every command here has.
pub(super) fn command(name: &'static str) -> Command {
    Command::new(name).arg(flags::text("rpc-addr")).arg(flags::text("rpc-auth"))
}

/// Reads the flags and runs `body`.
pub(super) fn run(
    call: &Call<'_>,
    command: Command,
    body: impl AsyncFnOnce(&ArgMatches) -> Outcome,
) -> ExitCode {
    let matches = match call.flags(command) {
        Ok(matches) => matches,
        Err(status) => return status,
    };
    let outcome = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let outcome = runtime.block_on(body(&matches));
            // A look-up of a name that does not end must not hold up the end.
            runtime.shutdown_background();
            outcome
        }
        Err(error) => Err(Stop::Failed(error.to_string())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Stop::Failed(error)) => {
            print(&format!("{error}\n"));
            ExitCode::FAILURE
        }
        Err(Stop::Usage(error)) => call.refuse(error),
        Err(Stop::Help) => {
            print(&call.help());
            ExitCode::FAILURE
        }
        Err(Stop::Silent) => ExitCode::FAILURE,
        Err(Stop::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::from(BROKEN_PIPE)
        }
        Err(Stop::Output(_)) => ExitCode::FAILURE,
    }
}

/// Prints a line.
pub(super) fn say(line: impl Display) -> io::Result<()> {
    say_bytes(line.to_string().as_bytes())
}

/// Prints a line that need not be UTF-8.
pub(super) fn say_bytes(line: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(line)?;
    out.write_all(b"\n")
}

/// Connects to the agent that flags or environment name.
pub(super) async fn connect(matches: &ArgMatches) -> Result<Client, Stop> {
    let (addr, auth) = endpoint(matches);
    Client::connect(&addr, &auth).await.map_err(failed("Error connecting to Serf agent"))
}

/// Address and token of the agent that flags or environment name.
pub(super) fn endpoint(matches: &ArgMatches) -> (String, String) {
    let setting = |flag, variable, default: &str| {
        let from_environment =
            || std::env::var_os(variable).map(|value| value.to_string_lossy().into_owned());
        matches
            .get_one::<String>(flag)
            .cloned()
            .or_else(|| from_environment().filter(|value| !value.is_empty()))
            .unwrap_or_else(|| default.to_owned())
    };
    (setting("rpc-addr", "SERF_RPC_ADDR", ADDR), setting("rpc-auth", "SERF_RPC_AUTH", ""))
}

/// Makes the end of a command out of an error: `WHAT: ERROR`.
pub(super) fn failed(what: &str) -> impl Fn(ClientError) -> Stop {
    move |error| Stop::Failed(format!("{what}: {error}"))
}

/// The value of a text flag; empty if it was not given.
pub(super) fn text<'a>(matches: &'a ArgMatches, flag: &str) -> &'a str {
    matches.get_one::<String>(flag).map_or("", String::as_str)
}

/// The values of a list flag.
pub(super) fn list(matches: &ArgMatches, flag: &str) -> Vec<String> {
    matches.get_many(flag).unwrap_or_default().cloned().collect()
}

/// The value of a switch.
pub(super) fn is_set(matches: &ArgMatches, flag: &str) -> bool {
    matches.get_one::<bool>(flag).copied().unwrap_or_default()
}

/// The values of a list flag as `KEY=VALUE`; the last of two values for one key counts.
pub(super) fn pairs(matches: &ArgMatches, flag: &str) -> Result<Texts, Stop> {
    matches
        .get_many::<String>(flag)
        .unwrap_or_default()
        .map(|pair| match pair.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
            _ => Err(Stop::Failed(format!("Error: Invalid tag: '{pair}'"))),
        })
        .collect()
}

/// SIGINT, which from now on no longer ends the program.
pub(super) fn interrupts() -> Result<Signal, Stop> {
    signal(SignalKind::interrupt()).map_err(|error| Stop::Failed(error.to_string()))
}
