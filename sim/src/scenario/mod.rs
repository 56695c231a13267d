//! A scenario: one validated description of a world, its faults, its workload and what is expected of it.
//!
//! `parse` turns a TOML file into this value; everything in here is resolved, checked and in base units
//! (nanoseconds, bytes, node indexes), so the world never has to refuse anything.

mod document;
mod expect;
mod fault;
mod faults;
mod field;
mod hash;
mod latency;
mod lives;
mod network;
mod nodes;
mod parse;
mod problem;
mod select;
mod settings;
mod start;
mod tags;
mod units;
mod work;

use std::net::SocketAddr;
use std::path::PathBuf;

use uwasa_core::config::Config;
use uwasa_core::tags::Tags;
use uwasa_core::trace::{MemberState, MemberStatus};

pub use fault::{Burst, Degradation, Transport};
pub use faults::{Cycle, Fault, FaultKind, OnDisk};
pub(crate) use latency::normal_quantile;
pub use parse::{load, parse, parse_seeds};
pub use problem::ScenarioErrors;
pub(crate) use units::parse_size;
pub use units::{format_duration, parse_duration};

/// Probe intervals below which a run is too short to say anything about coordinates: the adjustment of a coordinate
/// averages over so many round trips.
const COORDINATE_PROBES_MIN: u64 = 20;

/// Nanoseconds of virtual time.
pub type Nanos = u64;
/// Index of a node in [`Scenario::nodes`].
pub type NodeIndex = u32;

/// A validated scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// File stem, used for the report folder: `52-nodes`.
    pub name: String,
    /// Where it was read from; empty for a scenario built in memory.
    pub file: PathBuf,
    /// One line: what it shows.
    pub title: String,
    /// A few lines: what it teaches.
    pub description: String,
    /// The text of the file with `--set` changes applied, as shown in the report.
    pub text: String,
    /// xxh3 of the resolved scenario text: two runs with the same hash and seed are the same run.
    pub config_hash: u64,
    /// Seeds to run unless the command line says otherwise.
    pub seeds: Vec<u64>,
    /// Virtual time to simulate.
    pub duration: Nanos,
    /// Every node: the members, then hosts that start with the name of one of them, or take over its address.
    pub nodes: Vec<NodeSpec>,
    /// How the cluster comes to be.
    pub start: Start,
    /// Settings all nodes share (`trace` is on).
    pub config: std::sync::Arc<Config>,
    /// The network.
    pub network: Network,
    /// Faults in order of time.
    pub faults: Vec<Fault>,
    /// Workload in order of time.
    pub workload: Vec<Work>,
    /// Expectations in order of the file.
    pub expects: Vec<Expect>,
    /// Names of the invariants that this scenario breaks on purpose.
    pub unchecked: Vec<String>,
    /// Width of one bucket of the bytes-per-node time series.
    pub series_bucket: Nanos,
}

impl Scenario {
    /// The name of a node; empty for an index outside the scenario.
    #[must_use]
    pub fn node_name(&self, node: NodeIndex) -> &str {
        let index = usize::try_from(node).unwrap_or(usize::MAX);
        self.nodes.get(index).map_or("", |spec| spec.name.as_str())
    }

