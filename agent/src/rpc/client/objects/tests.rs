use tokio::io::AsyncWriteExt as _;

use super::*;

#[tokio::test]
async fn objects_are_found_however_the_bytes_are_cut() {
    let bytes = b"\x82\xa5Error\xa0\xa3Seq\x01\x81\xa1a\x93\x01\xda\0\x02xy\xc0\x05";
    let expected = [&bytes[..13], &bytes[13..24], &bytes[24..]];
    for step in 1..=bytes.len() {
        let (mut ours, mut theirs) = tokio::io::duplex(step);
        let writer = async move { theirs.write_all(bytes).await.expect("room") };
        let reader = async {
            let mut objects = Objects::new();
            for object in expected {
                assert_eq!(objects.next(&mut ours).await.expect("an object"), object);
            }
            assert!(matches!(objects.next(&mut ours).await, Err(ClientError::End)));
        };
        tokio::join!(writer, reader);
    }
}

#[tokio::test]
async fn an_object_that_is_cut_off_is_no_clean_end() {
    let mut objects = Objects::new();
    assert!(matches!(objects.next(&mut &b"\x82\xa5Error"[..]).await, Err(ClientError::Cut)));
}

#[tokio::test]
async fn what_is_no_object_is_an_error() {
    let mut objects = Objects::new();
    assert!(matches!(objects.next(&mut &b"\xc1"[..]).await, Err(ClientError::Decode(_))));
}

#[tokio::test]
async fn an_announced_length_takes_no_memory() {
    let mut objects = Objects::new();
    assert!(matches!(objects.next(&mut &b"\xc6\xff\xff\xff\xff"[..]).await, Err(ClientError::Cut)));
    assert!(objects.buffer.capacity() <= 4 * READ_BYTES);
}

#[tokio::test]
async fn an_endless_object_is_given_up() {
    let mut endless =
        tokio::io::AsyncReadExt::chain(&b"\xc6\xff\xff\xff\xff"[..], tokio::io::repeat(0));
    let outcome = Objects::new().next(&mut endless).await;
    assert!(matches!(outcome, Err(ClientError::TooLarge)));
}
