//! Start to the first answer; one call of the command line.

use std::process::{Command, Stdio};
use std::time::Instant;

use super::{Bench, Values};
use crate::cluster::Cluster;
use crate::failure::Failure;

pub(super) fn measure(bench: &mut Bench, values: &mut Values) -> Result<(), Failure> {
    let mut samples = Vec::new();
    for _ in 0..bench.pace.starts {
        let mut agents = bench.place.agents(1)?;
        let begin = Instant::now();
        for agent in &mut agents {
            agent.start()?;
            agent.connect()?.alive()?;
        }
        samples.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    values.set_median("start.answer", &samples);

    let cluster = Cluster::alone(&mut bench.place, 1)?;
    let mut samples = Vec::new();
    for _ in 0..bench.pace.starts {
        for agent in &cluster.agents {
            let mut command = Command::new(&bench.place.program);
            command.arg("members").arg(format!("-rpc-addr={}", agent.rpc));
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let begin = Instant::now();
            // Not listed as an own process: it ends by itself when its agent ends.
            let status = command.status().map_err(Failure::system("members"))?;
            samples.push(begin.elapsed().as_secs_f64() * 1e3);
            if !status.success() {
                let what = format!("`members` ended with {status}");
                return Err(Failure::Answer { agent: agent.name.clone(), what });
            }
        }
    }
    values.set_median("start.members", &samples);
    Ok(())
}