    /// How many nodes have a name of their own. They come first, so that the index of each is its id in the protocol too;
    /// everything measured about membership is about them.
    #[must_use]
    pub fn members_len(&self) -> u32 {
        let count = self.nodes.partition_point(|spec| spec.claim.is_none());
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// The nodes that have a name of their own.
    #[must_use]
    pub fn members(&self) -> &[NodeSpec] {
        &self.nodes[..self.nodes.partition_point(|spec| spec.claim.is_none())]
    }

    /// The name that a node carries in the protocol.
    #[must_use]
    pub fn protocol_name(&self, node: NodeIndex) -> &str {
        match self.nodes.get(node as usize).and_then(|spec| spec.claim) {
            Some(Claim { what: Claimed::Name, owner, .. }) => self.node_name(owner),
            Some(Claim { what: Claimed::Address, .. }) | None => self.node_name(node),
        }
    }

    /// Whether the node is of another cluster, and takes over an address of this one.
    #[must_use]
    pub fn is_stranger(&self, node: NodeIndex) -> bool {
        let claim = self.nodes.get(node as usize).and_then(|spec| spec.claim);
        claim.is_some_and(|claim| claim.what == Claimed::Address)
    }

    /// Where a part with this line was written: `scenarios/x.toml:14`, or `scenarios/x.toml (--set)` for line 0.
    #[must_use]
    pub fn place(&self, line: usize) -> String {
        match line {
            0 => format!("{} (--set)", self.file.display()),
            line => format!("{}:{line}", self.file.display()),
        }
    }
}

/// The shortest run in which the coordinates of the nodes are measured; `None`: they are off, or nothing feeds them.
#[must_use]
pub fn coordinate_run_min(config: &Config) -> Option<Nanos> {
    let interval = Nanos::try_from(config.probe_interval.as_nanos()).ok()?;
    (config.coordinates && interval > 0).then(|| interval.saturating_mul(COORDINATE_PROBES_MIN))
}

/// One node.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Unique name; for a host that claims another's, its name in the scenario only.
    pub name: String,
    /// Address that really reaches it.
    pub addr: SocketAddr,
    /// Address it announces; differs from `addr` only in scenarios about that mistake.
    pub advertise: SocketAddr,
    /// Index into [`Network::regions`].
    pub region: u16,
    /// What it says about itself when it starts.
    pub tags: Tags,
    /// It starts with the name, or takes over the address, of another node.
    pub claim: Option<Claim>,
}

/// A host that starts with the name or takes over the address of another. It runs the protocol like every node, but
/// ground truth is not about it.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// Whose name it carries, or whose address it takes.
    pub owner: NodeIndex,
    /// What is claimed.
    pub what: Claimed,
    /// When it boots, whatever the start plan says.
    pub boot: Nanos,
}

/// What a host has of another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Claimed {
    /// Its name, beside it.
    Name,
    /// Its address, after it. It has a name of its own, is a cluster of its own, and joins nobody.
    Address,
}

/// How the cluster comes to be.
#[derive(Clone, Debug)]
pub enum Start {
    /// At time zero every node already knows every other; nothing is queued.
    Warm,
    /// Nodes boot empty and join.
    Cold {
        /// Boot instant of each node, by node index.
        boot: Vec<Nanos>,
        /// When, counted from its boot, a node's discovery answers and it joins what it was shown.
        join_after: Nanos,
        /// Whom a node joins.
        join: JoinPlan,
        /// How often a join that reached nobody is tried again; 0: never.
        retry: Nanos,
    },
}

/// Whom a cold node joins.
#[derive(Clone, Debug)]
pub enum JoinPlan {
    /// The given nodes, in this order (itself left out).
    Seeds(Vec<NodeIndex>),
    /// As mDNS discovery behaves: every node that is up at that moment, at most this many, drawn at random.
    Discovered {
        /// Most addresses used.
        limit: u32,
    },
}

/// The network model.
#[derive(Clone, Debug)]
pub struct Network {
    /// Region names; index 0 exists always.
    pub regions: Vec<String>,
    /// Link class for every ordered pair of regions: `links[from * regions.len() + to]`.
    pub links: Vec<Link>,
    /// Bytes per second each node can send; 0: unlimited.
    pub bandwidth: u64,
    /// Receive buffer of a node's socket in bytes, as Linux counts them: 2,304 for each frame; 0: unlimited.
    pub receive_buffer: u64,
}

/// Properties of one direction between two regions.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// One-way delay.
    pub latency: Latency,
    /// Extra uniform delay in `0..=jitter`.
    pub jitter: Nanos,
    /// Lost datagrams per million.
    pub loss_ppm: u32,
    /// Duplicated datagrams per million.
    pub duplicate_ppm: u32,
    /// Datagrams per million that are held back by `reorder_delay`.
    pub reorder_ppm: u32,
    /// How long a reordered datagram is held back.
    pub reorder_delay: Nanos,
    /// Whether loss also hits segments of byte streams (they are sent again by the transport, later).
    pub stream_loss: bool,
}

