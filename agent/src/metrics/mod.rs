//! Telemetry: metrics in memory, to statsd and statsite, and for Prometheus.
//!
//! Code counts with the macros of the crate `metrics` (`counter!`, `gauge!`, `histogram!` for samples and timers in
//! milliseconds) under Serf's names without the prefix `serf-agent.`.
