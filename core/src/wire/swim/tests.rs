use super::*;
use crate::msg::swim::{PushPullHeader, PushPullNode};

fn node(name: &str) -> PushPullNode<'_> {
    PushPullNode {
        name,
        addr: Some(&[10, 0, 0, 1]),
        port: 7_946,
        meta: Some(b"\xff\x80"),
        incarnation: 3,
        state: 0,
        vsn: Some(&[1, 5, 2, 2, 5, 5]),
    }
}

fn push_pull(nodes: u32, body: &[u8], user_state: &[u8]) -> Vec<u8> {
    let user_state_bytes = u32::try_from(user_state.len()).expect("small");
    let mut out = Vec::new();
    encode_push_pull_header(&PushPullHeader { nodes, user_state_bytes, join: true }, &mut out);
    out.extend_from_slice(body);
    out.extend_from_slice(user_state);
    out.split_off(1)
}

fn encoded(name: &str) -> Vec<u8> {
    let mut out = Vec::new();
    encode_push_pull_node(&node(name), &mut out);
    out
}

#[test]
fn a_key_layout_of_another_encoder_reads_the_same() {
    let canonical = b"\x83\xa4From\xa1f\xabIncarnation\x07\xa4Node\xa1n";
    let reordered = b"\x84\xa4Node\xd9\x01n\xa3Zed\x81\x01\x02\xabIncarnation\xd3\0\0\0\0\0\0\0\x07\xa4From\xa1f";
    let expected = Suspect { incarnation: 7, node: "n", from: "f" };
    assert_eq!(decode_suspect(canonical), Ok(expected));
    assert_eq!(decode_suspect(reordered), Ok(expected));
}

#[test]
fn a_repeated_key_counts_last_even_after_the_usual_layout() {
    let body = b"\x84\xa4From\xa1f\xabIncarnation\x07\xa4Node\xa1n\xa4From\xa1g";
    assert_eq!(decode_suspect(body), Ok(Suspect { incarnation: 7, node: "n", from: "g" }));
}

#[test]
fn empty_parts_of_a_source_are_left_out() {
    let mut out = Vec::new();
    encode_ping(&Ping { seq_no: 1, node: "n", source: Source::default() }, &mut out);
    assert_eq!(out, b"\x00\x82\xa4Node\xa1n\xa5SeqNo\x01");
    let ping = Ping { seq_no: 1, node: "n", source: Source { addr: &[], port: 9, node: "" } };
    out.clear();
    encode_ping(&ping, &mut out);
    assert_eq!(decode_ping(&out[1..]), Ok(ping));
}

#[test]
fn a_malformed_entry_is_an_error_in_its_place() {
    let bad_name = [&b"\x81\xa4Name\xa1\xff"[..], b"\x05", b"\x81\xa4Port\xce\0\x01\0\0"];
    for bad in bad_name {
        let body = push_pull(3, &[&encoded("a"), bad, &encoded("c")].concat(), b"xyz");
        let state = decode_push_pull(&body).expect("its framing is sound");
        let mut nodes = state.nodes();
        assert_eq!(nodes.next(), Some(Ok(node("a"))));
        assert!(nodes.next().expect("there").is_err());
        assert_eq!(nodes.next(), Some(Ok(node("c"))));
        assert_eq!(nodes.next(), None);
        assert_eq!(state.user_state(), b"xyz");
    }
}

#[test]
fn push_pull_counts_have_limits() {
    let header = |nodes: &[u8], user_state: &[u8]| {
        [b"\x82\xa5Nodes", nodes, b"\xacUserStateLen", user_state].concat()
    };
    let kind = |body: &[u8]| decode_push_pull(body).err().map(|error| error.kind);
    assert_eq!(kind(&header(b"\x00", b"\x00")), None);
    assert_eq!(kind(&header(b"\xff", b"\x00")), Some(DecodeErrorKind::Limit));
    assert_eq!(kind(&header(b"\x00", b"\xff")), Some(DecodeErrorKind::Limit));
    assert_eq!(kind(&header(b"\xce\x00\x10\x00\x00", b"\x00")), Some(DecodeErrorKind::End));
    assert_eq!(kind(&header(b"\xce\x00\x10\x00\x01", b"\x00")), Some(DecodeErrorKind::Limit));
    assert_eq!(kind(&header(b"\x00", b"\xce\x01\x40\x00\x00")), Some(DecodeErrorKind::End));
    assert_eq!(kind(&header(b"\x00", b"\xce\x01\x40\x00\x01")), Some(DecodeErrorKind::Limit));
}

#[test]
fn signed_states_and_counts_are_accepted() {
    let body =
        [&b"\x82\xa5Nodes\xd1\0\x01\xacUserStateLen\xd2\0\0\0\0"[..], b"\x81\xa5State\xd0\x03"]
            .concat();
    let state = decode_push_pull(&body).expect("sound");
    assert_eq!(state.nodes().next().expect("one").expect("sound").state, 3);
}

#[test]
fn a_template_writes_and_recognises_whole_entries() {
    let mut pieces = Vec::new();
    let [incarnation, state] = encode_node_template(&node("a"), &mut pieces);
    let template = NodeTemplate {
        head: &pieces[..incarnation],
        middle: &pieces[incarnation..state],
        tail: &pieces[state..],
    };
    let mut out = Vec::new();
    template.encode(3, 0, &mut out);
    assert_eq!(out, encoded("a"));
    let body = push_pull(2, &[out, encoded("b")].concat(), b"");
    let mut nodes = decode_push_pull(&body).expect("sound").nodes();
    assert_eq!(nodes.next_like(&template), Some((3, 0)));
    assert_eq!(nodes.next_like(&template), None);
    assert_eq!(nodes.next(), Some(Ok(node("b"))));
    assert_eq!(nodes.next_like(&template), None);
}

#[test]
fn user_bytes_have_a_limit_and_must_be_there() {
    let kind = |body: &[u8]| decode_user_header(body).err().map(|error| error.kind);
    assert_eq!(
        decode_user_header(b"\x81\xaaUserMsgLen\x02abc"),
        Ok((UserHeader { user_bytes: 2 }, &b"ab"[..]))
    );
    assert_eq!(kind(b"\x81\xaaUserMsgLen\x04abc"), Some(DecodeErrorKind::End));
    assert_eq!(kind(b"\x81\xaaUserMsgLen\xff"), Some(DecodeErrorKind::Limit));
    assert_eq!(kind(b"\x81\xaaUserMsgLen\xce\x01\x40\x00\x01"), Some(DecodeErrorKind::Limit));
}
