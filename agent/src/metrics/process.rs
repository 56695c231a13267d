//! Figures of the process, read when somebody asks.

use std::fs;

/// Memory of the process in bytes.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Memory {
    /// All that is resident.
    pub(crate) resident: Option<u64>,
    /// The part that is not of files.
    pub(crate) anonymous: Option<u64>,
}

/// Reads the memory in use; nothing where there is no `/proc`.
pub(crate) fn memory() -> Memory {
    fs::read_to_string("/proc/self/status").map_or_else(|_| Memory::default(), |text| parse(&text))
}

fn parse(status: &str) -> Memory {
    let bytes = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kibibytes: u64 = value.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
        kibibytes.checked_mul(1024)
    };
    Memory { resident: bytes("VmRSS"), anonymous: bytes("RssAnon") }
}

/// Open file descriptors, without the one that counts them.
pub(crate) fn open_files() -> Option<usize> {
    fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1))
}

/// The host's name.
pub(crate) fn host() -> Option<Box<str>> {
    let name = nix::unistd::gethostname().ok()?;
    Some(name.to_string_lossy().into())
}

/// Serf's gauges of its runtime, as far as they mean something here: goroutines are tasks, `alloc_bytes` is anonymous
/// memory, `sys_bytes` resident memory, and there is no garbage to collect.
#[expect(clippy::cast_precision_loss, reason = "gauges are floating point")]
pub(crate) fn runtime() -> impl Iterator<Item = (&'static str, f64)> {
    let memory = memory();
    [
        ("runtime.num_goroutines", Some(crate::task::live() as f64)),
        ("runtime.alloc_bytes", memory.anonymous.map(|bytes| bytes as f64)),
        ("runtime.sys_bytes", memory.resident.map(|bytes| bytes as f64)),
        ("runtime.total_gc_pause_ns", Some(0.0)),
        ("runtime.total_gc_runs", Some(0.0)),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_the_status() {
        let memory = parse("Name:\tx\nVmRSS:\t    1700 kB\nRssAnon:\t     900 kB\n");
        assert_eq!(memory.resident, Some(1_740_800));
        assert_eq!(memory.anonymous, Some(921_600));
        assert_eq!(parse("VmRSS: many\n").resident, None);
    }
}
