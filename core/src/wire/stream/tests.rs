use super::*;
use crate::keyring::{Key, Keyring};
use crate::msg::swim::{Ack, ErrorReply, Ping, PushPullHeader, PushPullNode, UserHeader};
use crate::wire::seal::Sealer;
use crate::wire::swim;

fn rules(sealer: &Sealer) -> PacketRules<'_> {
    PacketRules {
        label: "",
        skip_inbound_label_check: false,
        sealer,
        seal_version: 1,
        verify_incoming: true,
        verify_outgoing: true,
        compression: false,
    }
}

fn keyed() -> Sealer {
    Sealer::new(&Keyring::with_primary(Key::new(&[1; 32]).expect("32 bytes")))
}

fn push_pull(nodes: u32, user_state: &[u8]) -> Vec<u8> {
    let user_state_bytes = u32::try_from(user_state.len()).expect("small");
    let mut out = Vec::new();
    swim::encode_push_pull_header(
        &PushPullHeader { nodes, user_state_bytes, join: true },
        &mut out,
    );
    for index in 0..nodes {
        let name = format!("node-{index}");
        let node =
            PushPullNode { name: &name, addr: Some(&[1, 2, 3, 4]), ..PushPullNode::default() };
        if index % 3 == 2 {
            // A layout of another encoder, which takes the slow path.
            out.extend_from_slice(b"\x82\xa5State\x00\xa4Name\xa1n");
        } else {
            swim::encode_push_pull_node(&node, &mut out);
        }
    }
    out.extend_from_slice(user_state);
    out
}

fn user(len: u32) -> Vec<u8> {
    let mut out = Vec::new();
    swim::encode_user_header(&UserHeader { user_bytes: len }, &mut out);
    out.resize(out.len() + usize_from(len), b'u');
    out
}

fn ping() -> Vec<u8> {
    let mut out = Vec::new();
    swim::encode_ping(&Ping { seq_no: 1, node: "n", ..Ping::default() }, &mut out);
    out
}

fn ack() -> Vec<u8> {
    let mut out = Vec::new();
    swim::encode_ack(&Ack { seq_no: 1, payload: None }, &mut out);
    out
}

fn sent(message: &[u8], rules: &PacketRules<'_>, initiator: bool) -> Vec<u8> {
    let mut out = Vec::new();
    encode_stream(message, rules, initiator, &mut Rng::from_seed([1; 32]), &mut out);
    out
}

fn refused(bytes: &[u8], rules: &PacketRules<'_>) -> (DropReason, bool) {
    let error = StreamReader::inbound().push(bytes, rules).expect_err("refused");
    (error.reason, error.reply)
}

#[test]
fn every_wrapping_arrives_whole_in_any_chunks() {
    let (none, keyed) = (Sealer::default(), keyed());
    for sealer in [&none, &keyed] {
        for (label, compression, seal_version) in
            [("", false, 1), ("blue", true, 0), ("blue", false, 1), ("", true, 0)]
        {
            let rules = PacketRules { label, compression, seal_version, ..rules(sealer) };
            for message in [ping(), user(0), user(300), push_pull(0, b""), push_pull(9, b"state")] {
                let bytes = sent(&message, &rules, true);
                for chunk in [1, 2, 7, bytes.len()] {
                    let mut reader = StreamReader::inbound();
                    let mut got = None;
                    for chunk in bytes.chunks(chunk) {
                        assert_eq!(got, None, "complete before its last byte");
                        got = reader.push(chunk, &rules).expect("sound");
                    }
                    let got = got.expect("complete");
                    assert_eq!(got.body(), &message[1..]);
                    assert_eq!(got.into_bytes(), message);
                    assert_eq!(reader.push(b"more", &rules), Ok(None));
                }
            }
        }
    }
}

#[test]
fn extra_bytes_are_not_part_of_the_message() {
    let sealer = Sealer::default();
    for message in [ping(), user(5), push_pull(2, b"state")] {
        let bytes = [&message[..], b"extra"].concat();
        let got = StreamReader::inbound()
            .push(&bytes, &rules(&sealer))
            .expect("sound")
            .expect("complete");
        assert_eq!(got.into_bytes(), message);
    }
}

#[test]
fn replies_have_no_label_header_but_are_sealed_with_the_label() {
    let sealer = keyed();
    let blue = PacketRules { label: "blue", ..rules(&sealer) };
    let bytes = sent(&ack(), &blue, false);
    assert_eq!(bytes[0], 10);
    let got = StreamReader::outbound().push(&bytes, &blue).expect("sound").expect("complete");
    assert_eq!((got.kind(), got.into_bytes()), (MessageType::Ack, ack()));
    let red = PacketRules { label: "red", ..blue };
    let error = StreamReader::outbound().push(&bytes, &red).expect_err("wrong associated data");
    assert_eq!((error.reason, error.reply), (DropReason::Decrypt, false));
}

#[test]
fn each_side_takes_only_its_own_types() {
    let sealer = Sealer::default();
    let mut error_reply = Vec::new();
    swim::encode_error_reply(&ErrorReply { error: "no" }, &mut error_reply);
    for bytes in [&ack()[..], &error_reply, b"\x07\x01", b"\x04", b"\xc8"] {
        assert_eq!(refused(bytes, &rules(&sealer)), (DropReason::MessageType, false));
    }
    for message in [ack(), error_reply, push_pull(1, b"")] {
        let got = StreamReader::outbound().push(&message, &rules(&sealer)).expect("sound");
        assert_eq!(got.expect("complete").into_bytes(), message);
    }
    for bytes in [&ping()[..], &user(1), b"\xf4\x04blue"] {
        let error = StreamReader::outbound().push(bytes, &rules(&sealer)).expect_err("refused");
        assert_eq!((error.reason, error.reply), (DropReason::MessageType, false));
    }
}

