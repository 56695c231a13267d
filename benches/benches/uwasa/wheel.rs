//! The event queue of the simulator: one push and one pop with many events pending.

use criterion::{Criterion, Throughput};
use uwasa_core::rng::Rng;
use uwasa_sim::queue::EventQueue;

/// Events lie this far ahead at most: what a gossip cluster plans is a wake or a packet of the next second.
const HORIZON: u64 = 1_000_000_000;

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wheel");
    group.throughput(Throughput::Elements(1));
    for pending in [1_000_u32, 100_000, 1_000_000] {
        let mut rng = Rng::from_seed([3; 32]);
        let mut queue = None;
        group.bench_function(format!("push_pop/{pending}"), |bencher| {
            let queue = queue.get_or_insert_with(|| filled(pending, &mut rng));
            bencher.iter(|| {
                let (now, payload) = queue.pop_until(u64::MAX).expect("as many as were pushed");
                queue.push(now + rng.below(HORIZON), payload);
            });
        });
    }
    group.finish();
}

fn filled(pending: u32, rng: &mut Rng) -> EventQueue<[u32; 3]> {
    let mut queue = EventQueue::new();
    for number in 0..pending {
        queue.push(rng.below(HORIZON), [number; 3]);
    }
    queue
}
