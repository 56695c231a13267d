//! `sim tune`: settings that meet wishes.

use std::path::PathBuf;

use clap::Args;

use super::run::Seeds;
use super::{Console, Exit, counted, grouped, progress};
use crate::outcome::figure;
use crate::runner;
use crate::scenario::Nanos;
use crate::tune::{
    Ask, Pauses, Standing, TuneError, Tuned, Want, agent_words, latency, loss, tune as search,
    write,
};

const EXAMPLES: &str = "\
Examples:
  sim tune --nodes 1000 --loss 0.1 --want detect=5s --want false-failures=1/node-week --want bytes=20kB/s
      settings that meet all three, and a scenario that confirms them:
  sim run reports/tune/tuned.toml
  sim tune --nodes 200 --pauses share=0.02,on=300ms,p99=2s,off=10s --want detect=10s --want t95=1s
      with 2 % of the nodes stopping for a moment, again and again

Wishes:
  detect=5s                     95 of 100 crashes are known to every node so soon
  false-failures=1/node-week    living nodes declared failed; per node-second, -minute, -hour, -day, -week or -year
  bytes=20kB/s                  mean bytes sent per node
  t50= t95= t99= t100=1s        an event reaches this share of the nodes so soon

A wish is met if the runs show it with 95 % confidence, unproven if they do not contradict it and are too few.

Exit codes:
  0  every wish is met
  1  some wish is missed or unproven by the best settings found
  2  the input is wrong
  3  the machine failed";

/// Arguments of `sim tune`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct TuneArgs {
    /// Members
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(3..=100_000))]
    nodes: u32,
    /// Share of lost datagrams, 0 to below 1; segments of streams are lost as often, and sent again
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = loss)]
    loss: f64,
    /// One-way delay: median and 99th percentile
    #[arg(long, value_name = "MEDIAN,P99", default_value = "500us,3ms", value_parser = latency)]
    latency: (Nanos, Nanos),
    /// Nodes that stop for moments: share of the nodes, median and 99th percentile of a pause, time between two
    #[arg(long, value_name = "share=,on=,p99=,off=")]
    pauses: Option<Pauses>,
    /// A wish; see below
    #[arg(long = "want", value_name = "WISH", required = true)]
    wants: Vec<Want>,
    /// Most runs
    #[arg(long, value_name = "N", default_value_t = 240, value_parser = clap::value_parser!(u32).range(1..))]
    budget: u32,
    /// Seeds to search with; the scenario that confirms uses others
    #[arg(long, value_name = "N|a..b", default_value = "10001..10200", value_parser = Seeds::parse)]
    seeds: Seeds,
    /// Runs side by side; all cores unless given. The results do not depend on it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Where scenario, curve and numbers go
    #[arg(long, value_name = "DIR", default_value = "reports/tune")]
    out: PathBuf,
    /// No progress
    #[arg(long)]
    quiet: bool,
}

/// Peers that a node probes in a long search run.
const PEERS: usize = 400;
/// Rows of the table of settings.
const ROWS: usize = 12;

