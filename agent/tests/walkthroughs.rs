//! The classic walk-throughs of Serf, command by command, with our program alone: what tutorials show must happen.
//!
//! `UWASA_TRANSCRIPT_BIN` names another program to be taken in place of ours.

#[path = "walkthroughs/clusters.rs"]
mod clusters;
#[path = "walkthroughs/configs.rs"]
mod configs;
#[path = "walkthroughs/handlers.rs"]
mod handlers;
#[path = "walkthroughs/terminals.rs"]
mod terminals;
#[path = "walkthroughs/two_hosts.rs"]
mod two_hosts;
mod world;
