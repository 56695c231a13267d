//! Lifeguard's five configurations against anomalies that come and go, and what they cost in latency.

mod interval;
mod load;
mod models;
mod threshold;

use super::PapersError;
use super::lab::Lab;
use super::sheet::Sheet;

/// A configuration: name, which parts are on, and alpha, the suspicion multiplier.
#[derive(Clone, Copy, Debug)]
struct Configuration {
    name: &'static str,
    probe: bool,
    suspicion: bool,
    buddy: bool,
    alpha: u32,
}

const fn at_five(name: &'static str, probe: bool, suspicion: bool, buddy: bool) -> Configuration {
    Configuration { name, probe, suspicion, buddy, alpha: 5 }
}

/// The five of the paper, plain SWIM first and everything last.
const CONFIGURATIONS: [Configuration; 5] = [
    at_five("SWIM", false, false, false),
    at_five("LHA-Probe", true, false, false),
    at_five("LHA-Suspicion", false, true, false),
    at_five("Buddy System", false, false, true),
    at_five("Lifeguard", true, true, true),
];

/// Lifeguard with a shorter suspicion, as its tuning chart has it.
const TUNED: [Configuration; 2] = [
    Configuration { alpha: 4, name: "Lifeguard, alpha 4", ..CONFIGURATIONS[4] },
    Configuration { alpha: 2, name: "Lifeguard, alpha 2", ..CONFIGURATIONS[4] },
];

impl Configuration {
    /// `--set` values.
    fn sets(&self) -> Vec<String> {
        let Self { probe, suspicion, buddy, alpha, .. } = self;
        vec![
            format!("config.lifeguard.local_health={probe}"),
            format!("config.lifeguard.suspicion_shrink={suspicion}"),
            format!("config.lifeguard.buddy={buddy}"),
            format!("config.suspicion_mult={alpha}"),
        ]
    }
}

/// Who is blocked: `host1` to the last of `count`, as a value.
fn blocked(count: u32) -> String {
    format!("fault[0].block=[\"host1..host{count}\"]")
}

/// Who takes time for what it reads, as a value.
fn slow(count: u32) -> String {
    format!("fault[1].slow.nodes=[\"host1..host{count}\"]")
}

/// Runs everything.
pub(super) fn reproduce(lab: &Lab<'_>) -> Result<Sheet, PapersError> {
    let mut sheet = Sheet::new("lifeguard", "Lifeguard (Dadgar, Phillips, Currey 2018), again");
    sheet.say(
        "128 members; C of them are blocked together: their sends and receives wait until the anomaly ends, their timers go on. \
         SWIM and the parts of Lifeguard are switches of one core (`config.lifeguard`), alpha = 5, beta = 6. As in memberlist, \
         each of the loops that probe, gossip and exchange states gets stuck in its next send (`stuck = true`), so that a \
         blocked member accuses one member per anomaly, and not one per second.",
    );
    sheet.say(
        "Two settings besides. The probe window grows to nine times its length, as in the paper's text \
         (`awareness_max_multiplier = 9`; memberlist's 8 stops at eight times). And anomalous members need 0.1 ms for each \
         datagram or timer (`slow`): Debian's serf 0.8.2 was measured to spend 50 to 140 µs of processor time on a datagram, be \
         it a ping or eight updates in one, when it finds 200 of them in its socket. Without this a member reads a backlog of \
         any length in no time. Not changed: relays answer with a nack after the whole probe timeout, \
         as that serf does (0.502 to 0.509 s in the LAN profile, 0.201 to 0.207 s in the local one), although the paper is said \
         to answer after 80 % of it.",
    );
    interval::section(lab, &mut sheet)?;
    threshold::section(lab, &mut sheet)?;
    Ok(sheet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::papers::Effort;
    use crate::papers::lab::{File, scenario_file};

    /// Healthy members that the first of 30 declares failed while it is blocked for 20 s.
    fn declared(stuck: bool) -> usize {
        const FILE: File = scenario_file!("lifeguard.toml");
        let lab = Lab::new(Effort::Tiny, 1, &|_| ()).expect("a thread");
        let mut sets = CONFIGURATIONS[0].sets();
        sets.extend([blocked(1), slow(1), "fault[1].until=39s".into()]);
        for set in ["nodes=30", "duration=40s", "fault[0].until=39s", "fault[0].cycle.off=90s"] {
            sets.push(set.into());
        }
        sets.push("fault[0].cycle.on=20s".into());
        sets.push(format!("fault[0].stuck={stuck}"));
        let runs = lab.count(FILE, &sets, 1).expect("a scenario");
        let events = runs.iter().flat_map(|run| &run.tally.false_events);
        events.filter(|it| it.observer == 0 && it.at < 25_000_000_000).count()
    }

    #[test]
    fn a_loop_that_is_stuck_accuses_one_member_and_a_free_one_many() {
        assert!(declared(true) <= 1, "{}", declared(true));
        assert!(declared(false) >= 8, "{}", declared(false));
    }
}
