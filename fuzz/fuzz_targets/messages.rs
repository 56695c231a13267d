//! Every decoder on arbitrary bytes; what decodes must encode to something that decodes to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use uwasa_core::msg::serf::ConflictResponse;
use uwasa_core::wire::lzw::Decompressor;
use uwasa_core::wire::msgpack::Reader;
use uwasa_core::wire::{serf, swim, tags};

macro_rules! stable {
    ($body:expr, $decode:path, $encode:path) => {
        if let Ok(message) = $decode($body) {
            let mut out = Vec::new();
            $encode(&message, &mut out);
            assert_eq!($decode(&out[1..]), Ok(message));
        }
    };
}

fn encode_member(member: &ConflictResponse<'_>, out: &mut Vec<u8>) {
    serf::encode_conflict_response(Some(member), out);
}

fuzz_target!(|body: &[u8]| {
    stable!(body, swim::decode_ping, swim::encode_ping);
    stable!(body, swim::decode_indirect_ping, swim::encode_indirect_ping);
    stable!(body, swim::decode_ack, swim::encode_ack);
    stable!(body, swim::decode_nack, swim::encode_nack);
    stable!(body, swim::decode_suspect, swim::encode_suspect);
    stable!(body, swim::decode_alive, swim::encode_alive);
    stable!(body, swim::decode_dead, swim::encode_dead);
    stable!(body, swim::decode_compress, swim::encode_compress);
    stable!(body, swim::decode_error_reply, swim::encode_error_reply);
    stable!(body, serf::decode_leave_intent, serf::encode_leave_intent);
    stable!(body, serf::decode_join_intent, serf::encode_join_intent);
    stable!(body, serf::decode_user_event, serf::encode_user_event);
    stable!(body, serf::decode_query, serf::encode_query);
    stable!(body, serf::decode_query_response, serf::encode_query_response);
    stable!(body, serf::decode_conflict_response, encode_member);
    stable!(body, serf::decode_key_response, serf::encode_key_response);
    if let Ok(key) = serf::decode_key_request(body) {
        let mut out = Vec::new();
        serf::encode_key_request(key, &mut out);
        assert_eq!(serf::decode_key_request(&out[1..]), Ok(key));
    }
    if let Ok((header, rest)) = serf::decode_relay(body) {
        let mut out = Vec::new();
        serf::encode_relay(&header, rest, &mut out);
        assert_eq!(out.len(), serf::relay_len(&header, rest.len()));
        assert_eq!(serf::decode_relay(&out[1..]), Ok((header, rest)));
    }
    if let Ok(filter) = serf::decode_filter(body) {
        let mut out = Vec::new();
        serf::encode_filter(&filter, &mut out);
        assert_eq!(serf::decode_filter(&out), Ok(filter));
    }
    let found = tags::decode(body);
    if let Ok(meta) = tags::encode(&found, 5) {
        assert_eq!(tags::decode(&meta), found);
    }
    let _ = swim::decode_user_header(body);
    let _ = Reader::new(body).skip();
    if let Ok(state) = swim::decode_push_pull(body) {
        assert_eq!(state.nodes().count() as u64, u64::from(state.header.nodes));
    }
    if let Ok(state) = serf::decode_state(body) {
        state.events().for_each(drop);
        state.left_members().for_each(drop);
        state.status_ltimes().for_each(drop);
    }
    let mut out = Vec::new();
    let _ = Decompressor::default().decompress(body, 1 << 20, &mut out);
    assert!(out.len() <= 1 << 20);
});
