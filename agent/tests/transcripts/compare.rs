//! The one comparer of recorded and seen output: placeholders, what has no order, and which log records depend on time.

use std::collections::BTreeSet;

use regex::Regex;

/// What the placeholders of one run stand for.
pub(crate) struct Names {
    /// Working directory of the run, `{DIR}`.
    pub(crate) dir: String,
    /// Host name of the operating system, `{HOST}`.
    pub(crate) host: String,
    /// Texts of log records that may come or not.
    pub(crate) free: &'static [&'static str],
}

/// How a piece of output is built.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// Output of a command: line by line, order-free where members, keys, acknowledgements or tags are listed.
    Command,
    /// Output of an agent or a monitor: the program's own lines in order, log records between them in any order.
    Log,
    /// A capture that holds each line once, in any order.
    Distinct,
    /// A telemetry dump: the set of the metrics' kinds and names.
    Metrics,
}

/// Compares; `Err` tells the first difference and shows both texts.
pub(crate) fn compare(
    shape: Shape,
    expected: &str,
    actual: &str,
    names: &Names,
) -> Result<(), String> {
    let verdict = match shape {
        Shape::Command => command(expected, actual, names),
        Shape::Log => log(expected, actual, names),
        Shape::Distinct => distinct(expected, actual, names),
        Shape::Metrics => metrics(expected, actual),
    };
    verdict.map_err(|why| format!("{why}\n--- expected\n{expected}\n--- seen\n{actual}\n---"))
}

fn regex(text: &str) -> Regex {
    Regex::new(text).unwrap()
}

/// The regular expression that an expected piece of text stands for.
fn pattern(expected: &str, names: &Names) -> Regex {
    let mut out = String::from("^(?s:");
    let expected = expected.replace(": {RESOLVER ERROR}", "{RESOLVER ERROR}");
    let mut rest = &*expected;
    let holder = regex(r"\{([A-Z][A-Z0-9_]*(?: [A-Z]+)*|[A-Za-z]\*[0-9]+)\}");
    while let Some(found) = holder.captures(rest) {
        let all = found.get(0).unwrap();
        out.push_str(&regex::escape(&rest[..all.start()]));
        out.push_str(&meaning(&found[1], names).unwrap_or_else(|| regex::escape(all.as_str())));
        rest = &rest[all.end()..];
    }
    out.push_str(&regex::escape(rest));
    out.push_str(")$");
    Regex::new(&out).unwrap()
}

fn meaning(holder: &str, names: &Names) -> Option<String> {
    if let Some((letter, count)) = holder.split_once('*') {
        return Some(format!("{letter}{{{count}}}"));
    }
    Some(match holder {
        "TS" => r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d".into(),
        "STAMP" => r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d".into(),
        "PORT" | "PID" | "N" => r"\d+".into(),
        "MS" => r"\d+\.\d{3}".into(),
        "S2" => r"\d+\.\d\d".into(),
        "F" => r"-?\d+\.\d+".into(),
        "KEY44" => "[A-Za-z0-9+/]{43}=".into(),
        "GOVERSION" => ".+".into(),
        "RESOLVER ERROR" => r"( on \S+)?: .+".into(),
        "GO STACK DUMP" => ".*".into(),
        "DIR" => regex::escape(&names.dir),
        "HOST" => regex::escape(&names.host),
        _ => return None,
    })
}

// ---- commands

