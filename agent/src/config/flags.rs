//! The flags of `agent`, and what they say as a [`Config`].

use clap::{ArgMatches, Command};

use super::Config;
use crate::go::duration;
use crate::go::flags::{FlagError, integer, list, parse, switch, text};

/// What the command line says.
#[derive(Debug)]
pub(super) struct Flags {
    /// The flags as a configuration.
    pub(super) config: Config,
    /// Values of `-config-file` and `-config-dir`, in their order on the command line.
    pub(super) paths: Vec<String>,
    /// Values that parse as flags but not as what they stand for: Serf's text for each.
    pub(super) problems: Vec<String>,
}

fn command() -> Command {
    Command::new("agent")
        .args(
            ["node", "bind", "iface", "advertise", "rpc-addr", "encrypt", "keyring-file"].map(text),
        )
        .args(["log-level", "log-format", "profile", "role", "tags-file", "snapshot"].map(text))
        .args(["discover", "mdns-iface", "retry-interval", "broadcast-timeout"].map(text))
        .args(["metrics-addr", "handler-timeout"].map(text))
        .args(["event-handler", "join", "retry-join", "tag", "config-file", "config-dir"].map(list))
        .args(["replay", "rejoin", "disable-compression", "syslog"].map(switch))
        .args(["mdns-disable-ipv4", "mdns-disable-ipv6"].map(switch))
        .args(["retry-max", "protocol", "handler-queue"].map(integer))
}

/// Reads the words behind `agent`.
///
/// # Errors
///
/// Go's text for the first word that is no flag of the agent.
pub(super) fn read(words: &[String]) -> Result<Flags, FlagError> {
    let matches = parse(command(), words)?;
    let mut problems = Vec::new();
    let mut config = plain_flags(&matches);
    for tag in many(&matches, "tag") {
        match tag.split_once('=') {
            Some((key, value)) if !key.is_empty() => {
                config.tags.insert(key.to_owned(), value.to_owned());
            }
            Some(_) | None => problems.push(format!("Error: Invalid tag: '{tag}'")),
        }
    }
    for (flag, target) in [
        ("retry-interval", &mut config.retry_interval),
        ("broadcast-timeout", &mut config.broadcast_timeout),
        ("handler-timeout", &mut config.handler_timeout),
    ] {
        let value = one(&matches, flag);
        if value.is_empty() {
            continue;
        }
        match duration::parse(&value) {
            Ok(nanoseconds) => *target = nanoseconds,
            Err(error) => problems.push(format!("Error: {error}")),
        }
    }
    Ok(Flags { config, paths: paths(&matches), problems })
}

fn plain_flags(matches: &ArgMatches) -> Config {
    let one = |flag| one(matches, flag);
    let on = |flag| matches.get_one::<bool>(flag).copied().unwrap_or_default();
    let number = |flag| matches.get_one::<i64>(flag).copied().unwrap_or_default();
    let mut config = Config {
        node_name: one("node"),
        bind: one("bind"),
        interface: one("iface"),
        advertise: one("advertise"),
        rpc_addr: one("rpc-addr"),
        encrypt_key: one("encrypt"),
        keyring_file: one("keyring-file"),
        log_level: one("log-level"),
        log_format: one("log-format"),
        profile: one("profile"),
        role: one("role"),
        tags_file: one("tags-file"),
        snapshot_path: one("snapshot"),
        discover: one("discover"),
        metrics_addr: one("metrics-addr"),
        event_handlers: many(matches, "event-handler").cloned().collect(),
        start_join: many(matches, "join").cloned().collect(),
        retry_join: many(matches, "retry-join").cloned().collect(),
        replay_on_join: on("replay"),
        rejoin_after_leave: on("rejoin"),
        enable_compression: !on("disable-compression"),
        enable_syslog: on("syslog"),
        retry_max_attempts: number("retry-max"),
        protocol: number("protocol"),
        handler_queue: number("handler-queue"),
        ..Config::default()
    };
    config.mdns.interface = one("mdns-iface");
    config.mdns.disable_ipv4 = on("mdns-disable-ipv4");
    config.mdns.disable_ipv6 = on("mdns-disable-ipv6");
    config
}

fn one(matches: &ArgMatches, flag: &str) -> String {
    matches.get_one::<String>(flag).cloned().unwrap_or_default()
}

fn many<'a>(matches: &'a ArgMatches, flag: &str) -> impl Iterator<Item = &'a String> {
    matches.get_many::<String>(flag).unwrap_or_default()
}

fn paths(matches: &ArgMatches) -> Vec<String> {
    let mut paths: Vec<(usize, &String)> = ["config-file", "config-dir"]
        .into_iter()
        .flat_map(|flag| {
            let places = matches.indices_of(flag).unwrap_or_default();
            places.zip(many(matches, flag))
        })
        .collect();
    paths.sort();
    paths.into_iter().map(|(_, path)| path.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(words: &[&str]) -> Flags {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        read(&words).unwrap()
    }

    #[test]
    fn files_and_directories_keep_the_order_of_the_command_line() {
        let flags =
            flags(&["-config-file=a", "-config-dir", "b", "-config-file", "c", "-config-dir=d"]);
        assert_eq!(flags.paths, ["a", "b", "c", "d"]);
    }

    #[test]
    fn every_option_that_the_help_names_exists() {
        let known = command();
        for text in [
            include_str!("../cli/help/agent.txt"),
            include_str!("../cli/help/agent-additional.txt"),
        ] {
            let options = text.lines().filter_map(|line| line.strip_prefix("  -"));
            for option in options.filter(|option| option.starts_with(char::is_alphabetic)) {
                let name = option.split(['=', ' ']).next().unwrap_or_default();
                assert!(known.get_arguments().any(|arg| arg.get_id() == name), "-{name}");
            }
        }
    }

    #[test]
    fn values_become_the_fields_of_their_flags() {
        let flags = flags(&[
            "-node=n",
            "-tag",
            "a=b=c",
            "-tag=a=d",
            "-retry-interval=1m",
            "-protocol=0x4",
            "-replay",
            "-disable-compression",
            "-handler-timeout=2s",
            "-mdns-disable-ipv6",
            "rest",
            "-node=x",
        ]);
        assert_eq!(flags.config.node_name, "n");
        assert_eq!(flags.config.tags["a"], "d");
        assert_eq!(flags.config.retry_interval, 60 * super::super::SECOND);
        assert_eq!(flags.config.handler_timeout, 2 * super::super::SECOND);
        assert_eq!(flags.config.protocol, 4);
        assert!(flags.config.replay_on_join && flags.config.mdns.disable_ipv6);
        assert!(!flags.config.enable_compression);
        assert!(flags.problems.is_empty());
    }

    #[test]
    fn bad_tags_and_durations_are_all_told_in_serf_s_order() {
        let flags = flags(&["-broadcast-timeout=5x", "-retry-interval=xyz", "-tag==x", "-tag=a"]);
        assert_eq!(
            flags.problems,
            [
                "Error: Invalid tag: '=x'",
                "Error: Invalid tag: 'a'",
                "Error: time: invalid duration \"xyz\"",
                "Error: time: unknown unit \"x\" in duration \"5x\"",
            ]
        );
    }
}
