//! `sim why` as users meet it: answers from a report and from a scenario, and every way to ask wrongly.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const CRASH: &str = r#"
title = "Five and a crash"
nodes = { count = 5, name = "host{n}" }
seeds = 1
duration = "20s"
start = "warm"

[[fault]]
at = "2s"
crash = ["host3"]
"#;

fn folder(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).expect("an old directory can go");
    }
    std::fs::create_dir_all(&dir).expect("a directory for the test");
    std::fs::write(dir.join("crash.toml"), CRASH).expect("a scenario file");
    dir
}

fn sim(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sim"))
        .current_dir(dir)
        .args(args)
        .output()
        .expect("sim starts")
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_report_and_a_rerun_tell_the_same() {
    let dir = folder("why-same");
    assert_eq!(said(&sim(&dir, &["run", "crash.toml", "--quiet", "--out", "reports"])).0, 0);
    let (code, from_report, _) = said(&sim(&dir, &["why", "reports/crash", "host1", "host3"]));
    assert_eq!(code, 0);
    assert!(from_report.contains("host3 was switched off"), "{from_report}");
    let (_, again, _) = said(&sim(&dir, &["why", "crash.toml", "--seed", "1", "host1", "host3"]));
    assert_eq!(from_report, again);
    let (_, early, _) = said(&sim(&dir, &["why", "reports/crash", "host1", "host3", "--at", "1s"]));
    assert!(early.contains("everybody knew everybody from the start"), "{early}");
}

#[test]
fn a_wrong_question_exits_2_and_says_what_to_do() {
    let dir = folder("why-wrong");
    let ask = |args: &[&str]| {
        let all: Vec<&str> = ["why"].iter().chain(args).copied().collect();
        let (code, out, error) = said(&sim(&dir, &all));
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}");
        error
    };
    assert!(ask(&["crash.toml", "host1", "hots3"]).contains("did you mean host3?"));
    assert!(ask(&["crash.toml", "nobody-at-all", "host3"]).contains("the run had host1, host2"));
    assert!(ask(&["crash.toml", "host3", "host3"]).contains("name two nodes"));
    assert!(
        ask(&["crash.toml", "host1", "host3", "--at", "1h"]).contains("after the end of the run")
    );
    assert!(ask(&["missing.toml", "host1", "host3"]).contains("missing.toml"));
    assert!(ask(&[".", "host1", "host3"]).contains("has no history.json.gz"));
    assert!(ask(&[".", "host1", "host3", "--seed", "3"]).contains("for scenario files"));
    std::fs::write(dir.join("history.json.gz"), b"no history").expect("a file");
    assert!(ask(&[".", "host1", "host3"]).contains("is no history"));
}

#[test]
fn no_history_leaves_no_file() {
    let dir = folder("why-none");
    assert_eq!(said(&sim(&dir, &["run", "crash.toml", "--quiet", "--history", "0"])).0, 0);
    assert!(!dir.join("reports/crash/history.json.gz").exists());
    let page = std::fs::read_to_string(dir.join("reports/crash/report.html")).expect("a page");
    assert!(!page.contains("<script"));
}
