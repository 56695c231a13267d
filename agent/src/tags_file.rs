//! The file that keeps tags between starts: a JSON object of texts.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde_json::Value;
use uwasa_core::tags::Tags;

use crate::config::files::{ReadError, read_bytes};
use crate::config::json;
use crate::file::write_atomically;
use crate::go;
use crate::go::errors::os_text;

/// Reads the tags; `None` if there is no such file.
///
/// # Errors
///
/// Serf's text.
pub(crate) fn read(path: &Path) -> Result<Option<Tags>, String> {
    let bytes = match read_bytes(path) {
        Ok(bytes) => bytes,
        Err(ReadError::Open(error)) if is_missing(&error) => return Ok(None),
        Err(ReadError::Open(error)) => return Err(failed("open", path, &error)),
        Err(ReadError::Read(error)) => return Err(failed("read", path, &error)),
    };
    decode(&bytes).map(Some).map_err(|error| format!("Failed to decode tags file: {error}"))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn failed(what: &str, path: &Path, error: &io::Error) -> String {
    format!("Failed to read tags file: {what} {}: {}", path.display(), os_text(error))
}

fn decode(bytes: &[u8]) -> Result<Tags, String> {
    let document = json::document(bytes)?;
    if document.is_null() {
        return Ok(Tags::new());
    }
    let Value::Object(object) = document else {
        return Err(mismatch(&document, "map[string]string"));
    };
    let mut tags = Tags::new();
    for (name, value) in &object {
        tags.insert(name, text(value)?);
    }
    Ok(tags)
}

/// The text that a value is; null is the empty one.
///
/// # Errors
///
/// Go's text for a value of another type.
pub(crate) fn text(value: &Value) -> Result<&str, String> {
    if value.is_null() {
        return Ok("");
    }
    value.as_str().ok_or_else(|| mismatch(value, "string"))
}

/// Go's text for a value of the wrong type.
pub(crate) fn mismatch(value: &Value, wanted: &str) -> String {
    format!("json: cannot unmarshal {} into Go value of type {wanted}", json::kind(value))
}

/// Writes the tags. The file is replaced as a whole, mode 0600.
///
/// # Errors
///
/// Serf's text.
pub(crate) fn write(path: &Path, tags: &Tags) -> Result<(), String> {
    let pairs: BTreeMap<&str, &str> = tags.iter().collect();
    write_atomically(path, go::json::pretty(&pairs).as_bytes()).map_err(|error| {
        format!("Failed to write tags file: open {}: {}", path.display(), os_text(&error))
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn decoded(text: &str) -> Result<usize, String> {
        decode(text.as_bytes()).map(|tags| tags.len())
    }

    #[test]
    fn tags_come_back_as_they_were_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tags.json");
        assert_eq!(read(&path), Ok(None));
        let tags: Tags = [("role", "web"), ("a<b", "x&y")].into_iter().collect();
        write(&path, &tags).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "{\n  \"a\\u003cb\": \"x\\u0026y\",\n  \"role\": \"web\"\n}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path), Ok(Some(tags)));
        write(&path, &Tags::new()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}");
    }

    #[test]
    fn bad_files_are_told_in_serf_s_words() {
        let into =
            |kind, wanted| format!("json: cannot unmarshal {kind} into Go value of type {wanted}");
        for (text, error) in [
            ("", "unexpected end of JSON input".to_owned()),
            ("{\"a\":\"b\"}x", "invalid character 'x' after top-level value".to_owned()),
            ("[1]", into("array", "map[string]string")),
            ("true", into("bool", "map[string]string")),
            ("{\"a\":1}", into("number", "string")),
            ("{\"a\":{}}", into("object", "string")),
        ] {
            assert_eq!(decoded(text), Err(error), "{text}");
        }
        assert_eq!(decoded("{\"a\":null}"), Ok(1));
        assert_eq!(decoded("null"), Ok(0));
        let dir = tempfile::tempdir().unwrap();
        let error = read(dir.path()).unwrap_err();
        let shown = dir.path().display();
        assert_eq!(error, format!("Failed to read tags file: read {shown}: is a directory"));
    }
}
