//! What the log says of requests that cannot be read: the words of Go's codec, by what was wanted and what came.

use std::fmt;

use uwasa_core::wire::msgpack::{DecodeError, DecodeErrorKind, Reader};

/// Why an object is no request, in words for the log.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refusal(String);

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        Self(error.to_string())
    }
}

/// What a request has at a place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wanted {
    Structure,
    /// A list, or a byte string in one of its forms.
    List,
    /// Text, or a map of texts.
    Text,
    Integer,
    Boolean,
}

impl Wanted {
    /// Reads a value; a refusal names what came instead.
    pub(super) fn read<'a, T>(
        self,
        value: &mut Reader<'a>,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<T, Refusal> {
        let start = value.clone();
        read(value).map_err(|error| self.refusal(&start, error))
    }

    /// The words for a value that `start` stands before.
    pub(super) fn refusal(self, start: &Reader<'_>, error: DecodeError) -> Refusal {
        let Some(&tag) = start.rest().first() else { return error.into() };
        match error.kind {
            // The structure is one; what is wrong is a key in it.
            DecodeErrorKind::Type if self == Self::Structure && matches!(kind(tag), 9 | 10) => {
                error.into()
            }
            DecodeErrorKind::Type => Refusal(format!("codec.decoder: {}", self.instead(tag))),
            DecodeErrorKind::Range => Refusal(format!("codec.decoder: {}", range(start, tag))),
            DecodeErrorKind::End
            | DecodeErrorKind::Utf8
            | DecodeErrorKind::Depth
            | DecodeErrorKind::Limit => error.into(),
        }
    }

    fn instead(self, tag: u8) -> String {
        let unknown = "Unrecognized descriptor byte";
        match self {
            Self::Structure | Self::List => {
                let form = if self == Self::List { "slice" } else { "struct" };
                let kind = kind(tag);
                format!(
                    "Only encoded map or array can be decoded into a {form}. (valueType: {kind:x})"
                )
            }
            Self::Text => format!("readContainerLen: {unknown}: hex: {tag:x}, dec: {tag}"),
            Self::Integer => {
                format!("Unhandled single-byte unsigned integer value: {unknown}: {tag:x}")
            }
            Self::Boolean => format!("Invalid single-byte value for bool: {unknown}: {tag:x}"),
        }
    }
}

/// The number that Go's codec gives the type that begins with `tag`.
fn kind(tag: u8) -> u8 {
    match tag {
        0xc0 => 1,
        0x00..=0x7f | 0xd0..=0xd3 | 0xe0..=0xff => 2,
        0xcc..=0xcf => 3,
        0xca | 0xcb => 4,
        0xc1..=0xc3 => 5,
        0xa0..=0xbf | 0xd9..=0xdb => 6,
        0xc4..=0xc6 => 8,
        0x80..=0x8f | 0xde | 0xdf => 9,
        0x90..=0x9f | 0xdc | 0xdd => 10,
        0xc7..=0xc9 | 0xd4..=0xd8 => 12,
    }
}

/// The words for an integer that does not fit.
fn range(start: &Reader<'_>, tag: u8) -> impl fmt::Display + use<> {
    match start.clone().unsigned() {
        Ok(value) => format!("Overflow uint value: {value}"),
        // One byte is shown as it came, not as what it means.
        Err(_) if tag >= 0xe0 => {
            format!("Assigning negative signed value: {tag}, to unsigned type")
        }
        Err(_) => {
            let value = start.clone().signed().unwrap_or_default();
            format!("Assigning negative signed value: {value}, to unsigned type")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts that the original logged for these bytes.
    #[test]
    fn refusals_are_in_the_words_of_gos_codec() {
        let struct_ = "Only encoded map or array can be decoded into a struct. (valueType:";
        let slice = "Only encoded map or array can be decoded into a slice. (valueType:";
        let cases: [(Wanted, &[u8], String); 17] = [
            (Wanted::Structure, &[0x47], format!("{struct_} 2)")),
            (Wanted::Structure, &[0xd2, 0, 0, 0, 1], format!("{struct_} 2)")),
            (Wanted::Structure, &[0xcc, 0xfe], format!("{struct_} 3)")),
            (Wanted::Structure, &[0xca, 0, 0, 0, 0], format!("{struct_} 4)")),
            (Wanted::Structure, &[0xc2], format!("{struct_} 5)")),
            (Wanted::Structure, &[0xa1, 0x61], format!("{struct_} 6)")),
            (Wanted::Structure, &[0xc4, 0], format!("{struct_} 8)")),
            (Wanted::Structure, &[0xd4, 1, 1], format!("{struct_} c)")),
            (Wanted::List, &[0xd9, 0], format!("{slice} 6)")),
            (
                Wanted::Text,
                &[0x05],
                "readContainerLen: Unrecognized descriptor byte: hex: 5, dec: 5".to_owned(),
            ),
            (
                Wanted::Text,
                &[0x91, 0x01],
                "readContainerLen: Unrecognized descriptor byte: hex: 91, dec: 145".to_owned(),
            ),
            (
                Wanted::Boolean,
                &[0x05],
                "Invalid single-byte value for bool: Unrecognized descriptor byte: 5".to_owned(),
            ),
            (Wanted::Integer, &[0xcb, 0, 0, 0, 0, 0, 0, 0, 0], unhandled("cb")),
            (Wanted::Integer, &[0xa1, 0x78], unhandled("a1")),
            (Wanted::Integer, &[0xe0], negative(224)),
            (Wanted::Integer, &[0xd1, 0xff, 0xfe], negative(-2)),
            (Wanted::Integer, &[0xcd, 0x01, 0x00], "Overflow uint value: 256".to_owned()),
        ];
        for (wanted, bytes, text) in cases {
            let value = &mut Reader::new(bytes);
            let refused = match wanted {
                Wanted::Structure => wanted.read(value, |value| value.map().map(drop)),
                Wanted::List => wanted.read(value, |value| value.array().map(drop)),
                Wanted::Text => wanted.read(value, |value| value.raw().map(drop)),
                Wanted::Boolean => wanted.read(value, |value| value.boolean().map(drop)),
                Wanted::Integer => wanted.read(value, |value| value.u8().map(drop)),
            };
            assert_eq!(refused.unwrap_err().to_string(), format!("codec.decoder: {text}"));
        }
    }

    fn unhandled(byte: &str) -> String {
        format!(
            "Unhandled single-byte unsigned integer value: Unrecognized descriptor byte: {byte}"
        )
    }

    fn negative(value: i16) -> String {
        format!("Assigning negative signed value: {value}, to unsigned type")
    }
}
