//! The writing half of the dialect: [`Writer`], map keys as constants, and exact lengths.

/// A map key of at most 31 bytes with its header, as one array reference: what [`Reader::literal`] compares and
/// [`Writer::literal`] copies.
macro_rules! key {
    ($name:literal) => {
        const { &$crate::wire::msgpack::fixed_key::<{ $name.len() + 1 }>($name) }
    };
}
pub(crate) use key;

/// The array behind [`key!`]; `N` is one more than the length of `name`.
pub(crate) const fn fixed_key<const N: usize>(name: &str) -> [u8; N] {
    assert!(name.len() < 32, "longer keys have another header");
    let mut key = [0xa0; N];
    let (Some((tag, text)), [len, ..]) = (key.split_first_mut(), name.len().to_le_bytes()) else {
        panic!("a key has a header");
    };
    *tag |= len;
    text.copy_from_slice(name.as_bytes());
    key
}

/// Bytes of a message before its values: type byte, map header and these keys with their headers.
pub(crate) const fn fixed_len(keys: &[&str]) -> usize {
    let (mut len, mut rest) = (2, keys);
    while let Some((key, tail)) = rest.split_first() {
        len += 1 + key.len();
        rest = tail;
    }
    len
}

/// Which forms a [`Writer`] may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    /// Gossip between nodes: raw family only, as the oldest peers demand.
    Gossip,
    /// Agent clients: short text as `str8`, byte strings as `bin`.
    Rpc,
}

/// Appends values to a byte vector.
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut Vec<u8>,
    dialect: Dialect,
}

impl<'o> Writer<'o> {
    /// A writer that appends to `out`.
    #[inline]
    pub fn new(out: &'o mut Vec<u8>, dialect: Dialect) -> Self {
        Self { out, dialect }
    }

