//! Which members a client asked for: regular expressions of Go's dialect, and Go's words for what is wrong with them.

use uwasa_core::pattern::{Limits, PatternError, Refusal, TagPattern};

use super::errors::shown;
use super::request::MemberFilter;
use crate::event::Member;

/// Clients are the operator's own programs, so they may ask for more than strangers in the cluster may.
const LIMITS: Limits = Limits { pattern_bytes_max: 16 * 1_024, program_bytes_max: 1 << 20 };

/// Keeps the members that meet all conditions. Other tasks run between the conditions, of which one takes some
/// milliseconds at most to compile.
///
/// # Errors
/// The first expression that is none, in the words of Go.
pub(super) async fn select(filter: &MemberFilter, members: &mut Vec<Member>) -> Result<(), String> {
    for (tag, expr) in &filter.tags {
        let pattern = compile(expr)?;
        members.retain(|member| pattern.is_match(member.tags.get(tag).unwrap_or_default()));
        tokio::task::yield_now().await;
    }
    if !filter.status.is_empty() {
        let pattern = compile(&filter.status)?;
        members.retain(|member| pattern.is_match(member.status_word()));
    }
    if !filter.name.is_empty() {
        let pattern = compile(&filter.name)?;
        members.retain(|member| pattern.is_match(&member.name));
    }
    Ok(())
}

/// Compiles an expression that has to match from the start to the end. There is no group around it, as in Serf: `a|b`
/// is what starts with `a` or ends in `b`.
fn compile(expr: &str) -> Result<TagPattern, String> {
    TagPattern::within(&format!("^{expr}$"), LIMITS).map_err(|refusal| explain(&refusal))
}

fn explain(refusal: &Refusal<'_>) -> String {
    let part = refusal.part;
    let reason = match refusal.error {
        PatternError::TooLong | PatternError::TooLarge => "expression too large",
        PatternError::NothingToRepeat => "missing argument to repetition operator",
        PatternError::DoubleRepetition => "invalid nested repetition operator",
        PatternError::RepetitionCount => "invalid repeat count",
        PatternError::Escape => "invalid escape sequence",
        PatternError::Class if part.starts_with('[') && !part.starts_with("[:") => {
            "missing closing ]"
        }
        PatternError::Class => "invalid character class range",
        PatternError::Group if part.starts_with("(?P<") => "invalid named capture",
        PatternError::Group => "invalid or unsupported Perl syntax",
        PatternError::Unopened => "unexpected )",
        PatternError::Unclosed => "missing closing )",
    };
    format!("error parsing regexp: {reason}: `{}`", shown(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_worded_as_by_go() {
        for (expr, expected) in [
            ("(", "missing closing ): `^($`"),
            ("a))", "unexpected ): `^a))$`"),
            ("[", "missing closing ]: `[$`"),
            ("a|*", "missing argument to repetition operator: `*`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            (r"\y", r"invalid escape sequence: `\y`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            (r"\pX", r"invalid character class range: `\pX`"),
            ("(?<n>a)", "invalid or unsupported Perl syntax: `(?<`"),
            ("(?P<n", "invalid named capture: `(?P<n$`"),
        ] {
            let error = compile(expr).unwrap_err();
            assert_eq!(error, format!("error parsing regexp: {expected}"));
        }
    }

    #[test]
    fn expressions_that_cost_too_much_are_refused_in_a_few_words() {
        for expr in ["a".repeat(20_000), r"(\pL{100}){10}".to_owned(), "(".repeat(16_000)] {
            let error = compile(&expr).unwrap_err();
            assert!(error.len() < 400, "{error}");
        }
    }
}
