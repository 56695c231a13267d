//! Network coordinates against the truth: how far the estimated round-trip times of some pairs of nodes are off.
//!
//! Looking changes nothing: the pairs are drawn from a stream of their own, and nothing is put into the event queue.

use std::collections::BTreeSet;

use uwasa_core::coordinate::Coordinate;
use uwasa_core::node::Node;
use uwasa_core::pool::NodeId;
use uwasa_core::rng::Rng;

use super::matrix::NodeSet;
use crate::expect::quota;
use crate::metrics::{CoordinateErrors, CoordinateSample};
use crate::outcome::PPM;
use crate::scenario::{Nanos, NodeIndex, Scenario, coordinate_run_min};
use crate::topology::Topology;

/// Parts that the run is divided into; a sample is taken at each of their ends, and at the very start.
const STEPS: u64 = 60;
/// Most pairs that are looked at. More would cost more than a hundredth of the run of a middling cluster.
const PAIRS_MAX: u32 = 128;

/// The pairs and what was measured about them.
#[derive(Debug)]
pub struct Coordinates {
    duration: Nanos,
    /// Number of the next sample, counted from 0.
    step: u64,
    next: Nanos,
    /// Empty: nothing is sampled.
    pairs: Vec<(NodeIndex, NodeIndex)>,
    taken: Vec<Taken>,
}

/// Relative errors at one moment, in the order of the pairs.
#[derive(Debug)]
struct Taken {
    at: Nanos,
    own: Vec<f64>,
    cached: Vec<f64>,
}

/// Since when the estimates have been good enough, and how good they were last.
#[derive(Clone, Copy, Debug)]
pub struct Within {
    /// The first of the samples from which on enough pairs were within the error; `None`: the last one was not.
    pub since: Option<Nanos>,
    /// The last sample that was not good enough: when, and what error enough pairs were within then.
    pub missed: Option<(Nanos, f64)>,
    /// The error that enough pairs were within at the last sample.
    pub last: f64,
    /// Pairs in the last sample.
    pub pairs: usize,
}

impl Coordinates {
    /// The pairs of `scenario`: all of them, or as many as are looked at, drawn from `rng`. None if coordinates are off
    /// or the run is too short for them.
    #[must_use]
    pub fn new(scenario: &Scenario, rng: &mut Rng) -> Self {
        let shortest = coordinate_run_min(&scenario.config);
        let sampled = shortest.is_some_and(|shortest| scenario.duration >= shortest);
        let mut pairs = if sampled { pairs(scenario.members_len(), rng) } else { Vec::new() };
        // Nobody can measure the way to a node that announces an address which does not lead to it.
        let found = |node: NodeIndex| {
            let spec = &scenario.nodes[node as usize];
            spec.addr == spec.advertise
        };
        pairs.retain(|&(a, b)| found(a) && found(b));
        Self {
            duration: scenario.duration,
            step: 0,
            next: if pairs.is_empty() { Nanos::MAX } else { 0 },
            pairs,
            taken: Vec::new(),
        }
    }

    /// The next moment at which a sample is taken. What happens at that moment itself still counts.
    #[must_use]
    pub const fn next(&self) -> Nanos {
        self.next
    }

    /// Takes every sample that is due by `until`, of the nodes as they are now.
    pub fn sample_until(
        &mut self,
        until: Nanos,
        live: &NodeSet,
        nodes: &[Option<Node>],
        topology: &Topology,
    ) {
        while self.next <= until {
            self.sample(self.next, live, nodes, topology);
            self.step += 1;
            let next = u128::from(self.duration) * u128::from(self.step) / u128::from(STEPS);
            self.next = match Nanos::try_from(next) {
                Ok(next) if self.step <= STEPS => next,
                Ok(_) | Err(_) => Nanos::MAX,
            };
        }
    }

    fn sample(&mut self, at: Nanos, live: &NodeSet, nodes: &[Option<Node>], topology: &Topology) {
        let coordinate = |observer: NodeIndex, subject: NodeIndex| {
            nodes[observer as usize].as_ref()?.coordinate(NodeId(subject))
        };
        let mut taken = Taken { at, own: Vec::new(), cached: Vec::new() };
        for &(a, b) in &self.pairs {
            // Between two that cannot reach each other there is no true round-trip time.
            let apart = topology.is_blocked(a, b) || topology.is_blocked(b, a);
            if apart || !live.contains(a) || !live.contains(b) {
                continue;
            }
            let (Some(own), Some(other)) = (coordinate(a, a), coordinate(b, b)) else { continue };
            let truth = topology.mean_delay(a, b) + topology.mean_delay(b, a);
            if truth <= 0.0 {
                continue;
            }
            let error = |other: &Coordinate| relative_error(own.distance(other), truth);
            taken.own.push(error(&other));
            taken.cached.extend(coordinate(a, b).as_ref().map(error));
        }
        if !taken.own.is_empty() {
            self.taken.push(taken);
        }
    }

