//! `leave`: has an agent leave its cluster and end.

use std::process::ExitCode;

use clap::ArgMatches;

use super::call::Call;
use super::rpc::{self, Outcome};

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    rpc::run(call, rpc::command("leave"), leave)
}

async fn leave(matches: &ArgMatches) -> Outcome {
    let mut client = rpc::connect(matches).await?;
    client.leave().await.map_err(rpc::failed("Error leaving"))?;
    rpc::say("Graceful leave complete")?;
    Ok(())
}
