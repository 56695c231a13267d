//! The broadcast queue at the depths of a quiet, a busy and an upset cluster.

use criterion::Criterion;
use uwasa_core::bench::Queue;
use uwasa_core::pool::NodeId;

/// Room for gossip in one datagram.
const ROOM: usize = 1_398;
/// Transmissions per broadcast in a cluster of a thousand.
const LIMIT: u32 = 16;

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue");
    for depth in [10_u32, 1_000, 10_000] {
        let keep = usize::try_from(depth).expect("a depth fits");
        let (mut queue, mut number) = (None, 0_u64);
        // The one that was dropped makes room, so that the depth stays.
        group.bench_function(format!("push_and_prune/{depth}"), |bencher| {
            let queue = queue.get_or_insert_with(|| filled(depth));
            bencher.iter(|| {
                number += 1;
                queue.push(None, length(number), number);
                queue.prune(keep)
            });
        });
        let (mut queue, mut number) = (None, 0_u64);
        group.bench_function(format!("supersede/{depth}"), |bencher| {
            let queue = queue.get_or_insert_with(|| filled(depth));
            bencher.iter(|| {
                number += 1;
                let subject = u32::try_from(number % u64::from(depth)).expect("below the depth");
                queue.push(Some(NodeId(subject)), length(number), number)
            });
        });
        let (mut queue, mut finished) = (None, Vec::new());
        // What was sent often enough is queued anew, so that the depth stays: one push per sixteen messages taken.
        group.bench_function(format!("take/{depth}"), |bencher| {
            let queue = queue.get_or_insert_with(|| filled(depth));
            bencher.iter(|| {
                let taken = queue.take(ROOM, LIMIT, &mut finished);
                for number in finished.drain(..) {
                    let subject = u32::try_from(number).expect("the number is the subject");
                    queue.push(Some(NodeId(subject)), length(number), number);
                }
                taken
            });
        });
    }
    group.finish();
}

/// Broadcasts about as many members as the queue is deep.
fn filled(depth: u32) -> Queue {
    let mut queue = Queue::default();
    for subject in 0..depth {
        queue.push(Some(NodeId(subject)), length(subject.into()), subject.into());
    }
    queue
}

/// Lengths between those of a suspicion and of an alive message with tags.
fn length(number: u64) -> usize {
    60 + usize::try_from(number % 7).expect("below seven") * 20
}
