//! Properties of the wire layer: no bytes make it panic, what it writes it reads back, and chunk boundaries of a stream
//! carry no meaning.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use uwasa_core::keyring::{Key, Keyring};
use uwasa_core::msg::serf::{
    ConflictResponse, Filter, JoinIntent, KeyResponse, LeaveIntent, QueryMessage, QueryResponse,
    RelayHeader, UserEventMessage,
};
use uwasa_core::msg::swim::{
    Ack, Alive, Compress, Dead, ErrorReply, IndirectPing, MessageType, Nack, Ping, PushPullHeader,
    PushPullNode, Source, Suspect, UserHeader,
};
use uwasa_core::rng::Rng;
use uwasa_core::stats::Stats;
use uwasa_core::tags::Tags;
use uwasa_core::wire::lzw::{Compressor, Decompressor};
use uwasa_core::wire::msgpack::Reader;
use uwasa_core::wire::packet::{INFLATED_BYTES_MAX, PARTS_MAX, Packer, PacketRules, Unpacked};
use uwasa_core::wire::seal::Sealer;
use uwasa_core::wire::stream::{StreamError, StreamMessage, StreamReader, encode_stream};
use uwasa_core::wire::{serf, swim, tags};

/// Calls every decoder on `body` and drains every iterator.
fn decode_everything(body: &[u8]) {
    let _ = swim::decode_ping(body);
    let _ = swim::decode_indirect_ping(body);
    let _ = swim::decode_ack(body);
    let _ = swim::decode_nack(body);
    let _ = swim::decode_suspect(body);
    let _ = swim::decode_alive(body);
    let _ = swim::decode_dead(body);
    let _ = swim::decode_compress(body);
    let _ = swim::decode_error_reply(body);
    let _ = swim::decode_user_header(body);
    let _ = serf::decode_leave_intent(body);
    let _ = serf::decode_join_intent(body);
    let _ = serf::decode_user_event(body);
    let _ = serf::decode_query(body);
    let _ = serf::decode_query_response(body);
    let _ = serf::decode_filter(body);
    let _ = serf::decode_conflict_response(body);
    let _ = serf::decode_key_request(body);
    let _ = serf::decode_key_response(body);
    let _ = tags::decode(body);
    let _ = Reader::new(body).skip();
    if let Ok(state) = swim::decode_push_pull(body) {
        assert_eq!(state.nodes().count(), usize::try_from(state.header.nodes).expect("64 bits"));
        assert_eq!(state.user_state().len() as u64, u64::from(state.header.user_state_bytes));
    }
    if let Ok((_, rest)) = serf::decode_relay(body) {
        assert!(body.ends_with(rest));
    }
    if let Ok(state) = serf::decode_state(body) {
        state.events().for_each(drop);
        state.left_members().for_each(drop);
        state.status_ltimes().for_each(drop);
    }
}

/// How a node may be configured, as far as packets and streams care.
#[derive(Debug)]
struct Setup {
    sealer: Sealer,
    label: String,
    seal_version: u8,
    lenient: bool,
    compression: bool,
}

impl Setup {
    fn rules(&self) -> PacketRules<'_> {
        PacketRules {
            label: &self.label,
            skip_inbound_label_check: false,
            sealer: &self.sealer,
            seal_version: self.seal_version,
            verify_incoming: !self.lenient,
            verify_outgoing: true,
            compression: self.compression,
        }
    }
}

prop_compose! {
    fn setup()(
        keyed in any::<bool>(),
        label in "[a-z]{0,12}",
        seal_version in 0..=1_u8,
        lenient in any::<bool>(),
        compression in any::<bool>(),
    ) -> Setup {
        let mut ring = Keyring::default();
        if keyed {
            ring.install(Key::new(&(0..16).collect::<Vec<u8>>()).expect("16 bytes"));
            ring.install(Key::new(&[9; 24]).expect("24 bytes"));
        }
        Setup { sealer: Sealer::new(&ring), label, seal_version, lenient, compression }
    }
}

