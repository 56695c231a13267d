//! The push/pull user state of the Serf layer (Serf protocol, push/pull).
//!
//! It is written piece by piece from what the sender keeps, and read by iterators over the received bytes: it names every
//! member, so neither side holds it as a structure.

use crate::msg::serf::{SerfMessageType, StateClocks};
use crate::wire::msgpack::{DecodeError, Dialect, Reader, Writer, key};
use crate::wire::swim::usize_from;

/// One remembered user event: its Lamport time, name and payload.
pub type StateEvent<'a> = (u64, &'a str, Option<&'a [u8]>);

/// Writes the push/pull user state (Serf type 2) piece by piece, in the order of its keys: [`StateEncoder::start`],
/// then for each slot [`StateEncoder::empty_slot`] or [`StateEncoder::slot`], then [`StateEncoder::member_clock`],
/// [`StateEncoder::left_members`], [`StateEncoder::query_clock`] and last [`StateEncoder::status_ltimes`].
///
/// Panics if the order is broken or a count is not the number of items given.
#[derive(Debug)]
pub struct StateEncoder<'o> {
    writer: Writer<'o>,
    slots_left: usize,
    next: Piece,
}

/// The piece that a [`StateEncoder`] expects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Piece {
    Slots,
    LeftMembers,
    QueryClock,
    StatusLTimes,
}

impl<'o> StateEncoder<'o> {
    /// Writes the type byte, the event clock (the next value to be used) and the start of `slots` event slots.
    pub fn start(out: &'o mut Vec<u8>, event_ltime: u64, slots: usize) -> Self {
        let mut writer = Writer::new(out, Dialect::Gossip);
        writer.message(SerfMessageType::PushPull as u8, 6);
        writer.literal(key!("EventLTime"));
        writer.unsigned(event_ltime);
        writer.literal(key!("Events"));
        writer.array(slots);
        Self { writer, slots_left: slots, next: Piece::Slots }
    }

    /// A slot without events.
    pub fn empty_slot(&mut self) {
        self.take_slot();
        self.writer.nil();
    }

    /// A slot with `count` events of one Lamport time, each a name and a payload.
    pub fn slot<'e>(
        &mut self,
        ltime: u64,
        count: usize,
        events: impl IntoIterator<Item = (&'e str, Option<&'e [u8]>)>,
    ) {
        self.take_slot();
        self.writer.fixed_map(2);
        self.writer.literal(key!("Events"));
        self.writer.array(count);
        let mut written = 0;
        for (name, payload) in events {
            self.writer.fixed_map(2);
            self.writer.literal(key!("Name"));
            self.writer.text(name);
            self.writer.literal(key!("Payload"));
            self.writer.bytes(payload);
            written += 1;
        }
        assert_eq!(written, count, "events of one slot");
        self.writer.literal(key!("LTime"));
        self.writer.unsigned(ltime);
    }

    /// The member clock (the next value to be used).
    pub fn member_clock(&mut self, ltime: u64) {
        assert_eq!(self.slots_left, 0, "slots not written");
        self.expect(Piece::Slots, Piece::LeftMembers);
        self.writer.literal(key!("LTime"));
        self.writer.unsigned(ltime);
    }

    /// Names of the `count` members that left.
    pub fn left_members<'e>(&mut self, count: usize, names: impl IntoIterator<Item = &'e str>) {
        self.expect(Piece::LeftMembers, Piece::QueryClock);
        self.writer.literal(key!("LeftMembers"));
        self.writer.array(count);
        let mut written = 0;
        for name in names {
            self.writer.text(name);
            written += 1;
        }
        assert_eq!(written, count, "left members");
    }

    /// The query clock (the next value to be used).
    pub fn query_clock(&mut self, ltime: u64) {
        self.expect(Piece::QueryClock, Piece::StatusLTimes);
        self.writer.literal(key!("QueryLTime"));
        self.writer.unsigned(ltime);
    }

    /// The Lamport times of the `count` members' states, own one and those that left included; ends the state. Returns
    /// how many bytes they take at its end, the header of their map not counted.
    pub fn status_ltimes<'e>(
        mut self,
        count: usize,
        entries: impl IntoIterator<Item = (&'e str, u64)>,
    ) -> usize {
        assert_eq!(self.next, Piece::StatusLTimes, "piece out of order");
        self.writer.literal(key!("StatusLTimes"));
        self.writer.map(count);
        let (start, mut written) = (self.writer.len(), 0);
        for (name, ltime) in entries {
            self.writer.text(name);
            self.writer.unsigned(ltime);
            written += 1;
        }
        assert_eq!(written, count, "status Lamport times");
        self.writer.len() - start
    }

    fn take_slot(&mut self) {
        assert_eq!(self.next, Piece::Slots, "piece out of order");
        self.slots_left = self.slots_left.checked_sub(1).expect("more slots than announced");
    }

    fn expect(&mut self, now: Piece, next: Piece) {
        assert_eq!(self.next, now, "piece out of order");
        self.next = next;
    }
}

