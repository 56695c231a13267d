//! What the world keeps about each host besides its node.

use uwasa_core::keyring::Keyring;
use uwasa_core::tags::Tags;

use crate::anomaly::{Held, Processor};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::net::Backlog;
use crate::scenario::{Fault, FaultKind, Nanos, NodeSpec, Scenario};

/// What the world keeps about a host besides its node.
#[derive(Debug, Default)]
pub(crate) struct Host {
    /// When the latest pause of this life ends.
    pub(crate) paused_until: Nanos,
    /// The process was to exit while it was paused.
    pub(crate) exit_overdue: bool,
    /// When the latest block of this life ends.
    pub(crate) blocked_until: Nanos,
    /// Loops of the process are stuck in a send.
    pub(crate) stuck: bool,
    /// How fast it works.
    pub(crate) processor: Processor,
    /// Input that waits for a paused, blocked or slow process.
    pub(crate) backlog: Backlog,
    /// What a blocked process believes to have sent.
    pub(crate) held: Vec<Held>,
    /// Its snapshot; `None`: no fault of the scenario ever reads it.
    pub(crate) disk: Option<Disk>,
    /// The tags that its node was last told to have.
    pub(crate) tags: Tags,
    /// The keyring that its application was last told of, as a keyring file would hold it.
    pub(crate) keyring: Keyring,
    /// The keyring that its processes are configured with.
    pub(crate) configured: Keyring,
}

impl Host {
    /// Every host of `scenario`, before anything runs.
    pub(crate) fn all(scenario: &Scenario) -> Vec<Self> {
        let of = |spec: &NodeSpec| Self {
            tags: spec.tags.clone(),
            keyring: scenario.config.keyring.clone(),
            configured: scenario.config.keyring.clone(),
            ..Self::default()
        };
        let mut hosts: Vec<_> = scenario.nodes.iter().map(of).collect();
        for fault in &scenario.faults {
            for &node in fault.kind.snapshots_of() {
                hosts[node as usize].disk = Some(Disk::default());
            }
        }
        hosts
    }
}

/// When a host is to be woken. Apart from the node, so that a wake which came too early stays cheap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Alarm {
    /// Time of the earliest wake in the queue; [`Nanos::MAX`]: none.
    pub(crate) wake: Nanos,
    /// The node's deadline after its last input; [`Nanos::MAX`]: none.
    pub(crate) due: Nanos,
}

impl Alarm {
    pub(crate) const OFF: Self = Self { wake: Nanos::MAX, due: Nanos::MAX };
}

/// The clock of each host; none if all of them show virtual time for the whole run.
pub(crate) fn clocks(scenario: &Scenario) -> Vec<Clock> {
    let changes = |fault: &Fault| matches!(fault.kind, FaultKind::Clock { .. });
    if !scenario.faults.iter().any(changes) {
        return Vec::new();
    }
    scenario.nodes.iter().map(|_| Clock::default()).collect()
}
