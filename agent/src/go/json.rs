//! JSON as Go writes it: two blanks of indent, `<`, `>`, `&` and U+2028/9 escaped.

use serde::Serialize;

/// Writes `value` with an indent of two blanks and without a final newline.
///
/// Maps keep the order in which they serialize; `BTreeMap` gives Go's. Text that came from bytes which are no UTF-8 must
/// hold U+FFFD per bad byte already; see [`lossy`].
#[must_use]
pub fn pretty<T: Serialize>(value: &T) -> String {
    let _ = value;
    unimplemented!()
}

/// Bytes as the text that Go's encoder writes: each byte that is not part of valid UTF-8 becomes U+FFFD.
#[must_use]
pub fn lossy(bytes: &[u8]) -> String {
    let _ = bytes;
    unimplemented!()
}
