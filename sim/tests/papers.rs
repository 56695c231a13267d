//! Every paper's experiments run, give figures, and write a report that is complete; in a tiny version.

use std::fs;
use std::path::PathBuf;

use uwasa_sim::papers::{Effort, Paper, Reproduced, reproduce};

fn folder(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("uwasa-papers-{name}-{}", std::process::id()))
}

fn tiny(paper: Paper, jobs: usize, out: &std::path::Path) -> Reproduced {
    reproduce(paper, Effort::Tiny, jobs, out, &|_| ()).unwrap_or_else(|error| panic!("{error}"))
}

#[track_caller]
fn assert_complete(paper: Paper) {
    let out = folder(paper.name());
    let done = tiny(paper, 2, &out);
    assert!(!done.gates.is_empty(), "a paper without a gate can reproduce anything");
    for gate in &done.gates {
        // Two runs may have no false positive at healthy members at all: then there is no ratio.
        let figure = gate.value.is_finite() || gate.name.starts_with("FP−");
        assert!(figure, "{}: {}", gate.name, gate.value);
    }
    let folder = out.join(paper.name());
    let text = fs::read_to_string(folder.join("README.md")).expect("a report");
    assert!(!text.contains("NaN"), "{text}");
    for picture in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
        assert!(folder.join(picture).exists(), "{picture} is missing");
    }
    for command in text.lines().filter(|line| line.starts_with("cargo sim run ")) {
        let file = command.split_whitespace().nth(3).expect("a file");
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        assert!(root.join(file).exists(), "{command}");
    }
    let json = fs::read_to_string(folder.join("results.json")).expect("results");
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["gates"].as_array().map(Vec::len), Some(done.gates.len()));
    fs::remove_dir_all(&out).expect("removed");
}

#[test]
fn swim_runs_and_reports() {
    assert_complete(Paper::Swim);
}

#[test]
fn lifeguard_runs_and_reports() {
    assert_complete(Paper::Lifeguard);
}

#[test]
fn serf_runs_and_reports() {
    assert_complete(Paper::Serf);
}

#[test]
fn detection_runs_and_reports() {
    assert_complete(Paper::Detection);
}

#[test]
fn figures_do_not_depend_on_the_number_of_jobs() {
    let results = [1, 3].map(|jobs| {
        let out = folder(&format!("jobs-{jobs}"));
        tiny(Paper::Detection, jobs, &out);
        let text = fs::read_to_string(out.join("detection/results.json")).expect("results");
        fs::remove_dir_all(&out).expect("removed");
        text
    });
    assert_eq!(results[0], results[1]);
}
