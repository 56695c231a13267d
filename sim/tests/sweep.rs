//! `sim sweep`, `sim merge`, `sim compare` and `sim tune` as users and batch systems meet them: the same bytes whatever
//! was killed, split or run side by side; and wrong input that is told all at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SMALL: &str = r#"
title = "Small"
nodes = 4
seeds = 2
duration = "12s"
network = { latency = "1ms" }

[[work]]
at = "1s"
event = "deploy"

[[fault]]
at = "2s"
crash = ["host3"]

[[expect]]
event_coverage = { event = "deploy", within = "2s" }
"#;

const GRID: [&str; 4] = ["--grid", "nodes=4,5", "--grid", "network.loss=0,0.1"];

/// A fresh directory for one test, with the small scenario in it.
fn folder(test: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sweep-{test}"));
    if dir.exists() {
        fs::remove_dir_all(&dir).expect("an old directory can go");
    }
    fs::create_dir_all(&dir).expect("a directory for the test");
    fs::write(dir.join("small.toml"), SMALL).expect("a scenario file");
    dir
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

/// Runs a sweep of the small scenario and wants it to end well.
fn sweep(dir: &Path, out: &str, more: &[&str]) -> String {
    let args = [&["sweep", "small.toml", "--out", out], &GRID[..], more].concat();
    let output = sim(dir, &args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Names and contents of a folder.
fn content(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(dir)
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
        .map(|entry| {
            let bytes = fs::read(entry.path()).expect("a file");
            (entry.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect();
    files.sort();
    files
}

fn refused(dir: &Path, args: &[&str]) -> String {
    let output = sim(dir, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "", "{args:?}");
    text(&output.stderr)
}

#[test]
fn a_sweep_writes_one_row_per_unit_and_a_table_per_point() {
    let dir = folder("rows");
    let out = sweep(&dir, "whole", &["--seeds", "3"]);
    assert!(out.contains("small: 12 units at 4 points"), "{out}");
    assert!(out.contains("| nodes | network.loss | runs | held |"), "{out}");
    let rows: Vec<serde_json::Value> = fs::read_to_string(dir.join("whole/results.jsonl"))
        .expect("results")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect();
    assert_eq!(rows.len(), 12);
    for (index, row) in rows.iter().enumerate() {
        assert_eq!(row["unit"], index);
        assert_eq!(row["seed"], index % 3 + 1);
    }
    assert_eq!(rows[3]["point"], serde_json::json!({ "nodes": 4, "network.loss": 0.1 }));
    assert_eq!(rows[0]["events"][0]["name"], "deploy");
    assert!(rows[0]["departures"][0]["first"].is_number(), "{}", rows[0]);
    let csv = fs::read_to_string(dir.join("whole/table.csv")).expect("a table");
    assert!(csv.starts_with("nodes,network.loss,figure,samples,never,min,median"), "{csv}");
    assert!(csv.contains("\n5,0.1,crash.first,3,0,"), "{csv}");
    // A row says what `sim run` says of the same seed.
    let args =
        ["run", "small.toml", "--json", "--no-report", "--seeds", "2..2", "--set", "nodes=5"];
    let run: serde_json::Value = serde_json::from_slice(&sim(&dir, &args).stdout).expect("JSON");
    assert_eq!(run["runs"][0]["trace_hashes"][0], rows[7]["trace_hash"]);
}

#[test]
fn shards_merge_to_the_bytes_of_one_sweep_and_jobs_change_nothing() {
    let dir = folder("shards");
    sweep(&dir, "whole", &["--jobs", "1"]);
    sweep(&dir, "again", &["--jobs", "3"]);
    assert_eq!(content(&dir.join("whole")), content(&dir.join("again")));
    let names: Vec<String> = content(&dir.join("whole")).into_iter().map(|it| it.0).collect();
    assert_eq!(names, ["results.jsonl", "sweep.json", "table.csv", "table.md"]);
    for shard in ["1/3", "2/3", "3/3"] {
        sweep(&dir, &format!("part{}", &shard[..1]), &["--shard", shard, "--quiet"]);
    }
    let output = sim(&dir, &["merge", "part3", "part1", "part2", "--out", "merged"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(content(&dir.join("whole")), content(&dir.join("merged")));
}

#[test]
fn a_journal_cut_anywhere_goes_on_without_repeating_or_losing_rows() {
    let dir = folder("cut");
    sweep(&dir, "whole", &[]);
    let whole = content(&dir.join("whole"));
    let results = fs::read(dir.join("whole/results.jsonl")).expect("results");
    let ends: Vec<usize> =
        results.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(at, _)| at + 1).collect();
    assert_eq!(ends.len(), 8);
    // Nothing, one byte, inside and around the ends of rows, all but the last byte, everything.
    let (second, sixth) = (ends[1], ends[5]);
    let cuts = [
        0,
        1,
        second - 1,
        second,
        second + 1,
        second + 40,
        sixth - 2,
        results.len() - 1,
        results.len(),
    ];
    for cut in cuts {
        let out = dir.join("cut");
        if out.exists() {
            fs::remove_dir_all(&out).expect("it can go");
        }
        fs::create_dir(&out).expect("a folder");
        fs::copy(dir.join("whole/sweep.json"), out.join("sweep.json")).expect("a manifest");
        fs::write(out.join("rows.jsonl"), &results[..cut]).expect("a journal");
        let finished = ends.iter().filter(|end| **end <= cut).count();
        let said = sweep(&dir, "cut", &[]);
        let resumed = format!("{finished} units of them from an earlier start");
        let expected = finished < 2 || said.contains(&resumed);
        assert!(expected, "cut at {cut}, {finished} rows: {said}");
        assert_eq!(content(&out), whole, "cut at {cut}");
    }
    // A power cut can leave a last row that has its end and is no row.
    let mut zeros = results[..second].to_vec();
    zeros.extend(b"\0\0\0\0\n");
    fs::remove_file(dir.join("cut/results.jsonl")).expect("it can go");
    fs::write(dir.join("cut/rows.jsonl"), zeros).expect("a journal");
    sweep(&dir, "cut", &[]);
    assert_eq!(content(&dir.join("cut")), whole);
}

#[test]
fn a_killed_sweep_goes_on_where_it_stopped() {
    let dir = folder("killed");
    let seeds = ["--seeds", "40", "--jobs", "1"];
    sweep(&dir, "whole", &seeds);
    let args = [&["sweep", "small.toml", "--out", "killed", "--quiet"], &GRID[..], &seeds].concat();
    let mut child = command(&dir, &args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sim starts");
    let journal = dir.join("killed/rows.jsonl");
    let has_rows = || fs::metadata(&journal).is_ok_and(|file| file.len() > 3_000);
    while !has_rows() && child.try_wait().expect("a child").is_none() {
        std::thread::yield_now();
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let rows = fs::read(&journal).expect("it was killed half-way, so the journal is there");
    let finished = rows.iter().filter(|byte| **byte == b'\n').count();
    assert!((1..160).contains(&finished), "{finished}");
    let said = sweep(&dir, "killed", &seeds);
    assert!(said.contains("from an earlier start"), "{said}");
    assert_eq!(content(&dir.join("killed")), content(&dir.join("whole")));
    // Once more changes nothing and runs nothing.
    assert!(sweep(&dir, "killed", &seeds).contains("160 units of them from an earlier start"));
    assert_eq!(content(&dir.join("killed")), content(&dir.join("whole")));
}

#[test]
fn a_folder_refuses_another_sweep_and_says_in_what_it_differs() {
    let dir = folder("other");
    sweep(&dir, "out", &[]);
    let before = content(&dir.join("out"));
    let base = ["sweep", "small.toml", "--out", "out"];
    for (more, part) in [
        (
            &["--grid", "nodes=4,6", "--grid", "network.loss=0,0.1"][..],
            "grid: nodes=4,5 network.loss=0,0.1 there",
        ),
        (&[&GRID[..], &["--seeds", "3"]].concat(), "seeds: 1..2 there, 1..3 here"),
        (&[&GRID[..], &["--shard", "1/2"]].concat(), "shard: 1/1 there, 1/2 here"),
        (&[&GRID[..], &["--set", "duration=13s"]].concat(), "scenario hash: "),
    ] {
        let error = refused(&dir, &[&base[..], more].concat());
        assert!(error.contains("holds another sweep") && error.contains(part), "{error}");
    }
    // Other comments and titles are the same sweep; another expectation is not.
    fs::write(dir.join("small.toml"), SMALL.replace("Small", "Still small")).expect("a file");
    sweep(&dir, "out", &[]);
    assert_eq!(content(&dir.join("out")), before);
    fs::write(dir.join("small.toml"), SMALL.replace("within = \"2s\"", "within = \"3s\""))
        .expect("a file");
    assert!(refused(&dir, &[&base[..], &GRID].concat()).contains("scenario hash"));
    // Rows of which nobody knows what they are, and rows that something else has changed.
    fs::create_dir(dir.join("strange")).expect("a folder");
    fs::write(dir.join("strange/rows.jsonl"), "{}\n").expect("a file");
    let error = refused(&dir, &["sweep", "small.toml", "--out", "strange"]);
    assert!(error.contains("has rows.jsonl but no sweep.json"), "{error}");
    fs::write(dir.join("small.toml"), SMALL).expect("a file");
    let results = fs::read_to_string(dir.join("out/results.jsonl")).expect("results");
    fs::write(dir.join("out/results.jsonl"), results.replacen("\"seed\":2", "\"seed\":7", 1))
        .expect("a file");
    let error = refused(&dir, &[&base[..], &GRID].concat());
    assert!(error.contains("results.jsonl:2: unit 1 is another run"), "{error}");
}

#[test]
fn wrong_points_are_told_all_at_once_before_anything_runs() {
    let dir = folder("wrong");
    let args = [
        "sweep",
        "small.toml",
        "--out",
        "out",
        "--grid",
        "nodes=2,4",
        "--grid",
        "network.los=0.1",
        "--grid",
        "config.gossip_nodes=3,-1",
    ];
    let error = refused(&dir, &args);
    let typos = error.lines().filter(|line| line.contains("did you mean `loss`?"));
    assert_eq!(typos.count(), 1, "at every point, and told once: {error}");
    assert!(error.contains("--grid network.los=0.1: network.los: unknown key"), "{error}");
    assert!(error.contains("--grid config.gossip_nodes=-1"), "{error}");
    assert!(error.contains("host3") && error.contains("(at nodes=2"), "{error}");
    assert!(!dir.join("out").exists(), "nothing was made");
    for (args, part) in [
        (&["--grid", "nodes"][..], "write key=value"),
        (&["--grid", "nodes=1,,3"], "empty value"),
        (&["--shard", "4/3"], "i from 1 to n"),
        (&["--grid", "nodes=4", "--grid", "nodes=5"], "there twice"),
        (&["--jobs", "0"], "0 is not in"),
    ] {
        let error = refused(&dir, &[&["sweep", "small.toml", "--out", "out"], args].concat());
        assert!(error.contains(part), "{args:?}: {error}");
    }
    let error = refused(&dir, &["sweep", "nowhere.toml", "--out", "out"]);
    assert!(error.contains("nowhere.toml: cannot be read"), "{error}");
}

#[test]
fn merge_says_all_that_is_missing() {
    let dir = folder("merge");
    sweep(&dir, "part1", &["--shard", "1/4"]);
    sweep(&dir, "part3", &["--shard", "3/4"]);
    sweep(&dir, "other", &["--shard", "2/4", "--seeds", "3"]);
    // A part that was killed after one row.
    let results = fs::read_to_string(dir.join("part3/results.jsonl")).expect("results");
    fs::remove_file(dir.join("part3/results.jsonl")).expect("it can go");
    let first = results.split_inclusive('\n').next().expect("a row");
    fs::write(dir.join("part3/rows.jsonl"), format!("{first}{{\"unit\":")).expect("a journal");
    let error = refused(&dir, &["merge", "part1", "part3", "part1", "--out", "merged"]);
    for part in [
        "part1 and part1 both hold shard 1/4",
        "part3: 1 of its 2 units are missing (nodes=5 network.loss=0.1, seed 1)",
        "missing shards: 2/4, 4/4",
    ] {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
    let error = refused(&dir, &["merge", "part1", "other", "nowhere", "--out", "merged"]);
    assert!(error.contains("nowhere: holds no sweep"), "{error}");
    assert!(
        error.contains("part1 and other are not of one sweep: seeds: 1..2 there, 1..3 here"),
        "{error}"
    );
    assert!(!dir.join("merged").exists());
}

#[test]
fn compare_pairs_the_seeds_and_says_who_is_faster() {
    let dir = folder("compare");
    let args = ["compare", "small.toml", "--set-b", "config.suspicion_mult=6", "--seeds", "12"];
    let output = sim(&dir, &args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let out = text(&output.stdout);
    assert!(out.contains("B: small.toml --set config.suspicion_mult=6"), "{out}");
    let line = out.lines().find(|line| line.starts_with("crash.first ")).expect("a line");
    assert!(line.contains("s slower [") && line.contains("in 12 of 12 seeds, p < 0.001"), "{line}");
    let output = sim(&dir, &[&args[..], &["--json"]].concat());
    assert_eq!(text(&output.stderr), "");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let metrics = document["metrics"].as_array().expect("a list");
    let first = metrics.iter().find(|it| it["name"] == "crash.first").expect("a metric");
    let [low, mean, high] =
        ["low", "mean", "high"].map(|it| first["effect"][it].as_f64().expect("a number"));
    assert!(0.5 < low && low <= mean && mean <= high && high < 10.0, "{first}");
    let error = refused(&dir, &["compare", "small.toml"]);
    assert!(error.contains("both sides are the same"), "{error}");
    let error = refused(&dir, &["compare", "small.toml", "nowhere.toml", "--set-a", "nodes=x"]);
    assert!(error.contains("nowhere.toml") && error.contains("nodes"), "both at once: {error}");
}

#[test]
fn tune_finds_settings_that_a_run_confirms_on_fresh_seeds() {
    let dir = folder("tune");
    let wishes = ["--want", "detect=9s", "--want", "bytes=20kB/s"];
    let args =
        [&["tune", "--nodes", "9", "--budget", "240", "--out", "out", "--quiet"], &wishes[..]]
            .concat();
    let output = sim(&dir, &args);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}{}", text(&output.stderr));
    for part in
        ["These settings meet every wish", "config = { probe_interval", "profile", "Pareto front"]
    {
        assert!(out.contains(part), "no {part:?} in {out}");
    }
    for name in ["tuned.toml", "tune.json", "pareto.svg"] {
        assert!(dir.join("out").join(name).exists(), "{name}");
    }
    let document: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("out/tune.json")).expect("numbers"))
            .expect("JSON");
    assert!(document["runs"].as_u64().is_some_and(|runs| runs <= 240));
    let run = sim(&dir, &["run", "out/tuned.toml", "--no-report", "--quiet"]);
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stdout));
    // What is not to be had is said, with exit code 1.
    let args = [
        "tune",
        "--nodes",
        "9",
        "--budget",
        "20",
        "--out",
        "out",
        "--quiet",
        "--want",
        "detect=10ms",
    ];
    let output = sim(&dir, &args);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("No settings tried meet every wish"));
    let error = refused(&dir, &["tune", "--nodes", "9", "--want", "detect=5", "--want", "speed=3"]);
    assert!(error.contains("no unit"), "{error}");
}

#[test]
fn every_verb_has_help_with_an_example() {
    let dir = folder("help");
    for verb in ["sweep", "merge", "compare", "tune"] {
        let output = sim(&dir, &[verb, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{verb}");
        let help = text(&output.stdout);
        assert!(help.contains("Example") && help.contains("Exit codes:"), "{verb}: {help}");
        assert!(text(&sim(&dir, &["--help"]).stdout).contains(verb));
    }
}

/// The command of the indexed job, in a shell as a pod runs it, with its folders and its size made small.
#[cfg(unix)]
#[test]
fn the_command_of_the_kubernetes_job_is_one() {
    let dir = folder("kubernetes");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes.yaml");
    let yaml = fs::read_to_string(file).expect("a job file");
    let start = yaml.find("exec sim sweep").expect("the command of the sweep");
    let end = start + yaml[start..].find("env:").expect("its environment");
    let line: Vec<&str> = yaml[start..end].split_whitespace().collect();
    let script = line
        .join(" ")
        .replace("/scenario/scenario.toml", "small.toml")
        .replace("\"/sweep/", "\"sweep/")
        .replace("16,64,256", "4,5")
        .replace("--seeds 100", "--seeds 3");
    let sim = Path::new(env!("CARGO_BIN_EXE_sim"));
    for index in ["0", "7"] {
        let output = Command::new("/bin/sh")
            .args(["-c", &script])
            .current_dir(&dir)
            .env("PATH", sim.parent().expect("a folder"))
            .env("JOB_COMPLETION_INDEX", index)
            .env("SHARDS", "8")
            .output()
            .expect("a shell");
        assert_eq!(output.status.code(), Some(0), "{script}: {}", text(&output.stderr));
    }
    let rows = |shard: &str| {
        let results = fs::read_to_string(dir.join("sweep").join(shard).join("results.jsonl"));
        results.expect("results").lines().count()
    };
    assert_eq!((rows("shard-1"), rows("shard-8")), (3, 2), "18 units over 8 shards");
}
