//! The hash that names what is simulated: same hash and same seed, same run.

use std::fmt::{self, Write};

use xxhash_rust::xxh3::Xxh3;

use crate::scenario::{FaultKind, Scenario};

/// Hashes everything that decides how a run goes, in resolved form: defaults filled in, durations in nanoseconds, nodes
/// by index. Title, comments, spelling, seeds and expectations leave it unchanged.
pub(super) fn config_hash(scenario: &Scenario) -> u64 {
    let mut hasher = Hasher(Xxh3::new());
    let written = canonical(scenario, &mut hasher);
    debug_assert!(written.is_ok(), "hashing never fails");
    hasher.0.digest()
}

struct Hasher(Xxh3);

impl Write for Hasher {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

/// Version of the form below; a change of the form changes every hash, and this number says so.
const FORM: u32 = 4;

fn canonical(scenario: &Scenario, out: &mut Hasher) -> fmt::Result {
    writeln!(out, "form {FORM}")?;
    writeln!(out, "duration {} bucket {}", scenario.duration, scenario.series_bucket)?;
    for node in &scenario.nodes {
        writeln!(out, "node {:?} {} {} {}", node.name, node.addr, node.advertise, node.region)?;
        writeln!(out, "tags {:?} claim {:?}", node.tags, node.claim)?;
    }
    writeln!(out, "start {:?}", scenario.start)?;
    // Where planted bugs can be had, a scenario with none of them hashes as it does elsewhere.
    writeln!(out, "config {}", format!("{:?}", *scenario.config).replace(", mutant: None", ""))?;
    for key in scenario.config.keyring.keys() {
        // The text form of a key hides it, and two keys must not hash alike.
        writeln!(out, "key {:02x?}", key.as_bytes())?;
    }
    writeln!(out, "network {:?}", scenario.network)?;
    for fault in &scenario.faults {
        writeln!(out, "fault {} {:?} {:?}", fault.at, fault.until, fault.kind)?;
        if let FaultKind::Rekey { keyring, .. } = &fault.kind {
            for key in keyring.keys() {
                writeln!(out, "key {:02x?}", key.as_bytes())?;
            }
        }
    }
    for work in &scenario.workload {
        writeln!(out, "work {} {:?}", work.at, work.kind)?;
    }
    Ok(())
}
