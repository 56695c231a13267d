//! `monitor`: shows an agent's log and events as they come.

use std::process::ExitCode;

use clap::ArgMatches;

use super::call::Call;
use super::rpc::{self, Outcome, Stop};
use crate::go::flags;
use crate::rpc::client::{Client, Header, Incoming, log_line, syntax};

/// What is said when the connection ends.
const ENDED: &str = "\nRemote side ended the monitor! This usually means that the\n\
                     remote side has exited or crashed.";

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let command = rpc::command("monitor").arg(flags::text("log-level").default_value("INFO"));
    rpc::run(call, command, monitor)
}

async fn monitor(matches: &ArgMatches) -> Outcome {
    let mut interrupts = rpc::interrupts()?;
    let mut client = tokio::select! {
        client = rpc::connect(matches) => client?,
        _ = interrupts.recv() => return Ok(()),
    };
    let mut open = Vec::new();
    let outcome = tokio::select! {
        outcome = follow(&mut client, &mut open, rpc::text(matches, "log-level")) => outcome,
        _ = interrupts.recv() => Ok(()),
    };
    tokio::select! {
        () = stop(&mut client, &open) => {}
        _ = interrupts.recv() => {}
    }
    outcome
}

/// Opens a stream and then the log, and prints what comes. What is open is told in `open`, in this order.
async fn follow(client: &mut Client, open: &mut Vec<u64>, level: &str) -> Outcome {
    const STREAM: &str = "Error starting stream";
    const LOG: &str = "Error starting monitor";
    let stream = client.stream("*").await.map_err(rpc::failed(STREAM))?;
    let mut awaited = stream;
    loop {
        match client.next().await {
            Ok(Incoming::Answer(Header { seq, error })) if seq == awaited => {
                if !error.is_empty() {
                    let what = if open.is_empty() { STREAM } else { LOG };
                    return Err(Stop::Failed(format!("{what}: {error}")));
                }
                open.push(seq);
                if seq == stream {
                    awaited = client.monitor(level).await.map_err(rpc::failed(LOG))?;
                }
            }
            Ok(Incoming::Answer(_)) => {}
            Ok(Incoming::Record { seq, body }) if seq == stream => print_event(&body, open)?,
            Ok(Incoming::Record { body, .. }) => match log_line(&body) {
                Ok(line) => rpc::say_bytes(&line)?,
                Err(_) => return Err(ended(open)),
            },
            Err(error) => {
                return Err(match open.len() {
                    0 => rpc::failed(STREAM)(error),
                    1 => rpc::failed(LOG)(error),
                    _ => ended(open),
                });
            }
        }
    }
}

fn print_event(record: &[u8], open: &mut Vec<u64>) -> Outcome {
    let Ok(fields) = syntax::fields(record) else { return Err(ended(open)) };
    let mut text = "Event Info:".to_owned();
    for (name, value) in fields {
        text.push_str(&format!("\n\t{name}: {value}"));
    }
    rpc::say(text)?;
    Ok(())
}

/// Nothing is open on a connection that has ended or makes no sense.
fn ended(open: &mut Vec<u64>) -> Stop {
    open.clear();
    Stop::Failed(ENDED.to_owned())
}

/// Ends what is open, the latest first. An agent that is gone needs no telling.
async fn stop(client: &mut Client, open: &[u64]) {
    for &seq in open.iter().rev() {
        if client.stop(seq).await.is_err() {
            return;
        }
    }
}
