//! Queries.

use core::time::Duration;

use bytes::Bytes;

use crate::command::QueryParams;
use crate::ids::{OpId, QueryId};
use crate::msg::serf::{QueryMessage, QueryResponse};
use crate::serf::Serf;
use crate::serf::clock::LamportClock;
use crate::swim::{Swim, SwimCx};

/// Query state of one node.
#[derive(Debug)]
pub(crate) struct Queries {
    clock: LamportClock,
}

impl Queries {
    pub(crate) fn new(slots: u32) -> Self {
        Self { clock: LamportClock::default() }
    }

    /// The query clock: the time the next own query will carry.
    pub(crate) fn time(&self) -> u64 {
        self.clock.time()
    }

    pub(crate) fn restore(&mut self, last: u64) -> u64 {
        self.clock.restore(last)
    }

    /// A peer's query clock showed `next`.
    pub(crate) fn witness_next(&mut self, next: u64) -> bool {
        self.clock.witness_next(next)
    }
}

impl Serf {
    /// Command: ask.
    pub(crate) fn query(
        &mut self,
        op: OpId,
        params: QueryParams,
        swim: &mut Swim,
        cx: &mut SwimCx<'_>,
    ) {
    }

    /// Command: answer.
    pub(crate) fn respond(
        &mut self,
        op: OpId,
        query: QueryId,
        payload: &[u8],
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) {
    }

    /// A query arrived; `message` is the whole message, Serf type byte included.
    pub(crate) fn on_query_message(
        &mut self,
        query: &QueryMessage<'_>,
        message: &[u8],
        swim: &mut Swim,
        cx: &mut SwimCx<'_>,
    ) {
    }

    /// An ack or answer arrived.
    pub(crate) fn on_response_message(
        &mut self,
        response: &QueryResponse<'_>,
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) {
    }

    /// A message to be passed on arrived; `body` is what follows the Serf type byte.
    pub(crate) fn on_relay_message(&mut self, body: &[u8], swim: &Swim, cx: &mut SwimCx<'_>) {}

    /// An own query ends.
    pub(crate) fn on_query_end(&mut self, query: QueryId, swim: &mut Swim, cx: &mut SwimCx<'_>) {}

    /// A delivered query can no longer be answered.
    pub(crate) fn on_query_expiry(&mut self, query: QueryId, cx: &mut SwimCx<'_>) {}
}
