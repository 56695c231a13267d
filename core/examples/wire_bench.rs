#![allow(missing_docs, clippy::print_stdout)]
use std::hint::black_box;
use std::time::Instant;
use uwasa_core::msg::swim::*;
use uwasa_core::wire::packet::*;
use uwasa_core::wire::swim::*;
use uwasa_core::wire::{seal::Sealer, serf};
fn time(name: &str, per: usize, mut f: impl FnMut()) {
    if let Some(only) = std::env::args().nth(1) {
        if !name.contains(&only) {
            for _ in 0..2 {
                f();
            }
            return;
        }
    }
    let n = if std::env::var_os("WB").is_some() { 20_000 } else { 2_000_000 } / per.max(1);
    for _ in 0..n / 10 {
        f();
    }
    let mut best = f64::MAX;
    for _ in 0..5 {
        let t = Instant::now();
        for _ in 0..n {
            f();
        }
        best = best.min(t.elapsed().as_nanos() as f64 / (n * per) as f64);
    }
    println!("{name}: {best:.1} ns");
}
fn main() {
    let alive = Alive {
        incarnation: 300,
        node: "node-123",
        addr: Some(&[10, 0, 0, 1]),
        port: 7946,
        meta: Some(b"\xff\x81\xa4role\xa3web"),
        vsn: Some(&[1, 5, 2, 2, 5, 5]),
    };
    let mut out = Vec::with_capacity(256);
    time("alive encode", 1, || {
        out.clear();
        encode_alive(black_box(&alive), &mut out);
        black_box(&out);
    });
    time("alive decode", 1, || {
        black_box(decode_alive(black_box(&out[1..]))).ok();
    });
    time("alive len", 1, || {
        black_box(alive_len(black_box(&alive)));
    });
    let names: Vec<String> = (0..10_000).map(|i| format!("node-{i:05}")).collect();
    let mut pp = Vec::new();
    time("push/pull encode per entry", 10_000, || {
        pp.clear();
        encode_push_pull_header(
            &PushPullHeader { nodes: 10_000, user_state_bytes: 0, join: false },
            &mut pp,
        );
        for name in &names {
            encode_push_pull_node(
                &PushPullNode {
                    name,
                    addr: Some(&[10, 0, 0, 1]),
                    port: 7946,
                    meta: None,
                    incarnation: 3,
                    state: 0,
                    vsn: Some(&[1, 5, 2, 2, 5, 5]),
                },
                &mut pp,
            );
        }
    });
    time("push/pull check per entry", 10_000, || {
        black_box(decode_push_pull(black_box(&pp[1..]))).ok();
    });
    time("push/pull check+iterate per entry", 10_000, || {
        let d = decode_push_pull(black_box(&pp[1..])).unwrap();
        for n in d.nodes() {
            black_box(n).ok();
        }
    });
    let mut st = Vec::new();
    time("state encode per member", 10_000, || {
        st.clear();
        let mut e = serf::StateEncoder::start(&mut st, 1, 512);
        for _ in 0..512 {
            e.empty_slot();
        }
        e.member_clock(7);
        e.left_members(0, []);
        e.query_clock(1);
        e.status_ltimes(10_000, names.iter().map(|n| (n.as_str(), 300)));
    });
    time("state check per member", 10_000, || {
        black_box(serf::decode_state(black_box(&st[1..]))).ok();
    });
    time("state iterate per member", 10_000, || {
        let s = serf::decode_state(black_box(&st[1..])).unwrap();
        for n in s.status_ltimes() {
            black_box(n).ok();
        }
    });
    let sealer = Sealer::default();
    let mut rules = PacketRules {
        label: "",
        skip_inbound_label_check: false,
        sealer: &sealer,
        seal_version: 1,
        verify_incoming: true,
        verify_outgoing: true,
        compression: false,
    };
    let mut stats = uwasa_core::stats::Stats::default();
    let mut un = Unpacked::default();
    time("unpack plain single", 1, || {
        un.unpack(black_box(&out), &rules, &mut stats);
        black_box(un.len());
    });
    let mut rng = uwasa_core::rng::Rng::from_seed([1; 32]);
    let mut packer = Packer::default();
    time("pack plain single incl. alive encode", 1, || {
        packer.clear();
        packer.push(|o| encode_alive(&alive, o));
        black_box(packer.seal(&rules, false, &mut rng));
    });
    time("pack 10 alives, per packet", 1, || {
        packer.clear();
        for _ in 0..10 {
            packer.push(|o| encode_alive(&alive, o));
        }
        black_box(packer.seal(&rules, false, &mut rng));
    });
    let ten = packer.seal(&rules, false, &mut rng).to_vec();
    time("unpack 10 alives", 1, || {
        un.unpack(black_box(&ten), &rules, &mut stats);
        black_box(un.len());
    });
    rules.compression = true;
    time("pack 10 alives lzw", 10, || {
        for _ in 0..10 {
            packer.seal(&rules, false, &mut rng);
        }
    });
    let z = packer.seal(&rules, false, &mut rng).to_vec();
    println!("{} -> {}", ten.len(), z.len());
    time("unpack 10 alives lzw", 10, || {
        for _ in 0..10 {
            un.unpack(black_box(&z), &rules, &mut stats);
        }
    });
    let key = uwasa_core::keyring::Key::new(&[7; 32]).unwrap();
    let sealer = Sealer::new(&uwasa_core::keyring::Keyring::with_primary(key));
    rules.compression = false;
    rules.sealer = &sealer;
    time("pack 10 alives aes256", 10, || {
        for _ in 0..10 {
            packer.seal(&rules, false, &mut rng);
        }
    });
    let z = packer.seal(&rules, false, &mut rng).to_vec();
    time("unpack 10 alives aes256", 10, || {
        for _ in 0..10 {
            un.unpack(black_box(&z), &rules, &mut stats);
        }
    });
}
