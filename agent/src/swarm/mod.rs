//! A cluster of many real agents in one process: real sockets, one runtime, one log each.
//!
//! One loop owns the agents and does what the [`Plan`] says; each agent has a listener that writes down what it sees in
//! the ledger, from which everything shown and reported is taken.

mod chance;
mod ledger;
mod life;
pub mod plan;
mod process;
pub mod report;
pub mod show;
mod stop;
mod traffic;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::metrics::process as figures;
use crate::task;
use ledger::{How, Ledger, seconds};
use life::{News, Running, Shared};
use plan::{Action, Plan, Whom};
pub use process::raise_file_limit;
use report::{About, End, Record, Report, Sample};
pub use stop::Stop;

/// News of agents that may wait; who has some more waits with it.
const NEWS: usize = 1_024;
/// Time between two samples.
const SAMPLE: Duration = Duration::from_secs(1);
/// Time between two looks at whether the swarm has settled. It is looked at only while it has not.
const LOOK: Duration = Duration::from_millis(50);
/// An agent that churn stopped starts again after this time at most.
const CHURN_DOWN_MAX: Duration = Duration::from_secs(40);
/// How long tasks may take to end after the last agent.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who hears what goes on.
pub trait Audience: Send {
    /// A line of the report, written to the file already.
    fn told(&mut self, record: &Record);
    /// Something that went wrong, as a sentence.
    fn trouble(&mut self, text: &str);
}

/// Runs a swarm until its time is over, or `stop` comes. When `stop` comes a second time the agents are not waited for.
///
/// # Errors
///
/// The report cannot be written, or not a single agent could start.
pub async fn run(
    plan: Plan,
    threads: usize,
    audience: &mut dyn Audience,
    stop: &mut Stop,
) -> Result<End, String> {
    let report = Report::create(plan.report.as_deref())?;
    let origin = Instant::now();
    let ledger = Ledger::new(origin, (0..plan.nodes).map(plan::name));
    let (news, inbox) = mpsc::channel(NEWS);
    let about = about(&plan, threads);
    let agenda = Agenda::new(origin, &plan);
    let seats = (0..plan.nodes).map(|_| Seat::Down).collect();
    let shared = Arc::new(Shared::new(plan, ledger, news));
    let meter = Meter::new(origin);
    let settling = Some(origin);
    let mut swarm =
        Swarm { shared, seats, agenda, report, audience, meter, settling, failed_starts: 0 };
    swarm.tell(Record::Swarm(about))?;
    swarm.go(inbox, stop).await
}

fn about(plan: &Plan, threads: usize) -> About {
    About {
        version: env!("CARGO_PKG_VERSION"),
        nodes: plan.nodes,
        profile: plan.profile.clone(),
        threads,
        base_addr: plan.base.to_string(),
        encrypted: plan.config.keyring.is_enabled(),
        churn_per_minute: plan.churn,
    }
}

/// What is to be done next.
#[derive(Debug)]
enum Step {
    Start(usize),
    Act(Action),
    Churn,
    Sample,
    Look,
    End,
}

/// Steps by time; those of one moment in the order in which they were entered.
#[derive(Debug, Default)]
struct Agenda {
    steps: BTreeMap<(Instant, u64), Step>,
    entered: u64,
}

impl Agenda {
    fn new(origin: Instant, plan: &Plan) -> Self {
        let mut agenda = Self::default();
        let starts = (0_u32..).zip(0..plan.nodes);
        for (turn, seat) in starts {
            agenda.enter(origin + plan.join_every.saturating_mul(turn), Step::Start(seat));
        }
        for (after, action) in &plan.steps {
            agenda.enter(origin + *after, Step::Act(action.clone()));
        }
        agenda.enter(origin + SAMPLE, Step::Sample);
        agenda.enter(origin + LOOK, Step::Look);
        if plan.churn > 0 {
            agenda.enter(origin + churn_pause(plan.churn), Step::Churn);
        }
        if let Some(duration) = plan.duration {
            agenda.enter(origin + duration, Step::End);
        }
        agenda
    }

