//! Asking: own queries, and the acks and answers that come back until the deadline.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::answer::TAG_FILTERS_MAX;
use super::{MESSAGE_BYTES_MAX, Queries};
use crate::command::{OpError, QueryParams, QueryReport, Reply, TagFilter};
use crate::config::{Config, Mutant, NAME_BYTES_KEPT_MAX, QUERY_SERF_PROTOCOL};
use crate::event::Event;
use crate::ids::{OpId, QueryId};
use crate::math::query_timeout;
use crate::msg::serf::{Filter, QUERY_FLAG_ACK, QueryMessage, QueryResponse, RESPONSE_FLAG_ACK};
use crate::serf::filter::TagPattern;
use crate::serf::internal::{KeyTask, Vote};
use crate::serf::{Life, Serf};
use crate::stats::{DropReason, bump};
use crate::swim::{Action, Swim, SwimCx};
use crate::time::{Instant, duration_nanos};
use crate::timers::TimerKind;
use crate::trace::{EventPath, QueueKind, Trace};
use crate::wire::serf::{encode_filter, encode_query, query_len};

/// Most own queries under way at once.
pub(super) const OWN_MAX: usize = 1_024;
/// Bytes that a queued message costs in a packet besides its own: the user-message byte and the two of its length.
const PACKET_OVERHEAD: usize = 3;

/// Who wants the answers to an own query.
#[derive(Debug)]
pub(in crate::serf) enum Purpose {
    /// The application: acks and answers become events.
    Command(OpId),
    /// A key operation.
    Keys(Box<KeyTask>),
    /// A vote about the own name.
    Vote(Vote),
}

/// An own query under way.
#[derive(Debug)]
pub(super) struct Own {
    id: u32,
    pub(super) deadline: Instant,
    wants_acks: bool,
    /// Most members whose acks, and whose answers, are kept: `From` is not authenticated.
    replies_max: usize,
    acks: BTreeSet<Box<str>>,
    responses: BTreeSet<Box<str>>,
    purpose: Purpose,
}

/// What a reply is to its query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reception {
    First,
    Again,
    TooMany,
}

impl Own {
    /// The first reply of a member counts, acks and answers apart.
    fn note(&mut self, from: &str, ack: bool) -> Reception {
        let known = if ack { &mut self.acks } else { &mut self.responses };
        if known.contains(from) {
            Reception::Again
        } else if known.len() >= self.replies_max {
            Reception::TooMany
        } else {
            known.insert(from.into());
            Reception::First
        }
    }
}

impl Serf {
    /// Command: ask. Acks and answers arrive as events, `Done` comes at the deadline.
    pub(crate) fn query(
        &mut self,
        op: OpId,
        params: QueryParams,
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) {
        if let Err(error) = self.ask(&params, Purpose::Command(op), swim, cx) {
            cx.actions.push(Action::Done { op, result: Err(error) });
        }
    }

    /// Sends a query. Nothing changes on error, no Lamport time is used.
    pub(in crate::serf) fn ask(
        &mut self,
        params: &QueryParams,
        purpose: Purpose,
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) -> Result<QueryId, OpError> {
        self.check_ask(params, cx.config)?;
        let filters = encode_filters(params);
        let profile = cx.pool.profile(swim.own().profile).clone();
        let name: Box<str> = cx.pool.name(profile.node).into();
        let timeout = match duration_nanos(params.timeout) {
            0 => default_timeout(swim, cx.config),
            nanos => nanos,
        };
        let query = QueryMessage {
            ltime: self.queries.time(),
            id: cx.rng.next_u32() >> 1,
            addr: profile.addr.as_bytes(),
            port: profile.port,
            source_node: &name,
            filters: filters.iter().map(Vec::as_slice).collect(),
            flags: if params.ack { QUERY_FLAG_ACK } else { 0 },
            relay_factor: params.relay_factor,
            timeout: i64::try_from(timeout).unwrap_or(i64::MAX),
            name: &params.name,
            payload: Some(&*params.payload).filter(|payload| !payload.is_empty()),
        };
        // A message that fits no packet could reach nobody.
        let limit = cx.config.query_bytes_max.min(cx.config.gossip_room() - PACKET_OVERHEAD);
        let size = query_len(&query);
        if size > limit {
            return Err(OpError::QueryTooLarge { size, limit });
        }
        let mut message = Vec::with_capacity(size);
        encode_query(&query, &mut message);
        let id = self.register(&query, purpose, swim, cx);
        self.handle_query(&query, EventPath::Local, swim, cx);
        self.outgoing.push(QueueKind::Query, message.into(), swim, cx);
        Ok(id)
    }

