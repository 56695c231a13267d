//! The one task that owns a node.
