//! Cuts the bytes that arrive into msgpack objects.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use uwasa_core::wire::msgpack::{DecodeErrorKind, Reader, Skipper};

use super::ClientError;

/// Largest object that is read, in bytes: far above the member list of the largest cluster.
pub(super) const OBJECT_BYTES_MAX: usize = 64 << 20;

/// Room that is made for each read, in bytes.
const READ_BYTES: usize = 4096;

/// Bytes that have arrived, and how far they have been looked through.
#[derive(Debug)]
pub(super) struct Objects {
    buffer: BytesMut,
    skipper: Skipper,
    seen: usize,
}

impl Objects {
    pub(super) fn new() -> Self {
        Self { buffer: BytesMut::new(), skipper: Skipper::new(1), seen: 0 }
    }

    /// The next object. Safe to cancel: nothing that has arrived is lost.
    ///
    /// # Errors
    /// `End` between two objects, `Cut` inside of one, `Decode`, `TooLarge`.
    pub(super) async fn next(
        &mut self,
        input: &mut (impl AsyncRead + Unpin),
    ) -> Result<Bytes, ClientError> {
        loop {
            let mut reader = Reader::new(self.buffer.get(self.seen..).unwrap_or_default());
            let outcome = self.skipper.run(&mut reader);
            self.seen += reader.offset();
            match outcome {
                Ok(()) => {
                    let object = self.buffer.split_to(self.seen).freeze();
                    (self.skipper, self.seen) = (Skipper::new(1), 0);
                    return Ok(object);
                }
                Err(error) if error.kind != DecodeErrorKind::End => return Err(error.into()),
                Err(_) if self.buffer.len() >= OBJECT_BYTES_MAX => {
                    return Err(ClientError::TooLarge);
                }
                Err(_) => {}
            }
            self.buffer.reserve(READ_BYTES);
            if !matches!(input.read_buf(&mut self.buffer).await, Ok(1..)) {
                return Err(if self.buffer.is_empty() {
                    ClientError::End
                } else {
                    ClientError::Cut
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
