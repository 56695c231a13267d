//! What the agents of a swarm see and hear, written down by those who listen to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::report;
use crate::event::{AgentEvent, Member, MemberEventKind, MemberStatus};

/// An agent that has been up for so long and is declared failed is declared so wrongly.
const SURELY_UP: Duration = Duration::from_secs(60);

/// One life of the agent in a seat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Life {
    /// Which agent.
    pub(super) seat: usize,
    /// Which life of it, counted from 1.
    pub(super) number: u32,
}

/// How an agent goes down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    /// Without a word.
    Crash,
    /// With a goodbye.
    Leave,
}

/// What somebody believes of somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Belief {
    Unknown,
    Alive,
    Gone,
}

/// One agent and what it believes.
#[derive(Debug)]
struct Seat {
    up: bool,
    life: u32,
    since: Instant,
    /// By subject.
    beliefs: Vec<Belief>,
    alive: usize,
}

#[derive(Debug)]
struct Spread {
    payload: Box<[u8]>,
    sent: Instant,
    waiting: BTreeSet<usize>,
    record: report::Spread,
}

#[derive(Debug)]
struct Departure {
    seat: usize,
    how: How,
    at: Instant,
    waiting: BTreeSet<usize>,
    record: report::Departure,
}

/// The ledger.
#[derive(Debug)]
pub(super) struct Ledger {
    origin: Instant,
    seats: Vec<Seat>,
    /// Numbers of all names: those of the seats, then members from outside.
    names: BTreeMap<Box<str>, usize>,
    spreads: Vec<Spread>,
    departures: Vec<Departure>,
    complete: Vec<report::Record>,
    deliveries: u64,
    false_failures: u64,
}

impl Ledger {
    /// An empty one for the agents of these names.
    pub(super) fn new(origin: Instant, names: impl Iterator<Item = String>) -> Self {
        let names: BTreeMap<Box<str>, usize> =
            names.enumerate().map(|(number, name)| (name.into(), number)).collect();
        let seat = || Seat { up: false, life: 0, since: origin, beliefs: Vec::new(), alive: 0 };
        Self {
            origin,
            seats: names.iter().map(|_| seat()).collect(),
            names,
            spreads: Vec::new(),
            departures: Vec::new(),
            complete: Vec::new(),
            deliveries: 0,
            false_failures: 0,
        }
    }

    /// Seconds from the start to `moment`.
    pub(super) fn at(&self, moment: Instant) -> f64 {
        seconds(moment.duration_since(self.origin))
    }

    /// An agent starts.
    pub(super) fn started(&mut self, seat: usize, now: Instant) -> Life {
        self.close_departures(|it| it.seat == seat);
        let Some(entry) = self.seats.get_mut(seat) else { return Life { seat, number: 0 } };
        entry.life += 1;
        entry.up = true;
        entry.since = now;
        entry.beliefs.clear();
        entry.alive = 0;
        Life { seat, number: entry.life }
    }

    /// An agent is killed, or told to leave.
    pub(super) fn stopped(&mut self, seat: usize, how: How, now: Instant) {
        let Some(entry) = self.seats.get_mut(seat) else { return };
        entry.up = false;
        self.no_longer_waits(seat);
        let observers = (0..self.seats.len()).filter(|&other| self.sees(other, seat));
        let waiting: BTreeSet<usize> = observers.collect();
        let record = report::Departure {
            node: super::plan::name(seat),
            how: if how == How::Crash { "crash" } else { "leave" },
            at_s: self.at(now),
            observers: waiting.len(),
            delays_s: Vec::new(),
            mistaken: 0,
        };
        self.departures.push(Departure { seat, how, at: now, waiting, record });
        self.close_departures(|it| it.waiting.is_empty());
    }

    fn sees(&self, observer: usize, subject: usize) -> bool {
        self.seats.get(observer).is_some_and(|seat| {
            seat.up && seat.beliefs.get(subject).is_some_and(|&it| it == Belief::Alive)
        })
    }

