//! Regular expressions of Go's dialect, searched in the value of a tag: the filters of queries, and of an agent's clients.
//!
//! Source: Serf, receiving queries. Expressions come from the network, so their size, and what compiling them may
//! take, is bounded; an expression beyond a bound matches nothing, as one that is malformed.

use std::collections::VecDeque;

use regex::{Regex, RegexBuilder};
use thiserror::Error;

use crate::time::{Instant, MILLISECOND, SECOND};

mod dialect;

/// Longest expression, in bytes. A whole query has at most 1,024 bytes unless both sides raise that limit.
pub(crate) const PATTERN_BYTES_MAX: usize = 1_024;
/// Most memory of a compiled expression, in bytes.
const PROGRAM_BYTES_MAX: usize = 256 * 1_024;
/// Deepest nesting; the compiler recurses this deep.
const NESTING_MAX: u32 = 250;

/// Expressions of received queries that are kept compiled.
const RECENT_MAX: usize = 8;
/// What compiling one expression costs of the time that may be spent: 40 in a second. The worst take 2 ms.
const COMPILE_COST: u64 = 25 * MILLISECOND;
/// How much may be spent at once.
const COMPILE_BURST: u64 = SECOND;

/// Why an expression was refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Error)]
pub enum PatternError {
    /// Longer than `PATTERN_BYTES_MAX`.
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
    /// A parenthesis that is never closed.
    #[error("a parenthesis is not closed")]
    Unclosed,
    /// A parenthesis that closes none.
    #[error("a closing parenthesis has no counterpart")]
    Unopened,
}

/// An expression that was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("{error}: {part}")]
pub struct Refusal<'e> {
    /// Why.
    pub error: PatternError,
    /// The part of the expression at fault, as far as that can be told; the whole one otherwise.
    pub part: &'e str,
}

/// What an expression may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Longest expression, in bytes.
    pub pattern_bytes_max: usize,
    /// Most memory of the compiled expression, in bytes; the time to compile grows with it.
    pub program_bytes_max: usize,
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct TagPattern(Regex);

impl TagPattern {
    /// Compiles an expression that came from the network.
    pub(crate) fn new(expr: &str) -> Result<Self, PatternError> {
        let limits =
            Limits { pattern_bytes_max: PATTERN_BYTES_MAX, program_bytes_max: PROGRAM_BYTES_MAX };
        Self::within(expr, limits).map_err(|refusal| refusal.error)
    }

    /// Compiles `expr` with the meaning it has in Go.
    ///
    /// # Errors
    /// [`Refusal`]; [`PatternError::TooLong`] and [`PatternError::TooLarge`] beyond `limits`.
    pub fn within(expr: &str, limits: Limits) -> Result<Self, Refusal<'_>> {
        let refused = |error| Refusal { error, part: expr };
        if expr.len() > limits.pattern_bytes_max {
            return Err(refused(PatternError::TooLong));
        }
        RegexBuilder::new(&dialect::translate(expr)?)
            .size_limit(limits.program_bytes_max)
            .nest_limit(NESTING_MAX)
            .build()
            .map(Self)
            // The translation is well-formed, so only the limits are left.
            .map_err(|_| refused(PatternError::TooLarge))
    }

    /// Whether the expression matches anywhere in `value`. A member without the tag has the empty value.
    #[must_use]
    pub fn is_match(&self, value: &str) -> bool {
        self.0.is_match(value)
    }
}

/// Expressions of received queries: the last ones stay compiled, and only so many are compiled in a second, so that a
/// flood of queries does not keep a node from its probes.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    /// Newest last; `None` for an expression that is refused.
    recent: VecDeque<(Box<str>, Option<TagPattern>)>,
    /// What was compiled is paid for at this time.
    paid_at: Instant,
}

impl Patterns {
    /// Whether `expr` matches in `value`; `None` if too many were compiled of late to find out.
    pub(crate) fn is_match(&mut self, expr: &str, value: &str, now: Instant) -> Option<bool> {
        let known = self.recent.iter().position(|(known, _)| **known == *expr);
        let kept = match known.and_then(|at| self.recent.remove(at)) {
            Some(kept) => kept,
            None => {
                let paid_at = self.paid_at.max(now).plus_nanos(COMPILE_COST);
                if paid_at > now.plus_nanos(COMPILE_BURST) {
                    return None;
                }
                self.paid_at = paid_at;
                (expr.into(), TagPattern::new(expr).ok())
            }
        };
        let found = kept.1.as_ref().is_some_and(|pattern| pattern.is_match(value));
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(kept);
        Some(found)
    }
}

#[cfg(test)]
mod tests;
