use super::*;
use crate::msg::serf::StateClocks;

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
