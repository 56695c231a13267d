//! What one run did, kept so that it can be told: who came to think what of whom, when, and from whom it had it.
//!
//! A [`History`] listens to a run and keeps one small record per change of a view, rumour heard, failed probe. At the
//! end it becomes a [`Document`]: a file for `sim why`, and the data of the page. Memory is bounded by a limit of records;
//! what is left out is counted and said.

mod causes;
pub mod document;
mod forms;
mod messages;
mod probes;
mod record;
mod spans;

use std::collections::BTreeMap;

use uwasa_core::event::Event;
use uwasa_core::pool::NodeId;
use uwasa_core::trace::{Cause, EventPath, IntentKind, MemberState, ProbeOutcome, Trace};

pub use self::document::Document;
use self::probes::Probes;
use self::record::{NOBODY, Record, Source, What};
use self::spans::Spans;
use crate::fact::{Arrived, Fact, Moment, Scene};
use crate::scenario::{Nanos, Scenario, Start};

/// Records that a run keeps unless it is told otherwise: the file of a run that reaches it is a few megabytes.
pub const LIMIT: usize = 300_000;

/// What is left out because of the limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cut {
    /// First contacts.
    pub(crate) contacts: u64,
    /// Everything else, from this moment on.
    pub(crate) others: u64,
    /// When the first record of the other kinds was left out.
    pub(crate) at: Nanos,
}

/// A user event or a query, as nodes accept it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Topic {
    pub(crate) query: bool,
    pub(crate) ltime: u64,
    /// Number of a query, 0 for an event.
    pub(crate) id: u32,
    /// Name; empty until somebody delivers it.
    pub(crate) name: String,
}

/// Listens to one run.
#[derive(Debug)]
pub struct History {
    limit: usize,
    warm: bool,
    members: u32,
    records: Vec<Record>,
    contacts: usize,
    cut: Cut,
    probes: Probes,
    spans: Spans,
    topics: Vec<Topic>,
    /// The names of hosts, then those of others that were heard of.
    names: Vec<String>,
    /// Names in the protocol beyond those of members, by their id.
    others: BTreeMap<u32, u32>,
    /// The newest datagram so far.
    serial: u64,
    source: Source,
    /// Number of the current input.
    input: u64,
    /// By subject: the record of the current input that a status may follow from. The layers trace one after the other.
    touched: BTreeMap<u32, usize>,
    /// Paths of what was accepted in the current input: Lamport time and way.
    accepted: Vec<(u64, EventPath)>,
}

impl History {
    /// Nothing heard yet. `limit`: most records to keep, at least 1,000.
    #[must_use]
    pub fn new(scenario: &Scenario, limit: usize) -> Self {
        Self {
            limit: limit.max(1_000),
            warm: matches!(scenario.start, Start::Warm),
            members: scenario.members_len(),
            records: Vec::new(),
            contacts: 0,
            cut: Cut::default(),
            probes: Probes::new(scenario.nodes.len()),
            spans: Spans::new(scenario.nodes.len()),
            topics: Vec::new(),
            names: scenario.nodes.iter().map(|spec| spec.name.clone()).collect(),
            others: BTreeMap::new(),
            serial: 0,
            source: Source::World,
            input: 0,
            touched: BTreeMap::new(),
            accepted: Vec::new(),
        }
    }

    /// Something happened.
    pub fn hear(&mut self, moment: Moment, fact: &Fact<'_>, scene: Scene<'_>) {
        self.spans.look(
            moment.at,
            matches!(fact, Fact::FaultBegan(_) | Fact::FaultEnded(_)),
            scene,
        );
        match fact {
            Fact::Input(arrived) => self.on_input(moment, *arrived),
            Fact::Trace(trace) => self.on_trace(moment, trace, scene),
            Fact::Event(event) => self.on_event(moment, event),
            Fact::Sent { serial, to, fate, damage, .. } => {
                self.serial = *serial;
                self.probes.sent(moment, *serial, *to, (*fate, !damage.is_none()));
            }
            Fact::Dropped { serial, why, .. } => self.probes.dropped(*serial, *why),
            Fact::Started { life, .. } => {
                self.begin(Source::World);
                self.spans.started(moment);
                // Those that were there from the start begin with a full view, not with an empty one.
                if !(self.warm && *life == 1 && moment.at == 0) {
                    self.add(moment, moment.node, What::Started { life: *life });
                }
            }
            Fact::Ended(end) => {
                self.spans.ended(moment, *end);
                self.begin(Source::World);
                self.add(moment, moment.node, What::Ended(*end));
            }
            Fact::LeaveAsked
            | Fact::Asked { .. }
            | Fact::Done { .. }
            | Fact::FaultBegan(_)
            | Fact::FaultEnded(_) => {}
        }
    }

