//! From the JSON value of a configuration file to a [`Config`], with the errors that Serf's decoder gives.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Config;
use super::fields::{FIELDS, Field, Kind};
use crate::go;

/// Decodes the content of one file.
///
/// # Errors
///
/// Serf's text first; then one text for each problem that Serf would only tell after that one is solved.
pub(super) fn decode(bytes: &[u8]) -> Result<Config, Vec<String>> {
    let value = super::json::first_value(bytes).map_err(|error| vec![error])?;
    if value.is_null() {
        return Ok(Config::default());
    }
    let Value::Object(object) = value else { return Err(vec![no_map("", &value)]) };
    let mut decoder = Decoder::default();
    decoder.section("", FIELDS, object);
    decoder.finish()
}

#[derive(Default)]
struct Decoder {
    config: Config,
    problems: Vec<String>,
    durations: Vec<String>,
}

impl Decoder {
    fn section(&mut self, path: &str, fields: &[Field], mut object: Map<String, Value>) {
        for field in fields {
            let Some(value) = take(&mut object, field.key) else { continue };
            let name = if path.is_empty() {
                field.key.to_owned()
            } else {
                format!("{path}.{}", field.key)
            };
            if !value.is_null() {
                self.field(&name, &field.kind, value);
            }
        }
        if !object.is_empty() {
            let keys: Vec<_> = object.keys().map(String::as_str).collect();
            self.problems.push(format!("'{path}' has invalid keys: {}", keys.join(", ")));
        }
    }

    fn field(&mut self, name: &str, kind: &Kind, value: Value) {
        match kind {
            Kind::Text(of) => {
                if let Some(text) = self.text(name, value) {
                    *of(&mut self.config) = text;
                }
            }
            Kind::Duration(of) => {
                let Some(text) = self.text(name, value).filter(|text| !text.is_empty()) else {
                    return;
                };
                match go::duration::parse(&text) {
                    Ok(nanoseconds) => *of(&mut self.config) = nanoseconds,
                    Err(error) => self.durations.push(error),
                }
            }
            Kind::Switch(of) => {
                if let Some(on) = self.switch(name, &value) {
                    *of(&mut self.config) = on;
                }
            }
            Kind::IgnoredSwitch => {
                self.switch(name, &value);
            }
            Kind::Integer(of) => match value.as_f64() {
                Some(number) => *of(&mut self.config) = truncate(number),
                None => self.unconvertible(name, "int", &value),
            },
            Kind::List(of) => *of(&mut self.config) = self.list(name, value),
            Kind::Tags(of) => *of(&mut self.config) = self.tags(name, value),
            Kind::Section(fields) => {
                if let Value::Object(object) = value {
                    self.section(name, fields, object);
                } else {
                    self.problems.push(no_map(name, &value));
                }
            }
        }
    }

    fn text(&mut self, name: &str, value: Value) -> Option<String> {
        let Value::String(text) = value else {
            self.unconvertible(name, "string", &value);
            return None;
        };
        Some(text)
    }

    fn switch(&mut self, name: &str, value: &Value) -> Option<bool> {
        if !value.is_boolean() {
            self.unconvertible(name, "bool", value);
        }
        value.as_bool()
    }

    fn list(&mut self, name: &str, value: Value) -> Vec<String> {
        let Value::Array(items) = value else {
            let kind = kind_word(&value);
            self.problems
                .push(format!("'{name}': source data must be an array or slice, got {kind}"));
            return Vec::new();
        };
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let text =
                if item.is_null() { None } else { self.text(&format!("{name}[{index}]"), item) };
            list.push(text.unwrap_or_default());
        }
        list
    }

    fn tags(&mut self, name: &str, value: Value) -> BTreeMap<String, String> {
        let Value::Object(object) = value else {
            self.problems.push(no_map(name, &value));
            return BTreeMap::new();
        };
        let mut tags = BTreeMap::new();
        for (key, value) in object {
            let text =
                if value.is_null() { None } else { self.text(&format!("{name}[{key}]"), value) };
            tags.insert(key, text.unwrap_or_default());
        }
        tags
    }

    fn unconvertible(&mut self, name: &str, wanted: &str, value: &Value) {
        self.problems.push(format!(
            "'{name}' expected type '{wanted}', got unconvertible type '{}', value: '{}'",
            type_word(value),
            printed(value)
        ));
    }

    fn finish(mut self) -> Result<Config, Vec<String>> {
        self.problems.sort();
        if !self.problems.is_empty() {
            let mut text = format!("{} error(s) decoding:\n", self.problems.len());
            for problem in &self.problems {
                text.push_str("\n* ");
                text.push_str(problem);
            }
            self.durations.insert(0, text);
        }
        if self.durations.is_empty() { Ok(self.config) } else { Err(self.durations) }
    }
}

/// Takes the value of `key` out of `object`: under exactly this key, else under one that differs only in case.
fn take(object: &mut Map<String, Value>, key: &str) -> Option<Value> {
    if let Some(value) = object.remove(key) {
        return Some(value);
    }
    let found = object.keys().find(|candidate| folded(candidate).eq(key.chars()))?.clone();
    object.remove(&found)
}

/// Unicode's simple folding, as far as it leads to ASCII, which all keys are.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        _ => c.to_ascii_lowercase(),
    })
}

fn no_map(name: &str, value: &Value) -> String {
    format!("'{name}' expected a map, got '{}'", kind_word(value))
}

