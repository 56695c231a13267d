use super::*;
use crate::keyring::{Key, Keyring};

const PING: &[u8] = b"\x00\x82\xa4Node\xa1n\xa5SeqNo\x01";

fn plain_rules(sealer: &Sealer) -> PacketRules<'_> {
    PacketRules {
        label: "",
        skip_inbound_label_check: false,
        sealer,
        seal_version: 1,
        verify_incoming: true,
        verify_outgoing: true,
        compression: false,
    }
}

fn keyed() -> Sealer {
    Sealer::new(&Keyring::with_primary(Key::new(&[1; 16]).expect("16 bytes")))
}

/// The messages and the drops of one datagram.
fn unpack(bytes: &[u8], rules: &PacketRules<'_>) -> (Vec<Vec<u8>>, Vec<DropReason>) {
    let (mut unpacked, mut stats) = (Unpacked::default(), Stats::default());
    unpacked.unpack(bytes, rules, &mut stats);
    let messages = (0..unpacked.len()).map(|index| unpacked.message(bytes, index).to_vec());
    let drops = DropReason::ALL.iter().map(|&(reason, _)| reason);
    let drops = drops.flat_map(|reason| (0..stats.dropped(reason)).map(move |_| reason)).collect();
    (messages.collect(), drops)
}

fn unpack_plain(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<DropReason>) {
    unpack(bytes, &plain_rules(&Sealer::default()))
}

fn pack(rules: &PacketRules<'_>, crc: bool, messages: &[&[u8]]) -> Vec<u8> {
    let mut packer = Packer::default();
    for message in messages {
        packer.push(|out| out.extend_from_slice(message));
    }
    packer.seal(rules, crc, &mut Rng::from_seed([1; 32])).to_vec()
}

fn compound(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![7, u8::try_from(parts.len()).expect("few")];
    for part in parts {
        out.extend_from_slice(&u16::try_from(part.len()).expect("short").to_be_bytes());
    }
    out.extend(parts.concat());
    out
}

fn compressed(message: &[u8]) -> Vec<u8> {
    let (mut buf, mut out) = (Vec::new(), Vec::new());
    Compressor::default().compress(message, &mut buf);
    encode_compress_head(buf.len(), &mut out);
    out.extend(buf);
    out
}

fn crc(message: &[u8]) -> Vec<u8> {
    [&[12][..], &crc32fast::hash(message).to_be_bytes(), message].concat()
}

#[test]
fn a_plain_message_is_not_copied() {
    let (mut unpacked, mut stats) = (Unpacked::default(), Stats::default());
    unpacked.unpack(PING, &plain_rules(&Sealer::default()), &mut stats);
    assert!(core::ptr::eq(unpacked.message(PING, 0), PING));
    assert_eq!((unpacked.len(), unpacked.is_empty(), stats), (1, false, Stats::default()));
    assert_eq!(unpacked.message(PING, 1), b"");
}

#[test]
fn unpacking_forgets_the_packet_before() {
    let (mut unpacked, mut stats) = (Unpacked::default(), Stats::default());
    let sealer = Sealer::default();
    unpacked.unpack(&compressed(&compound(&[PING, PING])), &plain_rules(&sealer), &mut stats);
    assert_eq!(unpacked.len(), 2);
    unpacked.unpack(b"", &plain_rules(&sealer), &mut stats);
    assert!(unpacked.is_empty());
    assert_eq!(stats.dropped(DropReason::Empty), 1);
}

#[test]
fn compound_faults_cost_only_what_they_must() {
    assert_eq!(unpack_plain(b"\x07").1, [DropReason::Compound]);
    assert_eq!(unpack_plain(b"\x07\x02\x00\x01\x00").1, [DropReason::Compound]);
    assert_eq!(unpack_plain(b"\x07\x00rest"), (vec![], vec![]));
    let with_tail = [compound(&[PING, b"\x08x"]), b"tail".to_vec()].concat();
    assert_eq!(unpack_plain(&with_tail), (vec![PING.to_vec(), b"\x08x".to_vec()], vec![]));
    let cut = &compound(&[PING, b"\x08long", b"\x08y"])[..27];
    assert_eq!(unpack_plain(cut), (vec![PING.to_vec()], vec![DropReason::Compound]));
    let empty_part = compound(&[PING, b"", b"\x08y"]);
    assert_eq!(
        unpack_plain(&empty_part),
        (vec![PING.to_vec(), b"\x08y".to_vec()], vec![DropReason::Empty])
    );
}

