//! What degradations do to single packets: bursts of loss, damage, replay. It is kept per sender.
//!
//! Each purpose draws from a stream of its own for each sender, and draws nothing while it is off.

use std::mem;

use uwasa_core::rng::Rng;

use crate::scenario::{Burst, Nanos, NodeIndex};
use crate::topology::Hazards;

/// Numbers of the first stream of each purpose; one per sender follows. Node and link streams lie below.
const BURST_STREAMS: u64 = 16 << 32;
const CORRUPT_STREAMS: u64 = 17 << 32;
const TRUNCATE_STREAMS: u64 = 18 << 32;
const REPLAY_STREAMS: u64 = 19 << 32;
/// Datagrams kept of each sender for replay.
const KEPT: usize = 16;
/// How old a datagram may be that is sent again: an hour.
const AGE_MAX: Nanos = 3_600_000_000_000;

/// What happened to a datagram on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Damage {
    /// Bits flipped.
    pub bits: u8,
    /// Bytes cut off its end.
    pub bytes: u16,
}

impl Damage {
    /// Whether it arrives as it was sent.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.bits == 0 && self.bytes == 0
    }
}

/// A datagram that was sent before.
#[derive(Clone, Debug)]
pub struct Old {
    /// To whom.
    pub to: NodeIndex,
    /// Its payload, as it was sent.
    pub bytes: Vec<u8>,
    /// Its number.
    pub serial: u64,
    /// When it was sent.
    pub sent_at: Nanos,
}

#[derive(Debug)]
struct Sender {
    burst: Rng,
    corrupt: Rng,
    truncate: Rng,
    replay: Rng,
    /// The degradations whose chain is in its bad state.
    bad: Vec<u32>,
    kept: Vec<Old>,
}

/// The state of every sender that a degradation has ever touched.
#[derive(Debug)]
pub struct Senders {
    key: [u8; 32],
    senders: Vec<Option<Box<Sender>>>,
}

impl Senders {
    /// No sender is touched yet.
    #[must_use]
    pub fn new(key: [u8; 32], nodes: usize) -> Self {
        Self { key, senders: std::iter::repeat_with(|| None).take(nodes).collect() }
    }

    fn sender(&mut self, from: NodeIndex) -> &mut Sender {
        let rng = |stream: u64| Rng::from_seed_stream(self.key, stream + u64::from(from));
        self.senders[from as usize].get_or_insert_with(|| {
            Box::new(Sender {
                burst: rng(BURST_STREAMS),
                corrupt: rng(CORRUPT_STREAMS),
                truncate: rng(TRUNCATE_STREAMS),
                replay: rng(REPLAY_STREAMS),
                bad: Vec::new(),
                kept: Vec::new(),
            })
        })
    }

    /// A packet of `from` passes the chain of degradation `key`; whether it is lost.
    pub fn is_lost(&mut self, from: NodeIndex, (key, burst): (u32, Burst)) -> bool {
        let sender = self.sender(from);
        let was_bad = sender.bad.contains(&key);
        let turns = if was_bad { burst.leave_ppm } else { burst.enter_ppm };
        let bad = was_bad != sender.burst.chance(turns);
        if bad && !was_bad {
            sender.bad.push(key);
        } else if was_bad && !bad {
            sender.bad.retain(|other| *other != key);
        }
        bad && sender.burst.chance(burst.loss_ppm)
    }

    /// Degradation `key` is over: its chains start afresh if it ever comes again.
    pub fn forget(&mut self, key: u32) {
        for sender in self.senders.iter_mut().flatten() {
            sender.bad.retain(|other| *other != key);
        }
    }

    /// Damages a datagram of `from`, or not: first bits, then the end.
    pub fn damage(&mut self, from: NodeIndex, hazards: &Hazards, bytes: &mut Vec<u8>) -> Damage {
        let mut damage = Damage::default();
        if bytes.is_empty() {
            return damage;
        }
        if hazards.corrupt_ppm > 0 {
            let rng = &mut self.sender(from).corrupt;
            if rng.chance(hazards.corrupt_ppm) {
                damage.bits = flip(bytes, rng);
            }
        }
        if hazards.truncate_ppm > 0 {
            let rng = &mut self.sender(from).truncate;
            if rng.chance(hazards.truncate_ppm) {
                let rest = rng.index(bytes.len());
                damage.bytes = u16::try_from(bytes.len() - rest).unwrap_or(u16::MAX);
                bytes.truncate(rest);
            }
        }
        damage
    }