    /// Who stops is no audience any more of what it has not heard.
    fn no_longer_waits(&mut self, seat: usize) {
        for spread in &mut self.spreads {
            if spread.waiting.remove(&seat) {
                spread.record.audience -= 1;
            }
        }
        for departure in &mut self.departures {
            if departure.waiting.remove(&seat) {
                departure.record.observers -= 1;
            }
        }
        self.close_spreads(|it| it.waiting.is_empty());
        self.close_departures(|it| it.waiting.is_empty());
    }

    /// An agent is about to send an event. Of two with one name and payload only the later is measured.
    pub(super) fn sent(&mut self, from: usize, name: &str, payload: &[u8], now: Instant) {
        self.close_spreads(|it| it.record.name == name && *it.payload == *payload);
        let up = |&seat: &usize| self.seats.get(seat).is_some_and(|it| it.up);
        let waiting: BTreeSet<usize> = (0..self.seats.len()).filter(up).collect();
        let record = report::Spread {
            name: name.to_owned(),
            from: super::plan::name(from),
            at_s: self.at(now),
            audience: waiting.len(),
            delays_s: Vec::new(),
        };
        self.spreads.push(Spread { payload: payload.into(), sent: now, waiting, record });
    }

    /// What an agent knew when its listener came.
    pub(super) fn knows(&mut self, life: Life, members: &[Member]) {
        if !self.is_current(life) {
            return;
        }
        for member in members {
            let belief = match member.status {
                Some(MemberStatus::Alive | MemberStatus::Leaving) => Belief::Alive,
                Some(MemberStatus::Left | MemberStatus::Failed) | None => Belief::Gone,
            };
            self.believe(life, &member.name, belief);
        }
    }

    /// An agent's event.
    pub(super) fn heard(&mut self, life: Life, event: &AgentEvent, now: Instant) {
        if !self.is_current(life) {
            return;
        }
        match event {
            AgentEvent::Members { kind, members } => {
                for member in members {
                    self.member(life, *kind, &member.name, now);
                }
            }
            AgentEvent::User { name, payload, .. } => self.delivered(life, name, payload, now),
            AgentEvent::Query { .. } => {}
        }
    }

    fn is_current(&self, life: Life) -> bool {
        self.seats.get(life.seat).is_some_and(|seat| seat.up && seat.life == life.number)
    }

    fn delivered(&mut self, life: Life, name: &str, payload: &[u8], now: Instant) {
        self.deliveries += 1;
        let mut all_have_it = false;
        for spread in &mut self.spreads {
            if spread.record.name == name
                && *spread.payload == *payload
                && spread.waiting.remove(&life.seat)
            {
                spread.record.delays_s.push(seconds(now.duration_since(spread.sent)));
                all_have_it |= spread.waiting.is_empty();
            }
        }
        if all_have_it {
            self.close_spreads(|it| it.waiting.is_empty());
        }
    }

    fn member(&mut self, life: Life, kind: MemberEventKind, name: &str, now: Instant) {
        let belief = match kind {
            MemberEventKind::Join | MemberEventKind::Update => Belief::Alive,
            MemberEventKind::Leave | MemberEventKind::Failed | MemberEventKind::Reap => {
                Belief::Gone
            }
        };
        let subject = self.believe(life, name, belief);
        let how = match kind {
            MemberEventKind::Failed => How::Crash,
            MemberEventKind::Leave => How::Leave,
            MemberEventKind::Join | MemberEventKind::Update | MemberEventKind::Reap => return,
        };
        self.noticed(life, subject, how, now);
    }

    fn noticed(&mut self, life: Life, subject: usize, how: How, now: Instant) {
        if let Some(seat) = self.seats.get(subject)
            && how == How::Crash
            && seat.up
            && now.duration_since(seat.since) > SURELY_UP
        {
            self.false_failures += 1;
        }
        for departure in self.departures.iter_mut().filter(|it| it.seat == subject) {
            if departure.waiting.remove(&life.seat) {
                if departure.how == how {
                    let delay = now.duration_since(departure.at);
                    departure.record.delays_s.push(seconds(delay));
                } else {
                    departure.record.mistaken += 1;
                }
            }
        }
        self.close_departures(|it| it.waiting.is_empty());
    }

