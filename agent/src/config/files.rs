//! Which configuration files are read, and how.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::Config;
use super::decode::decode;
use crate::go::errors::os_text;

/// Largest configuration file that is read, in bytes.
const BYTES_MAX: u64 = 16 << 20;

/// Reads files and directories in order, and lays each file over those before it.
///
/// # Errors
///
/// Serf's text for the first problem, then a text for each further one.
pub(super) fn read(paths: &[String]) -> Result<Config, Vec<String>> {
    let mut config = Config::default();
    let mut problems = Vec::new();
    for path in paths {
        match files_of(path) {
            Ok(files) => {
                for file in files {
                    match read_one(&file) {
                        Ok(one) => config = config.merge(one),
                        Err(mut more) => problems.append(&mut more),
                    }
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

/// The files that a path of the command line stands for: itself, or the `.json` files in it by name.
fn files_of(path: &str) -> Result<Vec<PathBuf>, String> {
    let failed = |what: &str, error: &io::Error| {
        format!("Error reading '{path}': {what} {path}: {}", os_text(error))
    };
    // Opened, not only looked at: the error of a missing permission is the same as Serf's.
    let opened = fs::File::open(path).map_err(|error| failed("open", &error))?;
    let is_directory = opened.metadata().map_err(|error| failed("stat", &error))?.is_dir();
    if !is_directory {
        return Ok(vec![path.into()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(|error| failed("open", &error))? {
        let entry = entry.map_err(|error| failed("readdirent", &error))?;
        let name = entry.file_name();
        let is_file = entry.file_type().is_ok_and(|kind| !kind.is_dir());
        if is_file && name.as_bytes().ends_with(b".json") {
            files.push(entry.path());
        }
    }
    files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    Ok(files)
}

fn read_one(path: &Path) -> Result<Config, Vec<String>> {
    let shown = path.display();
    let bytes = read_bytes(path).map_err(|error| {
        vec![match error {
            ReadError::Open(error) => {
                format!("Error reading '{shown}': open {shown}: {}", os_text(&error))
            }
            ReadError::Read(error) => {
                format!("Error decoding '{shown}': read {shown}: {}", os_text(&error))
            }
        }]
    })?;
    decode(&bytes).map_err(|errors| {
        errors.into_iter().map(|error| format!("Error decoding '{shown}': {error}")).collect()
    })
}

/// At which step a file could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// Opening it.
    Open(io::Error),
    /// Reading it; also when it is larger than any sensible one.
    Read(io::Error),
}

/// Reads a whole small file.
///
/// # Errors
///
/// The operating system's, or the file is larger than 16 MiB.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, ReadError> {
    use io::Read as _;

    let file = fs::File::open(path).map_err(ReadError::Open)?;
    let mut bytes = Vec::new();
    let read = file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(ReadError::Read)?;
    if read as u64 > BYTES_MAX {
        return Err(ReadError::Read(io::Error::other("file too large")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str, text: &str) -> String {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_directory_gives_its_json_files_by_name() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "b.json", r#"{"node_name":"b","start_join":["2"]}"#);
        write(dir.path(), "a.json", r#"{"node_name":"a","start_join":["1"]}"#);
        write(dir.path(), ".hidden.json", r#"{"rpc_auth":"t"}"#);
        write(dir.path(), "c.JSON", "nonsense");
        write(dir.path(), "c.json.bak", "nonsense");
        fs::create_dir(dir.path().join("sub.json")).unwrap();
        let last = write(&dir.path().join("sub.json"), "x.json", r#"{"start_join":["0"]}"#);
        let config = read(&[dir.path().to_str().unwrap().to_owned(), last]).unwrap();
        assert_eq!(config.node_name, "b");
        assert_eq!(config.start_join, ["1", "2", "0"]);
        assert_eq!(config.rpc_auth, "t");
    }

    #[test]
    fn problems_of_all_files_are_told_the_first_one_first() {
        let dir = tempfile::tempdir().unwrap();
        let bad = write(dir.path(), "bad.json", "{\"bogus\":1}");
        let cut = write(dir.path(), "cut.json", "{");
        let missing = dir.path().join("none").to_str().unwrap().to_owned();
        assert_eq!(
            read(&[missing.clone(), bad.clone(), cut.clone()]).unwrap_err(),
            [
                format!("Error reading '{missing}': open {missing}: no such file or directory"),
                format!(
                    "Error decoding '{bad}': 1 error(s) decoding:\n\n* '' has invalid keys: bogus"
                ),
                format!("Error decoding '{cut}': unexpected EOF"),
            ]
        );
        assert_eq!(
            read(&[String::new()]).unwrap_err(),
            ["Error reading '': open : no such file or directory"]
        );
    }
}
