//! A node that hears about members it knows: what most of its input is.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, Throughput};
use uwasa_core::command::Command;
use uwasa_core::io::{Input, OpId, Output, StreamAction, StreamId, StreamInput};
use uwasa_core::msg::swim::{Alive, Suspect};
use uwasa_core::wire::swim::{encode_alive, encode_suspect};

use crate::settings::{Host, identity_addr};
use crate::wire::push_pull_message;

const MEMBERS: u32 = 1_000;
/// The facts are about these many members in turn, so that the queue has a usual depth.
const SUBJECTS: u32 = 16;

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge");
    let stale = alive(5, 1);
    let mut host = None;
    group.bench_function("alive_stale", |bencher| {
        let host = host.get_or_insert_with(|| Host::new(MEMBERS));
        bencher.iter(|| host.datagram(black_box(&stale)));
        assert_eq!(host.node.facts_len(), 0, "nothing is passed on");
    });
    let (mut host, mut round) = (None, 0);
    group.bench_function("alive_newer", |bencher| {
        let host = host.get_or_insert_with(|| Host::new(MEMBERS));
        let mut next = || {
            round += 1;
            alive(1 + round % SUBJECTS, 2 + round / SUBJECTS)
        };
        bencher.iter_batched(&mut next, |bytes| host.datagram(&bytes), BatchSize::SmallInput);
    });
    let (mut host, mut round) = (None, 0);
    group.bench_function("suspect_and_refuting_alive", |bencher| {
        let host = host.get_or_insert_with(|| Host::new(MEMBERS));
        let mut next = || {
            round += 1;
            let (subject, incarnation) = (1 + round % SUBJECTS, 1 + round / SUBJECTS);
            (suspect(subject, incarnation), alive(subject, incarnation + 1))
        };
        bencher.iter_batched(
            &mut next,
            |(suspect, refutation)| {
                host.datagram(&suspect);
                host.datagram(&refutation);
            },
            BatchSize::SmallInput,
        );
        assert!(host.node.stats().suspicions > 0, "the suspicion was believed");
    });
    group.throughput(Throughput::Elements(MEMBERS.into()));
    let (mut host, mut reply) = (None, Vec::new());
    group.bench_function("push_pull_reply/1000", |bencher| {
        let host = host.get_or_insert_with(|| {
            push_pull_message(MEMBERS, &mut reply);
            Host::new(MEMBERS)
        });
        bencher.iter_custom(|rounds| (0..rounds).map(|_| merge_reply(host, &reply)).sum());
    });
    group.finish();
}

fn alive(subject: u32, incarnation: u32) -> Vec<u8> {
    let [_, b, c, d] = (subject + 1).to_be_bytes();
    let alive = Alive {
        incarnation,
        node: &format!("host{}", subject + 1),
        addr: Some(&[10, b, c, d]),
        port: 7946,
        meta: None,
        vsn: Some(&[1, 5, 2, 2, 5, 5]),
    };
    let mut bytes = Vec::new();
    encode_alive(&alive, &mut bytes);
    bytes
}

fn suspect(subject: u32, incarnation: u32) -> Vec<u8> {
    let suspect = Suspect { incarnation, node: &format!("host{}", subject + 1), from: "host1000" };
    let mut bytes = Vec::new();
    encode_suspect(&suspect, &mut bytes);
    bytes
}

/// Dials a peer and times only the answer: it comes as one chunk and is merged when it is complete.
fn merge_reply(host: &mut Host, reply: &[u8]) -> Duration {
    let command = Command::Join { seeds: vec![identity_addr(1)], replay_events: false };
    host.handle(Input::Command { op: OpId(1), command });
    let mut dialed = StreamId(0);
    host.drain(|output| {
        if let Output::Stream { id, action: StreamAction::Dial { .. } } = output {
            dialed = *id;
        }
    });
    host.handle(Input::Stream { id: dialed, event: StreamInput::Connected });
    host.drain(|_| ());
    let merged = host.node.stats().push_pulls;
    let start = Instant::now();
    host.handle(Input::Stream { id: dialed, event: StreamInput::Data(black_box(reply)) });
    let spent = start.elapsed();
    host.drain(|_| ());
    assert_eq!(host.node.stats().push_pulls, merged + 1, "the answer was merged");
    spent
}
