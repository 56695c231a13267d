//! stub
use crate::coordinate::Coordinate;
/// stub
pub fn encode_ping_payload(_c: &Coordinate, _out: &mut Vec<u8>) {}
