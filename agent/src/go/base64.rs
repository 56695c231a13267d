<<<<<<< HEAD
//! Base64 as Go reads it: line breaks are skipped, and an error tells where Go would stop.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Go takes the bits that padding leaves over as they come.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireCanonical),
);

/// Decodes `text`.
///
/// # Errors
///
/// Go's text: `illegal base64 data at input byte N`.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    let plain: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    ENGINE.decode(plain).map_err(|_| format!("illegal base64 data at input byte {}", fault(text.as_bytes())))
}

/// Where Go stops reading: at the first byte that does not fit, or where a group of four starts that is cut off.
fn fault(text: &[u8]) -> usize {
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let mut bytes = text.iter().copied().enumerate().filter(|(_, byte)| !b"\r\n".contains(byte));
    let mut filled = 0;
    loop {
        match bytes.next() {
            Some((_, byte)) if alphabet(byte) => filled = (filled + 1) % 4,
            // A full last group of padding: what follows it is at fault.
            Some((at, b'=')) if filled >= 2 => {
                if filled == 3 {
                    return bytes.next().map_or(text.len(), |(at, _)| at);
                }
                return match bytes.next() {
                    Some((_, b'=')) => bytes.next().map_or(text.len(), |(at, _)| at),
                    Some((at, _)) => at - 1,
                    None => text.len().max(at),
                };
            }
            Some((at, _)) => return at,
            None => return text.len() - filled,
        }
=======
//! Base64 with the errors of Go.

use base64::DecodeError;
use base64::alphabet::STANDARD;
use base64::engine::{Engine as _, GeneralPurpose, GeneralPurposeConfig};

/// Go forgives bits behind the last byte.
const ENGINE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Encodes with padding.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

/// Decodes padded text; line ends in it are ignored.
///
/// # Errors
///
/// `illegal base64 data at input byte N`: the first character that is wrong, or the start of the group of four that is
/// not complete.
pub fn decode(text: &str) -> Result<Vec<u8>, String> {
    let plain: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    ENGINE.decode(&plain).map_err(|error| {
        let position = match error {
            DecodeError::InvalidByte(position, _)
            | DecodeError::InvalidLastSymbol { offset: position, .. } => position,
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => plain.len() / 4 * 4,
        };
        format!("illegal base64 data at input byte {position}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_byte_that_go_names() {
        let error = |text| decode(text).unwrap_err();
        assert_eq!(error("notbase64!"), "illegal base64 data at input byte 9");
        assert_eq!(error("AAAAA"), "illegal base64 data at input byte 4");
        assert_eq!(decode("AAAA\n"), Ok(vec![0, 0, 0]));
        assert_eq!(decode("AB=="), Ok(vec![0]));
        assert_eq!(decode(&encode(&[1, 2, 3, 4])), Ok(vec![1, 2, 3, 4]));
>>>>>>> main
    }
}
