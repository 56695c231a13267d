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

/// Starts an empty table.
const CLEAR: u32 = 1 << LITERAL_BITS;
/// Ends the data.
const END: u32 = CLEAR + 1;
/// Width of the first codes in bits.
const WIDTH_MIN: u32 = LITERAL_BITS as u32 + 1;
/// Width of the last ones.
const WIDTH_MAX: u32 = 12;
/// Codes that a table holds.
const CODES_MAX: u32 = 1 << WIDTH_MAX;
/// One more string that begins with the same code is given a code and not remembered, once: weezl does the same.
const SUCCESSORS_KEPT: u8 = 16;
/// Slots of a compressor's hash table, by their bits: at most half of them are taken.
const SLOT_BITS: u32 = WIDTH_MAX + 1;

/// A compressor that keeps its table (64 KiB) between messages.
///
/// Its bytes are those of weezl's encoder, whose tree of small searched lists took nearly half of the time of a
/// simulated cluster; here a string one byte longer is found in a hash table.
pub struct Compressor {
    /// Stamp of the table that an entry belongs to, 20 bits of code and byte, 12 bits of the code for both.
    slots: Box<[u64]>,
    /// The table in use; what bears another stamp is not there.
    stamp: u32,
    /// By code, how many strings are that of this code and one byte more.
    successors: Box<[u8]>,
}

impl Default for Compressor {
    fn default() -> Self {
        Self {
            slots: vec![0; 1 << SLOT_BITS].into_boxed_slice(),
            stamp: 0,
            successors: vec![0; CODES_MAX as usize + 1].into_boxed_slice(),
        }
    }
}

/// Codes on their way into bytes.
struct Bits<'a> {
    out: &'a mut Vec<u8>,
    waiting: u64,
    count: u32,
    width: u32,
}

impl Bits<'_> {
    fn push(&mut self, code: u32) {
        self.waiting |= u64::from(code) << self.count;
        self.count += self.width;
        if self.count >= u32::BITS {
            self.out.extend_from_slice(&self.waiting.to_le_bytes()[..4]);
            self.waiting >>= u32::BITS;
            self.count -= u32::BITS;
        }
    }

    /// The codes from `free` on are free: makes room for those, if `spare` of them would not fit.
    fn widen(&mut self, free: u32, spare: u32) {
        if free + spare > 1 << self.width && self.width < WIDTH_MAX {
            self.width += 1;
        }
    }

    fn flush(self) {
        let bytes = self.count.div_ceil(u8::BITS) as usize;
        self.out.extend(self.waiting.to_le_bytes().into_iter().take(bytes));
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
        let start = out.len();
        if !self.encode(input, limit, out) || out.len() - start > limit {
            out.truncate(start);
            return false;
        }
        true
    }

    /// The same, but what is appended may be longer than `limit`, or unfinished if that is sure and this is false.
    fn encode(&mut self, input: &[u8], limit: usize, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let mut bits = Bits { out, waiting: 0, count: 0, width: WIDTH_MIN };
        bits.push(CLEAR);
        let mut free = self.clear();
        if let Some((&first, rest)) = input.split_first() {
            let mut code = u32::from(first);
            for &byte in rest {
                let (slot, found) = self.find(code, byte);
                if let Some(longer) = found {
                    code = longer;
                    continue;
                }
                if self.is_kept(code) {
                    let entry = self.entry(code, byte) | u64::from(free);
                    *self.slots.get_mut(slot).expect("the table has this slot") = entry;
                }
                free += 1;
                bits.push(code);
                bits.widen(free, 0);
                if free == CODES_MAX + 1 {
                    bits.push(CLEAR);
                    bits.width = WIDTH_MIN;
                    free = self.clear();
                }
                if bits.out.len() - start > limit {
                    return false;
                }
                code = byte.into();
            }
            bits.push(code);
            // The reader adds an entry for this code too, before it reads the next one.
            bits.widen(free, 1);
        }
        bits.push(END);
        bits.flush();
        true
    }

    /// Whether one more successor of `code` is remembered.
    fn is_kept(&mut self, code: u32) -> bool {
        let successors = self.successors.get_mut(code as usize).expect("codes are below 4,097");
        let kept = *successors != SUCCESSORS_KEPT;
        *successors = successors.saturating_add(1);
        kept
    }

    /// Forgets every string of more than one byte. Returns the first free code.
    fn clear(&mut self) -> u32 {
        self.successors.fill(0);
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.slots.fill(0);
            self.stamp = 1;
        }
        END + 1
    }

    /// What a slot holds for the string of `code` and `byte`, its own code left out.
    fn entry(&self, code: u32, byte: u8) -> u64 {
        u64::from(self.stamp) << 32 | u64::from(code << 8 | u32::from(byte)) << WIDTH_MAX
    }

    /// The slot of the string of `code` and `byte`, and its code; `None`: the slot is free for it.
    fn find(&self, code: u32, byte: u8) -> (usize, Option<u32>) {
        /// The golden ratio in 32 bits: neighbours end up far apart.
        const SPREAD: u32 = 0x9e37_79b9;
        let entry = self.entry(code, byte);
        let spread = (code << 8 | u32::from(byte)).wrapping_mul(SPREAD);
        let mut slot = (spread >> (u32::BITS - SLOT_BITS)) as usize;
        loop {
            let held = *self.slots.get(slot).expect("the table has this slot");
            if held >> 32 != u64::from(self.stamp) {
                return (slot, None);
            }
            if held >> WIDTH_MAX == entry >> WIDTH_MAX {
                let code = u32::try_from(held & u64::from(CODES_MAX - 1));
                return (slot, Some(code.expect("12 bits")));
            }
            slot = (slot + 1) % self.slots.len();
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
