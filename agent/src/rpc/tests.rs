//! The server against clients: recorded conversations, and what no well-behaved client does.

mod clients;
mod double;
mod replay;
