//! What breaks in a scenario: resolved and checked.

use std::net::SocketAddr;

use uwasa_core::keyring::Keyring;

use super::{Degradation, Nanos, NodeIndex, Transport};

/// One fault.
#[derive(Clone, Debug)]
pub struct Fault {
    /// When it starts.
    pub at: Nanos,
    /// When it ends, for faults that last; `None`: never.
    pub until: Option<Nanos>,
    /// What happens.
    pub kind: FaultKind,
}

/// What a fault does.
#[derive(Clone, Debug)]
pub enum FaultKind {
    /// The machine is switched off: nothing is sent or answered, connections go silent.
    Crash {
        /// Who.
        nodes: Vec<NodeIndex>,
    },
    /// The process is started again.
    Restart {
        /// Who.
        nodes: Vec<NodeIndex>,
        /// What it finds on its disk.
        snapshot: OnDisk,
        /// Whether it may run until then: it is killed first.
        running: bool,
    },
    /// The process is stopped (SIGSTOP, a laptop asleep): timers and packets wait, the receive buffer fills.
    Pause {
        /// Who.
        nodes: Vec<NodeIndex>,
        /// How it comes and goes; `None`: it lasts.
        cycle: Option<Cycle>,
    },
    /// What the process sends and what reaches it waits until the fault ends, in order, while its timers fire on time:
    /// the slow member of the Lifeguard paper.
    Block {
        /// Who.
        nodes: Vec<NodeIndex>,
        /// How it comes and goes; `None`: it lasts.
        cycle: Option<Cycle>,
        /// Whether the loops that probe, gossip and exchange states get stuck in their next send, as memberlist's do.
        stuck: bool,
    },
    /// Every input costs processor time, and inputs wait for each other: the node takes each one when its work is done.
    /// Timers wait too, but overtake what came over the network.
    Slow {
        /// Who.
        nodes: Vec<NodeIndex>,
        /// What one input costs; above 0.
        per_input: Nanos,
    },
    /// The clock that the processes of a machine read goes wrong.
    Clock {
        /// Whose.
        nodes: Vec<NodeIndex>,
        /// How much faster than time it runs until the fault ends, in millionths; negative: slower. What it is wrong by
        /// then stays.
        drift_ppm: i32,
        /// How far it is set forward when the fault begins.
        jump: Nanos,
    },
    /// The process is killed and started again with the same name at another address.
    Move {
        /// Who.
        node: NodeIndex,
        /// Where it is reached, and what it announces, from now on.
        to: SocketAddr,
        /// What it finds on its disk.
        snapshot: OnDisk,
    },
    /// The process is killed, if it runs, and started with another keyring.
    Rekey {
        /// Who.
        nodes: Vec<NodeIndex>,
        /// Its keys; none: no encryption.
        keyring: Keyring,
        /// What it finds on its disk.
        snapshot: OnDisk,
    },
    /// Groups cannot reach each other; nodes in no group reach everybody.
    Partition {
        /// The sides; at least two.
        groups: Vec<Vec<NodeIndex>>,
        /// One-way: packets from the first group to the others are lost, the way back works.
        one_way: bool,
    },
    /// The members stand in a ring, by their order, and each reaches only some on either side of it. Hosts that carry
    /// another's name stand outside and reach everybody.
    Ring {
        /// How many on each side.
        reach: u32,
    },
    /// What some send to others vanishes.
    Cut {
        /// Who sends; `None`: everybody.
        from: Option<Vec<NodeIndex>>,
        /// Who would receive; `None`: everybody.
        to: Option<Vec<NodeIndex>>,
        /// Which packets.
        transport: Transport,
    },
    /// The network gets worse for a while.
    Degrade(Degradation),
}

impl FaultKind {
    /// Whose snapshots the fault leaves for the next process to read.
    #[must_use]
    pub fn snapshots_of(&self) -> &[NodeIndex] {
        let (snapshot, nodes) = match self {
            Self::Restart { snapshot, nodes, .. } | Self::Rekey { snapshot, nodes, .. } => {
                (*snapshot, nodes.as_slice())
            }
            Self::Move { snapshot, node, .. } => (*snapshot, std::slice::from_ref(node)),
            Self::Crash { .. }
            | Self::Pause { .. }
            | Self::Block { .. }
            | Self::Slow { .. }
            | Self::Clock { .. }
            | Self::Partition { .. }
            | Self::Ring { .. }
            | Self::Cut { .. }
            | Self::Degrade(_) => (OnDisk::None, [].as_slice()),
        };
        if snapshot == OnDisk::None { &[] } else { nodes }
    }
}

/// What a process that starts finds of the snapshot of the one before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnDisk {
    /// All that was written: it rejoins the members in it.
    Kept,
    /// Nothing: it joins by the start plan.
    None,
    /// The file up to a drawn byte.
    Torn,
    /// The file as it was after a drawn record before the last.
    Stale,
}

/// The phases of a fault that comes and goes, the same ones at all of its nodes. It begins with trouble.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cycle {
    /// How long each phase of trouble lasts; above 0.
    pub on: Nanos,
    /// How long each phase of quiet lasts; above 0.
    pub off: Nanos,
}
