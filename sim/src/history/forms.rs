//! Records in words: the rows of the document.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use uwasa_core::trace::{Accusation, Cause, EventPath, MemberState, MemberStatus};

use super::causes::{self, Causes};
use super::document::{Document, view};
use super::probes::{Leg, Round, Step, Truth, milliseconds};
use super::record::{NOBODY, Record, Source, What};
use super::{Cut, History, Topic, messages};
use crate::fact::End;
use crate::net::Power;
use crate::report::happenings;
use crate::scenario::{Nanos, Scenario};

const GOSSIP: usize = 0;
const PUSH_PULL: usize = 1;
const SUSPECTS: usize = 2;
const DECLARES: usize = 3;
const HEARS: usize = 4;
const LEARNS: usize = 5;
const PROBE: usize = 6;
const TOLD: usize = 7;
const TOLD_ON_STREAM: usize = 8;
const OWN: usize = 9;
const HOLDS: usize = 10;

/// Patterns of sentences. `{node}` and `{subject}` are names, `{via}` says who told and how.
const FORMS: [&str; 11] = [
    "{node} hears from {teller} that {subject} {text} (datagram {serial}, {delay} on its way)",
    "{node} learns from {teller} by push/pull that {subject} {text}",
    "{node} suspects {subject}{text}",
    "{node} declares {subject} dead{text}",
    "{node} hears from {teller} that {text} (datagram {serial}, {delay} on its way)",
    "{node} learns from {teller} by push/pull that {text}",
    "{node}’s probe of {subject} fails{text}",
    "{node} hears {text} from {teller} (datagram {serial}, {delay} on its way)",
    "{node} learns of {text} from {teller} by push/pull",
    "{node} {text}",
    "{node} {text} {subject}",
];

/// `53.912 s`.
pub(crate) fn seconds(nanos: Nanos) -> String {
    let millis = nanos / 1_000_000;
    format!("{}.{:03} s", millis / 1_000, millis % 1_000)
}

impl Topic {
    /// `event deploy`.
    pub(crate) fn words(&self) -> String {
        match (self.query, self.name.as_str()) {
            (true, "") => format!("query {:08x}", self.id),
            (true, name) => format!("query {name}"),
            (false, name) => format!("event {name}"),
        }
    }
}

/// What an observer's record of a subject holds.
#[derive(Clone, Copy)]
struct Held {
    life: u32,
    state: Option<MemberState>,
    status: Option<MemberStatus>,
}

struct Writer<'a> {
    history: &'a History,
    causes: Causes,
    document: Document,
    texts: BTreeMap<String, u32>,
    held: BTreeMap<(u32, u32), Held>,
    lives: Vec<u32>,
    last: u64,
}

impl History {
    /// The whole history as a document.
    #[must_use]
    pub fn document(&self, scenario: &Scenario, seed: u64, trace_hash: u64) -> Document {
        let mut writer = Writer {
            history: self,
            causes: causes::find(&self.records),
            document: Document::new(),
            texts: BTreeMap::new(),
            held: BTreeMap::new(),
            lives: vec![u32::from(self.warm); self.names.len()],
            last: 0,
        };
        writer.text(String::new());
        for (index, record) in (0..).zip(&self.records) {
            writer.row(index, record);
        }
        let mut document = writer.document;
        document.scenario.clone_from(&scenario.name);
        document.seed = seed;
        document.trace_hash = format!("{trace_hash:016x}");
        document.duration = scenario.duration / 1_000;
        document.hosts = u32::try_from(scenario.nodes.len()).unwrap_or(u32::MAX);
        document.members = self.members;
        document.names.clone_from(&self.names);
        document.warm = self.warm;
        document.assumed = self.cut.contacts > 0;
        document.omitted = self.cut.words(self.limit);
        document.forms = FORMS.map(str::to_owned).to_vec();
        document.messages = messages::collect(&self.records, &self.topics, &self.names);
        document.happenings =
            happenings(scenario).into_iter().map(|(at, what)| (at / 1_000, what)).collect();
        self.fill_spans(&mut document);
        document
    }

    fn fill_spans(&self, document: &mut Document) {
        let micros = |nanos: Nanos| (nanos / 1_000).min(document.duration);
        document.lives = self
            .spans
            .lives
            .iter()
            .map(|it| {
                let how = it.end.map_or("", ended_words).to_owned();
                (it.node, micros(it.from), micros(it.until), how)
            })
            .collect();
        document.pauses = self
            .spans
            .pauses
            .iter()
            .map(|it| (it.node, micros(it.from), micros(it.until)))
            .collect();
        document.health =
            self.spans.health.iter().map(|(node, at, score)| (*node, at / 1_000, *score)).collect();
    }
}

