//! Messages, datagrams and streams of memberlist.

use super::{bytes_of, hex, number, parse, same_bytes, section, text, unhex};
use serde_json::Value;
use uwasa_core::keyring::{Key, Keyring};
use uwasa_core::msg::swim::{
    Ack, Alive, Compress, Dead, ErrorReply, IndirectPing, MessageType, Nack, Ping, PushPullNode,
    Suspect, UserHeader,
};
use uwasa_core::rng::Rng;
use uwasa_core::stats::Stats;
use uwasa_core::wire::lzw::{Compressor, DecompressError, Decompressor};
use uwasa_core::wire::packet::{Packer, PacketRules, Unpacked};
use uwasa_core::wire::seal::{Sealer, sealed_len};
use uwasa_core::wire::stream::{StreamReader, encode_stream};
use uwasa_core::wire::{serf, swim};

fn memberlist() -> Value {
    parse(include_str!("../vectors/memberlist.json"))
}

fn sealer(key: Option<&str>) -> Sealer {
    let ring = key.map(|key| Keyring::with_primary(Key::new(&unhex(key)).expect("a valid key")));
    Sealer::new(&ring.unwrap_or_default())
}

fn rules<'a>(label: &'a str, sealer: &'a Sealer) -> PacketRules<'a> {
    PacketRules {
        label,
        skip_inbound_label_check: false,
        sealer,
        seal_version: 1,
        verify_incoming: true,
        verify_outgoing: true,
        compression: false,
    }
}