/// Bytes that look like messages often enough to get past the first checks.
fn wire_like() -> impl Strategy<Value = Vec<u8>> {
    let literal = prop_oneof![
        Just(b"\x07\x02\x00\x03\x00\x04".to_vec()),
        Just(b"\x09\x82\xa4Algo\x00\xa3Buf".to_vec()),
        Just(b"\x06\x83\xa4Join\xc3\xa5Nodes\x02\xacUserStateLen\x03".to_vec()),
        Just(
            b"\x87\xa4Addr\xa4\x0a\x00\x00\x01\xabIncarnation\x01\xa4Meta\xc0\xa4Name\xa1n"
                .to_vec()
        ),
        Just(b"\xa4Port\x07\xa5State\x00\xa3Vsn\xa6\x01\x05\x02\x02\x05\x05".to_vec()),
        Just(b"\x08\x81\xaaUserMsgLen\x03abc".to_vec()),
        Just(b"\x86\xa6Events\x93\xc0\x82\xa6Events\x91\x82\xa4Name".to_vec()),
        Just(b"\xacStatusLTimes\x81\xa1a\x05".to_vec()),
        Just(b"\x82\xa8DestAddr\x83\xa2IP\xa4\x7f\x00\x00\x01\xa4Port\x09".to_vec()),
        Just(b"\xa7Filters\x92\xa3\x00\x91\xa0\xa1\x00\xa7Timeout\xd3".to_vec()),
        Just(b"\x83\xa5LTime\x05\xa4Node\x92n1\xa5Prune\x01".to_vec()),
        Just(b"\xff\x82\xa4role\xa3web\xa2dc".to_vec()),
        Just(b"\xf4\x04blue".to_vec()),
        Just(b"\x0a\x00\x00\x00\x2d".to_vec()),
        vec(any::<u8>(), 0..40),
        vec(prop_oneof![0x80..=0xff_u8, 0..=13_u8], 0..12),
    ];
    vec(literal, 0..8).prop_map(|pieces| pieces.concat())
}

fn unpack_all(bytes: &[u8], rules: &PacketRules<'_>) -> (Vec<Vec<u8>>, u64) {
    let (mut unpacked, mut stats) = (Unpacked::default(), Stats::default());
    unpacked.unpack(bytes, rules, &mut stats);
    let messages =
        (0..unpacked.len()).map(|index| unpacked.message(bytes, index).to_vec()).collect();
    (messages, stats.dropped_total())
}

