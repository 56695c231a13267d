//! Probe rounds and the ways of their datagrams: where a failed one lost its answer.

use std::collections::BTreeMap;

use super::record::{NOBODY, Source};
use super::spans::Spans;
use crate::fact::{End, Moment, Refusal, Scene};
use crate::net::{Fate, Power};
use crate::scenario::{Nanos, NodeIndex};

/// Which datagram of a round; relays by their number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Step {
    /// Prober to target.
    Ping,
    /// Back.
    Ack,
    /// Prober to relay.
    Ask(usize),
    /// Relay to target.
    RelayPing(usize),
    /// Back.
    RelayAck(usize),
    /// Relay to prober.
    Forward(usize),
}

/// One datagram of a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leg {
    pub(crate) step: Step,
    pub(crate) serial: u64,
    pub(crate) sent_at: Nanos,
    pub(crate) to: Option<NodeIndex>,
    pub(crate) fate: Fate,
    /// It differs when it arrives.
    pub(crate) damaged: bool,
    pub(crate) taken_at: Option<Nanos>,
    pub(crate) refused: Option<Refusal>,
}

/// The target as the network has it at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Truth {
    /// Nothing is wrong with it.
    Well,
    /// No process runs: since when, and how the last one ended.
    Gone(Nanos, End),
    /// Its process is paused.
    Paused(Nanos),
    /// What its process sends and what reaches it waits.
    Blocked(Nanos),
    /// Its processor takes its time.
    Slow,
    /// No process has run yet.
    Never,
}

/// One probe round.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    pub(crate) prober: NodeIndex,
    pub(crate) target: NodeIndex,
    pub(crate) started: Nanos,
    pub(crate) truth: Truth,
    pub(crate) legs: Vec<Leg>,
    /// When others were asked, and whether a stream was tried.
    pub(crate) indirect: Option<(Nanos, bool)>,
    /// Whether a partition stood between them then, and what ran on the target.
    pub(crate) blocked: bool,
    pub(crate) power: Power,
}

/// All rounds under way, and those that failed.
#[derive(Debug)]
pub(crate) struct Probes {
    rounds: BTreeMap<u64, Round>,
    active: Vec<Option<u64>>,
    /// Datagrams whose arrival is of interest.
    flights: BTreeMap<u64, (u64, Step)>,
    next: u64,
    /// What the current input answers.
    answering: Option<(u64, Step)>,
    /// Datagrams sent in the current input.
    sent_now: Vec<Leg>,
}

impl Probes {
    pub(crate) fn new(hosts: usize) -> Self {
        Self {
            rounds: BTreeMap::new(),
            active: vec![None; hosts],
            flights: BTreeMap::new(),
            next: 0,
            answering: None,
            sent_now: Vec::new(),
        }
    }

    pub(crate) fn started(
        &mut self,
        moment: Moment,
        target: NodeIndex,
        spans: &Spans,
        scene: Scene<'_>,
    ) {
        let presence = scene.fabric.presence.get(target as usize).copied();
        let since = spans.held_since(target).unwrap_or(moment.at);
        let truth = match presence.map(|it| it.power) {
            Some(Power::Up) if presence.is_some_and(|it| it.blocked) => Truth::Blocked(since),
            Some(Power::Up) if presence.is_some_and(|it| it.slow) => Truth::Slow,
            Some(Power::Up) | None => Truth::Well,
            Some(Power::Paused) => Truth::Paused(since),
            Some(Power::Off | Power::Down) => {
                spans.down_since(target).map_or(Truth::Never, |(at, end)| Truth::Gone(at, end))
            }
        };
        let id = self.next;
        self.next += 1;
        self.rounds.insert(
            id,
            Round {
                prober: moment.node,
                target,
                started: moment.at,
                truth,
                legs: Vec::new(),
                indirect: None,
                blocked: false,
                power: presence.map_or(Power::Off, |it| it.power),
            },
        );
        self.active[moment.node as usize] = Some(id);
    }

    /// An input begins: perhaps the arrival of one of the datagrams.
    pub(crate) fn input(&mut self, moment: Moment, source: Source) {
        self.sent_now.clear();
        self.answering = None;
        let Source::Datagram { serial, .. } = source else { return };
        let Some(&(id, step)) = self.flights.get(&serial) else { return };
        if let Some(leg) = self.leg(id, serial)
            && leg.taken_at.is_none()
        {
            leg.taken_at = Some(moment.at);
            self.answering = Some((id, step));
        }
    }

    fn leg(&mut self, id: u64, serial: u64) -> Option<&mut Leg> {
        self.rounds.get_mut(&id)?.legs.iter_mut().find(|leg| leg.serial == serial)
    }

