use super::*;

/// Prints a record with the one field `A`.
fn printed(value: &[u8]) -> String {
    let record = [b"\x81\xa1A", value].concat();
    fields(&record).expect("a record").remove(0).1
}

/// Seen in Serf 0.9.4.
#[test]
fn values_print_as_in_go() {
    for (value, text) in [
        (&b"\x05"[..], "5"),
        (b"\xfb", "-5"),
        (b"\xd1\xff\x38", "-200"),
        (b"\xd0\x05", "5"),
        (b"\xcc\x05", "0x5"),
        (b"\xcc\x80", "0x80"),
        (b"\xcd\x1f\x0a", "0x1f0a"),
        (b"\xcf\x80\0\0\0\0\0\0\0", "0x8000000000000000"),
        (b"\xc3", "true"),
        (b"\xc0", "<nil>"),
        (b"\xa8q\"\n\\\xc3\xa9\x01\xff", r#""q\"\n\\é\x01\xff""#),
        (b"\xda\0\x02ab", "\"ab\""),
        (b"\xc4\0", "[]byte(nil)"),
        (b"\xc4\x03\0\x80\xff", "[]byte{0x0, 0x80, 0xff}"),
        (b"\xca\x3f\x80\0\0", "1"),
        (b"\xcb\x3f\xf8\0\0\0\0\0\0", "1.5"),
        (b"\xcb\x7f\xf0\0\0\0\0\0\0", "+Inf"),
        (b"\x80", "map[interface {}]interface {}{}"),
        (
            b"\x96\x01\xcc\xc8\xff\xa1x\xc0\xc4\x02ab",
            r#"[]interface {}{1, 0xc8, -1, "x", interface {}(nil), []uint8{0x61, 0x62}}"#,
        ),
        (
            b"\x82\xa1k\x01\xa1j\x90",
            r#"map[interface {}]interface {}{"j":[]interface {}{}, "k":1}"#,
        ),
        (b"\x81\xc4\x01x\x05", r#"map[interface {}]interface {}{"x":5}"#),
        (
            b"\x87\xa1z\x01\xa1a\x02\x05\x01\xfb\x02\xc2\x02\xc0\x03\xcb\x3f\xf8\0\0\0\0\0\0\x01",
            r#"map[interface {}]interface {}{interface {}(nil):3, false:2, 1.5:1, -5:2, 5:1, "a":2, "z":1}"#,
        ),
    ] {
        assert_eq!(printed(value), text, "{value:02x?}");
    }
}

#[test]
fn floats_print_as_in_go() {
    for (value, text) in [
        (1e21, "1e+21"),
        (1e6, "1e+06"),
        (1e-7, "1e-07"),
        (100.0, "100"),
        (-0.0, "-0"),
        (f64::NAN, "NaN"),
        (f64::NEG_INFINITY, "-Inf"),
    ] {
        assert_eq!(print_float(value), text);
    }
}

#[test]
fn fields_are_sorted() {
    let names: Vec<_> = fields(b"\x82\xa1b\x01\xa1a\x02")
        .expect("a record")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn what_is_no_record_is_refused() {
    assert!(fields(b"\x05").is_err());
    assert!(fields(b"\x81\x05\x05").is_err(), "a name that is no text");
    assert!(fields(b"\x81\xa1A\xd4\0\0").is_err(), "an extension");
    assert!(fields(b"\x81\xa1A\xdd\xff\xff\xff\xff\x01").is_err(), "cut off");
    let deep = [&b"\x81\xa1A"[..], &[0x91; 1000], b"\x01"].concat();
    assert!(fields(&deep).is_err(), "too deep");
    assert_eq!(fields(b"\xc0"), Ok(Vec::new()));
}
