//! Small files that are replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// Replaces the content of `path`: a reader sees the old content or the new one, and so does the next start after a
/// crash. The new file has mode 0600. A symbolic link is followed.
///
/// Where no file can be put in the place of another (the directory belongs to somebody else, or the file is a mount
/// point, as in containers), the file itself is written, without that promise.
///
/// # Errors
///
/// The operating system's. The old content is kept then, unless the file itself was being written.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let temporary = beside(&target);
    let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, &target));
    if let Err(error) = written {
        // Nothing is left to do if this fails as well.
        let _ = fs::remove_file(&temporary);
        return if is_fixed(&error) { write_in_place(&target, content) } else { Err(error) };
    }
    sync_directory(&target)
}

/// Whether a failure means that the file cannot be exchanged, which says nothing about its content.
fn is_fixed(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem | ResourceBusy | CrossesDevices)
}

fn write_in_place(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).truncate(true).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn beside(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    target.with_file_name(name)
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Makes the new name last. Directories that cannot be opened are those of file systems that need none of this.
fn sync_directory(target: &Path) -> io::Result<()> {
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    match File::open(parent.unwrap_or(Path::new("."))) {
        Ok(directory) => directory.sync_all(),
        Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn content_and_mode_are_replaced_and_nothing_is_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "a long old content").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "old").unwrap();
        symlink(&real, &link).unwrap();
        write_atomically(&link, b"new").unwrap();
        assert_eq!(fs::read(&real).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn a_file_that_cannot_be_exchanged_is_written_in_place() {
        for errno in [nix::libc::EACCES, nix::libc::EPERM, nix::libc::EROFS, nix::libc::EBUSY] {
            assert!(is_fixed(&io::Error::from_raw_os_error(errno)), "{errno}");
        }
        assert!(!is_fixed(&io::Error::from_raw_os_error(nix::libc::ENOSPC)));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        assert!(write_in_place(&path, b"new").is_err(), "nothing is created");
        fs::write(&path, "a long old content").unwrap();
        write_in_place(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_failure_keeps_the_old_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::create_dir(&path).unwrap();
        assert!(write_atomically(&path, b"new").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
