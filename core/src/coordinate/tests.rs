use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::rng::Rng;

fn cases() -> Vec<Value> {
    let vectors: Value = serde_json::from_str(include_str!("../../tests/vectors/serf.json"))
        .expect("the vectors are JSON");
    vectors["coordinates"].as_array().expect("a list").clone()
}

fn rng() -> Rng {
    Rng::from_seed([9; 32])
}

/// A number as the vectors write it: plain, or the name of one that is not finite.
fn number(value: &Value) -> f64 {
    match value.as_str() {
        Some("inf") => f64::INFINITY,
        Some("-inf") => f64::NEG_INFINITY,
        Some("nan") => f64::NAN,
        Some(other) => panic!("{other} is no number"),
        None => value.as_f64().expect("a number"),
    }
}

fn bits(value: &Value) -> f64 {
    let hex = value.as_str().expect("hex");
    f64::from_bits(u64::from_str_radix(hex, 16).expect("16 digits"))
}

/// A coordinate, exact if its bits are given. Missing dimensions stay zero, which changes no result; more than there
/// are, or fewer than `expected`, is `None`: such a coordinate does not even decode.
fn coordinate(value: &Value, expected: usize) -> Option<Coordinate> {
    let (from, read): (_, fn(&Value) -> f64) =
        if value["bits"].is_object() { (&value["bits"], bits) } else { (value, number) };
    let given = from["Vec"].as_array().expect("a list");
    if given.len() != expected || expected > DIMENSIONS {
        return None;
    }
    let mut vec = [0.0; DIMENSIONS];
    for (place, value) in vec.iter_mut().zip(given) {
        *place = read(value);
    }
    Some(Coordinate {
        vec,
        error: read(&from["Error"]),
        adjustment: read(&from["Adjustment"]),
        height: read(&from["Height"]),
    })
}

fn dimensions(case: &Value) -> usize {
    let count = case["config"]["Dimensionality"].as_u64().unwrap_or(8);
    usize::try_from(count).expect("few")
}

/// Equal bit for bit if the vector gives bits, otherwise to 1e-9; zeros of either sign are equal.
fn assert_same(got: &Coordinate, want: &Value, dimensions: usize, context: &str) {
    let expected = coordinate(want, dimensions).expect("as many dimensions as configured");
    if want["bits"].is_object() {
        assert_eq!(got, &expected, "{context}");
        return;
    }
    let flat = |c: &Coordinate| {
        c.vec.into_iter().chain([c.error, c.adjustment, c.height]).collect::<Vec<_>>()
    };
    for (got, want) in flat(got).iter().zip(flat(&expected)) {
        assert!((got - want).abs() < 1e-9, "{context}: {got} is not {want}");
    }
}

/// Runs one case with the window and the filter that its configuration names.
fn run(case: &Value) {
    let config = &case["config"];
    let fixed = [
        ("GravityRho", GRAVITY_RHO),
        ("HeightMin", HEIGHT_MIN),
        ("VivaldiCC", POSITION_GAIN),
        ("VivaldiCE", ERROR_GAIN),
        ("VivaldiErrorMax", ERROR_MAX),
    ];
    for (name, value) in fixed {
        assert_eq!(config[name].as_f64(), Some(value), "{name} is fixed");
    }
    let sizes = ["AdjustmentWindowSize", "LatencyFilterSize"].map(|name| config[name].as_u64());
    match sizes.map(|size| size.expect("a size")) {
        [20, 3] => run_sized::<20, 3>(case),
        [20, 4] => run_sized::<20, 4>(case),
        [20, 1] => run_sized::<20, 1>(case),
        [0, 3] => run_sized::<0, 3>(case),
        [0, 1] => run_sized::<0, 1>(case),
        other => panic!("add a line for {other:?}"),
    }
}

fn run_sized<const WINDOW: usize, const KEPT: usize>(case: &Value) {
    match case["kind"].as_str().expect("a kind") {
        "vivaldi_sequence" | "vivaldi_sequence_ops" => replay::<WINDOW, KEPT>(case),
        "vivaldi_invariants" => replay_invariants::<WINDOW, KEPT>(case),
        "vivaldi_mesh" => replay_mesh::<WINDOW, KEPT>(case),
        other => panic!("add a test for {other}"),
    }
}

