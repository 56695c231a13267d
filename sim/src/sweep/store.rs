//! The folder of a sweep: manifest, journal of finished units, results.
//!
//! While a sweep runs, each finished unit is one line of `rows.jsonl`, written and synced before the next of that thread
//! starts. A kill can tear the last line only; it is dropped when the sweep goes on. When all units are there, they are
//! written in order to `results.jsonl` under another name and renamed, and the journal goes. A results file is therefore
//! always whole, and its bytes do not depend on jobs, kills or shards.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::SweepError;
use super::plan::Manifest;
use super::row::Row;
use super::table;

const MANIFEST: &str = "sweep.json";
const JOURNAL: &str = "rows.jsonl";
/// Rows of all units in order.
pub const RESULTS: &str = "results.jsonl";
/// Quantiles of every figure at every point.
pub const CSV: &str = "table.csv";
/// The figures people look at first.
pub const MARKDOWN: &str = "table.md";

/// Finished units by index, each as the line that was written.
pub type Lines = BTreeMap<usize, String>;

/// What a finished sweep says.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The summary table.
    pub table: String,
    /// All rows in order.
    pub rows: Vec<Row>,
}

/// A folder that takes rows.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    manifest: Manifest,
    journal: Option<File>,
}

impl Store {
    /// Opens the folder for this sweep, or makes it; also tells what is finished already.
    ///
    /// # Errors
    /// [`SweepError::Input`] if the folder holds another sweep or damaged rows; [`SweepError::Disk`].
    pub fn open(dir: &Path, manifest: Manifest) -> Result<(Self, Lines), SweepError> {
        fs::create_dir_all(dir).map_err(|error| SweepError::disk(dir, error))?;
        if let Some(found) = read_manifest(dir)? {
            let mut differences = found.differences(&manifest);
            if found.shard != manifest.shard {
                differences.push(format!("shard: {} there, {} here", found.shard, manifest.shard));
            }
            if !differences.is_empty() {
                let mut problems = vec![format!(
                    "{}: holds another sweep; use another --out, or delete the folder:",
                    dir.display()
                )];
                problems.extend(differences.iter().map(|difference| format!("  {difference}")));
                return Err(SweepError::Input(problems));
            }
        } else {
            for name in [JOURNAL, RESULTS] {
                if dir.join(name).exists() {
                    return Err(SweepError::Input(vec![format!(
                        "{}: has {name} but no {MANIFEST}, so nobody knows what it holds: use another --out",
                        dir.display()
                    )]));
                }
            }
            replace(dir, MANIFEST, &manifest_text(&manifest))?;
        }
        let (lines, whole) = read_lines(dir, &manifest)?;
        let path = dir.join(JOURNAL);
        if path.exists() {
            let file = OpenOptions::new().write(true).open(&path);
            let cut = file.and_then(|file| file.set_len(whole).and_then(|()| file.sync_all()));
            cut.map_err(|error| SweepError::disk(&path, error))?;
        }
        Ok((Self { dir: dir.into(), manifest, journal: None }, lines))
    }

    /// Adds the row of a finished unit and waits until the disk has it.
    ///
    /// # Errors
    /// [`SweepError::Disk`].
    pub fn append(&mut self, line: &str) -> Result<(), SweepError> {
        let path = self.dir.join(JOURNAL);
        let failed = |error| SweepError::disk(&path, error);
        if self.journal.is_none() {
            let file = OpenOptions::new().append(true).create(true).open(&path).map_err(failed)?;
            self.journal = Some(file);
            sync(&self.dir)?;
        }
        if let Some(journal) = &mut self.journal {
            journal.write_all(format!("{line}\n").as_bytes()).map_err(failed)?;
            journal.sync_data().map_err(failed)?;
        }
        Ok(())
    }

    /// Writes results and tables of a sweep whose units are all finished, and returns what they say.
    ///
    /// # Errors
    /// [`SweepError::Disk`]; [`SweepError::Input`] for a row that is none.
    pub fn finish(mut self, lines: &Lines) -> Result<Finished, SweepError> {
        self.journal = None;
        let rows = parsed(lines)?;
        let mut text = String::new();
        for line in lines.values() {
            text.push_str(line);
            text.push('\n');
        }
        replace(&self.dir, RESULTS, &text)?;
        let summary = table::markdown(&self.manifest, &rows);
        replace(&self.dir, CSV, &table::csv(&self.manifest, &rows))?;
        replace(&self.dir, MARKDOWN, &summary)?;
        match fs::remove_file(self.dir.join(JOURNAL)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(SweepError::disk(&self.dir.join(JOURNAL), error))
            }
            Ok(()) | Err(_) => Ok(Finished { table: summary, rows }),
        }
    }
}

