//! The msgpack dialect (memberlist protocol, msgpack dialect; Serf protocol, msgpack rules of this layer).
//!
//! What Go's codec writes is the old specification: text and byte strings share one family ("raw"), integers take
//! their shortest form, maps have their keys sorted. [`Writer`] produces exactly that; [`Reader`] accepts every form
//! that either Go codec accepts for the same field. A structure written as an array is read by [`Reader::structure`]
//! only, which the messages of Serf use; those of memberlist are refused in that form.

use smallvec::{SmallVec, smallvec};
use thiserror::Error;

mod writer;

pub use writer::{Dialect, Writer};
pub(crate) use writer::{
    bytes_len, container_len, fixed_key, fixed_len, key, raw_len, signed_len, unsigned_len,
};

/// Deepest nesting of containers that is skipped in an unknown field; deeper is an error.
pub const DEPTH_MAX: usize = 64;

/// What is wrong with a message body.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
pub enum DecodeErrorKind {
    /// The input ends inside a value.
    #[error("the input ends inside a value")]
    End,
    /// A value of a type that the field cannot hold.
    #[error("the value has a type that its field cannot hold")]
    Type,
    /// An integer that the field cannot hold.
    #[error("the integer is out of the range of its field")]
    Range,
    /// Text that is not UTF-8.
    #[error("the text is not UTF-8")]
    Utf8,
    /// An unknown field nests deeper than [`DEPTH_MAX`].
    #[error("containers nest deeper than 64 levels")]
    Depth,
    /// An announced count or length is above its limit.
    #[error("an announced count or length is above its limit")]
    Limit,
}

/// A message body that does not decode; the message is to be dropped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
#[error("{kind} (at byte {offset})")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// Bytes of the body read when it was noticed; saturates at 2^32-1.
    pub offset: u32,
}

