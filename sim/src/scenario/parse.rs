//! From a TOML file to a validated [`Scenario`], or to every problem the file has.

use std::collections::BTreeSet;
use std::path::Path;

use super::document::{self, Item, Value};
use super::fault::{self, Placed};
use super::field::{Field, Table};
use super::problem::{Problems, ScenarioErrors};
use super::{expect, hash, lives, network, nodes, settings, start, work};
use crate::scenario::{Nanos, Scenario, Start};

/// Most seeds of one run.
const SEEDS_MAX: u64 = 1_000_000;
const SERIES_BUCKET: Nanos = 1_000_000_000;

/// Reads and checks a scenario file, with `key=value` changes from the command line applied first.
///
/// # Errors
/// Every problem of the file and the changes, each with place, key, rule and fix.
pub fn load(file: &Path, sets: &[String]) -> Result<Scenario, ScenarioErrors> {
    match std::fs::read_to_string(file) {
        Ok(text) => parse(&text, file, sets),
        Err(error) => Err(ScenarioErrors {
            file: file.to_owned(),
            messages: vec![format!("{}: cannot be read: {error}", file.display())],
        }),
    }
}

/// Checks a scenario text; `file` is the name used in messages and for the report.
///
/// # Errors
/// Every problem of the text and the changes, each with place, key, rule and fix.
pub fn parse(text: &str, file: &Path, sets: &[String]) -> Result<Scenario, ScenarioErrors> {
    let mut problems = Problems::new(file, sets);
    let scenario = document::read(text, &mut problems).and_then(|mut root| {
        for (index, set) in sets.iter().enumerate() {
            document::set(&mut root, index, set, &mut problems);
        }
        build(&root, &shown_text(text, sets), file, &mut problems)
    });
    match scenario {
        Some(scenario) if problems.is_empty() => Ok(scenario),
        _ => Err(problems.into_errors()),
    }
}

/// Reads seeds as the command line and scenario files write them: `20` means 1 to 20, `5..9` means 5 to 9.
///
/// # Errors
/// The rule and the fix in words.
pub fn parse_seeds(text: &str) -> Result<Vec<u64>, String> {
    let number = |text: &str| {
        text.trim().parse::<u64>().map_err(|_| {
            format!("\"{text}\" is no number: write a count such as 20 or a range such as 1..100")
        })
    };
    let (low, high) = match text.split_once("..") {
        Some((low, high)) => (number(low)?, number(high)?),
        None => (1, number(text)?),
    };
    if low > high {
        return Err(format!("\"{text}\" names no seed: the first must not be above the last"));
    }
    if high - low >= SEEDS_MAX {
        return Err(format!("\"{text}\" names more than {SEEDS_MAX} seeds"));
    }
    Ok((low..=high).collect())
}

fn build(root: &Item, text: &str, file: &Path, problems: &mut Problems<'_>) -> Option<Scenario> {
    let field = Field { item: root, path: String::new() };
    let mut table = field.table("a table", problems)?;
    let title = table
        .required("title", "title = \"What this scenario shows\"", problems)
        .and_then(|field| field.string("one line of text", problems));
    let description =
        table.field("description").and_then(|field| field.string("a few lines of text", problems));
    let seeds = seeds(&mut table, problems);
    let duration = table
        .required("duration", "duration = \"60s\", the virtual time to simulate", problems)
        .and_then(|field| field.positive(problems));
    let series_bucket = series_bucket(&mut table, duration, problems);
    let nodes::Nodes { specs, names, regions, takers } =
        nodes::read(&mut table, duration, problems);
    let mut settings = settings::read(&mut table, problems);
    let network = network::read(&mut table, &regions, problems);
    let start = start::read(&mut table, duration, &names, problems);
    let faults = fault::read(&mut table, duration, &names, problems);
    settings.keep_snapshots(&faults, problems);
    settings.check_rekeys(&faults, problems);
    let around = work::Around { duration, names: &names, specs: &specs, config: &settings.config };
    let workload = work::read(&mut table, &around, problems);
    if let Start::Warm = start {
        let members = specs.partition_point(|spec| spec.claim.is_none());
        settings.check_warm(&specs[..members], problems);
    }
    lives::check(&start, &specs, &takers, &faults, &workload, &names, problems);
    // One block may stand for many faults or pieces of work.
    let faults_read: BTreeSet<&str> = faults.iter().map(|fault| fault.path.as_str()).collect();
    let works_read: BTreeSet<&str> = workload.iter().map(|work| work.path.as_str()).collect();
    let complete =
        faults_read.len() == blocks(root, "fault") && works_read.len() == blocks(root, "work");
    let around = expect::Around {
        duration,
        names: &names,
        config: &settings.config,
        faults: &faults,
        workload: &workload,
        complete,
    };
    let expects = expect::read(&mut table, &around, problems);
    table.finish(&TOP_HINTS, problems);
    let mut scenario = Scenario {
        name: file.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        file: file.to_owned(),
        title: title?.trim().into(),
        description: description.unwrap_or_default().trim().into(),
        text: text.into(),
        config_hash: 0,
        seeds: seeds?,
        duration: duration?,
        nodes: specs,
        start,
        config: settings.config,
        network,
        faults: values(faults),
        workload: values(workload),
        expects,
        series_bucket: series_bucket?,
    };
    scenario.config_hash = hash::config_hash(&scenario);
    Some(scenario)
}