fn read_stream(
    mut reader: StreamReader,
    bytes: &[u8],
    cuts: &[usize],
    rules: &PacketRules<'_>,
) -> Result<Option<StreamMessage>, StreamError> {
    let mut rest = bytes;
    let mut outcome = None;
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (chunk, tail) = rest.split_at(cut.min(rest.len()));
        rest = tail;
        if let Some(message) = reader.push(chunk, rules)? {
            assert!(outcome.replace(message).is_none(), "handed out twice");
        }
    }
    Ok(outcome)
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(body in wire_like()) {
        decode_everything(&body);
    }

    #[test]
    fn no_datagram_makes_the_pipeline_panic(bytes in wire_like(), setup in setup()) {
        let (messages, _) = unpack_all(&bytes, &setup.rules());
        for message in messages {
            prop_assert!(!message.is_empty());
            decode_everything(&message[1..]);
        }
    }

    #[test]
    fn chunk_boundaries_of_a_stream_carry_no_meaning(
        bytes in wire_like(),
        cuts in vec(0..40_usize, 0..20),
        inbound in any::<bool>(),
        setup in setup(),
    ) {
        let reader = || if inbound { StreamReader::inbound() } else { StreamReader::outbound() };
        let at_once = read_stream(reader(), &bytes, &[], &setup.rules());
        prop_assert_eq!(&at_once, &read_stream(reader(), &bytes, &cuts, &setup.rules()));
        prop_assert_eq!(&at_once, &read_stream(reader(), &bytes, &vec![1; bytes.len()], &setup.rules()));
        if let Ok(Some(message)) = at_once {
            decode_everything(message.body());
        }
    }

    #[test]
    fn packed_messages_unpack_in_order(
        messages in vec(vec(any::<u8>(), 0..60), 1..=PARTS_MAX),
        crc in any::<bool>(),
        setup in setup(),
    ) {
        let messages: Vec<Vec<u8>> =
            messages.into_iter().map(|body| [vec![MessageType::User as u8], body].concat()).collect();
        let mut packer = Packer::default();
        for message in &messages {
            packer.push(|out| out.extend_from_slice(message));
        }
        let mut rng = Rng::from_seed([1; 32]);
        // Twice: sealing must leave the messages as they are.
        for _ in 0..2 {
            let packet = packer.seal(&setup.rules(), crc, &mut rng).to_vec();
            prop_assert_eq!(unpack_all(&packet, &setup.rules()), (messages.clone(), 0));
        }
    }

    #[test]
    fn a_changed_bit_in_a_sealed_packet_is_noticed(
        body in vec(any::<u8>(), 0..100),
        flip in any::<prop::sample::Index>(),
        mut setup in setup(),
    ) {
        setup.lenient = false;
        prop_assume!(setup.sealer.is_enabled());
        let mut packer = Packer::default();
        packer.push(|out| { out.push(MessageType::User as u8); out.extend_from_slice(&body); });
        let mut packet = packer.seal(&setup.rules(), false, &mut Rng::from_seed([1; 32])).to_vec();
        let bit = flip.index(packet.len() * 8);
        // The protocol does not authenticate the version byte: 0 and 1 differ only in padding, so changing one into the
        // other may leave a message with a few bytes more or less.
        let version_at = if setup.label.is_empty() { 0 } else { 2 + setup.label.len() };
        prop_assume!(bit != version_at * 8);
        packet[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(unpack_all(&packet, &setup.rules()), (vec![], 1));
    }

    #[test]
    fn sent_stream_messages_arrive(
        body in vec(any::<u8>(), 0..3_000),
        cuts in vec(0..900_usize, 0..8),
        initiator in any::<bool>(),
        setup in setup(),
    ) {
        let mut message = Vec::new();
        if initiator {
            let user_bytes = u32::try_from(body.len()).expect("small");
            swim::encode_user_header(&UserHeader { user_bytes }, &mut message);
            message.extend_from_slice(&body);
        } else {
            swim::encode_ack(&Ack { seq_no: 7, payload: Some(&body) }, &mut message);
        }
        let mut bytes = Vec::new();
        encode_stream(&message, &setup.rules(), initiator, &mut Rng::from_seed([2; 32]), &mut bytes);
        let reader = if initiator { StreamReader::inbound() } else { StreamReader::outbound() };
        let got = read_stream(reader, &bytes, &cuts, &setup.rules()).expect("sound").expect("complete");
        prop_assert_eq!(got.into_bytes(), message);
    }

    #[test]
    fn compressed_bytes_inflate_to_what_they_were(
        input in vec(prop_oneof![0..4_u8, any::<u8>()], 1..20_000),
    ) {
        let (mut compressed, mut inflated) = (Vec::new(), Vec::new());
        Compressor::default().compress(&input, &mut compressed);
        prop_assert_eq!(Decompressor::default().decompress(&compressed, input.len(), &mut inflated), Ok(()));
        prop_assert_eq!(inflated, input);
    }

    #[test]
    fn any_lzw_codes_stay_within_the_limit(
        input in vec(any::<u8>(), 0..20_000),
        limit in 0..INFLATED_BYTES_MAX,
    ) {
        let mut inflated = Vec::new();
        let _ = Decompressor::default().decompress(&input, limit, &mut inflated);
        prop_assert!(inflated.len() <= limit);
    }
}

type Bytes = Option<Vec<u8>>;

fn bytes(len: usize) -> impl Strategy<Value = Bytes> {
    option::of(vec(any::<u8>(), 0..len))
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9.-]{0,40}", "\\PC{0,12}"]
}

/// Encodes, checks the type byte, decodes and compares.
macro_rules! round_trip {
    ($message:expr, $kind:ident, $encode:path, $decode:path) => {{
        let (message, mut out) = ($message, Vec::new());
        $encode(&message, &mut out);
        prop_assert_eq!(out[0], MessageType::$kind as u8);
        prop_assert_eq!($decode(&out[1..]), Ok(message));
        out
    }};
}