/// A decoded push/pull user state. Its framing is checked; the values in its collections are read by the iterators,
/// which yield an error in place of a malformed one and go on.
#[derive(Clone, Debug, Default)]
pub struct State<'a> {
    /// The three clocks.
    pub clocks: StateClocks,
    events: Items<'a>,
    left_members: Items<'a>,
    status_ltimes: Items<'a>,
    status_bytes: &'a [u8],
}

impl<'a> State<'a> {
    /// All remembered user events, slot by slot.
    #[must_use]
    pub fn events(&self) -> StateEvents<'a> {
        StateEvents { slots: self.events.clone(), ltime: 0, events: Items::default() }
    }

    /// Names of the members that left.
    #[must_use]
    pub fn left_members(&self) -> LeftMembers<'a> {
        LeftMembers(self.left_members.clone())
    }

    /// Names and Lamport times of the members' states as they came, without the header of their map.
    pub(crate) fn status_bytes(&self) -> &'a [u8] {
        self.status_bytes
    }

    /// Names and Lamport times of the members' states.
    #[must_use]
    pub fn status_ltimes(&self) -> StatusLTimes<'a> {
        StatusLTimes(self.status_ltimes.clone())
    }
}

/// Fields of the state in the order of their declaration.
const STATE: &[&str] =
    &["LTime", "StatusLTimes", "LeftMembers", "EventLTime", "Events", "QueryLTime"];

/// Decodes the push/pull user state from what follows its Serf type byte. Keys may come in any order and may be
/// missing; bytes after the map are ignored.
///
/// # Errors
/// [`DecodeError`] if the framing or a clock is malformed.
pub fn decode_state(body: &[u8]) -> Result<State<'_>, DecodeError> {
    let mut state = State::default();
    Reader::new(body).structure(STATE, |reader, key| {
        match key {
            b"LTime" => state.clocks.member = reader.unsigned()?,
            b"EventLTime" => state.clocks.event = reader.unsigned()?,
            b"QueryLTime" => state.clocks.query = reader.unsigned()?,
            b"Events" => state.events = Items::array(reader)?,
            b"LeftMembers" => state.left_members = Items::array(reader)?,
            b"StatusLTimes" => {
                state.status_ltimes = Items::map(reader)?;
                state.status_bytes = state.status_ltimes.reader.before(reader);
            }
            _ => reader.skip()?,
        }
        Ok(())
    })?;
    Ok(state)
}

/// The items of one container: elements of an array, or pairs of a map.
#[derive(Clone, Debug)]
struct Items<'a> {
    reader: Reader<'a>,
    left: u32,
}

impl Default for Items<'_> {
    fn default() -> Self {
        Self { reader: Reader::new(&[]), left: 0 }
    }
}

impl<'a> Items<'a> {
    /// The elements of the array that comes next; steps over it.
    fn array(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let left = reader.array()?;
        let items = Self { reader: reader.clone(), left };
        for _ in 0..left {
            reader.skip()?;
        }
        Ok(items)
    }

