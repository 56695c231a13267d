//! The whole simulator: how fast a cluster in steady state runs in virtual time.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use uwasa_sim::metrics::Totals;
use uwasa_sim::scenario::{Scenario, parse};
use uwasa_sim::world::World;

use crate::resident;
use crate::settings::long;

const SECOND: u64 = 1_000_000_000;
/// Virtual seconds before measuring: every node has probed, and loss shows in what is queued.
const SETTLE: u64 = 5;

/// One cluster and what it suffers.
pub(crate) struct Load {
    /// Name of the bench.
    pub(crate) name: &'static str,
    pub(crate) nodes: u32,
    /// Keys of the `network` table beside the latency.
    pub(crate) network: &'static str,
    /// Whether acks carry coordinates.
    pub(crate) coordinates: bool,
}

impl Load {
    /// Every load that is measured. Loss hits datagrams only, so that nobody is declared failed and the cluster stays
    /// as it is for as long as is measured.
    pub(crate) const fn all() -> [Self; 7] {
        const fn load(name: &'static str, nodes: u32, network: &'static str) -> Load {
            Load { name, nodes, network, coordinates: false }
        }
        [
            load("idle/100", 100, ""),
            load("idle/1000", 1_000, ""),
            Self { coordinates: true, ..load("idle_coordinates/1000", 1_000, "") },
            load("loss_5_percent/1000", 1_000, ", loss = 0.05, stream_loss = false"),
            load("loss_10_percent/1000", 1_000, ", loss = 0.10, stream_loss = false"),
            load("loss_25_percent/1000", 1_000, ", loss = 0.25, stream_loss = false"),
            load("idle/10000", 10_000, ""),
        ]
    }
}

/// What one load gave, all samples together.
pub(crate) struct Row {
    name: &'static str,
    virtual_seconds: u64,
    wall: Duration,
    delivered: u64,
    events: u64,
    /// Per node.
    resident: Option<u64>,
}

/// A warm cluster with the LAN profile, compression off.
pub(crate) fn scenario(nodes: u32, network: &str, coordinates: bool) -> Scenario {
    let text = format!(
        "title = \"bench\"\nnodes = {nodes}\nduration = \"24h\"\nstart = \"warm\"\n\
         config = {{ compression = false, coordinates = {coordinates} }}\n\
         network = {{ latency = {{ low = \"300us\", high = \"1ms\" }}{network} }}\n"
    );
    parse(&text, Path::new("bench.toml"), &[]).expect("a valid scenario")
}

/// Measures every selected load.
pub(crate) fn benches(criterion: &mut Criterion) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut group = criterion.benchmark_group("world");
    long(&mut group);
    // One iteration is one virtual second, so elements per second are virtual seconds per second.
    group.throughput(Throughput::Elements(1));
    for load in Load::all() {
        let scenario = scenario(load.nodes, load.network, load.coordinates);
        let mut running: Option<(World<'_>, Row)> = None;
        group.bench_function(load.name, |bencher| {
            let (world, row) = running.get_or_insert_with(|| start(&scenario, &load));
            bencher.iter_custom(|seconds| measure(world, row, seconds));
        });
        rows.extend(running.map(|(_, row)| row));
    }
    group.finish();
    rows
}

fn start<'s>(scenario: &'s Scenario, load: &Load) -> (World<'s>, Row) {
    // First, because two worlds of 10,000 nodes at once may be too much for the machine.
    let resident = resident::measure(load).map(|bytes| bytes / u64::from(load.nodes));
    let mut world = World::new(scenario, 1);
    world.run_until(SETTLE * SECOND);
    let row = Row {
        name: load.name,
        virtual_seconds: 0,
        wall: Duration::ZERO,
        delivered: 0,
        events: 0,
        resident,
    };
    (world, row)
}

fn measure(world: &mut World<'_>, row: &mut Row, seconds: u64) -> Duration {
    let count = |totals: &Totals| (totals.datagrams_delivered, totals.engine_events);
    let before = count(world.totals());
    let start = Instant::now();
    world.run_until(world.now() + seconds * SECOND);
    let spent = start.elapsed();
    let after = count(world.totals());
    row.virtual_seconds += seconds;
    row.wall += spent;
    row.delivered += after.0 - before.0;
    row.events += after.1 - before.1;
    spent
}

/// The figures of all rows as one table.
pub(crate) fn print(rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n{:<22} {:>14} {:>14} {:>14} {:>12}",
        "world", "virtual s / s", "delivered / s", "events / s", "bytes / node"
    )?;
    for row in rows {
        let per_second = |count: u64| rate(count, row.wall);
        let resident = row.resident.map_or_else(|| "-".into(), |bytes| bytes.to_string());
        writeln!(
            out,
            "{:<22} {:>14} {:>14} {:>14} {:>12}",
            row.name,
            per_second(row.virtual_seconds),
            per_second(row.delivered),
            per_second(row.events),
            resident
        )?;
    }
    Ok(())
}

/// Whole things per second of wall time.
fn rate(count: u64, wall: Duration) -> u128 {
    u128::from(count) * 1_000_000_000 / wall.as_nanos().max(1)
}
