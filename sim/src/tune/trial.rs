//! One setting under test: the scenario that puts the wishes to it, and what its runs showed.

use std::collections::BTreeSet;

use serde::Serialize;

use super::bounds::{binomial_upper, poisson_upper};
use super::space::Setting;
use super::wish::CRASHES_PER_MILLE;
use super::{Ask, Want};
use crate::outcome::{Quantiles, count, seconds};
use crate::scenario::{Nanos, format_duration, normal_quantile};
use crate::sweep::Figures;

/// Crashes of one run.
const CRASHES: u32 = 5;
/// Start of the first crash; what comes before is the quiet that every cluster starts with here.
const START: Nanos = 10_000_000_000;
/// How long an event comes before a crash.
const LEAD: Nanos = 3_000_000_000;
/// How long a crash is looked at if no wish says it.
const HORIZON: Nanos = 20_000_000_000;
const SECOND: Nanos = 1_000_000_000;
/// What a wish that nothing ever met counts, in wishes.
const NEVER: f64 = 10.0;
/// The 99th percentile of the standard normal distribution.
const Z99: f64 = 2.326_347_874_040_841;

/// What the runs of one setting showed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Trial {
    /// Runs.
    pub runs: usize,
    /// Seconds until each crash was known to every living node.
    #[serde(skip)]
    pub detected: Vec<Option<f64>>,
    /// Seconds until half, 95 %, 99 % and all nodes had each event.
    #[serde(skip)]
    pub events: [Vec<Option<f64>>; 4],
    /// Mean bytes per node and second of each run.
    #[serde(skip)]
    pub bytes: Vec<f64>,
    /// Living nodes declared failed, all runs together.
    pub false_failed: usize,
    /// Nodes times seconds, all runs together.
    pub node_seconds: f64,
}

/// How a wish fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Met, with 95 % confidence where chance plays a part.
    Met,
    /// The runs met it, and there are too few of them to be sure.
    Unproven,
    /// Missed.
    Missed,
}

/// One wish and how it fared.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The wish in words.
    pub wish: String,
    /// How it fared.
    pub standing: Standing,
    /// What was measured, in words.
    pub measured: String,
}

impl Trial {
    /// Adds one run.
    pub fn add(&mut self, figures: &Figures) {
        self.runs += 1;
        self.detected.extend(figures.departures.iter().map(|gone| gone.t100));
        for event in &figures.events {
            for (samples, time) in
                self.events.iter_mut().zip([event.t50, event.t95, event.t99, event.t100])
            {
                samples.push(time);
            }
        }
        self.bytes.extend(figures.bytes_per_node_second);
        self.false_failed += figures.false_failed;
        self.node_seconds += count(figures.nodes) * figures.duration_s;
    }

    /// 95th percentile of the detection times, in seconds; `None`: not so many crashes were known to everybody.
    #[must_use]
    pub fn detect_p95(&self) -> Option<f64> {
        percentile(&self.detected)
    }

    /// Mean bytes per node and second.
    #[must_use]
    pub fn bytes_mean(&self) -> f64 {
        self.bytes.iter().sum::<f64>() / count(self.bytes.len().max(1))
    }

    /// Living nodes declared failed, per node and week.
    #[must_use]
    pub fn false_failures_per_node_week(&self) -> f64 {
        WEEK * count(self.false_failed) / self.node_seconds.max(f64::MIN_POSITIVE)
    }

    /// How far the runs are from the wishes, in wishes; 0: all met, as far as these runs tell.
    #[must_use]
    pub fn distance(&self, ask: &Ask) -> f64 {
        let over = |ratio: f64| (ratio - 1.0).clamp(0.0, NEVER);
        let time = |samples: &[Option<f64>], within: Nanos| {
            // A little room: what is met by a hair here is missed by a hair with other seeds.
            percentile(samples).map_or(NEVER, |time| over(1.03 * time / seconds(within)))
        };
        let distance = |want: &Want| match want {
            Want::Detect(within) => time(&self.detected, *within),
            Want::FalseFailures { rate, .. } => {
                over(count(self.false_failed) / (self.node_seconds * rate).max(f64::MIN_POSITIVE))
            }
            Want::Bytes { rate, .. } => over(self.bytes_mean() / rate),
            Want::Event { share_ppm, within } => time(&self.events[milestone(*share_ppm)], *within),
        };
        ask.wants.iter().map(distance).sum()
    }

    /// How each wish fared.
    #[must_use]
    pub fn answers(&self, ask: &Ask) -> Vec<Answer> {
        ask.wants
            .iter()
            .map(|want| {
                let (standing, measured) = self.answer(want);
                Answer { wish: want.words(), standing, measured }
            })
            .collect()
    }

