//! `sim replay`: one seed again, looked at closely; or a capsule, to see its broken invariant again.

use std::path::PathBuf;

use clap::Args;

use super::{Console, Exit, Sets, load_all, run, summary, swarm};
use crate::capsule::{COMMIT, Capsule};
use crate::scenario::{Nanos, format_duration, parse};
use crate::swarm::trial::{Trial, run_text};

/// Arguments of `sim replay`.
#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Scenario file, or a capsule that `sim swarm` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The seed to run; a capsule has its own
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    #[command(flatten)]
    sets: Sets,
}

pub(super) fn replay(args: &ReplayArgs, console: &mut Console) -> Exit {
    match swarm::read_capsule(&args.file) {
        Some(Ok(capsule)) => return replay_capsule(args, &capsule, console),
        Some(Err(error)) => {
            console.error(error);
            return Exit::Input;
        }
        None => {}
    }
    let Some(seed) = args.seed else {
        console.error(format!(
            "{}: is no capsule, so it needs the seed to run: add --seed 1",
            args.file.display()
        ));
        return Exit::Input;
    };
    let files = std::slice::from_ref(&args.file);
    let Some(scenarios) = load_all(files, &args.sets.sets, console) else { return Exit::Input };
    let mut exit = Exit::Met;
    for scenario in &scenarios {
        match run::simulate(scenario, &[seed], Some(1), None, false, console) {
            Ok((results, outcome, _)) => {
                for line in
                    results.iter().flat_map(|result| summary::of_seed(scenario, &outcome, result))
                {
                    console.line(line);
                }
                // One seed decides here, whatever share of many would have been enough.
                let held = results.iter().flat_map(|it| &it.verdicts).all(|verdict| verdict.held);
                let broken = outcome.invariants.iter().any(|invariant| invariant.fail > 0);
                if !held || broken {
                    exit = exit.max(Exit::Missed);
                }
            }
            Err(error) => {
                console.error(format!("{}: {error}", scenario.file.display()));
                exit = exit.max(Exit::Failed);
            }
        }
    }
    exit
}

/// Runs a capsule and compares. A broken invariant is what it is for, and yet exits with 1, as every failure does.
fn replay_capsule(args: &ReplayArgs, capsule: &Capsule, console: &mut Console) -> Exit {
    if args.seed.is_some_and(|seed| seed != capsule.seed) || !args.sets.sets.is_empty() {
        console.error(format!(
            "{}: a capsule has its own seed and settings: leave out --seed and --set, or copy its scenario to a file",
            args.file.display()
        ));
        return Exit::Input;
    }
    let parsed = parse(&capsule.scenario, &args.file, &[]);
    let (Ok(scenario), Some(trial)) =
        (&parsed, run_text(&capsule.scenario, capsule.seed, &capsule.invariant))
    else {
        if let Err(errors) = &parsed {
            console.error(format!("the scenario in the capsule is refused:\n{errors}"));
        }
        return Exit::Input;
    };
    let row = |label: &str, text: &str| format!("  {label:<16} {text}");
    console.line(format!("{}: {}", args.file.display(), scenario.title));
    let size = format!(
        "{}, {} of virtual time, seed {}",
        super::counted(scenario.members().len(), "node"),
        format_duration(scenario.duration),
        capsule.seed
    );
    console.line(row("scenario", &size));
    let commit = if capsule.commit == COMMIT && capsule.version == env!("CARGO_PKG_VERSION") {
        format!("{COMMIT}, the same")
    } else {
        format!("{COMMIT} here, and {} {} wrote the capsule", capsule.version, capsule.commit)
    };
    console.line(row("commit", &commit));
    console.line(row("trace hash", &hashes(capsule.hash, trial.hash())));
    for (label, text) in verdicts(capsule, &trial) {
        console.line(row(label, &text));
    }
    if trial.failures.is_empty() { Exit::Met } else { Exit::Missed }
}

fn hashes(expected: Option<u64>, found: Option<u64>) -> String {
    let word =
        |hash: Option<u64>| hash.map_or("none (panic)".into(), |hash| format!("{hash:016x}"));
    if expected == found {
        format!("{}, the same", word(found))
    } else {
        format!("{} here, and {} in the capsule: the run is another", word(found), word(expected))
    }
}

/// What was broken then and now.
fn verdicts(capsule: &Capsule, trial: &Trial) -> Vec<(&'static str, String)> {
    let told = |at: Nanos, text: &str| format!("at {}: {text}", format_duration(at));
    let mut rows = Vec::new();
    match trial.failure(&capsule.invariant) {
        Some(now) => {
            let same = now.text == capsule.text && format_duration(now.at) == capsule.at;
            let how = if same { ", as in the capsule" } else { ", in another way" };
            rows.push(("broken again", format!("{}{how}", capsule.invariant)));
            rows.push(("", told(now.at, &now.text)));
            if !same {
                rows.push(("in the capsule", format!("at {}: {}", capsule.at, capsule.text)));
            }
        }
        None => {
            rows.push(("not broken", format!("{} holds here", capsule.invariant)));
            rows.push(("in the capsule", format!("at {}: {}", capsule.at, capsule.text)));
        }
    }
    let others = trial.failures.iter().filter(|failure| failure.invariant != capsule.invariant);
    rows.extend(
        others.map(|it| ("also broken", format!("{}, {}", it.invariant, told(it.at, &it.text)))),
    );
    rows
}
