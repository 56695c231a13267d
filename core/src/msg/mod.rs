//! Message values, borrowed from the packet they came in. No byte-level code here.

pub mod serf;
pub mod swim;
