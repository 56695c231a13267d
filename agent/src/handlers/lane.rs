//! Lanes: groups of handlers that run one after another, each with its queue of events.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};
use tokio::time::Instant;

use crate::event::AgentEvent;
use crate::handlers::Handler;

/// How often one lane may log that it drops events.
const WARN_EVERY: Duration = Duration::from_secs(1);

/// What a handler hears, as coarse as order is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hears<'a> {
    Everything,
    Members,
    User,
    /// Queries of one name, or of all.
    Query(Option<&'a str>),
}

impl<'a> Hears<'a> {
    /// Reads the form in which filters are shown, such as `query:load`.
    fn of(key: &'a str) -> Self {
        match key.split_once(':') {
            Some(("query", name)) => Self::Query(Some(name).filter(|name| !name.is_empty())),
            Some(("user", _)) => Self::User,
            Some(("*", _)) => Self::Everything,
            Some(_) | None => Self::Members,
        }
    }

    fn overlaps(self, other: Self) -> bool {
        match (self, other) {
            (Self::Everything, _) | (_, Self::Everything) => true,
            (Self::Query(one), Self::Query(two)) => one.is_none() || two.is_none() || one == two,
            (one, two) => one == two,
        }
    }
}

/// A handler, and what it hears in the form in which filters are shown.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    handler: Handler,
    key: String,
}

impl Entry {
    fn new(handler: Handler) -> Self {
        let key = handler.filter.key();
        Self { handler, key }
    }

    /// Whether the two may not overlap.
    fn related(&self, other: &Self) -> bool {
        self.handler.script == other.handler.script
            || Hears::of(&self.key).overlaps(Hears::of(&other.key))
    }
}

/// Parts handlers into lanes; in each, and by the first of each, they keep their order.
fn part(handlers: Vec<Handler>) -> Vec<Vec<Entry>> {
    let mut groups: Vec<Vec<(usize, Entry)>> = Vec::new();
    for entry in handlers.into_iter().map(Entry::new).enumerate() {
        let (joined, apart): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|group| group.iter().any(|(_, member)| member.related(&entry.1)));
        let mut group: Vec<_> = joined.into_iter().flatten().chain([entry]).collect();
        group.sort_unstable_by_key(|&(place, _)| place);
        groups = apart;
        groups.push(group);
    }
    groups.sort_unstable_by_key(|group| group.first().map(|&(place, _)| place));
    let strip = |group: Vec<_>| group.into_iter().map(|(_, entry)| entry).collect();
    groups.into_iter().map(strip).collect()
}

/// One event for those handlers of a lane that hear it.
#[derive(Debug)]
pub(super) struct Job {
    /// The event.
    pub(super) event: Arc<AgentEvent>,
    /// Counts events of the runner.
    number: u64,
    /// Places in the lane's list, ascending.
    handlers: SmallVec<[usize; 2]>,
}

/// Handlers that run one after another, and what waits for them.
#[derive(Debug)]
pub(super) struct Lane {
    entries: Vec<Entry>,
    /// Held by `Queue::busy` while somebody works.
    turn: Arc<Turn<()>>,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Job>,
    /// Set while somebody works.
    busy: Option<OwnedMutexGuard<()>>,
    /// Turns of lanes from before a reload that were at work and must end first.
    earlier: Vec<Arc<Turn<()>>>,
    /// Events dropped since the last warning, and when that was.
    dropped: u64,
    warned: Option<Instant>,
}

impl Lane {
    fn new(entries: Vec<Entry>) -> Self {
        Self { entries, turn: Arc::default(), queue: Mutex::default() }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks the lane as worked on; false if it is already, or if there is nothing to do.
    fn take_turn(&self) -> bool {
        let mut queue = self.queue();
        if queue.busy.is_some() || queue.waiting.is_empty() {
            return false;
        }
        queue.busy = Arc::clone(&self.turn).try_lock_owned().ok();
        queue.busy.is_some()
    }

    /// The next job for whoever works; with `None` the work is over.
    pub(super) fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        let job = queue.waiting.pop_front();
        if job.is_none() {
            queue.waiting = VecDeque::new();
            queue.busy = None;
        }
        job
    }

    /// Waits for lanes from before a reload that were at work then.
    pub(super) async fn wait_for_earlier(&self) {
        let earlier = self.queue().earlier.clone();
        for turn in earlier {
            drop(turn.lock().await);
        }
        self.queue().earlier = Vec::new();
    }

    /// The handlers that `job` is for, in order.
    pub(super) fn handlers_of<'a>(&'a self, job: &'a Job) -> impl Iterator<Item = &'a Handler> {
        let entries = job.handlers.iter().filter_map(|&place| self.entries.get(place));
        entries.map(|entry| &entry.handler)
    }

    /// Lets `job` wait, or drops it when `limit` wait already.
    fn push(&self, job: Job, limit: usize) {
        let mut queue = self.queue();
        if queue.waiting.len() < limit {
            queue.waiting.push_back(job);
            return;
        }
        metrics::counter!("agent.handler.dropped").increment(1);
        queue.dropped += 1;
        if queue.warned.is_none_or(|at| at.elapsed() >= WARN_EVERY) {
            queue.warned = Some(Instant::now());
            let dropped = core::mem::take(&mut queue.dropped);
            let label = job.event.label();
            let script = self.handlers_of(&job).next().map_or("", |handler| &handler.script);
            tracing::warn!(
                target: "agent",
                "Dropping event '{label}' to script '{script}': {limit} events wait ({dropped} dropped)"
            );
        }
    }

    /// Whether the two may not overlap.
    fn related(&self, other: &Self) -> bool {
        let related_to_other =
            |entry: &Entry| other.entries.iter().any(|theirs| entry.related(theirs));
        self.entries.iter().any(related_to_other)
    }

