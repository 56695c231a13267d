//! What a swarm is to do: its size, its settings, and what happens when.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::Level;
use uwasa_core::config::Config;

use crate::go;

/// Most agents of a swarm: their addresses share the first two bytes.
pub const NODES_MAX: usize = 50_000;

/// Everything that is settled before the first agent starts.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many agents.
    pub nodes: usize,
    /// Gossip address of the first; the others have the addresses that follow it, and the same port.
    pub base: SocketAddrV4,
    /// Name of the timing profile, for the report.
    pub profile: String,
    /// Settings of every agent's node.
    pub config: Arc<Config>,
    /// Time between two starts.
    pub join_every: Duration,
    /// Time between an agent's start and its first join.
    pub join_after: Duration,
    /// How many agents of the swarm a new one joins by way of.
    pub contacts: usize,
    /// Members outside the swarm that each agent joins by way of, too.
    pub seeds: Vec<String>,
    /// Where RPC is served.
    pub rpc: Rpc,
    /// Least level of the records that monitors see.
    pub log_level: Level,
    /// What happens when, counted from the start; in order of time.
    pub steps: Vec<(Duration, Action)>,
    /// Agents per minute that stop at random and start again later; 0: none.
    pub churn: u32,
    /// When the swarm ends by itself.
    pub duration: Option<Duration>,
    /// The file for measurements.
    pub report: Option<PathBuf>,
}

impl Plan {
    /// The gossip address of an agent.
    #[must_use]
    pub fn addr(&self, seat: usize) -> SocketAddr {
        // No more agents than addresses, see `fits`.
        let offset = u32::try_from(seat).unwrap_or(u32::MAX);
        let ip = u32::from(*self.base.ip()).saturating_add(offset);
        SocketAddrV4::new(Ipv4Addr::from(ip), self.base.port()).into()
    }
}

/// Whether there are `nodes` addresses from `base` on.
#[must_use]
pub fn fits(base: Ipv4Addr, nodes: usize) -> bool {
    u32::try_from(nodes).is_ok_and(|nodes| u32::from(base).checked_add(nodes).is_some())
}

/// The name of an agent: the same in every life.
#[must_use]
pub fn name(seat: usize) -> String {
    format!("node-{}", seat + 1)
}

/// Which agents serve RPC.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rpc {
    /// Where the first agent serves it, if it does.
    pub first: Option<String>,
    /// Every agent serves it, on its gossip address and Serf's usual port.
    pub all: bool,
}

/// Something that happens to the swarm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// A random agent sends a user event.
    Event {
        /// Its name.
        name: String,
        /// Its payload.
        payload: String,
    },
    /// Agents stop without a goodbye.
    Kill(Whom),
    /// Agents leave.
    Leave(Whom),
    /// Agents that are down start again.
    Start(Whom),
}

/// Which agents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whom {
    /// The agent in this seat, counted from 0.
    Seat(usize),
    /// So many at random.
    Random(usize),
    /// All that it can happen to.
    All,
}

/// Reads a script: one step a line, `TIME event NAME [PAYLOAD]` or `TIME kill|leave|start WHO`, where WHO is `node-N`, a
/// number of random agents, or `all`. `#` starts a comment.
///
/// # Errors
///
/// Every line that makes no sense, with its number.
pub fn parse_script(text: &str, nodes: usize) -> Result<Vec<(Duration, Action)>, Vec<String>> {
    let (mut steps, mut problems) = (Vec::new(), Vec::new());
    for (line, number) in text.lines().zip(1_u32..) {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.is_empty() {
            continue;
        }
        match parse_step(&words, nodes) {
            Ok(step) => steps.push(step),
            Err(problem) => problems.push(format!("line {number}: {problem}")),
        }
    }
    if problems.is_empty() { Ok(steps) } else { Err(problems) }
}

fn parse_step(words: &[&str], nodes: usize) -> Result<(Duration, Action), String> {
    let (&at, rest) = words.split_first().unwrap_or((&"", &[]));
    let at = go::duration::parse(at).ok().and_then(|nanos| u64::try_from(nanos).ok());
    let at = at.ok_or_else(|| format!("{:?} is no time such as 30s or 1m30s", words[0]))?;
    let action = match *rest {
        ["event", name] => Action::Event { name: name.into(), payload: String::new() },
        ["event", name, payload] => Action::Event { name: name.into(), payload: payload.into() },
        ["kill", whom] => Action::Kill(parse_whom(whom, nodes)?),
        ["leave", whom] => Action::Leave(parse_whom(whom, nodes)?),
        ["start", whom] => Action::Start(parse_whom(whom, nodes)?),
        _ => {
            return Err(
                "after the time comes event NAME [PAYLOAD], kill WHO, leave WHO or start WHO"
                    .to_owned(),
            );
        }
    };
    Ok((Duration::from_nanos(at), action))
}

fn parse_whom(word: &str, nodes: usize) -> Result<Whom, String> {
    let within = |number: usize| (1..=nodes).contains(&number);
    let whom = match word.strip_prefix("node-") {
        Some(number) => {
            number.parse().ok().filter(|&number| within(number)).map(|n| Whom::Seat(n - 1))
        }
        None if word == "all" => Some(Whom::All),
        None => word.parse().ok().filter(|&count| within(count)).map(Whom::Random),
    };
    whom.ok_or_else(|| {
        format!("{word:?} is neither node-1 to node-{nodes}, nor a number up to {nodes}, nor all")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_line_by_line() {
        let text = "# one crash\n30s event deploy release-42\n\n45s kill node-3 # hard\n\
                    1m30s start all\n2m leave 5\n0s event x\n";
        let event = |name: &str, payload: &str| Action::Event {
            name: name.into(),
            payload: payload.into(),
        };
        let expected = [
            (30, event("deploy", "release-42")),
            (45, Action::Kill(Whom::Seat(2))),
            (90, Action::Start(Whom::All)),
            (120, Action::Leave(Whom::Random(5))),
            (0, event("x", "")),
        ];
        let expected = expected.map(|(at, action)| (Duration::from_secs(at), action));
        assert_eq!(parse_script(text, 52).unwrap(), expected);
    }

    #[test]
    fn every_bad_line_of_a_script_is_told() {
        let text = "soon kill 1\n1s kill node-53\n1s kill 0\n1s dance all\n-1s kill 1\n1s event\n";
        let problems = parse_script(text, 52).unwrap_err();
        let lines: Vec<&str> = problems.iter().map(|it| &it[..7]).collect();
        assert_eq!(lines, ["line 1:", "line 2:", "line 3:", "line 4:", "line 5:", "line 6:"]);
        assert!(problems[1].contains("node-1 to node-52"), "{problems:?}");
    }

    #[test]
    fn addresses_must_be_there() {
        assert!(fits(Ipv4Addr::new(127, 77, 0, 1), NODES_MAX));
        assert!(!fits(Ipv4Addr::new(255, 255, 255, 250), 10));
    }
}
