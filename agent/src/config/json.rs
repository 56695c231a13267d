//! JSON as Go reads it: the same documents are accepted, and errors have Go's texts.
//!
//! A scanner decides what is JSON and finds the error's text; serde_json builds the values. serde_json alone neither
//! tells what Go tells nor accepts bytes that are no UTF-8 and lone surrogates, which Go replaces by U+FFFD.

use serde_json::Value;

use crate::go;

/// Deepest nesting that is read; serde_json's limit. Go's is 10,000.
const DEPTH_MAX: usize = 127;

/// Reads the first value of a stream, as Go's `json.Decoder` does: what follows it does not matter.
///
/// # Errors
///
/// Go's text.
pub(crate) fn first_value(bytes: &[u8]) -> Result<Value, String> {
    let mut scanner = Scanner { bytes, at: 0, overflow: None };
    scanner.space();
    if scanner.at == bytes.len() {
        return Err("EOF".into());
    }
    let start = scanner.at;
    match scanner.value() {
        Ok(()) => build(&bytes[start..scanner.at], scanner.overflow.map(|range| &bytes[range])),
        Err(Fault::Cut) => Err("unexpected EOF".into()),
        Err(Fault::Bad(text)) => Err(text),
    }
}

/// Reads a document, as Go's `json.Unmarshal` does.
///
/// # Errors
///
/// Go's text.
pub(crate) fn document(bytes: &[u8]) -> Result<Value, String> {
    let mut scanner = Scanner { bytes, at: 0, overflow: None };
    let scanned = scanner.value().and_then(|()| {
        scanner.space();
        match bytes.get(scanner.at) {
            Some(&byte) => Err(bad(byte, "after top-level value")),
            None => Ok(()),
        }
    });
    match scanned {
        Ok(()) => build(bytes, scanner.overflow.map(|range| &bytes[range])),
        Err(Fault::Cut) => Err("unexpected end of JSON input".into()),
        Err(Fault::Bad(text)) => Err(text),
    }
}

/// Go's name for the kind of a value in `json: cannot unmarshal KIND into …`.
#[must_use]
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn build(bytes: &[u8], overflow: Option<&[u8]>) -> Result<Value, String> {
    if let Some(number) = overflow {
        let number = String::from_utf8_lossy(number);
        return Err(format!(
            "json: cannot unmarshal number {number} into Go value of type float64"
        ));
    }
    let text = without_lone_surrogates(&go::json::lossy(bytes));
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

/// Replaces escapes of surrogates that have no partner by `\ufffd`.
fn without_lone_surrogates(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        result.push_str(&rest[..at]);
        rest = &rest[at..];
        let (escape, kept) = match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (12, true),
            (Some(0xD800..=0xDFFF), _) => (6, false),
            // The escaped character is ASCII, as the scanner has seen.
            (Some(_) | None, _) => (2, true),
        };
        result.push_str(if kept { &rest[..escape] } else { "\\ufffd" });
        rest = &rest[escape..];
    }
    result.push_str(rest);
    result
}

/// The UTF-16 unit of a `\u` escape at the start of `text`.
fn unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

enum Fault {
    /// The input ends too early.
    Cut,
    /// Go's text about a byte.
    Bad(String),
}

fn bad(byte: u8, context: &str) -> Fault {
    let character = match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        _ => {
            let quoted = go::quote::quote(&char::from(byte).to_string());
            format!("'{}'", quoted.trim_matches('"'))
        }
    };
    Fault::Bad(format!("invalid character {character} {context}"))
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The first number beyond the range of a float.
    overflow: Option<std::ops::Range<usize>>,
}

/// What may come next inside an object or array.
enum Next {
    Value,
    ValueOrEnd,
    KeyOrEnd,
    Key,
    CommaOrEnd,
}

