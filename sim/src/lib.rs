//! Deterministic cluster simulator.

pub mod analytic;
mod anomaly;
pub mod check;
pub mod cli;
pub mod digest;
pub mod disk;
pub mod echo;
pub mod expect;
pub mod fact;
mod fault;
pub mod metrics;
pub mod net;
mod notes;
pub mod oracle;
pub mod outcome;
pub mod papers;
mod process;
mod query;
pub mod queue;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod streams;
pub mod topology;
mod workload;
pub mod world;
