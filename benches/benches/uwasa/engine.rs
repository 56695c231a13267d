//! The bare engine: queue and network with nodes that only echo.

use std::time::Instant;

use criterion::{Criterion, Throughput};
use uwasa_sim::echo::EchoWorld;

use crate::settings::long;
use crate::world::scenario;

const SECOND: u64 = 1_000_000_000;
const NODES: u32 = 1_000;
/// Per node and virtual second ten wakes, ten pings, and ten echoes less those to itself.
const EVENTS: u64 = 30 * NODES as u64 - 10;

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("engine");
    long(&mut group);
    group.throughput(Throughput::Elements(EVENTS));
    let scenario = scenario(NODES, "", false);
    let (mut world, mut now) = (None, 0);
    group.bench_function(format!("echo/{NODES}"), |bencher| {
        let world = world.get_or_insert_with(|| EchoWorld::new(&scenario, 1));
        bencher.iter_custom(|seconds| {
            let start = Instant::now();
            now += seconds * SECOND;
            world.run_until(now);
            start.elapsed()
        });
    });
    group.finish();
}
