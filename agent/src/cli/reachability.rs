//! `reachability`: checks that every live member can be reached, and no other one.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::time::Instant;

use clap::ArgMatches;

use super::call::Call;
use super::rpc::{self, Outcome, Stop};
use crate::go::flags;
use crate::rpc::client::{Client, Query, QueryRecord};

const TIPS: &str = "
Troubleshooting tips:
* Ensure that the bind addr:port is accessible by all other nodes
* If an advertise address is set, ensure it routes to the bind address
* Check that no nodes are behind a NAT
* If nodes are behind firewalls or iptables, check that Serf traffic is permitted (UDP and TCP)
* Verify networking equipment is functional";

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let command = rpc::command("reachability").arg(flags::switch("verbose"));
    rpc::run(call, command, reachability)
}

async fn reachability(matches: &ArgMatches) -> Outcome {
    let mut interrupts = rpc::interrupts()?;
    tokio::select! {
        outcome = test(matches) => outcome,
        _ = interrupts.recv() => Err(Stop::Failed("Test interrupted".to_owned())),
    }
}

async fn test(matches: &ArgMatches) -> Outcome {
    let verbose = rpc::is_set(matches, "verbose");
    let mut client = rpc::connect(matches).await?;
    let members = client.members().await.map_err(rpc::failed("Error getting members"))?;
    let total = members.len();
    let live: BTreeSet<String> =
        members.into_iter().filter(|member| member.status == "alive").map(|m| m.name).collect();
    rpc::say(format_args!("Total members: {total}, live members: {}", live.len()))?;

    let ping = Query { name: "_serf_ping", ack: true, ..Query::default() };
    client.query(&ping).await.map_err(rpc::failed("Error sending query"))?;
    rpc::say("Starting reachability test...")?;
    let acks = gather(&mut client, verbose).await?;
    if verbose {
        rpc::say(format_args!(
            "Query time: {:.2} sec, time to last response: {:.2} sec",
            acks.until_end.as_secs_f64(),
            acks.until_last.as_secs_f64()
        ))?;
    }
    judge(&live, &acks)
}

/// Who has been heard.
#[derive(Default)]
struct Acks {
    /// How often each node.
    from: BTreeMap<String, u64>,
    until_last: Duration,
    until_end: Duration,
}

async fn gather(client: &mut Client, verbose: bool) -> Result<Acks, Stop> {
    let start = Instant::now();
    let mut acks = Acks::default();
    loop {
        match client.query_record().await {
            QueryRecord::Ack(from) => {
                acks.until_last = start.elapsed();
                if verbose {
                    rpc::say(format_args!("\tAck from '{from}'"))?;
                }
                let count = acks.from.entry(from.clone()).or_default();
                *count += 1;
                if *count > 1 {
                    rpc::say(format_args!("Duplicate response from '{from}'"))?;
                }
            }
            QueryRecord::Response(..) | QueryRecord::Other => {}
            QueryRecord::Done => break,
        }
    }
    acks.until_end = start.elapsed();
    Ok(acks)
}

/// Says what the acks mean. Serf compares their number, duplicates included, and only then the names.
fn judge(live: &BTreeSet<String>, acks: &Acks) -> Outcome {
    let duplicates = acks.from.values().any(|&count| count > 1);
    if duplicates {
        rpc::say(
            "Duplicate responses means there is a misconfiguration. Verify that node names are unique.",
        )?;
    }
    let count: u64 = acks.from.values().sum();
    match usize::try_from(count).unwrap_or(usize::MAX).cmp(&live.len()) {
        core::cmp::Ordering::Equal => {
            rpc::say("Successfully contacted all live nodes")?;
            if duplicates { Err(Stop::Silent) } else { Ok(()) }
        }
        core::cmp::Ordering::Greater => Err(complain(
            "Received more acks than live nodes! Acks from non-live nodes:",
            acks.from.keys().filter(|name| !live.contains(*name)),
            "This could mean Serf is detecting false-failures due to a misconfiguration or network issue.",
        )),
        core::cmp::Ordering::Less => Err(complain(
            "Received less acks than live nodes! Missing acks from:",
            live.iter().filter(|name| !acks.from.contains_key(*name)),
            "This could mean Serf gossip packets are being lost due to a misconfiguration or network issue.",
        )),
    }
}

fn complain<'a>(what: &str, names: impl Iterator<Item = &'a String>, meaning: &str) -> Stop {
    let names: String = names.map(|name| format!("\t{name}\n")).collect();
    Stop::Failed(format!("{what}\n{names}{meaning}\n{TIPS}"))
}
