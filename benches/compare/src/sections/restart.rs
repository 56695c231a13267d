//! All agents killed and started again with their snapshots.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Bench, Values, float};
use crate::failure::Failure;
use crate::pace::CLUSTER_LIMIT;
use crate::watch::payload;

/// Serf writes what waits for its snapshot only with a later change, 500 ms after the write before: events are such
/// changes, and these are far enough apart. What is measured is the return, not what an agent had written by chance.
const SNAPSHOT: Duration = Duration::from_secs(1);
/// Events that bring the snapshots to the disk.
const CHANGES: u64 = 3;

pub(super) fn measure(bench: &mut Bench, values: &mut Values) -> Result<(), Failure> {
    let mut cluster = bench.take()?;
    if let Some(agent) = cluster.agents.first() {
        let mut client = agent.connect()?;
        for number in 0..CHANGES {
            sleep(SNAPSHOT);
            client.event("snapshot", &payload(number))?;
        }
        sleep(SNAPSHOT);
    }
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
    let wanted = cluster.agents.len() * cluster.agents.len();
    values.set("restart.known", 100.0 * float(completion.known()) / float(wanted));
    values.set("restart.complete", completion.all().unwrap_or(CLUSTER_LIMIT).as_secs_f64());
    let cluster = cluster.repaired(&completion, CLUSTER_LIMIT)?;
    bench.give_back(cluster);
    Ok(())
}
