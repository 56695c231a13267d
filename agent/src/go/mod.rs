//! Habits of Go's standard library that users of Serf see: addresses, flags, durations, JSON, quoted text, columns.

pub(crate) mod address;
pub mod base64;
pub mod columns;
pub mod duration;
pub mod errors;
pub mod flags;
pub mod integer;
pub mod json;
pub mod quote;
