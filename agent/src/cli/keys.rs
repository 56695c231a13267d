//! `keys`: counts and changes the keys of a cluster.

use std::process::ExitCode;

use clap::ArgMatches;

use super::call::Call;
use super::rpc::{self, Outcome, Stop};
use crate::go::{columns, flags};
use crate::rpc::client::{KeyReport, KeyRequest};

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let command = rpc::command("keys")
        .arg(flags::text("install"))
        .arg(flags::text("use"))
        .arg(flags::text("remove"))
        .arg(flags::switch("list"));
    rpc::run(call, command, keys)
}

async fn keys(matches: &ArgMatches) -> Outcome {
    let request = request(matches)?;
    let (start, success, failure) = texts(request);
    let mut client = rpc::connect(matches).await?;
    rpc::say(format_args!("==> {start}..."))?;
    let report = match client.keys(request).await {
        Ok(report) => report,
        Err(error) => KeyReport { error: error.to_string(), ..KeyReport::default() },
    };
    if !report.error.is_empty() {
        if !report.messages.is_empty() {
            rpc::say(failures(&report))?;
        }
        rpc::say("")?;
        return Err(Stop::Failed(format!("{failure}: {}", report.error)));
    }
    rpc::say(format_args!("==> {success}"))?;
    if request == KeyRequest::List {
        rpc::say("")?;
        rpc::say(table(&report))?;
    }
    Ok(())
}

/// The one action that the flags ask for.
fn request(matches: &ArgMatches) -> Result<KeyRequest<'_>, Stop> {
    let key = |flag| Some(rpc::text(matches, flag)).filter(|key| !key.is_empty());
    let actions = [
        rpc::is_set(matches, "list").then_some(KeyRequest::List),
        key("install").map(KeyRequest::Install),
        key("use").map(KeyRequest::Use),
        key("remove").map(KeyRequest::Remove),
    ];
    let mut actions = actions.into_iter().flatten();
    match (actions.next(), actions.next()) {
        (None, _) => Err(Stop::Help),
        (Some(action), None) => Ok(action),
        (Some(_), Some(_)) => {
            Err(Stop::Failed("Only one of -install, -use, -remove, or -list allowed".to_owned()))
        }
    }
}

/// What is said at the start, after a success and before an error.
fn texts(request: KeyRequest<'_>) -> (&'static str, &'static str, &'static str) {
    match request {
        KeyRequest::List => (
            "Asking all members for installed keys",
            "Keys gathered, listing cluster keys...",
            "Failed to gather member keys",
        ),
        KeyRequest::Install(_) => {
            ("Installing key on all members", "Successfully installed key!", "Error installing key")
        }
        KeyRequest::Use(_) => (
            "Changing primary key on all members",
            "Successfully changed primary key!",
            "Error changing primary key",
        ),
        KeyRequest::Remove(_) => {
            ("Removing key on all members", "Successfully removed key!", "Error removing key")
        }
    }
}

fn failures(report: &KeyReport) -> String {
    let lines = report.messages.iter().map(|(node, message)| format!("failed: |{node}|{message}"));
    columns::format(&lines.collect::<Vec<_>>())
}

fn table(report: &KeyReport) -> String {
    let nodes = report.nodes;
    let lines = report.keys.iter().map(|(key, have)| format!("{key}|[{have}/{nodes}]"));
    columns::format(&lines.collect::<Vec<_>>())
}
