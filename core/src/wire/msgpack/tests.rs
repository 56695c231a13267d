use super::*;

fn written(dialect: Dialect, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut Writer::new(&mut out, dialect));
    out
}

fn kind<T>(result: Result<T, DecodeError>) -> Option<DecodeErrorKind> {
    result.err().map(|error| error.kind)
}

#[test]
fn unsigned_integers_take_their_shortest_form() {
    let cases: [(u64, &[u8]); 10] = [
        (0, b"\x00"),
        (127, b"\x7f"),
        (128, b"\xcc\x80"),
        (255, b"\xcc\xff"),
        (256, b"\xcd\x01\x00"),
        (65_535, b"\xcd\xff\xff"),
        (65_536, b"\xce\x00\x01\x00\x00"),
        (0xffff_ffff, b"\xce\xff\xff\xff\xff"),
        (0x1_0000_0000, b"\xcf\x00\x00\x00\x01\x00\x00\x00\x00"),
        (u64::MAX, b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
    ];
    for (value, bytes) in cases {
        assert_eq!(written(Dialect::Gossip, |writer| writer.unsigned(value)), bytes);
        assert_eq!(unsigned_len(value), bytes.len());
        assert_eq!(Reader::new(bytes).unsigned(), Ok(value));
    }
}

#[test]
fn signed_integers_take_the_unsigned_form_unless_negative() {
    let cases: [(i64, &[u8]); 8] = [
        (200, b"\xcc\xc8"),
        (-1, b"\xff"),
        (-32, b"\xe0"),
        (-33, b"\xd0\xdf"),
        (-129, b"\xd1\xff\x7f"),
        (-32_769, b"\xd2\xff\xff\x7f\xff"),
        (i64::MIN, b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00"),
        (i64::MAX, b"\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"),
    ];
    for (value, bytes) in cases {
        assert_eq!(written(Dialect::Gossip, |writer| writer.signed(value)), bytes);
        assert_eq!(Reader::new(bytes).signed(), Ok(value));
    }
}

#[test]
fn integers_are_read_in_any_width_and_sign_if_they_fit() {
    for bytes in
        [&b"\x07"[..], b"\xcc\x07", b"\xd0\x07", b"\xd1\x00\x07", b"\xd3\0\0\0\0\0\0\0\x07"]
    {
        assert_eq!(Reader::new(bytes).u8(), Ok(7));
        assert_eq!(Reader::new(bytes).signed(), Ok(7));
    }
    assert_eq!(Reader::new(b"\xc0").unsigned(), Ok(0));
    assert_eq!(kind(Reader::new(b"\xff").unsigned()), Some(DecodeErrorKind::Range));
    assert_eq!(kind(Reader::new(b"\xd0\x80").u16()), Some(DecodeErrorKind::Range));
    assert_eq!(kind(Reader::new(b"\xce\x00\x01\x00\x00").u16()), Some(DecodeErrorKind::Range));
    assert_eq!(kind(Reader::new(b"\xcb\0\0\0\0\0\0\0\0").u32()), Some(DecodeErrorKind::Type));
    assert_eq!(Reader::new(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff").signed(), Ok(-1));
}

#[test]
fn gossip_never_writes_bin_or_str8() {
    for len in [0, 1, 31, 32, 255, 256, 65_535, 65_536] {
        let text = "x".repeat(len);
        let [.., c, b, a] = u32::try_from(len).expect("small").to_be_bytes();
        let header: &[u8] = match len {
            0..32 => &[0xa0 | a],
            32..65_536 => &[0xda, b, a],
            _ => &[0xdb, 0, c, b, a],
        };
        let expected = [header, text.as_bytes()].concat();
        assert_eq!(written(Dialect::Gossip, |writer| writer.text(&text)), expected);
        assert_eq!(
            written(Dialect::Gossip, |writer| writer.bytes(Some(text.as_bytes()))),
            expected
        );
        assert_eq!(raw_len(len), expected.len());
        assert_eq!(Reader::new(&expected).text(), Ok(text.as_str()));
    }
    assert_eq!(written(Dialect::Gossip, |writer| writer.bytes(None)), b"\xc0");
}

#[test]
fn rpc_writes_str8_and_bin() {
    let long = "x".repeat(32);
    assert_eq!(written(Dialect::Rpc, |writer| writer.text(&long))[..2], *b"\xd9\x20");
    assert_eq!(written(Dialect::Rpc, |writer| writer.text("x")), b"\xa1x");
    assert_eq!(written(Dialect::Rpc, |writer| writer.bytes(Some(b"x"))), b"\xc4\x01x");
    assert_eq!(
        written(Dialect::Rpc, |writer| writer.bytes(Some(&[0; 256])))[..3],
        *b"\xc5\x01\x00"
    );
    assert_eq!(
        written(Dialect::Rpc, |writer| writer.bytes(Some(&[0; 65_536])))[..5],
        *b"\xc6\0\x01\0\0"
    );
}

#[test]
fn containers_grow_their_headers() {
    for (count, map, array) in [
        (15, &b"\x8f"[..], &b"\x9f"[..]),
        (16, b"\xde\0\x10", b"\xdc\0\x10"),
        (65_536, b"\xdf\0\x01\0\0", b"\xdd\0\x01\0\0"),
    ] {
        assert_eq!(written(Dialect::Gossip, |writer| writer.map(count)), map);
        assert_eq!(written(Dialect::Gossip, |writer| writer.array(count)), array);
        assert_eq!(Reader::new(map).map().map(u64::from), Ok(count as u64));
        assert_eq!(Reader::new(array).array().map(u64::from), Ok(count as u64));
    }
}

#[test]
fn announced_lengths_are_those_written() {
    for count in [0, 15, 16, 65_535, 65_536] {
        assert_eq!(
            written(Dialect::Gossip, |writer| writer.array(count)).len(),
            container_len(count)
        );
        assert_eq!(
            written(Dialect::Gossip, |writer| writer.map(count)).len(),
            container_len(count)
        );
    }
    let limits =
        (0..63).flat_map(|bits| [-1_i64 << bits, (-1_i64 << bits) - 1, (1_i64 << bits) - 1]);
    for value in limits.chain([-32, -33, 0, i64::MIN, i64::MAX]) {
        let bytes = written(Dialect::Gossip, |writer| writer.signed(value));
        assert_eq!(bytes.len(), signed_len(value), "{value}");
        assert_eq!(Reader::new(&bytes).signed(), Ok(value));
    }
}

#[test]
fn bytes_and_text_may_come_as_an_array_of_small_integers() {
    assert_eq!(Reader::new(b"\x92n1").text(), Ok("n1"));
    assert_eq!(Reader::new(b"\x93\x7f\x00\x01").bytes(), Ok(Some(&b"\x7f\x00\x01"[..])));
    assert_eq!(Reader::new(b"\xdc\x00\x01\x05").bytes(), Ok(Some(&b"\x05"[..])));
    assert_eq!(kind(Reader::new(b"\x91\xcc\xff").bytes()), Some(DecodeErrorKind::Type));
    assert_eq!(kind(Reader::new(b"\x92\x01").bytes()), Some(DecodeErrorKind::End));
}

#[test]
fn text_must_be_utf8_and_keys_must_be_there() {
    let error = Reader::new(b"\xa2\xc3\x28").text().expect_err("not UTF-8");
    assert_eq!((error.kind, error.offset), (DecodeErrorKind::Utf8, 3));
    assert_eq!(error.to_string(), "the text is not UTF-8 (at byte 3)");
    assert_eq!(Reader::new(b"\xa2\xc3\x28").key(), Ok(&b"\xc3\x28"[..]));
    assert_eq!(kind(Reader::new(b"\xc0").key()), Some(DecodeErrorKind::Type));
}

#[test]
fn skipping_steps_over_every_type_exactly() {
    let values: [&[u8]; 20] = [
        b"\x05",
        b"\xff",
        b"\xc0",
        b"\xc3",
        b"\xa2ab",
        b"\xd9\x01a",
        b"\xda\0\x01a",
        b"\xdb\0\0\0\x01a",
        b"\xc4\x01a",
        b"\xca\0\0\0\0",
        b"\xcb\0\0\0\0\0\0\0\0",
        b"\xcd\0\0",
        b"\xd3\0\0\0\0\0\0\0\0",
        b"\xd4\x01a",
        b"\xd8\x01aaaaaaaaaaaaaaaa",
        b"\xc7\x02\x01aa",
        b"\x82\xa1a\x91\x90\x01\x80",
        b"\xdc\0\x02\x01\x02",
        b"\xde\0\x01\x01\x02",
        b"\xd6\xff\0\0\0\0",
    ];
    for value in values {
        let bytes = [value, b"tail"].concat();
        let mut reader = Reader::new(&bytes);
        assert_eq!(reader.skip(), Ok(()), "{value:02x?}");
        assert_eq!(reader.rest(), b"tail", "{value:02x?}");
        assert_eq!(kind(Reader::new(&value[..value.len() - 1]).skip()), Some(DecodeErrorKind::End));
    }
    assert_eq!(kind(Reader::new(b"\xc1").skip()), Some(DecodeErrorKind::Type));
}

#[test]
fn nesting_is_skipped_up_to_its_limit() {
    let nested = |depth| [vec![0x91; depth], vec![0xc0]].concat();
    assert_eq!(Reader::new(&nested(DEPTH_MAX)).skip(), Ok(()));
    assert_eq!(kind(Reader::new(&nested(DEPTH_MAX + 1)).skip()), Some(DecodeErrorKind::Depth));
}

#[test]
fn huge_announced_counts_end_with_the_input() {
    for bytes in [
        &b"\xdd\xff\xff\xff\xff\x01"[..],
        b"\xdf\xff\xff\xff\xff\x01",
        b"\xdb\xff\xff\xff\xffa",
        b"\xc9\xff\xff\xff\xff",
    ] {
        assert_eq!(kind(Reader::new(bytes).skip()), Some(DecodeErrorKind::End));
    }
}

#[test]
fn a_paused_skip_goes_on_where_the_input_ended() {
    let value = b"\x82\xa3abc\x93\x01\xda\0\x02xy\x90\xa1b\xc4\x02zz";
    let mut skipper = Skipper::new(1);
    let mut at = 0;
    for len in 0..value.len() {
        let mut reader = Reader::new(&value[at..len]);
        assert_eq!(kind(skipper.run(&mut reader)), Some(DecodeErrorKind::End));
        at += reader.offset();
    }
    let mut reader = Reader::new(&value[at..]);
    assert_eq!(skipper.run(&mut reader), Ok(()));
    assert_eq!(reader.rest(), b"");
}