/// Manifest and finished units of a folder, which is left as it is.
///
/// # Errors
/// [`SweepError::Input`] if it holds no sweep or damaged rows; [`SweepError::Disk`].
pub fn read(dir: &Path) -> Result<(Manifest, Lines), SweepError> {
    let manifest = read_manifest(dir)?.ok_or_else(|| {
        SweepError::Input(vec![format!("{}: holds no sweep: it has no {MANIFEST}", dir.display())])
    })?;
    let (lines, _) = read_lines(dir, &manifest)?;
    Ok((manifest, lines))
}

fn parsed(lines: &Lines) -> Result<Vec<Row>, SweepError> {
    let row = |(unit, line): (&usize, &String)| {
        serde_json::from_str(line)
            .map_err(|error| SweepError::Input(vec![format!("unit {unit} is no row: {error}")]))
    };
    lines.iter().map(row).collect()
}

fn manifest_text(manifest: &Manifest) -> String {
    let mut text = serde_json::to_string(manifest).unwrap_or_default();
    text.push('\n');
    text
}

fn read_manifest(dir: &Path) -> Result<Option<Manifest>, SweepError> {
    let path = dir.join(MANIFEST);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SweepError::disk(&path, error)),
    };
    let wrong = |error| {
        SweepError::Input(vec![format!("{}: is no manifest of a sweep: {error}", path.display())])
    };
    serde_json::from_str(&text).map(Some).map_err(wrong)
}

/// All whole rows of results and journal, and the length of the journal without a torn last line.
fn read_lines(dir: &Path, manifest: &Manifest) -> Result<(Lines, u64), SweepError> {
    let mut lines = Lines::new();
    let mut whole = 0;
    for (name, may_be_torn) in [(RESULTS, false), (JOURNAL, true)] {
        let path = dir.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(SweepError::disk(&path, error)),
        };
        let kept = scan(&bytes, may_be_torn, manifest, &mut lines).map_err(|(line, problem)| {
            SweepError::Input(vec![format!("{}:{line}: {problem}", path.display())])
        })?;
        if may_be_torn {
            whole = kept as u64;
        }
    }
    Ok((lines, whole))
}

/// Takes rows from `bytes`; returns the length of what was taken. The error is a line number and the problem.
fn scan(
    bytes: &[u8],
    may_be_torn: bool,
    manifest: &Manifest,
    lines: &mut Lines,
) -> Result<usize, (usize, String)> {
    let mut kept = 0;
    for (number, piece) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let last = kept + piece.len() == bytes.len();
        let row = match piece.strip_suffix(b"\n") {
            Some(line) => checked(line, manifest),
            None => Err("the line has no end".into()),
        };
        match row {
            Ok((unit, line)) => match lines.get(&unit) {
                Some(known) if *known != line => {
                    let unit = manifest.unit_in_words(unit);
                    return Err((number, format!("{unit} is there twice with different figures")));
                }
                Some(_) => {}
                None => {
                    lines.insert(unit, line);
                }
            },
            // A write that a kill or a power cut stopped half-way.
            Err(_) if may_be_torn && last => return Ok(kept),
            Err(problem) => return Err((number, problem)),
        }
        kept += piece.len();
    }
    Ok(kept)
}

/// A line as a row of this sweep: its unit and its text.
fn checked(line: &[u8], manifest: &Manifest) -> Result<(usize, String), String> {
    let text = str::from_utf8(line).map_err(|_| "is not UTF-8".to_owned())?;
    let row: Row = serde_json::from_str(text).map_err(|error| format!("is no row: {error}"))?;
    let (point, seed) = manifest
        .unit(row.unit)
        .filter(|_| manifest.shard.holds(row.unit))
        .ok_or_else(|| format!("unit {} is not of shard {}", row.unit, manifest.shard))?;
    if row.seed != seed || row.point != point.values() {
        return Err(format!("unit {} is another run than in this sweep", row.unit));
    }
    Ok((row.unit, text.to_owned()))
}

/// Writes a file under another name, syncs it, and renames it.
fn replace(dir: &Path, name: &str, text: &str) -> Result<(), SweepError> {
    let (path, draft) = (dir.join(name), dir.join(format!(".{name}.part")));
    let write = || {
        let mut file = File::create(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, &path)
    };
    write().map_err(|error| SweepError::disk(&path, error))?;
    sync(dir)
}

/// Waits until the disk has the names in a folder.
fn sync(dir: &Path) -> Result<(), SweepError> {
    let synced = File::open(dir).and_then(|folder| folder.sync_all());
    synced.map_err(|error| SweepError::disk(dir, error))
}