proptest! {
    #[test]
    fn probe_messages_round_trip(
        seq_no in any::<u32>(), node in name(), asker in name(), port in any::<u16>(),
        target in bytes(17), payload in bytes(300), addr in vec(any::<u8>(), 0..17), nack in any::<bool>(),
    ) {
        let source = Source { addr: &addr, port, node: &asker };
        round_trip!(Ping { seq_no, node: &node, source }, Ping, swim::encode_ping, swim::decode_ping);
        let ping = IndirectPing { seq_no, target: target.as_deref(), port, node: &node, nack, source };
        round_trip!(ping, IndirectPing, swim::encode_indirect_ping, swim::decode_indirect_ping);
        let ack = Ack { seq_no, payload: payload.as_deref() };
        round_trip!(ack, Ack, swim::encode_ack, swim::decode_ack);
        round_trip!(Nack { seq_no }, Nack, swim::encode_nack, swim::decode_nack);
        let reply = ErrorReply { error: &node };
        round_trip!(reply, Err, swim::encode_error_reply, swim::decode_error_reply);
    }

    #[test]
    fn membership_messages_round_trip(
        incarnation in any::<u32>(), node in name(), from in name(), port in any::<u16>(),
        addr in bytes(17), meta in bytes(600), vsn in bytes(8), algo in any::<u8>(),
    ) {
        let suspect = Suspect { incarnation, node: &node, from: &from };
        let out = round_trip!(suspect, Suspect, swim::encode_suspect, swim::decode_suspect);
        prop_assert_eq!(out.len(), swim::suspect_len(&suspect));
        let dead = Dead { incarnation, node: &node, from: &from };
        let out = round_trip!(dead, Dead, swim::encode_dead, swim::decode_dead);
        prop_assert_eq!(out.len(), swim::dead_len(&dead));
        let (addr, meta, vsn) = (addr.as_deref(), meta.as_deref(), vsn.as_deref());
        let alive = Alive { incarnation, node: &node, addr, port, meta, vsn };
        let out = round_trip!(alive, Alive, swim::encode_alive, swim::decode_alive);
        prop_assert_eq!(out.len(), swim::alive_len(&alive));
        let compress = Compress { algo, buf: meta };
        round_trip!(compress, Compress, swim::encode_compress, swim::decode_compress);
    }

    #[test]
    fn push_pulls_round_trip(
        entries in vec((name(), bytes(17), any::<u16>(), bytes(40), any::<u32>(), any::<i64>(), bytes(8)), 0..20),
        state in vec(any::<u8>(), 0..50),
        join in any::<bool>(),
    ) {
        let nodes: Vec<PushPullNode<'_>> = entries
            .iter()
            .map(|(name, addr, port, meta, incarnation, state, vsn)| PushPullNode {
                name,
                addr: addr.as_deref(),
                port: *port,
                meta: meta.as_deref(),
                incarnation: *incarnation,
                state: *state,
                vsn: vsn.as_deref(),
            })
            .collect();
        let [nodes_len, user_state_bytes] =
            [nodes.len(), state.len()].map(|len| u32::try_from(len).expect("small"));
        let header = PushPullHeader { nodes: nodes_len, user_state_bytes, join };
        let mut out = Vec::new();
        swim::encode_push_pull_header(&header, &mut out);
        for node in &nodes {
            swim::encode_push_pull_node(node, &mut out);
        }
        out.extend_from_slice(&state);
        let decoded = swim::decode_push_pull(&out[1..]).expect("sound");
        prop_assert_eq!(decoded.header, header);
        prop_assert!(decoded.nodes().map(Result::unwrap).eq(nodes));
        prop_assert_eq!(decoded.user_state(), &state);
        for len in 1..out.len() {
            prop_assert!(swim::decode_push_pull(&out[1..len]).is_err(), "cut short at {}", len);
        }
    }

    #[test]
    fn serf_states_round_trip(
        clocks in any::<[u64; 3]>(),
        slots in vec(option::of((any::<u64>(), vec((name(), bytes(40)), 0..4))), 0..20),
        left in vec(name(), 0..20),
        status in vec((name(), any::<u64>()), 0..20),
    ) {
        let mut out = Vec::new();
        let mut encoder = serf::StateEncoder::start(&mut out, clocks[0], slots.len());
        for slot in &slots {
            match slot {
                None => encoder.empty_slot(),
                Some((ltime, events)) => {
                    let pairs = events.iter().map(|(name, payload)| (name.as_str(), payload.as_deref()));
                    encoder.slot(*ltime, events.len(), pairs);
                }
            }
        }
        encoder.member_clock(clocks[1]);
        encoder.left_members(left.len(), left.iter().map(String::as_str));
        encoder.query_clock(clocks[2]);
        encoder.status_ltimes(status.len(), status.iter().map(|(name, ltime)| (name.as_str(), *ltime)));
        let state = serf::decode_state(&out[1..]).expect("sound");
        prop_assert_eq!([state.clocks.event, state.clocks.member, state.clocks.query], clocks);
        let events = slots.iter().flatten().flat_map(|(ltime, events)| {
            events.iter().map(|(name, payload)| Ok((*ltime, name.as_str(), payload.as_deref())))
        });
        prop_assert!(state.events().eq(events));
        prop_assert!(state.left_members().eq(left.iter().map(|name| Ok(name.as_str()))));
        prop_assert!(state.status_ltimes().eq(status.iter().map(|(name, ltime)| Ok((name.as_str(), *ltime)))));
    }
}

