//! `sim swarm`: random scenarios until one breaks an invariant.

use std::io::{IsTerminal, Write};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::{Console, Exit, counted, grouped, shrink};
use crate::capsule::Capsule;
use crate::scenario::{Nanos, parse_duration};
use crate::swarm::campaign::{Broken, Campaign, Limit, Outcome};
use crate::swarm::trial::Failure;
use crate::swarm::{Bounds, Tally};

const COUNT: u64 = 200;
const LINE_PERIOD: Duration = Duration::from_secs(5);
/// Nodes that a random scenario can have.
const NODES_MIN: u32 = 3;
const NODES_MAX: u32 = 64;

const EXAMPLES: &str = "\
Examples:
  sim swarm
      200 scenarios, seeds 1 to 200
  sim swarm --count 2000 --seed 10001
      seeds 10001 to 12000
  sim swarm --for 10m --keep-going
      ten minutes, with a capsule for everything that broke
  sim swarm --nodes 3..5
      small clusters only

Exit codes:
  0  every invariant held
  1  one was broken; the output names the capsule and the command that replays it
  2  the input is wrong
  3  the machine failed: a capsule could not be written, threads are missing";

/// Arguments of `sim swarm`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct SwarmArgs {
    /// How many scenarios; 200 unless --for is given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// How long to go on, in real time: 10m
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration, conflicts_with = "count")]
    time: Option<Nanos>,
    /// The first seed
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Smallest and largest cluster, 3 to 64
    #[arg(long, value_name = "A..B", value_parser = nodes, default_value = "3..16")]
    nodes: RangeInclusive<u32>,
    /// Scenarios to run side by side; all cores unless given. The results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Where capsules go
    #[arg(long, value_name = "DIR", default_value = "reports/swarm")]
    out: PathBuf,
    /// Print the outcome as JSON and nothing else
    #[arg(long)]
    json: bool,
    /// Plant this bug into the protocol
    #[cfg(feature = "mutants")]
    #[arg(long, value_name = "NAME")]
    mutant: Option<String>,
    /// Leave capsules as large as they are
    #[arg(long)]
    no_shrink: bool,
    /// Go on after a failure
    #[arg(long)]
    keep_going: bool,
}

/// Reads `3..16`.
fn nodes(text: &str) -> Result<RangeInclusive<u32>, String> {
    let rule = || {
        format!(
            "\"{text}\" is no range of sizes from {NODES_MIN} to {NODES_MAX}: write one such as 3..16"
        )
    };
    let (low, high) = text.split_once("..").ok_or_else(rule)?;
    let number = |text: &str| text.trim().parse::<u32>().map_err(|_| rule());
    let (low, high) = (number(low)?, number(high)?);
    if low > high || low < NODES_MIN || high > NODES_MAX {
        return Err(rule());
    }
    Ok(low..=high)
}

/// One failure as `--json` prints it.
#[derive(Serialize)]
struct JsonFailure {
    seed: u64,
    #[serde(flatten)]
    failure: Failure,
    capsule: PathBuf,
    shrunk: Option<PathBuf>,
    replay: String,
}

pub(super) fn swarm(args: &SwarmArgs, console: &mut Console) -> Exit {
    if let Err(error) = super::start_threads(args.jobs) {
        console.error(format!("the worker threads could not be started: {error}"));
        return Exit::Failed;
    }
    let started = Instant::now();
    let limit = match args.time {
        Some(nanos) => Limit::Until(started + Duration::from_nanos(nanos)),
        None => Limit::Count(args.count.unwrap_or(COUNT)),
    };
    let campaign =
        Campaign { seed: args.seed, limit, keep_going: args.keep_going, bounds: bounds(args) };
    let mut told = Told { quiet: args.json, started, last: started };
    let done = campaign.run(&mut |outcome| told.hear(outcome, limit));
    let outcome = match done {
        Ok(outcome) => outcome,
        Err(errors) => {
            console
                .error(format!("{errors}\nthe generator made a scenario that the parser refuses"));
            return Exit::Input;
        }
    };
    told.end();
    if !args.json {
        for line in words(&outcome.tally, started.elapsed()) {
            console.line(line);
        }
        console.flush();
    }
    let mut exit = if outcome.broken.is_empty() { Exit::Met } else { Exit::Missed };
    let mut failures = Vec::new();
    for broken in &outcome.broken {
        match keep(args, broken, &failures, console) {
            Ok(failure) => failures.push(failure),
            Err(error) => {
                console.error(error);
                exit = Exit::Failed;
            }
        }
    }
    if args.json {
        let per_minute = per_minute(&outcome.tally, started.elapsed());
        let whole = serde_json::json!({
            "schema": 1, "seed": args.seed, "scenarios_per_minute": per_minute, "tally": outcome.tally,
            "failures": failures,
        });
        console.line(whole.to_string());
    }
    exit
}

#[cfg(feature = "mutants")]
fn bounds(args: &SwarmArgs) -> Bounds {
    Bounds { nodes: args.nodes.clone(), mutant: args.mutant.clone() }
}

