//! `sim why`: the causes behind what one node thought of another.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Console, Exit, Sets, load_all};
use crate::history::document::{Document, FILE};
use crate::history::{self, History};
use crate::scenario::parse_duration;
use crate::why::Why;
use crate::world;

const EXAMPLES: &str = "\
Examples:
  sim why reports/52-nodes host7 host3
      the latest verdict of host7 against host3 in the recorded seed of a report
  sim why reports/52-nodes host7 host3 --at 100s
      what host7 thought of host3 a hundred seconds into the run, and why
  sim why scenarios/lossy-25.toml --seed 3 host1 host2
      the same for any seed: it is run again and recorded

Exit codes:
  0  told
  2  the input is wrong: no such file, no history in it, no such node
  3  the machine failed";

/// Arguments of `sim why`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct WhyArgs {
    /// Folder of a report, or a scenario file, which is run again
    #[arg(value_name = "REPORT|FILE")]
    source: PathBuf,
    /// Who thinks
    #[arg(value_name = "OBSERVER")]
    observer: String,
    /// Of whom
    #[arg(value_name = "SUBJECT")]
    subject: String,
    /// When; unless given, the latest verdict against the subject
    #[arg(long, value_name = "T", value_parser = parse_duration)]
    at: Option<u64>,
    /// The seed to run; only with a scenario file
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Most records to keep while it runs; only with a scenario file
    #[arg(long, value_name = "N", default_value_t = history::LIMIT)]
    history: usize,
    #[command(flatten)]
    sets: Sets,
}

pub(super) fn why(args: &WhyArgs, console: &mut Console) -> Exit {
    let report = args.source.is_dir() || args.source.ends_with(FILE);
    let document = if report {
        if args.seed.is_some() || !args.sets.sets.is_empty() {
            console.error(
                "--seed and --set are for scenario files: a report holds one seed, recorded when it was written",
            );
            return Exit::Input;
        }
        read(&args.source, console)
    } else {
        record(args, console)
    };
    let Some(document) = document else { return Exit::Input };
    let find = |name: &str, role: &str, console: &mut Console| {
        let found = document.names.iter().position(|it| it == name);
        if found.is_none() {
            console.error(unknown(name, role, &document));
        }
        found.and_then(|index| u32::try_from(index).ok())
    };
    let observer = find(&args.observer, "observer", console);
    let subject = find(&args.subject, "subject", console);
    let (Some(observer), Some(subject)) = (observer, subject) else { return Exit::Input };
    if observer == subject {
        console.error(format!("{} is both observer and subject: name two nodes", args.subject));
        return Exit::Input;
    }
    let at = args.at.map(|nanos| nanos / 1_000);
    if let Some(at) = at.filter(|at| *at > document.duration) {
        console.error(format!(
            "--at {} is after the end of the run at {}",
            crate::why::seconds(at),
            crate::why::seconds(document.duration)
        ));
        return Exit::Input;
    }
    console.line(format!("{}, seed {}", document.scenario, document.seed));
    console.line(Why::new(&document).text(observer, subject, at));
    Exit::Met
}

/// The history in a report folder.
fn read(folder: &Path, console: &mut Console) -> Option<Document> {
    let path = if folder.is_dir() { folder.join(FILE) } else { folder.to_path_buf() };
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            console.error(format!(
                "{} has no {FILE}: `sim run` writes it with the report, unless --history 0 is given; or name the \
                 scenario file and --seed instead of the folder",
                folder.display()
            ));
            return None;
        }
        Err(error) => {
            console.error(format!("cannot read {}: {error}", path.display()));
            return None;
        }
    };
    Document::from_bytes(&bytes)
        .map_err(|error| console.error(format!("{} is no history: {error}", path.display())))
        .ok()
}

/// Runs one seed of a scenario and records it.
fn record(args: &WhyArgs, console: &mut Console) -> Option<Document> {
    let files = std::slice::from_ref(&args.source);
    let scenario = load_all(files, &args.sets.sets, console)?.pop()?;
    let seed = args.seed.or_else(|| scenario.seeds.first().copied()).unwrap_or(1);
    let history = History::new(&scenario, args.history);
    world::run_recorded(&scenario, seed, Some(history), &mut |_| {}).1
}

fn unknown(name: &str, role: &str, document: &Document) -> String {
    const SHOWN: usize = 6;
    let near = document
        .names
        .iter()
        .map(|it| (strsim::damerau_levenshtein(it, name), it))
        .filter(|(distance, _)| *distance <= 2)
        .min();
    let hint = near.map_or_else(
        || {
            let some: Vec<&str> = document.names.iter().take(SHOWN).map(String::as_str).collect();
            let more = document.names.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("the run had {}{more}", some.join(", "))
        },
        |(_, it)| format!("did you mean {it}?"),
    );
    format!("{role} `{name}`: no such node; {hint}")
}
