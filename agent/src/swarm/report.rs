//! Measurements, as lines of JSON.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;

/// One line of the report. Times are seconds since the start of the swarm, delays seconds since what they follow.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Record {
    /// The first line.
    Swarm(About),
    /// Once a second.
    Sample(Sample),
    /// Every agent that is up sees exactly the agents that are up, for the first time or again.
    Settled {
        /// When.
        at_s: f64,
        /// Since the swarm started, or since an agent last started or stopped.
        took_s: f64,
        /// Agents that are up.
        agents: usize,
    },
    /// How an event reached the agents.
    Event(Spread),
    /// How the end of an agent was noticed.
    Departure(Departure),
    /// The last line.
    End(End),
}

/// What the report is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct About {
    /// Version of the program.
    pub version: &'static str,
    /// Agents.
    pub nodes: usize,
    /// Timing profile.
    pub profile: String,
    /// Threads they share.
    pub threads: usize,
    /// Gossip address of the first.
    pub base_addr: String,
    /// Whether they encrypt.
    pub encrypted: bool,
    /// Agents per minute that stop and start again.
    pub churn_per_minute: u32,
}

/// The swarm and its process at one moment.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Sample {
    /// When.
    pub at_s: f64,
    /// Agents that are up.
    pub up: usize,
    /// Agents that are not.
    pub down: usize,
    /// Members that the agents see alive: the fewest, the median, the most.
    pub seen: [usize; 3],
    /// Deliveries of user events so far.
    pub events: u64,
    /// Datagrams per second since the sample before.
    pub packets_per_s: f64,
    /// Bytes in them per second.
    pub bytes_per_s: f64,
    /// Processor time since the sample before, in percent of one processor.
    pub cpu_percent: f64,
    /// Resident memory in bytes.
    pub resident: u64,
    /// Part of it that is not of files.
    pub anonymous: u64,
    /// Open file descriptors.
    pub files: usize,
    /// Tasks.
    pub tasks: usize,
    /// Agents declared failed so far that had been up for a minute.
    pub false_failures: u64,
}

/// How an event reached the agents.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Spread {
    /// Name of the event.
    pub name: String,
    /// Who sent it.
    pub from: String,
    /// When.
    pub at_s: f64,
    /// Agents that were up then, without those that stopped before they had it.
    pub audience: usize,
    /// When each of them had it, ascending.
    pub delays_s: Vec<f64>,
}

/// How the end of an agent was noticed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Departure {
    /// Who.
    pub node: String,
    /// `crash` or `leave`.
    pub how: &'static str,
    /// When it was killed, or told to leave.
    pub at_s: f64,
    /// Agents that were up and saw it alive then, without those that stopped before they noticed.
    pub observers: usize,
    /// When each of them had marked it failed after a crash, left after a leave; ascending.
    pub delays_s: Vec<f64>,
    /// Observers that marked it left after a crash, or failed after a leave.
    pub mistaken: usize,
}

/// How the swarm ended.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct End {
    /// When.
    pub at_s: f64,
    /// Tasks that were left.
    pub tasks: usize,
    /// Open file descriptors that were left.
    pub files: usize,
    /// Agents declared failed that had been up for a minute.
    pub false_failures: u64,
    /// Starts of agents that failed.
    pub failed_starts: u64,
}

/// The report's file.
#[derive(Debug)]
pub(super) struct Report(Option<File>);

impl Report {
    /// Makes the file, or a report that goes nowhere.
    pub(super) fn create(path: Option<&Path>) -> Result<Self, String> {
        let create = |path: &Path| {
            File::create(path).map_err(|error| {
                format!("The report {} cannot be written: {error}", path.display())
            })
        };
        path.map(create).transpose().map(Self)
    }

    /// Adds a line.
    pub(super) fn write(&mut self, record: &Record) -> io::Result<()> {
        let Some(file) = &mut self.0 else { return Ok(()) };
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        file.write_all(&line)
    }
}
