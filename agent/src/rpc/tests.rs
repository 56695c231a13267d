//! The server against clients: recorded conversations, and what no well-behaved client does.

mod agent;
mod clients;
mod double;
mod replay;