    /// How the estimates stand to an expectation: `share_ppm` of the pairs are to be within the relative error
    /// `error_ppm`, in millionths. `None`: there is no sample.
    #[must_use]
    pub fn within(&self, share_ppm: u32, error_ppm: u32) -> Option<Within> {
        let limit = f64::from(error_ppm) / f64::from(PPM);
        let reached = |taken: &Taken| quantile(&mut taken.own.clone(), share_ppm);
        let errors: Vec<(Nanos, f64)> =
            self.taken.iter().filter_map(|taken| Some((taken.at, reached(taken)?))).collect();
        let misses = errors.iter().rposition(|(_, error)| *error > limit);
        let since = match misses {
            Some(index) => errors.get(index + 1),
            None => errors.first(),
        };
        Some(Within {
            since: since.map(|(at, _)| *at),
            missed: misses.map(|index| errors[index]),
            last: errors.last()?.1,
            pairs: self.taken.last()?.own.len(),
        })
    }

    /// The samples, for the result.
    #[must_use]
    pub fn finish(self) -> Vec<CoordinateSample> {
        let samples = self.taken.into_iter().filter_map(|taken| {
            Some(CoordinateSample {
                at: taken.at,
                own: errors(taken.own)?,
                cached: errors(taken.cached),
            })
        });
        samples.collect()
    }
}

/// Different pairs of `nodes` nodes, in no order of the two.
fn pairs(nodes: u32, rng: &mut Rng) -> Vec<(NodeIndex, NodeIndex)> {
    let all = u64::from(nodes) * u64::from(nodes.saturating_sub(1)) / 2;
    if all <= u64::from(PAIRS_MAX) {
        return (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b))).collect();
    }
    let mut draw = || u32::try_from(rng.below(u64::from(nodes))).unwrap_or(0);
    let mut drawn = BTreeSet::new();
    while drawn.len() < PAIRS_MAX as usize {
        let (a, b) = (draw(), draw());
        if a != b && !drawn.contains(&(b, a)) {
            drawn.insert((a, b));
        }
    }
    drawn.into_iter().collect()
}

#[expect(clippy::cast_precision_loss, reason = "round-trip times are far below 2^53 ns")]
fn relative_error(estimate: i64, truth: f64) -> f64 {
    (estimate as f64 - truth).abs() / truth
}

fn errors(mut errors: Vec<f64>) -> Option<CoordinateErrors> {
    Some(CoordinateErrors {
        pairs: u32::try_from(errors.len()).unwrap_or(u32::MAX),
        p50: quantile(&mut errors, PPM / 2)?,
        p95: quantile(&mut errors, PPM / 100 * 95)?,
    })
}

