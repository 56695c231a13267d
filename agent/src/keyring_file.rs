//! The file that keeps the keyring.

use std::io;
use std::path::Path;

use uwasa_core::keyring::Keyring;

/// Writes the keys, primary first.
///
/// # Errors
///
/// The file cannot be written.
pub fn write(path: &Path, keyring: &Keyring) -> io::Result<()> {
    let _ = (path, keyring);
    unimplemented!()
}