/// Encodes a Serf message, checks the type byte, decodes and compares.
macro_rules! serf_round_trip {
    ($message:expr, $kind:literal, $encode:path, $decode:path) => {{
        let (message, mut out) = (&$message, Vec::new());
        $encode(message, &mut out);
        prop_assert_eq!(out[0], $kind);
        prop_assert_eq!(&$decode(&out[1..]).expect("sound"), message);
        for len in 1..out.len() {
            prop_assert!($decode(&out[1..len]).is_err(), "cut short at {}", len);
        }
        let mut followed = out.clone();
        followed.extend_from_slice(b"\xc1ignored");
        prop_assert_eq!(&$decode(&followed[1..]).expect("sound"), message);
        out
    }};
}

proptest! {
    #[test]
    fn serf_broadcasts_round_trip(
        ltime in any::<u64>(), node in name(), payload in bytes(300), flag in any::<bool>(),
    ) {
        let leave = LeaveIntent { ltime, node: &node, prune: flag };
        serf_round_trip!(leave, 0, serf::encode_leave_intent, serf::decode_leave_intent);
        let join = JoinIntent { ltime, node: &node };
        serf_round_trip!(join, 1, serf::encode_join_intent, serf::decode_join_intent);
        let event =
            UserEventMessage { ltime, name: &node, payload: payload.as_deref(), coalesce: flag };
        let out = serf_round_trip!(event, 3, serf::encode_user_event, serf::decode_user_event);
        prop_assert_eq!(out.len(), serf::user_event_len(&event));
    }

    #[test]
    fn queries_round_trip(
        (ltime, id, flags, timeout) in any::<(u64, u32, u32, i64)>(),
        (port, relay_factor) in any::<(u16, u8)>(),
        (addr, name, source_node) in (vec(any::<u8>(), 0..17), name(), name()),
        filters in vec(vec(any::<u8>(), 0..40), 0..20),
        payload in bytes(300),
    ) {
        let query = QueryMessage {
            ltime,
            id,
            addr: &addr,
            port,
            source_node: &source_node,
            filters: filters.iter().map(Vec::as_slice).collect(),
            flags,
            relay_factor,
            timeout,
            name: &name,
            payload: payload.as_deref(),
        };
        let out = serf_round_trip!(query, 4, serf::encode_query, serf::decode_query);
        prop_assert_eq!(out.len(), serf::query_len(&query));
    }

    #[test]
    fn answers_round_trip(
        (ltime, id, flags, port) in any::<(u64, u32, u32, u16)>(),
        (from, node, addr) in (name(), name(), vec(any::<u8>(), 0..17)),
        payload in bytes(300),
        inner in vec(any::<u8>(), 0..50),
    ) {
        let response = QueryResponse { ltime, id, from: &from, flags, payload: payload.as_deref() };
        let out = serf_round_trip!(
            response, 5, serf::encode_query_response, serf::decode_query_response
        );
        prop_assert_eq!(out.len(), serf::query_response_len(&response));
        let (header, mut out) = (RelayHeader { addr: &addr, port, node: &node }, Vec::new());
        serf::encode_relay(&header, &inner, &mut out);
        prop_assert_eq!(out[0], 9);
        prop_assert_eq!(out.len(), serf::relay_len(&header, inner.len()));
        prop_assert_eq!(serf::decode_relay(&out[1..]), Ok((header, inner.as_slice())));
    }

    #[test]
    fn filters_round_trip(names in vec(name(), 0..40), tag in name(), expr in name()) {
        let nodes = Filter::Nodes(names.iter().map(String::as_str).collect());
        for filter in [nodes, Filter::Tag { tag: &tag, expr: &expr }] {
            let mut out = Vec::new();
            serf::encode_filter(&filter, &mut out);
            prop_assert_eq!(serf::decode_filter(&out), Ok(filter));
            for len in 0..out.len() {
                prop_assert!(serf::decode_filter(&out[..len]).is_err(), "cut short at {}", len);
            }
        }
    }

    #[test]
    fn answers_to_internal_queries_round_trip(
        (name, message, primary) in (name(), name(), name()),
        (addr, key) in (vec(any::<u8>(), 0..17), vec(any::<u8>(), 0..33)),
        pairs in vec((name(), name()), 0..20),
        keys in option::of(vec("[A-Za-z0-9+/]{22}==", 0..40)),
        (port, status, vsn, result) in any::<(u16, i64, [u8; 6], bool)>(),
    ) {
        let member = ConflictResponse {
            name: &name,
            addr: &addr,
            port,
            tags: pairs.iter().map(|(tag, value)| (tag.as_str(), value.as_str())).collect(),
            status,
            vsn,
        };
        let encode = |member: &_, out: &mut _| serf::encode_conflict_response(Some(member), out);
        serf_round_trip!(member, 6, encode, serf::decode_conflict_response);
        let response = KeyResponse {
            result,
            message: &message,
            keys: keys.as_ref().map(|keys| keys.iter().map(String::as_str).collect()),
            primary_key: &primary,
        };
        let out = serf_round_trip!(response, 8, serf::encode_key_response, serf::decode_key_response);
        prop_assert_eq!(out.len(), serf::key_response_len(&response));
        let mut out = Vec::new();
        serf::encode_key_request(&key, &mut out);
        prop_assert_eq!(out[0], 7);
        prop_assert_eq!(serf::decode_key_request(&out[1..]), Ok(key.as_slice()));
    }

    #[test]
    fn tags_round_trip(pairs in vec((name(), name()), 0..12), protocol in any::<u8>()) {
        let ours: Tags = pairs.into_iter().collect();
        match tags::encode(&ours, protocol) {
            Ok(meta) => {
                prop_assert!(meta.len() <= 512);
                let found = tags::decode(&meta);
                if protocol >= 3 {
                    prop_assert_eq!(found, ours);
                } else {
                    prop_assert_eq!(found.get("role"), ours.get("role").or(Some("")));
                }
            }
            Err(refused) => prop_assert!(refused.len > refused.limit && refused.limit == 512),
        }
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex"))
        .collect()
}

/// Every vector with every one of its bits flipped, one at a time: nothing panics.
#[test]
fn flipped_bits_in_captured_messages_never_panic() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("vectors/memberlist.json")).expect("JSON");
    let ring = Keyring::with_primary(Key::new(&(0..16).collect::<Vec<u8>>()).expect("16 bytes"));
    let (plain, keyed) = (Sealer::default(), Sealer::new(&ring));
    for entry in vectors["wire"].as_array().expect("a list") {
        let mut bytes = unhex(entry["hex"].as_str().expect("text"));
        let sealer = if entry["encryption"].is_object() { &keyed } else { &plain };
        let rules = PacketRules {
            label: "",
            skip_inbound_label_check: false,
            sealer,
            seal_version: 1,
            verify_incoming: false,
            verify_outgoing: true,
            compression: false,
        };
        for bit in 0..bytes.len().min(400) * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            for message in unpack_all(&bytes, &rules).0 {
                decode_everything(&message[1..]);
            }
            if let Ok(Some(message)) = StreamReader::inbound().push(&bytes, &rules) {
                decode_everything(message.body());
            }
            let _ = StreamReader::outbound().push(&bytes, &rules);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

/// Every Serf message, filter and odd body with every one of its bits flipped, one at a time: no decoder panics.
#[test]
fn flipped_bits_in_serf_messages_never_panic() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("vectors/serf.json")).expect("JSON");
    // What comes before the body: a type byte, but not in the odd bodies.
    for (section, skipped) in
        [("messages", 1), ("messages", 0), ("decode_tolerance", 0), ("tags_decode", 0)]
    {
        for entry in vectors[section].as_array().expect("a list") {
            let mut bytes = unhex(entry["hex"].as_str().expect("text"));
            for bit in 0..bytes.len().min(400) * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                decode_everything(bytes.get(skipped..).unwrap_or_default());
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}
