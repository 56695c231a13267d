//! Full state exchange: writing the own state, merging a remote one.

use smallvec::SmallVec;

use super::{Node, Turn};
use crate::msg::serf::SerfMessageType;
use crate::msg::swim::{PushPullHeader, PushPullNode};
use crate::pool::{NodeId, Pool, Vsn};
use crate::stats::{DropReason, bump};
use crate::swim::{Action, RemoteEntry, RemoteVersions};
use crate::trace::{MemberState, Trace};
use crate::wire::serf::decode_state;
use crate::wire::swim::{PushPull, PushPullNodes, encode_push_pull_header};

/// Distinct version bytes one remote state may show; more is refused as nonsense.
const VERSIONS_MAX: usize = 64;

/// The own full state as it was last written. In a quiet cluster the peer's state has the same bytes, and need not be
/// read at all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    /// Of the member table.
    version: u64,
    /// Hash of all entries.
    nodes: u64,
    /// Hash of all statuses.
    statuses: u64,
}

impl Node {
    /// Appends the own push/pull message to `out`: every record, then the Serf state.
    pub(super) fn encode_state(
        &mut self,
        join: bool,
        pool: &Pool,
        user_state: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) {
        user_state.clear();
        let status_bytes = self.serf.encode_state(&self.swim, pool, user_state);
        let count = |len: usize| u32::try_from(len).expect("capped far below 2^32");
        let header = PushPullHeader {
            nodes: count(self.swim.members_len()),
            user_state_bytes: count(user_state.len()),
            join,
        };
        encode_push_pull_header(&header, out);
        let start = out.len();
        for (_, member) in self.swim.members() {
            let template = pool.template(member.profile);
            template.encode(member.incarnation, member.state as u8, out);
        }
        self.said = Said {
            version: self.swim.version(),
            nodes: pool.hash_bytes(&out[start..]),
            statuses: pool.hash_bytes(&user_state[user_state.len() - status_bytes..]),
        };
        out.extend_from_slice(user_state);
    }

    /// Merges a remote state; false if its versions cannot live with ours.
    pub(super) fn merge(&mut self, join: bool, state: &PushPull<'_>, turn: &mut Turn<'_>) -> bool {
        let nodes = turn.pool.hash_bytes(state.node_bytes());
        let news = if self.is_said(|said| said.nodes == nodes) && !self.swim.has_suspects() {
            // The peer knows what this node knows, no more and no less.
            debug_assert!(self.read_news(state, turn.pool).iter().all(|(entry, id)| {
                let known = self.swim.member(*id);
                known.is_some_and(|known| {
                    known.state as i64 == entry.state && known.incarnation == entry.incarnation
                })
            }));
            Vec::new()
        } else {
            self.read_news(state, turn.pool)
        };
        if !remote_versions(&news).is_some_and(|versions| self.swim.admits_versions(&versions)) {
            self.stats.drop(DropReason::Version);
            return false;
        }
        for (entry, guess) in &news {
            self.merge_entry(entry, *guess, turn);
        }
        if !state.user_state().is_empty() {
            self.merge_user_state(join, state.user_state(), turn);
        }
        true
    }

