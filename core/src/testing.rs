//! Shared pieces of the unit tests.

/// The recorded cases of the reference for the memberlist layer.
pub(crate) fn vectors() -> serde_json::Value {
    read("memberlist.json")
}

/// The recorded cases of the reference for the Serf layer.
pub(crate) fn serf_vectors() -> serde_json::Value {
    read("serf.json")
}

#[expect(clippy::disallowed_methods, reason = "only tests read files")]
fn read(name: &str) -> serde_json::Value {
    let path = format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("the vectors are part of the package");
    serde_json::from_str(&text).expect("the vectors are JSON")
}
