//! Numbers that name streams and operations at the boundary of a node.

/// A stream's number. Even: dialed by the node. Odd: accepted, numbered by the driver. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// A command's number, chosen by the caller; comes back once, in `Output::Done`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct OpId(pub u64);
