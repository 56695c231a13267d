//! The timed sequences recorded from the reference (`traces` in the vectors), one test each.
//!
//! A single node with Local settings meets two scripted members: py-1, which answers pings, and py-2, which answers
//! nothing.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a script looks for one thing and passes over the rest"
)]

use super::*;
use crate::msg::swim::{Ack, Alive, MessageType, Nack, Suspect};
use crate::wire::packet::Unpacked;
use crate::wire::swim as codec;

const MS: u64 = MILLISECOND;

/// What the node sent.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    Ping {
        to: usize,
        seq_no: u32,
    },
    /// A ping together with the suspicion of its target.
    PingSuspect {
        to: usize,
        seq_no: u32,
    },
    IndirectPing {
        to: usize,
        seq_no: u32,
        nack: bool,
    },
    Dial {
        to: usize,
    },
    Gossip {
        to: usize,
        kind: u8,
    },
}

struct Script {
    now: Instant,
    pool: Pool,
    out: Outbox,
    node: Node,
    sent: Vec<(u64, Sent)>,
    traces: Vec<(u64, Trace)>,
    /// Whether py-1 answers an indirect ping with a nack.
    relay_nacks: bool,
    nacks: Vec<(u64, u32)>,
}

impl Script {
    fn new(relay_nacks: bool) -> Self {
        let options = Options { trace: true, compression: false, ..Options::local() };
        let config = Arc::new(options.validate().expect("a preset"));
        let (mut pool, mut out) = (Pool::new(1), Outbox::new());
        let me = Identity::new("n", addr(0)).expect("valid");
        let mut cx = Cx { now: Instant::ZERO, pool: &mut pool, out: &mut out };
        let node = Node::new(config, me, [3; 32], &mut cx);
        let mut script = Self {
            now: Instant::ZERO,
            pool,
            out,
            node,
            sent: Vec::new(),
            traces: Vec::new(),
            relay_nacks,
            nacks: Vec::new(),
        };
        script.drain();
        for index in [1, 2] {
            script.introduce(index);
        }
        script
    }

    fn introduce(&mut self, index: usize) {
        let name = format!("py-{index}");
        let octets = [10, 0, 0, u8::try_from(index).expect("few")];
        let alive = Alive {
            incarnation: 1,
            node: &name,
            addr: Some(&octets),
            port: 7946,
            meta: None,
            vsn: Some(&[1, 5, 2, 0, 0, 0]),
        };
        let mut bytes = Vec::new();
        codec::encode_alive(&alive, &mut bytes);
        self.datagram(index, &bytes);
    }

    fn datagram(&mut self, from: usize, bytes: &[u8]) {
        self.input(Input::Datagram { from: addr(from), bytes });
    }

    fn input(&mut self, input: Input<'_>) {
        let mut cx = Cx { now: self.now, pool: &mut self.pool, out: &mut self.out };
        self.node.handle(input, &mut cx);
        self.drain();
    }

    /// Notes what was sent; py-1 acks pings at once and nacks 150 ms after an indirect ping.
    fn drain(&mut self) {
        let mut out = core::mem::take(&mut self.out);
        let mut acks = Vec::new();
        while let Some(output) = out.pop() {
            let at = self.now.as_nanos();
            match output {
                Output::Trace(trace) => self.traces.push((at, trace)),
                Output::Stream { action: StreamAction::Dial { to }, .. } => {
                    self.sent.push((at, Sent::Dial { to: host(to) }));
                }
                Output::Datagram { to, bytes } => {
                    let sent = describe(host(to), bytes);
                    if let Sent::Ping { to: 1, seq_no } = sent {
                        acks.push(seq_no);
                    }
                    if let Sent::IndirectPing { seq_no, .. } = sent {
                        self.nacks.push((at + 150 * MS, seq_no));
                    }
                    self.sent.push((at, sent));
                }
                Output::Stream { .. }
                | Output::Event(_)
                | Output::Done { .. }
                | Output::Persist(_) => {}
            }
        }
        self.out = out;
        for seq_no in acks {
            let mut bytes = Vec::new();
            codec::encode_ack(&Ack { seq_no, payload: None }, &mut bytes);
            self.datagram(1, &bytes);
        }
    }

    /// Runs timers and scripted nacks until `until` says stop.
    fn run(&mut self, mut until: impl FnMut(&Self) -> bool) {
        for _ in 0..10_000 {
            if until(self) {
                return;
            }
            let (timer, _) = self.node.deadline().expect("timers run");
            let nack = self.nacks.first().copied().filter(|_| self.relay_nacks);
            match nack {
                Some((at, seq_no)) if at < timer.as_nanos() => {
                    self.now = Instant::from_nanos(at);
                    self.nacks.remove(0);
                    let mut bytes = Vec::new();
                    codec::encode_nack(&Nack { seq_no }, &mut bytes);
                    self.datagram(1, &bytes);
                }
                _ => {
                    self.now = self.now.max(timer);
                    self.input(Input::Timeout);
                }
            }
        }
        panic!("it never happened");
    }