    fn enter(&mut self, at: Instant, step: Step) {
        self.entered += 1;
        self.steps.insert((at, self.entered), step);
    }

    fn next(&self) -> Option<Instant> {
        self.steps.first_key_value().map(|(&(at, _), _)| at)
    }

    fn take_due(&mut self, now: Instant) -> Option<Step> {
        if self.next()? > now {
            return None;
        }
        self.steps.pop_first().map(|(_, step)| step)
    }
}

/// A random pause, on average as long as the rate says.
fn churn_pause(per_minute: u32) -> Duration {
    chance::time_below(Duration::from_secs(120) / per_minute.max(1))
}

/// Where an agent is.
#[derive(Debug)]
enum Seat {
    Down,
    Up(Running),
    /// It ends; whether it is to start again after that.
    Ending {
        again: bool,
    },
}

/// Whether the loop goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    End,
}

struct Swarm<'a> {
    shared: Arc<Shared>,
    seats: Vec<Seat>,
    agenda: Agenda,
    report: Report,
    audience: &'a mut dyn Audience,
    meter: Meter,
    /// When the swarm last changed, until it has settled.
    settling: Option<Instant>,
    failed_starts: u64,
}

impl Swarm<'_> {
    async fn go(
        &mut self,
        mut inbox: mpsc::Receiver<News>,
        stop: &mut Stop,
    ) -> Result<End, String> {
        let mut flow = Flow::On;
        while flow == Flow::On {
            let next = self.agenda.next().unwrap_or_else(|| Instant::now() + SAMPLE);
            tokio::select! {
                news = inbox.recv() => if let Some(news) = news { self.hear(news).await },
                () = stop.asked() => flow = Flow::End,
                () = tokio::time::sleep_until(next.into()) => {}
            }
            let now = Instant::now();
            while flow == Flow::On
                && let Some(step) = self.agenda.take_due(now)
            {
                flow = self.take(step).await?;
            }
            self.tell_complete()?;
        }
        tokio::select! {
            () = self.wind_up(&mut inbox) => {}
            () = stop.asked() => {}
        }
        self.finish()
    }

    async fn take(&mut self, step: Step) -> Result<Flow, String> {
        match step {
            Step::Start(seat) => self.start(seat).await,
            Step::Act(action) => self.act(action).await,
            Step::Churn => self.churn(),
            Step::Sample => {
                let sample = self.meter.sample(&self.shared, self.seats.len());
                self.tell(Record::Sample(sample))?;
                self.agenda.enter(Instant::now() + SAMPLE, Step::Sample);
            }
            Step::Look => self.look()?,
            Step::End => return Ok(Flow::End),
        }
        let nobody = self.failed_starts > 0 && self.shared.ledger().up().next().is_none();
        let starts = self.agenda.steps.values().any(|step| matches!(step, Step::Start(_)));
        if nobody && !starts {
            return Err("No agent could start.".to_owned());
        }
        Ok(Flow::On)
    }

    async fn start(&mut self, seat: usize) {
        match self.seats.get_mut(seat) {
            Some(Seat::Down) => {}
            Some(Seat::Ending { again }) => {
                *again = true;
                return;
            }
            Some(Seat::Up(_)) | None => return,
        }
        match Running::start(&self.shared, seat).await {
            Ok(running) => {
                self.put(seat, Seat::Up(running));
                self.changed();
            }
            Err(trouble) => {
                self.failed_starts += 1;
                self.audience.trouble(&trouble);
            }
        }
    }

    fn put(&mut self, seat: usize, state: Seat) {
        if let Some(place) = self.seats.get_mut(seat) {
            *place = state;
        }
    }

    fn stop(&mut self, seat: usize, how: How) {
        if let Some(Seat::Up(_)) = self.seats.get(seat) {
            self.shared.ledger().stopped(seat, how, Instant::now());
            self.end(seat, how);
            self.changed();
        }
    }

    fn end(&mut self, seat: usize, how: How) {
        let Some(place) = self.seats.get_mut(seat) else { return };
        match std::mem::replace(place, Seat::Ending { again: false }) {
            Seat::Up(running) => running.end(&self.shared, how == How::Leave),
            other @ (Seat::Down | Seat::Ending { .. }) => *place = other,
        }
    }

    /// The swarm is no longer what it was: it has to settle again.
    fn changed(&mut self) {
        if self.settling.is_none() {
            self.agenda.enter(Instant::now() + LOOK, Step::Look);
        }
        self.settling = Some(Instant::now());
    }

    fn look(&mut self) -> Result<(), String> {
        let Some(since) = self.settling else { return Ok(()) };
        let now = Instant::now();
        let forming = self.agenda.steps.values().any(|step| matches!(step, Step::Start(_)));
        let (settled, at, agents) = {
            let ledger = self.shared.ledger();
            (!forming && ledger.is_settled(), ledger.at(now), ledger.up().count())
        };
        if !settled {
            self.agenda.enter(now + LOOK, Step::Look);
            return Ok(());
        }
        self.settling = None;
        self.tell(Record::Settled { at_s: at, took_s: seconds(now.duration_since(since)), agents })
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Event { name, payload } => self.send_event(&name, payload).await,
            Action::Kill(whom) => {
                for seat in self.choose(whom, |seat| matches!(seat, Seat::Up(_))) {
                    self.stop(seat, How::Crash);
                }
            }
            Action::Leave(whom) => {
                for seat in self.choose(whom, |seat| matches!(seat, Seat::Up(_))) {
                    self.stop(seat, How::Leave);
                }
            }
            Action::Start(whom) => {
                for seat in self.choose(whom, |seat| !matches!(seat, Seat::Up(_))) {
                    self.start(seat).await;
                }
            }
        }
    }

    fn choose(&self, whom: Whom, fits: impl Fn(&Seat) -> bool) -> Vec<usize> {
        let fitting = self.seats.iter().enumerate().filter(|(_, seat)| fits(seat));
        let mut fitting: Vec<usize> = fitting.map(|(number, _)| number).collect();
        match whom {
            Whom::Seat(seat) => fitting.retain(|&it| it == seat),
            Whom::Random(count) => fitting = chance::some_of(&mut fitting, count).to_vec(),
            Whom::All => {}
        }
        fitting
    }

    async fn send_event(&mut self, name: &str, payload: String) {
        let sender = self.choose(Whom::Random(1), |seat| matches!(seat, Seat::Up(_)));
        let Some(&from) = sender.first() else { return };
        let Some(Seat::Up(running)) = self.seats.get(from) else { return };
        self.shared.ledger().sent(from, name, payload.as_bytes(), Instant::now());
        if let Err(error) = running.agent.user_event(name, payload.into(), false).await {
            self.audience.trouble(&format!("Event {name} cannot be sent: {error}"));
        }
    }

    /// One agent stops, by a crash or a leave, and will start again. At least half of them stay.
    fn churn(&mut self) {
        let now = Instant::now();
        self.agenda.enter(now + churn_pause(self.shared.plan.churn), Step::Churn);
        let up = self.choose(Whom::All, |seat| matches!(seat, Seat::Up(_)));
        if up.len() < 2 || up.len() <= self.seats.len() / 2 {
            return;
        }
        if let Some(&seat) = up.get(chance::below(up.len())) {
            let how = if chance::below(2) == 0 { How::Crash } else { How::Leave };
            self.stop(seat, how);
            let again = now + chance::time_below(CHURN_DOWN_MAX);
            self.agenda.enter(again, Step::Start(seat));
        }
    }

    async fn hear(&mut self, news: News) {
        match news {
            News::WantsEnd(life) => self.stop(life.seat, How::Leave),
            News::Ended(life) => {
                if let Some(Seat::Ending { again }) = self.seats.get(life.seat) {
                    let again = *again;
                    self.put(life.seat, Seat::Down);
                    if again {
                        self.start(life.seat).await;
                    }
                }
            }
        }
    }

    /// Ends all agents. In a swarm that belongs to a larger cluster they say goodbye.
    async fn wind_up(&mut self, inbox: &mut mpsc::Receiver<News>) {
        self.shared.ledger().close();
        let how = if self.shared.plan.seeds.is_empty() { How::Crash } else { How::Leave };
        for seat in self.choose(Whom::All, |seat| matches!(seat, Seat::Up(_))) {
            self.end(seat, how);
        }
        while self.seats.iter().any(|seat| matches!(seat, Seat::Ending { .. })) {
            let Ok(Some(news)) = timeout(PATIENCE, inbox.recv()).await else { return };
            if let News::Ended(life) = news {
                self.put(life.seat, Seat::Down);
            }
        }
        let start = Instant::now();
        while task::live() > 0 && start.elapsed() < PATIENCE {
            tokio::time::sleep(LOOK).await;
        }
    }

    fn finish(&mut self) -> Result<End, String> {
        self.tell_complete()?;
        let (at_s, false_failures) = {
            let ledger = self.shared.ledger();
            (ledger.at(Instant::now()), ledger.false_failures())
        };
        let end = End {
            at_s,
            tasks: task::live(),
            files: figures::open_files().unwrap_or(0),
            false_failures,
            failed_starts: self.failed_starts,
        };
        self.tell(Record::End(end.clone()))?;
        Ok(end)
    }

    fn tell_complete(&mut self) -> Result<(), String> {
        let complete = self.shared.ledger().take_complete();
        complete.into_iter().try_for_each(|record| self.tell(record))
    }

    fn tell(&mut self, record: Record) -> Result<(), String> {
        self.report
            .write(&record)
            .map_err(|error| format!("The report cannot be written: {error}"))?;
        self.audience.told(&record);
        Ok(())
    }
}

