//! `join`: has an agent join a cluster.

use std::process::ExitCode;

use clap::ArgMatches;

use super::call::Call;
use super::rpc::{self, Outcome, Stop};
use crate::go::flags;

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let command = rpc::command("join").arg(flags::switch("replay"));
    rpc::run(call, command, join)
}

async fn join(matches: &ArgMatches) -> Outcome {
    let addresses: Vec<String> = flags::words(matches).map(str::to_owned).collect();
    if addresses.is_empty() {
        return Err(Stop::Usage("At least one address to join must be specified."));
    }
    let mut client = rpc::connect(matches).await?;
    let joined = client.join(&addresses, rpc::is_set(matches, "replay")).await;
    let count = joined.map_err(rpc::failed("Error joining the cluster"))?;
    rpc::say(format_args!("Successfully joined cluster by contacting {count} nodes."))?;
    Ok(())
}
