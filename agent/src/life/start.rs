//! From a configuration to a running agent: everything between the banner's first line and its second.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use uwasa_core::config::{Config as CoreConfig, Identity, Options};
use uwasa_core::keyring::{Key, Keyring};
use uwasa_core::tags::Tags;
use uwasa_core::wire;

use super::{advertise, bind};
use crate::agent::{Agent, Settings};
use crate::config::Config;
use crate::config::interface::Interfaces;
use crate::config::resolve::Resolved;
use crate::go::errors::os_text;
use crate::handlers::Handler;
use crate::keyring_file::{self, KEY_SIZE};
use crate::tags_file;
use crate::{descriptors, driver};

/// A running agent and what the banner shows of it.
#[derive(Debug)]
pub(super) struct Started {
    /// The agent.
    pub(super) agent: Agent,
    /// Whether it encrypts.
    pub(super) encrypted: bool,
}

/// What the files of the agent say.
struct Kept {
    tags: Tags,
    keyring: Option<Keyring>,
}

/// Starts the agent.
///
/// # Errors
///
/// Serf's text for the first thing that fails.
pub(super) fn start(
    config: &Config,
    resolved: Resolved,
    handlers: &[Handler],
    interfaces: &Interfaces,
) -> Result<Started, String> {
    let kept = kept(config).map_err(|error| format!("Failed to setup the Serf agent: {error}"))?;
    tracing::info!(target: "agent", "Serf agent starting");
    create(config, resolved, handlers, interfaces, kept)
        .map_err(|error| format!("Failed to start the Serf agent: Error creating Serf: {error}"))
}

fn kept(config: &Config) -> Result<Kept, String> {
    let mut tags: Tags = config.tags.iter().collect();
    if let Some(path) = path(&config.tags_file) {
        if !tags.is_empty() {
            return Err("Tags config not allowed while using tag files".to_owned());
        }
        if let Some(restored) = tags_file::read(&path)? {
            tracing::info!(
                target: "agent", "Restored {} tag(s) from {}", restored.len(), path.display()
            );
            tags = restored;
        }
    }
    let mut keyring = None;
    if let Some(path) = path(&config.keyring_file) {
        if !config.encrypt_key.is_empty() {
            return Err("Encryption key not allowed while using a keyring".to_owned());
        }
        let restored = keyring_file::read(&path)?;
        tracing::info!(
            target: "agent",
            "Restored keyring with {} keys from {}", restored.keys().len(), path.display()
        );
        keyring = Some(restored);
    }
    Ok(Kept { tags, keyring })
}

/// Starts the gossip, with Serf's order of checks.
fn create(
    config: &Config,
    resolved: Resolved,
    handlers: &[Handler],
    interfaces: &Interfaces,
    kept: Kept,
) -> Result<Started, String> {
    let key = resolved.key.filter(|key| !key.is_empty()).map(|key| Key::new(&key)).transpose();
    let keyring = match (&key, kept.keyring) {
        (_, Some(keyring)) => keyring,
        (Ok(Some(key)), None) => Keyring::with_primary(key.clone()),
        (Ok(None) | Err(_), None) => Keyring::default(),
    };
    let encrypted = keyring.is_enabled();
    let profile = Options {
        streams_max: resolved.profile.streams_max.min(descriptors::for_peers()),
        ..resolved.profile
    };
    let options = config.options(profile, keyring)?;
    let meta = wire::tags::encode(&kept.tags, options.serf_protocol_version).map_err(|error| {
        format!("Encoded length of tags exceeds limit of {} bytes", error.limit)
    })?;
    let snapshot = path(&config.snapshot_path);
    if let Some(path) = &snapshot {
        check_snapshot(path).map_err(|error| {
            format!("Failed to setup snapshot: failed to open snapshot: {error}")
        })?;
    }
    let memberlist = |error: String| format!("Failed to create memberlist: {error}");
    if key.is_err() {
        return Err(memberlist(KEY_SIZE.to_owned()));
    }
    let bound = bind::bind(resolved.bind).map_err(memberlist)?;
    let addr = advertise::choose(resolved.bind, bound.port, resolved.advertise, interfaces)
        .map_err(memberlist)?;
    let explicit = resolved.advertise.is_some();
    if let Some(doubt) = advertise::doubt(resolved.bind, addr, explicit, interfaces) {
        tracing::warn!(target: "agent", "{doubt}");
    }
    if !encrypted && advertise::is_public(addr.ip()) {
        tracing::warn!(target: "memberlist", "Binding to public address without encryption!");
    }
    // The core's check of the name; an address that it would refuse is announced all the same, as Serf does.
    let named = Identity::new(&config.node_name, ([127, 0, 0, 1], bound.port).into())
        .map_err(|error| memberlist(error.to_string()))?;
    let identity =
        Identity { addr: addr.ip(), port: addr.port(), bind_port: bound.port, meta, ..named };
    let start = driver::Start {
        config: Arc::<CoreConfig>::new(options),
        identity,
        udp: bound.udp,
        tcp: bound.tcp,
        snapshot,
        keyring_file: path(&config.keyring_file),
    };
    let settings =
        Settings { tags_file: path(&config.tags_file), event_handlers: event_handlers(handlers) };
    let agent = Agent::start(start, settings).map_err(|error| os_text(&error))?;
    Ok(Started { agent, encrypted })
}

/// A path that is set.
fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

/// Whether the snapshot can be kept; makes the file.
fn check_snapshot(path: &Path) -> Result<(), String> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o644)
        .open(path)
        .map(drop)
        .map_err(|error| format!("open {}: {}", path.display(), os_text(&error)))
}

/// The section `event_handlers` of `info`: of handlers with the same filter the last one.
fn event_handlers(handlers: &[Handler]) -> BTreeMap<String, String> {
    handlers.iter().map(|handler| (handler.filter.key(), handler.script.to_string())).collect()
}