    fn begin(&mut self, source: Source) {
        self.source = source;
        self.input += 1;
        self.accepted.clear();
        self.touched.clear();
    }

    fn on_input(&mut self, moment: Moment, arrived: Arrived) {
        self.begin(match arrived {
            Arrived::Timeout => Source::Timer,
            Arrived::Datagram { from, serial, sent_at, .. } => {
                Source::Datagram { from, serial, sent_at }
            }
            Arrived::Stream { peer } => Source::Stream { peer: peer.unwrap_or(NOBODY) },
            Arrived::Command { .. } => Source::Command,
        });
        self.probes.input(moment, self.source);
    }

    /// Keeps a record, if there is room.
    fn add(&mut self, moment: Moment, subject: u32, what: What) -> Option<&mut Record> {
        let contact = matches!(what, What::Edge { from: None, to: Some(MemberState::Alive), .. });
        let room = self.records.len() < self.limit;
        if contact && (!room || self.contacts >= self.limit / 2) {
            self.cut.contacts += 1;
            return None;
        }
        if !room {
            if self.cut.others == 0 {
                self.cut.at = moment.at;
            }
            self.cut.others += 1;
            return None;
        }
        self.contacts += usize::from(contact);
        if what.may_carry_status() {
            self.touched.insert(subject, self.records.len());
        }
        self.records.push(Record {
            at: moment.at,
            after: self.serial,
            input: self.input,
            node: moment.node,
            subject,
            source: self.source,
            what,
            status: None,
            timer: None,
        });
        self.records.last_mut()
    }

    /// The index of a name in the document: that of the host, or of a name that no host of its own carries.
    fn index(&mut self, id: NodeId, scene: Scene<'_>) -> u32 {
        if id.0 < self.members {
            return id.0;
        }
        if let Some(known) = self.others.get(&id.0) {
            return *known;
        }
        let name = scene.pool.name(id);
        let known = self.names.iter().position(|it| it == name);
        let index = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        let index = u32::try_from(index).expect("fewer than 2^32 names");
        self.others.insert(id.0, index);
        index
    }

    fn on_trace(&mut self, moment: Moment, trace: &Trace, scene: Scene<'_>) {
        match *trace {
            Trace::Edge { subject, from, to, incarnation, cause } => {
                let subject = self.index(subject, scene);
                let accuser = self.accuser(cause, scene);
                self.on_edge(moment, subject, What::Edge { from, to, incarnation, cause, accuser });
            }
            Trace::Suspicion { subject, confirmations, confirmations_max, deadline } => {
                let subject = self.index(subject, scene);
                self.on_suspicion(
                    moment,
                    subject,
                    (confirmations, confirmations_max),
                    deadline.as_nanos(),
                );
            }
            Trace::Refuted { accusation, from, incarnation, .. } => {
                let accuser = from.map(|id| self.index(id, scene));
                self.add(moment, moment.node, What::Refuted { accusation, accuser, incarnation });
            }
            Trace::Status { subject, from, to, .. } => {
                let subject = self.index(subject, scene);
                self.on_status(moment, subject, from, to);
            }
            Trace::IntentAccepted { subject: Some(subject), kind: IntentKind::Leave, .. } => {
                let subject = self.index(subject, scene);
                self.on_intent(moment, subject);
            }
            Trace::EventAccepted { ltime, path } => self.accepted.push((ltime, path)),
            Trace::QueryAccepted { query, path, .. } => {
                let topic =
                    Topic { query: true, ltime: query.ltime, id: query.id, name: String::new() };
                self.tell(moment, topic, path);
            }
            Trace::Health { score } => self.spans.health(moment, score),
            Trace::ProbeStarted { target, .. } => {
                let target = self.index(target, scene);
                self.probes.started(moment, target, &self.spans, scene);
            }
            Trace::ProbeIndirect { relays, stream, .. } => {
                self.probes.indirect(moment, relays, stream, scene);
            }
            Trace::ProbeEnded { target, outcome, .. } => {
                let target = self.index(target, scene);
                self.on_probe_end(moment, target, outcome);
            }
            Trace::Record { .. }
            | Trace::Accused { .. }
            | Trace::IntentAccepted { .. }
            | Trace::Conflict { .. }
            | Trace::RejoinStarted { .. }
            | Trace::RejoinEnded { .. }
            | Trace::RejoinFailed
            | Trace::Reconnecting { .. }
            | Trace::KeyQuery { .. }
            | Trace::PushPullEnded { .. }
            | Trace::Member { .. }
            | Trace::IntentRefuted { .. }
            | Trace::QueryAnswered { .. }
            | Trace::QueryReplied { .. }
            | Trace::QueryEnded { .. }
            | Trace::Relayed
            | Trace::KeyringChanged { .. }
            | Trace::ConflictVote { .. }
            | Trace::Flapped { .. }
            | Trace::QueueDeep { .. } => {}
        }
    }

