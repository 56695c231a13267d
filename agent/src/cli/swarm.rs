//! `swarm`: runs a cluster of many agents on this machine.

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgMatches, Command};
use tokio::runtime::Builder;
use uwasa_core::config::{Config, Options};
use uwasa_core::keyring::{Key, Keyring};

use super::call::{Call, print_error};
use crate::config::resolve;
use crate::go;
use crate::go::flags::{self, duration, integer, list, switch, text};
use crate::log;
use crate::swarm::plan::{self, Action, NODES_MAX, Plan, Rpc, Whom};
use crate::swarm::show::Show;
use crate::swarm::{self, Stop, raise_file_limit};

/// Serf's usual gossip port.
const PORT: u16 = 7_946;
/// Second bytes of the loopback addresses that are tried, unless the user says one.
const NETWORKS: std::ops::RangeInclusive<u8> = 77..=127;

/// Runs the command.
pub(super) fn run(call: &Call<'_>) -> ExitCode {
    let matches = match call.flags(command()) {
        Ok(matches) => matches,
        Err(status) => return status,
    };
    let outcome = read(&matches)
        .and_then(|(plan, threads)| run_plan(plan, threads).map_err(|problem| vec![problem]));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            problems.iter().for_each(|problem| print_error(&format!("Error: {problem}\n")));
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    Command::new("swarm")
        .args(["nodes", "threads", "contacts", "kill", "leave", "churn"].map(integer))
        .args(
            ["join-every", "join-after", "event-after", "kill-after", "leave-after"].map(duration),
        )
        .args(["return-after", "duration"].map(duration))
        .args(["base-addr", "profile", "encrypt", "rpc-addr", "log-level"].map(text))
        .args(["script", "report"].map(text))
        .arg(list("seed-node"))
        .arg(switch("rpc"))
}

fn run_plan(plan: Plan, threads: usize) -> Result<(), String> {
    raise_file_limit(plan.nodes)?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| format!("The threads cannot be started: {error}"))?;
    runtime.block_on(async {
        let mut stop = Stop::signals().map_err(|error| format!("No signals: {error}"))?;
        swarm::run(plan, threads, &mut Show::default(), &mut stop).await.map(drop)
    })
}

/// Reads flags that say more than their form; problems are collected.
struct Reader<'a> {
    matches: &'a ArgMatches,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn text(&self, flag: &str) -> Option<&str> {
        self.matches.get_one::<String>(flag).map(String::as_str)
    }

    fn many(&self, flag: &str) -> Vec<String> {
        self.matches.get_many::<String>(flag).unwrap_or_default().cloned().collect()
    }

    /// A number from `least` to `most`.
    fn number(&mut self, flag: &str, default: usize, least: usize, most: usize) -> usize {
        let Some(&given) = self.matches.get_one::<i64>(flag) else { return default };
        match usize::try_from(given) {
            Ok(number) if (least..=most).contains(&number) => number,
            _ => {
                self.problem(flag, &given.to_string(), &format!("must be {least} to {most}"));
                default
            }
        }
    }

    fn time(&mut self, flag: &str) -> Option<Duration> {
        let &given = self.matches.get_one::<i64>(flag)?;
        let time = u64::try_from(given).ok().map(Duration::from_nanos);
        if time.is_none() {
            self.problem(flag, &go::duration::format(given), "must not be negative");
        }
        time
    }

    fn problem(&mut self, flag: &str, value: &str, why: &str) {
        self.problems.push(format!("-{flag}={value}: {why}"));
    }
}

/// The plan, and the number of threads.
///
/// # Errors
///
/// All that is wrong, one text each.
fn read(matches: &ArgMatches) -> Result<(Plan, usize), Vec<String>> {
    let mut reader = Reader { matches, problems: Vec::new() };
    let nodes = reader.number("nodes", 10, 1, NODES_MAX);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = reader.number("threads", cpus, 1, 1_024);
    let profile = reader.text("profile").unwrap_or("lan").to_owned();
    let steps = steps(&mut reader, nodes);
    let log_level = log_level(&mut reader);
    let config = config(&mut reader, &profile);
    let base = base(&mut reader, nodes);
    let contacts = reader.number("contacts", 3, 1, 64);
    let churn = reader.number("churn", 0, 0, 60_000);
    let words: Vec<&str> = flags::words(matches).collect();
    if !words.is_empty() {
        reader.problems.push(format!("what is {:?}? There are only flags", words.join(" ")));
    }
    let (join_every, join_after) = (reader.time("join-every"), reader.time("join-after"));
    let duration = reader.time("duration").filter(|duration| !duration.is_zero());
    let rpc = Rpc {
        first: reader.text("rpc-addr").map(str::to_owned),
        all: matches.get_one::<bool>("rpc").copied().unwrap_or_default(),
    };
    match (config, base) {
        (Some(config), Some(base)) if reader.problems.is_empty() => Ok((
            Plan {
                nodes,
                base,
                profile,
                config: Arc::new(config),
                join_every: join_every.unwrap_or(Duration::from_millis(10)),
                join_after: join_after.unwrap_or_default(),
                contacts,
                seeds: reader.many("seed-node"),
                rpc,
                log_level,
                steps,
                churn: u32::try_from(churn).unwrap_or(0),
                duration,
                report: reader.text("report").map(PathBuf::from),
            },
            threads,
        )),
        _ => Err(reader.problems),
    }
}

