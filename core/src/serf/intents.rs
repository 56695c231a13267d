//! Join and leave intents about names that have no record yet: kept aside until the member appears, or for a while.
//!
//! Source: Serf, intents. "Newer" means a strictly greater Lamport time; of equal ones the first wins.

use std::collections::BTreeMap;

use crate::stats::{DropReason, Stats};
use crate::time::Instant;
use crate::trace::IntentKind;

/// Most names kept. Honest clusters hold a few; a flood of invented names must not eat the memory.
const INTENTS_MAX: usize = 16_384;

/// The newest intent about one name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Intent {
    pub(crate) kind: IntentKind,
    pub(crate) ltime: u64,
    at: Instant,
}

/// The buffer.
#[derive(Debug, Default)]
pub(crate) struct Intents(BTreeMap<Box<str>, Intent>);

impl Intents {
    /// Whether none is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The newest intent about `name`.
    pub(crate) fn get(&self, name: &str) -> Option<Intent> {
        self.0.get(name).copied()
    }

    /// Keeps an intent if it is newer than what is kept; false if it is old news or there is no room.
    pub(crate) fn upsert(
        &mut self,
        name: &str,
        kind: IntentKind,
        ltime: u64,
        now: Instant,
        stats: &mut Stats,
    ) -> bool {
        let intent = Intent { kind, ltime, at: now };
        if let Some(kept) = self.0.get_mut(name) {
            let newer = ltime > kept.ltime;
            if newer {
                *kept = intent;
            }
            return newer;
        }
        if self.0.len() >= INTENTS_MAX {
            stats.drop(DropReason::IntentsFull);
            return false;
        }
        self.0.insert(name.into(), intent);
        true
    }

    /// Forgets intents older than `age_max` nanoseconds.
    pub(crate) fn expire(&mut self, now: Instant, age_max: u64) {
        self.0.retain(|_, intent| now.nanos_since(intent.at) <= age_max);
    }

    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Intent)> {
        self.0.iter().map(|(name, intent)| (&**name, *intent))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn a_flood_of_names_is_bounded_and_counted() {
        let (mut intents, mut stats) = (Intents::default(), Stats::default());
        for number in 0..INTENTS_MAX + 3 {
            let name = format!("n{number}");
            let kept = intents.upsert(&name, IntentKind::Join, 1, at(0), &mut stats);
            assert_eq!(kept, number < INTENTS_MAX);
        }
        assert_eq!(stats.dropped(DropReason::IntentsFull), 3);
        assert!(intents.upsert("n0", IntentKind::Leave, 2, at(0), &mut stats), "known names go on");
    }

    /// One step of the naive model below: an intent, or time that passes.
    #[derive(Clone, Debug)]
    enum Step {
        Intent { name: u8, leave: bool, ltime: u64 },
        Expire,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..4_u8, any::<bool>(), 0..6_u64)
                .prop_map(|(name, leave, ltime)| Step::Intent { name, leave, ltime }),
            1 => Just(Step::Expire),
        ]
    }

    proptest! {
        /// Against the plainest model: a list of everything, the first of the greatest Lamport time counts.
        #[test]
        fn the_buffer_equals_a_list_of_everything(steps in prop::collection::vec(step(), 0..60)) {
            const AGE_MAX: u64 = 7;
            let (mut intents, mut stats) = (Intents::default(), Stats::default());
            let mut all: Vec<(String, IntentKind, u64, u64)> = Vec::new();
            for (now, step) in (0..).zip(steps) {
                match step {
                    Step::Intent { name, leave, ltime } => {
                        let name = name.to_string();
                        let kind = if leave { IntentKind::Leave } else { IntentKind::Join };
                        let best = all.iter().filter(|(known, ..)| *known == name).map(|i| i.2).max();
                        let new = best.is_none_or(|best| ltime > best);
                        prop_assert_eq!(intents.upsert(&name, kind, ltime, at(now), &mut stats), new);
                        if new {
                            all.retain(|(known, ..)| *known != name);
                            all.push((name, kind, ltime, now));
                        }
                    }
                    Step::Expire => {
                        intents.expire(at(now), AGE_MAX);
                        all.retain(|(.., kept_at)| now - kept_at <= AGE_MAX);
                    }
                }
                all.sort();
                let kept: Vec<_> = intents
                    .iter()
                    .map(|(name, intent)| (name.to_owned(), intent.kind, intent.ltime, intent.at.as_nanos()))
                    .collect();
                prop_assert_eq!(&kept, &all);
            }
        }
    }
}
