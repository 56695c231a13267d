//! What arrives from the network never panics, never answers when it must not, never changes the table.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::testing::vectors;

/// The node `n` at 10.0.0.1, all alone: the recorded malformed inputs were sent to it.
pub(super) struct Victim {
    pub(super) pool: Pool,
    pub(super) out: Outbox,
    pub(super) node: Node,
}

/// What came out of one input.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Reaction {
    pub(super) datagrams: usize,
    pub(super) sends: usize,
    pub(super) closed: bool,
    pub(super) other: usize,
}

impl Victim {
    fn new(key: Option<&str>) -> Self {
        let mut options = Options::lan();
        if let Some(key) = key {
            options.keyring = Keyring::with_primary(Key::new(&unhex(key)).expect("a key"));
        }
        Self::with(options)
    }

    pub(super) fn with(options: Options) -> Self {
        let (mut pool, mut out) = (Pool::new(1), Outbox::new());
        let config = Arc::new(options.validate().expect("valid"));
        let me = Identity::new("n", addr(1)).expect("valid");
        let mut cx = Cx { now: Instant::ZERO, pool: &mut pool, out: &mut out };
        let node = Node::new(config, me, [1; 32], &mut cx);
        let mut victim = Self { pool, out, node };
        victim.drain();
        victim
    }

    fn input(&mut self, input: Input<'_>) -> Reaction {
        self.input_at(Instant::from_nanos(SECOND), input);
        self.drain()
    }

    /// One input; what comes out stays in the outbox.
    pub(super) fn input_at(&mut self, now: Instant, input: Input<'_>) {
        let mut cx = Cx { now, pool: &mut self.pool, out: &mut self.out };
        self.node.handle(input, &mut cx);
    }

    fn drain(&mut self) -> Reaction {
        let mut reaction = Reaction::default();
        while let Some(output) = self.out.pop() {
            match output {
                Output::Datagram { .. } => reaction.datagrams += 1,
                Output::Stream { action: StreamAction::Send(_), .. } => reaction.sends += 1,
                Output::Stream { action: StreamAction::Finish | StreamAction::Reset, .. } => {
                    reaction.closed = true;
                }
                Output::Stream { action: StreamAction::Dial { .. }, .. }
                | Output::Event(_)
                | Output::Done { .. }
                | Output::Persist(_)
                | Output::Trace(_) => reaction.other += 1,
            }
        }
        reaction
    }

    pub(super) fn datagram(&mut self, bytes: &[u8]) -> Reaction {
        self.input(Input::Datagram { from: addr(2), bytes })
    }