fn config(reader: &mut Reader<'_>, profile: &str) -> Option<Config> {
    let keyring = match reader.text("encrypt").map(str::to_owned) {
        None => Some(Keyring::default()),
        Some(text) => {
            let bytes = go::base64::decode(&text);
            let key = bytes.and_then(|bytes| Key::new(&bytes).map_err(|error| error.to_string()));
            key.map_err(|why| reader.problem("encrypt", &text, &why))
                .ok()
                .map(Keyring::with_primary)
        }
    };
    let profile = resolve::profile(profile)
        .map_err(|_| reader.problem("profile", profile, "must be lan, wan or local"))
        .ok();
    let options = Options { keyring: keyring?, trace: true, ..profile? };
    options.validate().map_err(|errors| reader.problems.push(errors.to_string())).ok()
}

fn log_level(reader: &mut Reader<'_>) -> tracing::Level {
    let given = reader.text("log-level").unwrap_or("INFO").to_owned();
    log::parse_level(&given).unwrap_or_else(|| {
        reader.problem("log-level", &given, "must be TRACE, DEBUG, INFO, WARN or ERR");
        tracing::Level::INFO
    })
}

/// The first address: as said, or one from which on all are free.
fn base(reader: &mut Reader<'_>, nodes: usize) -> Option<SocketAddrV4> {
    let Some(given) = reader.text("base-addr").map(str::to_owned) else {
        let socket = |network, ip: u32| {
            let first = u32::from(Ipv4Addr::new(127, network, 0, 1));
            SocketAddrV4::new(Ipv4Addr::from(first.saturating_add(ip)), PORT)
        };
        // Every one of them: another swarm may be there whose first agent is down at the moment.
        let last = u32::try_from(nodes).unwrap_or(u32::MAX);
        let free = |&network: &u8| (0..last).all(|ip| UdpSocket::bind(socket(network, ip)).is_ok());
        let base = NETWORKS.into_iter().find(free).map(|network| socket(network, 0));
        if base.is_none() {
            reader.problems.push(format!(
                "port {PORT} is in use in each of the networks 127.77 to 127.127: choose with -base-addr"
            ));
        }
        return base;
    };
    let addr = given
        .parse::<SocketAddrV4>()
        .or_else(|error| given.parse().map(|ip| SocketAddrV4::new(ip, PORT)).map_err(|_| error));
    match addr {
        Ok(addr) if addr.port() == 0 => reader.problem("base-addr", &given, "needs a port above 0"),
        Ok(addr) if !plan::fits(*addr.ip(), nodes) => {
            reader.problem("base-addr", &given, "has too few addresses after it for all agents");
        }
        Ok(addr) => return Some(addr),
        Err(_) => reader.problem(
            "base-addr",
            &given,
            "must be an IPv4 address and port, such as 127.77.0.1:7946",
        ),
    }
    None
}

fn steps(reader: &mut Reader<'_>, nodes: usize) -> Vec<(Duration, Action)> {
    let mut steps = Vec::new();
    if let Some(at) = reader.time("event-after") {
        let event = Action::Event { name: "swarm".to_owned(), payload: String::new() };
        steps.push((at, event));
    }
    for (count_flag, time_flag, action) in [
        ("kill", "kill-after", Action::Kill as fn(Whom) -> Action),
        ("leave", "leave-after", Action::Leave),
    ] {
        let count = reader.number(count_flag, 0, 1, nodes);
        let at = reader.time(time_flag);
        match (count, at) {
            (0, None) => {}
            (0, Some(_)) => reader.problems.push(format!("-{time_flag} needs -{count_flag}")),
            (count, at) => steps.push((at.unwrap_or_default(), action(Whom::Random(count)))),
        }
    }
    if let Some(at) = reader.time("return-after") {
        steps.push((at, Action::Start(Whom::All)));
    }
    if let Some(path) = reader.text("script").map(str::to_owned) {
        let read = fs::read_to_string(&path).map_err(|error| vec![error.to_string()]);
        match read.and_then(|text| plan::parse_script(&text, nodes)) {
            Ok(more) => steps.extend(more),
            Err(problems) => {
                problems.iter().for_each(|problem| reader.problem("script", &path, problem));
            }
        }
    }
    steps.sort_by_key(|(at, _)| *at);
    steps
}
