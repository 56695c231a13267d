//! Being asked: filters, acks, delivery, and the one answer that each query gets.

use core::net::SocketAddr;

use bytes::Bytes;

use super::relay::{addressee, reachable, relay};
use super::{INTERNAL_PREFIX, MESSAGE_BYTES_MAX};
use crate::command::{OpError, Reply};
use crate::config::{Config, Mutant, NAME_BYTES_KEPT_MAX};
use crate::event::QueryEvent;
use crate::ids::{OpId, QueryId};
use crate::msg::serf::{
    Filter, QUERY_FLAG_ACK, QUERY_FLAG_NO_BROADCAST, QueryMessage, QueryResponse, RESPONSE_FLAG_ACK,
};
use crate::pool::{Pool, WireAddr};
use crate::serf::Serf;
use crate::stats::{DropReason, bump};
use crate::swim::{Action, Send, Swim, SwimCx, UserSend};
use crate::tags::Tags;
use crate::time::Instant;
use crate::timers::TimerKind;
use crate::trace::{EventPath, QueueKind, Trace};
use crate::wire::serf::{decode_filter, encode_query_response, query_response_len};
use crate::wire::tags;

/// Most delivered queries that wait for their answer.
pub(super) const OPEN_MAX: usize = 4_096;

/// Most filters by tag of one query. A query of the default size holds no more that say anything, and each costs the
/// compilation of an expression.
pub(super) const TAG_FILTERS_MAX: usize = 64;

/// What an answer must know about its query.
#[derive(Clone, Debug)]
pub(in crate::serf) struct Asked {
    pub(in crate::serf) query: QueryId,
    /// Where the asker wants the answer, as it wrote the address.
    pub(super) addr: WireAddr,
    /// The same place.
    pub(super) to: SocketAddr,
    /// Name of the asker; empty from very old peers.
    pub(super) source: Box<str>,
    pub(super) relay_factor: u8,
    /// Answers after this time are refused.
    pub(in crate::serf) deadline: Instant,
}

/// Who is to answer a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::serf) enum Holder {
    /// The application, once it was told.
    Application,
    /// This node, once the keyring is stored.
    Keyring,
}

/// A query that may still be answered.
#[derive(Debug)]
pub(super) struct Open {
    asked: Asked,
    holder: Holder,
    answered: bool,
}

impl Serf {
    /// A query arrived; `message` is the whole message, Serf type byte included, and is passed on as it is if the query
    /// was news.
    pub(crate) fn on_query_message(
        &mut self,
        query: &QueryMessage<'_>,
        message: &[u8],
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) {
        if message.len() > MESSAGE_BYTES_MAX {
            cx.stats.drop(DropReason::Invalid);
            return;
        }
        if self.handle_query(query, EventPath::Gossip, swim, cx) {
            let message = Bytes::copy_from_slice(message);
            self.outgoing.push(QueueKind::Query, message, swim, cx);
        }
    }

    /// True if the query is to be passed on, which does not depend on its filters.
    pub(super) fn handle_query(
        &mut self,
        query: &QueryMessage<'_>,
        path: EventPath,
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) -> bool {
        let id = QueryId { ltime: query.ltime, id: query.id };
        if !self.queries.accept(id, cx.stats) {
            return false;
        }
        let matched =
            self.passes(&query.filters, swim, cx) || cx.config.is_mutant(Mutant::FilterIgnored);
        cx.trace(Trace::QueryAccepted { query: id, matched, path });
        if matched {
            match asked(query, cx.now) {
                Some(asked) => self.take_query(asked, query, swim, cx),
                // Nobody could be answered.
                None => cx.stats.drop(DropReason::Invalid),
            }
        }
        query.flags & QUERY_FLAG_NO_BROADCAST == 0
    }

    /// Whether every filter matches this node. What cannot be read matches nobody.
    fn passes(&mut self, filters: &[&[u8]], swim: &Swim, cx: &mut SwimCx<'_>) -> bool {
        let mut own_tags: Option<Tags> = None;
        let mut tag_filters = 0;
        filters.iter().all(|bytes| match decode_filter(bytes) {
            Ok(Filter::Nodes(names)) => names.contains(&cx.pool.name(swim.me())),
            Ok(Filter::Tag { tag, expr }) => {
                tag_filters += 1;
                let tags = own_tags
                    .get_or_insert_with(|| tags::decode(&cx.pool.profile(swim.own().profile).meta));
                let value = tags.get(tag).unwrap_or_default();
                if tag_filters > TAG_FILTERS_MAX {
                    return false;
                }
                let found = self.queries.patterns.is_match(expr, value, cx.now);
                if found.is_none() {
                    cx.stats.drop(DropReason::QueriesFull);
                }
                found.unwrap_or(false)
            }
            Err(_) => false,
        })
    }

    /// Acks and delivers a query that is meant for this node.
    fn take_query(
        &mut self,
        asked: Asked,
        query: &QueryMessage<'_>,
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) {
        if query.flags & QUERY_FLAG_ACK != 0 {
            send_ack(&asked, swim, cx);
        }
        self.record_query(query.ltime, cx);
        let payload = query.payload.unwrap_or_default();
        if let Some(name) = query.name.strip_prefix(INTERNAL_PREFIX) {
            self.internal_query(asked, name, payload, swim, cx);
            return;
        }
        let event = QueryEvent {
            id: asked.query,
            name: query.name.into(),
            payload: Bytes::copy_from_slice(payload),
            source: asked.source.clone(),
            deadline: asked.deadline,
        };
        // A query that is over already is delivered, but not kept.
        if event.deadline < cx.now || self.keep_open(asked, Holder::Application, cx) {
            Self::deliver_query(event, cx);
        }
    }

