//! What pencil and paper say about a gossip cluster, to be drawn beside what a run measured.
//!
//! Nothing in here calls the protocol code: a formula that shared code with the thing it checks would prove nothing.
//! Logarithms come from a software library, so that every machine prints the same digits. Times are in seconds.

use libm::{ceil, exp, log, log2, log10};

/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// Serf's published convergence simulator: a logistic curve with half the true contact rate.
///
/// The curve counts rounds of gossip; one round lasts [`interval`](Self::interval). It knows neither the transmit
/// budget nor the phase of the nodes' timers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SerfCurve {
    /// Members, the sender included.
    pub nodes: f64,
    /// Members each one gossips to per round.
    pub fanout: f64,
    /// Length of a round.
    pub interval: f64,
    /// Share of lost packets, 0 to 1.
    pub loss: f64,
    /// Share of failed members, 0 to 1.
    pub failed: f64,
}

impl SerfCurve {
    /// Contacts per round: `fanout * (1 - loss) * (1 - failed) / 2`.
    #[must_use]
    pub fn contact(&self) -> f64 {
        self.fanout * (1.0 - self.loss) * (1.0 - self.failed) / 2.0
    }

    /// Share of members informed `t` seconds after sending.
    #[must_use]
    pub fn share_at(&self, t: f64) -> f64 {
        1.0 / (1.0 + (self.nodes + 1.0) * exp(-self.contact() * t / self.interval))
    }

    /// Time until the share `p` is informed. Below the share that the curve starts with, the time is negative.
    #[must_use]
    pub fn time_of(&self, p: f64) -> f64 {
        self.interval / self.contact() * log((self.nodes + 1.0) * p / (1.0 - p))
    }

    /// Time until less than half a member is missing.
    #[must_use]
    pub fn time_of_all(&self) -> f64 {
        self.time_of(1.0 - 0.5 / self.nodes)
    }

    /// Members still missing at `t`.
    #[must_use]
    pub fn missing_at(&self, t: f64) -> f64 {
        self.nodes * (1.0 - self.share_at(t))
    }

    /// Bandwidth as the page prints it, in kbit/s with one decimal: full 1,400-byte packets sent and received.
    #[must_use]
    pub fn kbps(&self) -> f64 {
        let exact = 2.0 * 1400.0 * self.fanout * (1.0 / self.interval) * 8.0 / 1024.0;
        libm::round(exact * 10.0) / 10.0
    }
}

/// The law of a push epidemic whose nodes gossip at random phases: one update, nothing else queued, delay on the wire
/// short against a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RandomPhase {
    /// Members, the sender included.
    pub nodes: f64,
    /// Members each one sends to per interval.
    pub fanout: f64,
    /// Gossip interval.
    pub interval: f64,
    /// Share of lost packets, 0 to 1.
    pub loss: f64,
}

impl RandomPhase {
    /// The same cluster, with the update riding also on one ping and one ack per node and probe interval.
    #[must_use]
    pub fn with_probes(self, probe_interval: f64) -> Self {
        Self { fanout: self.fanout + 2.0 * self.interval / probe_interval, ..self }
    }

    /// Mean time between two arrivals from one informed node: `interval / (fanout * (1 - loss))`.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.interval / (self.fanout * (1.0 - self.loss))
    }

    /// Time until the share `p` is informed: `a (ln N + γ + ln(p / (1 - p)))`. Negative for shares of less than
    /// about one member.
    #[must_use]
    pub fn time_of(&self, p: f64) -> f64 {
        self.scale() * (log(self.nodes) + EULER + log(p / (1.0 - p)))
    }

    /// Share informed at `t`: the inverse of [`time_of`](Self::time_of).
    #[must_use]
    pub fn share_at(&self, t: f64) -> f64 {
        1.0 / (1.0 + self.nodes * exp(EULER - t / self.scale()))
    }

    /// Expected time until the last member has it: `a (2 ln N + 2 γ)`.
    #[must_use]
    pub fn time_of_all(&self) -> f64 {
        self.scale() * 2.0 * (log(self.nodes) + EULER)
    }

    /// Time until 50 %, 95 %, 99 % and all have it. In a small cluster 99 % of the members are all of them, so no share
    /// takes longer than all.
    #[must_use]
    pub fn milestones(&self) -> [f64; 4] {
        let all = self.time_of_all();
        [self.time_of(0.5), self.time_of(0.95), self.time_of(0.99), all].map(|time| time.min(all))
    }
}

/// How often one update is sent by each member: `mult * ceil(log10(n + 1))`, that is `mult` times the digits of `n`.
#[must_use]
pub fn transmit_limit(mult: u32, nodes: u32) -> u32 {
    mult.saturating_mul(nodes.checked_ilog10().map_or(0, |digits| digits + 1))
}

