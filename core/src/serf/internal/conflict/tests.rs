use super::*;
use crate::ids::Vsn;

fn own() -> Profile {
    let addr = WireAddr::from_wire(&[10, 0, 0, 1]).expect("4 bytes");
    let meta = Bytes::new();
    Profile { node: NodeId(0), addr, port: 7946, vsn: Vsn::default(), meta }
}

fn vote(answers: &[(&[u8], u16)]) -> Vote {
    let mut vote = Vote::default();
    for (addr, port) in answers {
        let member = ConflictResponse { name: "n0", addr, port: *port, ..Default::default() };
        let mut payload = Vec::new();
        encode_conflict_response(Some(&member), &mut payload);
        vote.count(&payload, &own());
    }
    vote
}

const ME: (&[u8], u16) = (&[10, 0, 0, 1], 7946);
const OTHER: (&[u8], u16) = (&[10, 0, 0, 2], 7946);

#[test]
fn more_than_half_must_know_this_node() {
    for (answers, won) in [
        (&[][..], false),
        (&[ME][..], true),
        (&[ME, OTHER], false),
        (&[ME, ME, OTHER], true),
        (&[ME, OTHER, OTHER], false),
        (&[ME, ME, OTHER, OTHER], false),
    ] {
        assert_eq!(vote(answers).is_won(), won, "{answers:?}");
    }
}

#[test]
fn port_and_address_count_and_mapped_addresses_are_equal() {
    let mut mapped = [0; 16];
    mapped[10..].copy_from_slice(&[255, 255, 10, 0, 0, 1]);
    assert_eq!(vote(&[(&mapped, 7946)]).matching, 1);
    assert_eq!(vote(&[(&[10, 0, 0, 1], 7947), (&[10, 0, 0], 7946)]).matching, 0);
}

#[test]
fn unknown_names_are_votes_and_noise_is_none() {
    let mut vote = Vote::default();
    vote.count(b"\x06\xc0", &own());
    assert_eq!((vote.responses, vote.matching), (1, 0));
    for noise in [&b""[..], b"\x05\xc0", b"\x06\xc1", b"\x06"] {
        vote.count(noise, &own());
    }
    assert_eq!(vote.responses, 1);
}
