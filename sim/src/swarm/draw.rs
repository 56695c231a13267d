//! Random draws, each purpose from a stream of its own: what one purpose draws never shifts another.

use uwasa_core::rng::Rng;

use crate::scenario::Nanos;

pub(super) const SECOND: Nanos = 1_000_000_000;
/// Times are whole multiples of this, so that people can read them.
const GRAIN: Nanos = 10_000_000;

/// The streams of one seed.
#[derive(Debug)]
pub(super) struct Draws([u8; 32]);

impl Draws {
    pub(super) fn new(seed: u64) -> Self {
        let mut key = *b"........ uwasa random scenario 1";
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self(key)
    }

    /// The stream of one purpose, by its number.
    pub(super) fn of(&self, purpose: u64) -> Dice {
        Dice(Rng::from_seed_stream(self.0, purpose))
    }
}

/// One stream.
#[derive(Debug)]
pub(super) struct Dice(Rng);

impl Dice {
    /// True in so many of a hundred cases.
    pub(super) fn percent(&mut self, chance: u32) -> bool {
        self.0.chance(chance.saturating_mul(10_000))
    }

    /// A whole number in `low..=high`.
    pub(super) fn number(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.below(high.saturating_sub(low) + 1)
    }

    /// A number in `low..=high`, small ones more often: the lesser of two draws.
    pub(super) fn small(&mut self, low: u64, high: u64) -> u64 {
        self.number(low, high).min(self.number(low, high))
    }

    /// A time in `low..=high`, on the grain.
    pub(super) fn time(&mut self, low: Nanos, high: Nanos) -> Nanos {
        self.number(low.div_ceil(GRAIN), (high / GRAIN).max(low.div_ceil(GRAIN))) * GRAIN
    }

    /// One of these.
    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.index(of.len())]
    }

    /// One of these, by weight.
    pub(super) fn weighted<T: Copy>(&mut self, of: &[(u64, T)]) -> T {
        let mut rest = self.0.below(of.iter().map(|(weight, _)| weight).sum());
        for (weight, what) in of {
            if rest < *weight {
                return *what;
            }
            rest -= weight;
        }
        of[of.len() - 1].1
    }

    /// So many of the indexes below `len`, or all of them, ascending.
    pub(super) fn some(&mut self, len: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..len).collect();
        self.0.shuffle(&mut all);
        all.truncate(count);
        all.sort_unstable();
        all
    }

    /// So many random bytes.
    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes);
        bytes
    }
}
