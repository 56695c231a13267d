//! Memory of a world, measured in a process of its own: in this one, memory that earlier benches freed would be used
//! again and not show.

use std::io::{self, Write as _};
use std::process::Command;

use uwasa_sim::world::World;

use crate::world::{Load, scenario};

/// First argument of the process that measures.
const FLAG: &str = "--resident-bytes-of";
const SECOND: u64 = 1_000_000_000;

/// The load this process was started to measure, if it was.
pub(crate) fn asked() -> Option<Load> {
    let mut args = std::env::args().skip(1);
    if args.next()? != FLAG {
        return None;
    }
    let name = args.next()?;
    Load::all().into_iter().find(|load| load.name == name)
}

/// Builds the world, runs a virtual second, prints how much memory that took.
pub(crate) fn answer(load: &Load) -> io::Result<()> {
    let scenario = scenario(load.nodes, load.network, load.coordinates);
    let before = resident_bytes()?;
    let mut world = World::new(&scenario, 1);
    world.run_until(SECOND);
    let after = resident_bytes()?;
    writeln!(io::stdout().lock(), "{}", after.saturating_sub(before))
}

/// Starts a process that measures `load`; `None` where the system does not tell.
pub(crate) fn measure(load: &Load) -> Option<u64> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new(program).args([FLAG, load.name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

/// Memory of this process that lies in RAM (Linux).
fn resident_bytes() -> io::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kibibytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).and_then(|rest| {
        let number = rest.trim().strip_suffix("kB")?;
        number.trim().parse::<u64>().ok()
    });
    kibibytes
        .map(|kib| kib * 1_024)
        .ok_or_else(|| io::Error::other("no VmRSS in /proc/self/status"))
}
