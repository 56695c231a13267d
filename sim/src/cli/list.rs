//! `sim list`: the scenarios of a directory as a table.

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Console, Exit, counted, grouped};
use crate::scenario::{format_duration, load};

/// Arguments of `sim list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Directory to look in
    #[arg(value_name = "DIR", default_value = "scenarios")]
    dir: PathBuf,
}

pub(super) fn list(args: &ListArgs, console: &mut Console) -> Exit {
    let files = match scenario_files(&args.dir) {
        Ok(files) => files,
        Err(error) => {
            console.error(format!("{}: cannot be listed: {error}", args.dir.display()));
            return Exit::Input;
        }
    };
    if files.is_empty() {
        console.error(format!("{}: no scenario files (*.toml) here", args.dir.display()));
        return Exit::Input;
    }
    let mut rows = vec![["name", "nodes", "duration", "seeds", "title"].map(String::from)];
    let mut broken = Vec::new();
    for file in &files {
        match load(file, &[]) {
            Ok(scenario) => rows.push([
                scenario.name,
                grouped(scenario.nodes.len() as u64),
                format_duration(scenario.duration),
                grouped(scenario.seeds.len() as u64),
                scenario.title,
            ]),
            Err(errors) => broken.push(format!(
                "{}: has {}; see sim validate {}",
                file.display(),
                counted(errors.messages.len(), "problem"),
                file.display()
            )),
        }
    }
    for line in table(&rows) {
        console.line(line);
    }
    for text in &broken {
        console.error(text);
    }
    if broken.is_empty() { Exit::Met } else { Exit::Input }
}

fn scenario_files(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Columns wide enough for their longest entry; numbers to the right.
fn table(rows: &[[String; 5]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let [name, nodes, duration, seeds] = [width(0), width(1), width(2), width(3)];
    rows.iter()
        .map(|row| {
            format!(
                "{:<name$}  {:>nodes$}  {:>duration$}  {:>seeds$}  {}",
                row[0], row[1], row[2], row[3], row[4]
            )
        })
        .collect()
}