/// What `ppm` millionths of the values are at most: one that really occurred. `None` if there are none.
fn quantile(values: &mut [f64], ppm: u32) -> Option<f64> {
    let rank = quota(u32::try_from(values.len()).ok()?, ppm).max(1);
    let index = rank as usize - 1;
    if index >= values.len() {
        return None;
    }
    Some(*values.select_nth_unstable_by(index, f64::total_cmp).1)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::metrics::SeedResult;

    fn scenario(rest: &str) -> Scenario {
        let text = format!("title = \"T\"\n{rest}");
        crate::scenario::parse(&text, Path::new("x.toml"), &[]).expect("a scenario")
    }

    fn run(rest: &str) -> SeedResult {
        crate::world::run(&scenario(rest), 1, &mut |_| {})
    }

    #[test]
    fn constant_delays_are_learned_and_the_error_shrinks() {
        let result = run("nodes = 8\nduration = \"120s\"\nnetwork = { latency = \"10ms\" }\n");
        let samples = &result.coordinates;
        assert_eq!(samples.len(), 61);
        assert_eq!((samples[0].at, samples[60].at), (0, 120_000_000_000));
        assert_eq!((samples[0].own.pairs, samples[0].cached), (28, None), "nobody has met");
        assert!(samples[0].own.p50 > 0.99, "{:?}", samples[0]);
        let (middle, end) = (samples[20], samples[60]);
        assert!(end.own.p50 < middle.own.p50, "{middle:?} {end:?}");
        assert!(end.own.p50 < 0.05 && end.own.p95 < 0.2, "{end:?}");
        assert!(end.cached.is_some_and(|cached| cached.pairs == 28 && cached.p50 < 0.05));
    }

    #[test]
    fn pairs_without_a_round_trip_time_are_left_out() {
        let base = "nodes = 4\nduration = \"30s\"\n";
        assert!(run(&format!("{base}network = {{ latency = \"0s\" }}\n")).coordinates.is_empty());
        let cut = "[[fault]]\nat = \"10s\"\npartition = [[\"host1\"], [\"host2..host4\"]]\n";
        let pairs = |result: &SeedResult| result.coordinates[60].own.pairs;
        assert_eq!(pairs(&run(&format!("{base}{cut}"))), 3);
        let crash = "[[fault]]\nat = \"10s\"\ncrash = [\"host1\"]\n";
        assert_eq!(pairs(&run(&format!("{base}{crash}"))), 3);
    }

    #[test]
    fn runs_that_cannot_learn_are_not_sampled() {
        for rest in [
            "nodes = 8\nduration = \"19s\"\n",
            "nodes = 1\nduration = \"60s\"\n",
            "nodes = 8\nduration = \"60s\"\nconfig = { coordinates = false }\n",
            "nodes = 2\nduration = \"60s\"\n[[node]]\nname = \"host1\"\nadvertise = \"10.0.2.15\"\n",
            "nodes = 8\nduration = \"60s\"\nconfig = { probe_interval = \"0s\" }\n",
        ] {
            let sampler = Coordinates::new(&scenario(rest), &mut Rng::from_seed([1; 32]));
            assert_eq!(sampler.next(), Nanos::MAX, "{rest}");
        }
    }

    #[test]
    fn looking_changes_nothing() {
        let rest = "nodes = 80\nduration = \"30s\"\nstart = \"cold\"\n\
                    [[work]]\nat = \"9s\"\nevent = \"deploy\"\n\
                    [[fault]]\nat = \"10s\"\nfor = \"5s\"\ndegrade = { loss = 0.2 }\n";
        let scenario = scenario(rest);
        let looked_at = crate::world::run(&scenario, 7, &mut |_| {});
        let mut world = crate::world::World::new(&scenario, 7);
        world.oracle.coordinates.next = Nanos::MAX;
        world.run_until(scenario.duration);
        let alone = world.finish();
        assert!(looked_at.coordinates.len() > 50 && alone.coordinates.is_empty());
        assert_eq!(looked_at.trace_hash, alone.trace_hash);
        let rest = |result: SeedResult| {
            let unseen = SeedResult { coordinates: Vec::new(), invariants: Vec::new(), ..result };
            format!("{unseen:?}")
        };
        assert_eq!(rest(looked_at.clone()), rest(alone));
        let again = crate::world::run(&scenario, 7, &mut |_| {});
        assert_eq!(again.coordinates, looked_at.coordinates);
    }

    #[test]
    fn pairs_are_different_ones() {
        let mut rng = Rng::from_seed([3; 32]);
        assert_eq!(pairs(3, &mut rng), [(0, 1), (0, 2), (1, 2)]);
        for nodes in [24, 10_000] {
            let drawn = pairs(nodes, &mut rng);
            let distinct: BTreeSet<_> = drawn.iter().map(|&(a, b)| (a.min(b), a.max(b))).collect();
            assert_eq!((drawn.len(), distinct.len()), (128, 128));
            assert!(distinct.iter().all(|&(a, b)| a < b && b < nodes));
        }
    }

    #[test]
    fn an_expectation_holds_from_the_last_miss_on() {
        let mut sampler = Coordinates::new(
            &scenario("nodes = 2\nduration = \"1s\"\n"),
            &mut Rng::from_seed([1; 32]),
        );
        assert!(sampler.within(PPM / 2, PPM).is_none());
        for (at, own) in [(1, [0.1, 0.1]), (2, [0.5, 0.3]), (3, [0.3, 0.2]), (4, [0.25, 0.9])] {
            sampler.taken.push(Taken { at, own: own.to_vec(), cached: Vec::new() });
        }
        let half = sampler.within(PPM / 2, 250_000).expect("samples");
        assert_eq!((half.since, half.missed.map(|(at, _)| at), half.pairs), (Some(3), Some(2), 2));
        assert_eq!((half.last, half.missed), (0.25, Some((2, 0.3))));
        assert_eq!(sampler.within(PPM, 250_000).expect("samples").since, None);
        assert_eq!(sampler.within(PPM, PPM).expect("samples").since, Some(1));
    }
}