impl Cut {
    fn words(self, limit: usize) -> String {
        let mut text = String::new();
        if self.contacts > 0 {
            let _ = write!(
                text,
                "The limit of {limit} records left out {} first contacts: who met whom first is not told, and such \
                 pairs count as acquainted. ",
                self.contacts
            );
        }
        if self.others > 0 {
            let _ = write!(
                text,
                "The limit of {limit} records was reached at {}: {} later changes are left out.",
                seconds(self.at),
                self.others
            );
        }
        text.trim_end().to_owned()
    }
}

const fn ended_words(end: End) -> &'static str {
    match end {
        End::Crashed => "was switched off",
        End::Killed => "was killed",
        End::Quit => "ended its process",
        End::ShutDown => "shut itself down over a contested name",
    }
}

impl Writer<'_> {
    fn text(&mut self, text: String) -> u32 {
        let next = u32::try_from(self.document.texts.len()).expect("fewer than 2^32 texts");
        let texts = &mut self.document.texts;
        *self.texts.entry(text).or_insert_with_key(|text| {
            texts.push(text.clone());
            next
        })
    }

    fn name(&self, index: u32) -> &str {
        self.history.names.get(index as usize).map_or("somebody", String::as_str)
    }

    fn row(&mut self, index: u32, record: &Record) {
        let (form, text) = self.words(index, record);
        let text = self.text(text);
        let view = self.view(record);
        if let What::ProbeFailed { round, .. } = record.what
            && let Some(round) = self.history.probes.round(round)
        {
            let lines = self.probe_lines(round, record.at);
            let lines = lines.into_iter().map(|(at, line)| (at / 1_000, self.text(line))).collect();
            self.document.details.insert(index, lines);
        }
        let notes = self.causes.notes.get(&index).filter(|it| !it.is_empty()).cloned();
        if let Some(notes) = notes {
            self.document.notes.insert(index, notes);
        }
        let (serial, delay) = match record.source {
            Source::Datagram { serial, sent_at, .. } => (serial, (record.at - sent_at) / 1_000),
            Source::Timer | Source::Stream { .. } | Source::Command | Source::World => (0, 0),
        };
        let at = record.at / 1_000;
        let parent = self.causes.parents[index as usize];
        let rows = &mut self.document.rows;
        rows.at.push(at - std::mem::replace(&mut self.last, at));
        rows.node.push(record.node);
        rows.subject.push(record.subject.wrapping_add(1));
        rows.teller.push(record.source.teller().map_or(0, |it| it + 1));
        rows.serial.push(serial);
        rows.delay.push(delay);
        rows.cause.push(parent.map_or(0, |it| index - it));
        rows.form.push(u8::try_from(form).expect("a handful of forms"));
        rows.text.push(text);
        rows.view.push(view);
    }

    /// What the node thinks of the subject now.
    fn view(&mut self, record: &Record) -> u8 {
        let life = &mut self.lives[record.node as usize];
        match record.what {
            What::Started { .. } | What::Ended(_) => {
                *life += 1;
                return view::RESET;
            }
            What::Edge { .. } | What::LeaveIntent | What::Status => {}
            What::Confirmed { .. }
            | What::Refuted { .. }
            | What::ProbeFailed { .. }
            | What::Told { .. } => return view::SAME,
        }
        if record.node == record.subject {
            return view::SAME;
        }
        let known = self.history.warm && *life == 1 && record.subject < self.history.members;
        let fresh = Held {
            life: *life,
            state: known.then_some(MemberState::Alive),
            status: known.then_some(MemberStatus::Alive),
        };
        let held = self.held.entry((record.node, record.subject)).or_insert(fresh);
        if held.life != *life {
            *held = fresh;
        }
        if let What::Edge { to, .. } = record.what {
            held.state = to;
        }
        if let Some(status) = record.status {
            held.status = status;
        }
        match (held.status, held.state) {
            (Some(MemberStatus::Left), _) | (None, Some(MemberState::Left)) => view::LEFT,
            (Some(MemberStatus::Failed), _) | (None, Some(MemberState::Dead)) => view::FAILED,
            (_, Some(MemberState::Suspect)) => view::SUSPECT,
            (Some(MemberStatus::Leaving), _) => view::LEAVING,
            (Some(MemberStatus::Alive), _) | (None, Some(MemberState::Alive)) => view::ALIVE,
            (None, None) => view::NONE,
        }
    }

    /// Pattern and text of a row.
    fn words(&self, index: u32, record: &Record) -> (usize, String) {
        let accuser = self.causes.accusers.get(&index).map(|it| self.name(*it));
        match record.what {
            What::Edge { to, incarnation, cause, .. } => {
                self.edge_words(record, to, incarnation, cause, accuser)
            }
            What::Confirmed { count, deadline } => {
                let subject = self.name(record.subject);
                let who = accuser.unwrap_or("somebody else");
                let end = if deadline <= record.at {
                    "the suspicion is over at once".to_owned()
                } else {
                    format!("the suspicion now ends at {}", seconds(deadline))
                };
                let count = format!("confirmation {} of {}: {end}", count.0, count.1);
                match record.source {
                    Source::Timer => {
                        (OWN, format!("suspects {subject} by its own probe too, {count}"))
                    }
                    Source::Datagram { .. }
                    | Source::Stream { .. }
                    | Source::Command
                    | Source::World => {
                        told(record, format!("{who} suspects {subject} too, {count}"))
                    }
                }
            }
            What::Refuted { accusation, incarnation, .. } => {
                let claim = match accusation {
                    Accusation::Suspect => "is suspected",
                    Accusation::Dead => "was declared dead",
                    Accusation::Alive => "is said to be what it was before",
                };
                let by = accuser.map_or_else(String::new, |it| format!(" by {it}"));
                told(record, format!("it {claim}{by}, and answers with incarnation {incarnation}"))
            }
            What::LeaveIntent => self.intent_words(record),
            What::Status => self.status_words(record),
            What::ProbeFailed { nacks: (expected, received), .. } => (
                PROBE,
                match expected {
                    0 => ": no ack until the end of its window".to_owned(),
                    _ => format!(
                        ": no ack until the end of its window; by then {received} of {} had come back from \
                         the relays",
                        counted(expected as usize, "nack")
                    ),
                },
            ),
            What::Told { topic, path } => {
                let what =
                    self.history.topics.get(topic as usize).map_or_else(String::new, Topic::words);
                match path {
                    EventPath::Local => (OWN, format!("sends {what}")),
                    EventPath::Gossip => (TOLD, what),
                    EventPath::PushPull => (TOLD_ON_STREAM, what),
                }
            }
            What::Started { life: 1 } => (OWN, "starts".to_owned()),
            What::Started { life } => (OWN, format!("starts again, its life number {life}")),
            What::Ended(end) => (OWN, ended_words(end).to_owned()),
        }
    }

    fn edge_words(
        &self,
        record: &Record,
        to: Option<MemberState>,
        incarnation: u32,
        cause: Cause,
        accuser: Option<&str>,
    ) -> (usize, String) {
        let timer = record.timer.map_or_else(String::new, |(needed, deadline)| {
            let shorter = match needed {
                0 => String::new(),
                1 => "; one confirmation shortens it".to_owned(),
                several => format!("; up to {several} confirmations shorten it"),
            };
            format!("; the suspicion ends at {}{shorter}", seconds(deadline))
        });
        let by = accuser.filter(|it| *it != self.name(record.node));
        let by = by.map_or_else(String::new, |it| format!(" by {it}"));
        let what = match to {
            Some(MemberState::Suspect) => {
                format!("is suspected{by}, incarnation {incarnation}{timer}")
            }
            Some(MemberState::Dead) => format!("was declared dead{by}, incarnation {incarnation}"),
            Some(MemberState::Left) => "has left".to_owned(),
            Some(MemberState::Alive) => format!("is alive, incarnation {incarnation}"),
            None => "is gone".to_owned(),
        };
        match cause {
            Cause::Gossip { .. } | Cause::PushPull => about(record, what),
            Cause::Probe { .. } => (SUSPECTS, format!(", incarnation {incarnation}{timer}")),
            Cause::SuspicionTimer => (DECLARES, ": its suspicion ran out".to_owned()),
            Cause::Local if to == Some(MemberState::Left) => (OWN, "says goodbye".to_owned()),
            Cause::Local => (OWN, what),
            Cause::Reap => (HOLDS, "drops its probe record of".to_owned()),
        }
    }

    fn intent_words(&self, record: &Record) -> (usize, String) {
        let subject = self.name(record.subject);
        match record.source {
            Source::Command if record.node == record.subject => {
                (OWN, "is asked to leave and announces it".to_owned())
            }
            Source::Command => (OWN, format!("is asked to force {subject} out and announces it")),
            Source::Datagram { .. } | Source::Stream { .. } | Source::Timer | Source::World => {
                about(record, "leaves or is forced out".to_owned())
            }
        }
    }

    fn status_words(&self, record: &Record) -> (usize, String) {
        let what = match record.status.flatten() {
            Some(MemberStatus::Alive) => "is a member again",
            Some(MemberStatus::Leaving) => "is about to leave",
            Some(MemberStatus::Left) => "has left",
            Some(MemberStatus::Failed) => "has failed",
            None => return (HOLDS, "erases its record of".to_owned()),
        };
        match record.source {
            Source::Datagram { .. } | Source::Stream { .. } => about(record, what.to_owned()),
            Source::Timer | Source::Command | Source::World => {
                (OWN, format!("notes that {} {what}", self.name(record.subject)))
            }
        }
    }

    /// The story of a probe that failed, line by line, up to the end of its window.
    fn probe_lines(&self, round: &Round, end: Nanos) -> Vec<(Nanos, String)> {
        let (prober, target) = (self.name(round.prober), self.name(round.target));
        let mut lines = Vec::new();
        match round.truth {
            Truth::Well => {}
            Truth::Gone(at, end) => lines.push((at, format!("{target} {}", ended_words(end)))),
            Truth::Paused(at) => lines.push((at, format!("{target}’s process is paused"))),
            Truth::Blocked(at) => lines.push((
                at,
                format!("{target}’s process is blocked: what it sends and what reaches it waits"),
            )),
            Truth::Slow => {
                lines.push((
                    round.started,
                    format!("{target}’s processor takes its time for every input"),
                ));
            }
            Truth::Never => lines.push((0, format!("{target} has never been started"))),
        }
        let leg = |step: Step| round.leg(step, end);
        match leg(Step::Ping) {
            Some(ping) => lines.push((
                ping.sent_at,
                format!("{prober} pings {target}: datagram {} {}", ping.serial, ping.words(end)),
            )),
            None => lines
                .push((round.started, format!("{prober} probes {target}; its ping did not leave"))),
        }
        if let Some(ack) = leg(Step::Ack) {
            let line =
                format!("{target} acks to {prober}: datagram {} {}", ack.serial, ack.words(end));
            lines.push((ack.sent_at, line));
        }
        let Some((at, stream)) = round.indirect else { return lines };
        let relays: Vec<&Leg> =
            round.legs.iter().filter(|it| matches!(it.step, Step::Ask(_))).collect();
        let asked = match relays.len() {
            0 => "has nobody to ask for help".to_owned(),
            count => format!("asks {} to ping it", counted(count, "relay")),
        };
        let dials = if stream { ", and tries a stream" } else { "" };
        lines.push((at, format!("no ack yet: {prober} {asked}{dials}")));
        for ask in relays {
            lines.push((at, self.relay_words(round, ask, end)));
        }
        if stream {
            lines.push((at, self.stream_words(round)));
        }
        lines
    }

    /// How far the way over one relay went until the end of the window.
    fn relay_words(&self, round: &Round, ask: &Leg, end: Nanos) -> String {
        let (relay, target) = (self.name(ask.receiver()), self.name(round.target));
        let Step::Ask(index) = ask.step else { return String::new() };
        let leg = |step: Step| round.leg(step, end);
        let last = [Step::Forward(index), Step::RelayAck(index), Step::RelayPing(index)]
            .into_iter()
            .find_map(leg);
        let Some(last) = last else {
            return format!(
                "over {relay}: the request, datagram {}, {}",
                ask.serial,
                ask.words(end)
            );
        };
        let what = match last.step {
            Step::Forward(_) => format!("the ack that {relay} passed on"),
            Step::RelayAck(_) => format!("the ack of {target}"),
            Step::RelayPing(_) | Step::Ping | Step::Ack | Step::Ask(_) => {
                format!("its ping of {target}")
            }
        };
        let after = milliseconds(last.sent_at - ask.sent_at);
        format!(
            "over {relay}: {what}, datagram {}, sent {after} later, {}",
            last.serial,
            last.words(end)
        )
    }

    fn stream_words(&self, round: &Round) -> String {
        let target = self.name(round.target);
        if round.blocked {
            return "over a stream: a partition or a cut stops it".into();
        }
        match round.power {
            Power::Off => format!("over a stream: {target} is off, nobody answers"),
            Power::Down => {
                format!("over a stream: {target} runs no process, the stream is refused")
            }
            Power::Paused => format!(
                "over a stream: {target}’s kernel accepts, its paused process does not answer"
            ),
            Power::Up => "over a stream: no answer in time".into(),
        }
    }
}

/// News about the subject, by the way it came.
fn about(record: &Record, what: String) -> (usize, String) {
    match record.source {
        Source::Datagram { .. } => (GOSSIP, what),
        Source::Stream { peer } if peer != NOBODY => (PUSH_PULL, what),
        Source::Stream { .. } | Source::Timer | Source::Command | Source::World => {
            (HOLDS, format!("notes ({what}) of"))
        }
    }
}

/// The same for whole sentences.
fn told(record: &Record, what: String) -> (usize, String) {
    match record.source {
        Source::Datagram { .. } => (HEARS, what),
        Source::Stream { peer } if peer != NOBODY => (LEARNS, what),
        Source::Stream { .. } | Source::Timer | Source::Command | Source::World => {
            (OWN, format!("notes: {what}"))
        }
    }
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