impl Scanner<'_> {
    fn space(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
    }

    fn peek(&self) -> Result<u8, Fault> {
        self.bytes.get(self.at).copied().ok_or(Fault::Cut)
    }

    fn take(&mut self) -> Result<u8, Fault> {
        let byte = self.peek()?;
        self.at += 1;
        Ok(byte)
    }

    /// Scans one value. Not recursive, so that no input can exhaust the stack.
    fn value(&mut self) -> Result<(), Fault> {
        let mut open: Vec<u8> = Vec::new();
        let mut next = Next::Value;
        loop {
            self.space();
            next = match next {
                Next::ValueOrEnd if self.peek()? == b']' => self.close(&mut open)?,
                Next::KeyOrEnd if self.peek()? == b'}' => self.close(&mut open)?,
                Next::Value | Next::ValueOrEnd => self.open_or_scalar(&mut open)?,
                Next::Key | Next::KeyOrEnd => self.key()?,
                Next::CommaOrEnd => self.comma_or_end(&mut open)?,
            };
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    fn close(&mut self, open: &mut Vec<u8>) -> Result<Next, Fault> {
        self.take()?;
        open.pop();
        Ok(Next::CommaOrEnd)
    }

    fn open_or_scalar(&mut self, open: &mut Vec<u8>) -> Result<Next, Fault> {
        let byte = self.peek()?;
        match byte {
            b'{' | b'[' => {
                self.take()?;
                open.push(byte);
                if open.len() > DEPTH_MAX {
                    return Err(bad(byte, "exceeded max depth"));
                }
                return Ok(if byte == b'{' { Next::KeyOrEnd } else { Next::ValueOrEnd });
            }
            b'"' => self.string()?,
            b't' => self.literal("true")?,
            b'f' => self.literal("false")?,
            b'n' => self.literal("null")?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return Err(bad(byte, "looking for beginning of value")),
        }
        Ok(Next::CommaOrEnd)
    }

    fn key(&mut self) -> Result<Next, Fault> {
        let byte = self.peek()?;
        if byte != b'"' {
            return Err(bad(byte, "looking for beginning of object key string"));
        }
        self.string()?;
        self.space();
        match self.take()? {
            b':' => Ok(Next::Value),
            byte => Err(bad(byte, "after object key")),
        }
    }

    fn comma_or_end(&mut self, open: &mut Vec<u8>) -> Result<Next, Fault> {
        let in_object = open.last() == Some(&b'{');
        match self.peek()? {
            b',' => {
                self.take()?;
                Ok(if in_object { Next::Key } else { Next::Value })
            }
            b'}' if in_object => self.close(open),
            b']' if !in_object => self.close(open),
            byte if in_object => Err(bad(byte, "after object key:value pair")),
            byte => Err(bad(byte, "after array element")),
        }
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.take()?;
        loop {
            match self.take()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                byte @ 0..=0x1f => return Err(bad(byte, "in string literal")),
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), Fault> {
        match self.take()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    let byte = self.take()?;
                    if !byte.is_ascii_hexdigit() {
                        return Err(bad(byte, r"in \u hexadecimal character escape"));
                    }
                }
                Ok(())
            }
            byte => Err(bad(byte, "in string escape code")),
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), Fault> {
        self.take()?;
        for expected in word.bytes().skip(1) {
            let byte = self.take()?;
            if byte != expected {
                let context = format!("in literal {word} (expecting '{}')", char::from(expected));
                return Err(bad(byte, &context));
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        let start = self.at;
        if self.peek()? == b'-' {
            self.take()?;
        }
        if self.peek()? == b'0' {
            self.take()?;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.peek().ok() == Some(b'.') {
            self.take()?;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.peek(), Ok(b'e' | b'E')) {
            self.take()?;
            if matches!(self.peek()?, b'+' | b'-') {
                self.take()?;
            }
            self.digits("in exponent of numeric literal")?;
        }
        let text = std::str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default();
        if self.overflow.is_none() && text.parse().is_ok_and(f64::is_infinite) {
            self.overflow = Some(start..self.at);
        }
        Ok(())
    }

    /// At least one digit.
    fn digits(&mut self, context: &str) -> Result<(), Fault> {
        let byte = self.take()?;
        if !byte.is_ascii_digit() {
            return Err(bad(byte, context));
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stream_s_first_value_ends_where_it_ends() {
        for text in ["{}{}", "null x", "{\"a\":1}}", "5]", "{} \u{1}", " \n {} "] {
            assert!(first_value(text.as_bytes()).is_ok(), "{text}");
        }
        assert_eq!(first_value(b"01"), Ok(Value::from(0)));
    }

    #[test]
    fn errors_of_streams_are_go_s() {
        let cases: &[(&str, &str)] = &[
            ("", "EOF"),
            (" \n", "EOF"),
            ("{", "unexpected EOF"),
            ("tru", "unexpected EOF"),
            ("-", "unexpected EOF"),
            ("{\"a\":1", "unexpected EOF"),
            ("{\"a\":\"\\u12", "unexpected EOF"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("{,}", "invalid character ',' looking for beginning of object key string"),
            ("{'a':1}", r"invalid character '\'' looking for beginning of object key string"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":}", "invalid character '}' looking for beginning of value"),
            ("{\"a\":1 \"b\"", "invalid character '\"' after object key:value pair"),
            ("{\"a\":1]", "invalid character ']' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("{\"a\":tr\"}", "invalid character '\"' in literal true (expecting 'u')"),
            ("{\"a\":01}", "invalid character '1' after object key:value pair"),
            ("{\"a\":1.}", "invalid character '}' after decimal point in numeric literal"),
            ("{\"a\":-}", "invalid character '}' in numeric literal"),
            ("{\"a\":1e+}", "invalid character '}' in exponent of numeric literal"),
            ("{\"a\":\"\\x\"}", "invalid character 'x' in string escape code"),
            ("{\"a\":\"\\u12g4\"}", r"invalid character 'g' in \u hexadecimal character escape"),
            ("{\"a\":\"b\nc\"}", r"invalid character '\n' in string literal"),
            ("{\"a\":\"\u{1}\"}", r"invalid character '\x01' in string literal"),
            ("{\"a\":\\}", r"invalid character '\\' looking for beginning of value"),
            ("\u{feff}{}", "invalid character 'ï' looking for beginning of value"),
            ("{\"a\":1e999}", "json: cannot unmarshal number 1e999 into Go value of type float64"),
        ];
        for (text, error) in cases {
            assert_eq!(first_value(text.as_bytes()), Err((*error).to_owned()), "{text}");
        }
    }

    #[test]
    fn documents_end_with_their_value() {
        assert_eq!(document(b"").unwrap_err(), "unexpected end of JSON input");
        assert_eq!(document(b"[").unwrap_err(), "unexpected end of JSON input");
        assert_eq!(document(b"{}x").unwrap_err(), "invalid character 'x' after top-level value");
        assert!(document(b" {} \n").is_ok());
    }

    #[test]
    fn what_is_no_unicode_is_replaced() {
        assert_eq!(first_value(b"\"a\xff\"").unwrap(), Value::from("a\u{fffd}"));
        assert_eq!(first_value(br#""\ud800x""#).unwrap(), Value::from("\u{fffd}x"));
        assert_eq!(first_value(br#""\ud83d\ude00\\ud800""#).unwrap(), Value::from("😀\\ud800"));
    }

    #[test]
    fn nesting_is_limited() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(first_value(nested(DEPTH_MAX).as_bytes()).is_ok());
        let error = first_value(nested(DEPTH_MAX + 1).as_bytes()).unwrap_err();
        assert_eq!(error, "invalid character '[' exceeded max depth");
    }

    proptest! {
        #[test]
        fn accepts_exactly_what_serde_json_accepts(text in "[\\[\\]{},:\"a0-9.eE+ tfnrulse\\\\-]{0,24}") {
            let theirs = serde_json::from_str::<Value>(&text);
            let ours = document(text.as_bytes());
            match ours {
                Ok(value) => prop_assert_eq!(theirs.unwrap(), value),
                Err(error) => prop_assert!(theirs.is_err(), "{}", error),
            }
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = first_value(&bytes);
            let _ = document(&bytes);
        }
    }
}