/// Reads values one after the other, borrowing text and bytes from the input.
///
/// `nil` reads as the zero value everywhere. Every method returns [`DecodeErrorKind::End`] when the input ends too
/// early and [`DecodeErrorKind::Type`] for a value of another type; after an error the position is unspecified.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    len: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `input`.
    #[must_use]
    pub fn new(input: &'a [u8]) -> Self {
        Self { rest: input, len: input.len() }
    }

    /// What has not been read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// What lies between this position and a `later` one of the same input.
    pub(crate) fn before(&self, later: &Self) -> &'a [u8] {
        let len = self.rest.len().saturating_sub(later.rest.len());
        self.rest.get(..len).unwrap_or_default()
    }

    /// Bytes read so far.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.len - self.rest.len()
    }

    /// An error of this kind at the current position.
    #[must_use]
    #[cold]
    pub fn error(&self, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { kind, offset: u32::try_from(self.offset()).unwrap_or(u32::MAX) }
    }

    /// Steps over `expected` if it comes next; otherwise stays and returns false.
    #[inline(always)]
    pub fn literal<const N: usize>(&mut self, expected: &[u8; N]) -> bool {
        match self.rest.split_first_chunk::<N>() {
            Some((head, tail)) if head == expected => {
                self.rest = tail;
                true
            }
            _ => false,
        }
    }

    /// As [`Reader::literal`], for a piece whose length is not known when compiling.
    #[inline]
    pub fn piece(&mut self, expected: &[u8]) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(tail) => {
                self.rest = tail;
                true
            }
            None => false,
        }
    }

    /// Steps over the header of a map with exactly `pairs` pairs, at most 15, in its shortest form; otherwise stays and
    /// returns false.
    #[inline(always)]
    pub fn fixed_map(&mut self, pairs: u8) -> bool {
        self.literal(&[0x80 | pairs])
    }

    /// The next `count` bytes as they are.
    ///
    /// # Errors
    /// [`DecodeErrorKind::End`].
    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let Some((head, tail)) = self.rest.split_at_checked(count) else {
            return Err(self.error(DecodeErrorKind::End));
        };
        self.rest = tail;
        Ok(head)
    }

    /// Header of a map: its number of pairs; 0 for nil.
    ///
    /// # Errors
    /// `End`, `Type`.
    #[inline]
    pub fn map(&mut self) -> Result<u32, DecodeError> {
        match self.byte()? {
            tag @ 0x80..=0x8f => Ok(u32::from(tag & 0x0f)),
            0xc0 => Ok(0),
            0xde => self.big_endian_u16().map(u32::from),
            0xdf => self.big_endian_u32(),
            _ => Err(self.error(DecodeErrorKind::Type)),
        }
    }

    /// Header of an array: its number of elements; 0 for nil.
    ///
    /// # Errors
    /// `End`, `Type`.
    pub fn array(&mut self) -> Result<u32, DecodeError> {
        match self.byte()? {
            0xc0 => Ok(0),
            tag => self.array_len(tag),
        }
    }

    /// A structure: a map with its keys in any order, or an array with its fields in the order of their declaration,
    /// as `declared` names them. `field` reads the value of a key, and skips that of a key it does not know. A short
    /// array leaves its last fields unread; nil all of them.
    ///
    /// # Errors
    /// `End`, `Type`, `Depth`, and those of `field`.
    pub fn structure(
        &mut self,
        declared: &[&str],
        mut field: impl FnMut(&mut Self, &[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if self.is_array() {
            let mut declared = declared.iter();
            for _ in 0..self.array()? {
                match declared.next() {
                    Some(key) => field(self, key.as_bytes())?,
                    None => self.skip()?,
                }
            }
        } else {
            for _ in 0..self.map()? {
                let key = self.key()?;
                field(self, key)?;
            }
        }
        Ok(())
    }

    /// A map key, from any family of text or bytes. Case matters; UTF-8 is not checked.
    ///
    /// # Errors
    /// `End`, `Type` (nil too).
    #[inline]
    pub fn key(&mut self) -> Result<&'a [u8], DecodeError> {
        match self.raw()? {
            Some(key) => Ok(key),
            None => Err(self.error(DecodeErrorKind::Type)),
        }
    }

    /// Text, in any form that [`Reader::bytes`] reads; nil is empty.
    ///
    /// # Errors
    /// `End`, `Type`, `Utf8`.
    #[inline(always)]
    pub fn text(&mut self) -> Result<&'a str, DecodeError> {
        let bytes = self.bytes()?.unwrap_or_default();
        core::str::from_utf8(bytes).map_err(|_| self.error(DecodeErrorKind::Utf8))
    }

    /// A byte string, from any family of text or bytes, or an array of integers below 128 (each of those is its own
    /// encoding, so the bytes can be borrowed); `None` for nil.
    ///
    /// # Errors
    /// `End`, `Type` (also for an array with larger integers, which nobody sends).
    #[inline(always)]
    pub fn bytes(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.short_raw() {
            Some(bytes) => Ok(Some(bytes)),
            None => self.bytes_of_any_form(),
        }
    }

    /// As [`Reader::bytes`], with nil as empty.
    ///
    /// # Errors
    /// As [`Reader::bytes`].
    #[inline]
    pub fn bytes_or_empty(&mut self) -> Result<&'a [u8], DecodeError> {
        self.bytes().map(Option::unwrap_or_default)
    }

    /// Text or bytes of any family without further checks; `None` for nil.
    ///
    /// # Errors
    /// `End`, `Type`.
    #[inline(always)]
    pub fn raw(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.short_raw() {
            Some(bytes) => Ok(Some(bytes)),
            None => self.raw_of_any_form(),
        }
    }

    /// A non-negative integer, written in any width, signed or unsigned.
    ///
    /// # Errors
    /// `End`, `Type` (floats too), `Range` if negative.
    #[inline(always)]
    pub fn unsigned(&mut self) -> Result<u64, DecodeError> {
        match *self.rest {
            [tag @ 0..0x80, ref tail @ ..] => {
                self.rest = tail;
                Ok(u64::from(tag))
            }
            [0xcd, high, low, ref tail @ ..] => {
                self.rest = tail;
                Ok(u64::from(u16::from_be_bytes([high, low])))
            }
            _ => self.unsigned_of_any_form(),
        }
    }

    /// An integer of either sign. An unsigned one above 2^63-1 wraps to negative, as in Go.
    ///
    /// # Errors
    /// `End`, `Type`.
    #[inline]
    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        let tag = self.byte()?;
        match tag {
            0x00..=0x7f => Ok(i64::from(tag)),
            0xe0..=0xff => Ok(i64::from(tag.cast_signed())),
            0xd0..=0xd3 => self.sign_extended(tag),
            _ => self.wide_unsigned(tag).map(u64::cast_signed),
        }
    }

    /// An integer of 0 to 2^32-1.
    ///
    /// # Errors
    /// As [`Reader::unsigned`]; `Range` above.
    #[inline(always)]
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        let value = self.unsigned()?;
        u32::try_from(value).map_err(|_| self.error(DecodeErrorKind::Range))
    }

    /// An integer of 0 to 65,535.
    ///
    /// # Errors
    /// As [`Reader::unsigned`]; `Range` above.
    #[inline(always)]
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        let value = self.unsigned()?;
        u16::try_from(value).map_err(|_| self.error(DecodeErrorKind::Range))
    }

    /// An integer of 0 to 255.
    ///
    /// # Errors
    /// As [`Reader::unsigned`]; `Range` above.
    #[inline]
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        let value = self.unsigned()?;
        u8::try_from(value).map_err(|_| self.error(DecodeErrorKind::Range))
    }

    /// A boolean; the integers 0 and 1 count as one.
    ///
    /// # Errors
    /// `End`, `Type`.
    #[inline]
    pub fn boolean(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0xc0 | 0xc2 | 0x00 => Ok(false),
            0xc3 | 0x01 => Ok(true),
            _ => Err(self.error(DecodeErrorKind::Type)),
        }
    }

    /// Steps over one value of any type, containers with all they hold.
    ///
    /// # Errors
    /// `End`, `Type` for the reserved byte `c1`, `Depth`.
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        match self.skip_item()? {
            0 => Ok(()),
            children => Skipper { left: children, outer: smallvec![0] }.run(self),
        }
    }

    /// Steps over one value, or over the header of a container; returns how many values that one announces.
    #[inline]
    fn skip_item(&mut self) -> Result<u64, DecodeError> {
        let tag = self.byte()?;
        let payload = match tag {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => return Ok(0),
            0x80..=0x8f => return Ok(2 * u64::from(tag & 0x0f)),
            0x90..=0x9f => return Ok(u64::from(tag & 0x0f)),
            0xa0..=0xbf => u64::from(tag & 0x1f),
            0xcc | 0xd0 => 1,
            0xcd | 0xd1 | 0xd4 => 2,
            0xd5 => 3,
            0xca | 0xce | 0xd2 => 4,
            0xd6 => 5,
            0xcb | 0xcf | 0xd3 => 8,
            0xd7 => 9,
            0xd8 => 17,
            0xc4 | 0xd9 => u64::from(self.byte()?),
            0xc5 | 0xda => u64::from(self.big_endian_u16()?),
            0xc6 | 0xdb => u64::from(self.big_endian_u32()?),
            // Extension types: one byte names the type.
            0xc7 => u64::from(self.byte()?) + 1,
            0xc8 => u64::from(self.big_endian_u16()?) + 1,
            0xc9 => u64::from(self.big_endian_u32()?) + 1,
            0xdc | 0xdd => return self.array_len(tag).map(u64::from),
            0xde => return Ok(2 * u64::from(self.big_endian_u16()?)),
            0xdf => return Ok(2 * u64::from(self.big_endian_u32()?)),
            0xc1 => return Err(self.error(DecodeErrorKind::Type)),
        };
        self.take(usize::try_from(payload).unwrap_or(usize::MAX))?;
        Ok(0)
    }

    #[inline]
    fn byte(&mut self) -> Result<u8, DecodeError> {
        let Some((&byte, tail)) = self.rest.split_first() else {
            return Err(self.error(DecodeErrorKind::End));
        };
        self.rest = tail;
        Ok(byte)
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((&head, tail)) = self.rest.split_first_chunk::<N>() else {
            return Err(self.error(DecodeErrorKind::End));
        };
        self.rest = tail;
        Ok(head)
    }

    #[inline]
    fn big_endian_u16(&mut self) -> Result<u16, DecodeError> {
        self.chunk().map(u16::from_be_bytes)
    }

    #[inline]
    fn big_endian_u32(&mut self) -> Result<u32, DecodeError> {
        self.chunk().map(u32::from_be_bytes)
    }

    /// Whether the header of an array comes next.
    fn is_array(&self) -> bool {
        matches!(self.rest.first(), Some(0x90..=0x9f | 0xdc | 0xdd))
    }

    fn array_len(&mut self, tag: u8) -> Result<u32, DecodeError> {
        match tag {
            0x90..=0x9f => Ok(u32::from(tag & 0x0f)),
            0xdc => self.big_endian_u16().map(u32::from),
            0xdd => self.big_endian_u32(),
            _ => Err(self.error(DecodeErrorKind::Type)),
        }
    }

    /// What comes next if it is text or bytes of at most 31 bytes with the one-byte header; otherwise stays.
    #[inline(always)]
    fn short_raw(&mut self) -> Option<&'a [u8]> {
        let (&tag, rest) = self.rest.split_first()?;
        if tag & 0xe0 != 0xa0 {
            return None;
        }
        let (bytes, tail) = rest.split_at_checked(usize::from(tag & 0x1f))?;
        self.rest = tail;
        Some(bytes)
    }

    #[inline(never)]
    fn raw_of_any_form(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        let len = match self.byte()? {
            0xc0 => return Ok(None),
            tag @ 0xa0..=0xbf => u32::from(tag & 0x1f),
            0xc4 | 0xd9 => u32::from(self.byte()?),
            0xc5 | 0xda => u32::from(self.big_endian_u16()?),
            0xc6 | 0xdb => self.big_endian_u32()?,
            _ => return Err(self.error(DecodeErrorKind::Type)),
        };
        self.take(usize::try_from(len).unwrap_or(usize::MAX)).map(Some)
    }

    #[inline(never)]
    fn bytes_of_any_form(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        if !self.is_array() {
            return self.raw_of_any_form();
        }
        let len = self.array()?;
        let bytes = self.take(usize::try_from(len).unwrap_or(usize::MAX))?;
        if bytes.iter().all(|&byte| byte < 0x80) {
            Ok(Some(bytes))
        } else {
            Err(self.error(DecodeErrorKind::Type))
        }
    }

    #[inline(never)]
    fn unsigned_of_any_form(&mut self) -> Result<u64, DecodeError> {
        let tag = self.byte()?;
        self.wide_unsigned(tag)
    }

    fn wide_unsigned(&mut self, tag: u8) -> Result<u64, DecodeError> {
        match tag {
            0x00..=0x7f => Ok(u64::from(tag)),
            0xc0 => Ok(0),
            0xcc => self.byte().map(u64::from),
            0xcd => self.big_endian_u16().map(u64::from),
            0xce => self.big_endian_u32().map(u64::from),
            0xcf => self.chunk().map(u64::from_be_bytes),
            0xd0..=0xd3 => {
                let value = self.sign_extended(tag)?;
                u64::try_from(value).map_err(|_| self.error(DecodeErrorKind::Range))
            }
            0xe0..=0xff => Err(self.error(DecodeErrorKind::Range)),
            _ => Err(self.error(DecodeErrorKind::Type)),
        }
    }

    fn sign_extended(&mut self, tag: u8) -> Result<i64, DecodeError> {
        match tag {
            0xd0 => self.chunk().map(i8::from_be_bytes).map(i64::from),
            0xd1 => self.chunk().map(i16::from_be_bytes).map(i64::from),
            0xd2 => self.chunk().map(i32::from_be_bytes).map(i64::from),
            _ => self.chunk().map(i64::from_be_bytes),
        }
    }
}

