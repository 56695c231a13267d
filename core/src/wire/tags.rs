//! Tags in a member's metadata (Serf protocol, tags in node meta).

use bytes::Bytes;
use thiserror::Error;

use crate::config::META_BYTES_MAX;
use crate::tags::Tags;
use crate::wire::msgpack::{DecodeError, Dialect, Reader, Writer};

/// First byte of metadata that holds a map of tags.
const MAGIC: u8 = 0xff;
/// The first Serf protocol version with tags; before it, metadata is the value of [`ROLE`].
const TAGS_PROTOCOL_MIN: u8 = 3;
/// The one tag that metadata without the first byte [`MAGIC`] stands for.
const ROLE: &str = "role";

/// Tags that do not fit into a member's metadata.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the encoded tags are {len} bytes, at most {limit} fit into the metadata")]
pub struct TagsTooLarge {
    /// Their bytes when encoded.
    pub len: usize,
    /// Most bytes that are allowed.
    pub limit: usize,
}

/// The metadata of a member with these tags, which are written in order of their names. Below version 3 of the Serf
/// protocol it is the value of the tag `role` alone.
///
/// # Errors
/// [`TagsTooLarge`] if it has more than [`META_BYTES_MAX`] bytes.
pub fn encode(tags: &Tags, serf_protocol: u8) -> Result<Bytes, TagsTooLarge> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, Dialect::Gossip);
    if serf_protocol >= TAGS_PROTOCOL_MIN {
        writer.literal(&[MAGIC]);
        writer.map(tags.len());
        for (name, value) in tags {
            writer.text(name);
            writer.text(value);
        }
    } else {
        writer.literal(tags.get(ROLE).unwrap_or_default().as_bytes());
    }
    if out.len() > META_BYTES_MAX {
        return Err(TagsTooLarge { len: out.len(), limit: META_BYTES_MAX });
    }
    Ok(out.into())
}

/// The tags that a member's metadata stands for. Text that is not UTF-8 has its broken parts replaced. A map that is
/// malformed somewhere has the tags before that place; metadata that is no map is the value of the tag `role`, even
/// when it is empty.
#[must_use]
pub fn decode(meta: &[u8]) -> Tags {
    let mut tags = Tags::new();
    match meta.split_first() {
        Some((&MAGIC, map)) => {
            // Peers of any make keep what they could read, so an error ends the map and no more.
            let _ = read_map(&mut Reader::new(map), &mut tags);
        }
        _ => tags.insert(ROLE, &String::from_utf8_lossy(meta)),
    }
    tags
}

/// Reads a map of text into `tags`, pair by pair.
fn read_map(reader: &mut Reader<'_>, tags: &mut Tags) -> Result<(), DecodeError> {
    for _ in 0..reader.map()? {
        let (name, value) = (reader.bytes_or_empty()?, reader.bytes_or_empty()?);
        tags.insert(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_tags_take_a_longer_header_and_are_sorted() {
        let names: Vec<String> = (0..16).rev().map(|number| format!("k{number:02}")).collect();
        let tags: Tags = names.iter().map(|name| (name, "v")).collect();
        let meta = encode(&tags, 5).expect("short");
        assert!(meta.starts_with(b"\xff\xde\x00\x10\xa3k00\xa1v\xa3k01"), "{meta:02x?}");
        assert_eq!(decode(&meta), tags);
    }

    #[test]
    fn the_limit_counts_every_byte() {
        let tags = |len: usize| -> Tags { [("k", "v".repeat(len))].into_iter().collect() };
        assert_eq!(encode(&tags(505), 3).map(|meta| meta.len()), Ok(512));
        assert_eq!(encode(&tags(506), 3), Err(TagsTooLarge { len: 513, limit: 512 }));
        let role = |len: usize| -> Tags { [("role", "v".repeat(len))].into_iter().collect() };
        assert_eq!(encode(&role(512), 2).map(|meta| meta.len()), Ok(512));
        assert_eq!(encode(&role(513), 2), Err(TagsTooLarge { len: 513, limit: 512 }));
    }

    #[test]
    fn what_is_sound_is_kept() {
        let pairs = |meta: &[u8]| {
            let tags = decode(meta);
            tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>()
        };
        assert_eq!(pairs(b"\xff\x83\xa1a\xa1b\xa1c\x05\xa1d\xa1e"), ["a=b"]);
        assert_eq!(pairs(b"\xff\x82\xa1a\xa1b\xa1a\xa1c"), ["a=c"]);
        assert_eq!(pairs(b"\xff\x81\xa1\xfe\xa2v\xff"), ["\u{fffd}=v\u{fffd}"]);
        assert_eq!(pairs(b"\xff\xdf\xff\xff\xff\xff\xa1a\xc0"), ["a="]);
        assert_eq!(pairs(b"\xff\x92\xa1a\xa1b"), <[&str; 0]>::default());
        assert_eq!(pairs(b""), ["role="]);
        assert_eq!(pairs(b"\xfe\x41"), ["role=\u{fffd}A"]);
    }
}