    /// Which older datagram of `from` follows the one it sends now, and the draws for its way. Once so many are kept, the
    /// new one takes the place of a random one now and then, so that they are of every age.
    pub fn replay(&mut self, from: NodeIndex, share_ppm: u32, new: Old) -> Option<(Old, &mut Rng)> {
        let sender = self.sender(from);
        let oldest = new.sent_at.saturating_sub(AGE_MAX);
        sender.kept.retain(|old| old.sent_at >= oldest);
        let again = if sender.replay.chance(share_ppm) && !sender.kept.is_empty() {
            let index = sender.replay.index(sender.kept.len());
            Some(sender.kept[index].clone())
        } else {
            None
        };
        if sender.kept.len() < KEPT {
            sender.kept.push(new);
        } else if sender.replay.index(KEPT) == 0 {
            let index = sender.replay.index(KEPT);
            drop(mem::replace(&mut sender.kept[index], new));
        }
        again.map(|old| (old, &mut sender.replay))
    }
}

/// Flips from one to four bits; how many differ afterwards at most. The first of them differs for certain.
fn flip(bytes: &mut [u8], rng: &mut Rng) -> u8 {
    let bits = bytes.len() * 8;
    let first = rng.index(bits);
    bytes[first / 8] ^= 1 << (first % 8);
    let more = rng.index(4);
    let mut flipped = 1;
    for _ in 0..more {
        let other = (first + 1 + rng.index(bits - 1)) % bits;
        bytes[other / 8] ^= 1 << (other % 8);
        flipped += 1;
    }
    flipped
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: u32 = 1_000_000;

    fn old(serial: u64, to: NodeIndex, sent_at: Nanos) -> Old {
        Old { to, bytes: vec![7], serial, sent_at }
    }

    #[test]
    fn bursts_come_as_often_and_last_as_long_as_the_chain_says() {
        let mut senders = Senders::new([1; 32], 2);
        let burst = Burst { loss_ppm: ALL, enter_ppm: 10_000, leave_ppm: 200_000 };
        let lost: Vec<bool> = (0..100_000).map(|_| senders.is_lost(0, (0, burst))).collect();
        let count = lost.iter().filter(|lost| **lost).count();
        // In the long run the bad state holds enter / (enter + leave) of the time: 4.76 %.
        assert!((4_300..5_300).contains(&count), "{count}");
        let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        let length = count as f64 / bursts as f64;
        assert!((4.5..5.5).contains(&length), "{length} packets per burst, not 5");
    }

    #[test]
    fn each_sender_has_a_chain_of_its_own_and_an_ended_degradation_leaves_none() {
        let mut senders = Senders::new([1; 32], 2);
        let forever = Burst { loss_ppm: ALL, enter_ppm: ALL, leave_ppm: 1 };
        let never = Burst { enter_ppm: 1, ..forever };
        assert!(senders.is_lost(0, (4, forever)));
        assert!(senders.is_lost(0, (4, never)), "still bad");
        assert!(!senders.is_lost(1, (4, never)) && !senders.is_lost(0, (5, never)));
        senders.forget(4);
        assert!(!senders.is_lost(0, (4, never)));
    }

    #[test]
    fn damage_changes_what_it_says() {
        let mut senders = Senders::new([2; 32], 1);
        let sent = [0_u8; 40];
        for _ in 0..200 {
            let mut bytes = sent.to_vec();
            let hazards = Hazards { corrupt_ppm: ALL, ..Hazards::default() };
            let damage = senders.damage(0, &hazards, &mut bytes);
            let differing: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
            assert!((1..=4).contains(&damage.bits) && damage.bytes == 0);
            assert!((1..=u32::from(damage.bits)).contains(&differing));

            let mut bytes = sent.to_vec();
            let hazards = Hazards { truncate_ppm: ALL, ..Hazards::default() };
            let damage = senders.damage(0, &hazards, &mut bytes);
            assert!(damage.bytes > 0 && bytes.len() + usize::from(damage.bytes) == sent.len());
        }
        let hazards = Hazards { corrupt_ppm: ALL, truncate_ppm: ALL, ..Hazards::default() };
        assert!(senders.damage(0, &hazards, &mut Vec::new()).is_none());
    }

    #[test]
    fn a_replayed_datagram_is_an_old_one_to_the_same_receiver_and_never_older_than_an_hour() {
        let mut senders = Senders::new([3; 32], 1);
        let mut ages = Vec::new();
        for serial in 0..2_000_u64 {
            let now = serial * 10_000_000_000;
            let to = u32::try_from(serial % 7).expect("small");
            if let Some((old, _)) = senders.replay(0, ALL, old(serial, to, now)) {
                assert!(old.serial < serial && u64::from(old.to) == old.serial % 7);
                ages.push(now - old.sent_at);
            }
        }
        assert_eq!(ages.len(), 1_999);
        assert!(ages.iter().all(|age| *age <= AGE_MAX));
        assert!(ages.iter().any(|age| *age > AGE_MAX / 2));
    }

    #[test]
    fn what_is_off_draws_nothing() {
        let mut senders = Senders::new([4; 32], 1);
        assert!(senders.damage(0, &Hazards::default(), &mut vec![1]).is_none());
        assert!(senders.senders[0].is_none());
    }
}