    /// Bytes in the vector so far.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// Bytes as they are: headers and keys written out by hand.
    #[inline(always)]
    pub fn literal(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Header of a map with `pairs` pairs, at most 15.
    #[inline(always)]
    pub fn fixed_map(&mut self, pairs: u8) {
        debug_assert!(pairs < 16, "more pairs need a longer header");
        self.out.push(0x80 | pairs);
    }

    /// Start of a message: its type byte and the header of a map with `pairs` pairs, at most 15.
    #[inline(always)]
    pub fn message(&mut self, kind: u8, pairs: u8) {
        debug_assert!(pairs < 16, "more pairs need a longer header");
        self.out.extend_from_slice(&[kind, 0x80 | pairs]);
    }

    /// nil.
    #[inline]
    pub fn nil(&mut self) {
        self.out.push(0xc0);
    }

    /// A boolean.
    #[inline]
    pub fn boolean(&mut self, value: bool) {
        self.out.push(if value { 0xc3 } else { 0xc2 });
    }

    /// A non-negative integer in its shortest form.
    #[inline(always)]
    pub fn unsigned(&mut self, value: u64) {
        match u8::try_from(value) {
            Ok(byte @ 0..0x80) => self.out.push(byte),
            Ok(byte) => self.out.extend_from_slice(&[0xcc, byte]),
            Err(_) => self.wide_unsigned(value),
        }
    }

    /// An integer of either sign in its shortest form; the unsigned one when it is not negative.
    pub fn signed(&mut self, value: i64) {
        if let Ok(value) = u64::try_from(value) {
            self.unsigned(value);
        } else if let Ok(value) = i8::try_from(value) {
            if value >= -32 {
                self.out.push(value.cast_unsigned());
            } else {
                self.out.extend_from_slice(&[0xd0, value.cast_unsigned()]);
            }
        } else if let Ok(value) = i16::try_from(value) {
            self.tagged(0xd1, value.to_be_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.tagged(0xd2, value.to_be_bytes());
        } else {
            self.tagged(0xd3, value.to_be_bytes());
        }
    }

    /// Text.
    #[inline(always)]
    pub fn text(&mut self, text: &str) {
        match u8::try_from(text.len()) {
            Ok(len @ 0..32) => self.out.push(0xa0 | len),
            Ok(len) if self.dialect == Dialect::Rpc => self.out.extend_from_slice(&[0xd9, len]),
            _ => self.long_raw(text.len()),
        }
        self.out.extend_from_slice(text.as_bytes());
    }

    /// A byte string, or nil for `None`.
    #[inline(always)]
    pub fn bytes(&mut self, bytes: Option<&[u8]>) {
        let Some(bytes) = bytes else { return self.nil() };
        self.bytes_header(bytes.len());
        self.out.extend_from_slice(bytes);
    }

    /// Header of a byte string of `len` bytes, which the caller appends.
    #[inline(always)]
    pub fn bytes_header(&mut self, len: usize) {
        match (self.dialect, u8::try_from(len)) {
            (Dialect::Gossip, Ok(len @ 0..32)) => self.out.push(0xa0 | len),
            (Dialect::Gossip, _) => self.long_raw(len),
            (Dialect::Rpc, _) => self.bin(len),
        }
    }

    /// Header of a map with `pairs` pairs.
    pub fn map(&mut self, pairs: usize) {
        self.container(0x80, [0xde, 0xdf], pairs);
    }

    /// Header of an array with `elements` elements.
    pub fn array(&mut self, elements: usize) {
        self.container(0x90, [0xdc, 0xdd], elements);
    }

    fn container(&mut self, fixed: u8, wide: [u8; 2], count: usize) {
        match (u8::try_from(count), u16::try_from(count)) {
            (Ok(count @ 0..16), _) => self.out.push(fixed | count),
            (_, Ok(count)) => self.tagged(wide[0], count.to_be_bytes()),
            _ => self.tagged(wide[1], wire_len(count).to_be_bytes()),
        }
    }

    #[inline(never)]
    fn long_raw(&mut self, len: usize) {
        match u16::try_from(len) {
            Ok(len) => self.tagged(0xda, len.to_be_bytes()),
            Err(_) => self.tagged(0xdb, wire_len(len).to_be_bytes()),
        }
    }

    #[inline(never)]
    fn bin(&mut self, len: usize) {
        match (u8::try_from(len), u16::try_from(len)) {
            (Ok(len), _) => self.out.extend_from_slice(&[0xc4, len]),
            (_, Ok(len)) => self.tagged(0xc5, len.to_be_bytes()),
            _ => self.tagged(0xc6, wire_len(len).to_be_bytes()),
        }
    }

    #[inline(never)]
    fn wide_unsigned(&mut self, value: u64) {
        match (u16::try_from(value), u32::try_from(value)) {
            (Ok(value), _) => self.tagged(0xcd, value.to_be_bytes()),
            (_, Ok(value)) => self.tagged(0xce, value.to_be_bytes()),
            _ => self.tagged(0xcf, value.to_be_bytes()),
        }
    }

    #[inline]
    fn tagged<const N: usize>(&mut self, tag: u8, value: [u8; N]) {
        self.out.push(tag);
        self.out.extend_from_slice(&value);
    }
}

/// Bytes that [`Writer::unsigned`] writes for `value`.
#[inline]
#[must_use]
pub(crate) const fn unsigned_len(value: u64) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

/// Bytes that [`Writer::signed`] writes for `value`.
#[must_use]
pub(crate) const fn signed_len(value: i64) -> usize {
    match value {
        0.. => unsigned_len(value.cast_unsigned()),
        -0x20..0 => 1,
        -0x80..-0x20 => 2,
        -0x8000..-0x80 => 3,
        -0x8000_0000..-0x8000 => 5,
        _ => 9,
    }
}

/// Bytes of the header of a map with `count` pairs or an array with `count` elements.
#[must_use]
pub(crate) const fn container_len(count: usize) -> usize {
    match count {
        0..16 => 1,
        16..0x1_0000 => 3,
        _ => 5,
    }
}

/// Bytes that the gossip dialect takes for a text or a byte string of `len` bytes, header included.
#[inline]
#[must_use]
pub(crate) const fn raw_len(len: usize) -> usize {
    match len {
        0..32 => 1 + len,
        32..0x1_0000 => 3 + len,
        _ => 5 + len,
    }
}

/// Bytes that [`Writer::bytes`] writes in the gossip dialect.
#[inline]
#[must_use]
pub(crate) fn bytes_len(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| raw_len(bytes.len()))
}

/// A length or count as the format's widest header holds it.
fn wire_len(len: usize) -> u32 {
    u32::try_from(len).expect("nothing we write has 2^32 bytes or elements")
}