fn command(expected: &str, actual: &str, names: &Names) -> Result<(), String> {
    if serde_json::from_str::<serde_json::Value>(expected).is_ok() {
        serde_json::from_str::<serde_json::Value>(actual).map_err(|e| format!("not JSON: {e}"))?;
    }
    let (want, got) = (arrange(expected), arrange(actual));
    if pattern(&want.join("\n"), names).is_match(&got.join("\n")) {
        return Ok(());
    }
    let at = want
        .iter()
        .zip(&got)
        .position(|(w, g)| !pattern(w, names).is_match(g))
        .unwrap_or(want.len().min(got.len()));
    Err(format!("{:?} expected, {:?} seen", want.get(at), got.get(at)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Fixed,
    Member,
    Failed,
    Key,
    Answer,
    Node,
    JsonMember,
    JsonAck,
}

/// The blocks of a command's output with every run of order-free blocks sorted.
fn arrange(text: &str) -> Vec<String> {
    let member = regex(r"^\S+  \S*:\d+  (none|alive|leaving|left|failed)( |$)");
    let key = regex(r"^[A-Za-z0-9+/=]+ +\[\d+/\d+\]$");
    let answer = regex(r"^(Ack|Response) from '");
    let query = text.starts_with("Query '");
    let reach = text.starts_with("Total members:");
    let mut blocks: Vec<(Class, String)> = Vec::new();
    let mut inside = false;
    for line in text.split('\n') {
        let continued = inside
            || (query
                && !answer.is_match(line)
                && !line.starts_with("Total ")
                && !blocks.is_empty()
                && !line.is_empty());
        if continued {
            inside = inside && !line.starts_with("    }");
            let last = blocks.last_mut().unwrap();
            last.1 = format!(
                "{}\n{}",
                last.1,
                line.strip_suffix(',').filter(|_| !inside && !query).unwrap_or(line)
            );
            continue;
        }
        let class = match line {
            l if member.is_match(l) => Class::Member,
            l if l.starts_with("failed:  ") => Class::Failed,
            l if key.is_match(l) => Class::Key,
            l if query && answer.is_match(l) => Class::Answer,
            l if reach && l.starts_with('\t') => Class::Node,
            "    {" => Class::JsonMember,
            l if l.starts_with("    \"") && !l.contains("\": ") => Class::JsonAck,
            _ => Class::Fixed,
        };
        inside = class == Class::JsonMember;
        let line = if class == Class::JsonAck { line.trim_end_matches(',') } else { line };
        blocks.push((class, line.to_owned()));
    }
    restore_last_member(&mut blocks);
    sort_runs(blocks)
}

/// The text as a whole is trimmed, so the line that happens to be last has lost the blanks that others end in.
fn restore_last_member(blocks: &mut [(Class, String)]) {
    let of = |line: &str| line.split("  ").nth(2).map_or(0, |s| s.trim_end().len());
    let width = blocks.iter().filter(|b| b.0 == Class::Member).map(|b| of(&b.1)).max().unwrap_or(0);
    let count = blocks.iter().filter(|b| b.0 == Class::Member).count();
    if let Some((_, line)) = blocks.iter_mut().rfind(|b| b.0 == Class::Member)
        && count > 1
        && line.split("  ").filter(|c| !c.trim().is_empty()).count() == 3
    {
        let missing = width - of(line) + 2;
        *line = format!("{}{:missing$}", line.trim_end(), "");
    }
    let tags = regex(r"\S+=\S*(,\S+=\S*)+");
    for (_, line) in blocks.iter_mut().filter(|b| b.0 == Class::Member) {
        *line = tags
            .replace(line, |found: &regex::Captures<'_>| {
                let mut all: Vec<&str> = found[0].split(',').collect();
                all.sort_unstable();
                all.join(",")
            })
            .into_owned();
    }
}

fn sort_runs(mut blocks: Vec<(Class, String)>) -> Vec<String> {
    let mut from = 0;
    while from < blocks.len() {
        let class = blocks[from].0;
        let end = from + blocks[from..].iter().take_while(|b| b.0 == class).count();
        if class != Class::Fixed {
            blocks[from..end].sort_by(|a, b| a.1.cmp(&b.1));
        }
        from = end;
    }
    blocks.into_iter().map(|b| b.1).collect()
}

// ---- logs

struct Record {
    /// Number of the program's own lines before it.
    segment: usize,
    text: String,
}

struct Log {
    fixed: Vec<String>,
    records: Vec<Record>,
}

fn parse_log(text: &str) -> Log {
    let start = regex(r"^( {4})?(\{TS\}|\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[");
    let mut log = Log { fixed: Vec::new(), records: Vec::new() };
    let mut in_record = false;
    if text.is_empty() {
        return log;
    }
    let lines: Vec<&str> = text.strip_suffix('\n').unwrap_or(text).split('\n').collect();
    for (at, line) in lines.iter().enumerate() {
        let farewell =
            line.is_empty() && lines.get(at + 1).is_some_and(|n| n.starts_with("Remote side"));
        if start.is_match(line) || *line == "Event Info:" {
            in_record = true;
            log.records.push(Record { segment: log.fixed.len(), text: (*line).to_owned() });
        } else if line.starts_with("==> ") || farewell || (log.fixed.is_empty() && !in_record) {
            in_record = false;
            log.fixed.push((*line).to_owned());
        } else {
            let open = if in_record {
                log.records.last_mut().map(|r| &mut r.text)
            } else {
                log.fixed.last_mut()
            };
            let open = open.unwrap();
            open.push('\n');
            open.push_str(line);
        }
    }
    for record in &mut log.records {
        if record.text.starts_with("Event Info:") {
            let mut lines: Vec<&str> = record.text.split('\n').collect();
            lines[1..].sort_unstable();
            record.text = lines.join("\n");
        }
    }
    log
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Duty {
    Exact,
    /// Comes at least once where it is expected; how often, and on which side of other lines, is a matter of time.
    AtLeastOnce,
    Free,
}

fn duty(record: &str, names: &Names) -> Duty {
    const FREE: [&str; 12] = [
        "] memberlist: ",
        "[DEBUG] serf: message",
        "serf: Failed to re-join any previously known node",
        "serf: attempting reconnect to",
        "agent: Serf shutdown detected, quitting",
        "agent: Received event: member-leave",
        "agent: Received event: member-failed",
        "serf: EventMemberFailed:",
        "serf: Name conflict for",
        "serf: Node name conflicts with",
        "\"member-leave\"",
        "Error writing payload: write |1:",
    ];
    if FREE.iter().chain(names.free).any(|f| record.contains(f)) {
        Duty::Free
    } else if record.contains("agent: Received event: member-") {
        Duty::AtLeastOnce
    } else {
        Duty::Exact
    }
}

fn log(expected: &str, actual: &str, names: &Names) -> Result<(), String> {
    let (want, got) = (parse_log(expected), parse_log(actual));
    for at in 0..want.fixed.len().max(got.fixed.len()) {
        match (want.fixed.get(at), got.fixed.get(at)) {
            (Some(w), Some(g)) if pattern(w, names).is_match(g) => {}
            (w, g) => return Err(format!("line {w:?} expected, {g:?} seen")),
        }
    }
    records(&want.records, &got.records, names)
}

fn records(want: &[Record], got: &[Record], names: &Names) -> Result<(), String> {
    let patterns: Vec<(Regex, &Record)> =
        want.iter().map(|r| (pattern(&r.text, names), r)).collect();
    let mut left: Vec<&Record> = got.iter().collect();
    for (pattern, record) in &patterns {
        let at = left.iter().position(|g| g.segment == record.segment && pattern.is_match(&g.text));
        if let Some(at) = at {
            left.remove(at);
            continue;
        }
        let excused = match duty(&record.text, names) {
            Duty::Exact => false,
            Duty::AtLeastOnce => got.iter().any(|g| pattern.is_match(&g.text)),
            Duty::Free => true,
        };
        if !excused {
            return Err(format!("record missing (or at the wrong place): {:?}", record.text));
        }
    }
    let excess = left.iter().find(|g| match duty(&g.text, names) {
        Duty::Exact => true,
        Duty::AtLeastOnce => !patterns.iter().any(|(p, _)| p.is_match(&g.text)),
        Duty::Free => false,
    });
    excess.map_or(Ok(()), |g| {
        Err(format!("record not expected (or at the wrong place): {:?}", g.text))
    })
}

// ---- sets

fn distinct(expected: &str, actual: &str, names: &Names) -> Result<(), String> {
    // Our own metrics come in addition.
    const FREE: [&str; 11] = [
        "serf-agent.uwasa.",
        "runtime.gc_pause_ns:",
        "degraded.probe:",
        "msg.dead:",
        "msg.suspect:",
        "member.left:",
        "tcp.accept:",
        "pushPullNode:",
        "health.score:",
        "query-clock:",
        "serf.queue.",
    ];
    let free =
        |line: &str| duty(line, names) != Duty::Exact || FREE.iter().any(|f| line.contains(f));
    let lines = |text: &str| {
        text.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let (want, got) = (lines(expected), lines(actual));
    let patterns: Vec<Regex> = want.iter().map(|w| pattern(w, names)).collect();
    for (line, pattern) in want.iter().zip(&patterns) {
        if !free(line) && !got.iter().any(|g| pattern.is_match(g)) {
            return Err(format!("line missing: {line:?}"));
        }
    }
    let excess = got.iter().find(|g| !free(g) && !patterns.iter().any(|p| p.is_match(g)));
    excess.map_or(Ok(()), |g| Err(format!("line not expected: {g:?}")))
}

fn metrics(expected: &str, actual: &str) -> Result<(), String> {
    // Our own metrics come in addition.
    const FREE: [&str; 10] = [
        "serf-agent.uwasa.",
        "runtime.gc_pause_ns",
        "degraded.",
        "msg.dead",
        "msg.suspect",
        "health.score",
        "tcp.accept",
        "pushPullNode",
        "serf.queue.",
        "snapshot.compact",
    ];
    let number = r"-?\d+\.\d{3}";
    let line = regex(&format!(
        r"^\[(?:\{{INTERVAL\}}|\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{{4}} \S+)\]\[([GCS])\] ('[^']+'): (?:\{{F\}}|{number}|Count: (?:\{{F\}}|\d+) (?:Min: .+ Mean: .+ Max: .+ Stddev: .+ )?Sum: .+ LastUpdated: .+)$",
    ));
    let set = |text: &str| -> Result<BTreeSet<String>, String> {
        text.lines()
            .map(|l| {
                line.captures(l)
                    .map(|c| format!("{} {}", &c[1], &c[2]))
                    .ok_or(format!("not a metric: {l:?}"))
            })
            .filter(|m| !m.as_ref().is_ok_and(|m| FREE.iter().any(|f| m.contains(f))))
            .collect()
    };
    let (want, got) = (set(expected)?, set(actual)?);
    if want == got {
        return Ok(());
    }
    let missing: Vec<_> = want.difference(&got).collect();
    let excess: Vec<_> = got.difference(&want).collect();
    Err(format!("metrics missing: {missing:?}; not expected: {excess:?}"))
}
