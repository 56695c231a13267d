//! `force-leave`: declares a failed node to have left.

use std::process::ExitCode;

use clap::ArgMatches;

use super::call::Call;
use super::rpc::{self, Outcome, Stop};
use crate::go::flags;

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let command = rpc::command("force-leave").arg(flags::switch("prune"));
    rpc::run(call, command, force_leave)
}

async fn force_leave(matches: &ArgMatches) -> Outcome {
    let mut words = flags::words(matches);
    let (Some(node), None) = (words.next(), words.next()) else {
        return Err(Stop::Usage("A node name must be specified to force leave."));
    };
    let mut client = rpc::connect(matches).await?;
    let done = client.force_leave(node, rpc::is_set(matches, "prune")).await;
    done.map_err(rpc::failed("Error force leaving"))
}
