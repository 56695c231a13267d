//! Byte vectors captured from the real Go libraries and from Debian's serf agent (`vectors/*.json`, whose `about`
//! sections give the provenance): decode, compare, re-encode.

use serde_json::Value;

#[path = "golden/memberlist.rs"]
mod memberlist;
#[path = "golden/serf.rs"]
mod serf_layer;

fn parse(json: &str) -> Value {
    serde_json::from_str(json).expect("the vectors are JSON")
}

fn section<'v>(vectors: &'v Value, name: &str) -> &'v [Value] {
    vectors[name].as_array().expect("a section is a list")
}

fn unhex(hex: &str) -> Vec<u8> {
    assert!(hex.len().is_multiple_of(2), "{hex}");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn bytes_of(value: &Value, key: &str) -> Vec<u8> {
    unhex(text(value, key))
}

/// Compares an optional byte string with a JSON hex string, null or missing field; nil and empty are told apart.
fn same_bytes(found: Option<&[u8]>, expected: &Value) -> bool {
    found.map(hex).as_deref() == expected.as_str()
}

fn number(fields: &Value, key: &str) -> u64 {
    fields[key].as_u64().unwrap_or_default()
}
