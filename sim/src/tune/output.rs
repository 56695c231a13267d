//! What a search leaves behind: a scenario that confirms it, the curve as picture and numbers, words for the agent.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use super::trial::{Answer, WEEK, scenario};
use super::{Ask, Setting, Tried, Tuned, poisson_upper};

/// Seeds of the scenario that confirms.
const FRESH: u64 = 30;

/// A file could not be written.
#[derive(Debug, Error)]
#[error("{}: {source}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
}

/// Seeds that the search did not use, as a scenario file writes them: `1..30`, unless the search used some of these.
#[must_use]
pub fn fresh_seeds(ask: &Ask) -> String {
    let used = ask.seeds.iter().any(|seed| (1..=FRESH).contains(seed));
    let last = ask.seeds.iter().copied().max().unwrap_or(0);
    let first = if used { last.saturating_add(1) } else { 1 };
    format!("{first}..{}", first.saturating_add(FRESH - 1))
}

/// What an agent can be told: its keys, and plainly what it cannot be told.
#[must_use]
pub fn agent_words(tuned: &Tuned) -> Vec<String> {
    let Some(best) = tuned.tried.first() else { return Vec::new() };
    let profile = |profile: &str| format!("{{ \"profile\": \"{profile}\" }}");
    if let Some(name) = best.setting.profile() {
        return vec![format!("agent configuration: {}", profile(name))];
    }
    let keys: Vec<&str> = best.setting.pairs().iter().map(|(key, _)| *key).collect();
    let mut lines = vec![
        "An agent of Serf, and the one here, cannot be given these settings: its configuration has no keys for them, only \
         `profile`, which sets all of them together. They are for programs that embed the core, as `Options`."
            .to_owned(),
        format!("keys an agent does not have: {}", keys.join(", ")),
    ];
    let nearest = tuned.tried.iter().find_map(|it| Some((it.setting.profile()?, it)));
    if let Some((name, it)) = nearest {
        lines.push(format!(
            "nearest profile: {}, with which 95 of 100 crashes were known to all after {}, at {:.0} B/s per node and {:.2} \
             false failures per node-week ({} runs)",
            profile(name),
            it.trial.detect_p95().map_or_else(|| "more than the run".into(), |time| format!("{time:.1} s")),
            it.trial.bytes_mean(),
            it.trial.false_failures_per_node_week(),
            it.trial.runs
        ));
    }
    lines
}

/// One setting in `tune.json`.
#[derive(Serialize)]
struct JsonTried<'a> {
    #[serde(flatten)]
    tried: &'a Tried,
    detect_p95_s: Option<f64>,
    bytes_per_node_second: f64,
    node_weeks: f64,
    false_failures_per_node_week: f64,
    false_failures_per_node_week_at_most: f64,
    answers: Vec<Answer>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    nodes: u32,
    loss: f64,
    wants: Vec<String>,
    seeds: &'a [u64],
    runs: usize,
    settings_looked_at: f64,
    /// Best first.
    tried: Vec<JsonTried<'a>>,
}

/// Writes `tuned.toml`, `tune.json` and `pareto.svg` to `out`, and returns where.
///
/// # Errors
/// The file that could not be written.
pub fn write(ask: &Ask, tuned: &Tuned, out: &Path) -> Result<Vec<PathBuf>, WriteError> {
    fs::create_dir_all(out).map_err(|source| WriteError { path: out.into(), source })?;
    let mut files = Vec::new();
    if let Some(best) = tuned.tried.first() {
        files.push(("tuned.toml", scenario(ask, &best.setting, &fresh_seeds(ask))));
    }
    files.push(("tune.json", document(ask, tuned)));
    files.push(("pareto.svg", picture(ask, tuned)));
    let put = |(name, text): (&str, String)| {
        let path = out.join(name);
        fs::write(&path, text).map_err(|source| WriteError { path: path.clone(), source })?;
        Ok(path)
    };
    files.into_iter().map(put).collect()
}

fn one<'a>(ask: &Ask, tried: &'a Tried) -> JsonTried<'a> {
    let trial = &tried.trial;
    let weeks = trial.node_seconds / WEEK;
    JsonTried {
        tried,
        detect_p95_s: trial.detect_p95(),
        bytes_per_node_second: trial.bytes_mean(),
        node_weeks: weeks,
        false_failures_per_node_week: trial.false_failures_per_node_week(),
        false_failures_per_node_week_at_most: poisson_upper(trial.false_failed)
            / weeks.max(f64::MIN_POSITIVE),
        answers: trial.answers(ask),
    }
}

