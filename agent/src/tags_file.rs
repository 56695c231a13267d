//! The file that keeps tags over restarts.

use std::io;
use std::path::Path;

use uwasa_core::tags::Tags;

/// Writes the tags.
///
/// # Errors
///
/// The file cannot be written.
pub fn write(path: &Path, tags: &Tags) -> io::Result<()> {
    let _ = (path, tags);
    unimplemented!()
}