/// Steps over a number of values, one item at a time; can stop where the input ends and go on when there is more.
#[derive(Clone, Debug)]
pub struct Skipper {
    /// Items left in the innermost open container.
    left: u64,
    /// Items left in the containers around it, outermost first.
    outer: SmallVec<[u64; 4]>,
}

impl Skipper {
    /// About to step over `values` values.
    #[must_use]
    pub fn new(values: u64) -> Self {
        Self { left: values, outer: SmallVec::new() }
    }

    /// Steps on to the end of the last value. After `End` the reader stands before the first incomplete item: run
    /// again from there once more input has come.
    ///
    /// # Errors
    /// `End`, `Type` for the reserved byte `c1`, `Depth`.
    pub fn run(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        loop {
            while self.left > 0 {
                let before = reader.rest;
                let children = match reader.skip_item() {
                    Ok(children) => children,
                    Err(error) => {
                        reader.rest = before;
                        return Err(error);
                    }
                };
                self.left -= 1;
                if children > 0 {
                    if self.outer.len() >= DEPTH_MAX {
                        return Err(reader.error(DecodeErrorKind::Depth));
                    }
                    self.outer.push(core::mem::replace(&mut self.left, children));
                }
            }
            match self.outer.pop() {
                Some(left) => self.left = left,
                None => return Ok(()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
