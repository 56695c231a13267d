//! Many small worlds: what one seed costs, world built and torn down, with and without checkers of invariants.

use std::path::Path;

use criterion::{Criterion, Throughput};
use uwasa_sim::scenario::{Scenario, parse};
use uwasa_sim::world::{self, World};

/// Sixteen nodes that boot, join, send an event and lose one of them, with one packet in a hundred lost.
fn scenario() -> Scenario {
    let text = "title = \"bench\"\nnodes = 16\nduration = \"60s\"\nstart = \"cold\"\n\
                network = { latency = { median = \"500us\", p99 = \"3ms\" }, loss = 0.01 }\n\
                [[work]]\nat = \"10s\"\nevent = \"deploy\"\n\
                [[fault]]\nat = \"20s\"\ncrash = [\"host5\"]\n";
    parse(text, Path::new("bench.toml"), &[]).expect("a valid scenario")
}

/// One iteration is one seed, so sixty times the elements per second are seeds per minute and core.
pub(crate) fn benches(criterion: &mut Criterion) {
    let scenario = scenario();
    let mut group = criterion.benchmark_group("seeds");
    group.throughput(Throughput::Elements(1));
    let mut seed = 0;
    group.bench_function("16_nodes_60_s/checked", |bencher| {
        bencher.iter(|| {
            seed += 1;
            world::run(&scenario, seed, &mut |_| ())
        });
    });
    group.bench_function("16_nodes_60_s/unchecked", |bencher| {
        bencher.iter(|| {
            seed += 1;
            let mut world = World::new(&scenario, seed);
            world.run_until(scenario.duration);
            world.finish()
        });
    });
    group.finish();
}
