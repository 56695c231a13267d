//! Chance, from the system.

use std::time::Duration;

/// A number below `end`; 0 if that is 0.
pub(super) fn below(end: usize) -> usize {
    // Without chance the first one is as good as any.
    let drawn = getrandom::u64().unwrap_or(0);
    let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
    usize::try_from(drawn % end).unwrap_or(0)
}

/// A time below `end`, in milliseconds.
pub(super) fn time_below(end: Duration) -> Duration {
    let end = usize::try_from(end.as_millis()).unwrap_or(usize::MAX);
    Duration::from_millis(u64::try_from(below(end)).unwrap_or(0))
}

/// Up to `count` of `all`, each with the same probability.
pub(super) fn some_of<T>(all: &mut [T], count: usize) -> &[T] {
    let count = count.min(all.len());
    for place in 0..count {
        let other = place + below(all.len() - place);
        all.swap(place, other);
    }
    all.get(..count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_different_ones() {
        let mut all: Vec<usize> = (0..10).collect();
        let mut some = some_of(&mut all, 4).to_vec();
        some.sort_unstable();
        some.dedup();
        assert_eq!(some.len(), 4);
        assert_eq!(some_of(&mut all, 20).len(), 10);
        assert_eq!(below(0), 0);
        assert!(time_below(Duration::from_millis(5)) < Duration::from_millis(5));
    }
}
