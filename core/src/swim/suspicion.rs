//! Suspicion timers: long at first, shorter with every independent confirmation (Lifeguard, LHA-Suspicion).

use smallvec::SmallVec;

use crate::config::Config;
use crate::math::{shrunk_suspicion, suspicion_timeout};
use crate::time::{Instant, duration_nanos};

/// One running suspicion.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    start: Instant,
    min: u64,
    max: u64,
    confirmations_max: u32,
    confirmations: u32,
    /// Hashes of the accusers' names: the names themselves may be unknown here.
    accusers: SmallVec<[u64; 4]>,
    deadline: Instant,
}

impl Suspicion {
    /// A suspicion first raised by the accuser with this name hash, in a table of `n` members.
    pub(crate) fn new(config: &Config, n: usize, accuser: u64, now: Instant) -> Self {
        let min =
            suspicion_timeout(config.suspicion_mult, n, duration_nanos(config.probe_interval));
        let wanted =
            config.lifeguard.confirmations.unwrap_or(config.suspicion_mult.saturating_sub(2));
        // With fewer other members than confirmations wanted, waiting for them is pointless.
        let reachable = n as u64 >= u64::from(wanted) + 2;
        let shrinks = config.lifeguard.suspicion_shrink && reachable;
        let confirmations_max = if shrinks { wanted } else { 0 };
        let max = min.saturating_mul(u64::from(config.suspicion_max_timeout_mult));
        let timeout = if confirmations_max == 0 { min } else { max };
        Self {
            start: now,
            min,
            max,
            confirmations_max,
            confirmations: 0,
            accusers: SmallVec::from_slice(&[accuser]),
            deadline: now.plus_nanos(timeout),
        }
    }

    /// When the suspect is declared dead.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Independent confirmations so far, and how many bring the timer to its minimum.
    pub(crate) fn confirmations(&self) -> (u32, u32) {
        (self.confirmations, self.confirmations_max)
    }

    /// Shortest and longest timeout in nanoseconds.
    #[cfg(test)]
    pub(crate) fn bounds(&self) -> (u64, u64) {
        (self.min, self.max)
    }

    /// Counts a further accuser. Returns whether it is new and still matters; the deadline may have moved forward,
    /// even into the past.
    pub(crate) fn confirm(&mut self, accuser: u64) -> bool {
        if self.confirmations >= self.confirmations_max || self.accusers.contains(&accuser) {
            return false;
        }
        self.accusers.push(accuser);
        self.confirmations += 1;
        let timeout =
            shrunk_suspicion(self.min, self.max, self.confirmations, self.confirmations_max);
        self.deadline = self.start.plus_nanos(timeout);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;
    use crate::time::SECOND;

    fn suspicion(n: usize) -> Suspicion {
        let config = Options::lan().validate().expect("a preset");
        Suspicion::new(&config, n, 1, Instant::ZERO)
    }

    fn seconds(suspicion: &Suspicion) -> u64 {
        suspicion.deadline().as_nanos() / SECOND
    }

    #[test]
    fn tiny_clusters_do_not_wait_for_confirmations() {
        assert_eq!(seconds(&suspicion(3)), 4);
        assert_eq!(suspicion(3).confirmations(), (0, 0));
        assert_eq!(suspicion(4).confirmations(), (0, 2));
    }

    #[test]
    fn only_new_accusers_count() {
        let mut suspicion = suspicion(10);
        assert_eq!(seconds(&suspicion), 24);
        assert!(!suspicion.confirm(1), "the first accuser is counted already");
        assert!(suspicion.confirm(2));
        assert_eq!(seconds(&suspicion), 11);
        assert!(suspicion.confirm(3));
        assert_eq!(seconds(&suspicion), 4);
        assert!(!suspicion.confirm(4), "enough confirmations");
    }

    #[test]
    fn the_number_of_confirmations_can_be_set_apart_from_the_multiplier() {
        let mut options = Options { suspicion_mult: 2, ..Options::lan() };
        options.lifeguard.confirmations = Some(3);
        let config = options.validate().expect("valid");
        let mut suspicion = Suspicion::new(&config, 10, 1, Instant::ZERO);
        assert_eq!((seconds(&suspicion), suspicion.confirmations()), (12, (0, 3)));
        assert!((2..=4).all(|accuser| suspicion.confirm(accuser)));
        assert_eq!(seconds(&suspicion), 2);
    }

    #[test]
    fn without_the_shrinking_part_the_timeout_is_fixed() {
        let mut options = Options::lan();
        options.lifeguard.suspicion_shrink = false;
        let config = options.validate().expect("valid");
        let mut suspicion = Suspicion::new(&config, 100, 1, Instant::ZERO);
        assert_eq!(seconds(&suspicion), 8);
        assert!(!suspicion.confirm(2));
    }
}
