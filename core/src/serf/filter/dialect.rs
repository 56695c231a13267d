//! Rewrites a regular expression of Go's dialect into one that the `regex` crate understands the same way.
//!
//! Source: Go's documentation of `regexp/syntax`, as of Go 1.19. Only whether there is a match
//! matters, so captures become plain groups and laziness is dropped. Flags are resolved here: the result states for
//! every character, class and anchor what it means, and relies on no default of the crate but that of `.`.

use std::collections::BTreeSet;

use super::{PatternError, Refusal};

mod class;
mod names;

/// Largest count of a repetition, also as the product of nested ones.
const COUNT_MAX: u32 = 1_000;

/// The expression in the dialect of the `regex` crate.
pub(super) fn translate(expr: &str) -> Result<String, Refusal<'_>> {
    let mut scanner = Scanner::new(expr);
    match scanner.run() {
        Ok(()) => Ok(scanner.out),
        Err(error) => {
            let read = expr.len() - scanner.rest.len();
            let whole = matches!(
                error,
                PatternError::Unclosed | PatternError::Unopened | PatternError::TooLarge
            );
            let len = scanner.part.len().checked_sub(scanner.rest.len()).filter(|_| !whole);
            let part = len.and_then(|len| expr.get(read - len..read)).unwrap_or(expr);
            Err(Refusal { error, part })
        }
    }
}

/// Flags that change what matches. `U` only changes which match is found, so it is read and dropped.
#[derive(Clone, Copy, Default)]
struct Flags {
    /// `i`: letters of either case.
    fold: bool,
    /// `m`: `^` and `$` match at lines too.
    lines: bool,
    /// `s`: `.` matches a line feed too.
    dot_all: bool,
}

/// A group that is not closed yet.
struct Open {
    /// Where it starts in the output.
    start: usize,
    /// Flags and weight of what is around it.
    outer: Flags,
    outer_weight: u32,
}

/// The last item, which a repetition would repeat.
#[derive(Clone, Copy)]
struct Atom {
    /// Where it starts in the output.
    start: usize,
    /// Largest product of nested counts in it.
    weight: u32,
    /// Ends in a repetition sign.
    repeated: bool,
}

struct Scanner<'a> {
    rest: &'a str,
    /// From where an error that is found now would be shown: what was left to read then.
    part: &'a str,
    out: String,
    flags: Flags,
    open: Vec<Open>,
    /// None at the start of a group or an alternative.
    atom: Option<Atom>,
    /// The last token was a repetition.
    after_repetition: bool,
    /// Largest product of nested counts in the open group, without the last item.
    weight: u32,
    names: BTreeSet<&'a str>,
    budget: class::Budget,
}

impl<'a> Scanner<'a> {
    fn new(expr: &'a str) -> Self {
        Self {
            rest: expr,
            part: expr,
            out: String::with_capacity(4 * expr.len()),
            flags: Flags::default(),
            open: Vec::new(),
            atom: None,
            after_repetition: false,
            weight: 1,
            names: BTreeSet::new(),
            budget: class::Budget::default(),
        }
    }

    fn run(&mut self) -> Result<(), PatternError> {
        loop {
            let part = self.rest;
            let Some(next) = self.next() else { break };
            // A repetition of a repetition is shown with what it repeats.
            if !(self.after_repetition && matches!(next, '*' | '+' | '?' | '{')) {
                self.part = part;
            }
            self.token(next)?;
        }
        if self.open.is_empty() { Ok(()) } else { Err(PatternError::Unclosed) }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    fn eat(&mut self, expected: &str) -> bool {
        let tail = self.rest.strip_prefix(expected);
        self.rest = tail.unwrap_or(self.rest);
        tail.is_some()
    }

    /// The text up to `end`, which is stepped over; if it is not there, stays.
    fn until(&mut self, end: &str) -> Option<&'a str> {
        let (text, tail) = self.rest.split_once(end)?;
        self.rest = tail;
        Some(text)
    }

