//! Local health score (Lifeguard, LHA-Probe): how much this node distrusts its own timing.

/// Score 0 is healthy; the probe window is multiplied by score + 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awareness {
    score: u32,
    limit: u32,
}

impl Awareness {
    /// A healthy node whose score stays below `limit`.
    pub(crate) fn new(limit: u32) -> Self {
        Self { score: 0, limit }
    }

    /// The current score.
    pub(crate) fn score(self) -> u32 {
        self.score
    }

    /// Adds `delta`, clamped to `0..limit`. Returns whether the score changed.
    pub(crate) fn apply(&mut self, delta: i64) -> bool {
        let raised = (i64::from(self.score) + delta).clamp(0, i64::from(self.limit) - 1);
        let score = u32::try_from(raised).expect("clamped to the range of a u32");
        let changed = score != self.score;
        self.score = score;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_stays_between_zero_and_the_limit() {
        let mut health = Awareness::new(8);
        assert!(!health.apply(-1));
        assert!(health.apply(100));
        assert_eq!(health.score(), 7);
        assert!(!health.apply(1));
        assert!(health.apply(-3));
        assert_eq!(health.score(), 4);
    }
}
