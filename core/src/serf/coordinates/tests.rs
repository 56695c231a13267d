use serde_json::Value;

use super::*;
use crate::coordinate::DIMENSIONS;
use crate::wire::coordinate::encode_ping_payload;

const PEER: NodeId = NodeId(7);

fn cases() -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("../../../tests/vectors/serf.json"))
        .expect("the vectors are JSON");
    vectors["ping_complete"].as_array().expect("a list").clone()
}

fn coordinate(value: &Value) -> Coordinate {
    let exact = &value["bits"];
    let read = |plain: &Value, bits: &Value| match bits.as_str() {
        Some(hex) => f64::from_bits(u64::from_str_radix(hex, 16).expect("16 digits")),
        None => plain.as_f64().expect("a number"),
    };
    let mut vec = [0.0; DIMENSIONS];
    for (index, place) in vec.iter_mut().enumerate() {
        *place = read(&value["Vec"][index], &exact["Vec"][index]);
    }
    let number = |key: &str| read(&value[key], &exact[key]);
    Coordinate {
        vec,
        error: number("Error"),
        adjustment: number("Adjustment"),
        height: number("Height"),
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits"))
        .collect()
}

#[test]
fn completed_pings_have_the_recorded_effect() {
    let cases = cases();
    assert!(cases.len() >= 12, "only {} cases", cases.len());
    for case in &cases {
        let name = &case["name"];
        let payload = bytes(case["payload_hex"].as_str().expect("hex"));
        let rtt = case["rtt_ns"].as_u64().expect("a time");
        let (mut coordinates, mut stats) = (Coordinates::new(), Stats::default());
        coordinates.vivaldi.set(coordinate(&case["start"])).expect("finite");
        let mut rng = Rng::from_seed([1; 32]);
        coordinates.on_ping_complete(PEER, rtt, &payload, &mut rng, &mut stats);

        let changed = case["changed"].as_bool().expect("a verdict");
        assert_eq!(coordinates.own(), coordinate(&case["after"]), "{name}");
        assert_eq!(stats.coordinate_updates, u64::from(changed), "{name}");
        let dropped = u64::from(!changed && !payload.is_empty());
        assert_eq!(stats.dropped(DropReason::Coordinate), dropped, "{name}");
        let cached = case["peer_cached"].as_bool().expect("a verdict");
        assert_eq!(coordinates.of(PEER).is_some(), cached, "{name}");
    }
}

fn payload(coordinate: &Coordinate) -> Vec<u8> {
    let mut out = Vec::new();
    encode_ping_payload(coordinate, &mut out);
    out
}

/// A peer 10 ms away on the first axis.
fn near() -> Coordinate {
    let mut near = Coordinate::ORIGIN;
    near.vec[0] = 0.01;
    near
}

#[test]
fn a_peer_is_cached_and_can_be_forgotten() {
    let (mut coordinates, mut stats) = (Coordinates::new(), Stats::default());
    let mut rng = Rng::from_seed([1; 32]);
    assert_eq!(coordinates.own(), Coordinate::ORIGIN);
    assert_eq!(coordinates.of(PEER), None);
    coordinates.on_ping_complete(PEER, 9_000_000, &payload(&near()), &mut rng, &mut stats);
    assert_eq!(coordinates.of(PEER), Some(near()));
    coordinates.forget(PEER);
    assert_eq!(coordinates.of(PEER), None);
    assert_eq!(stats.coordinate_updates, 1);
}

#[test]
fn a_refused_sample_keeps_what_was_known() {
    let (mut coordinates, mut stats) = (Coordinates::new(), Stats::default());
    let mut rng = Rng::from_seed([1; 32]);
    coordinates.on_ping_complete(PEER, 9_000_000, &payload(&near()), &mut rng, &mut stats);
    let own = coordinates.own();
    let infinite = Coordinate { height: f64::INFINITY, ..near() };
    coordinates.on_ping_complete(PEER, 9_000_000, &payload(&infinite), &mut rng, &mut stats);
    coordinates.on_ping_complete(
        PEER,
        u64::MAX,
        &payload(&Coordinate::ORIGIN),
        &mut rng,
        &mut stats,
    );
    assert_eq!((coordinates.own(), coordinates.of(PEER)), (own, Some(near())));
    assert_eq!(stats.dropped(DropReason::Coordinate), 2);
}

#[test]
fn resets_are_counted() {
    let (mut coordinates, mut stats) = (Coordinates::new(), Stats::default());
    let mut rng = Rng::from_seed([1; 32]);
    let absurd = Coordinate { height: 1e308, adjustment: 1e308, ..near() };
    coordinates.on_ping_complete(PEER, 1, &payload(&absurd), &mut rng, &mut stats);
    assert_eq!((coordinates.resets(), stats.coordinate_resets), (1, 1));
    assert_eq!(coordinates.own(), Coordinate::ORIGIN);
}

#[test]
fn nothing_is_on_the_heap_before_the_first_peer_and_entries_are_small() {
    assert_eq!(Coordinates::new().peers.capacity(), 0);
    assert_eq!(size_of::<(NodeId, Peer)>(), 120);
}
