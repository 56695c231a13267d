//! Messages to bytes and back.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use uwasa_core::msg::serf::UserEventMessage;
use uwasa_core::msg::swim::{Alive, Ping, PushPullHeader, PushPullNode, Source, Suspect};
use uwasa_core::wire::packet::PacketRules;
use uwasa_core::wire::seal::Sealer;
use uwasa_core::wire::stream::StreamReader;
use uwasa_core::wire::{serf, swim};

/// Members in a push/pull message.
const ENTRIES: u32 = 1_000;
const VSN: [u8; 6] = [1, 5, 2, 2, 5, 5];

pub(crate) fn benches(criterion: &mut Criterion) {
    messages(criterion);
    push_pull(criterion);
}

/// Measures one message both ways; `$skip` bytes of type stand before the body.
macro_rules! both_ways {
    ($group:ident, $name:literal, $message:expr, $encode:path, $decode:path) => {{
        let message = $message;
        let mut bytes = Vec::new();
        $group.bench_function(concat!("encode/", $name), |bencher| {
            bencher.iter(|| {
                bytes.clear();
                $encode(black_box(&message), &mut bytes);
                bytes.len()
            });
        });
        bytes.clear();
        $encode(&message, &mut bytes);
        let body = bytes.get(1..).expect("a message has a type byte");
        assert_eq!($decode(body).as_ref(), Ok(&message));
        $group.bench_function(concat!("decode/", $name), |bencher| {
            bencher.iter(|| $decode(black_box(body)).is_ok());
        });
    }};
}

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire");
    let addr = [10, 0, 0, 1];
    let alive = Alive {
        incarnation: 1,
        node: "host1",
        addr: Some(&addr),
        port: 7946,
        meta: None,
        vsn: Some(&VSN),
    };
    both_ways!(group, "alive", alive, swim::encode_alive, swim::decode_alive);
    let suspect = Suspect { incarnation: 1, node: "host1", from: "host2" };
    both_ways!(group, "suspect", suspect, swim::encode_suspect, swim::decode_suspect);
    let source = Source { addr: &addr, port: 7946, node: "host2" };
    let ping = Ping { seq_no: 70_000, node: "host1", source };
    both_ways!(group, "ping", ping, swim::encode_ping, swim::decode_ping);
    let event = UserEventMessage {
        ltime: 300,
        name: "deploy",
        payload: Some(b"release-42"),
        coalesce: true,
    };
    both_ways!(group, "user_event", event, serf::encode_user_event, serf::decode_user_event);
    group.finish();
}

/// A whole push/pull message of known members, as a peer sends it.
pub(crate) fn push_pull_message(entries: u32, out: &mut Vec<u8>) {
    let header = PushPullHeader { nodes: entries, user_state_bytes: 0, join: false };
    swim::encode_push_pull_header(&header, out);
    for index in 0..entries {
        let [_, b, c, d] = (index + 1).to_be_bytes();
        let node = PushPullNode {
            name: &format!("host{}", index + 1),
            addr: Some(&[10, b, c, d]),
            port: 7946,
            meta: None,
            incarnation: 1,
            state: 0,
            vsn: Some(&VSN),
        };
        swim::encode_push_pull_node(&node, out);
    }
}

fn push_pull(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("wire/push_pull");
    group.throughput(Throughput::Elements(ENTRIES.into()));
    let names: Vec<_> = (1..=ENTRIES).map(|number| format!("host{number}")).collect();
    let mut bytes = Vec::new();
    group.bench_function("encode/1000", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            for name in &names {
                let node = PushPullNode {
                    name,
                    addr: Some(&[10, 0, 0, 1]),
                    port: 7946,
                    meta: None,
                    incarnation: 1,
                    state: 0,
                    vsn: Some(&VSN),
                };
                swim::encode_push_pull_node(black_box(&node), &mut bytes);
            }
            bytes.len()
        });
    });
    bytes.clear();
    push_pull_message(ENTRIES, &mut bytes);
    let sealer = Sealer::default();
    let rules = PacketRules {
        label: "",
        skip_inbound_label_check: false,
        sealer: &sealer,
        seal_version: 1,
        verify_incoming: true,
        verify_outgoing: true,
        compression: false,
    };
    group.bench_function("scan/1000", |bencher| {
        bencher.iter(|| {
            let message = StreamReader::inbound().push(black_box(&bytes), &rules);
            assert!(matches!(message, Ok(Some(_))), "a whole message");
        });
    });
    let body = bytes.get(1..).expect("a message has a type byte");
    group.bench_function("decode/1000", |bencher| {
        bencher.iter(|| {
            let message = swim::decode_push_pull(black_box(body)).expect("sound");
            message.nodes().flatten().map(|node| u64::from(node.incarnation)).sum::<u64>()
        });
    });
    group.finish();
}