    fn check_ask(&self, params: &QueryParams, config: &Config) -> Result<(), OpError> {
        if self.life == Life::Left {
            return Err(OpError::NotAlive);
        }
        let version = config.serf_protocol_version;
        if version < QUERY_SERF_PROTOCOL {
            return Err(OpError::QueryUnsupported { version });
        }
        check_filters(&params.filter_tags)?;
        if self.queries.own.len() >= OWN_MAX {
            return Err(OpError::QueriesFull { limit: OWN_MAX });
        }
        if self.queries.clock.is_exhausted() {
            return Err(OpError::LamportTimeExhausted);
        }
        Ok(())
    }

    /// Begins to collect the replies to an own query.
    fn register(
        &mut self,
        query: &QueryMessage<'_>,
        purpose: Purpose,
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) -> QueryId {
        let id = QueryId { ltime: query.ltime, id: query.id };
        let deadline = cx.now.plus_nanos(query.timeout.unsigned_abs());
        cx.timers.add(deadline, TimerKind::QueryEnd(id));
        let own = Own {
            id: query.id,
            deadline,
            wants_acks: query.flags & QUERY_FLAG_ACK != 0,
            // Members that join while the query travels, or that this node has not heard of yet, answer too.
            replies_max: swim.alive_len().max(1).saturating_mul(2).saturating_add(64),
            acks: BTreeSet::new(),
            responses: BTreeSet::new(),
            purpose,
        };
        self.queries.own.insert(query.ltime, own);
        id
    }

    /// An ack or answer arrived.
    pub(crate) fn on_response_message(
        &mut self,
        response: &QueryResponse<'_>,
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) {
        let &QueryResponse { ltime, id, from, flags, payload } = response;
        let ack = flags & RESPONSE_FLAG_ACK != 0;
        let own = self.queries.own.get_mut(&ltime);
        let Some(own) = own.filter(|own| own.id == id && cx.now <= own.deadline) else {
            cx.stats.drop(DropReason::UnknownQuery);
            return;
        };
        if ack && !own.wants_acks {
            bump(&mut cx.stats.query_duplicate_acks);
            return;
        }
        let payload = payload.unwrap_or_default();
        if from.len() > NAME_BYTES_KEPT_MAX || payload.len() > MESSAGE_BYTES_MAX {
            cx.stats.drop(DropReason::Invalid);
            return;
        }
        let reception = own.note(from, ack);
        bump(match (reception, ack) {
            (Reception::TooMany, _) => return cx.stats.drop(DropReason::QueriesFull),
            (Reception::First, true) => &mut cx.stats.query_acks,
            (Reception::First, false) => &mut cx.stats.query_responses,
            (Reception::Again, true) => &mut cx.stats.query_duplicate_acks,
            (Reception::Again, false) => &mut cx.stats.query_duplicate_responses,
        });
        let (query, duplicate) = (QueryId { ltime, id }, reception == Reception::Again);
        let member = cx.pool.find(from);
        cx.trace(Trace::QueryReplied { query, from: member, ack, duplicate });
        if duplicate && !cx.config.is_mutant(Mutant::QueryAnswerCountedTwice) {
            return;
        }
        if self.deliver_reply(query, from, (!ack).then_some(payload), swim, cx) {
            self.on_query_end(query, swim, cx);
        }
    }

