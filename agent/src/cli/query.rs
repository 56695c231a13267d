//! `query`: asks the nodes of a cluster and shows their answers.

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::ArgMatches;
use serde::Serialize;

use super::call::Call;
use super::output::encode;
use super::rpc::{self, Outcome, Stop};
use crate::go::{flags, json};
use crate::rpc::client::{Client, Query, QueryRecord};

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let command = rpc::command("query")
        .arg(flags::text("format").default_value("text"))
        .arg(flags::list("node"))
        .arg(flags::list("tag"))
        .arg(flags::duration("timeout").default_value("0"))
        .arg(flags::switch("no-ack"))
        .arg(flags::integer("relay-factor").default_value("0"));
    rpc::run(call, command, query)
}

async fn query(matches: &ArgMatches) -> Outcome {
    let mut interrupts = rpc::interrupts()?;
    tokio::select! {
        outcome = ask(matches) => outcome,
        _ = interrupts.recv() => Err(Stop::Silent),
    }
}

async fn ask(matches: &ArgMatches) -> Outcome {
    let tags = rpc::pairs(matches, "tag")?;
    let nodes = rpc::list(matches, "node");
    let mut words = flags::words(matches);
    let (name, payload) = match (words.next(), words.next(), words.next()) {
        (None, ..) => return Err(Stop::Usage("A query name must be specified.")),
        (Some(name), payload, None) => (name, payload),
        _ => {
            return Err(Stop::Usage(
                "Too many command line arguments. Only a name and payload must be specified.",
            ));
        }
    };
    let integer = |flag| matches.get_one::<i64>(flag).copied().unwrap_or_default();
    let Ok(relay_factor) = u8::try_from(integer("relay-factor")) else {
        return Err(Stop::Failed("Relay factor must be between 0 and 255".to_owned()));
    };
    let ack = !rpc::is_set(matches, "no-ack");
    let mut client = rpc::connect(matches).await?;
    let format = rpc::text(matches, "format");
    if !matches!(format, "text" | "json") {
        return Err(Stop::Failed(format!("Invalid format: {format}")));
    }
    let query = Query {
        name,
        payload: payload.map(str::as_bytes),
        nodes: &nodes,
        tags: Some(&tags),
        ack,
        relay_factor,
        timeout: integer("timeout"),
    };
    client.query(&query).await.map_err(rpc::failed("Error sending query"))?;
    if format == "json" {
        let answers = collect(&mut client).await;
        rpc::say(encode(format, &answers, String::new)?)?;
        return Ok(());
    }
    rpc::say(format_args!("Query '{name}' dispatched"))?;
    show(&mut client, ack).await
}

/// Prints what comes, as it comes, and the totals.
async fn show(client: &mut Client, ack: bool) -> Outcome {
    let (mut acks, mut responses) = (0_u64, 0_u64);
    loop {
        match client.query_record().await {
            QueryRecord::Ack(from) => {
                acks += 1;
                rpc::say(format_args!("Ack from '{from}'"))?;
            }
            QueryRecord::Response(from, payload) => {
                responses += 1;
                let payload = payload.strip_suffix(b"\n").unwrap_or(&payload);
                let line = [format!("Response from '{from}': ").as_bytes(), payload].concat();
                rpc::say_bytes(&line)?;
            }
            QueryRecord::Other => {}
            QueryRecord::Done => break,
        }
    }
    if ack {
        rpc::say(format_args!("Total Acks: {acks}"))?;
    }
    rpc::say(format_args!("Total Responses: {responses}"))?;
    Ok(())
}

/// Everything that came, for JSON.
#[derive(Serialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Answers {
    /// In the order in which they came; `None` if none did.
    acks: Option<Vec<String>>,
    responses: BTreeMap<String, String>,
}

async fn collect(client: &mut Client) -> Answers {
    let mut answers = Answers::default();
    loop {
        match client.query_record().await {
            QueryRecord::Ack(from) => answers.acks.get_or_insert_default().push(from),
            QueryRecord::Response(from, payload) => {
                answers.responses.insert(from, json::lossy(&payload));
            }
            QueryRecord::Other => {}
            QueryRecord::Done => return answers,
        }
    }
}