/// A one-way delay distribution. Sampled with integers only, so that every machine agrees.
#[derive(Clone, Debug, PartialEq)]
pub enum Latency {
    /// Always the same.
    Constant(Nanos),
    /// Uniform in `low..=high`.
    Uniform {
        /// Shortest.
        low: Nanos,
        /// Longest.
        high: Nanos,
    },
    /// Log-normal through these two quantiles, as a table of 4,096 equally likely values in ascending order.
    LogNormal {
        /// Median.
        median: Nanos,
        /// 99th percentile.
        p99: Nanos,
        /// Quantile table.
        table: std::sync::Arc<[Nanos]>,
    },
}

/// One piece of workload.
#[derive(Clone, Debug)]
pub struct Work {
    /// When.
    pub at: Nanos,
    /// What.
    pub kind: WorkKind,
}

/// What the workload does.
#[derive(Clone, Debug)]
pub enum WorkKind {
    /// A user event is sent.
    Event {
        /// By whom; `None`: a live node drawn from the workload stream.
        from: Option<NodeIndex>,
        /// Name.
        name: String,
        /// Payload.
        payload: Vec<u8>,
    },
    /// A graceful leave; the process exits `exit_after` later.
    Leave {
        /// Who.
        nodes: Vec<NodeIndex>,
        /// How long the process stays up after the leave is done.
        exit_after: Nanos,
    },
    /// Tries to join the given nodes.
    Join {
        /// Who.
        nodes: Vec<NodeIndex>,
        /// Whom.
        seeds: Vec<NodeIndex>,
    },
    /// A query is sent.
    Query(Query),
    /// Tags are replaced.
    SetTags {
        /// Whose.
        nodes: Vec<NodeIndex>,
        /// The new ones.
        tags: Tags,
    },
    /// The keys of all members are changed or listed.
    Keys {
        /// By whom; `None`: a live node drawn from the workload stream.
        from: Option<NodeIndex>,
        /// What to do.
        verb: KeyVerb,
        /// The key, 16, 24 or 32 bytes; empty for a listing.
        key: Vec<u8>,
        /// Members that pass on each answer.
        relay_factor: u8,
    },
    /// A failed member is turned into one that left.
    ForceLeave {
        /// By whom; `None`: a live node drawn from the workload stream.
        from: Option<NodeIndex>,
        /// Whom.
        node: NodeIndex,
        /// Whether its record is erased too.
        prune: bool,
    },
}

/// A query of the workload.
#[derive(Clone, Debug)]
pub struct Query {
    /// By whom; `None`: a live node drawn from the workload stream.
    pub from: Option<NodeIndex>,
    /// Name.
    pub name: String,
    /// Payload.
    pub payload: Vec<u8>,
    /// Only these nodes; empty: all.
    pub nodes: Vec<NodeIndex>,
    /// Only nodes whose tags match all of these.
    pub tags: Vec<TagMatch>,
    /// Whether acks are asked for.
    pub ack: bool,
    /// Members that pass on each ack and answer.
    pub relay_factor: u8,
    /// How long to wait; 0: the protocol's default.
    pub timeout: Nanos,
    /// What the application of a node that gets it answers.
    pub answer: Answer,
}

/// A condition on one tag; a missing tag is the empty string.
#[derive(Clone, Debug)]
pub struct TagMatch {
    /// Name of the tag.
    pub tag: String,
    /// What its value must contain. On bytes, so that classes such as `\d` are ASCII as in Go.
    pub regex: regex::bytes::Regex,
}

/// What simulated applications answer to a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The name of the node.
    Name,
    /// This text.
    Text(String),
    /// Nothing.
    Silence,
}

/// What is done with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyVerb {
    /// Add one.
    Install,
    /// Make one primary.
    Use,
    /// Remove one.
    Remove,
    /// List all.
    List,
}

