//! The way of an event from the protocol to the application: snapshot, then coalescing.
//!
//! Source: Serf, event pipeline. The snapshot hears everything before it is coalesced, internal queries too.

use crate::config::{Config, Mutant};
use crate::event::{Event, EventMember, MemberEvent, MemberEventKind, QueryEvent, UserEvent};
use crate::pool::{NodeId, ProfileId};
use crate::serf::Serf;
use crate::serf::coalesce::{MemberCoalescer, UserCoalescer};
use crate::snapshot::{CLOCK_INTERVAL, Clocks, Record, Recorder};
use crate::stats::bump;
use crate::swim::{Action, SwimCx};
use crate::time::Instant;
use crate::timers::TimerKind;
use crate::trace::{EventPath, Trace};

/// What events pass through. Each part is there only if the settings ask for it.
#[derive(Debug)]
pub(crate) struct Pipeline {
    recorder: Option<Box<Recorder>>,
    members: Option<Box<MemberCoalescer>>,
    users: Option<Box<UserCoalescer>>,
}

impl Pipeline {
    /// `recorded`: what the snapshot says already.
    pub(crate) fn new(config: &Config, recorded: Clocks) -> Self {
        let members = MemberCoalescer::new(config.coalesce_period, config.quiescent_period);
        let users = UserCoalescer::new(config.user_coalesce_period, config.user_quiescent_period);
        Self {
            recorder: config.snapshot.then(|| Box::new(Recorder::new(recorded))),
            members: members.map(Box::new),
            users: users.map(Box::new),
        }
    }
}

impl Serf {
    /// The profiles in events that are held back.
    pub(crate) fn profiles(&self) -> impl Iterator<Item = ProfileId> {
        self.pipeline.members.iter().flat_map(|members| members.profiles())
    }

    /// A member event for the snapshot.
    pub(super) fn record_member(
        &mut self,
        kind: MemberEventKind,
        id: NodeId,
        profile: ProfileId,
        cx: &mut SwimCx<'_>,
    ) {
        let Some(recorder) = &mut self.pipeline.recorder else { return };
        let (clock, name) = (self.member_clock.time(), cx.pool.name(id));
        let emit = |record| cx.actions.push(Action::Persist(record));
        match kind {
            MemberEventKind::Join => {
                let addr = cx.pool.profile(profile).socket_addr();
                recorder.joined(name, addr, clock, emit);
            }
            MemberEventKind::Leave | MemberEventKind::Failed => recorder.gone(name, clock, emit),
            MemberEventKind::Update | MemberEventKind::Reap => {
                recorder.other_member_event(clock, emit);
            }
        }
    }

    /// A query that passed its filters, for the snapshot.
    pub(super) fn record_query(&mut self, ltime: u64, cx: &mut SwimCx<'_>) {
        self.record(cx, |recorder, emit| recorder.query(ltime, emit));
    }

    /// The own leave for the snapshot.
    pub(super) fn record_leave(&mut self, cx: &mut SwimCx<'_>) {
        self.record(cx, |recorder, emit| recorder.leave(emit));
    }

    /// The member clock may have moved: have it recorded before long.
    pub(super) fn arm_snapshot_clock(&self, cx: &mut SwimCx<'_>) {
        let Some(recorder) = &self.pipeline.recorder else { return };
        if recorder.clock_is_due(self.member_clock.time())
            && !cx.timers.is_set(TimerKind::SnapshotClock)
        {
            cx.timers.set(TimerKind::SnapshotClock, cx.now + CLOCK_INTERVAL);
        }
    }

    /// The member clock for the snapshot.
    pub(super) fn on_snapshot_clock(&mut self, cx: &mut SwimCx<'_>) {
        cx.timers.clear(TimerKind::SnapshotClock);
        let clock = self.member_clock.time();
        self.record(cx, |recorder, emit| recorder.clock_tick(clock, emit));
    }

    fn record(
        &mut self,
        cx: &mut SwimCx<'_>,
        what: impl FnOnce(&mut Recorder, &mut dyn FnMut(Record)),
    ) {
        if let Some(recorder) = &mut self.pipeline.recorder {
            what(recorder, &mut |record| cx.actions.push(Action::Persist(record)));
        }
    }

    /// A member event on its way to the application.
    pub(super) fn deliver_member(
        &mut self,
        kind: MemberEventKind,
        member: EventMember,
        cx: &mut SwimCx<'_>,
    ) {
        let event = MemberEvent { kind, members: [member].into_iter().collect() };
        match &mut self.pipeline.members {
            None => cx.actions.push(Action::Event(Event::Members(event))),
            Some(coalescer) => {
                coalescer.push(&event, cx.now);
                set_deadline(TimerKind::Coalesce, coalescer.deadline(), cx);
            }
        }
    }

    /// A new user event on its way to the application.
    pub(super) fn deliver_user(&mut self, event: UserEvent, path: EventPath, cx: &mut SwimCx<'_>) {
        let ltime = event.ltime;
        cx.trace(Trace::EventAccepted { ltime, path });
        self.record(cx, |recorder, emit| recorder.user_event(ltime, emit));
        match &mut self.pipeline.users {
            None => {
                if cx.config.is_mutant(Mutant::EventDeliveredTwice) {
                    cx.actions.push(Action::Event(Event::User(event.clone())));
                }
                cx.actions.push(Action::Event(Event::User(event)));
            }
            Some(coalescer) => {
                cx.actions.extend(coalescer.push(event, cx.now).into_iter().map(Action::Event));
                set_deadline(TimerKind::UserCoalesce, coalescer.deadline(), cx);
            }
        }
    }

    /// A query on its way to the application.
    pub(super) fn deliver_query(query: QueryEvent, cx: &mut SwimCx<'_>) {
        bump(&mut cx.stats.queries_delivered);
        cx.actions.push(Action::Event(Event::Query(Box::new(query))));
    }

    /// Collected member events are due.
    pub(super) fn on_coalesce_timer(&mut self, cx: &mut SwimCx<'_>) {
        cx.timers.clear(TimerKind::Coalesce);
        if let Some(coalescer) = &mut self.pipeline.members {
            cx.actions.extend(coalescer.flush().into_iter().map(Action::Event));
        }
    }

    /// Collected user events are due.
    pub(super) fn on_user_coalesce_timer(&mut self, cx: &mut SwimCx<'_>) {
        cx.timers.clear(TimerKind::UserCoalesce);
        if let Some(coalescer) = &mut self.pipeline.users {
            cx.actions.extend(coalescer.flush().into_iter().map(Action::Event));
        }
    }

    /// The node stops: what is held back is told now.
    pub(super) fn flush(&mut self, cx: &mut SwimCx<'_>) {
        self.on_user_coalesce_timer(cx);
        self.on_coalesce_timer(cx);
        self.on_snapshot_clock(cx);
    }
}

fn set_deadline(kind: TimerKind, deadline: Option<Instant>, cx: &mut SwimCx<'_>) {
    match deadline {
        Some(at) => cx.timers.set(kind, at),
        None => cx.timers.clear(kind),
    }
}