#[cfg(not(feature = "mutants"))]
fn bounds(args: &SwarmArgs) -> Bounds {
    Bounds { nodes: args.nodes.clone(), mutant: None }
}

/// Writes the capsule of a failure, and a smaller one of the first failure of each invariant.
fn keep(
    args: &SwarmArgs,
    broken: &Broken,
    before: &[JsonFailure],
    console: &mut Console,
) -> Result<JsonFailure, String> {
    let Some(failure) = broken.trial.failures.first().cloned() else {
        return Err(format!("seed {} is listed without a failure", broken.generated.seed));
    };
    let seed = broken.generated.seed;
    let text = broken.generated.document.render();
    let capsule = Capsule::new(&text, seed, broken.trial.hash(), &failure);
    let name = file_name(&failure.invariant, seed);
    let file = args.out.join(format!("{name}.capsule.toml"));
    shrink::write(&file, &capsule)?;
    let known = before.iter().any(|it| it.failure.invariant == failure.invariant);
    if !args.json {
        console.line("");
        console.line(format!("FAIL  seed {seed} breaks `{}` at {}", failure.invariant, capsule.at));
        console.line(format!("      {}", failure.text));
        console.line(format!("      capsule: {}", file.display()));
        console.flush();
    }
    let mut small = None;
    if !known && !args.no_shrink {
        let path = args.out.join(format!("{name}.small.toml"));
        let smaller = shrink::smaller(&capsule, None, args.json, console)?;
        shrink::write(&path, &smaller)?;
        small = Some(path);
    }
    let replay = Capsule::replay_command(small.as_deref().unwrap_or(&file));
    if !args.json {
        console.line(format!("      replay:  {replay}"));
        console.flush();
    }
    Ok(JsonFailure { seed, failure, capsule: file, shrunk: small, replay })
}

/// Invariants have plain names, yet a file name must not depend on it.
fn file_name(invariant: &str, seed: u64) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    format!("{}-{seed}", invariant.chars().map(plain).collect::<String>())
}

fn per_minute(tally: &Tally, elapsed: Duration) -> u64 {
    let millis = elapsed.as_millis().max(1);
    u64::try_from(u128::from(tally.scenarios) * 60_000 / millis).unwrap_or(u64::MAX)
}

/// Progress: one line that is written over on a terminal, now and then a line when piped.
struct Told {
    quiet: bool,
    started: Instant,
    last: Instant,
}

impl Told {
    fn hear(&mut self, outcome: &Outcome, limit: Limit) {
        let now = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        if self.quiet || (!terminal && now.duration_since(self.last) < LINE_PERIOD) {
            return;
        }
        self.last = now;
        let of = match limit {
            Limit::Count(count) => format!(" of {}", grouped(count)),
            Limit::Until(_) => String::new(),
        };
        let text = format!(
            "{}{of} scenarios, {} per minute, {} broken",
            grouped(outcome.tally.scenarios),
            grouped(per_minute(&outcome.tally, now.duration_since(self.started))),
            outcome.broken.len()
        );
        let (before, after) = if terminal { ("\r\x1b[2K", "") } else { ("", "\n") };
        let mut out = std::io::stderr().lock();
        // A closed standard error is no reason to stop.
        let _closed = write!(out, "{before}{text}{after}").and_then(|()| out.flush());
    }

    fn end(&self) {
        if !self.quiet && std::io::stderr().is_terminal() {
            let _closed = write!(std::io::stderr().lock(), "\r\x1b[2K");
        }
    }
}

/// The tables of a swarm.
fn words(tally: &Tally, elapsed: Duration) -> Vec<String> {
    let scenarios = usize::try_from(tally.scenarios).unwrap_or(usize::MAX);
    let mut lines = vec![
        format!(
            "{} in {:.1} s, {} per minute",
            counted(scenarios, "scenario"),
            elapsed.as_secs_f64(),
            grouped(per_minute(tally, elapsed))
        ),
        String::new(),
        format!(
            "  {:<28} {:>8} {:>8} {:>8} {:>12}",
            "invariant", "pass", "fail", "unknown", "put to test"
        ),
    ];
    for (name, verdicts) in &tally.invariants {
        lines.push(format!(
            "  {name:<28} {:>8} {:>8} {:>8} {:>12}",
            grouped(verdicts.pass),
            grouped(verdicts.fail),
            grouped(verdicts.unknown),
            grouped(verdicts.exercised)
        ));
    }
    for (title, rows) in [("what was in them", &tally.labels), ("what happened", &tally.sometimes)]
    {
        lines.push(String::new());
        lines.push(format!("  {title:<36} scenarios"));
        for (what, count) in rows {
            let never = if *count == 0 { "  never" } else { "" };
            lines.push(format!("  {what:<36} {:>9}{never}", grouped(*count)));
        }
    }
    lines
}

/// Whether a path is worth reading as a capsule.
pub(super) fn read_capsule(path: &Path) -> Option<Result<Capsule, String>> {
    let text = std::fs::read_to_string(path).ok()?;
    let parsed = || Capsule::parse(&text).map_err(|error| format!("{}: {error}", path.display()));
    Capsule::is_one(&text).then(parsed)
}