/// Decodes one message that is not a container, compares it with the recorded fields and re-encodes it.
fn check_message(name: &str, message: &[u8], decoded: &Value) {
    let fields = &decoded["fields"];
    let (&kind, body) = message.split_first().expect("not empty");
    assert_eq!(u64::from(kind), number(decoded, "type"), "{name}");
    let source = |source: &uwasa_core::msg::swim::Source<'_>| {
        assert_eq!(hex(source.addr), text(fields, "SourceAddr"), "{name}");
        assert_eq!(source.node, text(fields, "SourceNode"), "{name}");
        assert_eq!(u64::from(source.port), number(fields, "SourcePort"), "{name}");
    };
    let mut again = Vec::new();
    let kind = MessageType::from_byte(kind).expect("a known type");
    match kind {
        MessageType::Ping => {
            let ping = swim::decode_ping(body).expect(name);
            assert_eq!(
                (ping.node, u64::from(ping.seq_no)),
                (text(fields, "Node"), number(fields, "SeqNo"))
            );
            source(&ping.source);
            swim::encode_ping(&ping, &mut again);
        }
        MessageType::IndirectPing => {
            let ping = swim::decode_indirect_ping(body).expect(name);
            assert_eq!(
                (ping.node, u64::from(ping.seq_no)),
                (text(fields, "Node"), number(fields, "SeqNo"))
            );
            assert_eq!(
                (u64::from(ping.port), Some(ping.nack)),
                (number(fields, "Port"), fields["Nack"].as_bool())
            );
            assert!(same_bytes(ping.target, &fields["Target"]), "{name}");
            source(&ping.source);
            swim::encode_indirect_ping(&ping, &mut again);
        }
        MessageType::Ack => {
            let ack = swim::decode_ack(body).expect(name);
            assert_eq!(u64::from(ack.seq_no), number(fields, "SeqNo"), "{name}");
            assert!(same_bytes(ack.payload, &fields["Payload"]), "{name}");
            swim::encode_ack(&ack, &mut again);
        }
        MessageType::Nack => {
            let nack = swim::decode_nack(body).expect(name);
            assert_eq!(u64::from(nack.seq_no), number(fields, "SeqNo"), "{name}");
            swim::encode_nack(&nack, &mut again);
        }
        MessageType::Suspect => {
            let suspect = swim::decode_suspect(body).expect(name);
            assert_eq!(
                (suspect.node, suspect.from),
                (text(fields, "Node"), text(fields, "From")),
                "{name}"
            );
            assert_eq!(u64::from(suspect.incarnation), number(fields, "Incarnation"), "{name}");
            swim::encode_suspect(&suspect, &mut again);
            assert_eq!(swim::suspect_len(&suspect), again.len(), "{name}");
        }
        MessageType::Dead => {
            let dead = swim::decode_dead(body).expect(name);
            assert_eq!(
                (dead.node, dead.from),
                (text(fields, "Node"), text(fields, "From")),
                "{name}"
            );
            assert_eq!(u64::from(dead.incarnation), number(fields, "Incarnation"), "{name}");
            swim::encode_dead(&dead, &mut again);
            assert_eq!(swim::dead_len(&dead), again.len(), "{name}");
        }
        MessageType::Alive => {
            let alive = swim::decode_alive(body).expect(name);
            assert_eq!(
                (alive.node, u64::from(alive.port)),
                (text(fields, "Node"), number(fields, "Port")),
                "{name}"
            );
            assert_eq!(u64::from(alive.incarnation), number(fields, "Incarnation"), "{name}");
            assert!(same_bytes(alive.addr, &fields["Addr"]), "{name}");
            assert!(same_bytes(alive.meta, &fields["Meta"]), "{name}");
            assert!(same_bytes(alive.vsn, &fields["Vsn"]), "{name}");
            swim::encode_alive(&alive, &mut again);
            assert_eq!(swim::alive_len(&alive), again.len(), "{name}");
        }
        MessageType::Err => {
            let reply = swim::decode_error_reply(body).expect(name);
            assert_eq!(reply.error, text(fields, "Error"), "{name}");
            swim::encode_error_reply(&reply, &mut again);
        }
        MessageType::User if decoded["header"].is_null() => {
            assert_eq!(hex(body), text(decoded, "payload_hex"), "{name}");
            return;
        }
        MessageType::User => {
            let (header, payload) = swim::decode_user_header(body).expect(name);
            assert_eq!(
                u64::from(header.user_bytes),
                number(&decoded["header"], "UserMsgLen"),
                "{name}"
            );
            assert_eq!(hex(payload), text(decoded, "payload_hex"), "{name}");
            swim::encode_user_header(&header, &mut again);
            again.extend_from_slice(payload);
            if header.user_bytes > 127 && again != message {
                return; // The newer codec writes signed lengths.
            }
        }
        MessageType::PushPull => return check_push_pull(name, message, decoded),
        other @ (MessageType::Compound
        | MessageType::Compress
        | MessageType::Encrypt
        | MessageType::HasCrc
        | MessageType::Label) => panic!("{name}: {other:?} is not a message of its own"),
    }
    assert_eq!(hex(&again), hex(message), "{name}");
}

