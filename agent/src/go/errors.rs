//! Errors of the operating system in Go's words.

use std::io;

use nix::errno::Errno;

/// What Go calls an error: `no such file or directory`, `address already in use`.
#[must_use]
pub fn os_text(error: &io::Error) -> String {
    let Some(code) = error.raw_os_error() else { return error.to_string() };
    let errno = Errno::from_raw(code);
    if errno == Errno::UnknownErrno {
        format!("errno {code}")
    } else if errno == Errno::EIO {
        "input/output error".to_owned()
    } else {
        errno.desc().to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_go_s() {
        for (errno, text) in [
            (Errno::ENOENT, "no such file or directory"),
            (Errno::EACCES, "permission denied"),
            (Errno::EISDIR, "is a directory"),
            (Errno::ENOTDIR, "not a directory"),
            (Errno::EADDRINUSE, "address already in use"),
            (Errno::EADDRNOTAVAIL, "cannot assign requested address"),
            (Errno::ECONNREFUSED, "connection refused"),
            (Errno::EINVAL, "invalid argument"),
            (Errno::EMFILE, "too many open files"),
            (Errno::ENOSPC, "no space left on device"),
            (Errno::EROFS, "read-only file system"),
        ] {
            assert_eq!(os_text(&io::Error::from_raw_os_error(errno as i32)), text);
        }
    }
}
