//! Base64 as Go reads and writes it: line ends are skipped, and an error names the byte that Go would name.

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

/// Encodes with padding.
#[must_use]
pub(crate) fn encode(bytes: &[u8]) -> String {
    ENGINE.encode(bytes)
}

/// Decodes padded text; line ends in it are ignored.
///
/// # Errors
///
/// Go's text: `illegal base64 data at input byte N`.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>, String> {
    let plain: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    ENGINE
        .decode(plain)
        .map_err(|_| format!("illegal base64 data at input byte {}", fault(text.as_bytes())))
}

/// Where Go stops reading text that is wrong: at the first byte that does not fit, at padding that is not completed, or
/// as many bytes before the end as an incomplete group has.
fn fault(text: &[u8]) -> usize {
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let mut bytes =
        text.iter().copied().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    let mut filled = 0;
    while let Some((at, byte)) = bytes.next() {
        if alphabet(byte) {
            filled = (filled + 1) % 4;
            continue;
        }
        if byte != b'=' || filled < 2 {
            return at;
        }
        if filled == 2 {
            match bytes.next() {
                Some((_, b'=')) => {}
                Some((at, _)) => return at - 1,
                None => return text.len(),
            }
        }
        return bytes.next().map_or(text.len(), |(at, _)| at);
    }
    text.len() - filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_byte_that_go_names() {
        for (text, at) in [
            ("notbase64!", 9),
            ("A!", 1),
            ("AAA!", 3),
            ("AAAAA", 4),
            ("AAAAAAA", 4),
            ("A=", 1),
            ("AA=", 3),
            ("AA=A", 2),
            ("AA==A", 4),
            ("AAA=A", 4),
            ("AAAA=", 4),
            ("AAA=\nA", 5),
            ("AAA=\n\n=", 6),
            ("AA=!", 2),
            ("AA\n=A", 3),
            ("AA=\nA", 3),
            ("AA=\n", 4),
            ("A\nA", 1),
            ("AAAA\nA", 5),
            ("AAAAA\n\nA", 6),
            ("AAA\n", 1),
            ("AA\n!", 3),
            ("AAAAé", 4),
            ("AAAAAA=", 7),
            ("AAAA====BBBB", 4),
        ] {
            let error = format!("illegal base64 data at input byte {at}");
            assert_eq!(decode(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn line_ends_and_loose_bits_do_not_matter() {
        assert_eq!(decode("AAAA\n"), Ok(vec![0, 0, 0]));
        assert_eq!(decode("AA=\n="), Ok(vec![0]));
        assert_eq!(decode("AB=="), Ok(vec![0]));
        assert_eq!(decode("\n"), Ok(Vec::new()));
        assert_eq!(decode(&encode(&[1, 2, 3, 4])), Ok(vec![1, 2, 3, 4]));
    }
}
