//! Text in quotes as Go writes it.

/// `%q`: quotes `text` with Go's escapes.
#[must_use]
pub fn quote(text: &str) -> String {
    let _ = text;
    unimplemented!()
}

/// `%q` of bytes: what is no UTF-8 is written as `\xNN`.
#[must_use]
pub fn quote_bytes(bytes: &[u8]) -> String {
    let _ = bytes;
    unimplemented!()
}