fn replay<const WINDOW: usize, const KEPT: usize>(case: &Value) {
    let dimensions = dimensions(case);
    let mut vivaldi = Vivaldi::<WINDOW>::default();
    if case["start"].is_object() {
        vivaldi.set(coordinate(&case["start"], dimensions).expect("a start")).expect("finite");
    }
    let mut filters = std::collections::BTreeMap::<String, Latencies<KEPT>>::new();
    let mut rng = rng();
    for (index, step) in case["steps"].as_array().expect("steps").iter().enumerate() {
        let context = format!("{}, step {index}", case["name"]);
        let node = step["node"].as_str().expect("a name");
        if step["op"].as_str().is_some_and(|op| op != "update") {
            filters.remove(node);
            continue;
        }
        let before = vivaldi.clone();
        let rtt = step["rtt_ns"].as_i64().expect("a time");
        let other = coordinate(&step["other"], dimensions);
        let filter = filters.entry(node.to_owned()).or_default();
        let accepted =
            other.is_some_and(|other| vivaldi.update(filter, &other, rtt, &mut rng).is_ok());
        assert_eq!(accepted, !step["error"].as_bool().unwrap_or(false), "{context}");
        if accepted {
            assert_same(vivaldi.own(), &step["after"], dimensions, &context);
        } else {
            assert_eq!(vivaldi.own(), before.own(), "{context}");
        }
        if let (Some(want), Some(other)) = (step["distance_to_other_ns"].as_i64(), other) {
            assert_eq!(vivaldi.own().distance(&other), want, "{context}");
        }
        if let Some(resets) = step["resets"].as_u64() {
            assert_eq!(vivaldi.resets(), resets, "{context}");
        }
    }
}

fn replay_invariants<const WINDOW: usize, const KEPT: usize>(case: &Value) {
    let other = coordinate(&case["other"], DIMENSIONS).expect("a peer");
    let (mut vivaldi, mut filter) = (Vivaldi::<WINDOW>::default(), Latencies::<KEPT>::default());
    let mut rng = rng();
    for step in case["steps"].as_array().expect("steps") {
        let rtt = step["rtt_ns"].as_i64().expect("a time");
        vivaldi.update(&mut filter, &other, rtt, &mut rng).expect("sound");
        let own = vivaldi.own();
        let got = [own.adjustment, own.error, own.height, magnitude(&own.vec)];
        let want = ["Adjustment", "Error", "Height", "vec_magnitude"].map(|key| number(&step[key]));
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 1e-12, "{got} is not {want}");
        }
    }
}

/// The three clients' updates within a round: who learns from whom, and the milliseconds.
const MESH_ROUND: [(usize, usize, i64); 6] =
    [(0, 1, 12), (0, 2, 80), (1, 2, 75), (1, 0, 12), (2, 0, 80), (2, 1, 75)];

fn replay_mesh<const WINDOW: usize, const KEPT: usize>(case: &Value) {
    const NAMES: [&str; 3] = ["a", "b", "c"];
    let mut nodes = NAMES.map(|name| {
        let mut vivaldi = Vivaldi::<WINDOW>::default();
        let start = coordinate(&case["start"][name], DIMENSIONS).expect("a start");
        vivaldi.set(start).expect("finite");
        (vivaldi, [Latencies::<KEPT>::default(); 3])
    });
    let mut rng = rng();
    let mut round = 0;
    for checkpoint in case["checkpoints"].as_array().expect("checkpoints") {
        while round < checkpoint["round"].as_u64().expect("a round") {
            for (who, whom, millis) in MESH_ROUND {
                let other = *nodes[whom].0.own();
                let (vivaldi, filters) = &mut nodes[who];
                vivaldi
                    .update(&mut filters[whom], &other, millis * 1_000_000, &mut rng)
                    .expect("sound");
            }
            round += 1;
        }
        let context = format!("round {round}");
        for (name, (vivaldi, _)) in NAMES.iter().zip(&nodes) {
            assert_same(vivaldi.own(), &checkpoint[*name], DIMENSIONS, &context);
        }
        for (key, a, b) in [("dist_ab_ns", 0, 1), ("dist_ac_ns", 0, 2), ("dist_bc_ns", 1, 2)] {
            let distance = nodes[a].0.own().distance(nodes[b].0.own());
            assert_eq!(Some(distance), checkpoint[key].as_i64(), "{context}, {key}");
        }
    }
}

fn check_distances(case: &Value) {
    for pair in case["pairs"].as_array().expect("pairs") {
        let [a, b] = ["a", "b"].map(|key| coordinate(&pair[key], DIMENSIONS).expect("sound"));
        assert_eq!(Some(a.distance(&b)), pair["distance_ns"].as_i64(), "{pair}");
    }
}