#[test]
fn only_failures_to_unwrap_get_a_reply() {
    let (none, keyed) = (Sealer::default(), keyed());
    assert_eq!(refused(b"\x0a\0\0\0", &rules(&none)), (DropReason::Decrypt, true));
    assert_eq!(refused(&ping(), &rules(&keyed)), (DropReason::Decrypt, true));
    assert_eq!(refused(b"\x0a\x01\x40\x00\x01", &rules(&keyed)), (DropReason::Decrypt, true));
    assert_eq!(
        refused(&[b"\x0a\0\0\0\x1d".as_slice(), &[1; 29]].concat(), &rules(&keyed)),
        (DropReason::Decrypt, true)
    );
    assert!(refused(b"\x09\x05", &rules(&none)).1);
    assert_eq!(
        refused(b"\x09\x82\xa4Algo\x01\xa3Buf\xa1x", &rules(&none)),
        (DropReason::Decompress, true)
    );
    assert_eq!(
        refused(b"\x09\x82\xa4Algo\x00\xa3Buf\xa3\x00\x03\x02", &rules(&none)),
        (DropReason::Decompress, true)
    );
    assert_eq!(refused(b"\x06\x05", &rules(&none)), (DropReason::Decode, false));
    assert_eq!(refused(b"\x06\x81\xa5Nodes\xff", &rules(&none)), (DropReason::Decode, false));
    assert_eq!(refused(b"\x08\x81\xaaUserMsgLen\xff", &rules(&none)), (DropReason::Decode, false));
}

#[test]
fn plaintext_is_taken_when_incoming_is_not_verified() {
    let sealer = keyed();
    let lenient = PacketRules { verify_incoming: false, ..rules(&sealer) };
    let got = StreamReader::inbound().push(&ping(), &lenient).expect("sound").expect("complete");
    assert_eq!(got.into_bytes(), ping());
    let got = StreamReader::inbound().push(&sent(&ping(), &lenient, true), &lenient);
    assert_eq!(got.expect("sound").expect("complete").into_bytes(), ping());
}

#[test]
fn labels_must_match_and_be_whole() {
    let sealer = Sealer::default();
    let blue = PacketRules { label: "blue", ..rules(&sealer) };
    let skipping = PacketRules { skip_inbound_label_check: true, ..blue };
    let labelled = sent(&ping(), &blue, true);
    assert_eq!(refused(&labelled, &rules(&sealer)), (DropReason::Label, false));
    assert_eq!(refused(&labelled, &skipping), (DropReason::Label, false));
    assert_eq!(refused(&ping(), &blue), (DropReason::Label, false));
    assert_eq!(refused(b"\xf4\x00", &blue), (DropReason::Label, false));
    assert_eq!(StreamReader::inbound().push(b"\xf4\x04blu", &blue), Ok(None));
    assert!(StreamReader::inbound().push(&ping(), &skipping).expect("sound").is_some());
}

#[test]
fn a_container_that_holds_half_a_message_is_an_error_at_once() {
    let (none, keyed) = (Sealer::default(), keyed());
    let half = &push_pull(3, b"state")[..40];
    assert_eq!(
        refused(&sent(half, &rules(&keyed), true), &rules(&keyed)),
        (DropReason::Decode, false)
    );
    let compressing = PacketRules { compression: true, ..rules(&none) };
    assert_eq!(
        refused(&sent(half, &compressing, true), &rules(&none)),
        (DropReason::Decode, false)
    );
    assert_eq!(StreamReader::inbound().push(half, &rules(&none)), Ok(None));
}

#[test]
fn an_empty_sealed_message_and_a_second_compression_are_refused() {
    let (none, keyed) = (Sealer::default(), keyed());
    let mut empty = b"\x0a\0\0\0\x1d".to_vec();
    let header: [u8; 5] = empty[..].try_into().expect("five bytes");
    keyed.seal(1, &mut Rng::from_seed([1; 32]), [&header, &[]], b"", &mut empty);
    assert_eq!(refused(&empty, &rules(&keyed)), (DropReason::Empty, true));
    let compressing = PacketRules { compression: true, ..rules(&none) };
    let twice = sent(&sent(&ping(), &compressing, true), &compressing, true);
    assert_eq!(refused(&twice, &rules(&none)), (DropReason::MessageType, false));
}

#[test]
fn many_small_chunks_take_linear_time() {
    let sealer = Sealer::default();
    let message = push_pull(20_000, &[7; 100_000]);
    let mut reader = StreamReader::inbound();
    let mut got = None;
    // Reading again from the start for each byte would take minutes.
    for byte in &message {
        got = reader.push(core::slice::from_ref(byte), &rules(&sealer)).expect("sound");
    }
    assert_eq!(got.expect("complete").body().len(), message.len() - 1);
}

#[test]
fn an_endless_message_is_cut_off() {
    let sealer = Sealer::default();
    let mut reader = StreamReader::inbound();
    // One unknown key whose value never ends: an array of 2^32-1 elements.
    assert_eq!(reader.push(b"\x00\x81\xa1x\xdd\xff\xff\xff\xff", &rules(&sealer)), Ok(None));
    let chunk = vec![0; 1 << 20];
    let pushes = (0..100).take_while(|_| reader.push(&chunk, &rules(&sealer)) == Ok(None)).count();
    assert_eq!(pushes, MESSAGE_BYTES_MAX / chunk.len());
}
