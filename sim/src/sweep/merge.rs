//! `sim merge`: the parts of a sweep become the whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::SweepError;
use super::grid::Shard;
use super::plan::Manifest;
use super::store::{Lines, Store, read};

/// Missing units that are named one by one.
const NAMED: usize = 3;

/// Joins the parts in `dirs` into `out`, with exactly the bytes that one sweep over everything writes. Returns the summary
/// table.
///
/// # Errors
/// [`SweepError::Input`] with every problem: folders that hold no sweep, parts of different sweeps, parts that are there
/// twice, missing or not finished. [`SweepError::Disk`].
pub fn merge(dirs: &[PathBuf], out: &Path) -> Result<String, SweepError> {
    let mut problems = Vec::new();
    let mut parts: Vec<(&PathBuf, Manifest, Lines)> = Vec::new();
    for dir in dirs {
        match read(dir) {
            Ok((manifest, lines)) => parts.push((dir, manifest, lines)),
            Err(SweepError::Input(found)) => problems.extend(found),
            Err(
                error @ (SweepError::Disk { .. } | SweepError::Runs(_) | SweepError::Threads(_)),
            ) => {
                return Err(error);
            }
        }
    }
    let Some((first_dir, first, _)) = parts.first() else {
        return Err(SweepError::Input(problems));
    };
    let (whole, of) = (Manifest { shard: Shard::WHOLE, ..first.clone() }, first.shard.of);
    for (dir, manifest, _) in parts.get(1..).unwrap_or_default() {
        for difference in first.differences(manifest) {
            problems.push(format!(
                "{} and {} are not of one sweep: {difference}",
                first_dir.display(),
                dir.display()
            ));
        }
        if manifest.shard.of != of {
            problems.push(format!(
                "{} is one of {} shards, {} one of {of}",
                dir.display(),
                manifest.shard.of,
                first_dir.display()
            ));
        }
    }
    if problems.is_empty() {
        problems.extend(gaps(&parts, of));
    }
    if !problems.is_empty() {
        return Err(SweepError::Input(problems));
    }
    let lines: Lines = parts.into_iter().flat_map(|(_, _, lines)| lines).collect();
    let (store, _) = Store::open(out, whole)?;
    Ok(store.finish(&lines)?.table)
}

/// Parts that are twice there, not there, or not finished.
fn gaps(parts: &[(&PathBuf, Manifest, Lines)], of: usize) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<usize, &Path> = BTreeMap::new();
    for (dir, manifest, lines) in parts {
        if let Some(other) = seen.insert(manifest.shard.part, dir) {
            problems.push(format!(
                "{} and {} both hold shard {}: name one of them",
                other.display(),
                dir.display(),
                manifest.shard
            ));
        }
        let missing: Vec<usize> =
            manifest.own_units().filter(|unit| !lines.contains_key(unit)).collect();
        if !missing.is_empty() {
            let named: Vec<String> =
                missing.iter().take(NAMED).map(|unit| manifest.unit_in_words(*unit)).collect();
            let more = if missing.len() > NAMED { "; …" } else { "" };
            problems.push(format!(
                "{}: {} of its {} units are missing ({}{more}): start its sweep again, it goes on where it stopped",
                dir.display(),
                missing.len(),
                manifest.own_units().count(),
                named.join("; ")
            ));
        }
    }
    let absent: Vec<String> = (1..=of)
        .filter(|part| !seen.contains_key(part))
        .map(|part| Shard { part, of }.to_string())
        .collect();
    if !absent.is_empty() {
        problems.push(format!("missing shards: {}", absent.join(", ")));
    }
    problems
}
