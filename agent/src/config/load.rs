//! The way from the command line to a configuration that has passed the first checks.

use tracing::Level;

use super::interface::Interfaces;
use super::resolve::resolve;
use super::{Config, SECOND, files, flags};
use crate::go::duration;
use crate::go::flags::FlagError;
use crate::handlers::Handler;
use crate::log;

/// Longest age of members that the core keeps, in nanoseconds: 30 days.
const AGE_MAX: i64 = 30 * 24 * 3_600 * SECOND;

/// A configuration and what comes with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Loaded {
    /// The configuration, complete with node name and role.
    pub config: Config,
    /// Its event handlers.
    pub handlers: Vec<Handler>,
    /// What the user is warned of.
    pub warnings: Vec<String>,
}

/// Why there is no configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum LoadError {
    /// Words that are no flags of the agent; may be empty for a call for help.
    Flags(FlagError),
    /// Every problem found; the first is the one that Serf tells. Never empty.
    Problems(Vec<String>),
}

/// Reads the words behind `agent` and the files that they name.
///
/// # Errors
///
/// See [`LoadError`].
pub(crate) fn load(words: &[String], interfaces: &Interfaces) -> Result<Loaded, LoadError> {
    let flags = flags::read(words).map_err(LoadError::Flags)?;
    let mut problems = flags.problems;
    let files = files::read(&flags.paths).unwrap_or_else(|mut more| {
        problems.append(&mut more);
        Config::default()
    });
    let mut config = Config::defaults().merge(files).merge(flags.config);
    if config.node_name.is_empty() {
        match nix::unistd::gethostname() {
            Ok(name) => config.node_name = name.to_string_lossy().into_owned(),
            Err(error) => problems.push(format!("Error determining hostname: {error}")),
        }
    }
    let handlers = handlers(&config, &mut problems);
    check(&config, interfaces, &mut problems);
    if !problems.is_empty() {
        problems.extend(level(&config.log_level).err());
        problems.extend(resolve(&config, interfaces).outcome.err().unwrap_or_default());
        return Err(LoadError::Problems(problems));
    }
    let warnings = settle(&mut config);
    Ok(Loaded { config, handlers, warnings })
}

/// The least level that is logged.
///
/// # Errors
///
/// Serf's text for a name that is none.
pub(crate) fn level(text: &str) -> Result<Level, String> {
    log::parse_level(text).ok_or_else(|| {
        let name = text.to_uppercase();
        format!("Invalid log level: {name}. Valid log levels are: [TRACE DEBUG INFO WARN ERR]")
    })
}

fn handlers(config: &Config, problems: &mut Vec<String>) -> Vec<Handler> {
    let mut handlers = Vec::new();
    for spec in &config.event_handlers {
        match Handler::parse(spec) {
            Ok(mut more) => handlers.append(&mut more),
            Err(error) => problems.push(format!("Invalid event script: {error}")),
        }
    }
    handlers
}

fn check(config: &Config, interfaces: &Interfaces, problems: &mut Vec<String>) {
    const NO_INTERFACE: &str = "route ip+net: no such network interface";
    let missing = |name: &str| !name.is_empty() && !interfaces.contains_key(name);
    if missing(&config.interface) {
        problems.push(format!("Invalid network interface: {NO_INTERFACE}"));
    }
    let mdns = &config.mdns;
    if !mdns.interface.is_empty() {
        if config.discover.is_empty() {
            problems.push("mDNS interface specified without enabling mDNS discovery".into());
        }
        if missing(&mdns.interface) {
            problems.push(format!("Invalid mDNS network interface: {NO_INTERFACE}"));
        }
        if mdns.disable_ipv4 && mdns.disable_ipv6 {
            problems.push("Invalid mDNS configuration: both IPv4 and IPv6 are disabled".into());
        }
    }
    if !matches!(config.log_format.as_str(), "serf" | "json") {
        let format = &config.log_format;
        problems.push(format!("Invalid log format: {format}. Valid log formats are: [serf json]"));
    }
}