fn check_push_pull(name: &str, message: &[u8], decoded: &Value) {
    let state = swim::decode_push_pull(&message[1..]).expect(name);
    let header = &decoded["header"];
    assert_eq!(u64::from(state.header.nodes), number(header, "Nodes"), "{name}");
    assert_eq!(u64::from(state.header.user_state_bytes), number(header, "UserStateLen"), "{name}");
    assert_eq!(Some(state.header.join), header["Join"].as_bool(), "{name}");
    assert_eq!(hex(state.user_state()), text(decoded, "user_state_hex"), "{name}");
    let expected = section(decoded, "nodes");
    assert_eq!(state.nodes().count(), expected.len(), "{name}");
    let mut again = Vec::new();
    swim::encode_push_pull_header(&state.header, &mut again);
    for (node, fields) in state.nodes().zip(expected) {
        let node: PushPullNode<'_> = node.expect(name);
        assert_eq!(
            (node.name, u64::from(node.port)),
            (text(fields, "Name"), number(fields, "Port")),
            "{name}"
        );
        assert_eq!(u64::from(node.incarnation), number(fields, "Incarnation"), "{name}");
        assert_eq!(Some(node.state), fields["State"].as_i64(), "{name}");
        assert!(same_bytes(node.addr, &fields["Addr"]), "{name}");
        assert!(same_bytes(node.meta, &fields["Meta"]), "{name}");
        assert!(same_bytes(node.vsn, &fields["Vsn"]), "{name}");
        swim::encode_push_pull_node(&node, &mut again);
    }
    again.extend_from_slice(state.user_state());
    // The newer codec writes signed lengths, which differ from 128 upward.
    let signed = state.header.user_state_bytes > 127 || state.header.nodes > 127;
    assert!(signed || again == message, "{name}: {}", hex(&again));
    assert_eq!(swim::decode_push_pull(&again[1..]).expect(name).header, state.header, "{name}");
    if let Some((2, body)) = state.user_state().split_first() {
        serf::decode_state(body).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// The messages inside nested containers, in order.
fn leaves<'v>(decoded: &'v Value, out: &mut Vec<&'v Value>) {
    if let Some(parts) = decoded["parts"].as_array() {
        parts.iter().for_each(|part| leaves(part, out));
    } else if decoded["inner"].is_object() {
        leaves(&decoded["inner"], out);
    } else {
        out.push(decoded);
    }
}

fn entry_label(entry: &Value) -> &str {
    ["connection_label", "label"]
        .into_iter()
        .find_map(|key| entry[key].as_str())
        .or_else(|| entry["decoded"]["label"].as_str())
        .unwrap_or_default()
}

fn has_container(decoded: &Value, kind: &str) -> bool {
    text(decoded, "kind") == kind
        || (decoded["inner"].is_object() && has_container(&decoded["inner"], kind))
}

fn check_datagram(name: &str, entry: &Value) {
    let bytes = bytes_of(entry, "hex");
    let sealer = sealer(entry["encryption"]["key"].as_str());
    let rules = rules(entry_label(entry), &sealer);
    let (mut unpacked, mut stats) = (Unpacked::default(), Stats::default());
    unpacked.unpack(&bytes, &rules, &mut stats);
    assert_eq!(stats.dropped_total(), 0, "{name}");
    let decoded = &entry["decoded"];
    if let Some(count) = decoded["count"].as_u64() {
        assert_eq!(unpacked.len() as u64, count, "{name}");
    }
    let mut expected = Vec::new();
    leaves(decoded, &mut expected);
    if expected[0]["first_part"].is_object() {
        check_message(name, unpacked.message(&bytes, 0), &expected[0]["first_part"]);
        check_message(
            name,
            unpacked.message(&bytes, unpacked.len() - 1),
            &expected[0]["last_part"],
        );
    } else {
        assert_eq!(unpacked.len(), expected.len(), "{name}");
        for (index, leaf) in expected.into_iter().enumerate() {
            if leaf["kind"].is_string() {
                check_message(name, unpacked.message(&bytes, index), leaf);
            }
        }
    }
    if !sealer.is_enabled() && !has_container(decoded, "compress") {
        let mut packer = Packer::default();
        for index in 0..unpacked.len() {
            packer.push(|out| out.extend_from_slice(unpacked.message(&bytes, index)));
        }
        let crc = has_container(decoded, "has_crc");
        assert_eq!(
            hex(packer.seal(&rules, crc, &mut Rng::from_seed([0; 32]))),
            hex(&bytes),
            "{name}"
        );
    }
}

fn check_stream(name: &str, entry: &Value) {
    let bytes = bytes_of(entry, "hex");
    let sealer = sealer(entry["encryption"]["key"].as_str());
    let label = entry_label(entry);
    let rules = rules(label, &sealer);
    let mut expected = Vec::new();
    leaves(&entry["decoded"], &mut expected);
    let [leaf] = expected[..] else { panic!("{name}: a stream carries one message") };
    let is_reply =
        matches!(text(leaf, "kind"), "ack" | "err") || (!label.is_empty() && bytes[0] != 244);
    let reader = || if is_reply { StreamReader::outbound() } else { StreamReader::inbound() };
    let message = reader().push(&bytes, &rules).expect(name).expect(name);
    assert_eq!(message.kind() as u64, number(leaf, "type"), "{name}");
    check_message(name, &message.clone().into_bytes(), leaf);
    let mut bytewise = reader();
    let mut last = None;
    for byte in &bytes {
        assert_eq!(last, None, "{name}: complete before its last byte");
        last = bytewise.push(&[*byte], &rules).expect(name);
    }
    assert_eq!(last.as_ref(), Some(&message), "{name}");
    let again = sent(&message.clone().into_bytes(), &rules, !is_reply);
    if !sealer.is_enabled() && !has_container(&entry["decoded"], "compress") {
        assert_eq!(hex(&again), hex(&bytes), "{name}");
    }
    assert_eq!(reader().push(&again, &rules).expect(name), Some(message.clone()), "{name}");
    let compressing = PacketRules { compression: true, ..rules };
    let again = sent(&message.clone().into_bytes(), &compressing, !is_reply);
    assert_eq!(reader().push(&again, &rules).expect(name), Some(message), "{name}");
}

fn sent(message: &[u8], rules: &PacketRules<'_>, initiator: bool) -> Vec<u8> {
    let mut out = Vec::new();
    encode_stream(message, rules, initiator, &mut Rng::from_seed([5; 32]), &mut out);
    out
}

#[test]
fn wire_entries_decode_to_their_fields_and_encode_back() {
    let vectors = memberlist();
    for entry in section(&vectors, "wire") {
        let name = text(entry, "name");
        match text(entry, "transport") {
            "datagram" => check_datagram(name, entry),
            "stream" => check_stream(name, entry),
            other => panic!("{name}: transport {other}"),
        }
    }
}

#[test]
fn sealed_entries_seal_to_the_same_bytes_and_open() {
    let vectors = memberlist();
    for entry in section(&vectors, "wire").iter().filter(|entry| entry["encryption"].is_object()) {
        let (name, encryption) = (text(entry, "name"), &entry["encryption"]);
        let sealer = sealer(encryption["key"].as_str());
        let version = u8::try_from(number(encryption, "version")).expect("a small number");
        let nonce: [u8; 12] = bytes_of(encryption, "nonce").try_into().expect("12 bytes");
        let (aad, plain) = (bytes_of(encryption, "aad"), bytes_of(encryption, "plaintext"));
        let mut blob = Vec::new();
        sealer.seal_with_nonce(version, nonce, [&aad, &[]], &plain, &mut blob);
        let expected = format!(
            "{version:02x}{}{}",
            text(encryption, "nonce"),
            text(encryption, "ciphertext_and_tag")
        );
        assert_eq!(hex(&blob), expected, "{name}");
        assert!(text(entry, "hex").ends_with(&expected), "{name}");
        let mut opened = Vec::new();
        sealer.open(&blob, [&[], &aad], &mut opened).expect(name);
        assert_eq!(hex(&opened), hex(&plain), "{name}");
    }
}

#[test]
fn encrypted_lengths_follow_the_formula() {
    for row in section(&memberlist()["formulas"], "encrypted_length") {
        let version = u8::try_from(number(row, "version")).expect("a small number");
        let plain = usize::try_from(number(row, "plain_len")).expect("small");
        assert_eq!(sealed_len(version, plain) as u64, number(row, "wire_len"), "{row}");
        let sealer = sealer(Some("000102030405060708090a0b0c0d0e0f"));
        let mut out = Vec::new();
        sealer.seal(version, &mut Rng::from_seed([1; 32]), [&[], &[]], &vec![7; plain], &mut out);
        assert_eq!(out.len() as u64, number(row, "wire_len"), "{row}");
    }
}

/// Whether a message from a datagram decodes and, for an alive, has six version bytes.
fn is_sound(message: &[u8]) -> bool {
    let Some((&kind, body)) = message.split_first() else { return false };
    match MessageType::from_byte(kind) {
        Some(MessageType::Ping) => swim::decode_ping(body).is_ok(),
        Some(MessageType::IndirectPing) => swim::decode_indirect_ping(body).is_ok(),
        Some(MessageType::Ack) => swim::decode_ack(body).is_ok(),
        Some(MessageType::Nack) => swim::decode_nack(body).is_ok(),
        Some(MessageType::Suspect) => swim::decode_suspect(body).is_ok(),
        Some(MessageType::Dead) => swim::decode_dead(body).is_ok(),
        Some(MessageType::Alive) => {
            swim::decode_alive(body).is_ok_and(|alive| alive.vsn.is_some_and(|vsn| vsn.len() == 6))
        }
        Some(MessageType::User) => true,
        _ => false,
    }
}

#[test]
fn malformed_input_is_dropped_as_required() {
    for entry in section(&memberlist(), "malformed") {
        let (name, required) = (text(entry, "name"), text(entry, "required"));
        let bytes = bytes_of(entry, "hex");
        let sealer = sealer(entry["receiver_key"].as_str());
        let rules = rules("", &sealer);
        if text(entry, "transport") == "datagram" {
            let (mut unpacked, mut stats) = (Unpacked::default(), Stats::default());
            unpacked.unpack(&bytes, &rules, &mut stats);
            let sound = (0..unpacked.len())
                .filter(|&index| is_sound(unpacked.message(&bytes, index)))
                .count();
            let expected = usize::from(required.starts_with("process the parts before"));
            assert_eq!(sound, expected, "{name}");
            assert!(
                stats.dropped_total() > 0 || unpacked.len() > sound,
                "{name}: counted or left to the decoder"
            );
            continue;
        }
        let result = StreamReader::inbound().push(&bytes, &rules);
        let replied = result.as_ref().err().is_some_and(|error| error.reply);
        match required {
            _ if required.starts_with("error reply or close") => assert!(result.is_err(), "{name}"),
            _ if required.starts_with("error reply") => assert!(replied, "{name}"),
            _ if required.starts_with("the reply may") => {
                let message = result.expect(name).expect(name);
                let state = swim::decode_push_pull(message.body()).expect(name);
                assert!(
                    state
                        .nodes()
                        .all(|node| node.expect(name).vsn.is_some_and(|vsn| vsn.len() != 6))
                );
            }
            _ => {
                assert!(!replied, "{name}");
                if let Ok(Some(message)) = result {
                    // Sound as such; the node compares the name.
                    assert_eq!(message.kind(), MessageType::Ping, "{name}");
                }
            }
        }
    }
}

fn go_bytes(bytes: Option<&[u8]>) -> String {
    let numbers: Vec<String> = bytes.unwrap_or_default().iter().map(u8::to_string).collect();
    format!("[{}]", numbers.join(" "))
}

/// Decodes a body and prints it as Go's `%+v` does; `None` if it is refused.
fn decode_like_go(message: &str, body: &[u8], go: &str) -> Option<String> {
    match message {
        "suspect" => {
            let Suspect { incarnation, node, from } = swim::decode_suspect(body).ok()?;
            Some(format!("&{{Incarnation:{incarnation} Node:{node} From:{from}}}"))
        }
        "alive" => {
            let Alive { incarnation, node, addr, port, meta, vsn } =
                swim::decode_alive(body).ok()?;
            let (addr, meta, vsn) = (go_bytes(addr), go_bytes(meta), go_bytes(vsn));
            Some(format!(
                "&{{Incarnation:{incarnation} Node:{node} Addr:{addr} Port:{port} Meta:{meta} Vsn:{vsn}}}"
            ))
        }
        "ping" => {
            let Ping { seq_no, node, source } = swim::decode_ping(body).ok()?;
            let (addr, port, name) = (go_bytes(Some(source.addr)), source.port, source.node);
            Some(format!(
                "&{{SeqNo:{seq_no} Node:{node} SourceAddr:{addr} SourcePort:{port} SourceNode:{name}}}"
            ))
        }
        "indirect" => {
            let IndirectPing { seq_no, target, port, node, nack, source } =
                swim::decode_indirect_ping(body).ok()?;
            let (target, addr) = (go_bytes(target), go_bytes(Some(source.addr)));
            let (source_port, name) = (source.port, source.node);
            Some(format!(
                "&{{SeqNo:{seq_no} Target:{target} Port:{port} Node:{node} Nack:{nack} SourceAddr:{addr} \
                 SourcePort:{source_port} SourceNode:{name}}}"
            ))
        }
        "compress" => {
            let Compress { algo, buf } = swim::decode_compress(body).ok()?;
            Some(format!("&{{Algo:{algo} Buf:{}}}", go_bytes(buf)))
        }
        "push_pull header" => {
            // Entries and user state must follow: 200 of each suffice for every header in the vectors.
            let mut message = body.to_vec();
            let entries = if go.contains("Nodes:200") { 200 } else { 0 };
            message.extend(std::iter::repeat_n(0x80, entries));
            message.extend([0; 200]);
            let header = swim::decode_push_pull(&message).ok()?.header;
            let (nodes, user_state, join) = (header.nodes, header.user_state_bytes, header.join);
            Some(format!("&{{Nodes:{nodes} UserStateLen:{user_state} Join:{join}}}"))
        }
        "push_pull node" => {
            let mut message = b"\x82\xa5Nodes\x01\xacUserStateLen\x00".to_vec();
            message.extend_from_slice(body);
            let node = swim::decode_push_pull(&message).ok()?.nodes().next()?.ok()?;
            let PushPullNode { name, addr, port, meta, incarnation, state, vsn } = node;
            let (addr, meta, vsn) = (go_bytes(addr), go_bytes(meta), go_bytes(vsn));
            Some(format!(
                "&{{Name:{name} Addr:{addr} Port:{port} Meta:{meta} Incarnation:{incarnation} State:{state} Vsn:{vsn}}}"
            ))
        }
        other => panic!("unknown message {other}"),
    }
}

#[test]
fn odd_msgpack_is_accepted_as_both_go_codecs_do() {
    for entry in section(&memberlist(), "msgpack_acceptance") {
        let (name, body) = (text(entry, "name"), bytes_of(entry, "body_hex"));
        let accepted = |who: &str| entry[who]["ok"].as_bool().expect(name);
        let go = text(entry, "go_value");
        let ours = decode_like_go(text(entry, "message"), &body, go);
        // We may refuse a structure written as an array, and must refuse negative counts, which Go checks later.
        let may_refuse = matches!(body.first(), Some(0x90..=0x9f)) || go.contains("Nodes:-1");
        match (accepted("debian"), accepted("upstream")) {
            (true, true) if may_refuse => assert_eq!(ours, None, "{name}"),
            (true, true) => assert_eq!(ours.as_deref(), Some(go), "{name}"),
            (false, false) => assert_eq!(ours, None, "{name}"),
            (true, false) | (false, true) => assert!(ours.is_none_or(|ours| ours == go), "{name}"),
        }
    }
}

/// The encoder of the reference (section 4.3), which matches Go's bit for bit; ours clears its table a little later.
fn reference_lzw(plain: &[u8]) -> Vec<u8> {
    struct Bits(Vec<u8>, u64, u32);
    impl Bits {
        fn emit(&mut self, code: u16, width: u32) {
            self.1 |= u64::from(code) << self.2;
            self.2 += width;
            while self.2 >= 8 {
                self.0.push(self.1.to_le_bytes()[0]);
                self.1 >>= 8;
                self.2 -= 8;
            }
        }
    }
    let mut bits = Bits(Vec::new(), 0, 0);
    let (mut width, mut high) = (9, 257_u16);
    let mut table = std::collections::BTreeMap::new();
    bits.emit(256, width);
    let mut plain = plain.iter().copied();
    if let Some(first) = plain.next() {
        let mut current = u16::from(first);
        for next in plain.map(Some).chain([None]) {
            if let Some(&code) = next.and_then(|next| table.get(&(current, next))) {
                current = code;
                continue;
            }
            bits.emit(current, width);
            high += 1;
            width += u32::from(high == 1 << width);
            if high == 4095 {
                bits.emit(256, width);
                (width, high) = (9, 257);
                table.clear();
            } else if let Some(next) = next {
                table.insert((current, next), high);
            }
            current = next.map_or(0, u16::from);
        }
    }
    bits.emit(257, width);
    bits.emit(0, 7);
    bits.0
}

fn lzw_plain(entry: &Value) -> Vec<u8> {
    let generator = &entry["generator"];
    if !generator.is_object() {
        return bytes_of(entry, "plain_hex");
    }
    assert_eq!(text(generator, "kind"), "lcg", "{entry}");
    let mut x = number(generator, "seed");
    let mask = number(generator, "mask");
    (0..number(generator, "count"))
        .map(|_| {
            x = (1_103_515_245 * x + 12_345) % (1 << 31);
            u8::try_from((x >> 16) & mask).expect("the mask is a byte")
        })
        .collect()
}

#[test]
fn lzw_entries_inflate_and_ours_round_trips() {
    let (mut compressor, mut decompressor) = (Compressor::default(), Decompressor::default());
    for entry in section(&memberlist(), "lzw") {
        let name = text(entry, "name");
        let plain = lzw_plain(entry);
        assert_eq!(plain.len() as u64, number(entry, "plain_len"), "{name}");
        let theirs = reference_lzw(&plain);
        assert_eq!(theirs.len() as u64, number(entry, "lzw_len"), "{name}");
        if let Some(given) = entry["lzw_hex"].as_str() {
            assert_eq!(hex(&theirs), given, "{name}");
        }
        let mut ours = Vec::new();
        compressor.compress(&plain, &mut ours);
        for compressed in [&theirs, &ours] {
            let mut inflated = Vec::new();
            let result = decompressor.decompress(compressed, plain.len(), &mut inflated);
            assert_eq!(
                result,
                if plain.is_empty() { Err(DecompressError::Empty) } else { Ok(()) },
                "{name}"
            );
            assert_eq!(inflated, plain, "{name}");
        }
    }
}

/// The messages that have no vector of their own kind.
#[test]
fn small_messages_round_trip() {
    let mut out = Vec::new();
    swim::encode_nack(&Nack { seq_no: u32::MAX }, &mut out);
    assert_eq!(swim::decode_nack(&out[1..]), Ok(Nack { seq_no: u32::MAX }));
    out.clear();
    swim::encode_ack(&Ack { seq_no: 1, payload: Some(&[0; 300]) }, &mut out);
    assert_eq!(swim::decode_ack(&out[1..]), Ok(Ack { seq_no: 1, payload: Some(&[0; 300]) }));
    out.clear();
    let dead = Dead { incarnation: 3, node: "a", from: "a" };
    swim::encode_dead(&dead, &mut out);
    assert_eq!(swim::decode_dead(&out[1..]), Ok(dead));
    out.clear();
    swim::encode_error_reply(&ErrorReply { error: "no" }, &mut out);
    assert_eq!(swim::decode_error_reply(&out[1..]), Ok(ErrorReply { error: "no" }));
    out.clear();
    swim::encode_user_header(&UserHeader { user_bytes: 3 }, &mut out);
    out.extend_from_slice(b"abcdef");
    let (header, bytes) = swim::decode_user_header(&out[1..]).expect("sound");
    assert_eq!((header.user_bytes, bytes), (3, b"abc".as_slice()));
}
