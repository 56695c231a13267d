//! Network coordinates (Vivaldi): estimates of round-trip times between members that never talked.

/// stub
#[derive(Clone, Copy, Debug)]
pub struct Coordinate;