/// Expected number of members that gossip alone never reaches, because everybody has used up the transmit budget.
///
/// Solves `s = exp(-budget (1 - loss) (1 - s))` for the share `s` of members left out.
#[must_use]
pub fn expected_misses(nodes: f64, budget: u32, loss: f64) -> f64 {
    let arrivals = f64::from(budget) * (1.0 - loss);
    let mut share = 0.0;
    // From below the iteration climbs to the smallest root; it contracts by `arrivals * share`, so that 200 steps are
    // plenty wherever an epidemic happens at all.
    for _ in 0..200 {
        share = exp(-arrivals * (1.0 - share));
    }
    nodes * share
}

/// Push/pull period: `base` up to 32 members, then one `base` more per doubling.
#[must_use]
pub fn push_pull_period(base: f64, nodes: f64) -> f64 {
    if nodes <= 32.0 { base } else { base * (1.0 + ceil(log2(nodes / 32.0))) }
}

/// The fastest that memberlist's failure detector can be: a first probe that comes at random, a probe round that
/// fails, and the shortest suspicion.
///
/// Each of the `N - 1` survivors probes the victim once in `N - 1` probe intervals, at a moment of its own; the first
/// of them counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DetectionFloor {
    /// Members, the victim included.
    pub nodes: f64,
    /// Probe interval.
    pub probe_interval: f64,
    /// Suspicion multiplier.
    pub suspicion_mult: f64,
}

impl DetectionFloor {
    /// Shortest suspicion: `mult * max(1, log10 N) * T`.
    #[must_use]
    pub fn suspicion(&self) -> f64 {
        self.suspicion_mult * log10(self.nodes.max(1.0)).max(1.0) * self.probe_interval
    }

    fn survivors(&self) -> f64 {
        (self.nodes - 1.0).max(1.0)
    }

    /// Time until the share `p` of all victims has been probed: `m (1 - (1 - p)^(1 / m)) T` with `m = N - 1`. Half of
    /// them: 0.5 T in a cluster of two, 0.69 T in a large one.
    #[must_use]
    pub fn first_probe(&self, p: f64) -> f64 {
        let survivors = self.survivors();
        self.probe_interval * survivors * (1.0 - exp(log(1.0 - p) / survivors))
    }

    /// Time by which the share `p` of all crashes has been declared somewhere: `first_probe + T + suspicion`.
    #[must_use]
    pub fn time_of(&self, p: f64) -> f64 {
        self.first_probe(p) + self.probe_interval + self.suspicion()
    }

    /// Mean time until a crash is declared: `m / (m + 1) T + T + suspicion` with `m = N - 1`.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let survivors = self.survivors();
        self.probe_interval * (survivors / (survivors + 1.0) + 1.0) + self.suspicion()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serf(nodes: f64, loss: f64) -> SerfCurve {
        SerfCurve { nodes, fanout: 3.0, interval: 0.2, loss, failed: 0.0 }
    }

    fn push(nodes: f64, loss: f64) -> RandomPhase {
        RandomPhase { nodes, fanout: 3.0, interval: 0.2, loss }
    }

    #[test]
    fn serf_defaults_are_the_published_ones() {
        let curve = serf(30.0, 0.0);
        let times: Vec<String> = [0.5, 0.95, 0.99, 0.999, 0.9999]
            .iter()
            .map(|&p| format!("{:.2}", curve.time_of(p)))
            .collect();
        assert_eq!(times, ["0.46", "0.85", "1.07", "1.38", "1.69"]);
        assert_eq!(format!("{:.1}", 100.0 * curve.share_at(1.0)), "98.3");
        assert_eq!(format!("{:.3}", 100.0 * curve.share_at(2.0)), "99.999");
        assert_eq!(format!("{:.1}", curve.kbps()), "328.1");
        assert!((curve.share_at(0.0) - 1.0 / 32.0).abs() < 1e-12);
        assert!((SerfCurve { failed: 0.5, ..curve }.contact() - 0.75).abs() < 1e-12);
    }