    /// Remembers a query until its deadline. If there are too many, the one that would stay the longest is given up;
    /// false if that is the new one.
    pub(in crate::serf) fn keep_open(
        &mut self,
        asked: Asked,
        holder: Holder,
        cx: &mut SwimCx<'_>,
    ) -> bool {
        let open = &mut self.queries.open;
        if open.len() >= OPEN_MAX {
            cx.stats.drop(DropReason::QueriesFull);
            let longest = open.iter().map(|(id, open)| (open.asked.deadline, *id)).max();
            match longest {
                Some((deadline, id)) if deadline > asked.deadline => {
                    open.remove(&id);
                    cx.timers.cancel(expiry(deadline), TimerKind::QueryExpiry(id));
                }
                _ => return false,
            }
        }
        let query = asked.query;
        cx.timers.add(expiry(asked.deadline), TimerKind::QueryExpiry(query));
        open.insert(query, Open { asked, holder, answered: false });
        true
    }

    /// A delivered query can no longer be answered.
    pub(crate) fn on_query_expiry(&mut self, query: QueryId) {
        self.queries.open.remove(&query);
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
        let result = self.answer_open(query, Holder::Application, payload, swim, cx);
        cx.actions.push(Action::Done { op, result: result.map(|()| Reply::Responded) });
    }

    /// Answers a query that was kept open, unless it is over or answered.
    pub(in crate::serf) fn answer_open(
        &mut self,
        query: QueryId,
        holder: Holder,
        payload: &[u8],
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) -> Result<(), OpError> {
        response_fits(query, payload, swim, cx.pool, cx.config)?;
        let open = self.queries.open.get_mut(&query);
        let open = open.filter(|open| open.holder == holder).ok_or(OpError::QueryOver)?;
        if open.answered {
            return Err(OpError::AlreadyAnswered);
        }
        send_response(&open.asked, payload, swim, cx)?;
        open.answered = true;
        Ok(())
    }
}

/// Sends an answer directly and through relays. On [`OpError::RelayTooLarge`] the direct copy is on its way.
pub(in crate::serf) fn send_response(
    asked: &Asked,
    payload: &[u8],
    swim: &Swim,
    cx: &mut SwimCx<'_>,
) -> Result<(), OpError> {
    response_fits(asked.query, payload, swim, cx.pool, cx.config)?;
    if cx.now > asked.deadline {
        return Err(OpError::QueryOver);
    }
    let response = response(asked.query, payload, swim, cx.pool);
    let mut message = Vec::with_capacity(query_response_len(&response));
    encode_query_response(&response, &mut message);
    bump(&mut cx.stats.query_answers);
    cx.trace(Trace::QueryAnswered { query: asked.query });
    send_reply(asked, message.into(), swim, cx)
}

/// Whether an answer is small enough to be sent, relay copies aside.
pub(in crate::serf) fn response_fits(
    query: QueryId,
    payload: &[u8],
    swim: &Swim,
    pool: &Pool,
    config: &Config,
) -> Result<(), OpError> {
    let size = query_response_len(&response(query, payload, swim, pool));
    let limit = config.query_response_bytes_max;
    if size > limit { Err(OpError::ResponseTooLarge { size, limit }) } else { Ok(()) }
}

fn response<'a>(
    query: QueryId,
    payload: &'a [u8],
    swim: &Swim,
    pool: &'a Pool,
) -> QueryResponse<'a> {
    let payload = Some(payload).filter(|payload| !payload.is_empty());
    let QueryId { ltime, id } = query;
    QueryResponse { ltime, id, from: pool.name(swim.me()), flags: 0, payload }
}

fn send_ack(asked: &Asked, swim: &Swim, cx: &mut SwimCx<'_>) {
    let ack = response(asked.query, &[], swim, cx.pool);
    let mut message = Vec::new();
    encode_query_response(&QueryResponse { flags: RESPONSE_FLAG_ACK, ..ack }, &mut message);
    // An ack that is too large for relays goes out directly only; nobody waits to be told.
    let _ = send_reply(asked, message.into(), swim, cx);
}

/// Sends an ack or answer to the asker, and to members that pass it on.
fn send_reply(
    asked: &Asked,
    message: Bytes,
    swim: &Swim,
    cx: &mut SwimCx<'_>,
) -> Result<(), OpError> {
    let member = addressee(&asked.source, asked.to, swim, cx.pool);
    cx.send(Send::User(Box::new(UserSend { to: asked.to, member, message: message.clone() })));
    relay(asked, &message, swim, cx)
}

/// Where answers to a query go and until when; `None` if they can go nowhere.
fn asked(query: &QueryMessage<'_>, now: Instant) -> Option<Asked> {
    let (addr, to) = reachable(query.addr, query.port)?;
    let deadline = match u64::try_from(query.timeout) {
        Ok(nanos) => now.plus_nanos(nanos),
        // Over before it came.
        Err(_) => Instant::from_nanos(now.as_nanos().saturating_sub(query.timeout.unsigned_abs())),
    };
    (query.source_node.len() <= NAME_BYTES_KEPT_MAX).then(|| Asked {
        query: QueryId { ltime: query.ltime, id: query.id },
        addr,
        to,
        source: query.source_node.into(),
        relay_factor: query.relay_factor,
        deadline,
    })
}

/// An answer at the deadline is in time.
fn expiry(deadline: Instant) -> Instant {
    deadline.plus_nanos(1)
}