    fn answer(&self, want: &Want) -> (Standing, String) {
        match want {
            Want::Detect(within) => in_time(&self.detected, *within, "crashes"),
            Want::Event { share_ppm, within } => {
                in_time(&self.events[milestone(*share_ppm)], *within, "events")
            }
            Want::Bytes { rate, .. } => {
                let most = self.bytes.iter().copied().fold(0.0, f64::max);
                let standing =
                    if self.bytes_mean() <= *rate { Standing::Met } else { Standing::Missed };
                (
                    standing,
                    format!("mean {:.0} B/s, at most {most:.0} B/s in one run", self.bytes_mean()),
                )
            }
            Want::FalseFailures { rate, .. } => {
                let upper =
                    poisson_upper(self.false_failed) / self.node_seconds.max(f64::MIN_POSITIVE);
                let seen = count(self.false_failed) / self.node_seconds.max(f64::MIN_POSITIVE);
                let standing = if upper <= *rate {
                    Standing::Met
                } else if seen <= *rate {
                    Standing::Unproven
                } else {
                    Standing::Missed
                };
                let words = format!(
                    "{} in {:.2} node-weeks; with 95 % confidence at most {:.2} per node-week",
                    self.false_failed,
                    self.node_seconds / WEEK,
                    upper * WEEK
                );
                (standing, words)
            }
        }
    }
}

/// Seconds in a week.
pub const WEEK: f64 = 604_800.0;

/// Which of the four times of an event a share is.
const fn milestone(share_ppm: u32) -> usize {
    match share_ppm {
        0..=500_000 => 0,
        500_001..=950_000 => 1,
        950_001..=990_000 => 2,
        _ => 3,
    }
}

/// The time within which so many of the samples are, by nearest rank.
fn percentile(samples: &[Option<f64>]) -> Option<f64> {
    let mut known: Vec<f64> = samples.iter().flatten().copied().collect();
    known.sort_by(f64::total_cmp);
    let rank = (samples.len() * CRASHES_PER_MILLE as usize).div_ceil(1_000).max(1);
    known.get(rank - 1).copied()
}

fn in_time(samples: &[Option<f64>], within: Nanos, what: &str) -> (Standing, String) {
    let late = samples.iter().filter(|time| time.is_none_or(|time| time > seconds(within))).count();
    let allowed = 1.0 - f64::from(CRASHES_PER_MILLE) / 1_000.0;
    let upper = binomial_upper(late, samples.len());
    let standing = if samples.is_empty() || count(late) > allowed * count(samples.len()) {
        Standing::Missed
    } else if upper <= allowed {
        Standing::Met
    } else {
        Standing::Unproven
    };
    let it = Quantiles::of(samples.iter().copied());
    let time = |value: Option<f64>| value.map_or_else(|| "never".into(), |it| format!("{it:.2} s"));
    let words = format!(
        "{late} of {} {what} late (with 95 % confidence at most {:.1} %); median {}, p90 {}, slowest {}",
        samples.len(),
        100.0 * upper,
        time(it.median),
        time(it.p90),
        time(it.max)
    );
    (standing, words)
}

/// The nodes that crash, spread over the cluster.
fn victims(nodes: u32) -> Vec<u32> {
    let crashes = CRASHES.min(nodes / 3).max(1);
    let chosen: BTreeSet<u32> =
        (1..=crashes).map(|index| (index * nodes / (crashes + 2)).max(2).min(nodes)).collect();
    chosen.into_iter().collect()
}

/// Up to when a crash is looked at.
fn horizon(ask: &Ask) -> Nanos {
    let wish = ask.wants.iter().find_map(|want| match want {
        Want::Detect(within) => Some(*within),
        Want::FalseFailures { .. } | Want::Bytes { .. } | Want::Event { .. } => None,
    });
    wish.unwrap_or(HORIZON).max(SECOND)
}

/// The scenario that puts the wishes to a setting; `seeds` as a scenario file writes them.
#[must_use]
pub fn scenario(ask: &Ask, setting: &Setting, seeds: &str) -> String {
    let victims = victims(ask.nodes);
    let (wait, spacing) = (2 * horizon(ask), (horizon(ask) * 6 / 5).max(LEAD));
    let crash_at = |index: usize| START + spacing * index as u64;
    let end = (crash_at(victims.len() - 1) + wait).div_ceil(5 * SECOND) * 5 * SECOND;
    let (median, p99) = (format_duration(ask.latency.0), format_duration(ask.latency.1));
    let mut text = format!(
        "title = \"Tuned: {} nodes, {} % loss\"\ndescription = \"\"\"\nWritten by sim tune. The wishes are the \
         expectations below; one on bytes is in the summary of sim run.\n\"\"\"\n\nnodes = {}\nseeds = \"{seeds}\"\n\
         duration = \"{}\"\nstart = \"warm\"\nnetwork = {{ latency = {{ median = \"{median}\", p99 = \"{p99}\" }}, loss = \
         {} }}\n{}\n",
        ask.nodes,
        100.0 * ask.loss,
        ask.nodes,
        format_duration(end),
        ask.loss,
        setting.toml()
    );
    let events = ask.wants.iter().any(|want| matches!(want, Want::Event { .. }));
    for (index, victim) in victims.iter().enumerate() {
        let at = crash_at(index);
        if events {
            text.push_str(&format!(
                "\n[[work]]\nat = \"{}\"\nevent = \"deploy\"\n",
                format_duration(at - LEAD)
            ));
        }
        text.push_str(&format!(
            "\n[[fault]]\nat = \"{}\"\ncrash = [\"host{victim}\"]\n",
            format_duration(at)
        ));
    }
    text.push_str(&pauses(ask, &victims));
    text.push_str(&expectations(ask, &victims, seconds(end)));
    text
}