    /// The pairs of the map that comes next; steps over it.
    fn map(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let left = reader.map()?;
        let items = Self { reader: reader.clone(), left };
        for _ in 0..left {
            reader.skip()?;
            reader.skip()?;
        }
        Ok(items)
    }

    /// Reads the next item, of `values` values, with `read`. If that fails, steps over it.
    fn next_with<T>(
        &mut self,
        values: usize,
        read: impl FnOnce(&mut Reader<'a>) -> Result<T, DecodeError>,
    ) -> Option<Result<T, DecodeError>> {
        self.left = self.left.checked_sub(1)?;
        let start = self.reader.clone();
        let item = read(&mut self.reader);
        if item.is_err() {
            self.reader = start;
            for _ in 0..values {
                // The framing was checked, so this cannot fail; if it did, there would be nothing left to read.
                if self.reader.skip().is_err() {
                    self.left = 0;
                }
            }
        }
        Some(item)
    }
}

/// Remembered user events of a [`State`].
#[derive(Clone, Debug)]
pub struct StateEvents<'a> {
    slots: Items<'a>,
    /// Lamport time of the current slot.
    ltime: u64,
    /// Events of the current slot that are still to come.
    events: Items<'a>,
}

impl<'a> Iterator for StateEvents<'a> {
    type Item = Result<StateEvent<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.events.next_with(1, read_event) {
                return Some(event.map(|(name, payload)| (self.ltime, name, payload)));
            }
            match self.slots.next_with(1, read_slot)? {
                Ok((ltime, events)) => (self.ltime, self.events) = (ltime, events),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// Names of the members that left, of a [`State`].
#[derive(Clone, Debug)]
pub struct LeftMembers<'a>(Items<'a>);

impl<'a> Iterator for LeftMembers<'a> {
    type Item = Result<&'a str, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_with(1, Reader::text)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize_from(self.0.left), Some(usize_from(self.0.left)))
    }
}

/// Names and Lamport times of members' states, of a [`State`].
#[derive(Clone, Debug)]
pub struct StatusLTimes<'a>(Items<'a>);

impl StatusLTimes<'_> {
    /// The Lamport time of the next entry, if the entry is about `name`; otherwise stays. For the entries that come as
    /// expected, which are almost all.
    pub(crate) fn next_about(&mut self, name: &str) -> Option<u64> {
        let header = u8::try_from(name.len()).ok().filter(|len| *len < 32)?;
        let mut reader = self.0.reader.clone();
        if self.0.left == 0 || !reader.literal(&[0xa0 | header]) || !reader.piece(name.as_bytes()) {
            return None;
        }
        let ltime = reader.unsigned().ok()?;
        self.0.reader = reader;
        self.0.left -= 1;
        Some(ltime)
    }
}

impl<'a> Iterator for StatusLTimes<'a> {
    type Item = Result<(&'a str, u64), DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_with(2, |reader| Ok((reader.text()?, reader.unsigned()?)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (usize_from(self.0.left), Some(usize_from(self.0.left)))
    }
}

/// One slot: its Lamport time and events; nil has none.
fn read_slot<'a>(reader: &mut Reader<'a>) -> Result<(u64, Items<'a>), DecodeError> {
    let (mut ltime, mut events) = (0, Items::default());
    for _ in 0..reader.map()? {
        match reader.key()? {
            b"LTime" => ltime = reader.unsigned()?,
            b"Events" => events = Items::array(reader)?,
            _ => reader.skip()?,
        }
    }
    Ok((ltime, events))
}

/// One event of a slot: its name and payload.
fn read_event<'a>(reader: &mut Reader<'a>) -> Result<(&'a str, Option<&'a [u8]>), DecodeError> {
    let (mut name, mut payload) = ("", None);
    for _ in 0..reader.map()? {
        match reader.key()? {
            b"Name" => name = reader.text()?,
            b"Payload" => payload = reader.bytes()?,
            _ => reader.skip()?,
        }
    }
    Ok((name, payload))
}
