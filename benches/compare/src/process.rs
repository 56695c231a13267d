//! Figures of a process, from `/proc`.

use std::time::Duration;

use procfs::ProcError;
use procfs::process::Process;

use crate::failure::Failure;

/// Memory of a process in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Pages that belong to no file: heap, stacks, runtime. "Anonymous" of `smaps_rollup`.
    pub(crate) anonymous: u64,
    /// All resident pages, those of the program file included. "Rss" of `smaps_rollup`.
    pub(crate) resident: u64,
}

fn failed(id: u32) -> impl Fn(ProcError) -> Failure {
    move |error| Failure::Cluster(format!("/proc/{id}: {error}"))
}

fn process(id: u32) -> Result<Process, Failure> {
    let pid = i32::try_from(id).map_err(|_| Failure::Cluster(format!("process id {id}")))?;
    Process::new(pid).map_err(failed(id))
}

/// Memory of the process now.
pub(crate) fn memory(id: u32) -> Result<Memory, Failure> {
    let rollup = process(id)?.smaps_rollup().map_err(failed(id))?;
    let sum = |key: &str| -> u64 {
        rollup.memory_map_rollup.iter().filter_map(|map| map.extension.map.get(key)).sum()
    };
    Ok(Memory { anonymous: sum("Anonymous"), resident: sum("Rss") })
}

/// Threads of the process now.
pub(crate) fn threads(id: u32) -> Result<u32, Failure> {
    let stat = process(id)?.stat().map_err(failed(id))?;
    u32::try_from(stat.num_threads).map_err(|_| Failure::Cluster(format!("threads of {id}")))
}

/// Processor time since the start of the process, user and system. The kernel counts in ticks of 10 ms.
pub(crate) fn cpu(id: u32) -> Result<Duration, Failure> {
    let stat = process(id)?.stat().map_err(failed(id))?;
    let ticks = stat.utime + stat.stime;
    Ok(Duration::from_millis(ticks * 1000 / procfs::ticks_per_second().max(1)))
}

/// One-minute load average of the machine; 0 if it cannot be read.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default()
}
