//! The `sim` command as users and scripts meet it: exit codes, streams, reports, replay.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A cluster that is up in a moment and meets what is expected of it.
const SMALL: &str = r#"
title = "Three"
nodes = 3
seeds = 4
duration = "10s"

[[work]]
at = "1s"
event = "deploy"

[[expect]]
event_coverage = { event = "deploy", within = "2s" }
"#;

/// The same, with an expectation that nothing can meet.
const MISSED: &str = r#"
title = "Three in a hurry"
nodes = 3
seeds = 4
duration = "10s"

[[work]]
at = "1s"
event = "deploy"

[[expect]]
event_coverage = { event = "deploy", within = "1ns" }
reason = "Nothing is that fast."
"#;

/// A fresh directory for one test.
fn folder(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).expect("an old directory can go");
    }
    std::fs::create_dir_all(&dir).expect("a directory for the test");
    dir
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).expect("a scenario file");
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.current_dir(dir).args(args);
    command
}

fn sim(dir: &Path, args: &[&str]) -> Output {
    command(dir, args).output().expect("sim starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is UTF-8")
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).expect("standard output is JSON and nothing else")
}

#[test]
fn a_met_scenario_exits_0_and_leaves_a_report() {
    let dir = folder("met");
    write(&dir, "small.toml", SMALL);
    let output = sim(&dir, &["run", "small.toml"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}{}", text(&output.stderr));
    assert!(out.contains("PASS  event \"deploy\" reaches 100 % of the nodes within 2 s"), "{out}");
    assert!(out.contains("in 4 of 4 seeds"), "{out}");
    assert!(dir.join("reports/small/summary.json").exists());
    assert!(dir.join("reports/small/report.html").exists());
}

#[test]
fn a_missed_expectation_exits_1_and_names_the_command_that_replays_it() {
    let dir = folder("missed");
    write(&dir, "missed.toml", MISSED);
    let set = "network.latency=2ms";
    let output = sim(&dir, &["run", "missed.toml", "--set", set, "--no-report", "--quiet"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "");
    let out = text(&output.stdout);
    for part in [
        "MISS  event \"deploy\"",
        "where:  missed.toml:11",
        "seeds:  1, 2, 3, 4",
        "reason given: Nothing is that fast.",
        "replay: sim replay missed.toml --seed 1 --set network.latency=2ms",
    ] {
        assert!(out.contains(part), "no {part:?} in:\n{out}");
    }
    assert!(!dir.join("reports").exists());

    let replayed = sim(&dir, &["replay", "missed.toml", "--seed", "1", "--set", set]);
    assert_eq!(replayed.status.code(), Some(1));
    assert!(text(&replayed.stdout).contains("trace hash"));
}

#[test]
fn wrong_input_exits_2_and_runs_nothing() {
    let dir = folder("wrong");
    write(&dir, "small.toml", SMALL);
    write(&dir, "wrong.toml", "title = \"W\"\nnodes = 3\nduration = \"-5s\"\n");
    let output = sim(&dir, &["run", "small.toml", "wrong.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(
        text(&output.stderr),
        "wrong.toml:3:12: duration: \"-5s\" is negative: durations start at \"0s\"\n"
    );
    for args in [
        &["run"][..],
        &["run", "nowhere.toml"],
        &["run", "small.toml", "--seeds", "9..2"],
        &["run", "small.toml", "--jobs", "0"],
        &["run", "small.toml", "--set", "network.los=0.1"],
        &["run", "small.toml", "small.toml"],
        &["replay", "small.toml"],
        &["validate", "wrong.toml"],
        &["list", "nowhere"],
        &["fly"],
    ] {
        let output = sim(&dir, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
        assert!(!output.stderr.is_empty(), "{args:?} says why");
    }
}

#[test]
fn a_report_that_cannot_be_written_exits_3() {
    let dir = folder("unwritable");
    write(&dir, "small.toml", SMALL);
    write(&dir, "reports", "a file where the folder should go");
    let output = sim(&dir, &["run", "small.toml"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("the report could not be written to reports/small"));
}

#[test]
fn json_is_all_there_is_on_standard_output() {
    let dir = folder("json");
    write(&dir, "small.toml", SMALL);
    write(&dir, "missed.toml", MISSED);
    let args = ["run", "small.toml", "missed.toml", "--json", "--no-report"];
    let output = sim(&dir, &args);
    assert_eq!(output.status.code(), Some(1), "the worst of both");
    assert_eq!(text(&output.stderr), "");
    let outcome = json(&output);
    assert_eq!(outcome["runs"][0]["met"], true);
    assert_eq!(outcome["runs"][1]["met"], false);
    assert_eq!(outcome["runs"][1]["replay"], "sim replay missed.toml --seed 1");
    assert_eq!(outcome["runs"][0]["seeds"], serde_json::json!([1, 2, 3, 4]));
}

#[test]
fn results_do_not_depend_on_the_number_of_jobs() {
    let dir = folder("jobs");
    write(&dir, "small.toml", SMALL);
    let outcome = |jobs| {
        let args =
            ["run", "small.toml", "--json", "--no-report", "--seeds", "5..16", "--jobs", jobs];
        let mut outcome = json(&sim(&dir, &args));
        outcome["runs"][0]["timing"] = serde_json::Value::Null;
        outcome
    };
    let alone = outcome("1");
    assert_eq!(alone, outcome("3"));
    let hashes = alone["runs"][0]["trace_hashes"].as_array().expect("a list").clone();
    assert_eq!(hashes.len(), 12);
    let replayed = text(&sim(&dir, &["replay", "small.toml", "--seed", "7"]).stdout);
    assert!(replayed.contains(hashes[2].as_str().expect("text")), "{replayed}");
}

#[test]
fn piped_progress_is_silent_for_short_runs() {
    let dir = folder("progress");
    write(&dir, "small.toml", SMALL);
    let output = sim(&dir, &["run", "small.toml", "--no-report"]);
    assert_eq!(text(&output.stderr), "", "less than one period has passed");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dir = folder("pipe");
    write(&dir, "small.toml", SMALL);
    let mut child = command(&dir, &["list", "."])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sim starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("sim ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn list_and_validate_read_the_scenario_library() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let listed = sim(&root, &["list"]);
    assert_eq!(listed.status.code(), Some(0), "{}", text(&listed.stderr));
    let out = text(&listed.stdout);
    for name in [
        "10-nodes-halt",
        "1000-nodes",
        "10000-nodes",
        "2-nodes",
        "52-nodes",
        "lossy-25",
        "partition-heal",
        "wrong-interface",
    ] {
        assert!(out.contains(name), "{out}");
    }
    let checked = sim(&root, &["validate", "scenarios/52-nodes.toml", "--set", "nodes=100"]);
    assert_eq!(checked.status.code(), Some(0));
    assert!(text(&checked.stdout).contains("fine (100 nodes, 180s, 20 seeds"));
}

#[test]
fn the_hash_names_the_run_and_not_the_spelling() {
    let dir = folder("hash");
    write(&dir, "a.toml", SMALL);
    write(
        &dir,
        "b.toml",
        &SMALL.replace("\"10s\"", "\"10000ms\" # the same").replace("Three", "3"),
    );
    let hash = |args: &[&str]| {
        let out = text(&sim(&dir, args).stdout);
        out.split("config ").nth(1).expect("a hash").to_owned()
    };
    let first = hash(&["validate", "a.toml"]);
    assert_eq!(first, hash(&["validate", "b.toml"]));
    assert_ne!(first, hash(&["validate", "a.toml", "--set", "network.loss=0.1"]));
    assert_ne!(first, hash(&["validate", "a.toml", "--set", "nodes=4"]));
}
