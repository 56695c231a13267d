//! `detection`: once the world has been calm for the bound of detection, no live node takes a member that is away for alive
//! or suspect.
//!
//! Source: SWIM 4.3 (time-bounded completeness); Lifeguard for the longest suspicion. Checks V1. The bound is in
//! `limits.rs`. Unknown if nobody is away, or the run ends before.

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
        if self.judged == Some(since) {
            return;
        }
        let dead = stage.phase.dead_len();
        if dead == 0 || at < since.saturating_add(limits.detection(dead)) {
            return;
        }
        self.judged = Some(since);
        finding.exercise();
        if let Some(wrong) = views::first_unnoticed(stage) {
            finding.violate(at, || {
                let (observer, subject) = (stage.host(wrong.observer), stage.host(wrong.subject));
                format!("{observer} sees {subject} {}", wrong.what)
            });
        }
    }
}

impl super::Checker for Checker {
    fn name(&self) -> &'static str {
        "detection"
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
    use crate::fact::{End, Fact};

    #[test]
    fn a_crash_that_nobody_notices_is_found() {
        let mut stand = Stand::new("detection", 3);
        stand.stop(1);
        stand.hear(1, &Fact::Ended(End::Crashed));
        stand.wait(1_000_000_000);
        assert!(stand.is_unknown(), "not due yet");
        stand.wait(1_000_000_000_000);
        assert!(stand.fails_with("host1 sees host2 as Alive, although it is away"));
    }

    #[test]
    fn a_crash_that_is_noticed_is_right() {
        let mut stand =
            Stand::run("detection", "[[fault]]\nat = \"1s\"\ncrash = [\"host2\"]\n", 300);
        assert!(stand.passes());
    }
}
