//! The payload of an ack: the sender's network coordinate (Serf protocol, transport of coordinates).

use crate::coordinate::{Coordinate, DIMENSIONS};
use crate::wire::msgpack::{DecodeError, DecodeErrorKind, Reader};

/// Bytes of the payload as [`encode_ping_payload`] writes it.
pub const PING_PAYLOAD_BYTES: usize = 130;

/// The one version of the payload: its first byte.
const VERSION: u8 = 1;

/// Type byte of a 64-bit floating-point number.
const FLOAT64: u8 = 0xcb;
/// Type byte of a 32-bit floating-point number.
const FLOAT32: u8 = 0xca;
/// Type byte of an unsigned 64-bit integer.
const UNSIGNED64: u8 = 0xcf;
/// Type byte of nil.
const NIL: u8 = 0xc0;

/// What stands before each number: version, map header, keys, array header and type bytes.
const BEFORE_NUMBERS: [&[u8]; 3 + DIMENSIONS] = [
    b"\x01\x84\xaaAdjustment\xcb",
    b"\xa5Error\xcb",
    b"\xa6Height\xcb",
    b"\xa3Vec\x98\xcb",
    &[FLOAT64],
    &[FLOAT64],
    &[FLOAT64],
    &[FLOAT64],
    &[FLOAT64],
    &[FLOAT64],
    &[FLOAT64],
];

/// Appends the payload: [`PING_PAYLOAD_BYTES`] bytes.
pub fn encode_ping_payload(coordinate: &Coordinate, out: &mut Vec<u8>) {
    let [a, b, c, d, e, f, g, h] = coordinate.vec;
    let Coordinate { error, adjustment, height, .. } = *coordinate;
    let numbers = [adjustment, error, height, a, b, c, d, e, f, g, h];
    let mut payload = [0; PING_PAYLOAD_BYTES];
    let mut rest = payload.as_mut_slice();
    for (before, number) in BEFORE_NUMBERS.into_iter().zip(numbers) {
        let (head, tail) = rest.split_at_mut(before.len());
        head.copy_from_slice(before);
        let (place, tail) = tail.split_at_mut(8);
        place.copy_from_slice(&number.to_be_bytes());
        rest = tail;
    }
    out.extend_from_slice(&payload);
}

/// Decodes the payload; ignores what follows it. The numbers may be of any kind, also infinite.
///
/// # Errors
/// [`DecodeError`] if it is malformed, of another version (`Range`), or has not [`DIMENSIONS`] dimensions (`Type`).
pub fn decode_ping_payload(payload: &[u8]) -> Result<Coordinate, DecodeError> {
    let mut reader = Reader::new(payload);
    if let Some(coordinate) = read_canonical(&mut reader) {
        return Ok(coordinate);
    }
    let mut reader = Reader::new(payload);
    match reader.take(1)? {
        [VERSION] => read_any_layout(&mut reader),
        _ => Err(reader.error(DecodeErrorKind::Range)),
    }
}

/// The layout that the encoder writes, which is that of every known peer.
#[inline]
fn read_canonical(reader: &mut Reader<'_>) -> Option<Coordinate> {
    let mut numbers = [0.0; BEFORE_NUMBERS.len()];
    for (before, number) in BEFORE_NUMBERS.iter().zip(&mut numbers) {
        if !reader.piece(before) {
            return None;
        }
        let bytes = reader.take(8).ok()?;
        *number = f64::from_be_bytes(bytes.try_into().ok()?);
    }
    let [adjustment, error, height, vec @ ..] = numbers;
    Some(Coordinate { vec, error, adjustment, height })
}

/// Any other layout, the version already read.
#[inline(never)]
fn read_any_layout(reader: &mut Reader<'_>) -> Result<Coordinate, DecodeError> {
    let mut coordinate =
        Coordinate { vec: [0.0; DIMENSIONS], error: 0.0, adjustment: 0.0, height: 0.0 };
    let is_array = matches!(reader.rest().first(), Some(0x90..=0x9f | 0xdc | 0xdd));
    let dimensions = if is_array {
        read_array(reader, &mut coordinate)?
    } else {
        read_map(reader, &mut coordinate)?
    };
    if usize::try_from(dimensions) != Ok(DIMENSIONS) {
        return Err(reader.error(DecodeErrorKind::Type));
    }
    Ok(coordinate)
}

/// Fields under their names, in any order; the last of two equal names counts. Returns the number of dimensions.
fn read_map(reader: &mut Reader<'_>, coordinate: &mut Coordinate) -> Result<u32, DecodeError> {
    let mut dimensions = 0;
    for _ in 0..reader.map()? {
        match reader.key()? {
            b"Adjustment" => coordinate.adjustment = read_float(reader)?,
            b"Error" => coordinate.error = read_float(reader)?,
            b"Height" => coordinate.height = read_float(reader)?,
            b"Vec" => dimensions = read_vec(reader, &mut coordinate.vec)?,
            _ => reader.skip()?,
        }
    }
    Ok(dimensions)
}

/// Fields in the order in which Go declares them, as far as they go. Returns the number of dimensions.
fn read_array(reader: &mut Reader<'_>, coordinate: &mut Coordinate) -> Result<u32, DecodeError> {
    let count = reader.array()?;
    if count == 0 {
        return Ok(0);
    }
    let dimensions = read_vec(reader, &mut coordinate.vec)?;
    let Coordinate { error, adjustment, height, .. } = coordinate;
    for (field, _) in [error, adjustment, height].into_iter().zip(1..count) {
        *field = read_float(reader)?;
    }
    Ok(dimensions)
}

/// Reads an array of numbers into `vec` as far as they fit; returns how many there were.
fn read_vec(reader: &mut Reader<'_>, vec: &mut [f64; DIMENSIONS]) -> Result<u32, DecodeError> {
    let count = reader.array()?;
    let mut places = vec.iter_mut();
    for _ in 0..count {
        let value = read_float(reader)?;
        if let Some(place) = places.next() {
            *place = value;
        }
    }
    Ok(count)
}

/// A number of any type; nil is zero.
fn read_float(reader: &mut Reader<'_>) -> Result<f64, DecodeError> {
    let tag = reader.rest().first().copied();
    match tag {
        Some(FLOAT64) => tagged(reader).map(f64::from_be_bytes),
        Some(FLOAT32) => tagged(reader).map(f32::from_be_bytes).map(f64::from),
        Some(UNSIGNED64) => reader.unsigned().map(|value| value as f64),
        Some(NIL) => reader.take(1).map(|_| 0.0),
        _ => reader.signed().map(|value| value as f64),
    }
}

/// The bytes behind a type byte.
fn tagged<const N: usize>(reader: &mut Reader<'_>) -> Result<[u8; N], DecodeError> {
    reader.take(1)?;
    let bytes = reader.take(N)?;
    <[u8; N]>::try_from(bytes).map_err(|_| reader.error(DecodeErrorKind::End))
}

#[cfg(test)]
mod tests;
