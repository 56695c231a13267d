//! The Serf layer over SWIM: members as applications see them, user events, queries, keys, coordinates, snapshot.
//!
//! `Serf` decides, `Swim` is told: every function that needs it takes `&mut Swim`. Effects are pushed as
//! [`Action`](crate::swim::Action)s in causal order.

pub(crate) mod clock;
pub(crate) mod coalesce;
pub(crate) mod coordinates;
pub(crate) mod events;
pub(crate) mod filter;
pub(crate) mod intents;
mod internal;
mod leave;
pub(crate) mod members;
pub(crate) mod outgoing;
mod pipeline;
pub(crate) mod query;
mod state;

use bytes::Bytes;

use crate::command::{OpError, Reply};
use crate::config::{Config, Mutant, TimerPhase};
use crate::event::UserEvent;
use crate::ids::OpId;
use crate::keyring::Keyring;
use crate::msg::serf::UserEventMessage;
use crate::rng::Rng;
use crate::snapshot::Clocks;
use crate::swim::{Action, Swim, SwimCx, Upcall};
use crate::time::duration_nanos;
use crate::timers::TimerKind;
use crate::trace::{EventPath, QueueKind};
use crate::wire::serf::encode_user_event;
use clock::LamportClock;
use coordinates::Coordinates;
use events::UserEvents;
use intents::Intents;
use internal::Internal;
use leave::Waiting;
use members::Departed;
use outgoing::Outgoing;
use pipeline::Pipeline;
use query::Queries;

/// Where this node stands in its own life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Life {
    Alive,
    /// The leave is announced; intents about ourselves are not refuted any more.
    Leaving,
    /// Left for good; the node answers until it is dropped.
    Left,
}

/// Serf state of one node.
#[derive(Debug)]
pub(crate) struct Serf {
    pub(crate) life: Life,
    /// Orders join and leave intents.
    pub(crate) member_clock: LamportClock,
    pub(crate) departed: Box<Departed>,
    pub(crate) intents: Intents,
    pub(crate) outgoing: Outgoing,
    pub(crate) events: UserEvents,
    pub(crate) queries: Box<Queries>,
    internal: Box<Internal>,
    /// The keys in use; they change at run time.
    pub(crate) keyring: Keyring,
    /// `None` when coordinates are switched off.
    pub(crate) coordinates: Option<Box<Coordinates>>,
    pipeline: Pipeline,
    waiting: Waiting,
    reconnect_phase: u64,
}

impl Serf {
    /// `restored`: clocks of the snapshot, as they were last used. Absurd ones are not believed.
    pub(crate) fn new(config: &Config, restored: Clocks, rng: &mut Rng) -> Self {
        let reconnect = duration_nanos(config.reconnect_interval);
        let (mut events, mut queries) =
            (UserEvents::new(config.event_buffer), Queries::new(config.query_buffer));
        let (mut member_clock, mut recorded) = (LamportClock::default(), Clocks::default());
        if config.snapshot && !config.is_mutant(Mutant::SnapshotForgetsClock) {
            recorded.member = member_clock.restore(restored.member);
            recorded.event = events.restore(restored.event);
            recorded.query = queries.restore(restored.query);
        }
        Self {
            life: Life::Alive,
            member_clock,
            departed: Box::default(),
            intents: Intents::default(),
            outgoing: Outgoing::default(),
            events,
            queries: Box::new(queries),
            internal: Box::default(),
            keyring: config.keyring.clone(),
            coordinates: config.coordinates.then(|| Box::new(Coordinates::new())),
            pipeline: Pipeline::new(config, recorded),
            waiting: Waiting::default(),
            reconnect_phase: match config.timer_phase {
                TimerPhase::Random => rng.stagger(reconnect),
                TimerPhase::Aligned => 0,
            },
        }
    }