/// Carries out what old keys mean, and keeps numbers within their limits; gives the warnings about it.
fn settle(config: &mut Config) -> Vec<String> {
    let mut warnings = Vec::new();
    if !config.role.is_empty() {
        warnings.push("Deprecation warning: 'Role' has been replaced with 'Tags'".to_owned());
        config.tags.insert("role".into(), config.role.clone());
    }
    for (name, value) in [
        ("RetryInterval", &mut config.retry_interval),
        ("BroadcastTimeout", &mut config.broadcast_timeout),
    ] {
        if *value < SECOND {
            *value = SECOND;
            warnings.push(format!("Warning: '{name}' is too low. Setting to 1s"));
        }
    }
    if config.rejoin_after_leave && config.snapshot_path.is_empty() {
        warnings.push("Warning: 'RejoinAfterLeave' enabled without snapshot file".into());
    }
    for (name, value) in [
        ("BroadcastTimeout", &mut config.broadcast_timeout),
        ("ReconnectInterval", &mut config.reconnect_interval),
        ("ReconnectTimeout", &mut config.reconnect_timeout),
        ("TombstoneTimeout", &mut config.tombstone_timeout),
    ] {
        if *value > AGE_MAX {
            *value = AGE_MAX;
            let limit = duration::format(AGE_MAX);
            warnings.push(format!("Warning: '{name}' is too high. Setting to {limit}"));
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(words: &[&str]) -> Result<Loaded, LoadError> {
        let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
        super::load(&words, &[("lo".to_owned(), Vec::new())].into())
    }

    fn problems(words: &[&str]) -> Vec<String> {
        match load(words).unwrap_err() {
            LoadError::Problems(problems) => problems,
            LoadError::Flags(error) => panic!("{error}"),
        }
    }

    #[test]
    fn flags_win_over_files_wherever_they_stand() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        std::fs::write(
            &path,
            r#"{"node_name":"file","bind":"127.0.0.9","enable_compression":false}"#,
        )
        .unwrap();
        let path = path.to_str().unwrap();
        let loaded = load(&["-node=flag", "-config-file", path]).unwrap();
        assert_eq!(loaded.config.node_name, "flag");
        assert_eq!(loaded.config.bind, "127.0.0.9");
        assert!(loaded.config.enable_compression);
        assert_eq!(loaded.config.rpc_addr, "127.0.0.1:7373");
    }

    #[test]
    fn the_node_is_named_after_the_host_unless_it_has_a_name() {
        let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
        assert_eq!(load(&[]).unwrap().config.node_name, host);
    }

    #[test]
    fn warnings_come_in_serf_s_order() {
        let loaded = load(&[
            "-node=n",
            "-rejoin",
            "-broadcast-timeout=10ms",
            "-retry-interval=-5s",
            "-role=a",
            "-tag=role=b",
        ])
        .unwrap();
        assert_eq!(
            loaded.warnings,
            [
                "Deprecation warning: 'Role' has been replaced with 'Tags'",
                "Warning: 'RetryInterval' is too low. Setting to 1s",
                "Warning: 'BroadcastTimeout' is too low. Setting to 1s",
                "Warning: 'RejoinAfterLeave' enabled without snapshot file",
            ]
        );
        assert_eq!(loaded.config.tags["role"], "a");
        assert_eq!(loaded.config.retry_interval, SECOND);
    }

    #[test]
    fn all_problems_are_told_flags_first() {
        assert_eq!(
            problems(&[
                "-node=n",
                "-iface=none",
                "-config-file=/nonexistent",
                "-tag=x",
                "-mdns-iface=lo",
                "-mdns-disable-ipv4",
                "-mdns-disable-ipv6",
                "-log-format=xml",
                "-log-level=foo",
                "-bind=127.0.0.1:x",
                "-profile=fast",
            ]),
            [
                "Error: Invalid tag: 'x'",
                "Error reading '/nonexistent': open /nonexistent: no such file or directory",
                "Invalid network interface: route ip+net: no such network interface",
                "mDNS interface specified without enabling mDNS discovery",
                "Invalid mDNS configuration: both IPv4 and IPv6 are disabled",
                "Invalid log format: xml. Valid log formats are: [serf json]",
                "Invalid log level: FOO. Valid log levels are: [TRACE DEBUG INFO WARN ERR]",
                "Invalid bind address: address tcp/x: unknown port",
                "Unknown profile: fast",
            ]
        );
    }

    #[test]
    fn words_that_are_no_flags_are_told_alone() {
        let error = LoadError::Flags(FlagError("flag provided but not defined: -bogus".into()));
        assert_eq!(load(&["-bogus", "-tag=x"]).unwrap_err(), error);
    }
}