/// One cycle of pauses per paused node, its length a quantile of the distribution of lengths.
fn pauses(ask: &Ask, victims: &[u32]) -> String {
    let Some(pauses) = &ask.pauses else { return String::new() };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most the nodes"
    )]
    let wanted = libm::ceil(pauses.share * f64::from(ask.nodes)) as u32;
    let paused: Vec<u32> = (1..=ask.nodes)
        .rev()
        .filter(|node| !victims.contains(node))
        .take(wanted as usize)
        .collect();
    let sigma = libm::log(seconds(pauses.p99) / seconds(pauses.on)) / Z99;
    let mut text = String::new();
    for (index, node) in paused.iter().enumerate() {
        let share = (count(index) + 0.5) / count(paused.len());
        let length = seconds(pauses.on) * libm::exp(sigma * normal_quantile(share));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days at most")]
        let on = ((libm::round(length * 1e3) as u64) * 1_000_000).max(1_000_000);
        // Not all at once: each starts somewhere in the first gap.
        let at = pauses.off / paused.len() as u64 * index as u64;
        text.push_str(&format!(
            "\n[[fault]]\nat = \"{}\"\npause = [\"host{node}\"]\ncycle = {{ on = \"{}\", off = \"{}\" }}\n",
            format_duration(at),
            format_duration(on),
            format_duration(pauses.off)
        ));
    }
    text
}

fn expectations(ask: &Ask, victims: &[u32], duration_s: f64) -> String {
    let mut text = String::new();
    let few = "seeds_share = 0.9\nreason = \"95 of 100 by the wish; so few seeds cannot tell 95 from 90.\"\n";
    for want in &ask.wants {
        match want {
            Want::Detect(within) => {
                for victim in victims {
                    text.push_str(&format!(
                        "\n[[expect]]\ndetected = {{ node = \"host{victim}\", within = \"{}\" }}\n{few}",
                        format_duration(*within)
                    ));
                }
            }
            Want::Event { share_ppm, within } => text.push_str(&format!(
                "\n[[expect]]\nevent_coverage = {{ event = \"deploy\", share = {}, events = 0.8, within = \"{}\" }}\n{few}",
                f64::from(*share_ppm) / 1e6,
                format_duration(*within)
            )),
            Want::FalseFailures { rate, text: written } => {
                let share = libm::exp(-rate * f64::from(ask.nodes) * duration_s);
                let share = libm::floor(share * 100.0) / 100.0;
                text.push_str(&format!(
                    "\n[[expect]]\nno_false_failures = true\nseeds_share = {share}\nreason = \"At {written} one in this \
                     many runs may see one.\"\n"
                ));
            }
            Want::Bytes { .. } => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scenario::parse;

    fn ask(wants: &[&str]) -> Ask {
        Ask {
            nodes: 50,
            loss: 0.1,
            latency: (500_000, 3_000_000),
            pauses: Some("share=0.1,on=300ms,p99=2s,off=5s".parse().unwrap()),
            wants: wants.iter().map(|want| want.parse().unwrap()).collect(),
            seeds: (1..=10).collect(),
            budget: 10,
        }
    }

    #[test]
    fn the_scenario_it_writes_is_one() {
        let ask =
            ask(&["detect=5s", "false-failures=1/node-week", "bytes=20kB/s", "t95=1s", "t100=3s"]);
        let text = scenario(&ask, &Setting::LOCAL, "1..30");
        let scenario =
            parse(&text, Path::new("tuned.toml"), &[]).unwrap_or_else(|it| panic!("{it}\n{text}"));
        assert_eq!(scenario.seeds.len(), 30);
        assert_eq!(scenario.expects.len(), 5 + 1 + 2);
        assert_eq!(scenario.faults.len(), 5 + 5, "five crashes, five that pause");
        assert_eq!(scenario.config.suspicion_mult, 3);
    }

    #[test]
    fn rates_that_cannot_be_measured_are_not_claimed() {
        let ask = ask(&["detect=5s", "false-failures=1/node-week"]);
        let mut trial = Trial {
            runs: 1,
            detected: vec![Some(3.0); 5],
            node_seconds: 1_000.0 * 60.0,
            ..Trial::default()
        };
        let standings =
            |trial: &Trial| trial.answers(&ask).iter().map(|it| it.standing).collect::<Vec<_>>();
        assert_eq!(standings(&trial), [Standing::Unproven; 2], "nothing seen is no proof");
        trial.detected = vec![Some(3.0); 60];
        trial.node_seconds = 3.1 * WEEK;
        assert_eq!(standings(&trial), [Standing::Met; 2]);
        trial.detected[..4].fill(None);
        trial.false_failed = 4;
        assert_eq!(standings(&trial), [Standing::Missed; 2]);
        assert!(trial.distance(&ask) > 1.0);
    }
}
