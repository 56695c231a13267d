//! Errors of the operating system in Go's words.

use std::io;

use nix::errno::Errno;

/// What Go calls an error: `no such file or directory`, `address already in use`.
#[must_use]
pub fn os_text(error: &io::Error) -> String {
    let Some(code) = error.raw_os_error() else { return error.to_string() };
    let errno = Errno::from_raw(code);
    // Where the library's words are not those that Go has from the system's own.
    let special = [
        (Errno::EIO, "input/output error"),
        (Errno::EBADF, "bad file descriptor"),
        (Errno::EAGAIN, "resource temporarily unavailable"),
        (Errno::ENOMEM, "cannot allocate memory"),
        (Errno::EXDEV, "invalid cross-device link"),
        (Errno::ENFILE, "too many open files in system"),
        (Errno::ENOTTY, "inappropriate ioctl for device"),
        (Errno::EDEADLK, "resource deadlock avoided"),
        (Errno::ENOLCK, "no locks available"),
        (Errno::ELOOP, "too many levels of symbolic links"),
        (Errno::ENETRESET, "network dropped connection on reset"),
        (Errno::EOPNOTSUPP, "operation not supported"),
        (Errno::EDQUOT, "disk quota exceeded"),
    ];
    if errno == Errno::UnknownErrno {
        return format!("errno {code}");
    }
    let special = special.into_iter().find(|(known, _)| *known == errno);
    special.map_or_else(|| errno.desc().to_lowercase(), |(_, text)| text.to_owned())
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
            (Errno::EAGAIN, "resource temporarily unavailable"),
            (Errno::ELOOP, "too many levels of symbolic links"),
            (Errno::E2BIG, "argument list too long"),
        ] {
            assert_eq!(os_text(&io::Error::from_raw_os_error(errno as i32)), text);
        }
    }
}
