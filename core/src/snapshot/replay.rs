//! Reading a snapshot back.

use core::net::SocketAddr;
use std::collections::BTreeMap;

use super::Clocks;

/// What a snapshot says: the members to join again and the clocks to go on from.
///
/// These are the words of a file, which may be old, damaged or forged. Clocks may be as great as 2^64-1; the node
/// refuses absurd ones as it does those of messages.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restored {
    /// Members last recorded as alive, with the text of their addresses, which need not be addresses.
    pub members: BTreeMap<Box<str>, Box<str>>,
    /// The clocks as last recorded, even if smaller than before.
    pub clocks: Clocks,
    /// Lines that were skipped because they mean nothing; worth a warning if there are any.
    pub skipped: u32,
    /// Bytes up to and with the last newline.
    pub whole_bytes: u64,
    /// Bytes after the last newline: a record cut off by a crash. They count for nothing.
    pub torn_bytes: u64,
}

impl Restored {
    /// Reads a file. Never fails: what it does not understand it skips and counts.
    ///
    /// A `leave` line forgets all before it, except with `rejoin_after_leave`. Member lines that are no UTF-8 are
    /// skipped: a node accepts no such names, so it can neither have written nor join them.
    ///
    /// After an error while reading, pass what was read, and call [`Journal::write_failed`](super::Journal) right after
    /// opening the journal: the file must be replaced, not cut where reading ended.
    #[must_use]
    pub fn read(bytes: &[u8], rejoin_after_leave: bool) -> Self {
        let mut restored = Self::default();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let Some(line) = piece.strip_suffix(b"\n") else {
                restored.torn_bytes = piece.len() as u64;
                break;
            };
            restored.whole_bytes += piece.len() as u64;
            if !restored.take_line(line, rejoin_after_leave) {
                restored.skipped = restored.skipped.saturating_add(1);
            }
        }
        restored
    }

    /// The members to try to join, in order of their names: all but `own_name` and those whose address is none.
    pub fn seeds<'a>(
        &'a self,
        own_name: &'a str,
    ) -> impl Iterator<Item = (&'a str, SocketAddr)> + 'a {
        let others = self.members.iter().filter(move |(name, _)| &***name != own_name);
        others.filter_map(|(name, addr)| Some((&**name, addr.parse().ok()?)))
    }

    /// Applies one line; false if it means nothing.
    fn take_line(&mut self, line: &[u8], rejoin_after_leave: bool) -> bool {
        if let Some(rest) = line.strip_prefix(b"alive: ") {
            self.take_alive(rest)
        } else if let Some(rest) = line.strip_prefix(b"not-alive: ") {
            str::from_utf8(rest).map(|name| self.members.remove(name)).is_ok()
        } else if let Some(rest) = line.strip_prefix(b"clock: ") {
            take_time(rest, &mut self.clocks.member)
        } else if let Some(rest) = line.strip_prefix(b"event-clock: ") {
            take_time(rest, &mut self.clocks.event)
        } else if let Some(rest) = line.strip_prefix(b"query-clock: ") {
            take_time(rest, &mut self.clocks.query)
        } else if line == b"leave" {
            if !rejoin_after_leave {
                self.members.clear();
                self.clocks = Clocks::default();
            }
            true
        } else {
            // Old versions of Serf wrote coordinates; nobody writes comments.
            line.starts_with(b"coordinate: ") || line.starts_with(b"#")
        }
    }

    /// Names may contain spaces, addresses do not.
    fn take_alive(&mut self, rest: &[u8]) -> bool {
        let Some((name, addr)) = str::from_utf8(rest).ok().and_then(|rest| rest.rsplit_once(' '))
        else {
            return false;
        };
        self.members.insert(name.into(), addr.into());
        true
    }
}

/// Sets `time` to the number in `digits`, which may carry neither sign nor space.
fn take_time(digits: &[u8], time: &mut u64) -> bool {
    if !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let number = str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.map(|number| *time = number).is_some()
}
