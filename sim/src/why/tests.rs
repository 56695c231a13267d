//! Answers on small scenarios.
