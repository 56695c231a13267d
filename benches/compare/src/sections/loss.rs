//! Agents that are killed or leave: when the others have noticed.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Bench, Values, float, reached};
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::pace::CLUSTER_LIMIT;
use crate::watch::{Arrival, Told, Watch};

/// How long the agent that leaves may take to answer and to end.
const LEAVE_WITHIN: Duration = Duration::from_secs(20);
/// Between two looks whether a process has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Times of the victims of one kind.
#[derive(Debug, Default)]
struct Times {
    half: Vec<f64>,
    all: Vec<f64>,
    seen: usize,
    wanted: usize,
}

impl Times {
    fn add(&mut self, times: &[Duration], wanted: usize) {
        self.half.push(reached(times, wanted, 50, CLUSTER_LIMIT));
        self.all.push(reached(times, wanted, 100, CLUSTER_LIMIT));
        self.seen += times.len();
        self.wanted += wanted;
    }
}

pub(super) fn measure(bench: &mut Bench, values: &mut Values) -> Result<(), Failure> {
    // Not given back: it is no longer whole.
    let mut cluster = bench.take()?;
    let losses = bench.pace.losses.min(cluster.agents.len().saturating_sub(1) / 2);
    let (mut failed, mut left) = (Times::default(), Times::default());
    for _ in 0..losses {
        failed.add(&kill_last(&mut cluster)?, cluster.agents.len());
    }
    values.set_median("loss.failed_half", &failed.half);
    values.set_median("loss.failed_all", &failed.all);
    for _ in 0..losses {
        left.add(&leave_last(&mut cluster)?, cluster.agents.len());
    }
    values.set_median("loss.left_half", &left.half);
    values.set_median("loss.left_all", &left.all);
    let wanted = failed.wanted + left.wanted;
    if wanted > 0 {
        values.set("loss.coverage", 100.0 * float(failed.seen + left.seen) / float(wanted));
    }
    Ok(())
}

/// Kills the last agent; when the others reported it.
fn kill_last(cluster: &mut Cluster) -> Result<Vec<Duration>, Failure> {
    let Some(mut victim) = cluster.agents.pop() else { return Ok(Vec::new()) };
    let watch = Watch::open(cluster)?;
    let begin = Instant::now();
    victim.end();
    let name = &victim.name;
    let heard =
        |arrival: &Arrival| matches!(&arrival.told, Told::Failed(names) if names.contains(name));
    Ok(watch.until(begin, CLUSTER_LIMIT, cluster.agents.len(), heard))
}

/// Lets the last agent leave; when the others reported it.
fn leave_last(cluster: &mut Cluster) -> Result<Vec<Duration>, Failure> {
    let Some(mut leaver) = cluster.agents.pop() else { return Ok(Vec::new()) };
    let watch = Watch::open(cluster)?;
    let mut client = leaver.connect()?;
    client.answer_within(LEAVE_WITHIN)?;
    let begin = Instant::now();
    client.call("leave", 0, |_| {})?;
    let name = leaver.name.clone();
    let heard =
        |arrival: &Arrival| matches!(&arrival.told, Told::Left(names) if names.contains(&name));
    let times = watch.until(begin, CLUSTER_LIMIT, cluster.agents.len(), heard);
    while leaver.ended().is_none() {
        if begin.elapsed() > LEAVE_WITHIN + CLUSTER_LIMIT {
            let what = "still runs long after it left".to_owned();
            return Err(Failure::Answer { agent: name, what });
        }
        sleep(LOOK_EVERY);
    }
    Ok(times)
}
