use super::*;

/// Packs codes, least significant bit first, following the decoder's width from the number of codes seen.
fn pack(codes: &[u16]) -> Vec<u8> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u64, 0);
    let (mut width, mut next, mut first) = (9, 258_u32, true);
    for &code in codes {
        bits |= u64::from(code) << count;
        count += width;
        while count >= 8 {
            bytes.push(bits.to_le_bytes()[0]);
            bits >>= 8;
            count -= 8;
        }
        if code == 256 {
            (width, next, first) = (9, 258, true);
        } else {
            // Every code but the first after a clear adds an entry, as long as there is room.
            if !first && next < 4_096 {
                next += 1;
            }
            first = false;
            if next == 1 << width && width < 12 {
                width += 1;
            }
        }
    }
    bytes.push(bits.to_le_bytes()[0]);
    bytes.push(bits.to_le_bytes()[1]);
    bytes
}

fn inflate(input: &[u8]) -> Result<Vec<u8>, DecompressError> {
    let mut out = Vec::new();
    Decompressor::default().decompress(input, 1 << 20, &mut out).map(|()| out)
}

#[test]
fn the_end_code_is_mandatory() {
    assert_eq!(inflate(&pack(&[256, 97, 98, 257])), Ok(b"ab".to_vec()));
    assert_eq!(inflate(&pack(&[256, 97, 98])[..4]), Err(DecompressError::End));
    assert_eq!(inflate(&[]), Err(DecompressError::End));
}

#[test]
fn bytes_after_the_end_code_are_ignored() {
    let bytes = [pack(&[256, 97, 257]), vec![0xff; 100]].concat();
    assert_eq!(inflate(&bytes), Ok(b"a".to_vec()));
}

#[test]
fn clear_codes_may_be_missing_or_come_at_any_time() {
    assert_eq!(inflate(&pack(&[97, 98, 258, 257])), Ok(b"abab".to_vec()));
    assert_eq!(inflate(&pack(&[256, 256, 256, 97, 256, 256, 98, 256, 257])), Ok(b"ab".to_vec()));
    let many = [vec![256; 1_000], vec![97, 257]].concat();
    assert_eq!(inflate(&pack(&many)), Ok(b"a".to_vec()));
}

#[test]
fn the_next_free_code_needs_a_previous_one() {
    assert_eq!(inflate(&pack(&[256, 97, 258, 257])), Ok(b"aaa".to_vec()));
    assert_eq!(inflate(&pack(&[256, 258, 257])), Err(DecompressError::Code));
    assert_eq!(inflate(&pack(&[258, 257])), Err(DecompressError::Code));
    assert_eq!(inflate(&pack(&[256, 97, 98, 256, 258, 257])), Err(DecompressError::Code));
    assert_eq!(inflate(&pack(&[256, 97, 259, 257])), Err(DecompressError::Code));
}

#[test]
fn a_full_table_without_a_clear_keeps_its_codes() {
    // 3,839 literals fill the table; from then on codes stay 12 bits wide and nothing is added.
    let mut codes = vec![256];
    let mut expected = Vec::new();
    for index in 0..6_000_u16 {
        codes.push(index % 256);
        expected.push(u8::try_from(index % 256).expect("a byte"));
    }
    codes.extend([4_095, 258, 257]);
    // Code 258 is bytes 0 and 1; the last entry, 4,095, was made of literals 3,837 and 3,838.
    expected.extend([
        u8::try_from(3_837 % 256).expect("a byte"),
        u8::try_from(3_838 % 256).expect("a byte"),
        0,
        1,
    ]);
    assert_eq!(inflate(&pack(&codes)), Ok(expected));
}

#[test]
fn output_is_capped_exactly() {
    let mut compressed = Vec::new();
    Compressor::default().compress(&[b'a'; 5_000], &mut compressed);
    let mut decompressor = Decompressor::default();
    for (limit, result) in
        [(5_000, Ok(())), (4_999, Err(DecompressError::Limit)), (0, Err(DecompressError::Limit))]
    {
        let mut out = vec![1, 2];
        assert_eq!(decompressor.decompress(&compressed, limit, &mut out), result);
        assert_eq!(out.len(), 2 + limit);
    }
}

#[test]
fn an_empty_result_is_an_error() {
    assert_eq!(inflate(&pack(&[256, 257])), Err(DecompressError::Empty));
    assert_eq!(inflate(&pack(&[257])), Err(DecompressError::Empty));
}

#[test]
fn state_is_fresh_after_every_use() {
    let mut compressor = Compressor::default();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    compressor.compress(b"abcabcabc", &mut first);
    assert!(!compressor.compress_within(&[7; 500], 3, &mut second));
    assert!(second.is_empty());
    compressor.compress(b"abcabcabc", &mut second);
    assert_eq!(first, second);
    let mut decompressor = Decompressor::default();
    let mut out = Vec::new();
    assert_eq!(decompressor.decompress(&first[..3], 100, &mut out), Err(DecompressError::End));
    out.clear();
    assert_eq!(decompressor.decompress(&first, 100, &mut out), Ok(()));
    assert_eq!(out, b"abcabcabc");
}

#[test]
fn a_compression_limit_is_exact() {
    let mut compressor = Compressor::default();
    let mut whole = Vec::new();
    compressor.compress(b"abcabcabcabc", &mut whole);
    let mut out = Vec::new();
    assert!(compressor.compress_within(b"abcabcabcabc", whole.len(), &mut out));
    assert_eq!(out, whole);
    assert!(!compressor.compress_within(b"abcabcabcabc", whole.len() - 1, &mut out));
    assert_eq!(out, whole);
}
