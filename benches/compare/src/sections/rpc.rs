//! Requests per second on one connection.

use std::time::{Duration, Instant};

use super::{Bench, Values};
use crate::agent::Agent;
use crate::failure::Failure;
use crate::process;

/// Requests before the clock starts: the connection, its buffers and the processor are warm then.
const WARM_UP: usize = 200;

pub(super) fn measure(bench: &mut Bench, values: &mut Values) -> Result<(), Failure> {
    let cluster = bench.take()?;
    if let Some(agent) = cluster.agents.last() {
        let (rate, cpu) = throughput(agent, "members", bench.pace.throughput)?;
        values.set("rpc.members", rate);
        values.set("rpc.members_cpu", cpu);
        let (rate, cpu) = throughput(agent, "stats", bench.pace.throughput)?;
        values.set("rpc.stats", rate);
        values.set("rpc.stats_cpu", cpu);
    }
    bench.give_back(cluster);
    Ok(())
}

/// Requests per second, and microseconds of the agent's processor time per request.
fn throughput(agent: &Agent, command: &str, time: Duration) -> Result<(f64, f64), Failure> {
    let gone = || Failure::Cluster(format!("{} is gone", agent.name));
    let id = agent.id().ok_or_else(gone)?;
    let mut client = agent.connect()?;
    for _ in 0..WARM_UP {
        client.call(command, 1, |_| {})?;
    }
    let (before, begin) = (process::cpu(id)?, Instant::now());
    let mut requests = 0_u32;
    while begin.elapsed() < time {
        client.call(command, 1, |_| {})?;
        requests += 1;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = process::cpu(id)?.saturating_sub(before).as_secs_f64();
    Ok((f64::from(requests) / seconds, cpu * 1e6 / f64::from(requests)))
}
