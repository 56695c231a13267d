//! All commands, sorted by name.

use std::process::ExitCode;

use super::call::Call;
use super::help::{self, Help};
use super::{
    agent, event, force_leave, info, join, keygen, keys, leave, members, monitor, query,
    reachability, rtt, swarm, tags, version,
};

/// A command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// As the user calls it.
    pub(super) name: &'static str,
    /// What it does, in one line.
    pub(super) synopsis: &'static str,
    /// Its help.
    pub(super) help: Help,
    /// Runs it.
    pub(super) run: fn(&Call<'_>) -> ExitCode,
    /// Whether Serf has it too. The others work under every name, but only the own name shows them.
    pub(super) serf: bool,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Entry {}

impl Entry {
    const fn new(
        name: &'static str,
        synopsis: &'static str,
        help: Help,
        run: fn(&Call<'_>) -> ExitCode,
    ) -> Self {
        Self { name, synopsis, help, run, serf: true }
    }

    const fn beyond_serf(self) -> Self {
        Self { serf: false, ..self }
    }
}

/// The command of this very name.
pub(super) fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

pub(super) static ENTRIES: [Entry; 17] = [
    Entry::new("agent", "Runs a Serf agent", help::AGENT, agent::run),
    Entry::new("event", "Send a custom event through the Serf cluster", help::EVENT, event::run),
    Entry::new(
        "force-leave",
        "Forces a member of the cluster to enter the \"left\" state",
        help::FORCE_LEAVE,
        force_leave::run,
    ),
    Entry::new("info", "Provides debugging information for operators", help::INFO, info::run),
    Entry::new("join", "Tell Serf agent to join cluster", help::JOIN, join::run),
    Entry::new("keygen", "Generates a new encryption key", help::KEYGEN, keygen::run),
    Entry::new(
        "keys",
        "Manipulate the internal encryption keyring used by Serf",
        help::KEYS,
        keys::run,
    ),
    Entry::new(
        "leave",
        "Gracefully leaves the Serf cluster and shuts down",
        help::LEAVE,
        leave::run,
    ),
    Entry::new("members", "Lists the members of a Serf cluster", help::MEMBERS, members::run),
    Entry::new("monitor", "Stream logs from a Serf agent", help::MONITOR, monitor::run),
    Entry::new("query", "Send a query to the Serf cluster", help::QUERY, query::run),
    Entry::new("reachability", "Test network reachability", help::REACHABILITY, reachability::run),
    Entry::new("rtt", "Estimates network round trip time between nodes", help::RTT, rtt::run),
    Entry::new("run", "Runs an agent; the same as \"agent\"", help::AGENT, agent::run)
        .beyond_serf(),
    Entry::new("swarm", "Runs a cluster of many agents on this machine", help::SWARM, swarm::run)
        .beyond_serf(),
    Entry::new("tags", "Modify tags of a running Serf agent", help::TAGS, tags::run),
    Entry::new("version", "Prints the Serf version", help::VERSION, version::run),
];

#[cfg(test)]
mod tests {
    use super::ENTRIES;

    #[test]
    fn commands_are_sorted_by_name() {
        assert!(ENTRIES.is_sorted_by(|a, b| a.name < b.name));
    }
}
