use super::*;
use crate::msg::serf::{
    ConflictResponse, Filter, JoinIntent, KeyResponse, LeaveIntent, QueryMessage, QueryResponse,
    RelayHeader, StateClocks, UserEventMessage,
};
use crate::wire::msgpack::DecodeErrorKind;

#[test]
fn a_state_is_read_in_any_key_order_and_with_keys_missing() {
    let state = decode_state(b"\x83\xacStatusLTimes\x81\xa1a\x05\xa5Other\x90\xa5LTime\x09")
        .expect("sound");
    assert_eq!(state.clocks, StateClocks { member: 9, event: 0, query: 0 });
    assert!(state.status_ltimes().eq([Ok(("a", 5))]));
    assert_eq!(state.events().count() + state.left_members().count(), 0);
}

#[test]
fn malformed_items_are_errors_in_their_place() {
    let body = b"\x83\xa6Events\x94\x05\x82\xa6Events\x92\x81\xa4Name\x07\x81\xa4Name\xa1e\xa5LTime\x03\xc0\x81\xa6Events\x91\x80\
        \xabLeftMembers\x92\xa1\xff\xa1b\xacStatusLTimes\x82\xa1a\xff\xa1b\x04";
    let state = decode_state(body).expect("its framing is sound");
    let events: Vec<_> = state.events().map(Result::ok).collect();
    assert_eq!(events, [None, None, Some((3, "e", None)), Some((0, "", None))]);
    assert_eq!(state.left_members().map(Result::ok).collect::<Vec<_>>(), [None, Some("b")]);
    assert_eq!(state.status_ltimes().map(Result::ok).collect::<Vec<_>>(), [None, Some(("b", 4))]);
}

#[test]
fn broken_framing_refuses_the_whole_state() {
    assert!(decode_state(b"\x81\xacStatusLTimes\x82\xa1a\x01").is_err());
    assert!(decode_state(b"\x81\xa6Events\xdd\xff\xff\xff\xff").is_err());
    assert!(decode_state(b"\x81\xa5LTime\xff").is_err());
}

#[test]
#[should_panic(expected = "slots not written")]
fn the_encoder_insists_on_every_slot() {
    let mut out = Vec::new();
    StateEncoder::start(&mut out, 1, 2).member_clock(1);
}

/// Every message as an array, by the order of declaration in the protocol reference.
#[test]
fn structures_may_be_arrays() {
    let leave = LeaveIntent { ltime: 5, node: "n", prune: true };
    assert_eq!(decode_leave_intent(b"\x93\x05\xa1n\xc3"), Ok(leave));
    assert_eq!(decode_join_intent(b"\x92\x05\xa1n"), Ok(JoinIntent { ltime: 5, node: "n" }));
    let event = UserEventMessage { ltime: 5, name: "e", payload: Some(b"p"), coalesce: true };
    assert_eq!(decode_user_event(b"\x94\x05\xa1e\xa1p\xc3"), Ok(event));
    let query = QueryMessage {
        ltime: 1,
        id: 2,
        addr: &[3; 4],
        port: 4,
        source_node: "five",
        filters: vec![b"six"],
        flags: 7,
        relay_factor: 8,
        timeout: -9,
        name: "ten",
        payload: Some(b"eleven"),
    };
    let body =
        b"\x9b\x01\x02\xa4\x03\x03\x03\x03\x04\xa4five\x91\xa3six\x07\x08\xf7\xa3ten\xa6eleven";
    assert_eq!(decode_query(body), Ok(query));
    let response = QueryResponse { ltime: 1, id: 2, from: "n", flags: 4, payload: None };
    assert_eq!(decode_query_response(b"\x95\x01\x02\xa1n\x04\xc0"), Ok(response));
    let header = RelayHeader { addr: &[1; 4], port: 9, node: "n" };
    let relay = b"\x92\x93\xa4\x01\x01\x01\x01\x09\xa0\xa1nrest";
    assert_eq!(decode_relay(relay), Ok((header, b"rest".as_slice())));
    let member = ConflictResponse {
        name: "n",
        addr: &[1; 4],
        port: 2,
        tags: vec![("a", "b")],
        status: 4,
        vsn: [5, 6, 7, 8, 9, 10],
    };
    let body = b"\x9b\xa1n\xa4\x01\x01\x01\x01\x02\x81\xa1a\xa1b\x04\x05\x06\x07\x08\x09\x0a";
    assert_eq!(decode_conflict_response(body), Ok(member));
    assert_eq!(decode_key_request(b"\x91\xa1k"), Ok(b"k".as_slice()));
    let keys = KeyResponse { result: true, message: "m", keys: Some(vec!["k"]), primary_key: "p" };
    assert_eq!(decode_key_response(b"\x94\xc3\xa1m\x91\xa1k\xa1p"), Ok(keys));
    let state = decode_state(b"\x96\x01\x81\xa1a\x02\x91\xa1b\x04\x91\xc0\x06").expect("sound");
    assert_eq!(state.clocks, StateClocks { member: 1, event: 4, query: 6 });
    assert!(state.status_ltimes().eq([Ok(("a", 2))]));
    assert!(state.left_members().eq([Ok("b")]));
}

