//! `event`: sends a user event.

use std::process::ExitCode;

use clap::ArgMatches;

use super::call::Call;
use super::rpc::{self, Outcome, Stop};
use crate::go::flags;

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let command = rpc::command("event").arg(flags::switch("coalesce").default_value("true"));
    rpc::run(call, command, event)
}

async fn event(matches: &ArgMatches) -> Outcome {
    let mut words = flags::words(matches);
    let (name, payload) = match (words.next(), words.next(), words.next()) {
        (None, ..) => return Err(Stop::Usage("An event name must be specified.")),
        (Some(name), payload, None) => (name, payload),
        _ => {
            return Err(Stop::Usage(
                "Too many command line arguments. Only a name and payload must be specified.",
            ));
        }
    };
    let coalesce = rpc::is_set(matches, "coalesce");
    let mut client = rpc::connect(matches).await?;
    let sent = client.event(name, payload.map(str::as_bytes), coalesce).await;
    sent.map_err(rpc::failed("Error sending event"))?;
    rpc::say(format_args!("Event '{name}' dispatched! Coalescing enabled: {coalesce}"))?;
    Ok(())
}
