//! The member table of one node: copied at a warm start, read by the application, probed through.

use criterion::{Criterion, Throughput};
use uwasa_core::io::{Cx, Input, Outbox, Output};
use uwasa_core::msg::swim::Ack;
use uwasa_core::node::Node;
use uwasa_core::timers::TimerKind;
use uwasa_core::trace::MemberState;
use uwasa_core::wire::swim::{decode_ping, encode_ack};

use crate::settings::{Host, config, identity, view};

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("table");
    for members in [1_000_u32, 10_000] {
        group.throughput(Throughput::Elements(members.into()));
        let (mut warm, me, config) = (None, identity(0), config());
        group.bench_function(format!("warm/{members}"), |bencher| {
            let (view, pool) = warm.get_or_insert_with(|| view(members));
            let mut out = Outbox::new();
            bencher.iter(|| {
                let mut cx = Cx { now: uwasa_core::time::Instant::ZERO, pool, out: &mut out };
                let node = Node::warm(config.clone(), &me, [7; 32], view, &mut cx);
                while out.pop().is_some() {}
                node
            });
        });
        let mut host = None;
        group.bench_function(format!("iterate/{members}"), |bencher| {
            let host = host.get_or_insert_with(|| Host::new(members));
            bencher.iter(|| {
                let alive = |state| state == Some(MemberState::Alive);
                host.node.members(&host.pool).filter(|member| alive(member.state)).count()
            });
        });
    }
    let mut host = None;
    group.throughput(Throughput::Elements(1));
    group.bench_function("probe_round/10000", |bencher| {
        let host = host.get_or_insert_with(|| Host::new(10_000));
        bencher.iter(|| probe_round(host));
    });
    group.finish();
}

/// From one probe tick to before the next: the ping goes out, its ack comes back at once, the window closes.
fn probe_round(host: &mut Host) {
    let mut ack = None;
    while ack.is_none() {
        let (at, kind) = host.node.deadline().expect("probes go on for ever");
        host.now = at;
        host.handle(Input::Timeout);
        host.drain(|output| {
            if let Output::Datagram { to, bytes } = output {
                let ping = bytes.get(1..).and_then(|body| decode_ping(body).ok());
                ack = ping.map(|ping| (*to, ping.seq_no));
            }
        });
        assert!(ack.is_some() || kind != TimerKind::ProbeTick, "a tick sends a ping");
    }
    if let Some((from, seq_no)) = ack {
        let mut bytes = Vec::new();
        encode_ack(&Ack { seq_no, payload: None }, &mut bytes);
        host.handle(Input::Datagram { from, bytes: &bytes });
        host.drain(|_| ());
    }
}
