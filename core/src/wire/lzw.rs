//! LZW as memberlist uses it: GIF style, least significant bit first, 8-bit literals, codes of 9 to 12 bits, mandatory
//! end code (memberlist protocol, compression).

use thiserror::Error;
use weezl::{BitOrder, LzwError, LzwStatus};

/// Literal width in bits.
const LITERAL_BITS: u8 = 8;
/// Least room added to the output at a time, in bytes.
const ROOM_MIN: usize = 1024;
/// Most room added to the output at a time, in bytes.
const ROOM_MAX: usize = 1024 * 1024;

/// Why compressed bytes were refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum DecompressError {
    /// A code that the table does not hold.
    #[error("invalid LZW code")]
    Code,
    /// The input ends before the end code.
    #[error("LZW data ends before its end code")]
    End,
    /// More output than allowed.
    #[error("LZW output is above its limit")]
    Limit,
    /// No output at all, which no sender means.
    #[error("LZW output is empty")]
    Empty,
}

/// A compressor that keeps its table memory (up to about 250 KB after large inputs) between messages.
pub struct Compressor(weezl::encode::Encoder);

impl Default for Compressor {
    fn default() -> Self {
        Self(weezl::encode::Encoder::new(BitOrder::Lsb, LITERAL_BITS))
    }
}

impl core::fmt::Debug for Compressor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Compressor")
    }
}

impl Compressor {
    /// Appends `input`, compressed, to `out`.
    pub fn compress(&mut self, input: &[u8], out: &mut Vec<u8>) {
        // The worst case is 12 bits a byte.
        self.compress_within(input, usize::MAX, out);
    }

    /// Appends `input`, compressed, to `out` if that takes at most `limit` bytes. Otherwise returns false and leaves
    /// `out` as it was.
    pub fn compress_within(&mut self, input: &[u8], limit: usize, out: &mut Vec<u8>) -> bool {
        self.0.reset();
        self.0.finish();
        let start = out.len();
        let (mut rest, mut filled) = (input, start);
        loop {
            let room = (rest.len() + 64).clamp(64, ROOM_MAX).min(limit - (filled - start));
            out.resize(filled + room, 0);
            let (_, free) = out.split_at_mut(filled);
            let step = self.0.encode_bytes(rest, free);
            rest = rest.get(step.consumed_in..).unwrap_or_default();
            filled += step.consumed_out;
            if matches!(step.status, Ok(LzwStatus::Done)) {
                out.truncate(filled);
                return true;
            }
            assert!(step.status.is_ok(), "every byte is a valid 8-bit literal");
            if filled - start == limit {
                out.truncate(start);
                return false;
            }
        }
    }
}

/// A decompressor that keeps its table memory (about 60 KB) between messages.
pub struct Decompressor(weezl::decode::Decoder);

impl Default for Decompressor {
    fn default() -> Self {
        Self(weezl::decode::Decoder::new(BitOrder::Lsb, LITERAL_BITS))
    }
}

impl core::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Decompressor")
    }
}

impl Decompressor {
    /// Appends what `input` holds up to its end code to `out`; bytes after the end code are ignored.
    ///
    /// `out` grows as output appears, never by what the input claims. After an error the bytes written so far stay in
    /// `out`, so that a caller can charge them to a budget.
    ///
    /// # Errors
    /// [`DecompressError`]; at most `limit` bytes are appended in every case.
    pub fn decompress(
        &mut self,
        input: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DecompressError> {
        self.0.reset();
        let start = out.len();
        let result = self.fill(input, limit, out);
        if result.is_ok() && out.len() == start {
            return Err(DecompressError::Empty);
        }
        result
    }

    fn fill(
        &mut self,
        input: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DecompressError> {
        let (mut rest, mut filled, mut left) = (input, out.len(), limit);
        loop {
            let room = rest.len().saturating_mul(4).clamp(ROOM_MIN, ROOM_MAX).min(left);
            // One spare byte tells output that ends at the limit from output that goes on.
            out.resize(filled + room + 1, 0);
            let (_, free) = out.split_at_mut(filled);
            let step = self.0.decode_bytes(rest, free);
            rest = rest.get(step.consumed_in..).unwrap_or_default();
            let produced = step.consumed_out.min(left);
            filled += produced;
            left -= produced;
            out.truncate(filled);
            match step.status {
                _ if step.consumed_out > produced => return Err(DecompressError::Limit),
                Ok(LzwStatus::Done) => return Ok(()),
                Ok(LzwStatus::Ok) => {}
                Ok(LzwStatus::NoProgress) => return Err(DecompressError::End),
                Err(LzwError::InvalidCode) => return Err(DecompressError::Code),
            }
        }
    }
}

#[cfg(test)]
mod tests;