    /// Turns that somebody holds now: the own one, and those this lane itself has to wait for.
    fn turns_held(&self) -> Vec<Arc<Turn<()>>> {
        let mut turns = self.queue().earlier.clone();
        turns.push(Arc::clone(&self.turn));
        turns.retain(|turn| turn.try_lock().is_err());
        turns
    }
}

/// All lanes of one runner.
#[derive(Debug)]
pub(super) struct Lanes {
    lanes: Vec<Arc<Lane>>,
    limit: usize,
    events: u64,
}

impl Lanes {
    pub(super) fn new(queue: usize) -> Self {
        Self { lanes: Vec::new(), limit: queue.max(1), events: 0 }
    }

    /// Gives `event` to all lanes that hear it. Returns those whose work must be started.
    pub(super) fn push(&mut self, event: &Arc<AgentEvent>) -> Vec<Arc<Lane>> {
        self.events += 1;
        for lane in &self.lanes {
            let hears = |(place, entry): (usize, &Entry)| {
                entry.handler.filter.matches(event).then_some(place)
            };
            let handlers: SmallVec<_> = lane.entries.iter().enumerate().filter_map(hears).collect();
            if !handlers.is_empty() {
                let job = Job { event: Arc::clone(event), number: self.events, handlers };
                lane.push(job, self.limit);
            }
        }
        self.ready()
    }

    /// Exchanges the handlers. Lanes that stay as they are go on; what waits in others is handed to the lanes where
    /// their handlers are now, in the order of the events. Returns lanes whose work must be started.
    pub(super) fn replace(&mut self, handlers: Vec<Handler>) -> Vec<Arc<Lane>> {
        let mut old = core::mem::take(&mut self.lanes);
        let mut new = Vec::new();
        for entries in part(handlers) {
            if let Some(same) = old.iter().position(|lane| lane.entries == entries) {
                self.lanes.push(old.swap_remove(same));
            } else {
                new.push(Arc::new(Lane::new(entries)));
            }
        }
        let mut jobs: Vec<Vec<Job>> = new.iter().map(|_| Vec::new()).collect();
        for lane in &old {
            hand_over(lane, &new, &mut jobs);
        }
        for (lane, mut jobs) in new.iter().zip(jobs) {
            let earlier = old.iter().filter(|old| lane.related(old));
            lane.queue().earlier = earlier.flat_map(|old| old.turns_held()).collect();
            jobs.sort_by_key(|job| (job.number, job.handlers.first().copied()));
            for job in jobs {
                lane.push(job, self.limit);
            }
        }
        self.lanes.append(&mut new);
        self.ready()
    }

    fn ready(&self) -> Vec<Arc<Lane>> {
        self.lanes.iter().filter(|lane| lane.take_turn()).cloned().collect()
    }
}

/// Takes what waits in `old`, and sorts it into `jobs` by the lane of `new` where its handlers are now.
fn hand_over(old: &Lane, new: &[Arc<Lane>], jobs: &mut [Vec<Job>]) {
    let waiting = core::mem::take(&mut old.queue().waiting);
    if waiting.is_empty() {
        return;
    }
    let place_in = |lane: &Lane, wanted: &Entry| lane.entries.iter().position(|e| e == wanted);
    let find = |wanted: &Entry| {
        new.iter().enumerate().find_map(|(index, lane)| Some((index, place_in(lane, wanted)?)))
    };
    let now: Vec<Option<(usize, usize)>> = old.entries.iter().map(find).collect();
    for job in waiting {
        for (index, jobs) in jobs.iter_mut().enumerate() {
            let here = |&place: &usize| {
                now[place].filter(|&(lane, _)| lane == index).map(|(_, place)| place)
            };
            let mut handlers: SmallVec<[usize; 2]> = job.handlers.iter().filter_map(here).collect();
            handlers.sort_unstable();
            if !handlers.is_empty() {
                jobs.push(Job { event: Arc::clone(&job.event), number: job.number, handlers });
            }
        }
    }
}

#[cfg(test)]
impl Lanes {
    /// Each is free while nobody works for its lane.
    pub(super) fn turns(&self) -> Vec<Arc<Turn<()>>> {
        self.lanes.iter().map(|lane| Arc::clone(&lane.turn)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes_of(specs: &[&str]) -> Vec<Vec<String>> {
        let handlers = specs.iter().flat_map(|spec| Handler::parse(spec).unwrap()).collect();
        let text = |entry: Entry| format!("{}{}", entry.key, entry.handler.script);
        let lane = |lane: Vec<Entry>| lane.into_iter().map(text).collect();
        part(handlers).into_iter().map(lane).collect()
    }

    #[test]
    fn handlers_that_share_an_event_or_a_script_share_a_lane() {
        let specs = [
            "member-join=add",
            "query:load=uptime",
            "member-leave,member-failed=remove",
            "user:deploy=deploy",
            "query:disk=df",
            "user:restart=restart",
        ];
        let expected: [&[&str]; 4] = [
            &["member-join:add", "member-leave:remove", "member-failed:remove"],
            &["query:loaduptime"],
            &["user:deploydeploy", "user:restartrestart"],
            &["query:diskdf"],
        ];
        assert_eq!(lanes_of(&specs), expected);

        let mixed = ["query:load=a", "query:disk=b", "user=a", "query=c"];
        assert_eq!(lanes_of(&mixed).len(), 1, "queries of any name join both");
        assert_eq!(lanes_of(&mixed[..3]).len(), 2);
        assert_eq!(lanes_of(&["user:x=a", "query:y=b", "c"]).len(), 1);
    }
}
