//! The file that keeps encryption keys between starts: a JSON array of base64 texts, the primary key first.

use std::path::Path;

use serde_json::Value;
use uwasa_core::keyring::{Key, Keyring};

use crate::config::files::{ReadError, read_bytes};
use crate::config::json;
use crate::file::write_atomically;
use crate::go;
use crate::go::errors::os_text;
use crate::tags_file::{mismatch, text};

/// Reads the keys.
///
/// # Errors
///
/// Serf's text: the file is missing, not readable, no list of keys, or empty.
pub(crate) fn read(path: &Path) -> Result<Keyring, String> {
    let shown = path.display();
    let bytes = read_bytes(path).map_err(|error| match error {
        ReadError::Open(error) if std::fs::metadata(path).is_err() => {
            format!("stat {shown}: {}", os_text(&error))
        }
        ReadError::Open(error) => {
            format!("Failed to read keyring file: open {shown}: {}", os_text(&error))
        }
        ReadError::Read(error) => {
            format!("Failed to read keyring file: read {shown}: {}", os_text(&error))
        }
    })?;
    decode(&bytes)
}

fn decode(bytes: &[u8]) -> Result<Keyring, String> {
    let texts = texts(bytes).map_err(|error| format!("Failed to decode keyring file: {error}"))?;
    let mut keys = Vec::with_capacity(texts.len());
    for text in &texts {
        let key = go::base64::decode(text)
            .map_err(|error| format!("Failed to decode key from keyring: {error}"))?;
        keys.push(key);
    }
    let Some(primary) = keys.first() else {
        return Err("Keyring file contains no keys".to_owned());
    };
    if primary.is_empty() {
        return Err("Failed to restore keyring: Empty primary key not allowed".to_owned());
    }
    let mut keyring = Keyring::default();
    for key in &keys {
        keyring
            .install(Key::new(key).map_err(|_| format!("Failed to restore keyring: {KEY_SIZE}"))?);
    }
    Ok(keyring)
}

/// Serf's text for a key of the wrong length.
pub(crate) const KEY_SIZE: &str = "key size must be 16, 24 or 32 bytes";

fn texts(bytes: &[u8]) -> Result<Vec<String>, String> {
    let document = json::document(bytes)?;
    if document.is_null() {
        return Ok(Vec::new());
    }
    let Value::Array(items) = document else { return Err(mismatch(&document, "[]string")) };
    items.iter().map(|item| text(item).map(str::to_owned)).collect()
}

/// Writes the keys. The file is replaced as a whole, mode 0600.
///
/// # Errors
///
/// Serf's text, without the words before it that tell of the file.
pub(crate) fn write(path: &Path, keyring: &Keyring) -> Result<(), String> {
    let keys: Vec<String> =
        keyring.keys().iter().map(|key| go::base64::encode(key.as_bytes())).collect();
    write_atomically(path, go::json::pretty(&keys).as_bytes())
        .map_err(|error| format!("open {}: {}", path.display(), os_text(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "HvY8ubRZMgafUOWvrOadwOckVa1wN3QWAo46FVKbVN8=";
    const OTHER: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

    #[test]
    fn keys_come_back_as_they_were_written_the_primary_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.json");
        std::fs::write(&path, format!("[\"{KEY}\",\"{OTHER}\",\"{KEY}\"]")).unwrap();
        let mut keyring = read(&path).unwrap();
        assert_eq!(keyring.keys().len(), 2);
        let other = keyring.keys()[1].clone();
        keyring.make_primary(&other).unwrap();
        write(&path, &keyring).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, format!("[\n  \"{OTHER}\",\n  \"{KEY}\"\n]"));
        assert_eq!(read(&path).unwrap(), keyring);
    }

    #[test]
    fn bad_files_are_told_in_serf_s_words() {
        let decoding = |error: &str| format!("Failed to decode keyring file: {error}");
        for (text, error) in [
            ("[]", "Keyring file contains no keys".to_owned()),
            ("null", "Keyring file contains no keys".to_owned()),
            ("[", decoding("unexpected end of JSON input")),
            ("{}", decoding("json: cannot unmarshal object into Go value of type []string")),
            ("[1]", decoding("json: cannot unmarshal number into Go value of type string")),
            (
                "[\"!\"]",
                "Failed to decode key from keyring: illegal base64 data at input byte 0".to_owned(),
            ),
            ("[\"AAAA\"]", format!("Failed to restore keyring: {KEY_SIZE}")),
            ("[null]", "Failed to restore keyring: Empty primary key not allowed".to_owned()),
        ] {
            assert_eq!(decode(text.as_bytes()), Err(error), "{text}");
        }
        let missing = Path::new("/nonexistent/keys");
        assert_eq!(
            read(missing),
            Err("stat /nonexistent/keys: no such file or directory".to_owned())
        );
    }
}