fn document(ask: &Ask, tuned: &Tuned) -> String {
    let document = Document {
        schema: 1,
        nodes: ask.nodes,
        loss: ask.loss,
        wants: ask.wants.iter().map(super::Want::words).collect(),
        seeds: &ask.seeds,
        runs: tuned.runs,
        settings_looked_at: tuned.looked_at,
        tried: tuned.tried.iter().filter(|it| it.trial.runs > 0).map(|it| one(ask, it)).collect(),
    };
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 560.0;
const EDGE: f64 = 70.0;

/// Detection against bytes, one dot per setting: filled on the front, orange where a living node was declared failed.
fn picture(ask: &Ask, tuned: &Tuned) -> String {
    let dots: Vec<(f64, &Tried)> =
        tuned.tried.iter().filter_map(|it| Some((it.trial.detect_p95()?, it))).collect();
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(1.0, f64::max) * 1.05;
    let right = largest(&mut dots.iter().map(|(time, _)| *time));
    let top = largest(&mut dots.iter().map(|(_, it)| it.trial.bytes_mean()));
    let x = |time: f64| EDGE + time / right * (WIDTH - 2.0 * EDGE);
    let y = |bytes: f64| HEIGHT - EDGE - bytes / top * (HEIGHT - 2.0 * EDGE);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"14\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"{EDGE}\" y=\"28\" \
         font-size=\"18\">Settings for {} nodes at {} % loss: detection against bytes</text>\n<text x=\"{EDGE}\" y=\"50\" \
         fill=\"#5a5a5a\">filled: on the Pareto front; orange: living nodes were declared failed; ring: chosen</text>\n",
        ask.nodes,
        100.0 * ask.loss
    );
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let (time, bytes) = (share * right, share * top);
        svg.push_str(&format!(
            "<path d=\"M{:.1} {EDGE}V{:.1}M{EDGE} {:.1}H{:.1}\" stroke=\"#e4e4e4\"/><text x=\"{:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{time:.1} s</text><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.1} kB/s</text>\n",
            x(time),
            HEIGHT - EDGE,
            y(bytes),
            WIDTH - EDGE,
            x(time),
            HEIGHT - EDGE + 20.0,
            EDGE - 6.0,
            y(bytes) + 5.0,
            bytes / 1e3
        ));
    }
    for (time, it) in &dots {
        let colour = if it.trial.false_failed > 0 { "#e69f00" } else { "#0072b2" };
        let fill = if it.pareto { colour } else { "none" };
        svg.push_str(&format!(
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"6\" fill=\"{fill}\" stroke=\"{colour}\"><title>{}</title></circle>\n",
            x(*time),
            y(it.trial.bytes_mean()),
            words(&it.setting)
        ));
    }
    if let Some(best) = tuned.tried.first()
        && let Some(time) = best.trial.detect_p95()
    {
        svg.push_str(&format!(
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"11\" fill=\"none\" stroke=\"#222\"/>\n",
            x(time),
            y(best.trial.bytes_mean())
        ));
    }
    svg.push_str(&format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">95 of 100 crashes known to every node after</text>\n</svg>\n",
        WIDTH / 2.0,
        HEIGHT - 18.0
    ));
    svg
}

/// A setting in a few words, for a table or a tooltip.
fn words(setting: &Setting) -> String {
    let pairs = setting.pairs().map(|(key, value)| format!("{key}={}", value.replace('"', "")));
    pairs.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tune::{Guess, Trial};

    fn ask(seeds: Vec<u64>) -> Ask {
        Ask {
            nodes: 100,
            loss: 0.0,
            latency: (500_000, 3_000_000),
            pauses: None,
            wants: vec!["detect=20s".parse().unwrap()],
            seeds,
            budget: 1,
        }
    }

    #[test]
    fn fresh_seeds_are_not_those_of_the_search() {
        assert_eq!(fresh_seeds(&ask((1_000..=1_100).collect())), "1..30");
        assert_eq!(fresh_seeds(&ask(vec![7, 90])), "91..120");
    }

    #[test]
    fn an_agent_is_given_only_keys_it_has() {
        let ask = ask(vec![1]);
        let tried = |setting: Setting| {
            let guess = Guess::new(&ask, &setting);
            Tried { setting, guess, trial: Trial::default(), pareto: false }
        };
        let of = |setting| Tuned {
            tried: vec![tried(setting), tried(Setting::LAN)],
            looked_at: 2.0,
            runs: 0,
        };
        assert_eq!(
            agent_words(&of(Setting::WAN)),
            ["agent configuration: { \"profile\": \"wan\" }"]
        );
        let own = of(Setting { suspicion_mult: 9, ..Setting::LAN });
        let words = agent_words(&own).join("\n");
        assert!(words.contains("cannot be given these settings"), "{words}");
        assert!(words.contains("nearest profile: { \"profile\": \"lan\" }"), "{words}");
        let svg = picture(&ask, &own);
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    }
}