/// Keys that people look for at the top and that live elsewhere.
const TOP_HINTS: [(&str, &str); 8] = [
    ("latency", "it belongs into `network`, as in network = { latency = \"1ms\" }"),
    ("loss", "it belongs into `network`, as in network = { loss = 0.01 }"),
    ("preset", "it belongs into `config`, as in config = { preset = \"lan\" }"),
    ("faults", "write one [[fault]] block for each"),
    ("workload", "write one [[work]] block for each"),
    ("expects", "write one [[expect]] block for each"),
    ("links", "write one [[link]] block for each"),
    ("name", "a scenario is named after its file"),
];

/// The file, and above it what the command line changed, so that a report tells the whole story.
fn shown_text(text: &str, sets: &[String]) -> String {
    let mut shown = String::new();
    for set in sets {
        shown.push_str("# changed on the command line: --set ");
        shown.push_str(set);
        shown.push('\n');
    }
    shown.push_str(text);
    shown
}

fn seeds(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<Vec<u64>> {
    let Some(field) = table.field("seeds") else { return Some(vec![1]) };
    match &field.item.value {
        Value::Integer(_) => field.integer(1, SEEDS_MAX, problems).map(|n| (1..=n).collect()),
        Value::String(text) => {
            parse_seeds(text).map_err(|error| field.refuse(error, problems)).ok()
        }
        Value::Float(_) | Value::Bool(_) | Value::Other(_) | Value::Array(_) | Value::Table(_) => {
            let fields = field.list("a count, a list of numbers or \"1..100\"", problems)?;
            let seeds: Option<Vec<u64>> = fields
                .iter()
                .map(|one| one.integer(0, i64::MAX.unsigned_abs(), problems))
                .collect();
            let seeds = seeds?;
            let mut sorted = seeds.clone();
            sorted.sort_unstable();
            if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                field.refuse(format!("seed {} is there twice", pair[0]), problems);
            }
            if seeds.is_empty() {
                field.refuse("is empty: name at least one seed", problems);
            }
            Some(seeds)
        }
    }
}

/// Buckets of the bytes-per-node series, neither longer than the run nor absurdly many.
fn series_bucket(
    table: &mut Table<'_>,
    duration: Option<Nanos>,
    problems: &mut Problems<'_>,
) -> Option<Nanos> {
    const BUCKETS_MAX: u64 = 100_000;
    let Some(field) = table.field("series_bucket") else {
        let coarse = duration.unwrap_or(0) / BUCKETS_MAX;
        return Some(SERIES_BUCKET.max(coarse));
    };
    let bucket = field.positive(problems)?;
    if duration.is_some_and(|duration| duration / bucket > BUCKETS_MAX) {
        field.refuse(
            format!("makes more than {BUCKETS_MAX} buckets in this run: make it longer"),
            problems,
        );
    }
    Some(bucket)
}

fn blocks(root: &Item, key: &str) -> usize {
    let Value::Table(entries) = &root.value else { return 0 };
    match entries.iter().find(|entry| entry.key == key).map(|entry| &entry.item.value) {
        Some(Value::Array(items)) => items.len(),
        _ => 0,
    }
}

fn values<T>(placed: Vec<Placed<T>>) -> Vec<T> {
    placed.into_iter().map(|one| one.value).collect()
}
