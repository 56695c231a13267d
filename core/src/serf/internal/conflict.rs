//! Two nodes with one name: the others are asked which of them they know, and the loser stops.
//!
//! Source: Serf, name conflict. Neither contender answers, so without a third node both stop.

use bytes::Bytes;

use crate::command::QueryParams;
use crate::event::ShutDownReason;
use crate::msg::serf::{ConflictResponse, SerfMessageType};
use crate::pool::{NodeId, Profile, WireAddr};
use crate::serf::query::{Asked, Purpose, send_response};
use crate::serf::{Life, Serf};
use crate::stats::bump;
use crate::swim::{Action, Swim, SwimCx};
use crate::trace::Trace;
use crate::wire::serf::{decode_conflict_response, encode_conflict_response};
use crate::wire::tags;

/// The votes so far.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::serf) struct Vote {
    responses: u32,
    /// Those that know this node, by its address, under the name.
    matching: u32,
}

impl Vote {
    /// Counts an answer; one that is malformed is no vote.
    pub(in crate::serf) fn count(&mut self, payload: &[u8], own: &Profile) {
        let Some((&number, body)) = payload.split_first() else { return };
        if number != SerfMessageType::ConflictResponse as u8 {
            return;
        }
        let Ok(member) = decode_conflict_response(body) else { return };
        self.responses += 1;
        // An IPv4 address and the IPv6 address that maps it are the same here.
        let same_host =
            WireAddr::from_wire(member.addr).is_some_and(|addr| addr.ip() == own.addr.ip());
        self.matching += u32::from(same_host && member.port == own.port);
    }

    /// Whether more than half know this node. With no vote at all it has lost.
    fn is_won(self) -> bool {
        self.matching > self.responses / 2
    }
}

impl Serf {
    /// SWIM refused an alive message because `existing` holds the name at another address.
    ///
    /// The other node's messages keep coming while a vote is under way; one vote at a time is enough.
    pub(crate) fn on_conflict(&mut self, existing: NodeId, swim: &Swim, cx: &mut SwimCx<'_>) {
        let contested = existing == swim.me() && self.life == Life::Alive;
        if !contested || !cx.config.name_conflict_resolution || self.internal.voting {
            return;
        }
        if cx.config.gossip_interval.is_zero() {
            // The default timeout is zero too: the vote would be lost before anybody heard of it.
            return;
        }
        let params = QueryParams {
            name: "_serf_conflict".into(),
            payload: Bytes::copy_from_slice(cx.pool.name(existing).as_bytes()),
            ..QueryParams::default()
        };
        // A vote that cannot be held is not lost; the next message of the other node tries again.
        if self.ask(&params, Purpose::Vote(Vote::default()), swim, cx).is_ok() {
            self.internal.voting = true;
            bump(&mut cx.stats.conflict_votes);
        }
    }

    /// The vote is over. A node that leaves in the meantime goes on leaving.
    pub(in crate::serf) fn on_vote_end(&mut self, vote: Vote, cx: &mut SwimCx<'_>) {
        self.internal.voting = false;
        let Vote { responses, matching } = vote;
        let stays = vote.is_won() || self.life != Life::Alive;
        cx.trace(Trace::ConflictVote { responses, matching, stays });
        if !stays {
            let reason = ShutDownReason::NameConflict { responses, matching };
            cx.actions.push(Action::ShutDown(reason));
        }
    }
}

/// Tells how this node knows a name, unless it is a contender itself.
pub(super) fn answer(asked: &Asked, name: &[u8], swim: &Swim, cx: &mut SwimCx<'_>) {
    // Names that are not UTF-8 are known to nobody here.
    let id = core::str::from_utf8(name).ok().and_then(|name| cx.pool.find(name));
    if id == Some(swim.me()) {
        return;
    }
    let mut payload = Vec::new();
    match id.and_then(|id| Some((id, swim.record(id)?))) {
        None => encode_conflict_response(None, &mut payload),
        Some((id, record)) => {
            let profile = cx.pool.profile(record.profile);
            let tags = tags::decode(&profile.meta);
            let member = ConflictResponse {
                name: cx.pool.name(id),
                addr: profile.addr.as_bytes(),
                port: profile.port,
                tags: tags.iter().collect(),
                status: record.status as i64,
                vsn: profile.vsn.0,
            };
            encode_conflict_response(Some(&member), &mut payload);
        }
    }
    // Too large, or too late: the vote goes on without this node.
    let _ = send_response(asked, &payload, swim, cx);
}

#[cfg(test)]
mod tests;