    fn py(&self, index: usize) -> NodeId {
        self.pool.find(&format!("py-{index}")).expect("introduced")
    }

    /// When py-2 became this.
    fn edge(&self, state: MemberState) -> Option<u64> {
        let subject_is = self.py(2);
        self.traces.iter().find_map(|(at, trace)| match trace {
            Trace::Edge { subject, to: Some(to), .. } if *subject == subject_is && *to == state => {
                Some(*at)
            }
            _ => None,
        })
    }

    fn find(&self, wanted: impl Fn(&Sent) -> bool) -> Option<u64> {
        self.sent.iter().find(|(_, sent)| wanted(sent)).map(|(at, _)| *at)
    }
}

fn host(to: SocketAddr) -> usize {
    (0..3).find(|&index| addr(index) == to).expect("a scripted host")
}

fn describe(to: usize, bytes: &[u8]) -> Sent {
    let sealer = Sealer::new(&Keyring::default());
    let config = Options::local().validate().expect("a preset");
    let mut unpacked = Unpacked::default();
    unpacked.unpack(bytes, &packet_rules(&config, &sealer), &mut Stats::default());
    let message = |index| unpacked.message(bytes, index);
    let first = message(0);
    let body = &first[1..];
    let second = (unpacked.len() > 1).then(|| message(1)[0]);
    match MessageType::from_byte(first[0]).expect("a known type") {
        MessageType::Ping => {
            let seq_no = codec::decode_ping(body).expect("well formed").seq_no;
            let about = (second == Some(MessageType::Suspect as u8)).then(|| {
                codec::decode_suspect(&message(1)[1..]).expect("well formed").node == "py-2"
            });
            match about {
                Some(true) if to == 2 => Sent::PingSuspect { to, seq_no },
                _ => Sent::Ping { to, seq_no },
            }
        }
        MessageType::IndirectPing => {
            let request = codec::decode_indirect_ping(body).expect("well formed");
            Sent::IndirectPing { to, seq_no: request.seq_no, nack: request.nack }
        }
        kind => Sent::Gossip { to, kind: kind as u8 },
    }
}

#[test]
fn failed_probe_relay_sends_a_nack() {
    let mut script = Script::new(true);
    script.run(|script| script.edge(MemberState::Suspect).is_some());
    let ping = script.find(|sent| matches!(sent, Sent::Ping { to: 2, .. })).expect("probed");
    let asked = script.find(|sent| matches!(sent, Sent::IndirectPing { to: 1, nack: true, .. }));
    let dialed = script.find(|sent| *sent == Sent::Dial { to: 2 });
    let suspect = script.edge(MemberState::Suspect).expect("waited for it");
    assert_eq!(asked.expect("one relay") - ping, 200 * MS);
    assert_eq!(dialed.expect("stream ping") - ping, 200 * MS);
    assert_eq!(suspect - ping, 1_000 * MS);
    assert_eq!(script.node.info().health_score, 0, "the relay nacked, so the own side is fine");
    script.run(|script| script.find(|sent| matches!(sent, Sent::PingSuspect { .. })).is_some());
}

#[test]
fn failed_probe_relay_stays_silent() {
    let mut script = Script::new(false);
    script.run(|script| script.edge(MemberState::Suspect).is_some());
    let suspect = script.edge(MemberState::Suspect).expect("waited for it");
    let scores = |script: &Script| -> Vec<(u64, u32)> {
        let scores = script.traces.iter().filter_map(|(at, trace)| match trace {
            Trace::Health { score } => Some((*at, *score)),
            _ => None,
        });
        scores.collect()
    };
    script.run(|script| scores(script).len() >= 2);
    let scores = scores(&script);
    assert_eq!(scores[0], (suspect, 1), "the missing nack counts against the own side");
    assert_eq!(scores[1].1, 0, "the next success lowers it again");
    assert!(scores[1].0 - suspect <= 2_000 * MS, "{scores:?}");
}

#[test]
fn suspicion_shortened_by_one_confirmation() {
    let mut script = Script::new(true);
    script.run(|script| script.edge(MemberState::Suspect).is_some());
    let suspected = script.edge(MemberState::Suspect).expect("waited for it");
    let window = |script: &Script| {
        script.traces.iter().rev().find_map(|(_, trace)| match trace {
            Trace::Suspicion { deadline, .. } => Some(deadline.as_nanos() - suspected),
            _ => None,
        })
    };
    assert_eq!(window(&script), Some(18_000 * MS));
    let mut bytes = Vec::new();
    let other = Suspect { incarnation: 1, node: "py-2", from: "py-1" };
    codec::encode_suspect(&other, &mut bytes);
    script.now = script.now.plus_nanos(100 * MS);
    script.datagram(1, &bytes);
    assert_eq!(window(&script), Some(3_000 * MS));
    script.run(|script| script.edge(MemberState::Dead).is_some());
    assert_eq!(script.edge(MemberState::Dead).expect("waited for it") - suspected, 3_000 * MS);
    let dead = MessageType::Dead as u8;
    script.run(|script| script.find(|sent| *sent == Sent::Gossip { to: 2, kind: dead }).is_some());
}
