//! N agents that know each other.

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::agent::{Agent, loopback};
use crate::failure::Failure;
use crate::own::Own;
use crate::process;
use crate::rpc::Client;

/// Between two looks at the agents whose list is not complete.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How long a join may take before it counts as failed.
const JOIN_WITHIN: Duration = Duration::from_secs(60);
/// How long an agent that starts may take to refuse or accept a connection when it is looked at.
const TOUCH_WITHIN: Duration = Duration::from_millis(1);

/// Where a side's agents live: program, directory, address range.
#[derive(Debug)]
pub(crate) struct Place {
    /// The program to run.
    pub(crate) program: PathBuf,
    /// Directory for the agents' files.
    pub(crate) home: PathBuf,
    /// Second byte of all addresses of this side.
    pub(crate) net: u8,
    /// Clusters made so far: third byte of the next one's addresses, so that late packets of a dead one miss it.
    pub(crate) clusters: u8,
    /// Processes of this run.
    pub(crate) own: Own,
}

impl Place {
    /// Agents that do not run yet, with addresses nobody of this run had before.
    pub(crate) fn agents(&mut self, count: usize) -> Result<Vec<Agent>, Failure> {
        self.clusters = self.clusters.wrapping_add(1);
        let home = self.home.join(self.clusters.to_string());
        // What an earlier cluster of the same number left, after 256 of them.
        let _none = std::fs::remove_dir_all(&home);
        (0..count).map(|index| self.agent(index, &home)).collect()
    }

    fn agent(&self, index: usize, home: &Path) -> Result<Agent, Failure> {
        let host = u8::try_from(index + 1)
            .map_err(|_| Failure::Cluster("more than 254 agents".to_owned()))?;
        let ip = loopback(self.net, self.clusters, host);
        Agent::new(&self.program, format!("n{index}"), ip, home, &self.own)
    }
}

/// How the agents of a cluster came to know each other.
#[derive(Clone, Debug)]
pub(crate) struct Completion {
    /// When each agent had the complete list, counted from a common start; `None`: not in time.
    at: Vec<Option<Duration>>,
    /// How many alive members each agent counted when it was last looked at.
    known: Vec<usize>,
}

impl Completion {
    /// Agents complete by then.
    pub(crate) fn by(&self, time: Duration) -> usize {
        self.at.iter().flatten().filter(|at| **at <= time).count()
    }

    /// Alive members that the agents counted at the end, all together.
    pub(crate) fn known(&self) -> usize {
        self.known.iter().sum()
    }

    /// When the last one was complete; `None`: some never were.
    pub(crate) fn all(&self) -> Option<Duration> {
        self.at.iter().copied().collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

/// Running agents.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// All of them; those that sections ended are gone from here.
    pub(crate) agents: Vec<Agent>,
}

impl Cluster {
    /// Starts the agents, each alone, and waits until all answer.
    pub(crate) fn alone(place: &mut Place, count: usize) -> Result<Self, Failure> {
        let mut cluster = Self { agents: place.agents(count)? };
        for agent in &mut cluster.agents {
            agent.start()?;
        }
        for agent in &cluster.agents {
            agent.connect()?;
        }
        Ok(cluster)
    }

    /// All agents but the first join the first at the same moment; then watches until all are complete or `limit` has
    /// passed.
    pub(crate) fn join_at_once(&self, limit: Duration) -> Result<Completion, Failure> {
        let Some((first, others)) = self.agents.split_first() else {
            return Err(Failure::Cluster("a cluster without agents".to_owned()));
        };
        let seed = first.gossip.to_string();
        let joiners =
            others.iter().map(Agent::connect).collect::<Result<Vec<Client>, Failure>>()?;
        let gate = Barrier::new(joiners.len() + 1);
        std::thread::scope(|scope| {
            for mut joiner in joiners {
                let (gate, seed) = (&gate, seed.as_str());
                scope.spawn(move || {
                    let ready = joiner.answer_within(JOIN_WITHIN);
                    gate.wait();
                    // A join that failed shows as a list that is not complete.
                    let _joined = ready.and_then(|()| joiner.join(seed));
                });
            }
            gate.wait();
            Ok(self.watch_completion(Instant::now(), limit))
        })
    }

    /// Looks at every agent again and again until all are complete or `limit` has passed since `start`.
    pub(crate) fn watch_completion(&self, start: Instant, limit: Duration) -> Completion {
        let wanted = self.agents.len();
        let mut completion = Completion { at: vec![None; wanted], known: vec![0; wanted] };
        let mut clients: Vec<Option<Client>> = Vec::new();
        clients.resize_with(wanted, || None);
        loop {
            for (index, agent) in self.agents.iter().enumerate() {
                if completion.at[index].is_some() {
                    continue;
                }
                let client = &mut clients[index];
                if client.is_none() {
                    *client = Client::connect(agent.rpc, TOUCH_WITHIN).ok();
                }
                match client.as_mut().map(Client::alive) {
                    Some(Ok(alive)) => {
                        completion.known[index] = alive;
                        completion.at[index] = (alive == wanted).then(|| start.elapsed());
                    }
                    None => {}
                    Some(Err(_)) => *client = None,
                }
            }
            if completion.all().is_some() || start.elapsed() >= limit {
                return completion;
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// A cluster that came together; how fast is not measured.
    pub(crate) fn formed(
        place: &mut Place,
        count: usize,
        limit: Duration,
    ) -> Result<Self, Failure> {
        let cluster = Self::alone(place, count)?;
        let completion = cluster.join_at_once(limit)?;
        cluster.repaired(&completion, limit)
    }

    /// The cluster if all are complete, if need be after the others have joined once more.
    pub(crate) fn repaired(
        self,
        completion: &Completion,
        limit: Duration,
    ) -> Result<Self, Failure> {
        if completion.all().is_some() {
            return Ok(self);
        }
        let again = self.join_at_once(limit)?;
        match again.all() {
            Some(_) => Ok(self),
            None => Err(Failure::Cluster(format!(
                "{} of {} agents have the complete list after a second join",
                again.by(limit),
                self.agents.len()
            ))),
        }
    }

    /// A connection to every agent.
    pub(crate) fn clients(&self) -> Result<Vec<Client>, Failure> {
        self.agents.iter().map(Agent::connect).collect()
    }

    /// Ids of the running processes.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.agents.iter().filter_map(Agent::id).collect()
    }

    /// Processor time of all agents together since their start.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        self.ids().into_iter().map(process::cpu).sum()
    }
}