    fn token(&mut self, first: char) -> Result<(), PatternError> {
        let after_repetition = core::mem::take(&mut self.after_repetition);
        match first {
            '*' => return self.repeat("*", after_repetition),
            '+' => return self.repeat("+", after_repetition),
            '?' => return self.repeat("?", after_repetition),
            '{' => return self.counted(after_repetition),
            '(' if self.eat("?") => return self.special_group(),
            '(' => self.open_group(self.flags),
            ')' => return self.close_group(),
            '|' => {
                self.out.push('|');
                self.next_atom(None);
            }
            '^' => self.plain(if self.flags.lines { "(?m:^)" } else { r"\A" }),
            '$' => self.plain(if self.flags.lines { "(?m:$)" } else { r"\z" }),
            '.' => self.plain(if self.flags.dot_all { "(?s:.)" } else { "." }),
            '[' => return self.bracketed(),
            '\\' => return self.escaped(),
            other => self.literal(other.into()),
        }
        Ok(())
    }

    /// Nothing repeats the last item any more.
    fn next_atom(&mut self, next: Option<Atom>) {
        if let Some(done) = core::mem::replace(&mut self.atom, next) {
            self.weight = self.weight.max(done.weight);
        }
    }

    /// Appends an item whose case does not matter.
    fn plain(&mut self, text: &str) {
        self.next_atom(Some(Atom { start: self.out.len(), weight: 1, repeated: false }));
        self.out.push_str(text);
    }

    /// Appends an item whose case may matter.
    fn cased(&mut self, text: &str) {
        if self.flags.fold {
            self.plain(&format!("(?i:{text})"));
        } else {
            self.plain(text);
        }
    }

    /// Appends one character. No text contains a surrogate, so one of these matches nothing.
    fn literal(&mut self, code: u32) {
        match char::from_u32(code) {
            Some(_) => self.cased(&class::spelled(code)),
            None => self.plain(class::NOTHING),
        }
    }

    fn escaped(&mut self) -> Result<(), PatternError> {
        if let Some(class) = self.class_escape()? {
            self.cased(&class);
            return Ok(());
        }
        if self.eat("Q") {
            // Without an end the quotation goes on to the end of the expression.
            let quoted = match self.until(r"\E") {
                Some(quoted) => quoted,
                None => core::mem::take(&mut self.rest),
            };
            for quoted in quoted.chars() {
                self.literal(quoted.into());
            }
            return Ok(());
        }
        // Word boundaries are those of ASCII.
        let assertions = [("A", r"\A"), ("z", r"\z"), ("b", r"(?-u:\b)"), ("B", r"(?-u:\B)")];
        for (letter, assertion) in assertions {
            if self.eat(letter) {
                self.plain(assertion);
                return Ok(());
            }
        }
        let code = self.escaped_character()?;
        self.literal(code);
        Ok(())
    }

    /// What follows a backslash where a single character is meant.
    fn escaped_character(&mut self) -> Result<u32, PatternError> {
        let code = match self.next().ok_or(PatternError::Escape)? {
            'a' => 0x07,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'v' => 0x0b,
            'x' => return self.hexadecimal(),
            '0' => return Ok(self.octal(0)),
            // A single digit would refer back to a group, which the dialect does not have.
            digit @ '1'..='7' if self.rest.starts_with(|next| matches!(next, '0'..='7')) => {
                return Ok(self.octal(u32::from(digit) - u32::from('0')));
            }
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => other.into(),
            _ => return Err(PatternError::Escape),
        };
        Ok(code)
    }

    /// Up to two more octal digits after the first.
    fn octal(&mut self, first: u32) -> u32 {
        let mut code = first;
        for _ in 0..2 {
            let Some(digit) = self.rest.chars().next().and_then(|next| next.to_digit(8)) else {
                break;
            };
            self.next();
            code = code * 8 + digit;
        }
        code
    }

    /// Two hexadecimal digits, or any number of them in braces.
    fn hexadecimal(&mut self) -> Result<u32, PatternError> {
        let digits = if self.eat("{") {
            self.until("}").ok_or(PatternError::Escape)?
        } else {
            let (digits, tail) = self.rest.split_at_checked(2).ok_or(PatternError::Escape)?;
            self.rest = tail;
            digits
        };
        let mut code = 0;
        for digit in digits.chars() {
            code = code * 16 + digit.to_digit(16).ok_or(PatternError::Escape)?;
            if code > u32::from(char::MAX) {
                return Err(PatternError::Escape);
            }
        }
        if digits.is_empty() { Err(PatternError::Escape) } else { Ok(code) }
    }