/// Go's word for the kind of a decoded value.
fn kind_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}

/// Go's name for the type of a decoded value.
fn type_word(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => kind_word(value),
    }
}

/// A decoded value as Go's `%v` prints it.
fn printed(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::Bool(on) => on.to_string(),
        Value::Number(number) => printed_number(number.as_f64().unwrap_or_default()),
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(printed).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(object) => {
            let items: Vec<_> =
                object.iter().map(|(key, v)| format!("{key}:{}", printed(v))).collect();
            format!("map[{}]", items.join(" "))
        }
    }
}

/// Go's `%v` of a float: the shortest digits, with an exponent if that is below -4 or above 5.
fn printed_number(number: f64) -> String {
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&power) {
        return number.to_string();
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}

/// Cuts the fraction off; what is beyond 64 bits becomes the nearest integer.
#[expect(
    clippy::cast_possible_truncation,
    reason = "cutting is the purpose, and the cast saturates"
)]
fn truncate(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Vec<String> {
        decode(text.as_bytes()).unwrap_err()
    }

    fn problems(text: &str) -> Vec<String> {
        let errors = error(text);
        assert_eq!(errors.len(), 1, "{errors:?}");
        let (head, list) = errors[0].split_once(":\n\n* ").unwrap();
        let list: Vec<_> = list.split("\n* ").map(str::to_owned).collect();
        assert_eq!(head, format!("{} error(s) decoding", list.len()));
        list
    }

    #[test]
    fn every_kind_is_decoded() {
        let config = decode(
            br#"{"NODE_name":"a","protocol":3.9,"leave_on_terminate":true,"start_join":["x",null],
                "tags":{"a":"b","c":null},"retry_interval":"1m","mdns":{"Interface":"lo","disable_ipv6":true},
                "validate_node_names":true,"handler_timeout":"2s","rpc_auth":null} rest"#,
        )
        .unwrap();
        assert_eq!(config.node_name, "a");
        assert_eq!(config.protocol, 3);
        assert!(config.leave_on_terminate);
        assert_eq!(config.start_join, ["x", ""]);
        assert_eq!(config.tags["a"], "b");
        assert_eq!(config.tags["c"], "");
        assert_eq!(config.retry_interval, 60 * super::super::SECOND);
        assert_eq!(config.mdns.interface, "lo");
        assert!(config.mdns.disable_ipv6);
        assert_eq!(config.handler_timeout, 2 * super::super::SECOND);
    }

    #[test]
    fn null_and_an_empty_object_say_nothing() {
        assert_eq!(decode(b"null").unwrap(), Config::default());
        assert_eq!(decode(b"{}").unwrap(), Config::default());
    }

    #[test]
    fn what_is_no_object_is_told_by_its_kind() {
        assert_eq!(error("[1]"), ["'' expected a map, got 'slice'"]);
        assert_eq!(error("5"), ["'' expected a map, got 'float64'"]);
        assert_eq!(problems(r#"{"tags":["a"]}"#), ["'tags' expected a map, got 'slice'"]);
        assert_eq!(
            problems(r#"{"start_join":{"a":1}}"#),
            ["'start_join': source data must be an array or slice, got map"]
        );
    }

    #[test]
    fn all_problems_of_a_file_are_told_in_order_of_their_text() {
        assert_eq!(
            problems(r#"{"zzz":1,"aaa":2,"node_name":5,"start_join":["x",[1]],"tags":{"k":true}}"#),
            [
                "'' has invalid keys: aaa, zzz",
                "'node_name' expected type 'string', got unconvertible type 'float64', value: '5'",
                "'start_join[1]' expected type 'string', got unconvertible type '[]interface {}', value: '[1]'",
                "'tags[k]' expected type 'string', got unconvertible type 'bool', value: 'true'",
            ]
        );
    }

    #[test]
    fn an_exact_key_goes_before_one_that_differs_in_case() {
        assert_eq!(
            problems(r#"{"NODE_NAME":"a","node_name":"b"}"#),
            ["'' has invalid keys: NODE_NAME"]
        );
        assert_eq!(decode("{\"ſyslog_facility\":\"x\"}".as_bytes()).unwrap().syslog_facility, "x");
    }

    #[test]
    fn the_first_duration_that_serf_reads_comes_first() {
        assert_eq!(
            error(r#"{"retry_interval":"xyz","reconnect_interval":"5"}"#),
            ["time: missing unit in duration \"5\"", "time: invalid duration \"xyz\""]
        );
        let errors = error(r#"{"retry_interval":"xyz","bogus":1}"#);
        assert_eq!(errors[1..], ["time: invalid duration \"xyz\""]);
    }

    #[test]
    fn values_are_printed_as_go_prints_them() {
        let value = |text| printed(&serde_json::from_str(text).unwrap());
        for (json, go) in [
            ("5", "5"),
            ("-0.0", "-0"),
            ("1.5", "1.5"),
            ("100000", "100000"),
            ("999999.5", "999999.5"),
            ("1000000", "1e+06"),
            ("123456789", "1.23456789e+08"),
            ("1e21", "1e+21"),
            ("1e-7", "1e-07"),
            ("0.0001", "0.0001"),
            ("1e-5", "1e-05"),
            (r#"{"b":2,"a":[1,"x",null,true]}"#, "map[a:[1 x <nil> true] b:2]"),
            ("[]", "[]"),
        ] {
            assert_eq!(value(json), go);
        }
    }
}
