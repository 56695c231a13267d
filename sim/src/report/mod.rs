//! The report of a run: `summary.json` for machines, pictures, and one self-contained page for people.
//!
//! Everything is a function of scenario, results and outcome: no clock, no path of this machine, no font of this
//! machine, so that two runs of the same thing give the same bytes.

mod axis;
mod canvas;
mod chart;
mod coordinates;
mod departures;
mod facts;
mod figures;
mod flags;
mod html;
mod invariants;
pub mod overlay;
pub(crate) mod plot;
mod queries;
mod see;
pub(crate) mod stats;
mod summary;
#[cfg(test)]
mod tests;
mod timeline;

use std::fs;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub(crate) use self::axis::thousands;
pub(crate) use self::flags::happenings;
pub use self::summary::SCHEMA;
use crate::history;
use crate::history::document::{Document, HistoryError};
use crate::metrics::SeedResult;
use crate::outcome::Outcome;
use crate::scenario::Scenario;

/// Why a report could not be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A picture could not be drawn.
    #[error("cannot draw a picture: {0}")]
    Draw(String),
    /// The summary could not be put into JSON.
    #[error("cannot write the summary as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The history could not be packed.
    #[error("cannot pack the history: {0}")]
    History(#[from] HistoryError),
}

/// Writes the whole report into `out`, which is made if it is missing, and says which files it wrote.
///
/// `results` and `outcome` must belong to `scenario`, results in the order of [`Outcome::seeds`]. Each file appears
/// under its name only when it is complete; `summary.json` comes last. Pictures of an earlier run that this run has no
/// data for are removed, so that the folder never mixes two runs.
///
/// # Errors
///
/// If a file cannot be written or a picture cannot be drawn.
pub fn write(
    scenario: &Scenario,
    results: &[SeedResult],
    outcome: &Outcome,
    out: &Path,
) -> Result<Vec<PathBuf>, ReportError> {
    write_with(scenario, results, outcome, None, out)
}

/// The same, with the history of one of the seeds: a file of its own, and a part of the page.
///
/// # Errors
///
/// As [`write()`].
pub fn write_with(
    scenario: &Scenario,
    results: &[SeedResult],
    outcome: &Outcome,
    history: Option<&Document>,
    out: &Path,
) -> Result<Vec<PathBuf>, ReportError> {
    fs::create_dir_all(out)
        .map_err(|source| ReportError::Write { path: out.to_path_buf(), source })?;
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut page = Vec::new();
    for figure in figures::all(scenario, results) {
        let drawing = match &figure.chart {
            Some(chart) => {
                let svg = canvas::svg(chart, &figure.title)?;
                files.push((format!("{}.svg", figure.stem), svg.clone().into_bytes()));
                files.push((format!("{}.png", figure.stem), canvas::png(chart)?));
                Some(svg)
            }
            None => None,
        };
        page.push((figure, drawing));
    }
    let packed = history.map(Document::to_bytes).transpose()?;
    let recorded =
        history.zip(packed.as_deref()).map(|(document, packed)| see::Recorded { document, packed });
    let html = html::page(scenario, results, outcome, &page, recorded.as_ref());
    files.push(("report.html".into(), html.into_bytes()));
    files.extend(packed.map(|packed| (history::document::FILE.into(), packed)));
    files.push(("summary.json".into(), summary::text(scenario, results, outcome)?.into_bytes()));
    remove_stale(out, &files)?;
    files.iter().map(|(name, content)| put(out, name, content)).collect()
}

/// Writes one file under a name of its own and renames it.
pub(crate) fn put(out: &Path, name: &str, content: &[u8]) -> Result<PathBuf, ReportError> {
    let path = out.join(name);
    let draft = out.join(format!(".{name}.part"));
    let failed = |source| ReportError::Write { path: path.clone(), source };
    fs::write(&draft, content).map_err(failed)?;
    fs::rename(&draft, &path).map_err(failed)?;
    Ok(path)
}

fn remove_stale(out: &Path, files: &[(String, Vec<u8>)]) -> Result<(), ReportError> {
    const STEMS: [&str; 8] = [
        "convergence",
        "formation",
        "dissemination",
        "queries",
        "detection",
        "bytes",
        "view",
        "coordinates",
    ];
    let failed = |source| ReportError::Write { path: out.to_path_buf(), source };
    for entry in fs::read_dir(out).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let Some(name) = name.to_str() else { continue };
        let Some((stem, ending)) = name.rsplit_once('.') else { continue };
        let picture = (STEMS.contains(&stem) || stem.starts_with("convergence-"))
            && (ending == "svg" || ending == "png");
        let ours = picture || name == history::document::FILE;
        if ours && files.iter().all(|(written, _)| written != name) {
            let path = out.join(name);
            fs::remove_file(&path).map_err(|source| ReportError::Write { path, source })?;
        }
    }
    Ok(())
}
