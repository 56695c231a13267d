//! `convergence`: once the world has been calm for the bound of convergence, every live node sees every live node that it
//! can find as alive, with the incarnation, tags and address that it has, and those who are away as failed or left: as left
//! those who left in good order.
//!
//! Source: SWIM 4.2 (suspicion is refuted); memberlist, push/pull; Serf, reconnect and left members. Checks V3, V4 and what
//! all come to know of S7. Excused: members that cannot find each other because neither they nor any go-between has kept a
//! record of the other, as after a partition longer than `reconnect_timeout`; members that somebody had pruned; the status
//! leaving of a member that lives, if its own record has the Lamport time of that leave, so that it does not refute it; the
//! status failed of a member that left, at an observer that has the Lamport time of the leave, or if nobody whom the observer
//! can find holds the leave.
//! Unknown in a scenario that is never calm for long enough.

use super::{Finding, Kind, Stage, views};
use crate::fact::{Fact, Moment};
use crate::scenario::Nanos;

/// The calm that was judged last.
#[derive(Debug, Default)]
pub(super) struct Checker {
    judged: Option<Nanos>,
}

impl Checker {
    fn judge(&mut self, at: Nanos, stage: Stage<'_>, finding: &mut Finding) {
        let Some((since, limits)) = stage.phase.calm() else { return };
        if self.judged == Some(since) || stage.phase.is_untouched() {
            return;
        }
        let dead = stage.phase.dead_len();
        if at < since.saturating_add(limits.convergence(dead)) {
            return;
        }
        self.judged = Some(since);
        finding.exercise();
        if let Some(wrong) = views::first_difference(stage) {
            finding.violate(at, || {
                let (observer, subject) = (stage.host(wrong.observer), stage.host(wrong.subject));
                format!("{observer} sees {subject} {}", wrong.what)
            });
        }
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "convergence"
    }

    fn hears(&self) -> &'static [Kind] {
        &[Kind::Input]
    }

    fn hear(&mut self, moment: Moment, fact: &Fact<'_>, stage: Stage<'_>, finding: &mut Finding) {
        if let Fact::Input(_) = fact {
            self.judge(moment.at, stage, finding);
        }
    }

    fn finish(&mut self, at: Nanos, stage: Stage<'_>, finding: &mut Finding) {
        // What held at the bound must still hold.
        self.judged = None;
        self.judge(at, stage, finding);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Stand;
    use crate::fact::{Arrived, End, Fact};

    #[test]
    fn a_view_that_stays_wrong_is_found() {
        let mut stand = Stand::new("convergence", 3);
        stand.stop(1);
        stand.hear(1, &Fact::Ended(End::Crashed));
        stand.wait(2_000_000_000);
        stand.hear(0, &Fact::Input(Arrived::Timeout));
        stand.wait(2_000_000_000_000);
        assert!(stand.fails_with("host1 sees host2 as alive, although it is away"));
    }

    #[test]
    fn a_leave_that_its_member_could_have_refuted_is_found() {
        let mut stand = Stand::new("convergence", 3);
        stand.force_leave(0, 1);
        stand.stop(2);
        stand.hear(2, &Fact::Ended(End::Crashed));
        stand.wait(2_000_000_000);
        stand.hear(0, &Fact::Input(Arrived::Timeout));
        stand.wait(2_000_000_000_000);
        assert!(stand.fails_with("host1 sees host2 as leaving, although it lives"));
    }

    #[test]
    fn a_leave_that_its_member_has_taken_for_a_join_is_excused() {
        let work = "[[work]]\nat = \"10s\"\nforce_leave = \"host2\"\nfrom = \"host1\"\n";
        let fault = "[[fault]]\nat = \"9s\"\nfor = \"90s\"\ncut = { to = [\"host2\"], transport = \"udp\" }\n";
        let mut stand = Stand::run("convergence", &format!("{work}{fault}"), 400);
        assert!(stand.passes());
    }

    /// Somebody leaves while the hosts are divided.
    fn leave_unheard(who: &str, sides: &str) -> String {
        let fault = format!("[[fault]]\nat = \"1s\"\nfor = \"80s\"\npartition = [{sides}]\n");
        let work = format!("[[work]]\nat = \"5s\"\nleave = [\"{who}\"]\nexit_after = \"70s\"\n");
        format!("{fault}{work}")
    }

    #[test]
    fn a_leave_that_nobody_could_hear_is_excused() {
        let rest = leave_unheard("host2", "[\"host2\"], [\"host1\", \"host3\"]");
        assert!(Stand::run("convergence", &rest, 500).passes());
    }

    #[test]
    fn a_leave_that_somebody_holds_reaches_everybody() {
        let rest = leave_unheard("host1", "[\"host1\", \"host2\"], [\"host3\"]");
        assert!(Stand::run("convergence", &rest, 500).passes());
        // The same views, in a world in which they stay.
        let mut stand = Stand::after("convergence", &rest, (74, 500));
        stand.leave(0);
        stand.wait(2_000_000_000);
        stand.hear(1, &Fact::Input(Arrived::Timeout));
        stand.wait(2_000_000_000_000);
        assert!(stand.fails_with("host3 sees host1 as failed, although it left"));
    }

    #[test]
    fn a_failure_of_which_nobody_holds_the_leave_may_stay() {
        let rest = leave_unheard("host2", "[\"host2\"], [\"host1\", \"host3\"]");
        let mut stand = Stand::after("convergence", &rest, (74, 500));
        stand.leave(1);
        stand.wait(2_000_000_000);
        stand.hear(0, &Fact::Input(Arrived::Timeout));
        stand.wait(2_000_000_000_000);
        assert!(stand.passes());
    }

    #[test]
    fn a_cluster_that_heals_is_right() {
        let fault = "[[fault]]\nat = \"1s\"\nfor = \"40s\"\npartition = [[\"host1\"], [\"host2\", \"host3\"]]\n";
        let mut stand = Stand::run("convergence", fault, 400);
        assert!(stand.passes());
    }
}