    /// What follows `(?`.
    fn special_group(&mut self) -> Result<(), PatternError> {
        if self.eat("P<") {
            let Some(name) = self.until(">") else {
                self.rest = "";
                return Err(PatternError::Group);
            };
            let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(in_word) || !self.names.insert(name) {
                return Err(PatternError::Group);
            }
            self.open_group(self.flags);
            return Ok(());
        }
        let (mut flags, mut set, mut flag_missing) = (self.flags, true, false);
        loop {
            match self.next().ok_or(PatternError::Group)? {
                'i' => flags.fold = set,
                'm' => flags.lines = set,
                's' => flags.dot_all = set,
                'U' => {}
                '-' if set => {
                    (set, flag_missing) = (false, true);
                    continue;
                }
                ':' if !flag_missing => {
                    self.open_group(flags);
                    return Ok(());
                }
                // The flags change for the rest of the group around. What comes before can still be repeated.
                ')' if !flag_missing => {
                    self.flags = flags;
                    return Ok(());
                }
                _ => return Err(PatternError::Group),
            }
            flag_missing = false;
        }
    }

    fn open_group(&mut self, flags: Flags) {
        self.next_atom(None);
        let start = self.out.len();
        self.open.push(Open { start, outer: self.flags, outer_weight: self.weight });
        self.out.push_str("(?:");
        (self.flags, self.weight) = (flags, 1);
    }

    fn close_group(&mut self) -> Result<(), PatternError> {
        let Open { start, outer, outer_weight } = self.open.pop().ok_or(PatternError::Unopened)?;
        self.next_atom(None);
        self.out.push(')');
        self.atom = Some(Atom { start, weight: self.weight, repeated: false });
        (self.flags, self.weight) = (outer, outer_weight);
        Ok(())
    }

    /// Repeats the last item as `sign` says.
    fn repeat(&mut self, sign: &str, after_repetition: bool) -> Result<(), PatternError> {
        // Lazy or not, there is a match or there is none.
        self.eat("?");
        if after_repetition {
            return Err(PatternError::DoubleRepetition);
        }
        let mut atom = self.atom.ok_or(PatternError::NothingToRepeat)?;
        if atom.repeated {
            // Possible with something empty in between; without a group the two signs would mean something else.
            self.out.insert_str(atom.start, "(?:");
            self.out.push(')');
        }
        self.out.push_str(sign);
        atom.repeated = true;
        self.atom = Some(atom);
        self.after_repetition = true;
        Ok(())
    }

    /// What follows `{`: a count, or else the brace is an ordinary character.
    fn counted(&mut self, after_repetition: bool) -> Result<(), PatternError> {
        let Some((min, max, tail)) = counts(self.rest) else {
            self.literal('{'.into());
            return Ok(());
        };
        self.rest = tail;
        let largest = max.unwrap_or(min);
        if min > largest || largest > COUNT_MAX {
            return Err(PatternError::RepetitionCount);
        }
        let sign = match max {
            Some(max) => format!("{{{min},{max}}}"),
            None => format!("{{{min},}}"),
        };
        self.repeat(&sign, after_repetition)?;
        if let Some(atom) = &mut self.atom {
            // What is repeated zero times counts for nothing, whatever is in it.
            atom.weight = if max == Some(0) { 1 } else { atom.weight * largest.max(1) };
            if largest >= 2 && atom.weight > COUNT_MAX {
                return Err(PatternError::RepetitionCount);
            }
        }
        Ok(())
    }
}

/// Least and most repetitions and what follows, if `text` goes on with `n}`, `n,}` or `n,m}`.
fn counts(text: &str) -> Option<(u32, Option<u32>, &str)> {
    let (min, text) = number(text)?;
    let (max, text) = match text.strip_prefix(',') {
        None => (Some(min), text),
        Some(text) if text.starts_with('}') => (None, text),
        Some(text) => number(text).map(|(max, text)| (Some(max), text))?,
    };
    Some((min, max, text.strip_prefix('}')?))
}

/// A number without leading zeros and what follows; one that is too large for its type is above every limit.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, tail) = text.split_at(end);
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    Some((digits.parse().unwrap_or(u32::MAX), tail))
}
