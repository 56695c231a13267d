//! Tag filters of queries: regular expressions of Go's dialect, searched in the value of a tag.
//!
//! Source: Serf, receiving queries. Expressions come from the network, so their size, and what compiling them may
//! take, is bounded; an expression beyond a bound matches nothing, as one that is malformed.

use regex::{Regex, RegexBuilder};
use thiserror::Error;

mod dialect;

/// Longest expression, in bytes. A whole query has at most 1,024 bytes unless both sides raise that limit.
pub(crate) const PATTERN_BYTES_MAX: usize = 1_024;
/// Most memory of a compiled expression, in bytes.
const PROGRAM_BYTES_MAX: usize = 256 * 1_024;
/// Deepest nesting; the compiler recurses this deep.
const NESTING_MAX: u32 = 250;

/// Why an expression was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
pub(crate) enum PatternError {
    /// Longer than [`PATTERN_BYTES_MAX`].
    #[error("the expression is longer than {PATTERN_BYTES_MAX} bytes")]
    TooLong,
    /// Would take too much memory or time, or nests too deeply.
    #[error("the expression is too large when compiled, or nests too deeply")]
    TooLarge,
    /// A `*`, `+`, `?` or count with nothing before it.
    #[error("a repetition has nothing to repeat")]
    NothingToRepeat,
    /// A repetition right after a repetition.
    #[error("a repetition is repeated without a group")]
    DoubleRepetition,
    /// A count above 1,000, also by nesting, or a range of counts that ends before it starts.
    #[error("a repetition count is above 1000 or out of order")]
    RepetitionCount,
    /// A backslash before something that has no meaning with one.
    #[error("an escape sequence is unknown or incomplete")]
    Escape,
    /// An unknown class name, a range that ends before it starts, or a class that does not end.
    #[error("a character class is malformed or unknown")]
    Class,
    /// What follows `(?` is unknown, or a group's name is malformed or taken.
    #[error("a group has an unknown or malformed kind")]
    Group,
    /// A parenthesis without its counterpart.
    #[error("a parenthesis has no counterpart")]
    Parenthesis,
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct TagPattern(Regex);

impl TagPattern {
    /// Compiles `expr` with the meaning it has in Go.
    ///
    /// # Errors
    /// [`PatternError`].
    pub(crate) fn new(expr: &str) -> Result<Self, PatternError> {
        if expr.len() > PATTERN_BYTES_MAX {
            return Err(PatternError::TooLong);
        }
        RegexBuilder::new(&dialect::translate(expr)?)
            .size_limit(PROGRAM_BYTES_MAX)
            .nest_limit(NESTING_MAX)
            .build()
            .map(Self)
            // The translation is well-formed, so only the limits are left.
            .map_err(|_| PatternError::TooLarge)
    }

    /// Whether the expression matches anywhere in `value`. A member without the tag has the empty value.
    pub(crate) fn is_match(&self, value: &str) -> bool {
        self.0.is_match(value)
    }
}

#[cfg(test)]
mod tests;
