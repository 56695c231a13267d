//! Shared pieces of the unit tests.

/// The recorded cases of the reference.
#[expect(clippy::disallowed_methods, reason = "only tests read files")]
pub(crate) fn vectors() -> serde_json::Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/memberlist.json");
    let text = std::fs::read_to_string(path).expect("the vectors are part of the package");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

/// The recorded cases of the Serf layer.
#[expect(clippy::disallowed_methods, reason = "only tests read files")]
pub(crate) fn serf_vectors() -> serde_json::Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/serf.json");
    let text = std::fs::read_to_string(path).expect("the vectors are part of the package");
    serde_json::from_str(&text).expect("the vectors are JSON")
}
