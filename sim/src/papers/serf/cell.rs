//! One size at one loss: the simulator, the rules alone, the law and Serf's page, in the same terms.

use rayon::prelude::*;
use serde::Serialize;

use crate::analytic::{RandomPhase, SerfCurve};
use crate::metrics::SeedResult;
use crate::papers::rules::{Model, spread};
use crate::report::stats::{Fan, fan, grid, number, quantile, reached, seconds};
use crate::scenario::Nanos;

/// Shares whose times are compared, in permille.
pub(super) const SHARES: [u32; 4] = [500, 950, 990, 1_000];
/// Points of a curve.
const STEPS: u32 = 120;
/// Serf's claim: 95 % after a second, everybody after two.
const CLAIM: [(u32, f64); 2] = [(950, 1.0), (1_000, 2.0)];

/// One update in one cluster: when each member that got it did, ascending.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    pub(super) audience: u32,
    pub(super) delays: Vec<Nanos>,
}

impl Spread {
    fn time(&self, permille: u32) -> f64 {
        reached(&self.delays, self.audience, permille).map_or(f64::INFINITY, seconds)
    }

    fn share_at(&self, t: f64) -> f64 {
        let have = self.delays.partition_point(|&delay| seconds(delay) <= t);
        100.0 * number(have) / f64::from(self.audience.max(1))
    }

    fn keeps_claim(&self) -> bool {
        CLAIM.into_iter().all(|(permille, by)| self.time(permille) <= by)
    }
}

/// Times until some shares have it: median and the middle nine tenths over the runs. Infinite: never.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Times {
    pub(super) runs: usize,
    pub(super) median: [f64; 4],
    pub(super) low: [f64; 4],
    pub(super) high: [f64; 4],
    /// Share of runs that keep Serf's claim.
    pub(super) claim: f64,
    /// Share of runs in which everybody got it.
    pub(super) complete: f64,
}

impl Times {
    pub(super) fn of(spreads: &[Spread]) -> Self {
        let runs = spreads.len();
        let at = |permille: usize| {
            SHARES.map(|share| {
                let mut times: Vec<f64> = spreads.iter().map(|it| it.time(share)).collect();
                times.sort_by(f64::total_cmp);
                quantile(&times, permille).unwrap_or(f64::NAN)
            })
        };
        let share = |keep: &dyn Fn(&Spread) -> bool| {
            number(spreads.iter().filter(|it| keep(it)).count()) / number(runs.max(1))
        };
        Self {
            runs,
            median: at(500),
            low: at(50),
            high: at(950),
            claim: share(&Spread::keeps_claim),
            complete: share(&|it| it.time(1_000).is_finite()),
        }
    }

    /// Standard error of a median, as if the times were distributed normally: the 5th percentile is 1.645 standard
    /// deviations below the median, and a median errs 1.25 times as much as a mean.
    pub(super) fn error(&self, place: usize) -> f64 {
        1.25 * (self.median[place] - self.low[place]) / 1.645 / libm::sqrt(number(self.runs))
    }
}

/// What runs of the simulator say about their first event.
pub(super) fn simulated(results: &[SeedResult]) -> Vec<Spread> {
    let events = results.iter().filter_map(|result| result.events.first());
    events.map(|it| Spread { audience: it.audience, delays: it.delays.clone() }).collect()
}

/// What the rules alone say.
pub(super) fn played(model: Model, nodes: u32, loss_ppm: u32, plays: u64) -> Vec<Spread> {
    let play =
        |seed| Spread { audience: nodes, delays: spread(model, nodes as usize, loss_ppm, seed) };
    (0..plays).into_par_iter().map(play).collect()
}

/// The law for random phases and probes that carry the update.
pub(super) fn law(nodes: u32, loss: f64) -> RandomPhase {
    RandomPhase { loss, ..without_probes(nodes) }.with_probes(1.0)
}

/// The law that counts the packets of relays as well: of probes whose ping or ack is lost, each of three relays is asked,
/// pings the target, gets an ack and passes it on, as far as the packets before arrived.
pub(super) fn law_with_relays(nodes: u32, loss: f64) -> RandomPhase {
    let law = law(nodes, loss);
    let arrives = 1.0 - loss;
    let packets = 3.0 * (1.0 + arrives + arrives * arrives + arrives * arrives * arrives);
    let per_second = (1.0 - arrives * arrives) * packets;
    RandomPhase { fanout: law.fanout + law.interval * per_second, ..law }
}

/// The law for random phases and gossip alone, without loss.
pub(super) fn without_probes(nodes: u32) -> RandomPhase {
    RandomPhase { nodes: f64::from(nodes), fanout: 3.0, interval: 0.2, loss: 0.0 }
}

/// Serf's page with its own defaults.
pub(super) fn page(nodes: u32, loss: f64) -> SerfCurve {
    SerfCurve { nodes: f64::from(nodes), fanout: 3.0, interval: 0.2, loss, failed: 0.0 }
}

/// What the page says about the four shares.
pub(super) fn page_times(nodes: u32, loss: f64) -> [f64; 4] {
    let curve = page(nodes, loss);
    [curve.time_of(0.5), curve.time_of(0.95), curve.time_of(0.99), curve.time_of_all()]
}

/// Shares over time, in percent.
pub(super) fn fans(spreads: &[Spread], end: f64) -> Vec<(f64, Fan)> {
    let at = |t: f64| {
        let mut shares: Vec<f64> = spreads.iter().map(|it| it.share_at(t)).collect();
        fan(&mut shares).map(|fan| (t, fan))
    };
    grid(end, STEPS).filter_map(at).collect()
}

/// Serf's page over time, in percent.
pub(super) fn page_points(nodes: u32, loss: f64, end: f64) -> Vec<(f64, f64)> {
    let curve = page(nodes, loss);
    grid(end, STEPS).map(|t| (t, 100.0 * curve.share_at(t))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn the_claim_has_two_points() {
        let spread = |delays: &[Nanos]| Spread { audience: 4, delays: delays.to_vec() };
        assert!(spread(&[0, 1, 2, SECOND]).keeps_claim());
        assert!(!spread(&[0, 1, 2, SECOND + 1]).keeps_claim(), "of four, 95 % are all");
        assert!(!spread(&[0, 1, 2]).keeps_claim(), "one never had it");
        let late: Vec<Nanos> = (0..40).map(|it| if it < 39 { 0 } else { 2 * SECOND }).collect();
        assert!(Spread { audience: 40, delays: late }.keeps_claim());
    }

    #[test]
    fn whoever_never_gets_it_takes_for_ever() {
        let runs = [
            Spread { audience: 2, delays: vec![0, SECOND] },
            Spread { audience: 2, delays: vec![0] },
        ];
        let times = Times::of(&runs);
        assert!((times.median[3] - 1.0).abs() < 1e-12);
        assert!(times.high[3].is_infinite());
        assert!((times.complete - 0.5).abs() < 1e-12);
    }

    /// Table 1.4 of the reference, model C at 1,000 members and 25 % loss: 0.81 and 1.16 s.
    #[test]
    fn the_rules_with_loss_give_the_published_figures() {
        let times = Times::of(&played(Model::WithProbes, 1_000, 250_000, 60));
        assert!((times.median[1] - 0.81).abs() < 0.04, "{:?}", times.median);
        assert!((times.median[3] - 1.16).abs() < 0.08, "{:?}", times.median);
        let none = Times::of(&played(Model::RandomPhases, 100, 500_000, 200));
        assert!((none.median[1] - 1.01).abs() < 0.06, "{:?}", none.median);
    }
}
