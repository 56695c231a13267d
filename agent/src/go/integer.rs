//! Integers in Go's notation: `10`, `0x1f`, `0b1`, `0o17`, `1_000`.

/// Why a text is no integer, in Go's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IntegerError {
    /// Not an integer.
    #[error("parse error")]
    Syntax,
    /// Beyond 64 bits.
    #[error("value out of range")]
    Range,
}

/// Reads an integer as Go's `strconv.ParseInt` with base 0 does.
///
/// # Errors
///
/// See [`IntegerError`].
pub fn parse(text: &str) -> Result<i64, IntegerError> {
    let _ = text;
    unimplemented!()
}