/// One expectation.
#[derive(Clone, Debug)]
pub struct Expect {
    /// Line in the scenario file.
    pub line: usize,
    /// The reason in words, printed with a miss; may be empty.
    pub reason: String,
    /// Smallest share of seeds, in millionths, that must meet it (1,000,000: every seed).
    pub seeds_ppm: u32,
    /// What must hold.
    pub kind: ExpectKind,
}

/// What must hold.
#[derive(Clone, Debug)]
pub enum ExpectKind {
    /// The named event has reached `coverage_ppm` of the nodes that live then, `within` of being sent.
    EventCoverage {
        /// Event name.
        event: String,
        /// Share of nodes, millionths.
        coverage_ppm: u32,
        /// Share of the events of this name that must come so far, millionths.
        events_ppm: u32,
        /// Time from sending.
        within: Nanos,
    },
    /// Every live node has marked `node` failed (or left) within this time of its crash (or leave).
    Detected {
        /// Who.
        node: NodeIndex,
        /// `Dead` or `Left`.
        state: MemberState,
        /// Share of live observers, millionths.
        coverage_ppm: u32,
        /// Time from the crash or leave.
        within: Nanos,
    },
    /// No live, reachable node is ever declared dead by anybody.
    NoFalseFailures,
    /// At this time of the run every live node sees exactly the live nodes as alive.
    ConvergedBy {
        /// Time from the start of the run.
        by: Nanos,
    },
    /// At time `at` every live observer (or only `observer`) has this state for `subject`; `None`: does not know it.
    StateAt {
        /// Time from the start of the run.
        at: Nanos,
        /// Who looks; `None`: every live node but the subject.
        observer: Option<NodeIndex>,
        /// Who is looked at.
        subject: NodeIndex,
        /// What must be seen.
        state: Option<MemberState>,
    },
    /// `observer` sees `subject` join and then fail, in this order (the wrong-interface accident).
    JoinedThenFailed {
        /// Who looks.
        observer: NodeIndex,
        /// Who is looked at.
        subject: NodeIndex,
        /// By this time of the run.
        by: Nanos,
    },
    /// The members that a query was for have acked and answered it.
    Query {
        /// Name of the query.
        query: String,
        /// Share of the matching live nodes that acked, millionths.
        acks_ppm: Option<u32>,
        /// Share of the matching live nodes that answered, millionths.
        responses_ppm: Option<u32>,
        /// Time from sending; `None`: when the query ends.
        within: Option<Nanos>,
    },
    /// From this time to the end, so many pairs of live nodes estimate their round-trip time well enough from their
    /// coordinates.
    Coordinates {
        /// Share of pairs, millionths.
        share_ppm: u32,
        /// Largest relative error, millionths.
        error_ppm: u32,
        /// Time from the start of the run.
        by: Nanos,
    },
    /// Every live node has this keyring.
    Keys {
        /// Number of keys, if it matters.
        count: Option<u32>,
        /// The primary key, if it matters.
        primary: Option<Vec<u8>>,
        /// Time from the start of the run.
        by: Nanos,
    },
    /// Every live node knows these tags of the given nodes.
    Tags {
        /// Whose.
        nodes: Vec<NodeIndex>,
        /// Tags that must be among them.
        tags: Tags,
        /// Time from the start of the run.
        by: Nanos,
    },
    /// Every live node but the subject keeps it under this status; `None`: has no record of it.
    Status {
        /// Who is looked at.
        subject: NodeIndex,
        /// What must be seen.
        status: Option<MemberStatus>,
        /// Time from the start of the run.
        by: Nanos,
    },
    /// A node has shut itself down.
    ShutDown {
        /// Who.
        node: NodeIndex,
        /// Time from the start of the run.
        by: Nanos,
    },
    /// Each of these nodes has delivered each event of this name exactly once, in all its lives together.
    ToldOnce {
        /// Event name.
        event: String,
        /// Who.
        nodes: Vec<NodeIndex>,
    },
    /// No broadcast queue of a live node (intents, queries, events) is deeper than this.
    Queues {
        /// Most messages in one queue.
        most: u32,
        /// Time from the start of the run.
        by: Nanos,
    },
    /// These processes run at the end.
    Up {
        /// Who.
        nodes: Vec<NodeIndex>,
    },
}
