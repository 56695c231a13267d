//! Domain names from text, as Serf reads them: names of nodes and clusters are put into one text, and what that text
//! means decides.

use hickory_proto::rr::Name;

/// Reads `a.b.`: dots separate labels, `\c` is the character `c`, `\DDD` the byte with that decimal number. Anything else
/// stands for itself, in UTF-8. `None`: not a name that DNS can carry (an empty label, more than 63 bytes in a label or
/// 255 in all).
///
/// `Name::from_ascii` and its sisters do not take all bytes, and `Name::from_utf8` changes some.
pub(super) fn parse(text: &str) -> Option<Name> {
    let mut labels: Vec<Vec<u8>> = Vec::new();
    let mut label = Vec::new();
    let mut bytes = text.as_bytes();
    while let [byte, rest @ ..] = bytes {
        bytes = match (byte, rest) {
            (b'.', _) => {
                labels.push(core::mem::take(&mut label));
                rest
            }
            (b'\\', [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..]) => {
                let number = [a, b, c].iter().fold(0, |n, d| n * 10 + u16::from(*d - b'0'));
                label.push(u8::try_from(number).ok()?);
                rest
            }
            (b'\\', [escaped, rest @ ..]) => {
                label.push(*escaped);
                rest
            }
            _ => {
                label.push(*byte);
                rest
            }
        };
    }
    if !label.is_empty() {
        labels.push(label);
    }
    Name::from_labels(labels).ok()
}
