use super::*;
use crate::msg::serf::QueryResponse;
use crate::testing::serf_vectors;
use crate::wire::serf::{decode_key_response, encode_key_request, query_response_len};

fn ring(keys: u8, bytes: usize) -> Keyring {
    let mut ring = Keyring::default();
    for key in 0..keys {
        ring.install(Key::new(&vec![key; bytes]).expect("a valid length"));
    }
    ring
}

fn request(key: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    encode_key_request(key, &mut payload);
    payload
}

fn change(ring: &mut Keyring, change: KeyChange, key: &[u8]) -> Result<bool, &'static str> {
    change_ring(ring, change, &request(key))
}

#[test]
fn recorded_key_lists() {
    let vectors = serf_vectors();
    let cases = vectors["key_list_truncation"].as_array().expect("a list");
    assert!(cases.len() >= 11);
    for case in cases {
        let number =
            |key: &str| usize::try_from(case[key].as_u64().expect("a number")).expect("small");
        let limit = number("QueryResponseSizeLimit");
        let keys = u8::try_from(number("keys")).expect("a byte");
        let ring = ring(keys, number("key_bytes"));
        // The answers were recorded on a node with this name, to a query with these numbers.
        let id = u32::try_from(case["id"].as_u64().unwrap_or(1_000_000)).expect("an id");
        let len = |payload: &[u8]| {
            query_response_len(&QueryResponse {
                ltime: case["ltime"].as_u64().unwrap_or(5),
                id,
                from: case["from"].as_str().unwrap_or("n1"),
                flags: 0,
                payload: Some(payload),
            })
        };
        let payload = key_list(&ring, limit, |payload| len(payload) <= limit);
        if case["error"].is_string() {
            assert_eq!(payload, None, "{case}");
            continue;
        }
        let payload = payload.expect("one fits");
        let response = decode_key_response(&payload[1..]).expect("our own");
        assert!(response.result);
        assert_eq!(response.message, case["message"].as_str().expect("a text"), "{case}");
        let listed = response.keys.expect("a list");
        assert_eq!(listed.len(), number("keys_sent"), "{case}");
        assert_eq!(listed[0], response.primary_key);
        assert_eq!(len(&payload), number("encoded_length"), "{case}");
    }
}

#[test]
fn no_key_fits_a_tiny_answer() {
    assert_eq!(key_list(&ring(2, 16), 100, |payload| payload.len() <= 60), None);
}

#[test]
fn refusals_have_the_texts_of_the_stock_agent() {
    let refused = |change_: KeyChange, key: &[u8]| change(&mut ring(2, 16), change_, key);
    let unknown = Err("Requested key is not in the keyring");
    assert_eq!(refused(KeyChange::Use, &[9; 16]), unknown);
    assert_eq!(refused(KeyChange::Use, &[9; 5]), unknown, "of a length no key has");
    assert_eq!(
        refused(KeyChange::Remove, &[0; 16]),
        Err("Removing the primary key is not allowed")
    );
    for len in [0, 15, 33] {
        assert_eq!(
            refused(KeyChange::Install, &vec![0; len]),
            Err("key size must be 16, 24 or 32 bytes")
        );
    }
    assert_eq!(
        change(&mut Keyring::default(), KeyChange::Install, &[0; 16]),
        Err("No keyring to modify (encryption not enabled)")
    );
}

#[test]
fn repeated_changes_succeed_without_an_effect() {
    let mut ring = ring(2, 16);
    assert_eq!(change(&mut ring, KeyChange::Install, &[1; 16]), Ok(false));
    assert_eq!(change(&mut ring, KeyChange::Use, &[0; 16]), Ok(false));
    assert_eq!(change(&mut ring, KeyChange::Remove, &[9; 16]), Ok(false));
    assert_eq!(change(&mut ring, KeyChange::Remove, &[9; 3]), Ok(false));
    assert_eq!(change(&mut ring, KeyChange::Use, &[1; 16]), Ok(true));
    assert_eq!(change(&mut ring, KeyChange::Remove, &[0; 16]), Ok(true));
    assert_eq!(change(&mut ring, KeyChange::Install, &[2; 32]), Ok(true));
    assert_eq!(ring.keys().len(), 2);
}

#[test]
fn requests_that_cannot_be_read_are_refused_without_a_word() {
    let mut ring = ring(2, 16);
    for payload in [&b""[..], b"\x07", b"\x07\xc1"] {
        for change in [KeyChange::Install, KeyChange::Use, KeyChange::Remove] {
            assert_eq!(change_ring(&mut ring, change, payload), Err(""));
        }
    }
    // The type byte is not looked at.
    let mut other = request(&[5; 16]);
    other[0] = 0xff;
    assert_eq!(change_ring(&mut ring, KeyChange::Install, &other), Ok(true));
}

#[test]
fn the_ring_is_bounded() {
    let mut ring = ring(1, 16);
    for number in 0..300_u32 {
        let key: Vec<u8> = number.to_be_bytes().repeat(6);
        let refused = change(&mut ring, KeyChange::Install, &key).is_err();
        assert_eq!(refused, number >= 255);
    }
    assert_eq!(ring.keys().len(), KEYS_MAX);
    assert_eq!(change(&mut ring, KeyChange::Install, &[0; 16]), Ok(false), "known ones still pass");
}