    /// Every row of the reference table, to the digits it prints.
    #[test]
    fn serf_table() {
        let rows = [
            (10.0, 0.0, "0.32 0.71 0.93 1.24 0.71", "99.40 100.000 0.00"),
            (10.0, 0.10, "0.36 0.79 1.04 1.38 0.79", "98.73 99.998 0.00"),
            (10.0, 0.25, "0.43 0.95 1.24 1.65 0.95", "96.18 99.986 0.00"),
            (10.0, 0.50, "0.64 1.42 1.86 2.48 1.42", "79.45 99.395 0.06"),
            (52.0, 0.0, "0.53 0.92 1.14 1.45 1.15", "97.15 99.998 0.00"),
            (52.0, 0.10, "0.59 1.02 1.27 1.61 1.27", "94.16 99.993 0.00"),
            (52.0, 0.25, "0.71 1.23 1.52 1.93 1.53", "83.95 99.931 0.04"),
            (52.0, 0.50, "1.06 1.84 2.28 2.90 2.29", "44.51 97.152 1.48"),
            (100.0, 0.0, "0.62 1.01 1.23 1.54 1.32", "94.71 99.997 0.00"),
            (100.0, 0.10, "0.68 1.12 1.36 1.71 1.47", "89.42 99.986 0.01"),
            (100.0, 0.25, "0.82 1.34 1.64 2.05 1.76", "73.30 99.869 0.13"),
            (100.0, 0.50, "1.23 2.02 2.46 3.07 2.64", "29.63 94.709 5.29"),
            (1_000.0, 0.0, "0.92 1.31 1.53 1.84 1.93", "64.37 99.969 0.31"),
            (1_000.0, 0.10, "1.02 1.46 1.70 2.05 2.15", "46.04 99.863 1.37"),
            (1_000.0, 0.25, "1.23 1.75 2.05 2.46 2.58", "21.69 98.715 12.85"),
            (1_000.0, 0.50, "1.84 2.63 3.07 3.68 3.87", "4.07 64.365 356"),
            (10_000.0, 0.0, "1.23 1.62 1.84 2.15 2.55", "15.31 99.695 30.5"),
            (10_000.0, 0.10, "1.36 1.80 2.05 2.39 2.83", "7.87 98.647 135"),
            (10_000.0, 0.25, "1.64 2.16 2.45 2.87 3.40", "2.70 88.489 1151"),
            (10_000.0, 0.50, "2.46 3.24 3.68 4.30 5.10", "0.42 15.311 8469"),
        ];
        for (nodes, loss, times, shares) in rows {
            let curve = serf(nodes, loss);
            let got = format!(
                "{:.2} {:.2} {:.2} {:.2} {:.2}",
                curve.time_of(0.5),
                curve.time_of(0.95),
                curve.time_of(0.99),
                curve.time_of(0.999),
                curve.time_of_all()
            );
            assert_eq!(got, times, "N = {nodes}, loss {loss}");
            let missing = shares.rsplit(' ').next().unwrap();
            let decimals = missing.split_once('.').map_or(0, |(_, digits)| digits.len());
            let got = format!(
                "{:.2} {:.3} {:.decimals$}",
                100.0 * curve.share_at(1.0),
                100.0 * curve.share_at(2.0),
                curve.missing_at(2.0)
            );
            assert_eq!(got, shares, "N = {nodes}, loss {loss}");
        }
    }

    /// Up to which size "95 % in 1 s, 100 % in 2 s" holds on Serf's own plot.
    #[test]
    fn serf_claim_limits() {
        let largest = |loss: f64, holds: &dyn Fn(SerfCurve) -> bool| {
            (1..=5_000).take_while(|&n| holds(serf(f64::from(n), loss))).count()
        };
        for (loss, first, second) in [(0.0, 94, 1_278), (0.10, 43, 603), (0.25, 13, 195)] {
            assert_eq!(largest(loss, &|curve| curve.share_at(1.0) >= 0.95), first, "loss {loss}");
            assert_eq!(largest(loss, &|curve| curve.missing_at(2.0) < 0.5), second, "loss {loss}");
        }
        assert_eq!(largest(0.50, &|curve| curve.share_at(1.0) >= 0.95), 1);
        assert_eq!(largest(0.50, &|curve| curve.missing_at(2.0) < 0.5), 29);
    }

    #[test]
    fn curves_and_inverses_agree() {
        for nodes in [2.0, 52.0, 10_000.0] {
            for p in [0.01, 0.5, 0.95, 0.999] {
                let (serf, push) = (serf(nodes, 0.1), push(nodes, 0.1));
                assert!((serf.share_at(serf.time_of(p)) - p).abs() < 1e-12);
                assert!((push.share_at(push.time_of(p)) - p).abs() < 1e-12);
            }
        }
    }

