//! The datagram pipeline: a gossip packet of 1,400 bytes, packed and unpacked, with and without its layers.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use uwasa_core::keyring::{Key, Keyring};
use uwasa_core::msg::swim::Alive;
use uwasa_core::rng::Rng;
use uwasa_core::stats::Stats;
use uwasa_core::wire::packet::{Packer, PacketRules, Unpacked, gossip_room};
use uwasa_core::wire::seal::Sealer;
use uwasa_core::wire::swim::{alive_len, encode_alive};

/// Packing target of datagrams.
const PACKET_BYTES: usize = 1_400;
/// What each part of a compound costs beside its own bytes.
const PART_OVERHEAD: usize = 2;

/// Which layers a packet has.
struct Layers {
    name: &'static str,
    crc: bool,
    compression: bool,
    /// Length of the AES key; 0: none.
    key_bytes: usize,
}

const LAYERS: [Layers; 6] = [
    Layers { name: "plain", crc: false, compression: false, key_bytes: 0 },
    Layers { name: "crc", crc: true, compression: false, key_bytes: 0 },
    Layers { name: "lzw", crc: false, compression: true, key_bytes: 0 },
    Layers { name: "aes128", crc: false, compression: false, key_bytes: 16 },
    Layers { name: "aes256", crc: false, compression: false, key_bytes: 32 },
    Layers { name: "aes256_lzw", crc: false, compression: true, key_bytes: 32 },
];

pub(crate) fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("packet");
    for layers in &LAYERS {
        let sealer = sealer(layers.key_bytes);
        let rules = PacketRules {
            label: "",
            skip_inbound_label_check: false,
            sealer: &sealer,
            seal_version: 1,
            verify_incoming: true,
            verify_outgoing: true,
            compression: layers.compression,
        };
        let messages = messages(gossip_room(PACKET_BYTES, &rules));
        // What the layers above hand over, whatever the packet becomes.
        let bytes: usize = messages.iter().map(Vec::len).sum();
        group.throughput(Throughput::Bytes(bytes.try_into().expect("a packet is small")));
        let (mut packer, mut rng) = (Packer::default(), Rng::from_seed([1; 32]));
        group.bench_function(format!("pack/{}", layers.name), |bencher| {
            bencher
                .iter(|| pack(&mut packer, black_box(&messages), &rules, layers, &mut rng).len());
        });
        let packet = pack(&mut packer, &messages, &rules, layers, &mut rng).to_vec();
        let (mut unpacked, mut stats) = (Unpacked::default(), Stats::default());
        group.bench_function(format!("unpack/{}", layers.name), |bencher| {
            bencher.iter(|| {
                unpacked.unpack(black_box(&packet), &rules, &mut stats);
                assert_eq!(unpacked.len(), messages.len(), "every message comes out again");
            });
        });
    }
    group.finish();
}

fn pack<'p>(
    packer: &'p mut Packer,
    messages: &[Vec<u8>],
    rules: &PacketRules<'_>,
    layers: &Layers,
    rng: &mut Rng,
) -> &'p [u8] {
    packer.clear();
    for message in messages {
        packer.push(|out| out.extend_from_slice(message));
    }
    packer.seal(rules, layers.crc, rng)
}

fn sealer(key_bytes: usize) -> Sealer {
    if key_bytes == 0 {
        return Sealer::default();
    }
    let key = Key::new(&vec![9; key_bytes]).expect("a length that AES has");
    Sealer::new(&Keyring::with_primary(key))
}

/// Encoded alive messages that together fill `room`: what a packet holds while a cluster boots.
fn messages(room: usize) -> Vec<Vec<u8>> {
    let (mut messages, mut used) = (Vec::new(), 0);
    for number in 1_u8.. {
        let name = format!("host{number}");
        let alive = Alive {
            incarnation: number.into(),
            node: &name,
            addr: Some(&[192, 168, 33, number]),
            port: 7946,
            meta: None,
            vsn: Some(&[1, 5, 2, 2, 5, 5]),
        };
        used += PART_OVERHEAD + alive_len(&alive);
        if used > room {
            break;
        }
        let mut bytes = Vec::new();
        encode_alive(&alive, &mut bytes);
        messages.push(bytes);
    }
    messages
}
