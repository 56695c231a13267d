//! Habits of Go's standard library that users of Serf see: addresses, flags, durations, JSON, quoted text, columns.

pub(crate) mod address;
pub(crate) mod base64;
pub(crate) mod columns;
pub(crate) mod duration;
pub(crate) mod errors;
pub(crate) mod flags;
pub(crate) mod integer;
pub(crate) mod json;
pub(crate) mod quote;
