//! stub
use crate::coordinate::Coordinate;
use crate::pool::NodeId;
use crate::rng::Rng;
use crate::stats::Stats;

#[derive(Debug, Default)]
pub(crate) struct Coordinates;

impl Coordinates {
    pub(crate) fn forget(&mut self, _id: NodeId) {}
    pub(crate) fn own(&self) -> Coordinate {
        Coordinate
    }
    pub(crate) fn of(&self, _id: NodeId) -> Option<Coordinate> {
        None
    }
    pub(crate) fn on_ping_complete(
        &mut self,
        _n: NodeId,
        _r: u64,
        _p: &[u8],
        _rng: &mut Rng,
        _s: &mut Stats,
    ) {
    }
}
