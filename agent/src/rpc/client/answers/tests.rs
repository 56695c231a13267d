use super::*;

#[test]
fn headers_come_as_maps_or_arrays_and_nil_is_zero() {
    let header_of = |seq, error: &str| Ok(Header { seq, error: error.to_owned() });
    assert_eq!(header(b"\x82\xa3Seq\x05\xa5Error\xa1x"), header_of(5, "x"));
    assert_eq!(header(b"\x92\x05\xa1x"), header_of(5, "x"));
    assert_eq!(header(b"\x83\xa1z\x92\x01\x02\xa3Seq\xcc\x80\xa5Error\xc0"), header_of(128, ""));
    assert_eq!(header(b"\xc0"), header_of(0, ""));
    assert!(header(b"\x01").is_err());
    assert!(header(b"\x81\xa3Seq\xcb\0\0\0\0\0\0\0\0").is_err(), "a number that is no integer");
}

#[test]
fn addresses_of_any_length_print_as_in_go() {
    let mapped = b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01";
    let loopback = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01";
    for (addr, text) in [
        (&b"\x7f\0\0\x01"[..], "127.0.0.1:7946"),
        (mapped, "127.0.0.1:7946"),
        (loopback, "[::1]:7946"),
        (b"", ":7946"),
        (b"abc", "?616263:7946"),
    ] {
        let member = Member { addr: addr.to_vec(), port: 7946, ..Member::default() };
        assert_eq!(member.socket(), text);
    }
}

#[test]
fn members_have_fields_in_any_order_and_some_missing() {
    let body = b"\x81\xa7Members\x92\x84\xa4Port\xcd\x1f\x0a\xa4Tags\x81\xa1k\xa1v\xa1x\xc0\xa4Name\xa2n1\x80";
    let first = Member {
        name: "n1".to_owned(),
        port: 7946,
        tags: Texts::from([("k".to_owned(), "v".to_owned())]),
        ..Member::default()
    };
    assert_eq!(members(body), Ok(vec![first, Member::default()]));
    assert_eq!(members(b"\x81\xa7Members\xc0"), Ok(Vec::new()));
    assert_eq!(members(b"\xc0"), Ok(Vec::new()));
    assert!(members(b"\x81\xa7Members\x91\x81\xa4Port\xce\x00\x01\x11\x70").is_err(), "port 70000");
}

#[test]
fn an_announced_number_of_members_takes_no_memory() {
    assert!(members(b"\x81\xa7Members\xdd\xff\xff\xff\xff\x80").is_err());
}

#[test]
fn text_that_is_no_utf8_is_kept_as_far_as_it_is() {
    let stats = stats(b"\x81\xa1a\x81\xa1b\xa4x\xff\xc3(").expect("stats");
    assert_eq!(stats["a"]["b"], "x\u{fffd}\u{fffd}(");
}

#[test]
fn a_query_ends_with_the_first_record_without_a_sender() {
    let record = |kind: &str, from: &str| {
        let text = |text: &str| {
            [&[0xa0 | u8::try_from(text.len()).expect("short")], text.as_bytes()].concat()
        };
        query_record(
            &[b"\x82\xa4Type".to_vec(), text(kind), b"\xa4From".to_vec(), text(from)].concat(),
        )
    };
    assert_eq!(record("ack", "n1"), Ok(QueryRecord::Ack("n1".to_owned())));
    assert_eq!(record("response", "n1"), Ok(QueryRecord::Response("n1".to_owned(), Vec::new())));
    assert_eq!(record("done", ""), Ok(QueryRecord::Done));
    assert_eq!(record("ack", ""), Ok(QueryRecord::Done));
    assert_eq!(record("done", "n1"), Ok(QueryRecord::Done));
    assert_eq!(record("new", "n1"), Ok(QueryRecord::Other));
}

#[test]
fn a_coordinate_that_is_not_known_need_not_be_one() {
    assert_eq!(coordinate(b"\x82\xa5Coord\x81\xa3Vec\xc0\xa2Ok\xc2"), Ok(None));
    assert_eq!(coordinate(b"\xc0"), Ok(None));
    assert!(coordinate(b"\x82\xa5Coord\x81\xa3Vec\x91\x01\xa2Ok\xc3").is_err(), "one dimension");
}