    /// Notes a belief; the subject's number.
    fn believe(&mut self, life: Life, name: &str, belief: Belief) -> usize {
        let next = self.names.len();
        let number = match self.names.get(name) {
            Some(&number) => number,
            None => *self.names.entry(name.into()).or_insert(next),
        };
        if let Some(seat) = self.seats.get_mut(life.seat) {
            if seat.beliefs.len() <= number {
                seat.beliefs.resize(number + 1, Belief::Unknown);
            }
            if let Some(entry) = seat.beliefs.get_mut(number) {
                let before = std::mem::replace(entry, belief);
                seat.alive -= usize::from(before == Belief::Alive);
                seat.alive += usize::from(belief == Belief::Alive);
            }
        }
        number
    }

    /// Whether every agent that is up sees exactly those alive that are, and as many members from outside as the others.
    pub(super) fn is_settled(&self) -> bool {
        let mut up = self.seats.iter().filter(|seat| seat.up);
        let Some(first) = up.next().map(|seat| seat.alive) else { return false };
        self.seats.iter().filter(|seat| seat.up).all(|observer| {
            observer.alive == first
                && self.seats.iter().enumerate().all(|(number, subject)| {
                    let belief = observer.beliefs.get(number).copied();
                    subject.up == (belief == Some(Belief::Alive))
                })
        })
    }

    /// Agents that are up, in order of their seats.
    pub(super) fn up(&self) -> impl Iterator<Item = usize> {
        self.seats.iter().enumerate().filter(|(_, seat)| seat.up).map(|(number, _)| number)
    }

    /// Members that agents see alive: the fewest, the median, the most.
    pub(super) fn seen(&self) -> [usize; 3] {
        let mut alive: Vec<usize> =
            self.seats.iter().filter(|seat| seat.up).map(|seat| seat.alive).collect();
        alive.sort_unstable();
        let at = |place: usize| alive.get(place).copied().unwrap_or(0);
        [at(0), at(alive.len() / 2), at(alive.len().saturating_sub(1))]
    }

    /// Deliveries of user events.
    pub(super) fn deliveries(&self) -> u64 {
        self.deliveries
    }

    /// Agents declared failed that had been up for a minute.
    pub(super) fn false_failures(&self) -> u64 {
        self.false_failures
    }

    /// What was measured and is complete since the last call.
    pub(super) fn take_complete(&mut self) -> Vec<report::Record> {
        std::mem::take(&mut self.complete)
    }

    /// Gives up what is not complete.
    pub(super) fn close(&mut self) {
        self.close_spreads(|_| true);
        self.close_departures(|_| true);
    }

    fn close_spreads(&mut self, is_over: impl Fn(&Spread) -> bool) {
        for spread in self.spreads.extract_if(.., |it| is_over(it)) {
            self.complete.push(report::Record::Event(spread.record));
        }
    }

    fn close_departures(&mut self, is_over: impl Fn(&Departure) -> bool) {
        for departure in self.departures.extract_if(.., |it| is_over(it)) {
            self.complete.push(report::Record::Departure(departure.record));
        }
    }
}

