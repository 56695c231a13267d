//! Standard output, whose reader may have gone away or may have stopped reading.

use std::io::{self, Write};
use std::os::fd::AsFd as _;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long a reader may hold up the agent, once, in milliseconds: below the shortest time after which others miss it.
const PATIENCE: u8 = 100;
/// Bytes that a pipe takes at once when it takes any.
const PIECE: usize = 4_096;

/// Standard output. A write fails with `WouldBlock` when nothing is read for [`PATIENCE`], and from then on at once, until
/// something is read again.
#[derive(Debug, Default)]
pub(crate) struct Stdout {
    stalled: bool,
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = io::stdout().lock();
        let mut wanted = [PollFd::new(out.as_fd(), PollFlags::POLLOUT)];
        let patience = if self.stalled { PollTimeout::ZERO } else { PATIENCE.into() };
        self.stalled = poll(&mut wanted, patience) == Ok(0);
        if self.stalled {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let written = out.write(bytes.get(..PIECE).unwrap_or(bytes))?;
        out.flush()?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