#[test]
fn nesting_keeps_order_and_has_a_limit() {
    let inner = compound(&[b"\x08b", b"\x08c"]);
    let nested = compound(&[b"\x08a", &compressed(&inner), b"\x08d"]);
    let expected = [b"\x08a", b"\x08b", b"\x08c", b"\x08d"].map(|message| message.to_vec());
    assert_eq!(unpack_plain(&nested), (expected.to_vec(), vec![]));
    let deep = compound(&[&compound(&[&compound(&[PING])])]);
    assert_eq!(unpack_plain(&deep), (vec![], vec![DropReason::Compound]));
    let twice = compressed(&compressed(PING));
    assert_eq!(unpack_plain(&twice), (vec![PING.to_vec()], vec![]));
    assert_eq!(unpack_plain(&compressed(&twice)), (vec![], vec![DropReason::Decompress]));
}

#[test]
fn checksums_are_looked_for_once_and_outermost() {
    assert_eq!(unpack_plain(&crc(PING)), (vec![PING.to_vec()], vec![]));
    let mut wrong = crc(PING);
    wrong[2] ^= 1;
    assert_eq!(unpack_plain(&wrong).1, [DropReason::Checksum]);
    assert_eq!(unpack_plain(&crc(b"")).1, [DropReason::Empty]);
    assert_eq!(unpack_plain(b"\x0c\0\0\0").1, [DropReason::MessageType]);
    assert_eq!(unpack_plain(&compound(&[&crc(PING)])).1, [DropReason::MessageType]);
    assert_eq!(unpack_plain(&crc(&crc(PING))).1, [DropReason::MessageType]);
}

#[test]
fn types_that_do_not_belong_on_datagrams_are_dropped() {
    for kind in [6, 10, 13, 14, 200] {
        assert_eq!(unpack_plain(&[kind, 0x80]).1, [DropReason::MessageType]);
    }
}

#[test]
fn labels_must_match() {
    let sealer = Sealer::default();
    let blue = PacketRules { label: "blue", ..plain_rules(&sealer) };
    let red = PacketRules { label: "red", ..blue };
    let skipping = PacketRules { skip_inbound_label_check: true, ..blue };
    let packet = pack(&blue, false, &[PING]);
    assert_eq!(packet, [b"\xf4\x04blue", PING].concat());
    assert_eq!(unpack(&packet, &blue), (vec![PING.to_vec()], vec![]));
    for (bytes, rules) in [
        (&packet[..], &red),
        (PING, &blue),
        (&packet, &skipping),
        (b"\xf4", &blue),
        (b"\xf4\0", &blue),
        (b"\xf4\x09blue", &blue),
    ] {
        assert_eq!(unpack(bytes, rules), (vec![], vec![DropReason::Label]));
    }
    assert_eq!(unpack_plain(&packet).1, [DropReason::Label]);
    assert_eq!(unpack(PING, &skipping), (vec![PING.to_vec()], vec![]));
}

#[test]
fn encryption_is_demanded_unless_incoming_is_not_verified() {
    let sealer = keyed();
    let strict = PacketRules { label: "blue", ..plain_rules(&sealer) };
    let lenient = PacketRules { verify_incoming: false, ..strict };
    let sealed = pack(&strict, true, &[PING]);
    let open = pack(&PacketRules { verify_outgoing: false, ..strict }, true, &[PING]);
    assert_eq!(unpack(&sealed, &strict), (vec![PING.to_vec()], vec![]));
    assert_eq!(unpack(&open, &strict), (vec![], vec![DropReason::Decrypt]));
    assert_eq!(unpack(&sealed, &lenient), (vec![PING.to_vec()], vec![]));
    assert_eq!(unpack(&open, &lenient), (vec![PING.to_vec()], vec![]));
    let mut empty = b"\xf4\x04blue".to_vec();
    sealer.seal(1, &mut Rng::from_seed([2; 32]), [b"blue", &[]], b"", &mut empty);
    assert_eq!(unpack(&empty, &strict).1, [DropReason::Empty]);
}

