//! What happens in a run, as one stream of facts in the order of the world. Checkers judge it, histories keep it.
//!
//! Facts are heard while the world works and change nothing: a run has the same trace hash whether somebody listens or
//! not. Every [`Fact::Input`] is followed by the facts that it caused, up to the next input of any node.

use uwasa_core::command::{Command, OpError, Reply};
use uwasa_core::event::Event;
use uwasa_core::node::Node;
use uwasa_core::pool::{NodeId, Pool};
use uwasa_core::snapshot::Clocks;
use uwasa_core::trace::Trace;

use crate::check::Invariants;
use crate::hazards::Damage;
use crate::history::History;
use crate::net::{Fabric, Fate};
use crate::papers::Tally;
use crate::scenario::{Nanos, NodeIndex, Scenario};

/// Where and when a fact holds.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Virtual time.
    pub at: Nanos,
    /// Which host; for a fault of the scenario, 0.
    pub node: NodeIndex,
}

/// What can be looked up while a fact is heard: the world as it is at that moment.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The scenario.
    pub scenario: &'a Scenario,
    /// The node of each host, while its process runs.
    pub nodes: &'a [Option<Node>],
    /// Names and profiles.
    pub pool: &'a Pool,
    /// Addresses, links, partitions, power.
    pub fabric: &'a Fabric,
}

impl Scene<'_> {
    /// Whether `observer` has the right address of `subject`, and each of them can open what the other one seals.
    #[must_use]
    pub fn can_talk(&self, observer: NodeIndex, subject: NodeIndex) -> bool {
        let node = |node: NodeIndex| self.nodes[node as usize].as_ref();
        let (Some(one), Some(other)) = (node(observer), node(subject)) else { return false };
        let opens = |reader: &Node, writer: &Node| {
            let sealed = writer.keyring().primary();
            sealed.is_none_or(|key| reader.keyring().keys().contains(key))
        };
        let sealed = one.keyring().is_enabled() == other.keyring().is_enabled();
        let known =
            one.member(NodeId(subject), self.pool).map(|member| member.profile.socket_addr());
        sealed
            && opens(one, other)
            && opens(other, one)
            && known.is_none_or(|addr| addr == self.fabric.topology.advertise(subject))
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub enum Fact<'a> {
    /// A process starts: the `life`th on its host, from 1.
    Started {
        /// Which life.
        life: u32,
        /// The clocks that its snapshot remembers; `None`: it found nothing there.
        restored: Option<Clocks>,
    },
    /// A process ends.
    Ended(End),
    /// The application asks the node to leave.
    LeaveAsked,
    /// A node is handed an input; what follows is its doing.
    Input(Arrived),
    /// A state change.
    Trace(&'a Trace),
    /// What the application hears.
    Event(&'a Event),
    /// The application asks for something.
    Asked {
        /// Its number, unique in the run.
        op: u64,
        /// What.
        command: &'a Command,
    },
    /// The answer to that.
    Done {
        /// Its number.
        op: u64,
        /// How it ended.
        result: &'a Result<Reply, OpError>,
    },
    /// A datagram is sent.
    Sent {
        /// Unique in the run, in order of sending.
        serial: u64,
        /// The host that has the address; `None`: nobody.
        to: Option<NodeIndex>,
        /// Payload.
        bytes: &'a [u8],
        /// What the network will do with it.
        fate: Fate,
        /// How it will differ when it arrives.
        damage: Damage,
    },
    /// A datagram arrives at a host that does not take it.
    Dropped {
        /// Which.
        serial: u64,
        /// Who sent it.
        from: NodeIndex,
        /// Why.
        why: Refusal,
    },
    /// A fault of the scenario begins.
    FaultBegan(u32),
    /// It ends.
    FaultEnded(u32),
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The machine was switched off.
    Crashed,
    /// Killed, to be started again at once.
    Killed,
    /// Left, or stopped in good order.
    Quit,
    /// It stopped itself over a contested name.
    ShutDown,
}

/// What reached a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrived {
    /// Its deadline came.
    Timeout,
    /// A datagram.
    Datagram {
        /// Who sent it.
        from: NodeIndex,
        /// Which.
        serial: u64,
        /// When it was sent; of a replay, the original.
        sent_at: Nanos,
        /// It is not as it was sent.
        damaged: bool,
        /// The network has sent it again; the number is that of the original.
        replayed: bool,
    },
    /// Progress on a stream with this host.
    Stream {
        /// The other end; `None`: nobody has the address that was dialed.
        peer: Option<NodeIndex>,
    },
    /// A command of the application.
    Command {
        /// Its number.
        op: u64,
    },
}

/// Why a host did not take a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The sender's machine was switched off before it had left, or the receiver has moved to another address since.
    Cut,
    /// No process runs there.
    Down,
    /// The receive buffer is full.
    Full,
}

/// Who listens to a run.
#[derive(Debug, Default)]
pub struct Watchers {
    /// The checkers of invariants.
    pub invariants: Option<Invariants>,
    /// Who keeps what happens.
    pub history: Option<History>,
    /// Counts for the reproduction of papers.
    pub tally: Option<Tally>,
}

impl Watchers {
    /// Whether anybody listens.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.invariants.is_some() || self.history.is_some() || self.tally.is_some()
    }

    /// Tells everybody who listens.
    pub fn hear(&mut self, moment: Moment, fact: &Fact<'_>, scene: Scene<'_>) {
        if let Some(invariants) = &mut self.invariants {
            invariants.hear(moment, fact, scene);
        }
        if let Some(history) = &mut self.history {
            history.hear(moment, fact, scene);
        }
        if let Some(tally) = &mut self.tally {
            tally.hear(moment, fact, scene);
        }
    }
}
