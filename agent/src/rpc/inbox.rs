//! What a client has sent and was not looked at yet: finds the ends of msgpack objects as the bytes come in.
//!
//! Every byte is scanned once, however it arrives, and nothing is allocated because a length was announced.

use core::ops::Range;

use uwasa_core::wire::msgpack::{DecodeError, DecodeErrorKind, Reader, Skipper};

/// An empty buffer up to this size is kept for the next request, in bytes.
const KEEP_BYTES: usize = 512;

/// Why no further object can be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// No msgpack, or nested too deeply.
    #[error("{0}")]
    Malformed(#[from] DecodeError),
    /// An object longer than allowed.
    #[error("the object is longer than {limit} bytes")]
    TooLong {
        /// In bytes.
        limit: usize,
    },
}

/// Bytes received.
#[derive(Debug)]
pub(super) struct Inbox {
    bytes: Vec<u8>,
    /// Where the next object starts.
    start: usize,
    /// How far it was scanned.
    scanned: usize,
    scan: Skipper,
}

impl Inbox {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, scanned: 0, scan: Skipper::new(1) }
    }

    /// Appends what came in; objects found before are forgotten.
    pub(super) fn push(&mut self, received: &[u8]) {
        self.forget();
        self.bytes.extend_from_slice(received);
    }

    /// Whether an object has begun and not ended.
    pub(super) fn is_inside(&self) -> bool {
        self.start < self.bytes.len()
    }

    /// Finds the next object, if all of it is here; it can be looked at until more is pushed.
    ///
    /// # Errors
    /// [`FrameError`]; nothing can be read after that.
    pub(super) fn find(&mut self, limit: usize) -> Result<Option<Range<usize>>, FrameError> {
        let mut reader = Reader::new(&self.bytes[self.scanned..]);
        let found = self.scan.run(&mut reader);
        self.scanned += reader.offset();
        let complete = match found {
            Ok(()) => true,
            Err(error) if error.kind == DecodeErrorKind::End => false,
            Err(error) => return Err(error.into()),
        };
        let end = if complete { self.scanned } else { self.bytes.len() };
        if end - self.start > limit {
            return Err(FrameError::TooLong { limit });
        }
        if !complete {
            return Ok(None);
        }
        let object = self.start..end;
        self.start = end;
        self.scan = Skipper::new(1);
        Ok(Some(object))
    }

    /// An object that was found.
    pub(super) fn object(&self, found: Range<usize>) -> &[u8] {
        &self.bytes[found]
    }

    /// Gives back what is not needed while the client is silent.
    pub(super) fn forget(&mut self) {
        if self.is_inside() {
            self.bytes.drain(..self.start);
        } else if self.bytes.capacity() > KEEP_BYTES {
            self.bytes = Vec::new();
        } else {
            self.bytes.clear();
        }
        self.scanned -= self.start;
        self.start = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 4_096;

    /// All objects that come of these pieces, and the error at the end, if any.
    fn objects<'p>(
        pieces: impl IntoIterator<Item = &'p [u8]>,
        limit: usize,
    ) -> (Vec<Vec<u8>>, Option<FrameError>) {
        let (mut inbox, mut found) = (Inbox::new(), Vec::new());
        for piece in pieces {
            inbox.push(piece);
            loop {
                match inbox.find(limit) {
                    Ok(Some(object)) => found.push(inbox.object(object).to_vec()),
                    Ok(None) => break,
                    Err(error) => return (found, Some(error)),
                }
            }
            assert!(inbox.bytes.capacity() <= 2 * (limit + piece.len()) + KEEP_BYTES);
        }
        (found, None)
    }

    /// A msgpack object of any kind.
    fn object() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            any::<u8>().prop_map(|byte| vec![byte & 0x7f]),
            any::<u64>().prop_map(|value| [&[0xcf][..], &value.to_be_bytes()].concat()),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| {
                [&[0xc4, u8::try_from(bytes.len()).unwrap()][..], &bytes].concat()
            }),
            Just(vec![0xc0]),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            proptest::collection::vec(inner, 0..6).prop_map(|items| {
                let items: Vec<_> = items.concat().into_iter().collect();
                [vec![0x91, 0x92, 0xc2], vec![0xc4, u8::try_from(items.len() % 256).unwrap()]]
                    .concat()
                    .into_iter()
                    .chain(items.iter().copied().take(items.len() % 256))
                    .collect()
            })
        })
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_objects(
            sent in proptest::collection::vec(object(), 0..8),
            cuts in proptest::collection::vec(1_usize..64, 1..64),
        ) {
            let stream = sent.concat();
            let (mut pieces, mut rest, mut cuts) = (Vec::new(), &stream[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                pieces.push(piece);
                rest = tail;
            }
            prop_assert_eq!(objects(pieces, LIMIT), (sent, None));
        }

        #[test]
        fn random_bytes_are_bounded(bytes in proptest::collection::vec(any::<u8>(), 0..20_000)) {
            let whole = objects([&bytes[..]], LIMIT);
            let single = objects(bytes.chunks(1), LIMIT);
            prop_assert_eq!(&whole.0, &single.0);
            prop_assert!(whole.0.iter().all(|object| object.len() <= LIMIT));
        }
    }

    #[test]
    fn announced_lengths_cost_nothing() {
        for head in [
            &[0xc6, 0xff, 0xff, 0xff, 0xff][..],
            &[0xdf, 0xff, 0xff, 0xff, 0xff],
            &[0xdd, 0xff, 0, 0, 0],
        ] {
            let mut inbox = Inbox::new();
            inbox.push(head);
            assert_eq!(inbox.find(LIMIT), Ok(None));
            assert!(inbox.bytes.capacity() < 64);
        }
    }

    #[test]
    fn objects_beyond_the_limits_are_refused() {
        let long = [&[0xc5, 0x10, 0x00][..], &[7; 4_096]].concat();
        assert_eq!(objects([&long[..]], 4_099).0.len(), 1);
        assert_eq!(objects([&long[..]], 4_098).1, Some(FrameError::TooLong { limit: 4_098 }));
        // Not only once it is all here.
        let endless = [&[0xc6, 0xff, 0xff, 0xff, 0xff][..], &[7; 4_096]].concat();
        assert_eq!(objects([&endless[..]], LIMIT).1, Some(FrameError::TooLong { limit: LIMIT }));
        assert_eq!(objects([&[0x91; 64][..], &[0xc0]], LIMIT).0.len(), 1);
        assert!(matches!(objects([&[0x91; 66][..]], LIMIT).1, Some(FrameError::Malformed(_))));
        assert!(matches!(objects([&[0xc1][..]], LIMIT).1, Some(FrameError::Malformed(_))));
    }

    #[test]
    fn an_idle_connection_keeps_no_large_buffer() {
        let mut inbox = Inbox::new();
        inbox.push(&[&[0xc5, 0x10, 0x00][..], &[7; 4_096]].concat());
        assert!(inbox.find(LIMIT + 3).unwrap().is_some());
        inbox.forget();
        assert_eq!(inbox.bytes.capacity(), 0);
    }
}