#[test]
fn compression_is_used_only_when_strictly_shorter() {
    let sealer = Sealer::default();
    let rules = PacketRules { compression: true, ..plain_rules(&sealer) };
    assert_eq!(pack(&rules, false, &[PING]), PING);
    let long = [&b"\x08"[..], &[b'a'; 400]].concat();
    let packet = pack(&rules, false, &[&long]);
    assert_eq!(packet, compressed(&long));
    assert_eq!(unpack(&packet, &rules), (vec![long], vec![]));
    let just_shorter = (1..200).map(|len| [&b"\x08"[..], &vec![b'a'; len]].concat());
    for message in just_shorter {
        let expected = compressed(&message);
        let packet = pack(&rules, false, &[&message]);
        assert_eq!(packet, if expected.len() < message.len() { expected } else { message });
    }
}

#[test]
fn inflating_has_a_budget_that_failures_use_up() {
    let bomb = compressed(&[8; INFLATED_BYTES_MAX + 1]);
    assert_eq!(unpack_plain(&bomb).1, [DropReason::Decompress]);
    // The bomb takes the whole budget, so not even a small message is inflated after it.
    let bombs = compound(&[&bomb, &compressed(PING), PING]);
    assert_eq!(unpack_plain(&bombs), (vec![PING.to_vec()], vec![DropReason::Decompress; 2]));
}

#[test]
fn the_number_of_messages_looked_at_has_a_limit() {
    let inner = compound(&[b"\x08".as_slice(); 255]);
    let outer = compound(&[inner.as_slice(); 20]);
    let (messages, drops) = unpack_plain(&outer);
    assert_eq!(messages.len(), VISITS_MAX - 1 - 4);
    assert_eq!(drops, [DropReason::Compound]);
}

#[test]
fn a_packer_can_be_cleared_and_sealed_again() {
    let sealer = keyed();
    let rules = plain_rules(&sealer);
    let mut rng = Rng::from_seed([1; 32]);
    let mut packer = Packer::default();
    packer.push(|out| out.extend_from_slice(PING));
    packer.push(|out| out.extend_from_slice(b"\x08x"));
    assert_eq!(packer.count(), 2);
    let first = packer.seal(&rules, false, &mut rng).to_vec();
    let second = packer.seal(&rules, true, &mut rng).to_vec();
    assert_ne!(first, second);
    let expected = vec![PING.to_vec(), b"\x08x".to_vec()];
    assert_eq!(unpack(&first, &rules).0, expected);
    assert_eq!(unpack(&second, &rules).0, expected);
    packer.clear();
    assert!(packer.is_empty());
    packer.push(|out| out.extend_from_slice(PING));
    assert_eq!(packer.seal(&plain_rules(&Sealer::default()), false, &mut rng), PING);
}

#[test]
fn sealing_draws_only_when_it_encrypts() {
    let mut rng = Rng::from_seed([1; 32]);
    let untouched = rng.clone().next_u64();
    let sealer = keyed();
    let rules = PacketRules { verify_outgoing: false, ..plain_rules(&sealer) };
    let mut packer = Packer::default();
    packer.push(|out| out.extend_from_slice(PING));
    packer.seal(&rules, true, &mut rng);
    assert_eq!(rng.next_u64(), untouched);
}

#[test]
fn rooms_follow_the_table() {
    let (none, keyed) = (Sealer::default(), keyed());
    let plain = plain_rules(&none);
    assert_eq!(gossip_room(1_400, &plain), 1_398);
    assert_eq!(piggyback_room(1_400, 100, &plain), 1_298);
    let sealed = PacketRules { label: "blue", ..plain_rules(&keyed) };
    assert_eq!(gossip_room(1_400, &sealed), 1_398 - 6 - 29);
    assert_eq!(piggyback_room(1_400, 100, &sealed), 1_298 - 6 - 29);
    let version_0 = PacketRules { seal_version: 0, ..sealed };
    assert_eq!(gossip_room(1_400, &version_0), 1_398 - 6 - 45);
    let quiet = PacketRules { verify_outgoing: false, ..sealed };
    assert_eq!(gossip_room(1_400, &quiet), 1_398 - 6 - 29);
    assert_eq!(piggyback_room(1_400, 100, &quiet), 1_298 - 6);
    assert_eq!(piggyback_room(100, 200, &plain), 0);
}

#[test]
#[should_panic(expected = "at most 127 messages")]
fn old_receivers_are_never_sent_more_parts_than_they_can_count() {
    let mut packer = Packer::default();
    for _ in 0..=PARTS_MAX {
        packer.push(|out| out.push(8));
    }
}
