//! Internal queries.

use crate::command::KeyOp;
use crate::ids::{OpId, QueryId};
use crate::pool::NodeId;
use crate::serf::Serf;
use crate::swim::{Swim, SwimCx};

impl Serf {
    /// Command: change or list the keys of every member.
    pub(crate) fn keys(
        &mut self,
        op: OpId,
        key_op: &KeyOp,
        relay_factor: u8,
        swim: &mut Swim,
        cx: &mut SwimCx<'_>,
    ) {
    }

    /// Command: the keyring was stored, or could not be.
    pub(crate) fn keyring_stored(
        &mut self,
        op: OpId,
        query: QueryId,
        error: Option<&str>,
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) {
    }

    /// SWIM refused an alive message because `existing` holds the name at another address.
    pub(crate) fn on_conflict(&mut self, existing: NodeId, swim: &mut Swim, cx: &mut SwimCx<'_>) {}
}
