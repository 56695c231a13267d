use super::*;

fn sealer(keys: &[&[u8]]) -> Sealer {
    let mut ring = Keyring::default();
    for key in keys {
        ring.install(Key::new(key).expect("a valid length"));
    }
    Sealer::new(&ring)
}

fn seal(sealer: &Sealer, version: u8, plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    sealer.seal(version, &mut Rng::from_seed([3; 32]), [b"frame", b"label"], plain, &mut out);
    out
}

fn open(sealer: &Sealer, blob: &[u8]) -> Option<Vec<u8>> {
    let mut out = b"kept".to_vec();
    let opened = sealer.open(blob, [b"framelabel", &[]], &mut out).is_ok();
    assert_eq!(out.drain(..4).as_slice(), b"kept");
    assert!(opened || out.is_empty());
    opened.then_some(out)
}

#[test]
fn every_key_of_the_ring_opens_but_only_the_primary_seals() {
    let (old, new) = ([1; 16], [2; 32]);
    let blob = seal(&sealer(&[&old]), 1, b"text");
    assert_eq!(open(&sealer(&[&new, &[3; 24], &old]), &blob).as_deref(), Some(&b"text"[..]));
    assert_eq!(open(&sealer(&[&new]), &blob), None);
    assert_eq!(open(&Sealer::default(), &blob), None);
}

#[test]
fn both_versions_are_opened_in_every_length() {
    let sealer = sealer(&[&[1; 24]]);
    for version in 0..=1 {
        for len in 0..50 {
            let plain = vec![7; len];
            let blob = seal(&sealer, version, &plain);
            assert_eq!(blob.len(), sealed_len(version, len));
            assert!(blob.len() <= overhead(version) + len);
            assert_eq!(open(&sealer, &blob), Some(plain));
        }
    }
}

#[test]
fn wrong_versions_lengths_tags_and_associated_data_are_refused() {
    let sealer = sealer(&[&[1; 16]]);
    let blob = seal(&sealer, 1, b"text");
    for len in 0..blob.len() {
        assert_eq!(open(&sealer, &blob[..len]), None);
    }
    for at in 0..blob.len() {
        let mut changed = blob.clone();
        changed[at] ^= 1;
        // A version-1 blob of fewer than 16 bytes of text is too short for version 0.
        assert_eq!(open(&sealer, &changed), None);
    }
    let mut version_2 = blob.clone();
    version_2[0] = 2;
    assert_eq!(open(&sealer, &version_2), None);
    assert_eq!(sealer.open(&blob, [b"other", &[]], &mut Vec::new()), Err(OpenError));
}

#[test]
fn padding_must_be_whole() {
    assert_eq!(pad_len(&[]), None);
    assert_eq!(pad_len(&[1, 2, 0]), None);
    assert_eq!(pad_len(&[9, 2, 2]), Some(2));
    assert_eq!(pad_len(&[9, 1, 2]), None);
    assert_eq!(pad_len(&[3, 3]), None);
    assert_eq!(pad_len(&[17; 17]), None);
    assert_eq!(pad_len(&[16; 16]), Some(16));
    assert_eq!(pad_len(&[255; 300]), None);
}

#[test]
fn a_sealed_block_with_bad_padding_is_refused() {
    let sealer = sealer(&[&[1; 16]]);
    // Sealed as version 1, then declared version 0: the text ends in 255, which Go cuts off blindly and crashes.
    let mut blob = Vec::new();
    sealer.seal_with_nonce(1, [0; 12], [&[], &[]], &[255; 16], &mut blob);
    blob[0] = 0;
    assert_eq!(sealer.open(&blob, [&[], &[]], &mut Vec::new()), Err(OpenError));
}

#[test]
fn debug_output_hides_the_keys() {
    assert_eq!(format!("{:?}", sealer(&[&[1; 16], &[2; 16]])), "Sealer(2 keys)");
}
