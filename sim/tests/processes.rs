//! The same scenario in two processes, with one job and with four: nothing but scenario and seed may decide a run.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs four seeds of the 52-node scenario and gives what `summary.json` and standard output hold.
fn outcome(jobs: &str) -> (Vec<u8>, serde_json::Value) {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/52-nodes.toml");
    let out = folder(jobs);
    let output = Command::new(env!("CARGO_BIN_EXE_sim"))
        .arg("run")
        .arg(scenario)
        .args(["--seeds", "4", "--jobs", jobs, "--json", "--out"])
        .arg(&out)
        .output()
        .expect("sim starts");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let summary = std::fs::read(out.join("52-nodes/summary.json")).expect("a summary");
    (summary, serde_json::from_slice(&output.stdout).expect("standard output is JSON"))
}

fn folder(jobs: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("processes-{jobs}"));
    if dir.exists() {
        std::fs::remove_dir_all(&dir).expect("an old directory can go");
    }
    std::fs::create_dir_all(&dir).expect("a directory for the test");
    dir
}

#[test]
fn two_processes_with_different_numbers_of_jobs_do_the_same() {
    let (one, printed_by_one) = outcome("1");
    let (four, printed_by_four) = outcome("4");
    let hashes = |bytes: &[u8]| {
        let summary: serde_json::Value = serde_json::from_slice(bytes).expect("a summary is JSON");
        trace_hashes(&summary)
    };
    assert_eq!(hashes(&one).len(), 4, "one trace hash per seed");
    assert_eq!(hashes(&one), hashes(&four));
    assert!(one == four, "the summaries differ in more than the traces");
    assert_eq!(printed_hashes(&printed_by_one), hashes(&one));
    assert_eq!(printed_hashes(&printed_by_four), hashes(&four));
}

/// The trace hashes that `--json` prints for the only scenario, one per seed.
fn printed_hashes(printed: &serde_json::Value) -> Vec<String> {
    let hashes = printed["runs"][0]["trace_hashes"].as_array().expect("a list of trace hashes");
    hashes.iter().map(|hash| hash.as_str().expect("a string").to_owned()).collect()
}

/// Every trace hash in a JSON document, in order.
fn trace_hashes(value: &serde_json::Value) -> Vec<String> {
    use serde_json::Value;
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match value {
                Value::String(hash) if key == "trace_hash" => vec![hash.clone()],
                Value::Object(_) | Value::Array(_) => trace_hashes(value),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(trace_hashes).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}
