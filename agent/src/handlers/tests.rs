//! Real scripts run for a fake agent; what they do, log and answer is compared with the recorded agent.

use core::fmt::{Debug, Write as _};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::ExitStatus;

use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use tracing::field::{Field, Visit};
use tracing::span;
use tracing::subscriber::{DefaultGuard, set_default};
use uwasa_core::pool::Vsn;
use uwasa_core::tags::Tags;

use super::process::failure;
use super::*;

/// More than a test ever needs.
const LONG: Duration = Duration::from_secs(60);

/// Records, each as `[LEVEL] target: text`.
#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<String>>>);

impl Records {
    fn take(&self) -> Vec<String> {
        core::mem::take(&mut self.0.lock().unwrap())
    }

    /// Those of the agent itself, without what every event logs.
    fn take_notable(&self) -> Vec<String> {
        let mut records = self.take();
        records.retain(|r| !r.contains("Received event") && !r.contains("script output"));
        records
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.0, "{value:?}").unwrap();
        }
    }
}

impl tracing::Subscriber for Records {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        ["agent", ""].contains(&metadata.target())
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let metadata = event.metadata();
        let level = metadata.level().as_str().replace("ERROR", "ERR");
        let colon = if metadata.target().is_empty() { "" } else { ": " };
        let mut text = Text(format!("[{level}] {}{colon}", metadata.target()));
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// A query that is over when it is answered.
const OVER: QueryId = QueryId { ltime: 99, id: 0 };

/// Stands for an agent named n55.
#[derive(Debug, Default)]
struct Fake {
    answers: Mutex<Vec<(QueryId, Bytes)>>,
}

impl Backend for Fake {
    async fn local(&self) -> Member {
        let tags = [("role", "web")].into_iter().collect::<Tags>();
        let vsn = Vsn::default();
        Member { name: "n55".into(), addr: None, port: 0, tags, status: None, vsn }
    }

    async fn respond(&self, query: QueryId, payload: Bytes) -> Result<(), AgentError> {
        let mut answers = self.answers.lock().unwrap();
        let why = if query == OVER {
            "response is past the deadline"
        } else if payload.len() > 980 {
            "response exceeds limit of 1024 bytes"
        } else if answers.iter().any(|&(answered, _)| answered == query) {
            "response already sent"
        } else {
            answers.push((query, payload));
            return Ok(());
        };
        Err(AgentError(format!("failed to respond to key query: {why}")))
    }
}

/// A dispatcher with a log and a directory of its own. `DIR` in a script stands for the directory.
struct World {
    dispatcher: Arc<Dispatcher<Fake>>,
    records: Records,
    dir: TempDir,
    _default: DefaultGuard,
}

impl World {
    fn new(specs: &[&str], settings: Settings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::default();
        let handlers = parse(specs, dir.path());
        let dispatcher = Arc::new(Dispatcher::new(Fake::default(), handlers, settings));
        Self { dispatcher, _default: set_default(records.clone()), records, dir }
    }

    fn user(&self, name: &str, payload: &str) {
        self.dispatcher.dispatch(Arc::new(user(name, payload)));
    }

    fn query(&self, name: &str, id: QueryId) {
        let payload = Bytes::new();
        self.dispatcher.dispatch(Arc::new(AgentEvent::Query { id, name: name.into(), payload }));
    }

    fn replace(&self, specs: &[&str]) {
        self.dispatcher.replace(parse(specs, self.dir.path()));
    }

    /// Waits until all scripts have run.
    async fn idle(&self) {
        let turns = self.dispatcher.lanes.lock().unwrap().turns();
        for turn in turns {
            drop(timeout(LONG, turn.lock()).await.expect("a lane stands still"));
        }
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap_or_default()
    }

