//! The Serf layer against a naive model of its status table: the plainest code that could be right, for random histories.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::*;
use crate::config::Options;
use crate::event::MemberEventKind;
use crate::io::Output;
use crate::msg::serf::{JoinIntent, LeaveIntent};
use crate::pool::{Vsn, WireAddr};
use crate::swim::Upcall;
use crate::wire::serf::{encode_join_intent, encode_leave_intent};

#[derive(Clone, Copy, Debug)]
enum Step {
    Joined,
    Departed,
    Updated,
    Join(u64),
    Leave(u64),
    Prune(u64),
    /// Long enough for every prune to end.
    Wait,
}

fn step() -> impl Strategy<Value = (u8, Step)> {
    let ltime = 1..12_u64;
    let step = prop_oneof![
        Just(Step::Joined),
        Just(Step::Departed),
        Just(Step::Updated),
        ltime.clone().prop_map(Step::Join),
        ltime.clone().prop_map(Step::Leave),
        ltime.prop_map(Step::Prune),
        Just(Step::Wait),
    ];
    (0..2_u8, step)
}

/// One name in the model.
#[derive(Clone, Debug, Default)]
struct Model {
    record: Option<(MemberStatus, u64)>,
    /// Newest intent without a record: whether it is a leave, and its time.
    intent: Option<(bool, u64)>,
    pruned: bool,
}

impl Model {
    /// The status table of the reference, row by row; returns what the application hears.
    fn apply(&mut self, step: Step) -> Vec<MemberEventKind> {
        use MemberEventKind as Kind;
        use MemberStatus::{Alive, Failed, Leaving, Left};
        match (step, self.record) {
            (Step::Wait, Some((Leaving | Left, _))) if self.pruned => {
                (self.record, self.pruned) = (None, false);
                vec![Kind::Reap]
            }
            (Step::Wait, _) => {
                self.pruned = false;
                vec![]
            }
            (Step::Joined, None) => {
                self.record = Some(match self.intent {
                    Some((true, ltime)) => (Leaving, ltime),
                    Some((false, ltime)) => (Alive, ltime),
                    None => (Alive, 0),
                });
                vec![Kind::Join]
            }
            (Step::Joined, Some((_, ltime))) => {
                self.pruned = false;
                self.record = Some((Alive, ltime));
                vec![Kind::Join]
            }
            (Step::Departed, Some((Alive, ltime))) => {
                self.record = Some((Failed, ltime));
                vec![Kind::Failed]
            }
            (Step::Departed, Some((Leaving, ltime))) => {
                self.record = Some((Left, ltime));
                vec![Kind::Leave]
            }
            (Step::Departed | Step::Updated, None) | (Step::Departed, Some(_)) => vec![],
            (Step::Updated, Some(_)) => vec![Kind::Update],
            (Step::Join(ltime), None) => self.buffer(false, ltime),
            (Step::Leave(ltime) | Step::Prune(ltime), None) => self.buffer(true, ltime),
            (Step::Join(new) | Step::Leave(new) | Step::Prune(new), Some((_, old)))
                if new <= old =>
            {
                vec![]
            }
            (Step::Join(ltime), Some((status, _))) => {
                // Who comes back is spared.
                self.pruned &= status != Leaving;
                self.record = Some((if status == Leaving { Alive } else { status }, ltime));
                vec![]
            }
            (Step::Leave(ltime), Some((status, _))) => {
                let gone = matches!(status, Failed | Left);
                self.record = Some((if gone { Left } else { Leaving }, ltime));
                if status == Failed { vec![Kind::Leave] } else { vec![] }
            }
            (Step::Prune(ltime), Some(_)) => {
                let mut events = self.apply(Step::Leave(ltime));
                if self.record.is_some_and(|(status, _)| status == Left) {
                    (self.record, self.pruned) = (None, false);
                    events.push(Kind::Reap);
                } else {
                    self.pruned = true;
                }
                events
            }
        }
    }

    fn buffer(&mut self, leave: bool, ltime: u64) -> Vec<MemberEventKind> {
        if self.intent.is_none_or(|(_, old)| ltime > old) {
            self.intent = Some((leave, ltime));
        }
        vec![]
    }
}

/// A node to which nothing real ever happens.
struct Subject {
    now: Instant,
    pool: Pool,
    out: Outbox,
    node: Node,
}

