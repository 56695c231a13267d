//! What is measured, section by section.

mod flood;
mod form;
mod idle;
mod loss;
mod restart;
mod rpc;
mod spread;
mod start;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::ValueEnum;

use crate::cluster::{Cluster, Place};
use crate::failure::Failure;
use crate::figures::median;
use crate::pace::{CLUSTER_LIMIT, Pace};

/// A group of figures that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Section {
    /// Start to the first answer, the command line
    Start,
    /// All agents join one seed at once
    Form,
    /// Memory, threads and processor time of idle agents
    Idle,
    /// Requests per second
    Rpc,
    /// Single events
    Spread,
    /// Events as fast as one agent takes them
    Flood,
    /// All agents killed and started again with their snapshots
    Restart,
    /// Agents that are killed or leave
    Loss,
}

impl Section {
    /// Name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Measures. Figures that were found before a failure are kept.
    pub(crate) fn measure(self, bench: &mut Bench, values: &mut Values) -> Result<(), Failure> {
        let measure = match self {
            Self::Start => start::measure,
            Self::Form => form::measure,
            Self::Idle => idle::measure,
            Self::Rpc => rpc::measure,
            Self::Spread => spread::measure,
            Self::Flood => flood::measure,
            Self::Restart => restart::measure,
            Self::Loss => loss::measure,
        };
        measure(bench, values)
    }
}

/// Values of one program and round by figure.
#[derive(Debug, Default)]
pub(crate) struct Values(pub(crate) BTreeMap<&'static str, f64>);

impl Values {
    fn set(&mut self, key: &'static str, value: f64) {
        self.0.insert(key, value);
    }

    /// The median of `samples`; nothing if there are none.
    fn set_median(&mut self, key: &'static str, samples: &[f64]) {
        if let Some(median) = median(samples) {
            self.set(key, median);
        }
    }
}

/// One program in one round. The sections share a cluster as long as it is whole.
#[derive(Debug)]
pub(crate) struct Bench {
    /// Where its agents live.
    pub(crate) place: Place,
    /// Sizes and times.
    pub(crate) pace: Pace,
    cluster: Option<Cluster>,
}

impl Bench {
    /// Nothing runs yet.
    pub(crate) fn new(place: Place, pace: Pace) -> Self {
        Self { place, pace, cluster: None }
    }

    /// The cluster an earlier section gave back, or a new one. A section that fails does not give it back.
    fn take(&mut self) -> Result<Cluster, Failure> {
        match self.cluster.take() {
            Some(cluster) => Ok(cluster),
            None => Cluster::formed(&mut self.place, self.pace.agents, CLUSTER_LIMIT),
        }
    }

    fn give_back(&mut self, cluster: Cluster) {
        self.cluster = Some(cluster);
    }
}

/// When this share of `wanted` was reached: `times` ascending; `limit` if it was not.
fn reached(times: &[Duration], wanted: usize, percent: usize, limit: Duration) -> f64 {
    let needed = (wanted * percent).div_ceil(100);
    let at = needed.checked_sub(1).and_then(|index| times.get(index)).copied();
    at.unwrap_or(limit).as_secs_f64()
}

/// As a float; counts here are far below 2^53.
fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_reached_by_the_agent_that_completes_it() {
        let times: Vec<Duration> = (1..=10).map(Duration::from_secs).collect();
        let limit = Duration::from_secs(60);
        assert_eq!(reached(&times, 10, 50, limit), 5.0);
        assert_eq!(reached(&times, 10, 95, limit), 10.0);
        assert_eq!(reached(&times[..9], 10, 100, limit), 60.0);
    }
}