#[test]
fn the_recorded_sequences_come_out_bit_for_bit() {
    let cases = cases();
    assert!(cases.len() >= 10, "only {} cases", cases.len());
    for case in &cases {
        match case["kind"].as_str() {
            Some("vivaldi_distance") => check_distances(case),
            _ => run(case),
        }
    }
}

fn at(x: f64) -> Coordinate {
    let mut coordinate = Coordinate::ORIGIN;
    coordinate.vec[0] = x;
    coordinate
}

#[test]
fn an_absurd_peer_resets_the_coordinate_until_it_leaves_the_window() {
    let (mut vivaldi, mut filter) = (Vivaldi::<20>::default(), Latencies::<3>::default());
    let mut rng = rng();
    vivaldi.update(&mut filter, &at(1e200), 1_000, &mut rng).expect("finite");
    assert_eq!((vivaldi.resets(), vivaldi.own()), (1, &Coordinate::ORIGIN));
    for round in 0..25 {
        vivaldi.update(&mut filter, &at(0.01), 10_000_000, &mut rng).expect("sound");
        assert_eq!(vivaldi.resets(), 1 + u64::min(round + 1, 19), "round {round}");
    }
    assert_ne!(vivaldi.own(), &Coordinate::ORIGIN);
}

#[test]
fn a_distance_that_fits_no_integer_is_the_smallest_one() {
    let far = at(1e300);
    assert_eq!(far.distance(&Coordinate::ORIGIN), i64::MIN);
    assert_eq!(at(1e10).distance(&Coordinate::ORIGIN), i64::MIN);
    assert_eq!(at(1.0).distance(&Coordinate::ORIGIN), 1_000_020_000);
    let negative = Coordinate { height: -3.0, ..Coordinate::ORIGIN };
    assert_eq!(negative.distance(&Coordinate::ORIGIN), -2_999_990_000);
    let nan = Coordinate { height: f64::NAN, ..Coordinate::ORIGIN };
    assert_eq!(nan.distance(&Coordinate::ORIGIN), i64::MIN);
}

#[test]
fn a_filter_and_a_coordinate_stay_small() {
    assert_eq!(size_of::<Latencies>(), 24);
    assert_eq!(size_of::<Coordinate>(), 88);
    assert!(size_of::<Vivaldi>() <= 112);
    assert!(Vivaldi::<20>::default().window.is_none());
}

#[test]
fn only_finite_coordinates_can_be_set() {
    let mut vivaldi = Vivaldi::<20>::default();
    let infinite = Coordinate { error: f64::INFINITY, ..at(1.0) };
    assert_eq!(vivaldi.set(infinite), Err(Rejected::NotFinite));
    assert_eq!(vivaldi.own(), &Coordinate::ORIGIN);
    vivaldi.set(at(1.0)).expect("finite");
    assert_eq!(vivaldi.own(), &at(1.0));
}

fn arbitrary_coordinate() -> impl Strategy<Value = Coordinate> {
    let number = || {
        prop_oneof![
            4 => -0.1..0.1,
            1 => proptest::num::f64::ANY,
            1 => proptest::num::f64::NORMAL,
            1 => Just(f64::INFINITY),
        ]
    };
    (proptest::array::uniform8(number()), number(), number(), number())
        .prop_map(|(vec, error, adjustment, height)| Coordinate { vec, error, adjustment, height })
}

fn snapshot(vivaldi: &Vivaldi, filter: &Latencies) -> (String, Coordinate, [u64; 3]) {
    (format!("{vivaldi:?}"), *vivaldi.own(), filter.samples.map(f64::to_bits))
}

proptest! {
    #[test]
    fn whatever_peers_send_the_own_coordinate_stays_finite(
        samples in proptest::collection::vec(
            (arbitrary_coordinate(), prop_oneof![0..=RTT_MAX, any::<i64>()]),
            1..40,
        ),
    ) {
        let (mut vivaldi, mut filter) = (Vivaldi::<20>::default(), Latencies::<3>::default());
        let mut rng = rng();
        for (other, rtt) in samples {
            let before = snapshot(&vivaldi, &filter);
            let result = vivaldi.update(&mut filter, &other, rtt, &mut rng);
            prop_assert_eq!(
                result.is_ok(),
                other.is_finite() && (0..=RTT_MAX).contains(&rtt)
            );
            if result.is_err() {
                prop_assert_eq!(snapshot(&vivaldi, &filter), before);
            }
            prop_assert!(vivaldi.own().is_finite());
        }
    }
}
