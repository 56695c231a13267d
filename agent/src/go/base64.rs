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
    }
}