    /// The entries that may change something here, each with the id its name probably has.
    ///
    /// Left out are those about members alive on both sides, with the same profile, at an incarnation we have or have
    /// overtaken: the alive rule ignores them, and their versions are among our own.
    fn read_news<'a>(
        &mut self,
        state: &PushPull<'a>,
        pool: &Pool,
    ) -> Vec<(PushPullNode<'a>, NodeId)> {
        let mut news = Vec::new();
        let mut entries = state.nodes();
        // Peers list members mostly in the order of their ids, which here is mostly ours too.
        let mut guess = NodeId(0);
        loop {
            if self.skip_old_news(&mut entries, guess, pool) {
                guess = NodeId(guess.0.saturating_add(1));
                continue;
            }
            match entries.next() {
                None => return news,
                Some(Err(_)) => self.stats.drop(DropReason::Decode),
                Some(Ok(entry)) => {
                    let known = pool.find_near(entry.name, guess).unwrap_or(guess);
                    news.push((entry, known));
                    guess = NodeId(known.0.saturating_add(1));
                }
            }
        }
    }

    fn skip_old_news(&self, entries: &mut PushPullNodes<'_>, guess: NodeId, pool: &Pool) -> bool {
        let Some(known) = self.swim.member(guess) else { return false };
        if known.state != MemberState::Alive {
            return false;
        }
        let before = entries.clone();
        match entries.next_like(&pool.template(known.profile)) {
            Some((incarnation, state)) if state == 0 && incarnation <= known.incarnation => true,
            Some(_) => {
                *entries = before;
                false
            }
            None => false,
        }
    }

    fn merge_entry(&mut self, entry: &PushPullNode<'_>, guess: NodeId, turn: &mut Turn<'_>) {
        // Unknown state numbers are ignored, as the reference does.
        let Some(state) = MemberState::from_wire(entry.state) else { return };
        let claim = self
            .check_claim(entry)
            .filter(|claim| claim.incarnation > 0 || state != MemberState::Alive);
        let Some(claim) = claim else {
            self.stats.drop(DropReason::Invalid);
            return;
        };
        let known = turn.pool.find_near(claim.name, guess);
        let (swim, mut cx) = self.swim(turn);
        swim.merge_entry(&RemoteEntry { claim, state }, known, &mut cx);
    }

    pub(super) fn merge_user_state(&mut self, join: bool, bytes: &[u8], turn: &mut Turn<'_>) {
        let state = match bytes.split_first() {
            Some((&number, body)) if number == SerfMessageType::PushPull as u8 => {
                decode_state(body)
            }
            _ => {
                self.stats.drop(DropReason::SerfMessageType);
                return;
            }
        };
        let Ok(state) = state else {
            self.stats.drop(DropReason::Decode);
            return;
        };
        let ignore_old = join && self.joins.ignores_old_events();
        // Joins and departures of this exchange come before what the Serf state says about them.
        self.carry_out(turn);
        let statuses = turn.pool.hash_bytes(state.status_bytes());
        let same = self.is_said(|said| said.statuses == statuses);
        let (serf, swim, mut cx) = self.serf(turn);
        serf.merge_state(&state, ignore_old, same, swim, &mut cx);
    }

    /// Whether the own state is still as it was last written, and that was as `matches` says.
    fn is_said(&self, matches: impl FnOnce(&Said) -> bool) -> bool {
        self.said.version == self.swim.version() && matches(&self.said)
    }

    /// Counts and traces the end of an exchange.
    pub(super) fn push_pull_ended(
        &mut self,
        initiator: bool,
        join: bool,
        merged: bool,
        turn: &mut Turn<'_>,
    ) {
        let stats = &mut self.stats;
        bump(if merged { &mut stats.push_pulls } else { &mut stats.push_pulls_failed });
        if self.config.trace {
            let trace = Trace::PushPullEnded { initiator, join, merged };
            turn.scratch.actions.push(Action::Trace(trace));
        }
    }
}

/// The distinct version bytes of remote entries; `None` if there are absurdly many.
fn remote_versions(news: &[(PushPullNode<'_>, NodeId)]) -> Option<SmallVec<[RemoteVersions; 4]>> {
    let mut versions: SmallVec<[RemoteVersions; 4]> = SmallVec::new();
    for (entry, _) in news {
        let vsn = entry.vsn.and_then(|vsn| vsn.try_into().ok()).map(Vsn);
        let found = RemoteVersions { vsn, alive: entry.state == MemberState::Alive as i64 };
        if versions.last() != Some(&found) && !versions.contains(&found) {
            if versions.len() >= VERSIONS_MAX {
                return None;
            }
            versions.push(found);
        }
    }
    Some(versions)
}
