//! `sim run`: scenarios over their seeds, a summary, a report.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::{Console, Exit, Sets, load_all, progress, summary};
use crate::check::Standing;
use crate::history::{self, Document, History};
use crate::metrics::SeedResult;
use crate::outcome::{Outcome, Timing};
use crate::scenario::{Scenario, parse_seeds};
use crate::{report, runner, world};

const EXAMPLES: &str = "\
Examples:
  sim run scenarios/52-nodes.toml
      the seeds named in the file; report in reports/52-nodes/report.html
  sim run scenarios/52-nodes.toml --seeds 100
      seeds 1 to 100
  sim run scenarios/52-nodes.toml --seeds 40..59 --set network.loss=0.25
      twenty other seeds, with a quarter of all datagrams lost
  sim run scenarios/*.toml --no-report
      every scenario of the library, verdicts only
  sim run scenarios/1000-nodes.toml --json | jq '.runs[].expects'
      for machines

Exit codes:
  0  every expectation was met
  1  one was missed; the output names the command that replays it
  2  the input is wrong
  3  the machine failed: a report could not be written, threads are missing";

/// Arguments of `sim run`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct RunArgs {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Seeds instead of those in the file: a count (seeds 1 to N) or a range a..b
    #[arg(long, value_name = "N|a..b", value_parser = Seeds::parse)]
    seeds: Option<Seeds>,
    /// Seeds to run side by side; all cores unless given. The results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Where reports go: DIR/<scenario>/
    #[arg(long, value_name = "DIR", default_value = "reports")]
    out: PathBuf,
    #[command(flatten)]
    sets: Sets,
    /// Print the outcome as JSON and nothing else
    #[arg(long)]
    json: bool,
    /// No progress, and no summary unless something was missed
    #[arg(long)]
    quiet: bool,
    /// Most records in the history of one seed that the report shows and `sim why` reads: the first seed, or the first
    /// that missed something. 0: none
    #[arg(long, value_name = "N", default_value_t = history::LIMIT)]
    history: usize,
    /// Write no report
    #[arg(long)]
    no_report: bool,
}

/// Seeds from the command line. A type of its own, because clap reads a `Vec` as a repeated flag.
#[derive(Clone, Debug)]
pub(super) struct Seeds(pub(super) Vec<u64>);

impl Seeds {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        parse_seeds(text).map(Self)
    }
}

/// One run as `--json` prints it.
#[derive(Serialize)]
struct JsonRun<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    /// Trace hash of each seed, in the order of `seeds`.
    trace_hashes: Vec<String>,
    /// The command that replays the first missed seed, if there is one.
    replay: Option<String>,
    /// Files of the report.
    report: Vec<PathBuf>,
}

pub(super) fn run(args: &RunArgs, console: &mut Console) -> Exit {
    let Some(scenarios) = load_all(&args.files, &args.sets.sets, console) else {
        return Exit::Input;
    };
    if let Some(name) = same_name(&scenarios).filter(|_| !args.no_report) {
        console.error(format!(
            "two of the files are named {name}: their reports would overwrite each other; run them one by one with \
             different --out, or use --no-report"
        ));
        return Exit::Input;
    }
    let mut exit = Exit::Met;
    let mut documents = Vec::new();
    for (index, scenario) in scenarios.iter().enumerate() {
        if index > 0 && !args.json && !args.quiet {
            console.line("");
        }
        let (one, document) = run_one(scenario, args, console);
        exit = exit.max(one);
        documents.extend(document);
    }
    if args.json {
        let whole = serde_json::json!({ "schema": 1, "runs": documents });
        console.line(whole.to_string());
    }
    exit
}

fn run_one(
    scenario: &Scenario,
    args: &RunArgs,
    console: &mut Console,
) -> (Exit, Option<serde_json::Value>) {
    let seeds = args.seeds.as_ref().map_or(scenario.seeds.as_slice(), |seeds| &seeds.0);
    let quiet = args.quiet || args.json;
    let limit = Some(args.history).filter(|limit| *limit > 0 && !args.no_report);
    let simulated = simulate(scenario, seeds, args.jobs, limit, quiet, console);
    let (results, outcome, history) = match simulated {
        Ok(done) => done,
        Err(error) => {
            console.error(format!("{}: {error}", scenario.file.display()));
            return (Exit::Failed, None);
        }
    };
    let mut exit = if outcome.met { Exit::Met } else { Exit::Missed };
    let mut files = Vec::new();
    if !args.no_report {
        let out = args.out.join(&scenario.name);
        let history = limit.and_then(|limit| worth_telling(scenario, &results, history, limit));
        match report::write_with(scenario, &results, &outcome, history.as_ref(), &out) {
            Ok(written) => files = written,
            Err(error) => {
                console.error(format!(
                    "{}: the report could not be written to {}: {error}",
                    scenario.file.display(),
                    out.display()
                ));
                exit = Exit::Failed;
            }
        }
    }
    if args.json {
        return (exit, json(&outcome, &results, files, &args.sets.sets, console));
    }
    if !args.quiet || !outcome.met {
        for line in summary::of_run(scenario, &outcome, &args.sets.sets) {
            console.line(line);
        }
        if let Some(page) = page(&files) {
            console.line(format!("  report           {}", page.display()));
        }
        console.flush();
    }
    (exit, None)
}

/// Runs the seeds with progress on standard error, and judges them.
pub(super) fn simulate(
    scenario: &Scenario,
    seeds: &[u64],
    jobs: Option<u16>,
    history: Option<usize>,
    quiet: bool,
    console: &mut Console,
) -> Result<(Vec<SeedResult>, Outcome, Option<Document>), runner::RunError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = jobs.map_or(cores, usize::from);
    let available = runner::memory_available();
    let jobs = runner::jobs_that_fit(scenario, seeds.len(), wanted, available);
    if let Some(limited) = jobs.limited.filter(|_| !quiet) {
        console.error(format!("{}: {limited}", scenario.name));
    }
    let started = Instant::now();
    let (results, history) = progress::shown(scenario, seeds.len(), quiet, |progress| {
        runner::run_recorded(scenario, seeds, jobs.count, history, progress)
    })?;
    let timing = Timing::new(started.elapsed(), scenario.duration, seeds.len(), jobs.count);
    let outcome = Outcome::judge(scenario, &results, timing);
    Ok((results, outcome, history))
}

/// The history of the first seed that missed something, which is run again for it; if none did, that of the first.
fn worth_telling(
    scenario: &Scenario,
    results: &[SeedResult],
    first: Option<Document>,
    limit: usize,
) -> Option<Document> {
    let missed = |it: &&SeedResult| {
        it.verdicts.iter().any(|verdict| !verdict.held)
            || it.invariants.iter().any(|invariant| invariant.standing == Standing::Fail)
    };
    match results.iter().find(missed).map(|it| it.seed) {
        Some(seed) if first.as_ref().is_none_or(|it| it.seed != seed) => {
            let history = History::new(scenario, limit);
            world::run_recorded(scenario, seed, Some(history), &mut |_| {}).1
        }
        Some(_) | None => first,
    }
}

fn json(
    outcome: &Outcome,
    results: &[SeedResult],
    report: Vec<PathBuf>,
    sets: &[String],
    console: &mut Console,
) -> Option<serde_json::Value> {
    let missed = outcome.expects.iter().filter(|expect| !expect.met);
    let first = missed.flat_map(|expect| &expect.misses).next();
    let run = JsonRun {
        outcome,
        trace_hashes: results.iter().map(|it| format!("{:016x}", it.trace_hash)).collect(),
        replay: first.map(|miss| outcome.replay_command(miss.seed, sets)),
        report,
    };
    serde_json::to_value(&run)
        .map_err(|error| console.error(format!("the outcome has no JSON form: {error}")))
        .ok()
}

/// The page to open, or else the first file.
fn page(files: &[PathBuf]) -> Option<&Path> {
    let html = files.iter().find(|file| file.extension().is_some_and(|it| it == "html"));
    html.or_else(|| files.first()).map(PathBuf::as_path)
}

fn same_name(scenarios: &[Scenario]) -> Option<&str> {
    let mut names: Vec<&str> = scenarios.iter().map(|scenario| scenario.name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}