    fn accuser(&mut self, cause: Cause, scene: Scene<'_>) -> Option<u32> {
        let Cause::Gossip { from } = cause else { return None };
        from.map(|id| self.index(id, scene))
    }

    fn on_probe_end(&mut self, moment: Moment, target: u32, outcome: ProbeOutcome) {
        let failed = match outcome {
            ProbeOutcome::Failed { nacks_expected, nacks_received } => {
                Some((nacks_expected, nacks_received))
            }
            ProbeOutcome::Direct { .. } | ProbeOutcome::Late | ProbeOutcome::Stream => None,
        };
        let round = self.probes.ended(moment.node, failed.is_some());
        if let (Some(nacks), Some(round)) = (failed, round) {
            let kept = self.add(moment, target, What::ProbeFailed { nacks, round }).is_some();
            if !kept {
                self.probes.forget(round);
            }
        }
    }

    fn on_edge(&mut self, moment: Moment, subject: u32, what: What) {
        // A node's own record is of interest only where it says goodbye.
        let goodbye = matches!(what, What::Edge { to: Some(MemberState::Left), .. });
        if subject != moment.node || goodbye {
            self.add(moment, subject, what);
        }
    }

    fn on_suspicion(&mut self, moment: Moment, subject: u32, count: (u32, u32), deadline: Nanos) {
        let confirmed = count.0 > 0;
        let input = self.input;
        if confirmed {
            self.add(moment, subject, What::Confirmed { count, deadline });
        } else if let Some(record) = self.records.last_mut()
            && record.is_of(moment.node, subject, input)
        {
            record.timer = Some((count.1, deadline));
        }
    }

    /// A status that follows from what was recorded in the same input belongs to that record.
    fn on_status(
        &mut self,
        moment: Moment,
        subject: u32,
        from: Option<uwasa_core::trace::MemberStatus>,
        to: Option<uwasa_core::trace::MemberStatus>,
    ) {
        if subject == moment.node {
            return;
        }
        let touched = self.touched.get(&subject).copied();
        if let Some(record) = touched.and_then(|index| self.records.get_mut(index)) {
            record.status = Some(to);
        } else if from.is_some() || to.is_none() {
            // A first contact that was left out has no record to belong to.
            if let Some(record) = self.add(moment, subject, What::Status) {
                record.status = Some(to);
            }
        }
    }

    /// An intent that was accepted after the status followed from it is the reason for that.
    fn on_intent(&mut self, moment: Moment, subject: u32) {
        let touched = self.touched.get(&subject).copied();
        if let Some(record) = touched.and_then(|index| self.records.get_mut(index))
            && matches!(record.what, What::Status)
        {
            record.what = What::LeaveIntent;
            return;
        }
        self.add(moment, subject, What::LeaveIntent);
    }

    fn on_event(&mut self, moment: Moment, event: &Event) {
        match event {
            Event::User(event) => {
                let path = self.accepted.iter().find(|(ltime, _)| *ltime == event.ltime);
                let Some(&(_, path)) = path else { return };
                let name = event.name.to_string();
                let topic = Topic { query: false, ltime: event.ltime, id: 0, name };
                self.tell(moment, topic, path);
            }
            Event::Query(query) => {
                let same = |it: &&mut Topic| {
                    it.query && it.ltime == query.id.ltime && it.id == query.id.id
                };
                if let Some(topic) = self.topics.iter_mut().rev().find(same)
                    && topic.name.is_empty()
                {
                    topic.name = query.name.to_string();
                }
            }
            Event::Members(_)
            | Event::QueryAck { .. }
            | Event::QueryResponse { .. }
            | Event::KeyringChanged { .. }
            | Event::ShutDown(_) => {}
        }
    }

    fn tell(&mut self, moment: Moment, topic: Topic, path: EventPath) {
        let same = |it: &Topic| {
            it.ltime == topic.ltime
                && it.id == topic.id
                && it.query == topic.query
                && (topic.query || it.name == topic.name)
        };
        let index = self.topics.iter().rposition(same).unwrap_or_else(|| {
            self.topics.push(topic);
            self.topics.len() - 1
        });
        let topic = u32::try_from(index).expect("fewer than 2^32 messages");
        self.add(moment, NOBODY, What::Told { topic, path });
    }
}
