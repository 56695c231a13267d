//! The way of an event from the protocol to the application: snapshot, then coalescing.
//!
//! Source: Serf, event pipeline. The snapshot hears everything before it is coalesced, internal queries too.

use crate::config::Config;
use crate::event::{Event, EventMember, MemberEvent, MemberEventKind, QueryEvent, UserEvent};
use crate::pool::{NodeId, ProfileId};
use crate::serf::Serf;
use crate::swim::{Action, SwimCx};
use crate::trace::{EventPath, Trace};

/// What events pass through.
#[derive(Debug)]
pub(crate) struct Pipeline {}

impl Pipeline {
    pub(crate) fn new(config: &Config) -> Self {
        Self {}
    }
}

impl Serf {
    /// A member event for the snapshot.
    pub(super) fn record_member(
        &mut self,
        kind: MemberEventKind,
        id: NodeId,
        profile: ProfileId,
        cx: &mut SwimCx<'_>,
    ) {
    }

    /// The own leave for the snapshot.
    pub(super) fn record_leave(&mut self, cx: &mut SwimCx<'_>) {}

    /// A query that passed its filters, for the snapshot.
    pub(super) fn record_query(&mut self, ltime: u64, cx: &mut SwimCx<'_>) {}

    /// The member clock may have moved: have it recorded before long.
    pub(super) fn arm_snapshot_clock(&mut self, cx: &mut SwimCx<'_>) {}

    pub(super) fn on_snapshot_clock(&mut self, cx: &mut SwimCx<'_>) {}
    pub(super) fn on_coalesce_timer(&mut self, cx: &mut SwimCx<'_>) {}
    pub(super) fn on_user_coalesce_timer(&mut self, cx: &mut SwimCx<'_>) {}

    /// A member event on its way to the application.
    pub(super) fn deliver_member(
        &mut self,
        kind: MemberEventKind,
        member: EventMember,
        cx: &mut SwimCx<'_>,
    ) {
        let members = [member].into_iter().collect();
        cx.actions.push(Action::Event(Event::Members(MemberEvent { kind, members })));
    }

    /// A new user event on its way to the application.
    pub(crate) fn deliver_user(&mut self, event: UserEvent, path: EventPath, cx: &mut SwimCx<'_>) {
        cx.trace(Trace::EventAccepted { ltime: event.ltime, path });
        cx.actions.push(Action::Event(Event::User(event)));
    }

    /// A query on its way to the application.
    pub(super) fn deliver_query(&mut self, query: QueryEvent, cx: &mut SwimCx<'_>) {
        cx.actions.push(Action::Event(Event::Query(query)));
    }
}