    /// News from SWIM.
    pub(crate) fn on_upcall(&mut self, upcall: Upcall, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        match upcall {
            Upcall::Joined(id) => self.on_joined(id, swim, cx),
            Upcall::Departed(id) => self.on_departed(id, swim, cx),
            Upcall::Updated(id) => self.on_updated(id, swim, cx),
            Upcall::Conflict { existing } => self.on_conflict(existing, swim, cx),
        }
    }

    /// Handles one timer of this layer.
    pub(crate) fn on_timer(&mut self, kind: TimerKind, swim: &mut Swim, cx: &mut SwimCx<'_>) {
        match kind {
            TimerKind::Reap => self.on_reap(swim, cx),
            TimerKind::Reconnect => self.on_reconnect(swim, cx),
            TimerKind::QueueCheck => self.outgoing.on_check(swim, cx),
            TimerKind::Coalesce => self.on_coalesce_timer(cx),
            TimerKind::UserCoalesce => self.on_user_coalesce_timer(cx),
            TimerKind::SnapshotClock => self.on_snapshot_clock(cx),
            TimerKind::Leave => self.on_leave_timer(swim, cx),
            TimerKind::Broadcast(op) => self.on_broadcast_timer(op, swim, cx),
            TimerKind::Prune(id) => self.on_prune_timer(id, swim, cx),
            TimerKind::QueryEnd(query) => self.on_query_end(query, swim, cx),
            TimerKind::QueryExpiry(query) => self.on_query_expiry(query),
            TimerKind::ProbeWindow
            | TimerKind::ProbeTick
            | TimerKind::Gossip
            | TimerKind::PushPull
            | TimerKind::Rejoin
            | TimerKind::Suspicion(_)
            | TimerKind::Relay(_)
            | TimerKind::Stream(_) => unreachable!("{kind:?} belongs to another layer"),
        }
    }

    /// Command: send a user event.
    pub(crate) fn user_event(
        &mut self,
        op: OpId,
        name: Box<str>,
        payload: Bytes,
        coalesce: bool,
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) {
        let result = match self.events.send(name, payload, coalesce, cx.config, cx.stats) {
            Err(error) => Err(error),
            Ok((event, message)) => {
                let ltime = event.ltime;
                self.outgoing.push(QueueKind::Event, message, swim, cx);
                self.deliver_user(event, EventPath::Local, cx);
                Ok(Reply::EventSent { ltime })
            }
        };
        cx.actions.push(Action::Done { op, result });
    }

    /// A user event arrived; `message` is passed on as it is if it was news.
    pub(crate) fn on_user_event_message(
        &mut self,
        event: &UserEventMessage<'_>,
        message: &[u8],
        swim: &Swim,
        cx: &mut SwimCx<'_>,
    ) {
        if let Some(event) = self.events.receive(event, cx.stats) {
            let mut message = Bytes::copy_from_slice(message);
            if cx.config.is_mutant(Mutant::EventForwardedChanged) {
                message = renamed(&event);
            }
            self.outgoing.push(QueueKind::Event, message, swim, cx);
            self.deliver_user(event, EventPath::Gossip, cx);
        }
    }

    /// The node stops: tells what is held back, and answers every command that waits.
    pub(crate) fn stop(&mut self, cx: &mut SwimCx<'_>) {
        self.flush(cx);
        self.abort_waits(cx);
        for op in self.queries.abort().into_iter().chain(self.internal.abort()) {
            cx.actions.push(Action::Done { op, result: Err(OpError::ShutDown) });
        }
    }
}

/// The message of an event under another name, for a mutant.
fn renamed(event: &UserEvent) -> Bytes {
    let name = format!("{}!", event.name);
    let mut message = Vec::new();
    let payload = Some(&*event.payload).filter(|bytes| !bytes.is_empty());
    let UserEvent { ltime, coalesce, .. } = *event;
    encode_user_event(&UserEventMessage { ltime, name: &name, payload, coalesce }, &mut message);
    message.into()
}