/// A span in seconds, to the microsecond.
pub(super) fn seconds(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::plan;
    use crate::swarm::report::Record;

    struct Play {
        ledger: Ledger,
        origin: Instant,
        lives: Vec<Life>,
    }

    impl Play {
        fn new(nodes: usize) -> Self {
            let origin = Instant::now();
            let mut ledger = Ledger::new(origin, (0..nodes).map(plan::name));
            let lives: Vec<Life> = (0..nodes).map(|seat| ledger.started(seat, origin)).collect();
            let mut play = Self { ledger, origin, lives };
            for observer in 0..nodes {
                for subject in 0..nodes {
                    play.member(observer, MemberEventKind::Join, subject, 0);
                }
            }
            play
        }

        fn after(&self, milliseconds: u64) -> Instant {
            self.origin + Duration::from_millis(milliseconds)
        }

        fn member(&mut self, observer: usize, kind: MemberEventKind, subject: usize, at: u64) {
            let now = self.after(at);
            self.ledger.member(self.lives[observer], kind, &plan::name(subject), now);
        }

        fn user(&mut self, observer: usize, payload: &'static str, at: u64) {
            let event = AgentEvent::User {
                ltime: 1,
                name: "deploy".into(),
                payload: payload.as_bytes().into(),
                coalesce: false,
            };
            let now = self.after(at);
            self.ledger.heard(self.lives[observer], &event, now);
        }
    }

    #[test]
    fn names_sort_as_numbers_do_not() {
        let play = Play::new(12);
        assert!(play.ledger.is_settled());
        assert_eq!(play.ledger.names["node-12"], 11);
        assert_eq!(play.ledger.seen(), [12, 12, 12]);
    }

    #[test]
    fn a_crash_is_over_when_all_observers_have_noticed() {
        let mut play = Play::new(4);
        let at = play.after(1_000);
        play.ledger.stopped(2, How::Crash, at);
        assert!(!play.ledger.is_settled());
        play.member(0, MemberEventKind::Failed, 2, 3_000);
        play.member(2, MemberEventKind::Failed, 0, 3_000);
        play.member(1, MemberEventKind::Leave, 2, 3_500);
        assert_eq!(play.ledger.take_complete(), []);
        let at = play.after(3_600);
        play.ledger.stopped(3, How::Leave, at);
        let Record::Departure(crash) = &play.ledger.take_complete()[0] else { panic!("a crash") };
        assert_eq!((crash.node.as_str(), crash.how, crash.observers), ("node-3", "crash", 2));
        assert_eq!((crash.delays_s.as_slice(), crash.mistaken), (&[2.0][..], 1));
        assert_eq!(play.ledger.seen(), [3, 3, 3]);
        play.member(0, MemberEventKind::Leave, 3, 3_700);
        play.member(1, MemberEventKind::Leave, 3, 3_700);
        assert!(play.ledger.is_settled());
        assert_eq!(play.ledger.false_failures(), 0);
    }

    #[test]
    fn an_event_counts_once_for_each_agent_that_was_up() {
        let mut play = Play::new(3);
        let at = play.after(1_000);
        play.ledger.sent(0, "deploy", b"1", at);
        play.user(0, "1", 1_000);
        play.user(0, "1", 1_100);
        play.user(1, "2", 1_100);
        play.user(1, "1", 1_200);
        assert_eq!(play.ledger.take_complete(), []);
        let at = play.after(1_300);
        play.ledger.stopped(2, How::Crash, at);
        let Record::Event(spread) = &play.ledger.take_complete()[0] else { panic!("an event") };
        assert_eq!((spread.audience, spread.delays_s.as_slice()), (2, &[0.0, 0.2][..]));
        assert_eq!(play.ledger.deliveries(), 4);
    }

    #[test]
    fn only_an_agent_that_is_long_up_fails_wrongly() {
        let mut play = Play::new(3);
        play.member(0, MemberEventKind::Failed, 1, 59_000);
        assert_eq!(play.ledger.false_failures(), 0);
        play.member(0, MemberEventKind::Join, 1, 60_000);
        play.member(0, MemberEventKind::Failed, 1, 61_000);
        assert_eq!(play.ledger.false_failures(), 1);
        assert_eq!(play.ledger.seen(), [2, 3, 3]);
    }

    #[test]
    fn what_an_earlier_life_hears_is_ignored() {
        let mut play = Play::new(2);
        let at = play.after(1_000);
        play.ledger.stopped(1, How::Crash, at);
        play.ledger.started(1, at);
        play.user(1, "1", 1_100);
        assert_eq!(play.ledger.deliveries(), 0);
        let Record::Departure(crash) = &play.ledger.take_complete()[0] else { panic!("a crash") };
        assert_eq!((crash.observers, crash.delays_s.len()), (1, 0));
    }

    #[test]
    fn members_from_outside_must_be_seen_by_all() {
        let mut play = Play::new(2);
        let now = play.origin;
        play.ledger.member(play.lives[0], MemberEventKind::Join, "elsewhere", now);
        assert!(!play.ledger.is_settled());
        play.ledger.member(play.lives[1], MemberEventKind::Join, "elsewhere", now);
        assert!(play.ledger.is_settled());
        assert_eq!(play.ledger.seen(), [3, 3, 3]);
    }
}
