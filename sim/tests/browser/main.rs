//! The page of a report in a real browser: it draws, its sliders move, it answers, it complains of nothing.

mod chromium;

use std::path::{Path, PathBuf};

use chromium::{Browser, program};
use serde_json::json;
use uwasa_sim::history::{Document, History, LIMIT};
use uwasa_sim::metrics::SeedResult;
use uwasa_sim::outcome::{Outcome, Timing};
use uwasa_sim::scenario::{Scenario, load, parse};
use uwasa_sim::why::Why;
use uwasa_sim::{report, world};

const FIVE: &str = r#"
title = "Five nodes"
nodes = { count = 5, name = "host{n}" }
seeds = 1
duration = "40s"
start = { kind = "cold", stagger = "0s", join = "discover", discover_limit = 3, join_after = "200ms" }
[[work]]
at = "5s"
event = "deploy"
[[fault]]
at = "8s"
crash = ["host3"]
[[work]]
at = "25s"
leave = ["host5"]
"#;

const TEN_THOUSAND: &str = r#"
title = "Ten thousand nodes for a moment"
nodes = 10000
seeds = 1
duration = "2s"
start = "warm"
[[work]]
at = "500ms"
event = "deploy"
[[fault]]
at = "1s"
crash = ["host7"]
"#;

fn written(name: &str, scenario: &Scenario) -> (PathBuf, Document) {
    let history = History::new(scenario, LIMIT);
    let (result, document) = world::run_recorded(scenario, 1, Some(history), &mut |_| {});
    let document = document.expect("a history was asked for");
    let results: [SeedResult; 1] = [result];
    let timing = Timing::new(std::time::Duration::from_secs(1), scenario.duration, 1, 1);
    let outcome = Outcome::judge(scenario, &results, timing);
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("page-{name}"));
    report::write_with(scenario, &results, &outcome, Some(&document), &out).expect("a report");
    (out.join("report.html"), document)
}

fn in_memory(text: &str) -> Scenario {
    parse(text, Path::new("scenarios/test.toml"), &[]).expect("a scenario")
}

fn from_library(name: &str) -> Scenario {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name);
    load(&file, &[]).expect("a scenario of the library")
}

/// Everything that must work at any size.
fn use_page(browser: &mut Browser, document: &Document) {
    for canvas in ["heat", "spread", "node"] {
        assert!(browser.picture(canvas).0 > 5, "{canvas} is empty");
    }
    slide(browser, "heat");
    slide(browser, "spread");
    plays(browser, "spread");
    plays(browser, "heat");
    tells_on_hover(browser, "heat");
    tells_on_hover(browser, "spread");
    tells_on_hover(browser, "node");
    answers_like_the_terminal(browser, document);
}

/// The slider moves by the keyboard, and the picture with it.
fn slide(browser: &mut Browser, prefix: &str) {
    browser.eval(&format!("document.getElementById('{prefix}-time').focus()"));
    browser.key("Home", 36);
    let (value, start) = (
        format!("Number(document.getElementById('{prefix}-time').value)"),
        browser.picture(prefix),
    );
    assert_eq!(browser.eval(&value), json!(0));
    browser.key("ArrowRight", 39);
    assert_eq!(browser.eval(&value), json!(1));
    browser.key("End", 35);
    assert_eq!(browser.eval(&value), json!(1000));
    assert_ne!(browser.picture(prefix), start, "{prefix}: the picture stays");
    // The mouse moves it too.
    let (left, top, width, height) = browser.place(&format!("{prefix}-time"));
    let spot = (left + width / 2.0, top + height / 2.0);
    browser.mouse("mousePressed", spot);
    browser.mouse("mouseReleased", spot);
    let middle = browser.eval(&value).as_f64().expect("a number");
    assert!((450.0..=550.0).contains(&middle), "{prefix}: {middle}");
}

/// The play button moves the slider by itself, and stops it.
fn plays(browser: &mut Browser, prefix: &str) {
    browser.eval(&format!("document.getElementById('{prefix}-time').focus()"));
    browser.key("Home", 36);
    browser.click(&format!("{prefix}-play"));
    let moved = format!(
        "new Promise((done) => {{ const slider = document.getElementById('{prefix}-time'); \
         const look = () => Number(slider.value) > 5 ? done(true) : requestAnimationFrame(look); look(); }})"
    );
    assert_eq!(browser.eval(&moved), json!(true));
    let label = format!("document.getElementById('{prefix}-play').textContent");
    assert_eq!(browser.eval(&label), json!("❚❚ Pause"));
    browser.click(&format!("{prefix}-play"));
    assert_eq!(browser.eval(&label), json!("▶ Play"));
    browser.eval(&format!("document.getElementById('{prefix}-time').focus()"));
    browser.key("End", 35);
}

fn tells_on_hover(browser: &mut Browser, canvas: &str) {
    let (left, top, width, height) = browser.place(canvas);
    let shown = height.min(900.0);
    let mut told = String::new();
    'search: for down in 1..40 {
        for across in 3..20 {
            let spot =
                (left + width * f64::from(across) / 20.0, top + shown * f64::from(down) / 40.0);
            browser.mouse("mouseMoved", spot);
            let text = browser.eval("(() => { const it = document.getElementById('tip'); return it.hidden ? '' : it.textContent; })()");
            told = text.as_str().unwrap_or_default().to_owned();
            if !told.is_empty() {
                break 'search;
            }
        }
    }
    assert!(!told.is_empty(), "{canvas} says nothing anywhere");
}

fn answers_like_the_terminal(browser: &mut Browser, document: &Document) {
    let asked = browser
        .eval("['why-observer', 'why-subject'].map((id) => document.getElementById(id).value)");
    let names: Vec<String> = serde_json::from_value(asked).expect("two names");
    let index = |name: &str| {
        let found = document.names.iter().position(|it| it == name).expect("a node of the run");
        u32::try_from(found).expect("an index")
    };
    let (observer, subject) = (index(&names[0]), index(&names[1]));
    let why = Why::new(document);
    for at in [None, Some(document.duration), Some(document.duration / 2)] {
        let second =
            at.map_or_else(String::new, |at| format!("{}.{:06}", at / 1_000_000, at % 1_000_000));
        browser.eval(&format!("document.getElementById('why-at').value = '{second}'"));
        browser.click("why-ask");
        let text = browser.eval("document.getElementById('why-answer').textContent");
        assert_eq!(text.as_str().expect("an answer"), why.text(observer, subject, at));
    }
}

fn check(name: &str, scenario: &Scenario) {
    let Some(program) = program() else { return };
    let (page, document) = written(name, scenario);
    let bytes = std::fs::metadata(&page).expect("a page").len();
    assert!(bytes < 10_000_000, "{name}: the page has {bytes} bytes");
    let mut browser = Browser::start(&program, name);
    browser.open(&page);
    browser.screenshot(name, false);
    browser.screenshot(name, true);
    use_page(&mut browser, &document);
    assert!(browser.complaints.is_empty(), "{name}: {:#?}", browser.complaints);
}

#[test]
fn five_nodes() {
    check("5", &in_memory(FIVE));
}

#[test]
fn fifty_two_nodes() {
    check("52", &from_library("52-nodes.toml"));
}

#[test]
fn a_thousand_nodes() {
    check("1000", &from_library("1000-nodes.toml"));
}

#[test]
fn ten_thousand_nodes() {
    check("10000", &in_memory(TEN_THOUSAND));
}
