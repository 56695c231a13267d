use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn section(name: &str, kind: &str) -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/serf.json"))
        .expect("the vectors are JSON");
    let entries = vectors[name].as_array().expect("a list");
    entries.iter().filter(|entry| entry["kind"] == kind).cloned().collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    let hex = value.as_str().expect("hex");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits"))
        .collect()
}

fn encoded(coordinate: &Coordinate) -> Vec<u8> {
    let mut out = Vec::new();
    encode_ping_payload(coordinate, &mut out);
    out
}

/// The coordinate that a vector describes; `None` if it has another number of dimensions.
fn described(value: &Value) -> Option<Coordinate> {
    let vec: Vec<f64> =
        value["Vec"].as_array()?.iter().map(|part| part.as_f64().expect("a number")).collect();
    let number = |key: &str| value[key].as_f64().expect("a number");
    Some(Coordinate {
        vec: vec.try_into().ok()?,
        error: number("Error"),
        adjustment: number("Adjustment"),
        height: number("Height"),
    })
}

#[test]
fn the_recorded_payloads_decode_and_encode_to_the_same_bytes() {
    let entries = section("messages", "ping_ack_payload");
    assert!(entries.len() >= 3, "only {} payloads", entries.len());
    for entry in &entries {
        let payload = bytes(&entry["hex"]);
        let coordinate = decode_ping_payload(&payload).expect("sound");
        assert!(coordinate.is_finite(), "{}", entry["name"]);
        if entry["decoded"].is_object() {
            assert_eq!(Some(coordinate), described(&entry["decoded"]), "{}", entry["name"]);
        }
        assert_eq!(encoded(&coordinate), payload, "{}", entry["name"]);
    }
}

#[test]
fn odd_encodings_are_judged_as_recorded() {
    let entries = section("decode_tolerance", "coord");
    assert!(entries.len() >= 3, "only {} encodings", entries.len());
    for entry in &entries {
        let payload = [vec![VERSION], bytes(&entry["hex"])].concat();
        let accepted = entry["codec_0_5_accepts"].as_bool().expect("a verdict");
        let expected = if accepted { described(&entry["decoded"]) } else { None };
        assert_eq!(decode_ping_payload(&payload).ok(), expected, "{}", entry["name"]);
    }
}

#[test]
fn any_order_any_number_type_and_missing_keys_are_read() {
    let payload = b"\x01\x84\xa3Vec\x98\x01\xe0\xcc\xff\xca\x3f\x00\x00\x00\xc0\xd1\xff\x00\xcf\xff\xff\xff\xff\xff\xff\xff\xff\
        \xcb\x3f\xf0\x00\x00\x00\x00\x00\x00\xa4Some\x91\x81\x01\x02\xa6Height\x02\xa5Error\xc0trailing";
    let coordinate = decode_ping_payload(payload).expect("sound");
    assert_eq!(
        coordinate.vec,
        [1.0, -32.0, 255.0, 0.5, 0.0, -256.0, 18_446_744_073_709_551_615.0, 1.0]
    );
    assert_eq!([coordinate.error, coordinate.adjustment, coordinate.height], [0.0, 0.0, 2.0]);
}

#[test]
fn a_structure_may_come_as_an_array() {
    let payload = b"\x01\x95\x98\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c";
    let expected = Coordinate {
        vec: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        error: 9.0,
        adjustment: 10.0,
        height: 11.0,
    };
    assert_eq!(decode_ping_payload(payload), Ok(expected));
    let short = Coordinate { adjustment: 0.0, height: 0.0, ..expected };
    let payload = b"\x01\x92\x98\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a";
    assert_eq!(decode_ping_payload(payload), Ok(short));
    assert_eq!(kind(b"\x01\x90"), Err(DecodeErrorKind::Type));
    assert_eq!(kind(b"\x01\x92\x98"), Err(DecodeErrorKind::End));
}

#[test]
fn the_last_of_two_equal_keys_counts() {
    let mut payload = b"\x01\x82\xa3Vec\x92\x01\x02\xa3Vec\x98".to_vec();
    payload.extend_from_slice(&[7; 8]);
    assert_eq!(decode_ping_payload(&payload).map(|c| c.vec), Ok([7.0; 8]));
    let mut payload = b"\x01\x82\xa3Vec\x98".to_vec();
    payload.extend_from_slice(&[7; 8]);
    payload.extend_from_slice(b"\xa3Vec\x92\x01\x02");
    assert_eq!(kind(&payload), Err(DecodeErrorKind::Type));
}

fn kind(payload: &[u8]) -> Result<(), DecodeErrorKind> {
    decode_ping_payload(payload).map(|_| ()).map_err(|error| error.kind)
}

#[test]
fn other_versions_and_other_shapes_are_refused() {
    let good = encoded(&Coordinate::ORIGIN);
    assert_eq!(good.len(), PING_PAYLOAD_BYTES);
    for version in [0, 2, 255] {
        let other = [&[version], &good[1..]].concat();
        assert_eq!(kind(&other), Err(DecodeErrorKind::Range));
    }
    for len in 0..good.len() {
        assert_eq!(kind(&good[..len]), Err(DecodeErrorKind::End), "cut to {len}");
    }
    assert_eq!(kind(b"\x01\x80"), Err(DecodeErrorKind::Type));
    assert_eq!(kind(b"\x01\xc0"), Err(DecodeErrorKind::Type));
    assert_eq!(kind(b"\x01\x81\xa5Error\xa1x"), Err(DecodeErrorKind::Type));
    assert_eq!(kind(b"\x01\x81\xa5Error\xc3"), Err(DecodeErrorKind::Type));
    assert_eq!(kind(b"\x01\x81\xa3Vec\xdd\xff\xff\xff\xff\x00"), Err(DecodeErrorKind::End));
    assert_eq!(kind(b"\x01\x81\xa3Vec\x99\0\0\0\0\0\0\0\0\0"), Err(DecodeErrorKind::Type));
}

fn bit_pattern(coordinate: &Coordinate) -> Vec<u64> {
    let numbers = [coordinate.error, coordinate.adjustment, coordinate.height];
    coordinate.vec.into_iter().chain(numbers).map(f64::to_bits).collect()
}

proptest! {
    #[test]
    fn any_bytes_decode_or_fail(payload in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_ping_payload(&payload);
        let _ = decode_ping_payload(&[&[VERSION], &*payload].concat());
    }

    #[test]
    fn flipped_bits_decode_or_fail(
        flips in proptest::collection::vec((0..PING_PAYLOAD_BYTES, 0..8_u32), 1..4),
    ) {
        let mut payload = encoded(&Coordinate::ORIGIN);
        for (at, bit) in flips {
            payload[at] ^= 1 << bit;
        }
        let _ = decode_ping_payload(&payload);
    }

    #[test]
    fn every_number_survives_the_round_trip(
        vec in proptest::array::uniform8(proptest::num::f64::ANY),
        rest in proptest::array::uniform3(proptest::num::f64::ANY),
    ) {
        let [error, adjustment, height] = rest;
        let coordinate = Coordinate { vec, error, adjustment, height };
        let decoded = decode_ping_payload(&encoded(&coordinate)).expect("our own layout");
        prop_assert_eq!(bit_pattern(&decoded), bit_pattern(&coordinate));
    }
}