    /// Hands a first ack (no payload) or answer to whoever asked; true if nothing more is awaited.
    fn deliver_reply(
        &mut self,
        query: QueryId,
        from: &str,
        payload: Option<&[u8]>,
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) -> bool {
        let Some(own) = self.queries.own.get_mut(&query.ltime) else { return false };
        match (&mut own.purpose, payload) {
            (Purpose::Command(op), None) => {
                cx.actions.push(Action::Event(Event::QueryAck { op: *op, from: from.into() }));
                false
            }
            (Purpose::Command(op), Some(payload)) => {
                let (op, from) = (*op, from.into());
                let payload = Bytes::copy_from_slice(payload);
                cx.actions.push(Action::Event(Event::QueryResponse { op, from, payload }));
                false
            }
            (Purpose::Keys(task), Some(payload)) => task.count(from, payload, cx.stats),
            (Purpose::Vote(vote), Some(payload)) => {
                vote.count(payload, cx.pool.profile(swim.own().profile));
                false
            }
            (Purpose::Keys(_) | Purpose::Vote(_), None) => false,
        }
    }

    /// An own query ends: its time is over, or nothing more is awaited.
    pub(crate) fn on_query_end(&mut self, query: QueryId, swim: &Swim, cx: &mut SwimCx<'_>) {
        let Some(own) = self.queries.own.remove(&query.ltime) else { return };
        cx.timers.cancel(own.deadline, TimerKind::QueryEnd(query));
        let count = |names: &BTreeSet<_>| u32::try_from(names.len()).unwrap_or(u32::MAX);
        let (acks, responses) = (count(&own.acks), count(&own.responses));
        cx.trace(Trace::QueryEnded { query, acks, responses });
        match own.purpose {
            Purpose::Command(op) => {
                let report = QueryReport { id: query, acks, responses };
                cx.actions.push(Action::Done { op, result: Ok(Reply::QueryDone(report)) });
            }
            Purpose::Keys(task) => self.on_keys_end(*task, swim, cx),
            Purpose::Vote(vote) => self.on_vote_end(vote, cx),
        }
    }
}

impl Queries {
    /// The node stops: the commands that wait for replies.
    pub(in crate::serf) fn abort(&mut self) -> Vec<OpId> {
        let own = core::mem::take(&mut self.own);
        let waits = own.into_values().filter_map(|own| match own.purpose {
            Purpose::Command(op) => Some(op),
            Purpose::Keys(task) => Some(task.op()),
            Purpose::Vote(_) => None,
        });
        waits.collect()
    }
}

/// Refuses expressions that not every member understands, and more than members look at.
fn check_filters(filters: &[TagFilter]) -> Result<(), OpError> {
    for (index, filter) in filters.iter().enumerate() {
        let reason = match TagPattern::new(&filter.expr) {
            Err(error) => error.to_string(),
            Ok(_) if index >= TAG_FILTERS_MAX => {
                format!("a query has at most {TAG_FILTERS_MAX} filters by tag")
            }
            Ok(_) => continue,
        };
        let filter = Box::new(filter.clone());
        return Err(OpError::BadFilter { filter, reason: reason.into() });
    }
    Ok(())
}

/// How long a query waits that does not say so, in nanoseconds.
fn default_timeout(swim: &Swim, config: &Config) -> u64 {
    let interval = duration_nanos(config.gossip_interval);
    query_timeout(interval, config.query_timeout_mult, swim.alive_len())
}

/// One filter for all names, then one for each tag.
fn encode_filters(params: &QueryParams) -> Vec<Vec<u8>> {
    let names = || params.filter_nodes.iter().map(|name| &**name).collect();
    let nodes = (!params.filter_nodes.is_empty()).then(|| Filter::Nodes(names()));
    let tags = params.filter_tags.iter().map(|tag| Filter::Tag { tag: &tag.tag, expr: &tag.expr });
    let encode = |filter: Filter<'_>| {
        let mut bytes = Vec::new();
        encode_filter(&filter, &mut bytes);
        bytes
    };
    nodes.into_iter().chain(tags).map(encode).collect()
}