/// Differences from sample to sample.
#[derive(Debug)]
struct Meter {
    at: Instant,
    cpu: Duration,
    packets: u64,
    bytes: u64,
}

impl Meter {
    fn new(now: Instant) -> Self {
        Self { at: now, cpu: process::cpu(), packets: 0, bytes: 0 }
    }

    #[expect(clippy::cast_precision_loss, reason = "rates are floating point")]
    fn sample(&mut self, shared: &Shared, seats: usize) -> Sample {
        let sent = &shared.traffic.sent;
        let now = Self {
            at: Instant::now(),
            cpu: process::cpu(),
            packets: sent.packets.load(Ordering::Relaxed),
            bytes: sent.bytes.load(Ordering::Relaxed),
        };
        let span = now.at.duration_since(self.at).as_secs_f64().max(1e-3);
        let rate = |now: u64, before: u64| ((now - before) as f64 / span).round();
        let memory = figures::memory();
        let ledger = shared.ledger();
        let up = ledger.up().count();
        let sample = Sample {
            at_s: ledger.at(now.at),
            up,
            down: seats - up,
            seen: ledger.seen(),
            events: ledger.deliveries(),
            packets_per_s: rate(now.packets, self.packets),
            bytes_per_s: rate(now.bytes, self.bytes),
            cpu_percent: ((now.cpu - self.cpu).as_secs_f64() / span * 1_000.0).round() / 10.0,
            resident: memory.resident.unwrap_or(0),
            anonymous: memory.anonymous.unwrap_or(0),
            files: figures::open_files().unwrap_or(0),
            tasks: task::live(),
            false_failures: ledger.false_failures(),
        };
        drop(ledger);
        *self = now;
        sample
    }
}
