//! A random order of `0..len` that takes 32 bytes: place by place, it is computed from a key.

use crate::rng::Rng;

/// Rounds of the network. Four would do for large digits (Luby and Rackoff). With small ones, two places in a row lead to
/// two members in a row about twice as often as by chance; every two further rounds make that surplus `side` times smaller.
const ROUNDS: u64 = 8;

/// A permutation of `0..len`.
///
/// A Feistel network over pairs of digits below `side`, the smallest number whose square reaches `len`. What falls
/// outside is put through again until it falls inside, which is rare: fewer than `2 * side` of the pairs are too many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Permutation {
    len: u64,
    side: u64,
    /// `None`: the order is `0, 1, 2` and so on.
    key: Option<u64>,
}

impl Permutation {
    /// The order that changes nothing.
    pub(super) fn identity(len: usize) -> Self {
        let len = len as u64;
        let root = len.isqrt();
        Self { len, side: root + u64::from(root * root < len), key: None }
    }

    /// An order drawn from `rng`: one draw.
    pub(super) fn new(len: usize, rng: &mut Rng) -> Self {
        Self { key: Some(rng.next_u64()), ..Self::identity(len) }
    }

    /// What stands at `place`; `None` beyond the end.
    pub(super) fn apply(&self, place: usize) -> Option<usize> {
        let mut value = place as u64;
        if value >= self.len {
            return None;
        }
        if let Some(key) = self.key {
            value = self.encrypt(value, key);
            while value >= self.len {
                value = self.encrypt(value, key);
            }
        }
        usize::try_from(value).ok()
    }

    fn encrypt(&self, value: u64, key: u64) -> u64 {
        let (mut left, mut right) = (value / self.side, value % self.side);
        for round in 0..ROUNDS {
            let other = (left + mix(key, right, round) % self.side) % self.side;
            (left, right) = (right, other);
        }
        left * self.side + right
    }
}

/// A number that depends on every bit of `key` and `digit` (the finisher of SplitMix64).
fn mix(key: u64, digit: u64, round: u64) -> u64 {
    let mut mixed = key ^ (digit << 3 | round).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_taken_once() {
        let mut rng = Rng::from_seed([7; 32]);
        for len in [1, 2, 3, 4, 5, 15, 16, 17, 99, 100, 101, 4_096, 10_000] {
            for order in [Permutation::identity(len), Permutation::new(len, &mut rng)] {
                let mut seen: Vec<_> = (0..len).filter_map(|place| order.apply(place)).collect();
                assert_eq!(order.apply(len), None);
                seen.sort_unstable();
                assert_eq!(seen, (0..len).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn who_comes_when_looks_like_chance() {
        let mut rng = Rng::from_seed([8; 32]);
        let (len, orders) = (100, 10_000);
        let mut counts = vec![0_u32; len * len];
        let mut neighbours = 0;
        for _ in 0..orders {
            let order = Permutation::new(len, &mut rng);
            let values: Vec<_> = (0..len).filter_map(|place| order.apply(place)).collect();
            for (place, value) in values.iter().enumerate() {
                counts[place * len + value] += 1;
            }
            neighbours += values.windows(2).filter(|pair| pair[0] + 1 == pair[1]).count();
        }
        // Chi-squared with 9,801 degrees of freedom: mean 9,801, standard deviation 140.
        let square = |count: &u32| (f64::from(*count) - 100.0).powi(2) / 100.0;
        let chi: f64 = counts.iter().map(square).sum();
        assert!((9_100.0..10_500.0).contains(&chi), "chi-squared {chi}");
        // One of 100 pairs of neighbours is in order on average: 0.99 in each order.
        assert!((9_400..10_400).contains(&neighbours), "{neighbours} pairs in order");
    }
}