pub(super) fn tune(args: &TuneArgs, console: &mut Console) -> Exit {
    let ask = Ask {
        nodes: args.nodes,
        loss: args.loss,
        latency: args.latency,
        pauses: args.pauses,
        wants: args.wants.clone(),
        seeds: args.seeds.0.clone(),
        budget: usize::try_from(args.budget).unwrap_or(usize::MAX),
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let wanted = args.jobs.map_or(cores, usize::from);
    let nodes = usize::try_from(args.nodes).unwrap_or(usize::MAX);
    let world = (nodes, runner::bytes_of(nodes, false, PEERS.min(nodes)));
    let jobs = runner::jobs_of(world, ask.budget, wanted, runner::memory_available());
    if let Some(limited) = jobs.limited.filter(|_| !args.quiet) {
        console.error(limited);
    }
    // How many runs it takes is known at the end only; the bar shows how many there were.
    let todo =
        progress::Work { name: "tune".into(), noun: "runs at most", runs: ask.budget, total: 0 };
    let tuned = match progress::shown_work(todo, args.quiet, |it| search(&ask, jobs.count, it)) {
        Ok(tuned) => tuned,
        Err(error) => {
            console.error(error.to_string());
            return match error {
                TuneError::Scenario(_) => Exit::Input,
                TuneError::Run(_) | TuneError::Threads(_) => Exit::Failed,
            };
        }
    };
    let exit = tell(&ask, &tuned, console);
    match write(&ask, &tuned, &args.out) {
        Ok(files) => {
            files.iter().for_each(|file| console.line(format!("wrote {}", file.display())));
            let scenario = args.out.join("tuned.toml");
            console.line(format!(
                "confirm on fresh seeds: sim run {} --no-report",
                scenario.display()
            ));
            exit
        }
        Err(error) => {
            console.error(error.to_string());
            exit.max(Exit::Failed)
        }
    }
}

fn tell(ask: &Ask, tuned: &Tuned, console: &mut Console) -> Exit {
    let Some(best) = tuned.tried.first() else { return Exit::Missed };
    console.line(format!(
        "{} nodes, {} % loss: {:.0} settings by formula, {} simulated in {}",
        grouped(ask.nodes.into()),
        100.0 * ask.loss,
        tuned.looked_at,
        tuned.tried.iter().filter(|it| it.trial.runs > 0).count(),
        counted(tuned.runs, "run")
    ));
    console.line("");
    let answers = best.trial.answers(ask);
    let worst = answers.iter().map(|answer| answer.standing).max().unwrap_or(Standing::Met);
    console.line(match worst {
        Standing::Met => "These settings meet every wish:",
        Standing::Unproven => "These settings meet every wish as far as the runs tell:",
        Standing::Missed => "No settings tried meet every wish. These come nearest:",
    });
    console.line(format!("  {}", best.setting.toml()));
    for answer in &answers {
        let word = match answer.standing {
            Standing::Met => "MET",
            Standing::Unproven => "UNPROVEN",
            Standing::Missed => "MISSED",
        };
        console.line(format!("  {word:8}  {}", answer.wish));
        console.line(format!("            {}", answer.measured));
    }
    if ask.pauses.is_some() {
        console.line("  A node that is declared failed while it is stopped counts as failed, not as falsely failed.");
    }
    console.line("");
    agent_words(tuned).iter().for_each(|line| console.line(line));
    console.line("");
    front(tuned, console);
    if worst == Standing::Met { Exit::Met } else { Exit::Missed }
}

/// The settings that nothing beats.
fn front(tuned: &Tuned, console: &mut Console) {
    let mut rows: Vec<_> = tuned.tried.iter().filter(|it| it.pareto).collect();
    rows.sort_by(|a, b| {
        let time = |it: &crate::tune::Tried| it.trial.detect_p95().unwrap_or(f64::INFINITY);
        time(a).total_cmp(&time(b))
    });
    console.line("Pareto front (nothing tried is better in all three):");
    console
        .line("  detect p95       B/s  false/node-week  runs  probe  susp  gossip  relays  retr");
    for it in rows.iter().take(ROWS) {
        let setting = &it.setting;
        console.line(format!(
            "  {:>10} {:>9.0} {:>16.2} {:>5} {:>4}ms {:>2}x{:<2} {:>1}/{}ms {:>7} {:>5}",
            figure(it.trial.detect_p95(), 2, " s"),
            it.trial.bytes_mean(),
            it.trial.false_failures_per_node_week(),
            it.trial.runs,
            setting.probe_interval_ms,
            setting.suspicion_mult,
            setting.suspicion_max_timeout_mult,
            setting.gossip_nodes,
            setting.gossip_interval_ms,
            setting.indirect_checks,
            setting.retransmit_mult
        ));
    }
    if rows.len() > ROWS {
        console.line(format!("  and {} more in tune.json", rows.len() - ROWS));
    }
    console.line("");
}
