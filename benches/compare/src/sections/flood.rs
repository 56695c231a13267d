//! Events as fast as one agent takes them.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Bench, Values, float};
use crate::failure::Failure;
use crate::pace::{FLOOD_LIMIT, FLOOD_QUIET};
use crate::watch::{Told, Watch, payload};

/// Before the next section: what is still queued for gossip goes out.
const CALM: Duration = Duration::from_secs(5);

pub(super) fn measure(bench: &mut Bench, values: &mut Values) -> Result<(), Failure> {
    let cluster = bench.take()?;
    let count = bench.pace.flood;
    let Some(agent) = cluster.agents.first() else {
        return Err(Failure::Cluster("a cluster without agents".to_owned()));
    };
    let mut client = agent.connect()?;
    let watch = Watch::open(&cluster)?;
    let (before, begin) = (cluster.cpu()?, Instant::now());
    for number in 0..count {
        client.event("flood", &payload(number.into()))?;
    }
    values.set("flood.accepted", f64::from(count) / begin.elapsed().as_secs_f64());

    let delivered = deliveries(&watch, cluster.agents.len(), count);
    let cpu = cluster.cpu()?.saturating_sub(before).as_secs_f64();
    let should = float(cluster.agents.len()) * f64::from(count);
    values.set("flood.delivered", 100.0 * float(delivered) / should);
    if delivered > 0 {
        values.set("flood.cpu", cpu * 1e6 / float(delivered));
    }
    drop(watch);
    sleep(CALM.min(bench.pace.settle));
    bench.give_back(cluster);
    Ok(())
}

/// Different events that arrive at each of the agents, summed, until it is quiet.
fn deliveries(watch: &Watch, agents: usize, count: u32) -> usize {
    let width = usize::try_from(count).unwrap_or(usize::MAX);
    let mut seen = vec![vec![false; width]; agents];
    let mut delivered = 0;
    let end = Instant::now() + FLOOD_LIMIT;
    while Instant::now() < end {
        let batch = watch.next(Instant::now() + FLOOD_QUIET);
        if batch.is_empty() {
            break;
        }
        for arrival in batch {
            let Told::Event(number) = arrival.told else { continue };
            let slot = usize::try_from(number).ok().and_then(|at| seen[arrival.agent].get_mut(at));
            if let Some(slot) = slot {
                delivered += usize::from(!std::mem::replace(slot, true));
            }
        }
    }
    delivered
}
