//! Character classes: in brackets, of one letter, and of Unicode properties.

use super::{PatternError, Scanner, names};

/// A class that contains nothing.
pub(super) const NOTHING: &str = r"[\x{0}&&\x{1}]";
/// What that class consists of.
const NOTHING_INSIDE: &str = r"\x{0}&&\x{1}";
/// What a class that contains everything consists of.
const ANYTHING_INSIDE: &str = r"\x{0}-\x{10FFFF}";
/// Number of code points.
const CODE_POINTS: u32 = 0x11_0000;
/// Upper bound on the code points of one property.
const PROPERTY_CODE_POINTS: u32 = 150_000;

/// What classes may cost before an expression counts as too large. The compiled program is bounded by itself; this is
/// for the work before that, which grows with the code points that the classes are made of.
pub(super) struct Budget {
    /// Unicode properties left: tables of hundreds of ranges.
    properties: u32,
    /// Code points left whose other cases have to be looked up.
    folded: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { properties: 16, folded: 1 << 21 }
    }
}

/// A character as the output spells it, inside and outside of a class.
pub(super) fn spelled(code: u32) -> String {
    match char::from_u32(code) {
        Some(plain) if plain.is_ascii_alphanumeric() => plain.into(),
        _ => format!(r"\x{{{code:X}}}"),
    }
}

/// A class with these contents.
fn class(inside: &str, negated: bool) -> String {
    format!("[{}{inside}]", if negated { "^" } else { "" })
}

impl Scanner<'_> {
    /// What follows `[`.
    pub(super) fn bracketed(&mut self) -> Result<(), PatternError> {
        let whole = self.part;
        let negated = self.eat("^");
        let mut inside = String::new();
        // As the first character a closing bracket stands for itself.
        let mut first = true;
        while first || !self.eat("]") {
            first = false;
            self.part = if self.rest.is_empty() { whole } else { self.rest };
            let item = self.class_item()?;
            inside.push_str(&item);
        }
        if inside.is_empty() {
            inside.push_str(NOTHING_INSIDE);
        }
        self.cased(&class(&inside, negated));
        Ok(())
    }

    /// One class, character or range within brackets.
    fn class_item(&mut self) -> Result<String, PatternError> {
        if let Some(name) = self.rest.strip_prefix("[:")
            && name.contains(":]")
        {
            self.rest = name;
            return self.ascii_class();
        }
        let escaped = self.eat(r"\");
        if escaped && let Some(escape) = self.class_escape()? {
            return Ok(escape);
        }
        let low = self.class_character(escaped)?;
        let tail = self.rest.strip_prefix('-').filter(|tail| !tail.is_empty());
        let high = match tail {
            Some(tail) if !tail.starts_with(']') => {
                self.rest = tail;
                let from = self.part;
                if self.eat(r"\") {
                    self.part = tail;
                    let high = self.class_character(true)?;
                    self.part = from;
                    high
                } else {
                    self.class_character(false)?
                }
            }
            _ => low,
        };
        if high < low {
            return Err(PatternError::Class);
        }
        self.range(low, high)
    }

    fn class_character(&mut self, escaped: bool) -> Result<u32, PatternError> {
        if escaped {
            return self.escaped_character();
        }
        self.next().map(u32::from).ok_or(PatternError::Class)
    }

    /// A range without the surrogates in it, which no text contains.
    fn range(&mut self, low: u32, high: u32) -> Result<String, PatternError> {
        self.spend_folded(high - low)?;
        let low = if char::from_u32(low).is_some() { low } else { 0xe000 };
        let high = if char::from_u32(high).is_some() { high } else { 0xd7ff };
        Ok(match low.cmp(&high) {
            core::cmp::Ordering::Less => format!("{}-{}", spelled(low), spelled(high)),
            core::cmp::Ordering::Equal => spelled(low),
            core::cmp::Ordering::Greater => String::new(),
        })
    }

    /// Counts the code points of a class, if their other cases have to be looked up.
    fn spend_folded(&mut self, code_points: u32) -> Result<(), PatternError> {
        if self.flags.fold {
            let left = self.budget.folded.checked_sub(code_points);
            self.budget.folded = left.ok_or(PatternError::TooLarge)?;
        }
        Ok(())
    }

    /// A class of ASCII such as `[:alpha:]`, after its `[:`.
    fn ascii_class(&mut self) -> Result<String, PatternError> {
        let (name, negated) = sign(self.until(":]").ok_or(PatternError::Class)?);
        let inside = match name {
            "alnum" => "0-9A-Za-z",
            "alpha" => "A-Za-z",
            "ascii" => r"\x00-\x7F",
            "blank" => r"\t\x20",
            "cntrl" => r"\x00-\x1F\x7F",
            "digit" => "0-9",
            "graph" => r"\x21-\x7E",
            "lower" => "a-z",
            "print" => r"\x20-\x7E",
            "punct" => r"\x21-\x2F\x3A-\x40\x5B-\x60\x7B-\x7E",
            "space" => r"\t\n\x0B\x0C\r\x20",
            "upper" => "A-Z",
            "word" => "0-9A-Za-z_",
            "xdigit" => "0-9A-Fa-f",
            _ => return Err(PatternError::Class),
        };
        Ok(class(inside, negated))
    }

    /// What follows a backslash if that means a whole class; otherwise stays.
    pub(super) fn class_escape(&mut self) -> Result<Option<String>, PatternError> {
        let (inside, negated) = match self.rest.chars().next() {
            Some(letter @ ('d' | 'D')) => ("0-9", letter == 'D'),
            Some(letter @ ('s' | 'S')) => (r"\t\n\x0C\r\x20", letter == 'S'),
            Some(letter @ ('w' | 'W')) => ("0-9A-Za-z_", letter == 'W'),
            Some('p' | 'P') => return self.property().map(Some),
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(class(inside, negated)))
    }

    /// A Unicode property: a letter, or a name in braces.
    fn property(&mut self) -> Result<String, PatternError> {
        let outer_negated = self.next() == Some('P');
        let name = if self.eat("{") {
            self.until("}").ok_or(PatternError::Class)?
        } else {
            let len = self.rest.chars().next().map_or(0, char::len_utf8);
            let (name, tail) = self.rest.split_at(len);
            self.rest = tail;
            name
        };
        let (name, negated) = sign(name);
        let negated = negated != outer_negated;
        let inside = match name {
            "Any" => {
                self.spend_folded(CODE_POINTS)?;
                return Ok(class(ANYTHING_INSIDE, negated));
            }
            // Go does not count unassigned code points among the others, and no text contains surrogates.
            "C" => r"\p{gc=Cc}\p{gc=Cf}\p{gc=Co}".to_owned(),
            "Cs" => NOTHING_INSIDE.to_owned(),
            _ if names::CATEGORIES.binary_search(&name).is_ok() => format!(r"\p{{gc={name}}}"),
            _ if names::SCRIPTS.binary_search(&name).is_ok() => format!(r"\p{{sc={name}}}"),
            _ => return Err(PatternError::Class),
        };
        let left = self.budget.properties.checked_sub(1);
        self.budget.properties = left.ok_or(PatternError::TooLarge)?;
        self.spend_folded(PROPERTY_CODE_POINTS)?;
        Ok(class(&inside, negated))
    }
}

/// A class name without the `^` that turns it around, and whether that was there.
fn sign(name: &str) -> (&str, bool) {
    match name.strip_prefix('^') {
        Some(name) => (name, true),
        None => (name, false),
    }
}
