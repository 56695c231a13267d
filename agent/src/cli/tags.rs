//! `tags`: changes the tags of an agent.

use std::process::ExitCode;

use clap::ArgMatches;

use super::call::Call;
use super::rpc::{self, Outcome, Stop};
use crate::go::flags;

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let command = rpc::command("tags").arg(flags::list("set")).arg(flags::list("delete"));
    rpc::run(call, command, tags)
}

async fn tags(matches: &ArgMatches) -> Outcome {
    let delete = rpc::list(matches, "delete");
    if delete.is_empty() && rpc::list(matches, "set").is_empty() {
        return Err(Stop::Help);
    }
    let mut client = rpc::connect(matches).await?;
    let set = rpc::pairs(matches, "set")?;
    client.tags(&set, &delete).await.map_err(rpc::failed("Error setting tags"))?;
    rpc::say("Successfully updated agent tags")?;
    Ok(())
}