#[test]
fn arrays_may_be_short_or_long() {
    let join = JoinIntent { ltime: 5, node: "n" };
    assert_eq!(decode_join_intent(b"\x93\x05\xa1n\x81\x01\x02"), Ok(join));
    assert_eq!(decode_join_intent(b"\xdc\x00\x02\x05\xa1n"), Ok(join));
    assert_eq!(decode_join_intent(b"\x90"), Ok(JoinIntent::default()));
    assert!(decode_join_intent(b"\xdd\xff\xff\xff\xff\x05\xa1n").is_err());
}

#[test]
fn odd_filters_are_errors() {
    fn kind(bytes: &[u8]) -> Result<Filter<'_>, DecodeErrorKind> {
        decode_filter(bytes).map_err(|error| error.kind)
    }
    assert_eq!(kind(b""), Err(DecodeErrorKind::End));
    assert_eq!(kind(b"\x00"), Err(DecodeErrorKind::End));
    assert_eq!(kind(b"\x02\x90"), Err(DecodeErrorKind::Type));
    assert_eq!(kind(b"\x01\x92\xa1a\xa1b"), Err(DecodeErrorKind::Type));
    assert_eq!(kind(b"\x00\x91\xa1\xff"), Err(DecodeErrorKind::Utf8));
    assert_eq!(kind(b"\x00\xc0"), Ok(Filter::Nodes(vec![])));
    assert_eq!(kind(b"\x01\xc0"), Ok(Filter::Tag { tag: "", expr: "" }));
    assert_eq!(kind(b"\x00\x91\xa1arest"), Ok(Filter::Nodes(vec!["a"])));
}

/// A map with one key and an array of `count` empty texts, each of them there.
fn list(key: &str, count: u16) -> Vec<u8> {
    let mut body = vec![0x81, 0xa0 | u8::try_from(key.len()).expect("short")];
    body.extend(key.as_bytes());
    body.extend([&[0xdc], &count.to_be_bytes()[..]].concat());
    body.resize(body.len() + usize::from(count), 0xa0);
    body
}

#[test]
fn lists_have_limits() {
    let limit = u16::try_from(FILTERS_MAX).expect("small");
    assert_eq!(decode_query(&list("Filters", limit)).expect("allowed").filters.len(), 4_096);
    let error = decode_query(&list("Filters", limit + 1)).expect_err("one too many");
    assert_eq!(error.kind, DecodeErrorKind::Limit);
    // More than any datagram holds.
    let announced = (ITEMS_MAX + 1).to_be_bytes();
    let bodies = [
        [&b"\x00\xdd"[..], &announced].concat(),
        [&b"\x81\xa4Keys\xdd"[..], &announced].concat(),
        [&b"\x81\xa4Tags\xdf"[..], &announced].concat(),
    ];
    let kinds = [
        decode_filter(&bodies[0]).map(drop),
        decode_key_response(&bodies[1]).map(drop),
        decode_conflict_response(&bodies[2]).map(drop),
    ];
    assert_eq!(
        kinds.map(|result| result.map_err(|error| error.kind)),
        [Err(DecodeErrorKind::Limit); 3]
    );
    assert!(decode_key_response(&list("Keys", u16::MAX)).is_ok());
}

#[test]
fn both_dialects_of_timeout_and_port_are_read() {
    let timeouts: [(&[u8], i64); 6] = [
        (b"\x64", 100),
        (b"\xcc\xc8", 200),
        (b"\xd1\x00\xc8", 200),
        (b"\xd3\x00\x00\x00\x00\xbe\xbc\x20\x00", 3_200_000_000),
        (b"\xd0\x80", -128),
        (b"\xcf\x80\x00\x00\x00\x00\x00\x00\x00", i64::MIN),
    ];
    for (value, timeout) in timeouts {
        let body = [&b"\x81\xa7Timeout"[..], value].concat();
        assert_eq!(decode_query(&body).map(|query| query.timeout), Ok(timeout), "{value:?}");
    }
    let ports: [(&[u8], Option<u16>); 6] = [
        (b"\xcd\x9c\x40", Some(40_000)),
        (b"\xd2\x00\x00\x9c\x40", Some(40_000)),
        (b"\xd1\x1f\x0a", Some(7_946)),
        (b"\xc0", Some(0)),
        (b"\xd2\x00\x01\x00\x00", None),
        (b"\xd1\xff\xff", None),
    ];
    for (value, port) in ports {
        let body = [&b"\x81\xa8DestAddr\x81\xa4Port"[..], value].concat();
        let found = decode_relay(&body).ok().map(|(header, _)| header.port);
        assert_eq!(found, port, "{value:?}");
    }
}

#[test]
fn nil_and_empty_are_kept_apart_where_the_protocol_does() {
    let keys = |body| decode_key_response(body).map(|response| response.keys);
    assert_eq!(keys(b"\x81\xa4Keys\xc0"), Ok(None));
    assert_eq!(keys(b"\x81\xa4Keys\x90"), Ok(Some(vec![])));
    let mut out = Vec::new();
    encode_query(&QueryMessage::default(), &mut out);
    assert!(out.starts_with(b"\x04\x8b\xa4Addr\xc0\xa7Filters\xc0"), "{out:02x?}");
    out.clear();
    encode_conflict_response(None, &mut out);
    assert_eq!(out, b"\x06\xc0");
    out.clear();
    encode_key_request(b"", &mut out);
    assert_eq!(out, b"\x07\x81\xa3Key\xa0");
}
