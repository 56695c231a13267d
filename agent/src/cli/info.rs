//! `info`: what an agent tells about itself.

use std::process::ExitCode;

use clap::ArgMatches;

use super::call::Call;
use super::output::encode;
use super::rpc::{self, Outcome};
use crate::go::flags;
use crate::rpc::client::Stats;

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let command = rpc::command("info").arg(flags::text("format").default_value("text"));
    rpc::run(call, command, info)
}

async fn info(matches: &ArgMatches) -> Outcome {
    let mut client = rpc::connect(matches).await?;
    let stats = client.stats().await.map_err(rpc::failed("Error querying agent"))?;
    rpc::say(encode(rpc::text(matches, "format"), &stats, || table(&stats))?)?;
    Ok(())
}

fn table(stats: &Stats) -> String {
    let mut lines = Vec::new();
    for (section, figures) in stats {
        lines.push(format!("{section}:"));
        lines.extend(figures.iter().map(|(name, value)| format!("\t{name} = {value}")));
    }
    lines.join("\n")
}
