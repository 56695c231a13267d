//! `rtt`: estimates the round-trip time between two nodes.

use std::process::ExitCode;

use clap::ArgMatches;
use uwasa_core::coordinate::Coordinate;

use super::call::Call;
use super::rpc::{self, Outcome, Stop};
use crate::go::flags;
use crate::go::quote::quote;
use crate::rpc::client::Client;

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    rpc::run(call, rpc::command("rtt"), rtt)
}

async fn rtt(matches: &ArgMatches) -> Outcome {
    let mut client = rpc::connect(matches).await?;
    let mut words = flags::words(matches);
    let (one, other) = match (words.next(), words.next(), words.next()) {
        (Some(one), Some(other), None) => (one, other.to_owned()),
        (Some(one), None, _) => (one, own_name(&mut client).await?),
        _ => return Err(Stop::Usage("One or two node names must be specified")),
    };
    let one_at = coordinate(&mut client, one).await?;
    let other_at = coordinate(&mut client, &other).await?;
    let milliseconds = milliseconds(one_at.distance(&other_at));
    rpc::say(format_args!("Estimated {one} <-> {other} rtt: {milliseconds:.3} ms"))?;
    Ok(())
}

async fn own_name(client: &mut Client) -> Result<String, Stop> {
    let stats = client.stats().await.map_err(rpc::failed("Error querying agent"))?;
    Ok(stats.get("agent").and_then(|agent| agent.get("name")).cloned().unwrap_or_default())
}

async fn coordinate(client: &mut Client, node: &str) -> Result<Coordinate, Stop> {
    let found = client.coordinate(node).await.map_err(rpc::failed("Error getting coordinates"))?;
    found.ok_or_else(|| {
        Stop::Failed(format!("Could not find a coordinate for node {}", quote(node)))
    })
}

/// Nanoseconds as Go's `Duration.Seconds` makes seconds of them, times 1000: the last digit depends on the way.
fn milliseconds(nanoseconds: i64) -> f64 {
    const SECOND: i64 = 1_000_000_000;
    let seconds = (nanoseconds / SECOND) as f64 + (nanoseconds % SECOND) as f64 / 1e9;
    seconds * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_round_as_in_go() {
        for (nanoseconds, text) in [
            (0, "0.000"),
            (1_500, "0.002"),
            (2_500, "0.003"),
            (1_499, "0.001"),
            (5_000_000_000, "5000.000"),
            (i64::MIN, "-9223372036854.777"),
        ] {
            assert_eq!(format!("{:.3}", milliseconds(nanoseconds)), text);
        }
    }
}
