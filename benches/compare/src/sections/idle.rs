//! What agents cost that have nothing to do.

use std::thread::sleep;
use std::time::Instant;

use super::{Bench, Values, float};
use crate::failure::Failure;
use crate::process;

const MIB: f64 = 1024.0 * 1024.0;

pub(super) fn measure(bench: &mut Bench, values: &mut Values) -> Result<(), Failure> {
    let cluster = bench.take()?;
    sleep(bench.pace.settle);
    let (mut anonymous, mut resident, mut threads) = (Vec::new(), Vec::new(), Vec::new());
    for id in cluster.ids() {
        let memory = process::memory(id)?;
        anonymous.push(memory.anonymous as f64 / MIB);
        resident.push(memory.resident as f64 / MIB);
        threads.push(f64::from(process::threads(id)?));
    }
    values.set_median("idle.anonymous", &anonymous);
    values.set_median("idle.resident", &resident);
    values.set_median("idle.threads", &threads);

    let (before, begin) = (cluster.cpu()?, Instant::now());
    sleep(bench.pace.window);
    let used = cluster.cpu()?.saturating_sub(before).as_secs_f64();
    let minutes = begin.elapsed().as_secs_f64() / 60.0;
    values.set("idle.cpu", used / float(cluster.agents.len()) / minutes);
    bench.give_back(cluster);
    Ok(())
}