    /// A node sends: perhaps the ping of its round, or the answer to what it was given.
    pub(crate) fn sent(
        &mut self,
        moment: Moment,
        serial: u64,
        to: Option<NodeIndex>,
        (fate, damaged): (Fate, bool),
    ) {
        let leg = Leg {
            step: Step::Ping,
            serial,
            sent_at: moment.at,
            to,
            fate,
            damaged,
            taken_at: None,
            refused: None,
        };
        self.sent_now.push(leg);
        if let Some(id) = self.active[moment.node as usize]
            && let Some(round) = self.rounds.get_mut(&id)
            && round.legs.is_empty()
            && to.is_none_or(|to| to == round.target)
        {
            self.file(id, leg);
            return;
        }
        let Some((id, step)) = self.answering else { return };
        let Some(round) = self.rounds.get(&id) else { return };
        let relay = |index: usize| round.legs.iter().find(|it| it.step == Step::Ask(index));
        let next = match step {
            Step::Ping => Some((Step::Ack, round.prober)),
            Step::Ask(index) => Some((Step::RelayPing(index), round.target)),
            Step::RelayPing(index) => {
                relay(index).and_then(|it| it.to).map(|relay| (Step::RelayAck(index), relay))
            }
            Step::RelayAck(index) => Some((Step::Forward(index), round.prober)),
            Step::Ack | Step::Forward(_) => None,
        };
        if let Some((step, receiver)) = next
            && to == Some(receiver)
        {
            self.answering = None;
            self.file(id, Leg { step, ..leg });
        }
    }

    fn file(&mut self, id: u64, leg: Leg) {
        self.flights.insert(leg.serial, (id, leg.step));
        if let Some(round) = self.rounds.get_mut(&id) {
            round.legs.push(leg);
        }
    }

    /// A datagram was not taken where it arrived.
    pub(crate) fn dropped(&mut self, serial: u64, why: Refusal) {
        let Some(&(id, _)) = self.flights.get(&serial) else { return };
        if let Some(leg) = self.leg(id, serial) {
            leg.refused = Some(why);
        }
    }

    /// The direct wait is over; the requests to relays were sent just before.
    pub(crate) fn indirect(&mut self, moment: Moment, relays: u32, stream: bool, scene: Scene<'_>) {
        let Some(id) = self.active[moment.node as usize] else { return };
        let first = self.sent_now.len().saturating_sub(relays as usize);
        let asks = self.sent_now.split_off(first);
        for (index, leg) in asks.into_iter().enumerate() {
            self.file(id, Leg { step: Step::Ask(index), ..leg });
        }
        let Some(round) = self.rounds.get_mut(&id) else { return };
        round.indirect = Some((moment.at, stream));
        let target = round.target;
        if let Some(presence) = scene.fabric.presence.get(target as usize) {
            round.power = presence.power;
            round.blocked = scene.fabric.topology.is_stream_blocked(moment.node, target)
                || scene.fabric.topology.is_stream_blocked(target, moment.node);
        }
    }

    /// The round is over; a failed one is kept and its number returned.
    pub(crate) fn ended(&mut self, node: NodeIndex, failed: bool) -> Option<u64> {
        let id = self.active[node as usize].take()?;
        if !failed {
            self.forget(id);
        }
        Some(id)
    }

    /// A round is of no interest any more.
    pub(crate) fn forget(&mut self, id: u64) {
        for leg in self.rounds.remove(&id).into_iter().flat_map(|round| round.legs) {
            self.flights.remove(&leg.serial);
        }
    }

    /// A round that failed.
    pub(crate) fn round(&self, id: u64) -> Option<&Round> {
        self.rounds.get(&id)
    }
}

impl Round {
    /// The datagram of a step, if it was sent by the `end` of the window.
    pub(crate) fn leg(&self, step: Step, end: Nanos) -> Option<&Leg> {
        self.legs.iter().find(|it| it.step == step && it.sent_at <= end)
    }
}

impl Leg {
    /// What became of it, as the end of a sentence. The window of its round was over at `end`.
    pub(crate) fn words(&self, end: Nanos) -> String {
        match (self.refused, self.taken_at) {
            (Some(Refusal::Cut), _) => "never left: its sender was switched off".into(),
            (Some(Refusal::Down), _) => "found no process".into(),
            (Some(Refusal::Full), _) => "found the receive buffer full".into(),
            (None, Some(at)) => {
                let damaged = if self.damaged { " damaged" } else { "" };
                let late = if at > end { ", too late" } else { "" };
                format!("arrived{damaged} after {}{late}", milliseconds(at - self.sent_at))
            }
            (None, None) => match self.fate {
                Fate::Nowhere => "went to an address that nobody has".into(),
                Fate::Blocked => "was stopped by a partition or a cut".into(),
                Fate::Lost => "was lost".into(),
                Fate::Burst => "was lost in a burst".into(),
                Fate::TooLong => "was too long for the way".into(),
                Fate::Once(_) | Fate::Twice(..) => "was never taken".into(),
            },
        }
    }

    /// The receiver, or nobody.
    pub(crate) fn receiver(&self) -> u32 {
        self.to.unwrap_or(NOBODY)
    }
}

/// `0.512 ms`.
pub(crate) fn milliseconds(nanos: Nanos) -> String {
    let micros = nanos / 1_000;
    format!("{}.{:03} ms", micros / 1_000, micros % 1_000)
}