    /// Opens a stream, sends `bytes`, then ends it.
    pub(super) fn stream(&mut self, bytes: &[u8]) -> Reaction {
        let id = StreamId(1);
        self.input(Input::Stream { id, event: StreamInput::Accepted { from: addr(2) } });
        let data = self.input(Input::Stream { id, event: StreamInput::Data(bytes) });
        let end = self.input(Input::Stream { id, event: StreamInput::Finished });
        Reaction {
            datagrams: data.datagrams + end.datagrams,
            sends: data.sends + end.sends,
            closed: data.closed || end.closed,
            other: data.other + end.other,
        }
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits");
    (0..hex.len()).step_by(2).map(digit).collect()
}

#[test]
fn recorded_malformed_inputs() {
    let vectors = vectors();
    for case in vectors["malformed"].as_array().expect("a list") {
        let text = |key: &str| case[key].as_str().expect("text");
        let (name, required, bytes) = (text("name"), text("required"), unhex(text("hex")));
        let mut victim = Victim::new(case["receiver_key"].as_str());
        let stream = text("transport") == "stream";
        let reaction = if stream { victim.stream(&bytes) } else { victim.datagram(&bytes) };
        assert_eq!(victim.node.members_len(), 1, "{name}: the table is unchanged");
        assert_eq!(reaction.other, 0, "{name}: nothing happens");
        if stream {
            assert!(reaction.closed, "{name}: the stream is closed");
            assert_eq!(reaction.datagrams, 0, "{name}");
            if required.starts_with("error reply") && !required.contains(" or ") {
                assert_eq!(reaction.sends, 1, "{name}: {required}");
            } else if required.starts_with("close") {
                assert_eq!(reaction.sends, 0, "{name}: {required}");
            }
        } else {
            // A well-formed ping beside the malformed part is answered.
            let answers = usize::from(required.contains("before the truncated one"));
            assert_eq!(reaction.datagrams, answers, "{name}: {required}");
            assert!(victim.node.stats().dropped_total() > 0, "{name}: counted");
        }
    }
}

/// A message in a datagram of its own, compressed: a long name costs the sender nothing.
pub(super) fn compressed(message: &[u8]) -> Vec<u8> {
    let mut packer = crate::wire::packet::Packer::default();
    packer.push(|out| out.extend_from_slice(message));
    let sealer = Sealer::new(&Keyring::default());
    let config = Options::lan().validate().expect("a preset");
    let rules = packet_rules(&config, &sealer);
    packer.seal(&rules, false, &mut crate::rng::Rng::from_seed([1; 32])).to_vec()
}

#[test]
fn names_that_fit_no_packet_are_refused() {
    let long = "x".repeat(60_000);
    let mut victim = Victim::new(None);
    let request = crate::msg::swim::IndirectPing {
        seq_no: 1,
        target: Some(&[10, 0, 0, 2]),
        port: 7946,
        node: &long,
        nack: true,
        ..Default::default()
    };
    let mut bytes = Vec::new();
    crate::wire::swim::encode_indirect_ping(&request, &mut bytes);
    assert_eq!(victim.datagram(&compressed(&bytes)), Reaction::default());
    bytes.clear();
    let suspect = crate::msg::swim::Suspect { incarnation: 1, node: "n", from: &long };
    crate::wire::swim::encode_suspect(&suspect, &mut bytes);
    assert_eq!(victim.datagram(&compressed(&bytes)), Reaction::default());
    assert_eq!(victim.node.stats().dropped(DropReason::Invalid), 2);
}

#[test]
fn events_above_the_ceiling_are_refused_and_unsendable_ones_are_not_queued() {
    let mut victim = Victim::new(None);
    for (bytes, reactions) in [(9_300, 0), (2_000, 1)] {
        let payload = vec![0; bytes];
        let event = crate::msg::serf::UserEventMessage {
            ltime: 5,
            name: "big",
            payload: Some(&payload),
            coalesce: false,
        };
        let mut message = vec![8];
        crate::wire::serf::encode_user_event(&event, &mut message);
        let reaction = victim.datagram(&compressed(&message));
        assert_eq!(reaction.other, reactions, "{bytes} bytes");
        assert_eq!(victim.node.info().event_queue, 0, "it fits no packet");
    }
    assert_eq!(victim.node.stats().dropped(DropReason::Invalid), 1);
}

#[test]
fn streams_that_never_finish_are_bounded_and_reset_in_the_end() {
    let mut victim = Victim::new(None);
    let mut request = Vec::new();
    let header = crate::msg::swim::PushPullHeader::default();
    crate::wire::swim::encode_push_pull_header(&header, &mut request);
    let mut answered = 0;
    for index in 0..200 {
        let id = StreamId(index * 2 + 1);
        victim.input(Input::Stream { id, event: StreamInput::Accepted { from: addr(2) } });
        answered += victim.input(Input::Stream { id, event: StreamInput::Data(&request) }).sends;
    }
    assert_eq!(answered, 127, "no more push/pulls at once");
    let later = Instant::from_nanos(60 * SECOND);
    let mut cx = Cx { now: later, pool: &mut victim.pool, out: &mut victim.out };
    victim.node.handle(Input::Timeout, &mut cx);
    let mut resets = 0;
    while let Some(output) = victim.out.pop() {
        let reset = matches!(output, Output::Stream { action: StreamAction::Reset, .. });
        resets += usize::from(reset);
    }
    assert_eq!(resets, 127);
}

#[test]
fn an_error_reply_is_reset_if_the_peer_never_finishes() {
    let mut victim = Victim::new(None);
    let id = StreamId(1);
    victim.input(Input::Stream { id, event: StreamInput::Accepted { from: addr(2) } });
    // An encrypted frame, where there is no key.
    let reply = victim.input(Input::Stream { id, event: StreamInput::Data(&[10, 0, 0, 0, 1]) });
    assert_eq!((reply.sends, reply.closed), (1, true));
    let later = Instant::from_nanos(60 * SECOND);
    let mut cx = Cx { now: later, pool: &mut victim.pool, out: &mut victim.out };
    victim.node.handle(Input::Timeout, &mut cx);
    assert!(victim.drain().closed, "the driver is told to let go of it");
}

/// Every recorded message, to be damaged.
fn recorded() -> Vec<Vec<u8>> {
    let vectors = vectors();
    let wire = vectors["wire"].as_array().expect("a list").clone();
    wire.iter().map(|case: &Value| unhex(case["hex"].as_str().expect("text"))).collect()
}

proptest! {
    #[test]
    fn arbitrary_datagrams_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        kind in 0..14_u8,
    ) {
        let mut victim = Victim::new(None);
        victim.datagram(&bytes);
        let typed: Vec<u8> = core::iter::once(kind).chain(bytes).collect();
        victim.datagram(&typed);
        victim.stream(&typed);
    }

    #[test]
    fn damaged_recordings_never_panic(
        pick in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let recorded = recorded();
        let mut bytes = recorded[pick.index(recorded.len())].clone();
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        let keep = cut.index(bytes.len()) + 1;
        let mut victim = Victim::new(None);
        victim.datagram(&bytes);
        victim.stream(&bytes);
        victim.datagram(&bytes[..keep]);
        victim.stream(&bytes[..keep]);
    }

    #[test]
    fn with_a_key_a_damaged_datagram_changes_nothing(
        flip in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let key = "000102030405060708090a0b0c0d0e0f";
        let mut sender = Victim::new(Some(key));
        let mut bytes = Vec::new();
        let ping = crate::msg::swim::Ping { seq_no: 1, node: "n", ..Default::default() };
        let rules = packet_rules(&sender.node.config, &sender.node.sealer);
        let mut packer = crate::wire::packet::Packer::default();
        packer.push(|out| crate::wire::swim::encode_ping(&ping, out));
        bytes.extend_from_slice(packer.seal(&rules, false, &mut sender.node.rng));
        let at = flip.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let mut victim = Victim::new(Some(key));
        prop_assert_eq!(victim.datagram(&bytes), Reaction::default());
        prop_assert!(victim.node.stats().dropped_total() > 0);
    }
}
