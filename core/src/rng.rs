//! Seeded randomness: the only ways the core may draw.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// A node's own random stream. Equal seeds give equal draws on every machine.
#[derive(Clone, Debug)]
pub struct Rng(ChaCha8Rng);

impl Rng {
    /// The stream that `seed` fixes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha8Rng::from_seed(seed))
    }

    /// Stream number `stream` of the generator keyed by `seed`; streams never overlap.
    #[must_use]
    pub fn from_seed_stream(seed: [u8; 32], stream: u64) -> Self {
        let mut rng = ChaCha8Rng::from_seed(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// A uniform 64-bit number.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A uniform 32-bit number.
    pub fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    /// A uniform number in `0..bound`; `bound` must not be zero.
    ///
    /// Multiply-shift with 64 random bits: the bias is below `bound / 2^64`.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "a draw needs a non-empty range");
        // The high half of a 128-bit product of two u64 always fits.
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A uniform index of a collection with `len` elements; `len` must not be zero.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("an index below a usize fits")
    }

    /// True with probability `millionths / 1,000,000`.
    pub fn chance(&mut self, millionths: u32) -> bool {
        millionths > 0 && self.below(1_000_000) < u64::from(millionths)
    }

    /// A uniform number of nanoseconds in `1..=interval`; 0 for an interval of 0.
    pub fn stagger(&mut self, interval: u64) -> u64 {
        if interval == 0 { 0 } else { self.below(interval) + 1 }
    }

    /// A uniform number in `-0.5..0.5`: a multiple of 2^-53.
    pub fn centered(&mut self) -> f64 {
        const STEP: f64 = 1.0 / 9_007_199_254_740_992.0;
        (self.next_u64() >> 11) as f64 * STEP - 0.5
    }

    /// Puts `items` into uniformly random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.index(last + 1);
            items.swap(last, other);
        }
    }

    /// Fills `bytes` with random bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_draws() {
        let draw = |seed| {
            let mut rng = Rng::from_seed([seed; 32]);
            [rng.next_u64(), rng.below(10), rng.stagger(1_000)]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn streams_of_one_seed_differ() {
        let first = Rng::from_seed_stream([1; 32], 0).next_u64();
        let second = Rng::from_seed_stream([1; 32], 1).next_u64();
        assert_ne!(first, second);
    }

    #[test]
    fn draws_stay_in_range_and_reach_both_ends() {
        let mut rng = Rng::from_seed([3; 32]);
        let mut seen = [false; 3];
        for _ in 0..200 {
            seen[rng.index(3)] = true;
            assert!((1..=5).contains(&rng.stagger(5)));
        }
        assert_eq!(seen, [true; 3]);
        assert_eq!(rng.stagger(0), 0);
    }

    #[test]
    fn centered_draws_fill_their_range() {
        let mut rng = Rng::from_seed([5; 32]);
        let draws: Vec<f64> = (0..1_000).map(|_| rng.centered()).collect();
        assert!(draws.iter().all(|draw| (-0.5..0.5).contains(draw)));
        assert!(draws.iter().any(|draw| *draw < -0.45) && draws.iter().any(|draw| *draw > 0.45));
    }

    #[test]
    fn chance_of_zero_and_of_one_are_certain() {
        let mut rng = Rng::from_seed([4; 32]);
        assert!((0..100).all(|_| !rng.chance(0)));
        assert!((0..100).all(|_| rng.chance(1_000_000)));
    }
}