    /// Waits until a script has made a file.
    async fn made(&self, name: &str) {
        let end = Instant::now() + LONG;
        while !self.dir.path().join(name).exists() {
            assert!(Instant::now() < end, "no {name}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn make(&self, name: &str) {
        fs::write(self.dir.path().join(name), "").unwrap();
    }
}

fn parse(specs: &[&str], dir: &Path) -> Vec<Handler> {
    let dir = dir.to_str().unwrap();
    specs.iter().flat_map(|spec| Handler::parse(&spec.replace("DIR", dir)).unwrap()).collect()
}

fn user(name: &str, payload: &str) -> AgentEvent {
    let payload = Bytes::copy_from_slice(payload.as_bytes());
    AgentEvent::User { ltime: 1, name: name.into(), payload, coalesce: false }
}

/// A script that tells that it runs and goes on when it is told to.
const GATE: &str = "touch DIR/running; while [ ! -e DIR/go ]; do sleep 0.02; done";

#[test]
fn specifications_are_read_as_serf_does() {
    let parsed = |spec| {
        let handlers = Handler::parse(spec)?;
        Ok(handlers.iter().map(|h| format!("{}{}", h.filter.key(), h.script)).collect())
    };
    let ok = |texts: &[&str]| Ok(texts.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(parsed("x.sh"), ok(&["*:x.sh"]));
    assert_eq!(parsed("=x.sh"), ok(&["*:x.sh"]));
    assert_eq!(parsed("*=FOO=1 cmd"), ok(&["*:FOO=1 cmd"]));
    assert_eq!(parsed("member-join,user:a=x"), ok(&["member-join:x", "user:ax"]));
    let error = |text: &str| Err::<Vec<String>, _>(text.to_owned());
    assert_eq!(parsed("member-foo=x.sh"), error("Event 'member-foo' invoking 'x.sh'"));
    assert_eq!(parsed("user, user=x.sh"), error("Event ' user' invoking 'x.sh'"));
    assert_eq!(parsed("FOO=1 cmd"), error("Event 'FOO' invoking '1 cmd'"));
}

/// Words of a command line of the recording.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for c in line.chars() {
        match c {
            _ if escaped => {
                words.last_mut().unwrap().push(c);
                escaped = false;
            }
            '\'' => quoted = !quoted,
            '\\' if !quoted => escaped = true,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

/// Writes out `{A*1100}`.
fn expand(text: &str) -> String {
    let mut parts = text.split('{');
    let mut expanded = parts.next().unwrap().to_owned();
    for part in parts {
        let (run, rest) = part.split_once('}').unwrap();
        let (letter, count) = run.split_once('*').unwrap();
        expanded += &letter.repeat(count.parse().unwrap());
        expanded += rest;
    }
    expanded
}

/// Records of the recorded agent that are the handlers' own. Whether a payload is written before the script has ended
/// is luck, so those records are left out.
fn recorded(transcript: &str) -> Vec<String> {
    let mut records: Vec<String> = Vec::new();
    let log = transcript.split("as it occurs:\n\n").nth(1).unwrap();
    for line in log.split("==> Caught").next().unwrap().lines() {
        match line.strip_prefix("    {TS} ") {
            Some(record) => records.push(record.to_owned()),
            None => *records.last_mut().unwrap() += &format!("\n{line}"),
        }
    }
    let own = |r: &String| {
        r.contains("] agent: ") && !r.contains(": Requesting") && !r.contains("agent starting")
    };
    records.retain(own);
    records.iter().map(|record| expand(record)).collect()
}

#[tokio::test]
async fn scripts_behave_and_log_as_under_serf() {
    let transcript = include_str!("../../tests/data/handler-behaviour.txt");
    let commands: Vec<_> = transcript.lines().filter_map(|l| l.strip_prefix("$ ")).collect();
    let (agent, commands) = commands.split_last().unwrap();
    let agent = shell_words(agent.split("    #").next().unwrap());
    let specs: Vec<_> = agent.iter().filter_map(|w| w.strip_prefix("-event-handler=")).collect();
    assert_eq!(specs.len(), 20);

    let world = World::new(&specs, Settings::default());
    let kind = crate::event::MemberEventKind::Join;
    let members = vec![world.dispatcher.backend.local().await];
    world.dispatcher.dispatch(Arc::new(AgentEvent::Members { kind, members }));
    world.idle().await;
    for (number, command) in (0..).zip(commands) {
        let words = shell_words(command);
        match (words[2].as_str(), words[4].as_str()) {
            ("event", name) => world.user(name, words.get(5).map_or("", String::as_str)),
            ("query", "late") => world.query("late", OVER),
            ("query", name) => world.query(name, QueryId { ltime: 1, id: number }),
            other => panic!("{other:?}"),
        }
        world.idle().await;
    }

    let here = std::env::current_dir().unwrap();
    let here = format!("pwd={}", here.file_name().unwrap().to_str().unwrap());
    let expected: Vec<_> =
        recorded(transcript).iter().map(|r| r.replace("pwd=run", &here)).collect();
    let mut records = world.records.take();
    records.retain(|record| !record.starts_with("[ERR] Error writing payload"));
    assert_eq!(records, expected);
    let answers = world.dispatcher.backend.answers.lock().unwrap();
    let answers: Vec<_> = answers.iter().map(|(_, payload)| payload.clone()).collect();
    assert_eq!(answers, ["A".repeat(900).as_str(), "onlystderr\n", "first\n"]);
}

#[test]
fn ignorable_signals_have_gos_names() {
    let ended = |signal| failure(ExitStatus::from_raw(signal)).unwrap();
    assert_eq!(
        [1, 2, 13].map(ended),
        ["signal: hangup", "signal: interrupt", "signal: broken pipe"]
    );
}

#[tokio::test]
async fn signals_have_gos_names() {
    let world = World::new(&["user=kill -$(cat) $$"], Settings::default());
    // Not those that a process can inherit as ignored: hangup from `nohup`, interrupt from a shell's background.
    let names = [
        ("9", "signal: killed"),
        ("10", "signal: user defined signal 1"),
        ("15", "signal: terminated"),
        ("34", "signal: signal 34"),
    ];
    for (number, name) in names {
        world.user("x", number);
        world.idle().await;
        let records = world.records.take_notable();
        assert!(records.concat().ends_with(name), "{number}: {records:?}");
    }
}

#[tokio::test]
async fn the_agents_environment_is_inherited() {
    let world = World::new(&["user=env -0 > DIR/env"], Settings::default());
    world.user("x", "");
    world.idle().await;
    let env = world.file("env");
    let env: Vec<_> = env.split('\0').collect();
    assert!(env.contains(&format!("PATH={}", std::env::var("PATH").unwrap()).as_str()));
    for own in ["SERF_EVENT=user", "SERF_SELF_NAME=n55", "SERF_TAG_ROLE=web", "SERF_USER_EVENT=x"] {
        assert!(env.contains(&own), "{own}");
    }
}

#[tokio::test]
async fn a_script_that_does_not_read_its_input_is_logged() {
    let world = World::new(&["user=exec <&-; true"], Settings::default());
    world.user("x", &"x".repeat(1 << 20));
    world.idle().await;
    let records = world.records.take_notable();
    assert_eq!(records, ["[ERR] Error writing payload: write |1: broken pipe"]);
}

#[tokio::test]
async fn nul_bytes_in_names_start_nothing() {
    let world = World::new(&["user=touch DIR/ran", "user:y=touch DIR/ran"], Settings::default());
    world.user("a\0b", "");
    world.idle().await;
    assert!(!world.dir.path().join("ran").exists());
    let records = world.records.take();
    assert!(records[1].ends_with("/ran': exec: environment variable contains NUL"), "{records:?}");
    world.user("y", "");
    world.idle().await;
    world.made("ran").await;
}

#[tokio::test]
async fn related_handlers_keep_the_order_of_events() {
    let add = format!("member-join=echo add >> DIR/log; {GATE}; echo added >> DIR/log");
    let world = World::new(&[&add, "member-leave=echo remove >> DIR/log"], Settings::default());
    let members = vec![world.dispatcher.backend.local().await];
    for kind in [crate::event::MemberEventKind::Join, crate::event::MemberEventKind::Leave] {
        let members = members.clone();
        world.dispatcher.dispatch(Arc::new(AgentEvent::Members { kind, members }));
    }
    world.made("running").await;
    world.make("go");
    world.idle().await;
    assert_eq!(world.file("log"), "add\nadded\nremove\n");
}

#[tokio::test]
async fn a_slow_script_does_not_hold_up_what_is_not_related() {
    let slow = format!("user:deploy={GATE}");
    let world = World::new(&[&slow, "query:load=touch DIR/go"], Settings::default());
    world.user("deploy", "");
    world.made("running").await;
    world.query("load", QueryId::default());
    world.idle().await;
}

#[tokio::test]
async fn what_exceeds_the_queue_is_dropped_and_told_once() {
    let script = format!("user={GATE}; echo $SERF_USER_EVENT >> DIR/log");
    let world = World::new(&[&script], Settings { queue: 2, ..Settings::default() });
    world.user("a", "");
    world.made("running").await;
    for name in ["b", "c", "d", "e"] {
        world.user(name, "");
    }
    let records = world.records.take_notable();
    assert_eq!(records.len(), 1, "{records:?}");
    assert!(records[0].starts_with("[WARN] agent: Dropping event 'user-event: d' to script '"));
    world.make("go");
    world.idle().await;
    assert_eq!(world.file("log"), "a\nb\nc\n");
}

#[tokio::test]
async fn a_reload_keeps_what_waits_for_handlers_that_stay() {
    let (slow, stays) = (format!("user:a={GATE}"), "user=echo stays $SERF_USER_EVENT >> DIR/log");
    let goes = "user=echo goes $SERF_USER_EVENT >> DIR/log";
    let world = World::new(&[&slow, "user:a=true", goes, stays], Settings::default());
    world.user("a", "");
    world.made("running").await;
    world.user("b", "");
    world.user("c", "");
    world.replace(&[stays, "user=echo new $SERF_USER_EVENT >> DIR/log"]);
    world.user("d", "");
    assert_eq!(world.file("log"), "", "new lanes wait for scripts that still run");
    world.make("go");
    world.idle().await;
    let expected = "goes a\nstays a\nstays b\nstays c\nstays d\nnew d\n";
    assert_eq!(world.file("log"), expected, "the event at work goes on with the old handlers");
}

#[tokio::test]
async fn a_reload_that_changes_nothing_keeps_the_lane() {
    let script = format!("user={GATE}; echo $SERF_USER_EVENT >> DIR/log");
    let world = World::new(&[&script], Settings::default());
    world.user("a", "");
    world.made("running").await;
    world.user("b", "");
    world.replace(&[&script]);
    world.user("c", "");
    world.make("go");
    world.idle().await;
    assert_eq!(world.file("log"), "a\nb\nc\n");
}

#[tokio::test]
async fn a_timeout_kills_the_whole_group() {
    let script = "user=echo started; sleep 300 & echo $! > DIR/pid; sleep 300";
    let limit = Duration::from_millis(300);
    let world = World::new(&[script], Settings { timeout: Some(limit), ..Settings::default() });
    world.user("x", "");
    world.idle().await;
    let records = world.records.take();
    assert_eq!(records[1], "[DEBUG] agent: Event 'user' script output: started");
    assert!(records[2].starts_with("[ERR] agent: Error invoking script 'echo started; "));
    assert!(records[2].ends_with("': timed out after 300ms"), "{records:?}");
    let stat = format!("/proc/{}/stat", world.file("pid").trim());
    let end = Instant::now() + LONG;
    while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < end, "the background process lives");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_timeout_does_not_disturb_scripts_that_end_in_time() {
    let settings = Settings { timeout: Some(LONG), ..Settings::default() };
    let world = World::new(&["query=cat; echo answer; exit $SERF_QUERY_LTIME"], settings);
    world.query("x", QueryId { ltime: 0, id: 1 });
    world.query("x", QueryId { ltime: 3, id: 1 });
    world.idle().await;
    let records = world.records.take_notable();
    assert_eq!(records.len(), 1);
    assert!(records[0].ends_with(": exit status 3"), "{records:?}");
    assert_eq!(world.dispatcher.backend.answers.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn scripts_beyond_the_cap_wait() {
    let more = PROCESSES + 4;
    let script = |n| {
        format!("query:q{n}=touch DIR/run-{n}; while [ ! -e DIR/go ]; do sleep 0.5; done; true {n}")
    };
    let specs: Vec<_> = (0..more).map(script).collect();
    let specs: Vec<_> = specs.iter().map(String::as_str).collect();
    let world = World::new(&specs, Settings::default());
    for n in 0..more {
        world.query(&format!("q{n}"), QueryId::default());
    }
    for n in 0..PROCESSES {
        world.made(&format!("run-{n}")).await;
    }
    assert_eq!(world.dispatcher.processes.available_permits(), 0);
    assert!(!world.dir.path().join(format!("run-{PROCESSES}")).exists());
    world.make("go");
    world.idle().await;
    world.made(&format!("run-{}", more - 1)).await;
    assert_eq!(world.dispatcher.processes.available_permits(), PROCESSES);
}

#[tokio::test]
async fn nothing_starts_once_the_agent_is_gone() {
    let slow = format!("user:a={GATE}");
    let world = World::new(&[&slow, "user=touch DIR/late"], Settings::default());
    world.user("a", "");
    world.made("running").await;
    world.user("b", "");
    let turns = world.dispatcher.lanes.lock().unwrap().turns();
    world.dispatcher.close();
    world.make("go");
    for turn in turns {
        drop(timeout(LONG, turn.lock()).await.expect("a lane stands still"));
    }
    assert!(!world.dir.path().join("late").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reloads_in_a_stream_of_events_lose_and_reorder_nothing() {
    let stays = "user=echo $SERF_USER_EVENT >> DIR/log";
    let sets: [&[&str]; 3] = [&[stays], &[stays, "user:none=true"], &["query:q=true", stays, "x"]];
    let world = World::new(sets[0], Settings::default());
    let names: Vec<_> = (0..120).map(|n| n.to_string()).collect();
    for (number, name) in names.iter().enumerate() {
        world.user(name, "");
        if number % 5 == 0 {
            world.replace(sets[number % sets.len()]);
            sleep(Duration::from_millis(3)).await;
        }
    }
    world.replace(sets[0]);
    world.idle().await;
    assert_eq!(world.file("log").lines().collect::<Vec<_>>(), names);
}
