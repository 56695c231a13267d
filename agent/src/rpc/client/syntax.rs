//! Records printed as Go prints values it knows nothing about (`%#v`).

use uwasa_core::wire::msgpack::{DEPTH_MAX, DecodeError, DecodeErrorKind, Reader};

use crate::go;

/// The type that Go gives to every list.
const LIST: &str = "[]interface {}";
/// The type that Go gives to every map.
const MAP: &str = "map[interface {}]interface {}";

/// Prints the fields of a record, sorted by name.
///
/// # Errors
/// The record is no map with names, or its content is malformed.
pub fn fields(record: &[u8]) -> Result<Vec<(String, String)>, DecodeError> {
    let mut reader = Reader::new(record);
    let mut fields = Vec::new();
    for _ in 0..reader.map()? {
        let name = go::json::lossy(reader.key()?);
        let mut text = String::new();
        match reader.rest().first() {
            Some(0xc0) => {
                reader.skip()?;
                text.push_str("<nil>");
            }
            Some(0xc4..=0xc6) => match reader.bytes_or_empty()? {
                [] => text.push_str("[]byte(nil)"),
                bytes => print_bytes("[]byte", bytes, &mut text),
            },
            _ => {
                print(&mut reader, 0, &mut text)?;
            }
        }
        fields.push((name, text));
    }
    fields.sort();
    Ok(fields)
}

/// Where a key of a map stands among the others: keys of one type together, each type in its own order.
#[derive(PartialEq, PartialOrd, Debug)]
enum Rank {
    Nil,
    Boolean(bool),
    Float(f64),
    Signed(i64),
    Text(Vec<u8>),
    Unsigned(u64),
    Container,
}

/// Prints the next value, which is inside of another one.
fn print(reader: &mut Reader<'_>, depth: usize, out: &mut String) -> Result<Rank, DecodeError> {
    if depth > DEPTH_MAX {
        return Err(reader.error(DecodeErrorKind::Depth));
    }
    let tag = *reader.rest().first().ok_or_else(|| reader.error(DecodeErrorKind::End))?;
    Ok(match tag {
        0xc0 => {
            reader.skip()?;
            out.push_str("interface {}(nil)");
            Rank::Nil
        }
        0xc2 | 0xc3 => {
            let value = reader.boolean()?;
            out.push_str(if value { "true" } else { "false" });
            Rank::Boolean(value)
        }
        0x00..=0x7f | 0xe0..=0xff | 0xd0..=0xd3 => {
            let value = reader.signed()?;
            out.push_str(&value.to_string());
            Rank::Signed(value)
        }
        0xcc..=0xcf => {
            let value = reader.unsigned()?;
            out.push_str(&format!("{value:#x}"));
            Rank::Unsigned(value)
        }
        0xca | 0xcb => {
            let value = float(reader)?;
            out.push_str(&print_float(value));
            Rank::Float(value)
        }
        0xa0..=0xbf | 0xd9..=0xdb => {
            let text = reader.raw()?.unwrap_or_default();
            out.push_str(&go::quote::quote_bytes(text));
            Rank::Text(text.to_vec())
        }
        0xc4..=0xc6 => {
            print_bytes("[]uint8", reader.bytes_or_empty()?, out);
            Rank::Container
        }
        0x90..=0x9f | 0xdc | 0xdd => {
            print_list(reader, depth, out)?;
            Rank::Container
        }
        0x80..=0x8f | 0xde | 0xdf => {
            print_map(reader, depth, out)?;
            Rank::Container
        }
        0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => return Err(reader.error(DecodeErrorKind::Type)),
    })
}

fn print_list(reader: &mut Reader<'_>, depth: usize, out: &mut String) -> Result<(), DecodeError> {
    out.push_str(LIST);
    out.push('{');
    for index in 0..reader.array()? {
        if index > 0 {
            out.push_str(", ");
        }
        print(reader, depth + 1, out)?;
    }
    out.push('}');
    Ok(())
}

fn print_map(reader: &mut Reader<'_>, depth: usize, out: &mut String) -> Result<(), DecodeError> {
    let mut pairs = Vec::new();
    for _ in 0..reader.map()? {
        let mut pair = String::new();
        // Go's codec makes text of a key of bytes.
        let rank = if matches!(reader.rest().first(), Some(0xc4..=0xc6)) {
            let key = reader.key()?;
            pair.push_str(&go::quote::quote_bytes(key));
            Rank::Text(key.to_vec())
        } else {
            print(reader, depth + 1, &mut pair)?
        };
        pair.push(':');
        print(reader, depth + 1, &mut pair)?;
        pairs.push((rank, pair));
    }
    pairs.sort_by(|(a, _), (b, _)| a.partial_cmp(b).unwrap_or(core::cmp::Ordering::Equal));
    let pairs: Vec<_> = pairs.into_iter().map(|(_, pair)| pair).collect();
    out.push_str(MAP);
    out.push('{');
    out.push_str(&pairs.join(", "));
    out.push('}');
    Ok(())
}

fn print_bytes(kind: &str, bytes: &[u8], out: &mut String) {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:#x}")).collect();
    out.push_str(kind);
    out.push('{');
    out.push_str(&bytes.join(", "));
    out.push('}');
}

fn float(reader: &mut Reader<'_>) -> Result<f64, DecodeError> {
    let wide = reader.rest().first() == Some(&0xcb);
    reader.take(1)?;
    let bytes = reader.take(if wide { 8 } else { 4 })?;
    let narrow = <[u8; 4]>::try_from(bytes).map(|bytes| f32::from_be_bytes(bytes).into());
    let wide = <[u8; 8]>::try_from(bytes).map(f64::from_be_bytes);
    wide.or(narrow).map_err(|_| reader.error(DecodeErrorKind::End))
}

/// Go's shortest form: with an exponent of at least two digits where it is below -4 or above 5 and beyond the digits.
fn print_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests;