    /// Model B of the reference's Monte Carlo, medians printed to 0.01 s. From 1,000 members on the law is within 4 %;
    /// at 100 it is up to 9 % late, because its start (one member of many) and its end (the last one or two) are not
    /// continuous there.
    #[test]
    fn random_phase_law_matches_the_monte_carlo() {
        let rows = [
            (52.0, 0.0, [0.29, 0.49, 0.59]),
            (100.0, 0.0, [0.33, 0.52, 0.61]),
            (100.0, 0.25, [0.43, 0.68, 0.80]),
            (1_000.0, 0.0, [0.51, 0.70, 0.80]),
            (1_000.0, 0.10, [0.56, 0.77, 0.89]),
            (1_000.0, 0.50, [0.97, 1.36, 1.58]),
            (10_000.0, 0.0, [0.64, 0.84, 0.95]),
            (10_000.0, 0.25, [0.84, 1.10, 1.25]),
        ];
        for (nodes, loss, times) in rows {
            for (p, want) in [0.5, 0.95, 0.99].into_iter().zip(times) {
                let got = push(nodes, loss).time_of(p);
                let share = if nodes <= 100.0 { 0.09 } else { 0.04 };
                let slack = share * want + 0.005;
                assert!((got - want).abs() <= slack, "N = {nodes}, {loss}, {p}: {got} vs {want}");
            }
        }
        assert!((push(52.0, 0.0).with_probes(1.0).fanout - 3.4).abs() < 1e-12);
        for nodes in [2.0, 10.0, 52.0, 1_000.0] {
            assert!(push(nodes, 0.0).milestones().is_sorted(), "{nodes}");
        }
        // 2 ln N + 2 gamma = 9.057 for 52 nodes.
        assert_eq!(format!("{:.3}", push(52.0, 0.0).time_of_all()), "0.604");
    }

    #[test]
    fn budgets_misses_and_repair() {
        let rows = [
            (52, 8, ["0.018", "0.039", "0.13", "1.0"], 60.0),
            (99, 8, ["0.033", "0.074", "0.25", "2.0"], 90.0),
            (100, 12, ["0.0006", "0.002", "0.012", "0.25"], 90.0),
            (999, 12, ["0.006", "0.020", "0.12", "2.5"], 180.0),
            (1_000, 16, ["0.0001", "0.0006", "0.006", "0.34"], 180.0),
            (9_999, 16, ["0.001", "0.006", "0.061", "3.4"], 300.0),
            (10_000, 20, ["0.00002", "0.0002", "0.003", "0.45"], 300.0),
        ];
        for (nodes, limit, misses, period) in rows {
            assert_eq!(transmit_limit(4, nodes), limit);
            let n = f64::from(nodes);
            for (loss, want) in [0.0, 0.10, 0.25, 0.50].into_iter().zip(misses) {
                let unit = libm::pow(10.0, 2.0 - f64::from(u8::try_from(want.len()).unwrap()));
                let want: f64 = want.parse().unwrap();
                let got = expected_misses(n, limit, loss);
                // The table rounds 0.01749 up; hence a little more than half its last digit.
                assert!((got - want).abs() < 0.52 * unit, "N = {nodes}, {loss}: {got}, {want}");
            }
            assert!((push_pull_period(30.0, n) - period).abs() < 1e-9);
        }
        assert_eq!([0, 1, 9, 10].map(|n| transmit_limit(4, n)), [0, 4, 4, 8]);
        assert!((push_pull_period(30.0, 32.0) - 30.0).abs() < 1e-9);
        assert!((push_pull_period(30.0, 33.0) - 60.0).abs() < 1e-9);
    }

    /// The reference shuffles every ring anew, which the law ignores: a few hundredths of a second apart in median and
    /// mean, a third of a second at the 99th percentile.
    #[test]
    fn detection_table() {
        let rows = [
            (50.0, 6.80, 8.47, 8.75, 12.2),
            (100.0, 8.00, 9.68, 9.98, 13.3),
            (200.0, 9.20, 10.89, 11.19, 14.5),
            (1_000.0, 12.00, 13.69, 14.01, 17.6),
            (5_000.0, 14.80, 16.49, 16.81, 20.7),
            (10_000.0, 16.00, 17.68, 17.98, 21.6),
        ];
        for (nodes, suspicion, median, mean, p99) in rows {
            let floor = DetectionFloor { nodes, probe_interval: 1.0, suspicion_mult: 4.0 };
            assert_eq!(format!("{:.2}", floor.suspicion()), format!("{suspicion:.2}"));
            assert!((floor.time_of(0.5) - median).abs() < 0.025, "{nodes}");
            assert!((floor.mean() - mean).abs() < 0.05, "{nodes}");
            assert!((floor.time_of(0.99) - p99).abs() < 0.35, "{nodes}");
        }
        // Of two, the survivor's next probe is uniform within one interval.
        let pair = DetectionFloor { nodes: 2.0, probe_interval: 1.0, suspicion_mult: 4.0 };
        assert_eq!(
            format!("{:.3} {:.3}", pair.first_probe(0.5), pair.first_probe(0.9)),
            "0.500 0.900"
        );
        assert_eq!(format!("{:.3}", pair.mean()), "5.500");
        let alone = DetectionFloor { nodes: 0.0, ..pair };
        assert!(alone.time_of(0.5).is_finite() && alone.mean().is_finite());
    }
}