impl Subject {
    fn new() -> Self {
        // Nothing else may move while time passes.
        let off = Duration::ZERO;
        let options = Options { reap_interval: off, reconnect_interval: off, ..Options::lan() };
        let config = Arc::new(options.validate().expect("valid"));
        let me = Identity::new("me", "127.0.0.1:7946".parse().expect("an address")).expect("valid");
        let (mut pool, mut out) = (Pool::new(1), Outbox::new());
        let mut cx = Cx { now: Instant::ZERO, pool: &mut pool, out: &mut out };
        let node = Node::new(config, me, [1; 32], &mut cx);
        while out.pop().is_some() {}
        Self { now: Instant::ZERO, pool, out, node }
    }

    /// Returns what the application hears: whom, and what.
    fn apply(&mut self, name: &str, step: Step) -> Vec<(String, MemberEventKind)> {
        let id = self.pool.intern(name);
        match step {
            Step::Joined => {
                let profile = Profile {
                    node: id,
                    addr: WireAddr::from(IpAddr::from([10, 0, 0, 9])),
                    port: 7946,
                    vsn: Vsn([1, 5, 2, 2, 5, 5]),
                    meta: Bytes::new(),
                };
                let profile = self.pool.intern_profile(profile);
                self.node.swim.plant(id, profile);
                self.upcall(Upcall::Joined(id));
            }
            Step::Departed => self.upcall(Upcall::Departed(id)),
            Step::Updated => self.upcall(Upcall::Updated(id)),
            Step::Join(ltime) => {
                let mut message = Vec::new();
                encode_join_intent(&JoinIntent { ltime, node: name }, &mut message);
                self.message(&message);
            }
            Step::Leave(ltime) => self.leave(name, ltime, false),
            Step::Prune(ltime) => self.leave(name, ltime, true),
            Step::Wait => {
                let end = self.now + Duration::from_secs(10);
                while let Some((at, _)) = self.node.deadline().filter(|(at, _)| *at <= end) {
                    self.now = at;
                    self.node.now = at;
                    // What it says stays in the outbox until `heard`.
                    self.work(|node, turn| node.on_timeout(turn));
                }
                self.now = end;
            }
        }
        self.heard()
    }

    fn leave(&mut self, name: &str, ltime: u64, prune: bool) {
        let mut message = Vec::new();
        encode_leave_intent(&LeaveIntent { ltime, node: name, prune }, &mut message);
        self.message(&message);
    }

    fn message(&mut self, message: &[u8]) {
        self.work(|node, turn| node.on_user_message(message, turn));
    }

    fn upcall(&mut self, upcall: Upcall) {
        self.work(|_, turn| turn.scratch.actions.push(Action::Upcall(upcall)));
    }

    fn work(&mut self, work: impl FnOnce(&mut Node, &mut Turn<'_>)) {
        let mut scratch = self.out.take_scratch();
        let mut turn = Turn { pool: &mut self.pool, out: &mut self.out, scratch: &mut scratch };
        work(&mut self.node, &mut turn);
        self.node.settle(&mut turn);
        self.out.return_scratch(scratch);
    }

    fn heard(&mut self) -> Vec<(String, MemberEventKind)> {
        let mut heard = Vec::new();
        while let Some(output) = self.out.pop() {
            if let Output::Event(Event::Members(event)) = output {
                heard.push((self.pool.name(event.members[0].node).to_owned(), event.kind));
            }
        }
        heard
    }

    fn record(&self, name: &str) -> Option<(MemberStatus, u64)> {
        let record = self.node.swim.record(self.pool.find(name)?)?;
        Some((record.status, record.ltime))
    }
}

proptest! {
    #[test]
    fn statuses_follow_the_table(steps in prop::collection::vec(step(), 0..40)) {
        const NAMES: [&str; 2] = ["a", "b"];
        let mut subject = Subject::new();
        let mut models: BTreeMap<&str, Model> = NAMES.map(|name| (name, Model::default())).into();
        for (number, (about, step)) in steps.into_iter().enumerate() {
            let name = NAMES[usize::from(about)];
            let mut expected = Vec::new();
            for (known, model) in &mut models {
                // Time passes for everybody.
                if *known == name || matches!(step, Step::Wait) {
                    expected.extend(model.apply(step).into_iter().map(|kind| ((*known).to_owned(), kind)));
                }
            }
            let mut heard = subject.apply(name, step);
            heard.sort();
            expected.sort();
            prop_assert_eq!(heard, expected, "step {}: {} {:?}", number, name, step);
            for (known, model) in &models {
                prop_assert_eq!(subject.record(known), model.record, "step {}: {:?}", number, step);
            }
        }
    }
}
