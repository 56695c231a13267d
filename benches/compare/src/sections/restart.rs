//! All agents killed and started again with their snapshots.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Bench, Values, float};
use crate::failure::Failure;
use crate::pace::CLUSTER_LIMIT;

/// A snapshot reaches the disk some time after the change; a cluster that has just formed gets it.
const SNAPSHOT: Duration = Duration::from_secs(3);

pub(super) fn measure(bench: &mut Bench, values: &mut Values) -> Result<(), Failure> {
    let mut cluster = bench.take()?;
    sleep(SNAPSHOT);
    // First the signal for all, then the waiting: no agent shall see another fail.
    for agent in &cluster.agents {
        agent.kill();
    }
    for agent in &mut cluster.agents {
        agent.end();
    }
    let begin = Instant::now();
    for agent in &mut cluster.agents {
        agent.start()?;
    }
    let completion = cluster.watch_completion(begin, CLUSTER_LIMIT);
    values.set("restart.by30", float(completion.by(Duration::from_secs(30))));
    values.set("restart.by60", float(completion.by(CLUSTER_LIMIT)));
    values.set("restart.complete", completion.all().unwrap_or(CLUSTER_LIMIT).as_secs_f64());
    let cluster = cluster.repaired(&completion, CLUSTER_LIMIT)?;
    bench.give_back(cluster);
    Ok(())
}
