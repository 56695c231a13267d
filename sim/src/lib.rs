//! Deterministic cluster simulator.

pub mod analytic;
pub mod cli;
pub mod digest;
pub mod echo;
pub mod expect;
mod fault;
pub mod metrics;
pub mod net;
pub mod oracle;
pub mod outcome;
pub mod queue;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod streams;
pub mod topology;
mod workload;
pub mod world;
