//! The figures that `info` shows.

use std::collections::BTreeMap;

use super::{Agent, Stats};
use crate::driver::Request;
use crate::task;

impl Agent {
    /// The sections `agent`, `runtime`, `serf`, `tags` and `event_handlers`.
    pub(crate) async fn stats(&self) -> Stats {
        let answer = self.driver.ask(Request::Info).await;
        let (serf, present) = answer.map(|(info, own)| (info.pairs(), own)).unwrap_or_default();
        let local = self.seen(present);
        let tags = local.tags.iter();
        let section = |pairs: Vec<(&str, String)>| {
            pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
        };
        BTreeMap::from([
            ("agent", section(vec![("name", self.name().to_owned())])),
            ("event_handlers", self.shared.settings.event_handlers.clone()),
            ("runtime", section(runtime(self.shared.cpus))),
            ("serf", section(serf)),
            ("tags", tags.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()),
        ])
    }
}

/// The process, under the names and in the words of Go.
fn runtime(cpus: usize) -> Vec<(&'static str, String)> {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "386",
        "aarch64" => "arm64",
        other => other,
    };
    let os = if std::env::consts::OS == "macos" { "darwin" } else { std::env::consts::OS };
    vec![
        ("arch", arch.to_owned()),
        ("cpu_count", cpus.to_string()),
        ("goroutines", task::live().to_string()),
        ("max_procs", cpus.to_string()),
        ("os", os.to_owned()),
        ("version", concat!("uwasa", env!("CARGO_PKG_VERSION")).to_owned()),
    ]
}
