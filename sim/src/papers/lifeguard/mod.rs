//! Lifeguard's five configurations against anomalies that come and go, and what they cost in latency.

mod interval;
mod load;
mod models;
mod threshold;

use super::PapersError;
use super::lab::Lab;
use super::sheet::Sheet;

/// A configuration: name, which parts are on, alpha, the suspicion multiplier, and K, the confirmations that make a
/// suspicion short.
#[derive(Clone, Copy, Debug)]
struct Configuration {
    name: &'static str,
    probe: bool,
    suspicion: bool,
    buddy: bool,
    alpha: u32,
    confirmations: u32,
}

const fn at_five(name: &'static str, probe: bool, suspicion: bool, buddy: bool) -> Configuration {
    Configuration { name, probe, suspicion, buddy, alpha: 5, confirmations: 3 }
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

/// The last of them as memberlist has it, whose K is alpha − 2.
const MEMBERLIST: Configuration =
    Configuration { confirmations: 0, name: "Lifeguard, alpha 2, K = 0", ..TUNED[1] };

impl Configuration {
    /// `--set` values.
    fn sets(&self) -> Vec<String> {
        let Self { probe, suspicion, buddy, alpha, confirmations, .. } = self;
        vec![
            format!("config.lifeguard.local_health={probe}"),
            format!("config.lifeguard.suspicion_shrink={suspicion}"),
            format!("config.lifeguard.buddy={buddy}"),
            format!("config.lifeguard.confirmations={confirmations}"),
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
        "Lifeguard is as the paper describes it, in three settings that memberlist has otherwise. The health score stretches the \
         whole period of a probe, the wait for the direct ack and the time to the next probe included \
         (`config.lifeguard.scaled_period`; memberlist stretches only the window, in which an indirect ack may come, and its \
         ticks go on). It does so up to nine times (`awareness_max_multiplier = 9`; memberlist's 8 stops at eight). And three \
         confirmations make a suspicion short at every alpha (`config.lifeguard.confirmations = 3`; memberlist waits for alpha − 2). \
         Relays answer with a nack after the whole probe timeout, as Debian's serf 0.8.2 does, \
         although the paper is said to answer after 80 % of it.",
    );
    sheet.say(
        "The paper does not say what became of what waited for a blocked member; two settings stand for that. Its socket holds \
         185 datagrams (`network.receive_buffer`: 416 KiB are what Linux grants by default to a program that asks for more, and it \
         counts 2,304 bytes for a frame). And each datagram or timer takes it 30 µs (`slow`), a figure that was chosen: it gives \
         LHA-Suspicion the published share, and the table of models below says what others give.",
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
